//! Durations as people write them in annotations and configuration: `25s`, `10m`, `1h`, `2d`.

/// Milliseconds of a whole number and one unit, `s`, `m`, `h` or `d`; nothing for any other text.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let factor = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    digits(text.strip_suffix(unit)?)?.checked_mul(factor)
}

/// Decimal digits only: no sign, no space.
fn digits(text: &str) -> Option<i64> {
    Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        let cases = [("0s", 0), ("25s", 25_000), ("10m", 600_000), ("1h", 3_600_000), ("2d", 172_800_000)];
        for (text, millis) in cases {
            assert_eq!(parse(text), Some(millis), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "s", "25", "-1s", "+1s", "1.5s", "25 s", "25S", "250ms", "1w", "9999999999999999999d"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
