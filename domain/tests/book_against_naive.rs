//! The fast book against the naive one: the same random commands, identical events and identical refusals.

#[path = "support/duel/mod.rs"]
mod duel;
#[path = "support/naive_book/mod.rs"]
mod naive_book;

use duel::{Tally, run_seed};
use naive_book::NaiveBook;
use stockade_domain::book::Book;

/// Runs seeds of `length` commands each until `commands` have run.
fn campaign(first_seed: u64, commands: u64, length: usize) -> Tally {
    let mut tally = Tally::default();
    let mut seed = first_seed;
    while tally.commands < commands {
        tally
            .add(run_seed(seed, length, Book::new, NaiveBook::new).unwrap_or_else(|difference| panic!("{difference}")));
        seed += 1;
    }
    tally
}

#[test]
fn two_hundred_thousand_random_commands_have_identical_events_and_refusals() {
    let tally = campaign(1, 200_000, 400);
    println!("{tally:?}");
}
