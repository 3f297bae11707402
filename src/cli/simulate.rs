//! `stockade simulate`: the whole engine on one thread and virtual time, seed after seed, and what was found.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::output::{Failure, Output, Verdict, grouped, progress};
use crate::sim::{self, FaultKind, Options, Outcome};

const EXAMPLES: &str = "\
Examples:
  stockade simulate                          a hundred seeds
  stockade simulate --seeds 0..1000 --json   a thousand, with the figures as JSON
  stockade simulate --seed 42                one seed again, twice, so that its trace can be compared
  stockade simulate --seeds 0..50 --faults power_loss,peer_lost

A failure prints the seed that repeats it, with fewer faults and steps if those still fail.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// One seed.
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Seeds from A up to B, without B [default: 0..100].
    #[arg(long, value_name = "A..B")]
    seeds: Option<String>,
    /// Steps of each run while faults strike.
    #[arg(long, value_name = "N", default_value_t = 1_500)]
    steps: u64,
    /// So many partitions all the time [default: one to three, as drawn, and others after some restarts].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    partitions: Option<u8>,
    /// The faults that may be drawn, by name, or `all`, or `none`.
    #[arg(long, value_name = "LIST", default_value = "all")]
    faults: String,
}

/// What all runs did.
#[derive(Default)]
struct Sums {
    runs: u64,
    steps: u64,
    virtual_seconds: i64,
    records: u64,
    lives: u64,
    fired: BTreeMap<FaultKind, u64>,
    answers: BTreeMap<String, u64>,
    /// The hash of each seed's trace, by seed.
    traces: BTreeMap<u64, String>,
    failures: Vec<sim::Failure>,
}

impl Sums {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.steps += outcome.steps;
        self.virtual_seconds += outcome.virtual_seconds;
        self.records += outcome.records;
        self.lives += outcome.lives;
        outcome.fired.iter().for_each(|(kind, times)| *self.fired.entry(*kind).or_default() += times);
        outcome.answers.iter().for_each(|(answer, times)| *self.answers.entry(answer.clone()).or_default() += times);
        self.traces.insert(outcome.seed, outcome.trace_hash.clone());
    }

    /// One hash over all traces, in the order of the seeds.
    fn trace_hash(&self) -> String {
        let mut hash = blake3::Hasher::new();
        for trace in self.traces.values() {
            hash.update(trace.as_bytes());
        }
        hash.finalize().to_hex().to_string()
    }
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    let (from, to) = seeds(arguments)?;
    let partitions = arguments.partitions.map(usize::from);
    let options = Options { steps: arguments.steps, faults: faults(&arguments.faults)?, partitions };
    sim::silence_injected_panics();
    let begun = Instant::now();
    let sums = simulate_all(from, to, &options);
    let mut wrong: Vec<Value> = Vec::new();
    for failure in &sums.failures {
        let (smaller, failure) = sim::shrink(Box::new(failure.clone()), &options);
        wrong.push(told(&failure, &smaller));
    }
    // The same seed once more: what differs is not drawn from the seed.
    let again = (sums.failures.is_empty() && from < to).then(|| sim::simulate(from, &options).ok()).flatten();
    let repeats = again.is_none_or(|again| Some(&again.trace_hash) == sums.traces.get(&from));
    // With many seeds, a fault that never happened was not tested.
    let missed: Vec<&str> =
        options.faults.iter().filter(|kind| !sums.fired.contains_key(kind)).map(|k| k.name()).collect();
    let is_enough = to - from < SEEDS_FOR_EVERY_FAULT || missed.is_empty();
    let report = json!({
        "seeds": {"from": from, "to": to},
        "runs": sums.runs,
        "steps": sums.steps,
        "virtual_hours": sums.virtual_seconds / 3600,
        "records": sums.records,
        "restarts": sums.lives - sums.runs.min(sums.lives),
        "faults": sums.fired.iter().map(|(kind, times)| (kind.name(), *times)).collect::<BTreeMap<_, _>>(),
        "faults_never_fired": missed,
        "answers": sums.answers,
        "trace_hash": sums.trace_hash(),
        "repeats": repeats,
        "failures": wrong,
        "seconds": begun.elapsed().as_secs_f64(),
    });
    output.report(&report, || text(&report));
    Ok(Verdict::of(wrong.is_empty() && repeats && is_enough))
}

