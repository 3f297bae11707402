//! Deliberate mistakes in the engine itself, each of which the simulation must catch; several the protocol model catches, too
//! (`loom-tests/tests/protocol_model.rs`). `cargo xtask ci mistakes` runs both and makes `docs/mistakes.md`.
#![cfg(feature = "mistakes")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use stockade::sim::{Options, simulate};
use stockade_domain::mistake::{self, Mistake};

/// Runs that a mistake may survive before it counts as not caught.
const SEEDS: u64 = 600;

/// The first failure among the seeds, found by two threads.
fn first_failure() -> Option<String> {
    let (next, found) = (AtomicU64::new(0), Mutex::new(None::<(u64, String)>));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while found.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        return;
                    }
                    if let Err(failure) = simulate(seed, &Options::default()) {
                        let mut found = found.lock().unwrap();
                        if found.as_ref().is_none_or(|(first, _)| seed < *first) {
                            *found = Some((seed, failure.what));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().unwrap().map(|(seed, what)| {
        // Whole words, as many as a row of the table takes.
        let mut short = String::new();
        for word in what.split_whitespace().take_while(|word| word.len() < 100) {
            if short.len() + word.len() > 120 {
                break;
            }
            short.push_str(if short.is_empty() { "" } else { " " });
            short.push_str(word);
        }
        format!("seed {seed}: {short}")
    })
}

#[test]
#[ignore = "the pipeline's step `mistakes` runs it with optimisation"]
fn the_simulation_catches_mistakes() {
    // Panics are what is looked for, not what is read.
    std::panic::set_hook(Box::new(|_| ()));
    let mut survived = Vec::new();
    mistake::make(None);
    assert_eq!(
        simulate(0, &Options::default()).err().map(|failure| failure.what),
        None,
        "without a mistake it is clean"
    );
    for (mistake, name, _) in Mistake::ALL {
        mistake::make(Some(*mistake));
        let failure = first_failure();
        println!("mistake\t{name}\tsimulation\t{}", failure.as_deref().unwrap_or("-"));
        survived.extend(failure.is_none().then_some(*name));
    }
    mistake::make(None);
    assert!(survived.is_empty(), "nobody noticed {survived:?}");
}
