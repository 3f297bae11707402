//! Running steps: the light ones beside the heavy ones, a table at the end.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::shell::StepError;
use crate::steps::{self, Step, Weight};

/// A step name that nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("no step is called `{0}`: see `cargo xtask list`")]
pub struct UnknownStep(String);

/// How a step ended.
struct Ended {
    took: Duration,
    outcome: Result<String, StepError>,
}

/// Runs the named steps, all if none is named, but for the skipped ones. Says whether all of them passed.
pub fn run(named: &[String], skipped: &[String]) -> Result<bool, UnknownStep> {
    if let Some(unknown) = named.iter().chain(skipped).find(|name| steps::ALL.iter().all(|step| step.name != **name)) {
        return Err(UnknownStep(unknown.clone()));
    }
    let wanted = |step: &&Step| {
        let is_named = if named.is_empty() { step.by_default } else { named.iter().any(|name| name == step.name) };
        is_named && skipped.iter().all(|name| name != step.name)
    };
    let chosen: Vec<&Step> = steps::ALL.iter().filter(wanted).collect();
    let begun = Instant::now();
    let ended: Mutex<BTreeMap<usize, Ended>> = Mutex::default();
    // Builds take both cores; what needs no build of the workspace runs beside them.
    thread::scope(|scope| {
        for weight in [Weight::Light, Weight::Heavy] {
            let (chosen, ended) = (&chosen, &ended);
            scope.spawn(move || {
                for (index, step) in chosen.iter().enumerate().filter(|(_, step)| step.weight == weight) {
                    println!("\n== {}: {}", step.name, step.about);
                    let is_late = step.begins_within.filter(|most| named.is_empty() && begun.elapsed() > *most);
                    let begun = Instant::now();
                    let outcome = match is_late {
                        Some(most) => Ok(format!("**not run**: {} s were over; run it by name", most.as_secs())),
                        None => (step.run)(),
                    };
                    if let Err(error) = &outcome {
                        println!("== {}: {error}", step.name);
                    }
                    let took = begun.elapsed();
                    println!("== {}: ended after {} s", step.name, took.as_secs());
                    ended.lock().expect("no step panics with it").insert(index, Ended { took, outcome });
                }
            });
        }
    });
    let ended = ended.into_inner().expect("every step has ended");
    Ok(print_table(&chosen, &ended, begun.elapsed()))
}

fn print_table(chosen: &[&Step], ended: &BTreeMap<usize, Ended>, took: Duration) -> bool {
    println!("\n| step | seconds | what it did |\n|---|---|---|");
    let mut all_passed = true;
    for (index, step) in chosen.iter().enumerate() {
        let Some(Ended { took, outcome }) = ended.get(&index) else { continue };
        let said = match outcome {
            Ok(said) => said.clone(),
            Err(error) => {
                all_passed = false;
                format!("**FAILED**: {error}")
            }
        };
        println!("| {} | {} | {said} |", step.name, took.as_secs());
    }
    println!("| all | {} | {} |", took.as_secs(), if all_passed { "passed" } else { "**FAILED**" });
    all_passed
}
