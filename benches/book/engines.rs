//! The books that run side by side.

use std::collections::{BTreeMap, HashMap, VecDeque};

use rustc_hash::FxBuildHasher;
use stockade_domain::book::{
    Book, BookCommand, BookConfig, BookEvent, Context, Maker, Matcher, Place, Side, TimeInForce,
};

use crate::mix::Op;

pub trait Engine {
    fn new() -> Self;
    /// Runs one command and returns a sum over what it was told of trades.
    fn run(&mut self, op: &Op, events: &mut Vec<BookEvent<u64>>) -> u64;
}

/// The command of ours.
#[inline]
pub fn command(op: &Op) -> BookCommand<u64> {
    match *op {
        Op::Add { id, side, price, quantity } => BookCommand::Place(Place::limit(id, side, price, quantity)),
        Op::Cancel { id } => BookCommand::Cancel { id },
        Op::Take { id, side, price, quantity } => {
            let limit = Place::limit(id, side, price, quantity);
            BookCommand::Place(Place { time_in_force: TimeInForce::Ioc, ..limit })
        }
    }
}

pub struct Ours(Book<u64>);

impl Engine for Ours {
    fn new() -> Self {
        Self(Book::new(BookConfig::exchange()))
    }

    #[inline]
    fn run(&mut self, op: &Op, events: &mut Vec<BookEvent<u64>>) -> u64 {
        events.clear();
        let outcome = self.0.execute(&command(op), &Context::default(), events);
        debug_assert!(outcome.is_ok());
        let trade = |event: &BookEvent<u64>| match *event {
            BookEvent::Filled { maker: Maker::Order(maker), quantity, .. } => traded(maker, quantity),
            _ => 0,
        };
        events.iter().map(trade).fold(0, u64::wrapping_add)
    }
}

/// What one writes first: a map of queues, and a map of ids. It emits nothing; a cancelled order stays in its queue
/// until it is met.
#[derive(Default)]
pub struct Simple {
    sides: [BTreeMap<i64, VecDeque<u64>>; 2],
    orders: HashMap<u64, u64, FxBuildHasher>,
}

impl Engine for Simple {
    fn new() -> Self {
        Self::default()
    }

    #[inline]
    fn run(&mut self, op: &Op, _: &mut Vec<BookEvent<u64>>) -> u64 {
        match *op {
            Op::Add { id, side, price, quantity } => {
                self.sides[side as usize].entry(price).or_default().push_back(id);
                self.orders.insert(id, quantity);
                0
            }
            Op::Cancel { id } => {
                self.orders.remove(&id);
                0
            }
            Op::Take { side, price, quantity, .. } => self.take(side, price, quantity),
        }
    }
}

impl Simple {
    fn take(&mut self, side: Side, price: i64, mut quantity: u64) -> u64 {
        let (levels, mut sum) = (&mut self.sides[side.opposite() as usize], 0_u64);
        while quantity > 0 {
            let best = if side == Side::Demand { levels.first_entry() } else { levels.last_entry() };
            let Some(mut level) = best else { break };
            let within = if side == Side::Demand { *level.key() <= price } else { *level.key() >= price };
            if !within {
                break;
            }
            let Some(&maker) = level.get().front() else {
                level.remove();
                continue;
            };
            let Some(open) = self.orders.get_mut(&maker) else {
                level.get_mut().pop_front();
                continue;
            };
            let both = quantity.min(*open);
            sum = sum.wrapping_add(traded(maker, both));
            quantity -= both;
            *open -= both;
            if *open == 0 {
                self.orders.remove(&maker);
                level.get_mut().pop_front();
            }
        }
        sum
    }
}

/// What all books count of a trade, so that none can skip it.
pub fn traded(maker: u64, quantity: u64) -> u64 {
    maker.wrapping_mul(31).wrapping_add(quantity)
}
