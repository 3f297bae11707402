//! The scripts that a difference between two books is told in are replayed by `stockade match`.

#[allow(dead_code, reason = "shrinking is of use where two books differ")]
#[path = "../domain/tests/support/duel/mod.rs"]
mod duel;

use std::io::Write;
use std::process::{Command, Stdio};

use stockade_domain::book::Book;

#[test]
fn a_script_of_random_commands_replays_with_the_same_fills_and_refusals() {
    for seed in 1..=24 {
        let config = duel::config(seed);
        let steps = duel::steps(seed, &config, 300);
        let tally = duel::duel(Book::new(config), Book::new(config), &steps).expect("a book agrees with itself");
        let script = duel::script(&config, &steps);
        let mut child = Command::new(env!("CARGO_BIN_EXE_stockade"))
            .arg("match")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let count = |what: &str| text.lines().filter(|line| line.contains(what)).count() as u64;
        assert_eq!(count("\"answer\":\"invalid\""), 0, "seed {seed}: {text}");
        assert_eq!(count("\"answer\":\"refused\""), tally.refused, "seed {seed}");
        assert_eq!(count("\"event\":\"filled\""), tally.fills, "seed {seed}");
        assert_eq!(count("\"event\":\"released\""), tally.released, "seed {seed}");
        assert_eq!(count("\"answer\":\"done\""), tally.commands - tally.refused + 1, "seed {seed}: and the opening");
        assert!(tally.fills > 0, "seed {seed}");
    }
}
