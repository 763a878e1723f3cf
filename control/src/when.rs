//! Times as an operator types them.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// A date (its beginning, in UTC), a time with its zone, or how long ago.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let moment = text.parse().ok().or_else(|| date(text)).or_else(|| ago(text, Timestamp::now()));
    moment.ok_or_else(|| "it is like 2026-11-26, 2026-11-26T08:00:00Z or 12h (ago; also m and d)".into())
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
