//! Running an experiment: its phases, its watch, its verdict, and that nothing of it is left.
//!
//! ```text
//!   warm-up ─▶ start probes ─▶ arm ─▶ watch: probes, abort conditions, blast radius ─▶ disarm, look for residue
//!                  │ unhealthy                                                              │
//!                  └──────────────▶ inconclusive                          cooldown ─▶ end probes ─▶ safety ─▶ verdict
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use super::condition::Condition;
use super::experiment::{Experiment, When};
use super::fault::FaultSpec;
use super::sample::Sample;
use super::switchboard::Fired;

/// How often everything is looked at: an abort comes within a second of its hold time.
pub const TICK: Duration = Duration::from_millis(250);
/// How long what was held back may take to go on once nothing is armed.
const RESIDUE_MAX: Duration = Duration::from_secs(5);

/// How an experiment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Faults struck, and all that had to hold held.
    Pass,
    /// Something did not hold.
    Fail,
    /// An abort condition ended it.
    Aborted,
    /// Somebody ended it.
    Cancelled,
    /// Nothing was injected, or it was unhealthy before.
    Inconclusive,
}

impl Verdict {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Where faults are injected, and what is seen there.
#[allow(async_fn_in_trait, reason = "targets are named where they are used, never boxed")]
pub trait Target {
    /// Arms these faults in place of those of before.
    async fn arm(&mut self, faults: &[FaultSpec]) -> Result<(), String>;
    /// Ends all faults.
    async fn disarm(&mut self) -> Result<(), String>;
    /// What is still armed or held back; none: nothing.
    async fn residue(&mut self) -> Result<Option<String>, String>;
    /// What was measured since the last time.
    async fn sample(&mut self) -> Result<Sample, String>;
    /// How often each fault has struck each operation, since the beginning.
    async fn fired(&mut self) -> Result<Vec<Strikes>, String>;
    /// Ends the load and says what safety was broken; then what else is worth telling, by name.
    async fn finish(&mut self) -> Result<(Vec<String>, BTreeMap<String, f64>), String>;
}

/// A phase of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before.
    WarmUp,
    /// While faults are armed.
    Active,
    /// After.
    Cooldown,
}

/// What was seen at a moment.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// Milliseconds since the beginning.
    pub at_ms: u64,
    /// In which phase.
    pub phase: Phase,
    /// What was measured.
    #[serde(flatten)]
    pub sample: Sample,
    /// Strikes so far.
    pub strikes: u64,
}

/// How often a fault has struck an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strikes {
    /// At which port.
    pub port: String,
    /// Which fault.
    pub fault: String,
    /// Which operation.
    pub operation: String,
    /// How often.
    pub count: u64,
}

impl From<&Fired> for Strikes {
    fn from(one: &Fired) -> Self {
        Self {
            port: one.port.name().to_owned(),
            fault: one.fault.to_owned(),
            operation: one.operation.to_owned(),
            count: one.count,
        }
    }
}

/// What an experiment came to.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// What was believed.
    pub hypothesis: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
    /// When it began, as RFC 3339.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Milliseconds from the end of the hold time, or of the duration, until nothing was armed.
    pub rollback_ms: u64,
    /// How often each fault has struck.
    pub fired: Vec<Strikes>,
    /// What else was counted, such as retries.
    pub figures: BTreeMap<String, f64>,
    /// Everything over time.
    pub moments: Vec<Moment>,
}

struct Watch<'a, T> {
    experiment: &'a Experiment,
    target: &'a mut T,
    began: Instant,
    moments: Vec<Moment>,
    reasons: Vec<String>,
    /// Since when each abort condition holds.
    since: Vec<Option<Instant>>,
}

/// How a phase ended.
enum Ended {
    InTime,
    Aborted(String),
    Cancelled,
    Spent,
}

impl<T: Target> Watch<'_, T> {
    fn probes(&self, when: &[When]) -> impl Iterator<Item = (&str, &Condition)> {
        let wanted = when.to_vec();
        let probes = self.experiment.probes.iter().filter(move |probe| wanted.contains(&probe.when));
        probes.map(|probe| (probe.name.as_str(), &probe.check))
    }

    fn broken(&self, when: &[When], sample: &Sample) -> Vec<String> {
        let broken = self.probes(when).filter(|(_, check)| check.holds(sample) == Some(false));
        broken.map(|(name, check)| format!("probe `{name}` did not hold: {check}")).collect()
    }

    async fn look(&mut self, phase: Phase) -> Result<Sample, String> {
        let sample = self.target.sample().await?;
        let strikes = self.target.fired().await?.iter().map(|one| one.count).sum();
        let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moments.push(Moment { at_ms, phase, sample, strikes });
        Ok(sample)
    }

    /// Watches for a while; abort conditions count in every phase.
    async fn phase(
        &mut self,
        phase: Phase,
        length: Duration,
        cancel: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<Ended, String> {
        let end = Instant::now() + length;
        let struck_before = self.target.fired().await?.iter().map(|one| one.count).sum::<u64>();
        while Instant::now() < end {
            tokio::select! {
                biased;
                () = &mut *cancel => return Ok(Ended::Cancelled),
                () = sleep_until((Instant::now() + TICK).min(end)) => {}
            }
            let sample = self.look(phase).await?;
            let when: &[When] =
                if phase == Phase::Active { &[When::Continuous, When::WhileActive] } else { &[When::Continuous] };
            for broken in self.broken(when, &sample) {
                if !self.reasons.contains(&broken) {
                    self.reasons.push(broken);
                }
            }
            for (at, condition) in self.experiment.abort.iter().enumerate() {
                // An interval in which nothing was measured neither begins a hold time nor ends one: whoever is stuck altogether
                // answers nothing, slowly or fast.
                match condition.holds(&sample) {
                    Some(true) => self.since[at] = self.since[at].or(Some(Instant::now())),
                    Some(false) => self.since[at] = None,
                    None => {}
                }
                if self.since[at].is_some_and(|since| since.elapsed() + TICK > condition.held_for) {
                    return Ok(Ended::Aborted(condition.to_string()));
                }
            }
            // A server that was started again counts from nothing.
            let strikes = self.moments.last().map_or(0, |moment| moment.strikes).saturating_sub(struck_before);
            if phase == Phase::Active && self.experiment.blast_radius.max_strikes.is_some_and(|most| strikes >= most) {
                return Ok(Ended::Spent);
            }
        }
        Ok(Ended::InTime)
    }

    /// Takes faults back and waits until nothing is left of them; says what is.
    async fn roll_back(&mut self) -> Result<Option<String>, String> {
        self.target.disarm().await?;
        let end = Instant::now() + RESIDUE_MAX;
        loop {
            match self.target.residue().await? {
                Some(_) if Instant::now() < end => sleep_until(Instant::now() + Duration::from_millis(20)).await,
                left => return Ok(left),
            }
        }
    }
}

