//! Times as other tools write them, in milliseconds since the Unix epoch.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// ISO 8601, and whether it is exact: without a zone it is taken for UTC.
pub(crate) fn iso(text: &str) -> Option<(i64, bool)> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some((time.as_millisecond(), true));
    }
    let civil: DateTime = text.parse().ok()?;
    Some((civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond(), false))
}

/// The date of an HTTP message (RFC 9110 section 5.6.7), which knows whole seconds.
pub(crate) fn http(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_counted() {
        for text in
            ["2026-01-02T03:04:05.678Z", "2026-01-02T05:04:05.678+02:00", "2026-01-02T03:04:05.678901+0000"]
        {
            assert_eq!(iso(text), Some((1_767_323_045_678, true)), "{text}");
        }
        assert_eq!(iso("2026-01-02T03:04:05.678"), Some((1_767_323_045_678, false)));
        assert_eq!(iso("yesterday"), None);
        assert_eq!(http("Fri, 02 Jan 2026 03:04:05 GMT"), Some(1_767_323_045_000));
    }
}