/// So many seeds draw every kind of fault.
const SEEDS_FOR_EVERY_FAULT: u64 = 100;

fn seeds(arguments: &Arguments) -> Result<(u64, u64), Failure> {
    let wrong = || Failure::usage("seeds_invalid", "write seeds as A..B, such as 0..1000, with A below B");
    if let Some(seed) = arguments.seed {
        return Ok((seed, seed.checked_add(1).ok_or_else(wrong)?));
    }
    let Some(text) = &arguments.seeds else { return Ok((0, 100)) };
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?);
    if from < to { Ok((from, to)) } else { Err(wrong()) }
}

fn faults(text: &str) -> Result<Vec<FaultKind>, Failure> {
    match text {
        "all" => return Ok(FaultKind::ALL.to_vec()),
        "none" => return Ok(Vec::new()),
        _ => {}
    }
    let kind = |name: &str| {
        let found = FaultKind::ALL.iter().find(|kind| kind.name() == name.trim()).copied();
        found.ok_or_else(|| {
            let names: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
            Failure::usage("fault_unknown", format!("`{name}` is none of {}, all, none", names.join(", ")))
        })
    };
    text.split(',').map(kind).collect()
}

/// The seeds, shared out over the cores.
fn simulate_all(from: u64, to: u64, options: &Options) -> Sums {
    let (next, sums) = (AtomicU64::new(from), Mutex::new(Sums::default()));
    let bar = progress(to - from, "simulating {wide_bar} {pos}/{len}");
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get).min((to - from) as usize);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= to {
                        return;
                    }
                    let result = sim::simulate(seed, options);
                    let mut sums = sums.lock();
                    match result {
                        Ok(outcome) => sums.add(&outcome),
                        Err(failure) => sums.failures.push(*failure),
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut sums = sums.into_inner();
    sums.failures.sort_by_key(|failure| failure.seed);
    // Each is made smaller, which takes a while; the first few say enough.
    sums.failures.truncate(FAILURES_SHOWN);
    sums
}

/// Failures that are made smaller and shown.
const FAILURES_SHOWN: usize = 5;

fn told(failure: &sim::Failure, options: &Options) -> Value {
    let names: Vec<&str> = options.faults.iter().map(|kind| kind.name()).collect();
    let list = if names.is_empty() { "none".to_owned() } else { names.join(",") };
    let mut again = format!("stockade simulate --seed {} --steps {} --faults {list}", failure.seed, options.steps);
    if let Some(partitions) = options.partitions {
        again += &format!(" --partitions {partitions}");
    }
    json!({"seed": failure.seed, "step": failure.step, "what": failure.what, "again": again, "trace": failure.trace,
        "story": failure.story})
}

fn text(report: &Value) -> String {
    let number = |member: &str| grouped(report[member].as_u64().unwrap_or(0));
    let mut text = format!(
        "{} runs, {} steps, {} virtual hours, {} records, {} restarts, {:.1} s\n",
        number("runs"),
        number("steps"),
        number("virtual_hours"),
        number("records"),
        number("restarts"),
        report["seconds"].as_f64().unwrap_or(0.0)
    );
    for (name, times) in report["faults"].as_object().into_iter().flatten() {
        text += &format!("  {name:<24} {:>12}\n", grouped(times.as_u64().unwrap_or(0)));
    }
    for name in report["faults_never_fired"].as_array().into_iter().flatten() {
        text += &format!("  {:<24} never\n", name.as_str().unwrap_or_default());
    }
    text += &format!("trace {}\n", report["trace_hash"].as_str().unwrap_or_default());
    if report["repeats"] == false {
        text += "the first seed's trace differs when it is run again\n";
    }
    for failure in report["failures"].as_array().into_iter().flatten() {
        text += &format!("FAILED seed {} at step {}: {}\n", failure["seed"], failure["step"], plain(&failure["what"]));
        for line in failure["trace"].as_array().into_iter().flatten() {
            text += &format!("    {}\n", plain(line));
        }
        for line in failure["story"].as_array().into_iter().flatten() {
            text += &format!("  | {}\n", plain(line));
        }
        text += &format!("again: {}\n", plain(&failure["again"]));
    }
    let is_clean = report["failures"].as_array().is_some_and(Vec::is_empty);
    text + if is_clean { "clean: nothing oversold, lost or charged twice" } else { "see above" }
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
