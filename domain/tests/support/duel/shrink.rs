//! Fewer commands that still differ.

use super::{Difference, Step, Tally};

/// Leaves out as many steps as it can while the books still differ: halves first, single steps last.
pub fn shrink(
    steps: &[Step],
    difference: Difference,
    run: impl Fn(&[Step]) -> Result<Tally, Difference>,
) -> (Vec<Step>, Difference) {
    let (mut steps, mut difference) = (steps.to_vec(), difference);
    let mut chunk = steps.len().div_ceil(2).max(1);
    loop {
        let (mut from, mut is_shorter) = (0, false);
        while from < steps.len() {
            let to = (from + chunk).min(steps.len());
            let mut fewer = steps.clone();
            fewer.drain(from..to);
            match run(&fewer) {
                Err(found) => {
                    fewer.truncate(found.at + 1);
                    (steps, difference, is_shorter) = (fewer, found, true);
                }
                Ok(_) => from = to,
            }
        }
        if chunk == 1 && !is_shorter {
            return without_idle_houses(steps, difference, run);
        }
        chunk = chunk.div_ceil(2);
    }
}

/// Takes away changes of the house that do not matter.
fn without_idle_houses(
    mut steps: Vec<Step>,
    mut difference: Difference,
    run: impl Fn(&[Step]) -> Result<Tally, Difference>,
) -> (Vec<Step>, Difference) {
    for at in 0..steps.len() {
        let mut fewer = steps.clone();
        if let Some(step) = fewer.get_mut(at)
            && step.house.take().is_some()
            && let Err(found) = run(&fewer)
        {
            fewer.truncate(found.at + 1);
            (steps, difference) = (fewer, found);
        }
    }
    (steps, difference)
}
