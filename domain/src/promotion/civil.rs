//! Dates and hours of a [`Timestamp`], and RFC 3339 in UTC, without a clock and without time zones.
//!
//! The arithmetic is Howard Hinnant's `days_from_civil` and its inverse (chrono-Compatible Low-Level Date
//! Algorithms, <https://howardhinnant.github.io/date_algorithms.html>).

use crate::Timestamp;

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MINUTES_PER_DAY: i64 = 1_440;

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * day_of_year + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * mp + 2) / 5 + 1)
}

/// The weekday (Monday is 0) and the minute of the day, `offset` minutes east of UTC.
pub fn weekday_and_minute(time: Timestamp, offset: i16) -> (usize, u16) {
    let minutes = time.0.div_euclid(MICROS_PER_MINUTE) + i64::from(offset);
    let days = minutes.div_euclid(MINUTES_PER_DAY);
    // 1970-01-01 was a Thursday.
    ((days + 3).rem_euclid(7) as usize, minutes.rem_euclid(MINUTES_PER_DAY) as u16)
}

/// `2026-03-01T00:00:00Z`; fractions of a second are cut.
pub fn print(time: Timestamp) -> String {
    let seconds = time.0.div_euclid(1_000_000);
    let (year, month, day) = date_of(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads `2026-03-01T00:00:00Z` of a year from 1970 on; nothing when it is anything else.
pub fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 20
        && bytes.iter().zip(b"0000-00-00T00:00:00Z").all(|(found, wanted)| match wanted {
            b'0' => found.is_ascii_digit(),
            wanted => found == wanted,
        });
    if !shape {
        return None;
    }
    let number = |at: usize, length: usize| text[at..at + length].parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let days = days_of(year, month.clamp(1, 12), day);
    let exists = year >= 1970 && date_of(days) == (year, month, day) && hour < 24 && minute < 60 && second < 60;
    exists.then_some(Timestamp((days * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_printed_and_days_that_do_not_exist_are_not() {
        for (text, seconds, weekday, minute) in [
            ("1970-01-01T00:00:00Z", 0, 3, 0),
            ("2000-02-29T12:34:56Z", 951_827_696, 1, 12 * 60 + 34),
            ("2026-03-01T23:59:59Z", 1_772_409_599, 6, 1439),
            ("2100-12-31T00:00:00Z", 4_133_894_400, 4, 0),
        ] {
            let time = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(time.0, seconds * 1_000_000, "{text}");
            assert_eq!(print(time), text);
            assert_eq!(weekday_and_minute(time, 0), (weekday, minute), "{text}");
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01",
            "2026-01-01T24:00:00Z",
            "1969-12-31T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(weekday_and_minute(Timestamp(0), -1), (2, 1439), "a minute west of Greenwich it is still Wednesday");
    }

    /// A calendar that counts: every day follows the one before, and years are leap as the Gregorian rule says.
    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let mut days = days_of(1_600, 1, 1);
        for year in 1_600..2_401 {
            let february = if leap(year) { 29 } else { 28 };
            for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
                for day in 1..=length {
                    assert_eq!(days_of(year, month, day), days, "{year}-{month}-{day}");
                    assert_eq!(date_of(days), (year, month, day));
                    days += 1;
                }
            }
        }
        assert_eq!(days_of(1_970, 1, 1), 0);
    }

    #[test]
    fn hours_minutes_and_seconds_end_before_the_next_begins() {
        for (text, exists) in [
            ("2026-03-01T23:59:59Z", true),
            ("2026-03-01T24:00:00Z", false),
            ("2026-03-01T00:60:00Z", false),
            ("2026-03-01T00:00:60Z", false),
            ("2026-00-01T00:00:00Z", false),
            ("2026-01-00T00:00:00Z", false),
            ("2026-01-01 00:00:00Z", false),
            ("2026-01-01T00:00:00z", false),
            ("2026-01-01T00:00:00+", false),
            ("2026-01-01T00:00:0aZ", false),
            ("2026-01-01T00:00:00ZZ", false),
        ] {
            assert_eq!(parse(text).is_some(), exists, "{text}");
        }
        assert_eq!(print(Timestamp(-1)), "1969-12-31T23:59:59Z", "a part of a second before 1970");
        let time = parse("2026-03-01T21:43:05Z").unwrap();
        assert_eq!(print(Timestamp(time.0 + 999_999)), "2026-03-01T21:43:05Z", "fractions are cut");
    }

    #[test]
    fn the_shops_offset_moves_the_day_and_the_minute() {
        let sunday = parse("2026-03-01T23:30:59Z").unwrap();
        for (offset, weekday, minute) in [(0, 6, 1_410), (29, 6, 1_439), (30, 0, 0), (60, 0, 30), (-1_411, 5, 1_439)] {
            assert_eq!(weekday_and_minute(sunday, offset), (weekday, minute), "{offset}");
        }
    }
}
