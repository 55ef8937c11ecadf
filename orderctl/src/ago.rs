//! A time as an operator types it: a moment, or how long ago. Reads no other clock than the chassis'.

use chrono::{DateTime, TimeDelta, Utc};

/// `2026-01-31T08:00:00Z`, or how long ago.
pub(crate) fn time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let expected = "must be a time like 2026-01-31T08:00:00Z, or how long ago: 90s, 45m, 2h, 3d";
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let ago = length(text).ok_or(expected)?;
    chassis::clock::now().checked_sub_signed(ago).ok_or(expected)
}

/// The moment that was so long ago.
pub(crate) fn ago(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let expected = "must be a length of time: 90s, 45m, 2h, 3d";
    let length = length(text).ok_or(expected)?;
    chassis::clock::now().checked_sub_signed(length).ok_or(expected)
}

fn length(text: &str) -> Option<TimeDelta> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match text.strip_prefix(digits)? {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u32 = digits.parse().ok()?;
    TimeDelta::try_seconds(i64::from(number).checked_mul(seconds)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_a_number_and_a_unit() {
        let seconds = |text| length(text).map(|length| length.num_seconds());
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("2h"), Some(7_200));
        assert_eq!(seconds("30d"), Some(2_592_000));
        for wrong in ["", "5", "d", "-1d", "1w", "1.5h", "99999999999d"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_length_beyond_the_calendar_is_refused_and_not_the_beginning_of_time() {
        assert!(ago("4294967295d").is_err());
        assert!(ago("30d").is_ok() && time("30d").is_ok());
        assert!(ago("2026-01-31T08:00:00Z").is_err() && time("2026-01-31T08:00:00Z").is_ok());
    }
}
