//! Times as an operator types them, and as the clock on the wall shows them.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Weekday as Day},
    tz::TimeZone,
};
use undertone_control_core::permission::{LocalTime, Weekday};

/// A date (its beginning, in UTC), a time with its zone, or how long ago.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let moment = text.parse().ok().or_else(|| date(text)).or_else(|| ago(text, Timestamp::now()));
    moment.ok_or_else(|| "it is like 2026-11-26, 2026-11-26T08:00:00Z or 12h (ago; also m and d)".into())
}

/// What a clock on the wall shows in a time zone; the node's is [`TimeZone::system`].
pub(crate) fn on_the_wall(time: Timestamp, zone: &TimeZone) -> LocalTime {
    let shown = zone.to_datetime(time);
    let weekday = match shown.weekday() {
        Day::Monday => Weekday::Monday,
        Day::Tuesday => Weekday::Tuesday,
        Day::Wednesday => Weekday::Wednesday,
        Day::Thursday => Weekday::Thursday,
        Day::Friday => Weekday::Friday,
        Day::Saturday => Weekday::Saturday,
        Day::Sunday => Weekday::Sunday,
    };
    let [hour, minute] = [shown.hour(), shown.minute()].map(|it| u16::from(it.unsigned_abs()));
    LocalTime { weekday, minute: hour * 60 + minute }
}

fn date(text: &str) -> Option<Timestamp> {
    let date = Date::strptime("%Y-%m-%d", text).ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|midnight| midnight.timestamp())
}

fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let hours = |count: i64| SignedDuration::try_from_hours(count);
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u32 = count.parse().ok()?;
    let ago = match unit {
        "m" => SignedDuration::try_from_mins(count.into()),
        "h" => hours(count.into()),
        "d" => hours(i64::from(count) * 24),
        _ => None,
    };
    now.checked_sub(ago?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_on_the_wall_shows_the_time_of_its_zone() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        for (time, weekday, hour, minute) in [
            ("2026-11-26T23:30:59Z", Weekday::Friday, 0, 30),
            ("2026-07-26T22:01:00Z", Weekday::Monday, 0, 1),
            ("2026-07-26T21:59:00Z", Weekday::Sunday, 23, 59),
        ] {
            let shown = on_the_wall(time.parse().expect("a time"), &zone);
            assert_eq!(shown, LocalTime { weekday, minute: hour * 60 + minute }, "{time}");
        }
    }

    #[test]
    fn dates_times_and_ages_are_understood() {
        let table = [
            ("2026-11-26", "2026-11-26T00:00:00Z"),
            ("2026-11-26T08:00:00Z", "2026-11-26T08:00:00Z"),
            ("2026-11-26T08:00:00.5+01:00", "2026-11-26T07:00:00.5Z"),
        ];
        for (text, expected) in table {
            assert_eq!(time(text).expect(text).to_string(), expected);
        }
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().expect("a time");
        let table = [("90m", "2026-11-26T10:30:00Z"), ("12h", "2026-11-26T00:00:00Z"), ("7d", "2026-11-19T12:00:00Z")];
        for (text, expected) in table {
            assert_eq!(ago(text, now).expect(text).to_string(), expected);
        }
        for text in ["", "d", "-1d", "7w", "é", "yesterday", "2026-13-01", "4294967295d", "2026-11-26T08:00:00"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
