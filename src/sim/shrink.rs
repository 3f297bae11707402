//! Making a failure smaller: fewer kinds of faults, fewer steps, as long as it still fails.

use super::faults::FaultKind;
use super::run::{Failure, Options, simulate};

/// Runs that shrinking may take.
const RUNS_MAX: u32 = 60;

/// The smallest options found under which the seed still fails, with that failure.
pub fn shrink(failure: Box<Failure>, options: &Options) -> (Options, Box<Failure>) {
    let (seed, mut smallest, mut found) = (failure.seed, options.clone(), failure);
    let mut runs = 0;
    let mut fails = |candidate: &Options| {
        runs += 1;
        if runs > RUNS_MAX { None } else { simulate(seed, candidate).err() }
    };
    for kind in FaultKind::ALL {
        let faults: Vec<FaultKind> = smallest.faults.iter().copied().filter(|other| other != kind).collect();
        if faults.len() == smallest.faults.len() {
            continue;
        }
        let candidate = Options { faults, ..smallest.clone() };
        if let Some(failure) = fails(&candidate) {
            (smallest, found) = (candidate, failure);
        }
    }
    // Not every shorter run fails, so this finds a small one, not the smallest.
    let (mut low, mut high) = (0, smallest.steps);
    while low + 1 < high {
        let candidate = Options { steps: low.midpoint(high), ..smallest.clone() };
        match fails(&candidate) {
            Some(failure) => {
                high = candidate.steps;
                (smallest, found) = (candidate, failure);
            }
            None => low = candidate.steps,
        }
    }
    (smallest, found)
}
