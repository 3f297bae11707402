//! The fast book against the naive one: the same random commands, identical events and identical refusals.

#[path = "support/duel/mod.rs"]
mod duel;
#[path = "support/naive_book/mod.rs"]
mod naive_book;

use duel::{Tally, run_seed};
use naive_book::NaiveBook;
use stockade_domain::Timestamp;
use stockade_domain::book::{
    Book, BookCommand, BookEvent, BookRefusal, Context, FillId, FillView, LevelDepth, Matcher, OrderView, Place,
    PreviewFill, Side,
};

/// Runs seeds of `length` commands each until `commands` have run.
fn campaign(first_seed: u64, commands: u64, length: usize) -> Tally {
    let mut tally = Tally::default();
    let mut seed = first_seed;
    while tally.commands < commands {
        let ran = run_seed(seed, length, Book::new, NaiveBook::new);
        tally.add(ran.unwrap_or_else(|difference| panic!("{difference}")));
        seed += 1;
    }
    tally
}

/// A campaign in which something never happened has shown nothing about it.
fn assert_everything_happened(tally: &Tally) {
    let Tally { commands, refused, fills, house_fills, released, settled, expired, refreshed, prevented, .. } = *tally;
    for (what, times) in [
        ("carried out", commands - refused),
        ("refused", refused),
        ("filled", fills),
        ("filled from the house", house_fills),
        ("released", released),
        ("settled", settled),
        ("expired", expired),
        ("refreshed", refreshed),
        ("kept from trading with itself", prevented),
    ] {
        assert!(times * 1_000 > commands, "{what} only {times} times: {tally:?}");
    }
    assert!(tally.uncrossed * 10_000 > commands, "auctions with trade only {} times: {tally:?}", tally.uncrossed);
}

#[test]
fn two_hundred_thousand_random_commands_have_identical_events_and_refusals() {
    assert_everything_happened(&campaign(1, 200_000, 400));
}

#[test]
#[ignore = "ten million commands take minutes, and only in release"]
fn ten_million_random_commands_have_identical_events_and_refusals() {
    // Two halves side by side: short books see many rules, long ones many states.
    let halves = std::thread::scope(|scope| {
        let short = scope.spawn(|| campaign(1 << 32, 5_000_000, 100));
        let long = scope.spawn(|| campaign(1 << 33, 5_000_000, 2_000));
        [short, long].map(|half| half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let mut tally = Tally::default();
    halves.into_iter().for_each(|half| tally.add(half));
    assert!(tally.commands >= 10_000_000, "{tally:?}");
    assert_everything_happened(&tally);
}

/// A book that is wrong on purpose: it tells a fill of thirteen units as one of twelve.
struct Superstitious(NaiveBook<u64>);

impl Matcher<u64> for Superstitious {
    fn execute(
        &mut self,
        command: &BookCommand<u64>,
        context: &Context,
        events: &mut Vec<BookEvent<u64>>,
    ) -> Result<(), BookRefusal> {
        let from = events.len();
        self.0.execute(command, context, events)?;
        for event in &mut events[from..] {
            if let BookEvent::Filled { quantity, .. } = event
                && *quantity == 13
            {
                *quantity = 12;
            }
        }
        Ok(())
    }

    fn apply(&mut self, event: &BookEvent<u64>) {
        self.0.apply(event);
    }

    fn preview(&self, place: &Place<u64>, context: &Context) -> Result<Vec<PreviewFill<u64>>, BookRefusal> {
        self.0.preview(place, context)
    }

    fn check(&self) {
        self.0.check();
    }

    fn sequence(&self) -> u64 {
        Matcher::<u64>::sequence(&self.0)
    }

    fn best(&self, side: Side) -> Option<LevelDepth> {
        self.0.best(side)
    }

    fn depth(&self, side: Side, levels: usize) -> Vec<LevelDepth> {
        self.0.depth(side, levels)
    }

    fn orders(&self, side: Side) -> Vec<OrderView<u64>> {
        self.0.orders(side)
    }

    fn order(&self, id: u64) -> Option<OrderView<u64>> {
        self.0.order(id)
    }

    fn fill(&self, fill: FillId) -> Option<FillView<u64>> {
        Matcher::<u64>::fill(&self.0, fill)
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.0.next_due()
    }
}

#[test]
fn a_book_that_is_wrong_on_purpose_is_found_and_shrunk_to_a_script_of_few_lines() {
    let wrong = |config| Superstitious(NaiveBook::new(config));
    let found = (1..200).find_map(|seed| run_seed(seed, 400, Book::new, wrong).err()).expect("it was found");
    let lines: Vec<&str> = found.lines().filter(|line| line.starts_with("{\"sku\":\"DUEL\"")).collect();
    assert!(lines[0].contains("\"command\":\"open\""), "{found}");
    assert!((3..=10).contains(&lines.len()), "the book's rules and a few commands, of four hundred:\n{found}");
    assert!(found.contains("quantity: 13") && found.contains("quantity: 12"), "{found}");
}
