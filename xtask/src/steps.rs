//! Every step of the pipeline: one row each.

use std::time::Duration;

use crate::count::Layers;
use crate::coverage;
use crate::figures;
use crate::mistakes;
use crate::page;
use crate::shell::{Program, StepError, cargo, root};
use crate::tools;

/// What a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Needs no build of the workspace; runs beside the heavy ones.
    Light,
    /// Mostly runs what the heavy ones before it have built, and comes to the same on a busy machine; beside the heavy ones
    /// after it.
    Steady,
    /// Builds or runs what takes the machine.
    Heavy,
}

/// A step.
pub struct Step {
    /// By which it is called.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What it takes.
    pub weight: Weight,
    /// Whether it runs when no step is named.
    pub by_default: bool,
    /// If no step is named it is left out where it would begin later than this: the whole would take too long there.
    pub begins_within: Option<Duration>,
    /// Does it, and says in a few words what it did.
    pub run: fn() -> Result<String, StepError>,
}

/// The pipeline, in its order.
pub const ALL: &[Step] = &[
    light("format", "the code is formatted", format),
    light("spelling", "words are spelt right (typos)", spelling),
    light("policy", "licences, sources and duplicates of what is depended on (cargo-deny)", policy),
    light("unused", "nothing is depended on that is not used (cargo-machete)", unused),
    light("tools", "the programs that later steps need are built", tools_of_later_steps),
    heavy("lints", "clippy finds nothing in any target", lints),
    heavy("tests", "the README's test command: unit, interface, loom", tests),
    aside("unit", "only the tests beside the code", || counted("test --workspace --locked --lib --bins")),
    aside("interface", "only the tests from outside", || {
        counted("test --workspace --locked --exclude stockade-loom-tests --tests")
    }),
    aside("loom", "only the models of the concurrency", || counted("test -p stockade-loom-tests --locked")),
    heavy("release", "the release build", release),
    // These two are judged by time, too: they run before the steady ones begin.
    heavy("demo", "a newcomer's first minute", demo),
    heavy(
        "chaos",
        "experiments on real engines, each with its verdict, and the faults by operations they struck",
        chaos,
    ),
    steady("duel", "ten million random commands on two books", duel),
    steady("model", "every state of a small shop over two partitions, within a bound (stateright)", model),
    steady("fuzz", "damaged input for everything that reads bytes from outside, two hundred thousand a target", fuzz),
    steady("simulation", "the whole engine on virtual time, with faults, from many seeds", simulation),
    steady("counted", "instructions a command of the book takes, flat whatever rests (gungraun)", figures::flat),
    steady("conformance", "suites and campaigns by others (tracebook-conformance)", conformance),
    heavy("long", "long tests, and those that read the data beside the checkout", long),
    aside("mistakes", "deliberate mistakes in the engine, each caught by the simulation or the model", mistakes::run),
    aside("plot", "draws instructions and time by resting orders", figures::plot),
    heavy("examples", "every example runs to its end", examples),
    heavy("docs", "the documentation builds without a warning", docs),
    light("page", "the figures of coverage in the README are made, not typed", page::check),
    if_in_time(heavy(
        "coverage",
        "lines that tests reach, by layer (tarpaulin), and the changed ones (diff-cover), with gates",
        coverage::run,
    )),
];

const fn light(name: &'static str, about: &'static str, run: fn() -> Result<String, StepError>) -> Step {
    Step { name, about, weight: Weight::Light, by_default: true, begins_within: None, run }
}

const fn steady(name: &'static str, about: &'static str, run: fn() -> Result<String, StepError>) -> Step {
    Step { name, about, weight: Weight::Steady, by_default: true, begins_within: None, run }
}

const fn heavy(name: &'static str, about: &'static str, run: fn() -> Result<String, StepError>) -> Step {
    Step { name, about, weight: Weight::Heavy, by_default: true, begins_within: None, run }
}

/// The slowest of all; machines half as fast as two cores of today have no time left for it.
const fn if_in_time(step: Step) -> Step {
    Step { begins_within: Some(Duration::from_secs(3_000)), ..step }
}

/// Runs only when it is named.
const fn aside(name: &'static str, about: &'static str, run: fn() -> Result<String, StepError>) -> Step {
    Step { name, about, weight: Weight::Heavy, by_default: false, begins_within: None, run }
}

fn format() -> Result<String, StepError> {
    cargo("fmt --all --check").run()?;
    Ok("formatted".into())
}

fn spelling() -> Result<String, StepError> {
    let typos = tools::from_python("typos", "1.52.0", "typos")?;
    Program::new(typos).run()?;
    Ok("no word is wrong".into())
}

fn policy() -> Result<String, StepError> {
    let deny = tools::from_crates(&tools::DENY)?;
    // Advisories come from a repository that a closed network does not reach; `deny.toml` says how they are asked for.
    Program::new(&deny).args("--locked --workspace check bans licenses sources").run()?;
    Ok("licences, bans, sources".into())
}

fn unused() -> Result<String, StepError> {
    let machete = tools::from_crates(&tools::MACHETE)?;
    Program::new(machete).run()?;
    Ok("nothing unused".into())
}

/// While the heavy steps link and wait, so that they need not wait for these.
fn tools_of_later_steps() -> Result<String, StepError> {
    for tool in [&tools::GUNGRAUN, &tools::TARPAULIN] {
        tools::from_crates(tool)?;
    }
    Ok("built".into())
}

