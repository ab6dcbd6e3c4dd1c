//! Durations as people write them in annotations and configuration: `25s`, `10m`, `1h`, `2d`.

/// Text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no duration: write a whole number and a unit, like `25s`, `10m`, `1h` or `2d`")]
pub struct NotADuration(String);

/// Reads a duration above zero, at most 366 days, as milliseconds.
///
/// # Errors
/// Another form, zero, or too long.
pub fn parse(text: &str) -> Result<i64, NotADuration> {
    const LONGEST: i64 = 366 * 86_400_000;
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).and_then(|unit| units.iter().find(|(name, _)| *name == unit));
    unit.filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .zip(digits.parse::<i64>().ok())
        .and_then(|((_, unit), number)| number.checked_mul(*unit))
        .filter(|millis| (1..=LONGEST).contains(millis))
        .ok_or_else(|| NotADuration(text.chars().take(80).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        let cases = [("25s", 25_000), ("10m", 600_000), ("1h", 3_600_000), ("2d", 172_800_000), ("250ms", 250)];
        for (text, millis) in cases {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "25", "0s", "-1s", "+1s", "1.5s", "25 s", "25S", "1w", "9999999999999999999d", "400d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
