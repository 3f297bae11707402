//! Instructions, counted by valgrind: the same on a busy machine as on a quiet one. `cargo xtask ci counted` installs the
//! runner, runs this and fails if the book's instructions per command are not flat.
//!
//! What is made ready is not counted, only the commands are.

// The other books and the clocks of the timed bench; what the macros make is not documented.
#![allow(dead_code, missing_docs)]

#[path = "../book/engines.rs"]
mod engines;
#[path = "../book/mix.rs"]
mod mix;
#[path = "../book/pairs.rs"]
mod pairs;

use engines::{Engine, Ours};
use gungraun::{library_benchmark, library_benchmark_group, main};
use mix::{Mix, Op};
use pairs::Plain;
use stockade_domain::OrderId;

/// Commands of each run; the step `counted` divides by it.
const COMMANDS: usize = 100_000;

fn filled(resting: usize) -> (Ours, Vec<(u32, Op)>) {
    let mix = Mix::new(1, resting, COMMANDS);
    let (mut book, mut events) = (Ours::new(), Vec::with_capacity(64));
    for (_, op) in &mix.prefill {
        book.run(op, &mut events);
    }
    (book, mix.ops)
}

#[library_benchmark(setup = filled)]
#[bench::of_1000(1_000)]
#[bench::of_10000(10_000)]
#[bench::of_100000(100_000)]
#[bench::of_1000000(1_000_000)]
fn resting((mut book, ops): (Ours, Vec<(u32, Op)>)) -> (Ours, Vec<(u32, Op)>, u64) {
    let (mut sum, mut events) = (0_u64, Vec::with_capacity(64));
    for (_, op) in &ops {
        sum = sum.wrapping_add(book.run(op, &mut events));
    }
    // Given back, so that taking them down is not counted.
    (book, ops, sum)
}

fn plain(at_once: bool) -> (Plain, Vec<OrderId>, bool) {
    let mut plain = Plain::new();
    let orders = plain.orders(COMMANDS as u64);
    (plain, orders, at_once)
}

#[library_benchmark(setup = plain)]
#[bench::by_two(false)]
#[bench::by_one(true)]
fn hold_and_settle((mut plain, orders, at_once): (Plain, Vec<OrderId>, bool)) -> (Plain, Vec<OrderId>) {
    plain.hold_and_settle(&orders, at_once);
    (plain, orders)
}

library_benchmark_group!(name = counted, benchmarks = [resting, hold_and_settle]);
main!(library_benchmark_groups = counted);
