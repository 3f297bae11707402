//! The book alone, single thread: 40 % resting adds, 30 % cancels of live orders, 30 % crossing IOC, events emitted
//! and consumed; beside `orderbook-rs` and a simple BTreeMap book in the same run.
//!
//! `cargo bench -p stockade-benches --bench book` prints the table; `-- resting` only the rows by resting orders.
//! Instructions are counted by `benches/counted`.

mod engines;
mod mix;
mod other;
mod pairs;

use std::time::Instant;

use engines::{Engine, Ours, Simple};
use mix::Mix;
use other::Other;

/// Commands timed together for a latency; one alone is shorter than the clock's own cost.
const BATCH: usize = 32;

struct Figures {
    millions: f64,
    p50: f64,
    p99: f64,
    sum: u64,
}

fn run<E: Engine>(mix: &Mix) -> Figures {
    let mut books: Vec<E> = (0..mix.symbols).map(|_| E::new()).collect();
    // One buffer for all books, as an engine has: what was told is consumed before the next command.
    let (mut sum, mut events) = (0, Vec::with_capacity(64));
    for (symbol, op) in &mix.prefill {
        sum += books[*symbol as usize].run(op, &mut events);
    }
    let mut batches = Vec::with_capacity(mix.ops.len() / BATCH + 1);
    let start = Instant::now();
    let mut last = start;
    for batch in mix.ops.chunks(BATCH) {
        for (symbol, op) in batch {
            sum = sum.wrapping_add(books[*symbol as usize].run(op, &mut events));
        }
        let now = Instant::now();
        batches.push((now - last).as_nanos() as u64);
        last = now;
    }
    let millions = mix.ops.len() as f64 / start.elapsed().as_secs_f64() / 1e6;
    batches.sort_unstable();
    let at = |part: f64| batches[((batches.len() - 1) as f64 * part) as usize] as f64 / BATCH as f64;
    Figures { millions, p50: at(0.5), p99: at(0.99), sum }
}

fn best_of<E: Engine>(mix: &Mix, runs: usize) -> Figures {
    (0..runs).map(|_| run::<E>(mix)).max_by(|a, b| a.millions.total_cmp(&b.millions)).expect("at least one run")
}

fn tell(name: &str, mix: &Mix, figures: &Figures) {
    println!(
        "{name:<26} {:>7} {:>10} {:>9.2} {:>8.0} {:>8.0}",
        mix.symbols,
        mix.prefill.len(),
        figures.millions,
        figures.p50,
        figures.p99
    );
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.iter().any(|word| word == "resting") {
        return by_resting();
    }
    println!("A plain SKU of the house, millions of units held and settled a second");
    println!("  by two commands {:.1}, by one {:.1}", pairs::of_stock(1_000, false), pairs::of_stock(1_000, true));
    println!("  by two commands to a book alone {:.1}\n", pairs::of_book(1_000));
    println!("{:<26} {:>7} {:>10} {:>9} {:>8} {:>8}", "book", "symbols", "resting", "M/s", "p50 ns", "p99 ns");
    for (symbols, resting) in [(1, 10_000), (1_000, 100_000)] {
        let mix = Mix::new(symbols, resting, 3_000_000);
        let ours = best_of::<Ours>(&mix, 5);
        tell("stockade, fills final", &mix, &ours);
        let simple = best_of::<Simple>(&mix, 5);
        tell("simple BTreeMap, no events", &mix, &simple);
        assert_eq!(ours.sum, simple.sum, "both books traded the same");
        let short = Mix::new(symbols, resting, 200_000);
        tell("orderbook-rs", &short, &best_of::<Other>(&short, 2));
    }
    by_resting();
}

fn by_resting() {
    for resting in [1_000, 10_000, 100_000, 1_000_000] {
        let mix = Mix::new(1, resting, 2_000_000);
        tell("stockade, by resting", &mix, &best_of::<Ours>(&mix, 3));
    }
}
