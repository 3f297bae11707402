//! Everything that reads bytes from outside, fed with damaged ones.
//!
//! Each target has good inputs in `fuzz/corpus/<target>/`; they are cut, spliced, nested and garbled, and what a target
//! accepts must mean the same when it is read again. An input that once failed is put there under the name of what it did,
//! and is read as it is in every run.
//!
//! It runs with the other tests, a few thousand inputs for each target; `STOCKADE_FUZZ_ROUNDS` asks for more and
//! `STOCKADE_FUZZ_SEED` for others (the pipeline's step `fuzz` does both). It is not guided by coverage: that needs a compiler
//! that the pipeline does not have.

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use mutate::Mutator;
use targets::{TARGETS, Target};

/// Inputs for each target in an ordinary run.
const ROUNDS: u64 = 1_500;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut inputs: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    inputs.sort();
    inputs.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect()
}

/// Feeds one input; says what went wrong.
fn feed(target: &Target, input: &[u8]) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| (target.read)(input))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
    })
}

/// Few of an input's bytes matter: the shortest that still fails is shown.
fn shrunk(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let mut piece = input.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < input.len() {
            let mut shorter = input.clone();
            shorter.drain(at..(at + piece).min(input.len()));
            if feed(target, &shorter).is_err() { input = shorter } else { at += piece }
        }
        piece /= 2;
    }
    input
}

fn fuzz(target: &Target) {
    let corpus = corpus(target.name);
    assert!(!corpus.is_empty(), "{} has no good input", target.name);
    for (path, input) in &corpus {
        if let Err(why) = feed(target, input) {
            panic!("{}: {why}", path.display());
        }
    }
    assert!(
        corpus.iter().any(|(_, input)| feed(target, input) == Ok(true)),
        "{} accepts nothing of its corpus: nothing is shown",
        target.name
    );
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let rounds = number("STOCKADE_FUZZ_ROUNDS", ROUNDS) / target.cost;
    let mut mutator = Mutator::new(number("STOCKADE_FUZZ_SEED", 1), inputs);
    let mut accepted = 0;
    for _ in 0..rounds {
        let input = mutator.next_input();
        match feed(target, &input) {
            Ok(was_accepted) => accepted += u64::from(was_accepted),
            Err(why) => {
                let input = shrunk(target, input);
                panic!("{}: {why}: {:?} {input:?}", target.name, String::from_utf8_lossy(&input));
            }
        }
    }
    println!("{}: {rounds} inputs, {accepted} accepted", target.name);
    assert!(accepted < rounds, "{}: nothing is refused: the inputs are not damaged", target.name);
}

macro_rules! each_target {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                fuzz(TARGETS.iter().find(|target| target.name == stringify!($name)).expect("it is in the table"));
            }
        )*

        #[test]
        fn every_target_of_the_table_is_run() {
            let run = [$(stringify!($name)),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), run);
        }
    };
}

each_target!(
    order_body,
    stock_body,
    webhook,
    cursor,
    promotions,
    experiments,
    replay_rows,
    match_lines,
    settlement,
    record,
    journal
);

#[test]
fn an_input_that_is_read_wrongly_is_found_and_made_short() {
    fn picky(input: &[u8]) -> Result<bool, String> {
        if input.windows(2).any(|pair| pair == b"[[") { Err("too deep".into()) } else { Ok(true) }
    }
    let target = Target { name: "picky", cost: 1, read: picky };
    let mut mutator = Mutator::new(1, vec![b"{\"a\": [1]}".to_vec()]);
    let found = (0..ROUNDS).map(|_| mutator.next_input()).find(|input| feed(&target, input).is_err());
    assert_eq!(shrunk(&target, found.expect("the mutator nests")), b"[[");
}
