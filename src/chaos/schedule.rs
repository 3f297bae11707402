//! When an experiment starts again: at intervals, or by the five fields of cron (UTC).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::experiment::seconds;

/// When it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// `every: 30m`, from start to start.
    Every(String),
    /// Minute, hour, day of the month, month, day of the week (0 is Sunday); UTC.
    Cron(String),
}

/// What becomes of a start while the last run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concurrency {
    /// Both run.
    Allow,
    /// It is left out.
    #[default]
    Forbid,
    /// The last run is cancelled.
    Replace,
}

/// The fields of cron with their bounds.
const FIELDS: [(&str, u32, u32); 5] =
    [("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 6)];

/// Which values of a field start it.
struct Cron([Vec<u32>; 5], bool, bool);

impl Cron {
    fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        if parts.len() != 5 {
            return Err(format!("`{text}` has {} fields: cron has five", parts.len()));
        }
        let mut fields: [Vec<u32>; 5] = Default::default();
        for ((field, part), (name, low, high)) in fields.iter_mut().zip(&parts).zip(FIELDS) {
            *field = values(part, low, high).ok_or_else(|| format!("`{part}` is no {name}: {low} to {high}"))?;
        }
        Ok(Self(fields, parts[2] != "*", parts[4] != "*"))
    }

    /// As cron does it: where both days are restricted, one of them is enough.
    fn starts_at(&self, at: &jiff::civil::DateTime) -> bool {
        let has = |field: usize, value: i8| self.0[field].contains(&u32::from(value.unsigned_abs()));
        let (day, weekday) = (has(2, at.day()), has(4, at.weekday().to_sunday_zero_offset()));
        let is_day = if self.1 && self.2 { day || weekday } else { day && weekday };
        has(0, at.minute()) && has(1, at.hour()) && has(3, at.month()) && is_day
    }
}

/// The values of `*`, `5`, `1-5`, `*/10`, `0,30`.
fn values(text: &str, low: u32, high: u32) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, Some(1)), |(range, step)| (range, step.parse().ok()));
        let step: usize = step.filter(|step| *step > 0)?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None => {
                let one: u32 = range.parse().ok()?;
                (one, if part.contains('/') { high } else { one })
            }
        };
        if from < low || to > high || from > to {
            return None;
        }
        all.extend((from..=to).step_by(step));
    }
    Some(all)
}

impl Timing {
    /// Whether it can be.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Every(text) => match seconds::parse(text) {
                Some(every) if every >= Duration::from_secs(1) => Ok(()),
                _ => Err(format!("`{text}` is no interval of at least a second")),
            },
            Self::Cron(text) => Cron::parse(text).map(drop),
        }
    }

    /// How long after `now` it starts again; none: never within four years.
    pub fn next_after(&self, now: jiff::Timestamp) -> Option<Duration> {
        match self {
            Self::Every(text) => seconds::parse(text),
            Self::Cron(text) => {
                let cron = Cron::parse(text).ok()?;
                let begin = now.to_zoned(jiff::tz::TimeZone::UTC).datetime();
                let minute = begin.with().second(0).subsec_nanosecond(0).build().ok()?;
                let mut at = minute;
                for _ in 0..4 * 366 * 24 * 60 {
                    at = at.checked_add(jiff::Span::new().minutes(1)).ok()?;
                    if cron.starts_at(&at) {
                        let left = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().duration_since(now);
                        return Duration::try_from(left).ok();
                    }
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(cron: &str, now: &str) -> Option<String> {
        let now: jiff::Timestamp = now.parse().unwrap();
        let left = Timing::Cron(cron.into()).next_after(now)?;
        Some((now + jiff::SignedDuration::try_from(left).unwrap()).to_string())
    }

    #[test]
    fn cron_starts_when_its_fields_say() {
        let now = "2026-11-23T20:30:15Z";
        for (cron, expected) in [
            ("* * * * *", "2026-11-23T20:31:00Z"),
            ("0 3 * * *", "2026-11-24T03:00:00Z"),
            ("*/20 * * * *", "2026-11-23T20:40:00Z"),
            ("30 20 * * *", "2026-11-24T20:30:00Z"),
            ("0 0 1 1 *", "2027-01-01T00:00:00Z"),
            ("0 9 * * 1-5", "2026-11-24T09:00:00Z"),
            ("0 9 * * 6", "2026-11-28T09:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
        ] {
            assert_eq!(after(cron, now).as_deref(), Some(expected), "{cron}");
        }
        assert_eq!(after("0 0 31 2 *", now), None, "there is no such day");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in [
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "a * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
        ] {
            assert!(Timing::Cron(wrong.into()).check().is_err(), "{wrong}");
        }
        assert!(Timing::Every("30m".into()).check().is_ok() && Timing::Every("1ms".into()).check().is_err());
    }
}
