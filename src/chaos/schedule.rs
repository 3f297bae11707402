//! When an experiment starts again: at intervals, or by the five fields of cron (UTC).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

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

/// Ends a run of a schedule early; a run whose handle is gone goes on.
pub struct Cancel(oneshot::Receiver<()>);

impl Cancel {
    /// Resolves when the run is to end.
    pub async fn wanted(self) {
        if self.0.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

struct Running<R> {
    cancel: oneshot::Sender<()>,
    task: JoinHandle<R>,
}

/// Starts runs at their times until there were as many as wanted, or `stop` resolves; all that were started are waited for.
/// A run that is replaced is told to end, and has ended before the next begins.
///
/// # Errors
///
/// A sentence, when it never starts, or a run panicked.
pub async fn repeat<R, F>(
    (timing, concurrency, runs): (&Timing, Concurrency, Option<u32>),
    scale: f64,
    stop: impl Future<Output = ()>,
    start: impl Fn(Cancel) -> F,
) -> Result<Vec<R>, String>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut stop = std::pin::pin!(stop);
    let mut running: Vec<Running<R>> = Vec::new();
    let mut done = Vec::new();
    let mut starts = 0;
    while runs.is_none_or(|runs| starts < runs) {
        let pause = timing.next_after(jiff::Timestamp::now()).ok_or("it never starts")?;
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(pause.mul_f64(scale)) => {}
        }
        let mut last = Vec::new();
        for one in running.drain(..) {
            match concurrency {
                _ if one.task.is_finished() => done.push(one.task.await.map_err(|error| error.to_string())?),
                Concurrency::Replace => {
                    let _ = one.cancel.send(());
                    done.push(one.task.await.map_err(|error| error.to_string())?);
                }
                Concurrency::Allow | Concurrency::Forbid => last.push(one),
            }
        }
        running = last;
        if concurrency == Concurrency::Forbid && !running.is_empty() {
            continue;
        }
        starts += 1;
        let (cancel, cancelled) = oneshot::channel();
        running.push(Running { cancel, task: tokio::spawn(start(Cancel(cancelled))) });
    }
    for one in running {
        done.push(one.task.await.map_err(|error| error.to_string())?);
    }
    Ok(done)
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

    /// Three runs of ten seconds, one wanted every four: when each began and ended, and whether it was cancelled.
    async fn runs(concurrency: Concurrency) -> Vec<(u64, u64, bool)> {
        let begun = tokio::time::Instant::now();
        let run = move |cancel: Cancel| async move {
            let from = begun.elapsed().as_secs();
            let is_cancelled = tokio::time::timeout(Duration::from_secs(10), cancel.wanted()).await.is_ok();
            (from, begun.elapsed().as_secs(), is_cancelled)
        };
        let every = Timing::Every("4s".into());
        repeat((&every, concurrency, Some(3)), 1.0, std::future::pending(), run).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_while_the_last_run_goes_on_is_what_the_schedule_says() {
        let both = [(4, 14, false), (8, 18, false), (12, 22, false)];
        assert_eq!(runs(Concurrency::Allow).await, both);
        let one_after_the_other = [(4, 14, false), (16, 26, false), (28, 38, false)];
        assert_eq!(runs(Concurrency::Forbid).await, one_after_the_other);
        let replaced = [(4, 8, true), (8, 12, true), (12, 22, false)];
        assert_eq!(runs(Concurrency::Replace).await, replaced);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_a_schedule_waits_for_what_runs() {
        let stop = tokio::time::sleep(Duration::from_secs(6));
        let run = |_: Cancel| tokio::time::sleep(Duration::from_secs(10));
        let begun = tokio::time::Instant::now();
        let every = Timing::Every("4s".into());
        let done = repeat((&every, Concurrency::Allow, None), 1.0, stop, run).await.unwrap();
        assert_eq!((done.len(), begun.elapsed().as_secs()), (1, 14));
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
