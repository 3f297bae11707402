//! `stockade chaos`: experiments as files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::output::{Failure, Output, Verdict};
use crate::chaos::experiment::{Document, Experiment, Schedule, Step, TargetSpec};
use crate::chaos::matrix::Matrix;
use crate::chaos::private::PrivateEngine;
use crate::chaos::run::{self, Report, Strikes};
use crate::chaos::schedule::{self, Cancel};
use crate::chaos::served::Served;
use crate::chaos::{report, run::Verdict as Outcome};

const EXAMPLES: &str = "\
Examples:
  stockade chaos validate examples/chaos/*.yaml            whether they can be run
  stockade chaos run examples/chaos/slow-disk.yaml         one, on an engine of its own
  stockade chaos run --scale 0.05 --out reports *.yaml     all, twenty times as fast, with reports
  stockade chaos report reports                            which faults have struck which operations";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Reads files and says what is wrong with them.
    Validate {
        /// Experiments, schedules, workflows.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Runs experiments one after the other; ends with code 1 if one fails or is aborted.
    Run {
        /// Experiments, schedules, workflows.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// All times are this many times as long; hold times of abort conditions, too.
        #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
        scale: f64,
        /// Where reports are written: JSON and HTML for each, `junit.xml` for all.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Sums reports up: fault by operation.
    Report {
        /// Where JSON reports are.
        directory: PathBuf,
        /// Fail below this share.
        #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
        min: f64,
    },
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    match &arguments.verb {
        Verb::Validate { files } => validate(files, output),
        Verb::Run { files, scale, out } => {
            if !(0.001..=100.0).contains(scale) {
                return Err(Failure::usage("scale_invalid", "the scale is from 0.001 to 100"));
            }
            run_all(files, *scale, out.as_deref(), output)
        }
        Verb::Report { directory, min } => sum_up(directory, *min, output),
    }
}

fn read(file: &Path) -> Result<Document, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::cannot("file_unreadable", format!("{}: {error}", file.display())))?;
    Document::parse(&text).map_err(|error| Failure::usage("experiment_invalid", format!("{}: {error}", file.display())))
}

fn validate(files: &[PathBuf], output: &mut Output) -> Result<Verdict, Failure> {
    let mut wrong = 0;
    let mut items = Vec::new();
    for file in files {
        let (name, error) = match read(file) {
            Ok(document) => (document.name().to_owned(), None),
            Err(failure) => (file.display().to_string(), Some(failure.to_string())),
        };
        wrong += usize::from(error.is_some());
        output.line(match &error {
            None => format!("{name}: valid"),
            Some(error) => error.clone(),
        });
        items.push(json!({"name": name, "error": error}));
    }
    output.report(&json!({"valid": wrong == 0, "files": items}), || {
        format!("{} of {} files are valid", files.len() - wrong, files.len())
    });
    Ok(if wrong == 0 { Verdict::Done } else { Verdict::Fault })
}

fn scaled(experiment: &Experiment, scale: f64) -> Experiment {
    let mut scaled = experiment.clone();
    // Below a second nothing can be measured.
    let at_least =
        |time: Duration, least: Duration| if time.is_zero() { time } else { time.mul_f64(scale).max(least.min(time)) };
    scaled.warm_up = at_least(scaled.warm_up, Duration::from_millis(500));
    scaled.duration = at_least(scaled.duration, Duration::from_secs(1));
    scaled.cooldown = at_least(scaled.cooldown, Duration::from_millis(500));
    scaled.abort.iter_mut().for_each(|condition| condition.held_for = condition.held_for.mul_f64(scale));
    scaled
}

/// Whoever presses Ctrl-C takes all faults back.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn run_one(experiment: &Experiment, cancel: impl Future<Output = ()>) -> Result<Report, String> {
    match &experiment.target {
        TargetSpec::Private => {
            let mut target = PrivateEngine::open(experiment).await?;
            run::run(experiment, &mut target, cancel).await
        }
        TargetSpec::Admin(url) => run::run(experiment, &mut Served::at(url)?, cancel).await,
    }
}

/// Runs an experiment as often as its schedule says.
async fn run_schedule(schedule: &Schedule, scale: f64) -> Result<Vec<Report>, String> {
    let experiment = scaled(&schedule.experiment, scale);
    let one = |cancel: Cancel| {
        let experiment = experiment.clone();
        async move {
            let cancel = async {
                tokio::select! { () = cancel.wanted() => {}, () = interrupted() => {} }
            };
            run_one(&experiment, cancel).await
        }
    };
    let when = (&schedule.timing, schedule.concurrency, schedule.runs);
    schedule::repeat(when, scale, interrupted(), one).await?.into_iter().collect()
}

async fn run_document(document: &Document, scale: f64) -> Result<Vec<Report>, String> {
    match document {
        Document::Experiment(one) => Ok(vec![run_one(&scaled(one, scale), interrupted()).await?]),
        Document::Schedule(schedule) => run_schedule(schedule, scale).await,
        Document::Workflow(workflow) => {
            let mut reports = Vec::new();
            for step in &workflow.steps {
                let mut together = tokio::task::JoinSet::new();
                for one in Step::experiments(step) {
                    let one = scaled(one, scale);
                    together.spawn(async move { run_one(&one, interrupted()).await });
                }
                while let Some(done) = together.join_next().await {
                    reports.push(done.map_err(|error| error.to_string())??);
                }
                let well = reports.iter().all(|report| report.verdict == Outcome::Pass);
                if !well && !workflow.go_on_after_failure {
                    break;
                }
            }
            Ok(reports)
        }
    }
}

fn run_all(files: &[PathBuf], scale: f64, out: Option<&Path>, output: &mut Output) -> Result<Verdict, Failure> {
    let documents = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    crate::sim::silence_injected_panics();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot("runtime_unavailable", error.to_string()))?;
    let mut reports = Vec::new();
    for document in &documents {
        let ran = runtime.block_on(run_document(document, scale));
        for report in ran.map_err(|why| Failure::cannot("experiment_not_run", format!("{}: {why}", document.name())))? {
            let why =
                if report.reasons.is_empty() { String::new() } else { format!(": {}", report.reasons.join("; ")) };
            let strikes: u64 = report.fired.iter().map(|one| one.count).sum();
            output.line(format!(
                "{:<24} {:<12} {strikes:>8} strikes, {:>5.1} % of buyers served, {:>6.1} s{why}",
                report.name,
                report.verdict.name(),
                report.figures.get("final_success_percent").copied().unwrap_or(100.0),
                report.took_ms as f64 / 1_000.0
            ));
            reports.push(report);
        }
    }
    if let Some(directory) = out {
        write(directory, &reports)
            .map_err(|error| Failure::cannot("report_not_written", format!("{}: {error}", directory.display())))?;
    }
    let well = reports.iter().all(|report| !matches!(report.verdict, Outcome::Fail | Outcome::Aborted));
    let shown =
        |of: &Report| json!({"name": of.name, "verdict": of.verdict, "reasons": of.reasons, "figures": of.figures});
    let passed = reports.iter().filter(|report| report.verdict == Outcome::Pass).count();
    output.report(&json!({"experiments": reports.iter().map(shown).collect::<Vec<_>>()}), || {
        format!("{passed} of {} experiments passed", reports.len())
    });
    Ok(if well { Verdict::Done } else { Verdict::Fault })
}

fn write(directory: &Path, reports: &[Report]) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    for report in reports {
        fs::write(directory.join(format!("{}.json", report.name)), report.json())?;
        fs::write(directory.join(format!("{}.html", report.name)), report::html(report))?;
    }
    fs::write(directory.join("junit.xml"), report::junit(reports))
}

/// What is needed of a report.
#[derive(Deserialize)]
struct Struck {
    name: String,
    verdict: Outcome,
    fired: Vec<Strikes>,
}

fn sum_up(directory: &Path, min: f64, output: &mut Output) -> Result<Verdict, Failure> {
    let unreadable = |error: String| Failure::cannot("report_unreadable", format!("{}: {error}", directory.display()));
    let mut matrix = Matrix::new();
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| unreadable(error.to_string()))?.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(entry.path()).map_err(|error| unreadable(error.to_string()))?;
            let struck: Struck = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
            matrix.add(&struck.fired);
            names.push(json!({"name": struck.name, "verdict": struck.verdict}));
        }
    }
    let percent = matrix.percent();
    let whole = json!({"reports": names, "percent": percent, "pairs": matrix.cells.len()});
    output.report(&whole, || matrix.text().trim_end().to_owned());
    Ok(if percent >= min { Verdict::Done } else { Verdict::Fault })
}