/// Runs an experiment. Whatever happens, faults are taken back before this returns.
///
/// # Errors
///
/// A sentence, when the target cannot be reached; its faults were taken back as far as it could be.
pub async fn run<T: Target>(
    experiment: &Experiment,
    target: &mut T,
    cancel: impl Future<Output = ()>,
) -> Result<Report, String> {
    let mut cancel = std::pin::pin!(cancel);
    let started_at = jiff::Timestamp::now().to_string();
    let since = vec![None; experiment.abort.len()];
    let began = Instant::now();
    let mut watch = Watch { experiment, target, began, moments: Vec::new(), reasons: Vec::new(), since };
    let before = total(&watch.target.fired().await?);
    let outcome = attempt(&mut watch, &mut cancel).await;
    let (outcome, rollback) = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let _ = watch.target.disarm().await;
            return Err(error);
        }
    };
    let fired = watch.target.fired().await?;
    let (safety, figures) = watch.target.finish().await?;
    let mut verdict = match outcome {
        Ended::Aborted(why) => {
            watch.reasons.push(format!("aborted: {why}"));
            Verdict::Aborted
        }
        Ended::Cancelled => Verdict::Cancelled,
        _ if watch.reasons.iter().any(|reason| reason.starts_with(UNHEALTHY)) => Verdict::Inconclusive,
        _ if total(&fired) == before => {
            watch.reasons.push("nothing was injected".to_owned());
            Verdict::Inconclusive
        }
        _ if watch.reasons.is_empty() => Verdict::Pass,
        _ => Verdict::Fail,
    };
    if !safety.is_empty() || watch.reasons.iter().any(|reason| reason.starts_with(RESIDUE)) {
        verdict = Verdict::Fail;
        watch.reasons.extend(safety.into_iter().map(|broken| format!("safety: {broken}")));
    }
    Ok(Report {
        name: experiment.name.clone(),
        hypothesis: experiment.hypothesis.clone(),
        verdict,
        reasons: watch.reasons,
        started_at,
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        rollback_ms: u64::try_from(rollback.as_millis()).unwrap_or(u64::MAX),
        fired,
        figures,
        moments: watch.moments,
    })
}

const UNHEALTHY: &str = "unhealthy before any fault";
const RESIDUE: &str = "left behind";

fn total(fired: &[Strikes]) -> u64 {
    fired.iter().map(|one| one.count).sum()
}

async fn attempt<T: Target>(
    watch: &mut Watch<'_, T>,
    cancel: &mut (impl Future<Output = ()> + Unpin),
) -> Result<(Ended, Duration), String> {
    let experiment = watch.experiment;
    match watch.phase(Phase::WarmUp, experiment.warm_up, cancel).await? {
        Ended::InTime => {}
        Ended::Aborted(why) => {
            watch.reasons.push(format!("{UNHEALTHY}: {why}"));
            return Ok((Ended::InTime, Duration::ZERO));
        }
        ended => return Ok((ended, Duration::ZERO)),
    }
    let sample = watch.look(Phase::WarmUp).await?;
    let unhealthy = watch.broken(&[When::Start, When::Continuous], &sample);
    if !unhealthy.is_empty() {
        watch.reasons.extend(unhealthy.into_iter().map(|broken| format!("{UNHEALTHY}: {broken}")));
        return Ok((Ended::InTime, Duration::ZERO));
    }
    let seeded = |spec: &FaultSpec| {
        let mut spec = spec.clone();
        spec.select.seed ^= experiment.seed;
        spec
    };
    let faults: Vec<FaultSpec> = experiment.faults.iter().map(seeded).collect();
    watch.target.arm(&faults).await?;
    let ended = watch.phase(Phase::Active, experiment.duration, cancel).await?;
    let over = Instant::now();
    if let Some(left) = watch.roll_back().await? {
        watch.reasons.push(format!("{RESIDUE}: {left}"));
    }
    let rollback = over.elapsed();
    if !matches!(ended, Ended::Cancelled) {
        watch.since.fill(None);
        let _ = watch.phase(Phase::Cooldown, experiment.cooldown, cancel).await?;
        let sample = watch.look(Phase::Cooldown).await?;
        let broken = watch.broken(&[When::End], &sample);
        watch.reasons.extend(broken);
    }
    Ok((ended, rollback))
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
