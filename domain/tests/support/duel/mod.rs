//! Two books, the same commands: whatever differs is shrunk to a short script.
//!
//! | file | concept |
//! |---|---|
//! | `generator` | random commands from a seed |
//! | `shrink` | fewer commands that still differ |
//! | `script` | commands as lines that `stockade match` replays |

mod generator;
mod script;
mod shrink;

use std::panic::{AssertUnwindSafe, catch_unwind};

use stockade_domain::Timestamp;
use stockade_domain::book::{BookCommand, BookConfig, BookEvent, BookRefusal, Context, House, Maker, Matcher, Side};

pub use generator::{config, steps};
pub use script::script;
pub use shrink::shrink;

/// One command, and what changed around the book before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub now: Timestamp,
    /// The house from now on, if it changed; the command then says so.
    pub house: Option<House>,
    pub command: BookCommand<u64>,
}

/// What a run came to; a run in which nothing happened shows nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub commands: u64,
    pub refused: u64,
    pub fills: u64,
    pub house_fills: u64,
    pub released: u64,
    pub settled: u64,
    pub expired: u64,
    pub refreshed: u64,
    pub prevented: u64,
    pub uncrossed: u64,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.commands += other.commands;
        self.refused += other.refused;
        self.fills += other.fills;
        self.house_fills += other.house_fills;
        self.released += other.released;
        self.settled += other.settled;
        self.expired += other.expired;
        self.refreshed += other.refreshed;
        self.prevented += other.prevented;
        self.uncrossed += other.uncrossed;
    }

    fn count(&mut self, event: &BookEvent<u64>) {
        use stockade_domain::book::EndReason;
        match event {
            BookEvent::Filled { maker, .. } => {
                self.fills += 1;
                self.house_fills += u64::from(*maker == Maker::House);
            }
            BookEvent::Released { .. } => self.released += 1,
            BookEvent::Settled { .. } => self.settled += 1,
            BookEvent::Refreshed { .. } => self.refreshed += 1,
            BookEvent::Uncrossed { quantity, .. } => self.uncrossed += u64::from(*quantity > 0),
            BookEvent::Ended { reason: EndReason::Expired, .. } => self.expired += 1,
            BookEvent::Ended { reason: EndReason::SelfTrade, .. }
            | BookEvent::Reduced { reason: EndReason::SelfTrade, .. } => self.prevented += 1,
            _ => {}
        }
    }
}

/// Where two books went apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The step, from 0.
    pub at: usize,
    pub what: String,
}

/// A refusal without its prose.
fn plain(refused: BookRefusal) -> BookRefusal {
    match refused {
        BookRefusal::TermsInvalid { .. } => BookRefusal::TermsInvalid { why: "" },
        other => other,
    }
}

/// Runs the steps through both books, up to the first difference.
pub fn duel<A: Matcher<u64>, B: Matcher<u64>>(mut one: A, mut other: B, steps: &[Step]) -> Result<Tally, Difference> {
    let (mut tally, mut house) = (Tally::default(), None);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (at, step) in steps.iter().enumerate() {
        house = step.house.or(house);
        let context = Context { now: step.now, house };
        let differ = |what: String| Err(Difference { at, what });
        if let BookCommand::Place(place) = &step.command {
            let (a, b) = (one.preview(place, &context).map_err(plain), other.preview(place, &context).map_err(plain));
            if a != b {
                return differ(format!("preview: {a:?}\n     but: {b:?}"));
            }
        }
        let returned = house_units(&one, &step.command);
        ours.clear();
        theirs.clear();
        let a = one.execute(&step.command, &context, &mut ours).map_err(plain);
        let b = other.execute(&step.command, &context, &mut theirs).map_err(plain);
        if (&a, &ours) != (&b, &theirs) {
            return differ(format!("{a:?}{}\nbut {b:?}{}", listed(&ours), listed(&theirs)));
        }
        tally.commands += 1;
        tally.refused += u64::from(a.is_err());
        for event in &ours {
            tally.count(event);
            follow(&mut house, event, returned);
        }
        if let Some(what) = seen_differently(&one, &other, at) {
            return differ(what);
        }
    }
    Ok(tally)
}

/// Units that the command gives back to the house if it is carried out.
fn house_units<M: Matcher<u64>>(book: &M, command: &BookCommand<u64>) -> bool {
    match *command {
        BookCommand::Release { fill, returns: Side::Supply, .. } => {
            book.fill(fill).is_some_and(|fill| fill.supply == Maker::House)
        }
        _ => false,
    }
}

/// The house's stock goes down by its fills and up by what comes back.
fn follow(house: &mut Option<House>, event: &BookEvent<u64>, returned: bool) {
    let Some(stock) = house else { return };
    match *event {
        BookEvent::Filled { maker: Maker::House, quantity, .. } => stock.available -= quantity,
        BookEvent::Released { quantity, .. } if returned => stock.available += quantity,
        _ => {}
    }
}

/// One event a line.
fn listed(events: &[BookEvent<u64>]) -> String {
    events.iter().map(|event| format!("\n  {event:?}")).collect()
}

fn seen_differently<A: Matcher<u64>, B: Matcher<u64>>(one: &A, other: &B, at: usize) -> Option<String> {
    if (one.sequence(), one.next_due()) != (other.sequence(), other.next_due()) {
        return Some(format!("due {:?} but {:?}", one.next_due(), other.next_due()));
    }
    // The queues are long to list: they are compared now and then, the touch always.
    let is_full = at.is_multiple_of(8);
    for side in [Side::Supply, Side::Demand] {
        if one.best(side) != other.best(side) {
            return Some(format!("best {side:?}: {:?} but {:?}", one.best(side), other.best(side)));
        }
        if is_full && one.orders(side) != other.orders(side) {
            return Some(format!("queue {side:?}: {:#?}\nbut {:#?}", one.orders(side), other.orders(side)));
        }
        if is_full && one.depth(side, 5) != other.depth(side, 5) {
            return Some(format!("depth {side:?}: {:?}\nbut {:?}", one.depth(side, 5), other.depth(side, 5)));
        }
    }
    if is_full {
        one.check();
        other.check();
    }
    None
}

/// Runs one seed; a difference is shrunk and told as a script.
pub fn run_seed<A: Matcher<u64>, B: Matcher<u64>>(
    seed: u64,
    length: usize,
    new_one: impl Fn(BookConfig) -> A,
    new_other: impl Fn(BookConfig) -> B,
) -> Result<Tally, String> {
    let config = config(seed);
    let all = steps(seed, &config, length);
    let run = |steps: &[Step]| {
        let caught = catch_unwind(AssertUnwindSafe(|| duel(new_one(config), new_other(config), steps)));
        // A book that finds itself wrong is a difference too; shrinking finds its last command.
        caught.unwrap_or_else(|_| Err(Difference { at: steps.len() - 1, what: "a check of a book failed".into() }))
    };
    run(&all).map_err(|first| {
        let (steps, difference) = shrink(&all[..=first.at], first, run);
        format!(
            "seed {seed}: the books differ at command {}\n{}\nreplay it with `stockade match`:\n\n{}",
            difference.at + 1,
            difference.what,
            script(&config, &steps)
        )
    })
}
