//! Experiments, schedules and workflows as files: what they may say, and what is wrong with one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::fault::FaultSpec;
use super::schedule::{Concurrency, Timing};

/// The version of the files.
pub const API_VERSION: &str = "stockade/v1";
/// The largest file.
const FILE_BYTES_MAX: usize = 1 << 20;
/// The longest phase: a day.
const PHASE_MAX: Duration = Duration::from_secs(86_400);

/// A file.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// Faults, for a while, under watch.
    Experiment(Box<Experiment>),
    /// An experiment again and again.
    Schedule(Box<Schedule>),
    /// Several experiments.
    Workflow(Box<Workflow>),
}

/// What every file begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// By which reports know it: letters, digits, `-`.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// Where faults are injected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TargetSpec {
    /// An engine of the experiment's own, with load of its own, which is audited afterwards.
    #[default]
    Private,
    /// A running server, by the address of its admin listener: `http://127.0.0.1:9090`.
    Admin(String),
}

/// The load on a private engine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoadSpec {
    /// Buyers at work at once.
    pub buyers: usize,
    /// Partitions of the engine.
    pub partitions: usize,
}

impl Default for LoadSpec {
    fn default() -> Self {
        Self { buyers: 16, partitions: 2 }
    }
}

/// How far faults may reach before they are taken back early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlastRadius {
    /// Strikes; none: as many as the faults say.
    pub max_strikes: Option<u64>,
}

/// When a probe is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before faults: if it does not hold, nothing is injected.
    Start,
    /// After the cooldown.
    End,
    /// All the time.
    Continuous,
    /// While faults are armed.
    WhileActive,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Its name in reports.
    pub name: String,
    /// What must hold, such as `oversold == 0`.
    pub check: Condition,
    /// When.
    pub when: When,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// What is believed, in a sentence.
    pub hypothesis: String,
    /// Decides which occasions are struck.
    #[serde(default)]
    pub seed: u64,
    /// Where.
    #[serde(default)]
    pub target: TargetSpec,
    /// Load of a private engine.
    #[serde(default)]
    pub load: LoadSpec,
    /// What goes wrong, all at once.
    pub faults: Vec<FaultSpec>,
    /// How far.
    #[serde(default)]
    pub blast_radius: BlastRadius,
    /// Before.
    #[serde(with = "seconds")]
    pub warm_up: Duration,
    /// While faults are armed.
    #[serde(with = "seconds")]
    pub duration: Duration,
    /// After.
    #[serde(with = "seconds")]
    pub cooldown: Duration,
    /// What must hold.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// What ends it early: as soon as one has held for its time, all faults are taken back.
    #[serde(default)]
    pub abort: Vec<Condition>,
    /// Whether goods that faults' keys do not name (`control-1`, `control-2`) are sold beside; how many who wanted them had
    /// them is measured as `control_success_percent`.
    #[serde(default)]
    pub control_group: bool,
}

/// An experiment again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// `every: 30m`, or `cron: "0 3 * * 1-5"` (UTC).
    #[serde(flatten)]
    pub timing: Timing,
    /// What becomes of a start while the last run goes on.
    #[serde(default)]
    pub concurrency: Concurrency,
    /// So many runs; none: until it is stopped.
    #[serde(default)]
    pub runs: Option<u32>,
    /// The experiment.
    pub experiment: Experiment,
}

/// Several experiments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// Whether it goes on after one that did not pass.
    #[serde(default)]
    pub go_on_after_failure: bool,
    /// One after the other, those of a `parallel` step together.
    pub steps: Vec<Step>,
}

/// A step of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// One experiment.
    Run(Box<NamedExperiment>),
    /// Several at once, each on an engine of its own.
    Parallel(Vec<NamedExperiment>),
}

/// An experiment within a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedExperiment {
    /// Its name.
    pub name: String,
    /// What is done.
    pub spec: Experiment,
}

