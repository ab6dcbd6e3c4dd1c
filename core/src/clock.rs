//! What the clock says in the zone that the operator chose; the time itself is always given, never read.

use countersign_protocol::UnixMillis;
use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A time zone of the IANA database that is compiled in, so that a verdict can be derived again anywhere.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

/// A name that is not in the IANA database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone `{0}`: use an IANA name like `Europe/Zurich` or `UTC`")]
pub struct UnknownZone(String);

/// A moment as people in a zone would tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// The English name in lower case, `monday`.
    pub weekday: &'static str,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
}

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of an IANA name.
    ///
    /// # Errors
    /// The database has no such name.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        TimeZoneDatabase::bundled().get(name).map(Self).map_err(|_| UnknownZone(name.to_owned()))
    }

    /// What the clock says at `now`; `None` beyond the years -9999 to 9999.
    #[must_use]
    pub fn at(&self, now: UnixMillis) -> Option<LocalTime> {
        let local = self.0.to_datetime(Timestamp::from_millisecond(now).ok()?);
        Some(LocalTime {
            weekday: name(local.weekday()),
            hour: i64::from(local.hour()),
            minute: i64::from(local.minute()),
        })
    }
}

/// A moment in UTC as RFC 3339 writes it, to the millisecond, as Cedar's `datetime` reads it. Beyond the
/// calendar it is the nearest end.
#[must_use]
pub fn rfc3339(millis: UnixMillis) -> String {
    let clamped = Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    written(TimeZone::UTC.to_datetime(clamped))
}

/// `2026-01-31T09:30:00.000Z`. Written here, because the library's general printer is a large part of it that
/// nothing else needs.
fn written(time: DateTime) -> String {
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let sign = if year < 0 { "-" } else { "" };
    let millis = time.millisecond();
    format!("{sign}{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", year.abs())
}

/// As [`rfc3339`], of a year that RFC 3339 knows (0 to 9999).
#[must_use]
pub(crate) fn datetime(millis: UnixMillis) -> Option<String> {
    let time = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(millis).ok()?);
    (0..=9999).contains(&time.year()).then(|| written(time))
}

fn name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_rules_the_clock() {
        // 2026-03-29T00:59:00Z: a minute before summer time starts in Zurich; and 61 minutes later.
        let before = 1_774_745_940_000;
        let zurich = Zone::named("Europe/Zurich").unwrap();
        assert_eq!(zurich.at(before), Some(LocalTime { weekday: "sunday", hour: 1, minute: 59 }));
        assert_eq!(zurich.at(before + 60_000), Some(LocalTime { weekday: "sunday", hour: 3, minute: 0 }));
        assert_eq!(Zone::utc().at(before), Some(LocalTime { weekday: "sunday", hour: 0, minute: 59 }));
        let honolulu = Zone::named("Pacific/Honolulu").unwrap();
        assert_eq!(honolulu.at(before), Some(LocalTime { weekday: "saturday", hour: 14, minute: 59 }));
    }

    #[test]
    fn a_moment_is_written_to_the_millisecond() {
        assert_eq!(rfc3339(1_774_745_940_007), "2026-03-29T00:59:00.007Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(-62_167_219_200_001), "-0001-12-31T23:59:59.999Z");
        assert_eq!((datetime(-62_167_219_200_001), datetime(i64::MAX)), (None, None));
        assert_eq!(rfc3339(i64::MAX), "9999-12-30T22:00:00.999Z");
    }

    #[test]
    fn what_is_no_zone_or_no_time_is_said() {
        let error = Zone::named("Europe/Zurch").unwrap_err().to_string();
        assert_eq!(error, "unknown time zone `Europe/Zurch`: use an IANA name like `Europe/Zurich` or `UTC`");
        assert_eq!(Zone::utc().at(i64::MAX), None);
    }
}