fn lints() -> Result<String, StepError> {
    cargo("clippy --workspace --all-targets --locked -- -D warnings").run()?;
    Ok("nothing found".into())
}

fn counted(arguments: &str) -> Result<String, StepError> {
    let layers = Layers::of(&cargo(arguments).run()?);
    if layers.passed() == 0 {
        return Err(StepError::Fault("no test was run".into()));
    }
    Ok(layers.text())
}

fn tests() -> Result<String, StepError> {
    counted("test --workspace --locked")
}

fn release() -> Result<String, StepError> {
    cargo("build --release --locked").run()?;
    Ok("built".into())
}

/// How what proves things is run: as the tests are where these are optimised (`.ci/run` does so), and of the whole workspace,
/// whose dependencies have other features than a package's alone: so nothing is built twice. Else in a profile of its own.
fn proof() -> &'static str {
    let is_optimised = std::env::var("CARGO_PROFILE_TEST_OPT_LEVEL").is_ok_and(|level| level != "0");
    if is_optimised { "test --workspace --locked" } else { "test --profile proof --workspace --locked" }
}

/// Only the programs that have a long test.
fn long() -> Result<String, StepError> {
    if !root().join("../shared/data").is_dir() {
        return Ok("not run: the data is not beside the checkout".into());
    }
    let mut arguments = proof().to_owned();
    let tests = std::fs::read_dir(root().join("tests")).map_err(|error| StepError::Fault(error.to_string()))?;
    let mut programs: Vec<_> = tests.flatten().map(|entry| entry.path()).collect();
    programs.sort();
    for program in programs.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let has_long = std::fs::read_to_string(program).is_ok_and(|text| text.contains("#[ignore"));
        if let (true, Some(name)) = (has_long, program.file_stem()) {
            arguments.push_str(" --test ");
            arguments.push_str(&name.to_string_lossy());
        }
    }
    counted(&(arguments + " -- --ignored"))
}

fn duel() -> Result<String, StepError> {
    counted(&format!("{} --test book_against_naive -- --ignored", proof()))
}

fn model() -> Result<String, StepError> {
    counted(&format!("{} --test protocol_model -- --ignored", proof()))
}

fn fuzz() -> Result<String, StepError> {
    let tests = cargo(&format!("{} --lib fuzz::", proof()));
    let output = tests.env("STOCKADE_FUZZ_ROUNDS", "200000").env("STOCKADE_FUZZ_SEED", "20261123").run()?;
    let layers = Layers::of(&output);
    if layers.passed() == 0 {
        return Err(StepError::Fault("no target was run".into()));
    }
    Ok(layers.text())
}

/// Every experiment that is shipped, ten times as fast.
fn chaos() -> Result<String, StepError> {
    let stockade = root().join("target/release/stockade");
    let reports = root().join("target/chaos");
    let files =
        std::fs::read_dir(root().join("examples/chaos")).map_err(|error| StepError::Fault(error.to_string()))?;
    let mut files: Vec<_> = files.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut run = Program::new(&stockade).args("chaos run --scale 0.1 --out").arg(&reports);
    for file in &files {
        run = run.arg(file);
    }
    let ran = run.run()?;
    let covered = Program::new(&stockade).args("chaos report --min 92").arg(&reports).run()?;
    let last = |output: &str| output.lines().last().unwrap_or_default().to_owned();
    Ok(format!("{}; {}", last(&ran), last(&covered)))
}

fn conformance() -> Result<String, StepError> {
    let output = Program::new(".ci/conformance").run()?;
    Ok(output.lines().last().unwrap_or("passed").to_owned())
}

/// Everything at once, on one to three partitions; then none of it, and one partition all the time.
const SIMULATIONS: [&str; 3] = [
    "simulate --seeds 0..1000",
    "simulate --seeds 1000..1100 --faults none",
    "simulate --seeds 1000..1200 --partitions 1",
];

fn simulation() -> Result<String, StepError> {
    let mut did = Vec::new();
    for arguments in SIMULATIONS {
        let output = Program::new(root().join("target/release/stockade")).args(arguments).run()?;
        did.extend(output.lines().next().map(str::to_owned));
    }
    Ok(did.join("; "))
}

fn examples() -> Result<String, StepError> {
    let files = std::fs::read_dir(root().join("examples")).map_err(|error| StepError::Fault(error.to_string()))?;
    let mut names: Vec<String> =
        files.flatten().filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned())).collect();
    names.sort();
    // As the tests built them: with the dependencies of the whole workspace, so that none of them is built once more.
    cargo("build --workspace --examples --locked").run()?;
    for name in &names {
        Program::new(root().join("target/debug/examples").join(name)).run()?;
    }
    Ok(format!("{} ran: {}", names.len(), names.join(", ")))
}

fn docs() -> Result<String, StepError> {
    cargo("doc --workspace --no-deps --locked").env("RUSTDOCFLAGS", "-D warnings").run()?;
    Ok("built".into())
}

fn demo() -> Result<String, StepError> {
    let output = cargo("run --release --locked -- demo").run()?;
    let report = output.lines().filter(|line| line.contains("orders/s") || line.contains("oversold"));
    Ok(report.map(str::trim).collect::<Vec<_>>().join("; "))
}