/// A file cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DocumentError {
    /// It is no such file.
    #[error("{0}")]
    Unreadable(String),
    /// Its contents make no sense.
    #[error("`{field}`: {why}")]
    Invalid {
        /// Where.
        field: String,
        /// Why.
        why: String,
    },
}

fn invalid(field: impl Into<String>, why: impl Into<String>) -> DocumentError {
    DocumentError::Invalid { field: field.into(), why: why.into() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Whole<T> {
    api_version: String,
    #[allow(dead_code, reason = "it was read before, to know what the rest is")]
    kind: String,
    metadata: Metadata,
    spec: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    kind: String,
}

impl Document {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// [`DocumentError`], which says where and why.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let unreadable = |error: serde_saphyr::Error| DocumentError::Unreadable(error.to_string());
        if text.len() > FILE_BYTES_MAX {
            return Err(DocumentError::Unreadable(format!("it is larger than {FILE_BYTES_MAX} bytes")));
        }
        let head: Head = serde_saphyr::from_str(text).map_err(unreadable)?;
        let document = match head.kind.as_str() {
            "Experiment" => {
                let whole: Whole<Experiment> = serde_saphyr::from_str(text).map_err(unreadable)?;
                let name = whole.check()?;
                Self::Experiment(Box::new(Experiment { name, ..whole.spec }))
            }
            "Schedule" => {
                let whole: Whole<Schedule> = serde_saphyr::from_str(text).map_err(unreadable)?;
                let name = whole.check()?;
                let mut schedule = Schedule { name, ..whole.spec };
                schedule.experiment.name.clone_from(&schedule.name);
                schedule.timing.check().map_err(|why| invalid("spec.cron", why))?;
                Self::Schedule(Box::new(schedule))
            }
            "Workflow" => {
                let whole: Whole<Workflow> = serde_saphyr::from_str(text).map_err(unreadable)?;
                let name = whole.check()?;
                Self::Workflow(Box::new(Workflow { name, ..whole.spec }.with_names()?))
            }
            other => return Err(invalid("kind", format!("`{other}` is none of Experiment, Schedule, Workflow"))),
        };
        document.experiments().into_iter().try_for_each(Experiment::check)?;
        document.check_alone()?;
        Ok(document)
    }

    /// Whoever arms faults in a server takes the place of whoever did before: only one may at a time.
    fn check_alone(&self) -> Result<(), DocumentError> {
        let is_served = |one: &Experiment| one.target != TargetSpec::Private;
        match self {
            Self::Schedule(schedule)
                if schedule.concurrency == Concurrency::Allow && is_served(&schedule.experiment) =>
            {
                Err(invalid("spec.concurrency", "two runs at once need a private engine each: say forbid or replace"))
            }
            Self::Workflow(workflow) => {
                let crowded = |step: &Step| matches!(step, Step::Parallel(several) if several.iter().any(|one| is_served(&one.spec)));
                match workflow.steps.iter().any(crowded) {
                    true => Err(invalid("spec.steps.parallel", "experiments at once need a private engine each")),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// All experiments in it.
    pub fn experiments(&self) -> Vec<&Experiment> {
        match self {
            Self::Experiment(one) => vec![one],
            Self::Schedule(schedule) => vec![&schedule.experiment],
            Self::Workflow(workflow) => workflow.steps.iter().flat_map(Step::experiments).collect(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Experiment(one) => &one.name,
            Self::Schedule(schedule) => &schedule.name,
            Self::Workflow(workflow) => &workflow.name,
        }
    }
}

impl<T> Whole<T> {
    fn check(&self) -> Result<String, DocumentError> {
        if self.api_version != API_VERSION {
            return Err(invalid("apiVersion", format!("`{}` is not known: write {API_VERSION}", self.api_version)));
        }
        check_name("metadata.name", &self.metadata.name)
    }
}

fn check_name(field: &str, name: &str) -> Result<String, DocumentError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match !name.is_empty() && name.len() <= 64 && name.chars().all(is_plain) {
        true => Ok(name.to_owned()),
        false => Err(invalid(field, "1 to 64 letters, digits and `-`")),
    }
}

impl Step {
    /// Its experiments.
    pub fn experiments(&self) -> Vec<&Experiment> {
        match self {
            Self::Run(one) => vec![&one.spec],
            Self::Parallel(several) => several.iter().map(|one| &one.spec).collect(),
        }
    }
}

impl Workflow {
    fn with_names(mut self) -> Result<Self, DocumentError> {
        if self.steps.is_empty() {
            return Err(invalid("spec.steps", "at least one"));
        }
        for step in &mut self.steps {
            let several = match step {
                Step::Run(one) => std::slice::from_mut(one.as_mut()),
                Step::Parallel(several) => several.as_mut_slice(),
            };
            for one in several {
                one.spec.name = check_name("spec.steps.name", &one.name)?;
            }
        }
        Ok(self)
    }
}

impl Experiment {
    fn check(&self) -> Result<(), DocumentError> {
        if self.hypothesis.trim().is_empty() {
            return Err(invalid("spec.hypothesis", "say what is believed"));
        }
        if self.faults.is_empty() {
            return Err(invalid("spec.faults", "at least one"));
        }
        for (index, fault) in self.faults.iter().enumerate() {
            fault.check().map_err(|error| invalid(format!("spec.faults[{index}]"), error.to_string()))?;
            if fault.needs_private_engine() && self.target != TargetSpec::Private {
                return Err(invalid(format!("spec.faults[{index}]"), "this fault needs a private engine"));
            }
        }
        for (field, phase) in [("warm_up", self.warm_up), ("duration", self.duration), ("cooldown", self.cooldown)] {
            if phase > PHASE_MAX || field == "duration" && phase.is_zero() {
                return Err(invalid(format!("spec.{field}"), "up to a day, and faults for some time"));
            }
        }
        let probes = self.probes.iter().enumerate().map(|(at, probe)| (format!("spec.probes[{at}]"), &probe.check));
        let aborts = self.abort.iter().enumerate().map(|(at, condition)| (format!("spec.abort[{at}]"), condition));
        for (field, condition) in probes.chain(aborts) {
            if let Some(why) = condition.metric.missing_at(&self.target, self.control_group) {
                return Err(invalid(field, why));
            }
        }
        if self.load.buyers == 0 || self.load.buyers > 1024 || self.load.partitions == 0 || self.load.partitions > 8 {
            return Err(invalid("spec.load", "1 to 1,024 buyers on 1 to 8 partitions"));
        }
        Ok(())
    }
}

/// Durations as people write them: `300ms`, `30s`, `2m`, `1h`.
pub mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Reads one.
    pub fn parse(text: &str) -> Option<Duration> {
        let split = text.find(|c: char| c.is_ascii_alphabetic())?;
        let number: f64 = text[..split].trim().parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)?;
        let unit = match text[split..].trim() {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Duration::try_from_secs_f64(number * unit).ok()
    }

    /// Writes one.
    pub fn text(duration: &Duration) -> String {
        format!("{}ms", duration.as_millis())
    }

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no duration: write 300ms, 30s, 2m or 1h")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: stockade/v1\nkind: Experiment\nmetadata: { name: slow-disk }\nspec:\n  hypothesis: It goes \
        on.\n  faults:\n    - fault: { disk: { slow: { fixed_ms: 300 } } }\n      select: { operation: sync }\n  warm_up: \
        2s\n  duration: 30s\n  cooldown: 5s\n  probes:\n    - { name: exact, check: oversold == 0, when: \
        continuous }\n  abort: [\"p99_ms > 800 for 2m\"]\n";

    #[test]
    fn an_experiment_is_read_and_what_it_cannot_mean_is_refused_by_its_field() {
        let Document::Experiment(one) = Document::parse(GOOD).unwrap() else { panic!("an experiment") };
        assert_eq!((one.name.as_str(), one.duration, one.abort.len()), ("slow-disk", Duration::from_secs(30), 1));
        assert_eq!(one.target, TargetSpec::Private);
        for (from, to, word) in [
            ("stockade/v1", "stockade/v9", "apiVersion"),
            ("kind: Experiment", "kind: Party", "Party"),
            ("name: slow-disk", "name: slow disk!", "metadata.name"),
            ("duration: 30s", "duration: soon", "soon"),
            ("duration: 30s", "duration: 0s", "duration"),
            ("hypothesis: It goes on.", "hypothesis: ' '", "hypothesis"),
            ("operation: sync", "operation: dance", "dance"),
            ("p99_ms > 800", "mood > 800", "mood"),
            ("cooldown: 5s", "cooldown: 5s\n  surprise: true", "surprise"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            let error = Document::parse(&text).expect_err(to).to_string();
            assert!(error.contains(word), "{to}: {error}");
        }
    }

    #[test]
    fn a_fault_that_breaks_promises_is_not_for_a_running_server() {
        let text = GOOD.replace("disk: { slow: { fixed_ms: 300 } }", "disk: bit_flip").replace("sync", "write");
        assert!(Document::parse(&text).is_ok());
        let text = text.replace("  warm_up", "  target: { admin: 'http://127.0.0.1:1' }\n  warm_up");
        assert!(Document::parse(&text).unwrap_err().to_string().contains("private"));
    }

    #[test]
    fn a_condition_on_what_nobody_measures_there_is_refused() {
        let served = GOOD.replace("  warm_up", "  target: { admin: 'http://127.0.0.1:1' }\n  warm_up");
        let error = Document::parse(&served).unwrap_err().to_string();
        assert!(error.contains("spec.probes[0]") && error.contains("oversold"), "{error}");
        let error = Document::parse(&GOOD.replace("oversold == 0", "control_success_percent > 99")).unwrap_err();
        assert!(error.to_string().contains("control_group"), "{error}");
        assert!(Document::parse(&served.replace("oversold == 0", "error_percent < 1")).is_ok());
    }

    #[test]
    fn schedules_and_workflows_hold_experiments() {
        let spec = GOOD.split_once("spec:\n").unwrap().1;
        let inner: String = spec.lines().map(|line| format!("  {line}\n")).collect();
        let schedule = format!(
            "apiVersion: stockade/v1\nkind: Schedule\nmetadata: {{ name: nightly }}\nspec:\n  cron: '0 3 * * *'\n  concurrency: \
             forbid\n  runs: 2\n  experiment:\n{inner}"
        );
        let Document::Schedule(nightly) = Document::parse(&schedule).unwrap() else { panic!("a schedule") };
        assert_eq!((nightly.experiment.name.as_str(), nightly.runs), ("nightly", Some(2)));
        assert!(Document::parse(&schedule.replace("0 3 * * *", "61 * * * *")).is_err());
        let both = schedule.replace("forbid", "allow");
        assert!(Document::parse(&both).is_ok());
        let served = both
            .replace("  warm_up", "  target: { admin: 'http://127.0.0.1:1' }\n    warm_up")
            .replace("oversold == 0", "error_percent < 1");
        assert!(Document::parse(&served).unwrap_err().to_string().contains("concurrency"));
        let deep: String = spec.lines().map(|line| format!("        {line}\n")).collect();
        let workflow = format!(
            "apiVersion: stockade/v1\nkind: Workflow\nmetadata: {{ name: both }}\nspec:\n  steps:\n    - run:\n        name: \
             one\n        spec:\n{deep}    - parallel: []\n"
        );
        assert_eq!(Document::parse(&workflow).unwrap().experiments().len(), 1);
    }
}
