//! Running steps: the light and the steady ones beside the heavy ones, a table at the end.

use std::collections::BTreeMap;
use std::panic;
use std::sync::{Condvar, Mutex};
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

/// How the steps ended that have, by their place among the chosen.
#[derive(Default)]
struct Outcomes {
    ended: Mutex<BTreeMap<usize, Ended>>,
    another: Condvar,
}

impl Outcomes {
    fn note(&self, index: usize, ended: Ended) {
        self.ended.lock().expect("no step panics with it").insert(index, ended);
        self.another.notify_all();
    }

    /// Waits until these have ended, however they did.
    fn wait_for(&self, steps: &[usize]) {
        let is_missing = |ended: &mut BTreeMap<usize, Ended>| steps.iter().any(|index| !ended.contains_key(index));
        let ended = self.ended.lock().expect("no step panics with it");
        drop(self.another.wait_while(ended, is_missing).expect("no step panics with it"));
    }
}

/// What a step waits for: a steady one for the heavy ones before it.
fn waits_for(chosen: &[&Step], index: usize) -> Vec<usize> {
    let is_steady = chosen[index].weight == Weight::Steady;
    (0..index).filter(|before| is_steady && chosen[*before].weight == Weight::Heavy).collect()
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
    let outcomes = Outcomes::default();
    let run_lane = |is_of_lane: &dyn Fn(&Step) -> bool| {
        for (index, step) in chosen.iter().enumerate().filter(|(_, step)| is_of_lane(step)) {
            outcomes.wait_for(&waits_for(&chosen, index));
            let late = step.begins_within.filter(|most| named.is_empty() && begun.elapsed() > *most);
            outcomes.note(index, run_step(step, late));
        }
    };
    if !named.is_empty() {
        // Whoever names steps wants to see them one after the other.
        run_lane(&|_| true);
    } else {
        // Builds take both cores most of the time; what builds little fills what they leave.
        thread::scope(|scope| {
            for weight in [Weight::Light, Weight::Steady, Weight::Heavy] {
                let run_lane = &run_lane;
                scope.spawn(move || run_lane(&|step| step.weight == weight));
            }
        });
    }
    let ended = outcomes.ended.into_inner().expect("every step has ended");
    Ok(print_table(&chosen, &ended, begun.elapsed()))
}

/// Runs a step, if it is not too late for it. One that panics has failed: others wait for its end.
fn run_step(step: &Step, late: Option<Duration>) -> Ended {
    let begun = Instant::now();
    let run = || {
        println!("\n== {}: {}", step.name, step.about);
        let outcome = match late {
            Some(most) => Ok(format!("**not run**: {} s were over; run it by name", most.as_secs())),
            None => (step.run)(),
        };
        if let Err(error) = &outcome {
            println!("== {}: {error}", step.name);
        }
        println!("== {}: ended after {} s", step.name, begun.elapsed().as_secs());
        outcome
    };
    let outcome = panic::catch_unwind(run).unwrap_or_else(|_| Err(StepError::Fault("it panicked".into())));
    Ended { took: begun.elapsed(), outcome }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_step_waits_for_what_builds_what_it_runs_and_for_nothing_later() {
        let chosen: Vec<&Step> = steps::ALL.iter().filter(|step| step.by_default).collect();
        let place = |name: &str| chosen.iter().position(|step| step.name == name).expect("a step");
        let waits = waits_for(&chosen, place("simulation"));
        assert_eq!(waits, ["lints", "tests", "release", "demo", "chaos"].map(place));
        assert!(waits_for(&chosen, place("coverage")).is_empty());
        assert!(waits_for(&chosen, place("spelling")).is_empty());
        // Named alone it waits for nothing.
        assert!(waits_for(&[chosen[place("simulation")]], 0).is_empty());
    }

    #[test]
    fn a_step_that_panics_has_failed_and_nobody_waits_for_it_for_ever() {
        let step = Step {
            name: "broken",
            about: "panics",
            weight: Weight::Heavy,
            by_default: true,
            begins_within: None,
            run: || panic!("as it was told"),
        };
        let outcomes = Outcomes::default();
        thread::scope(|scope| {
            scope.spawn(|| outcomes.wait_for(&[0]));
            outcomes.note(0, run_step(&step, None));
        });
        let ended = outcomes.ended.into_inner().unwrap();
        assert!(matches!(&ended[&0].outcome, Err(StepError::Fault(why)) if why == "it panicked"));
        assert!(run_step(&step, Some(Duration::from_secs(3))).outcome.is_ok(), "too late, it is not run");
    }
}
