//! A plain SKU of the house without offers: what it costs to hold a unit for an order, and to settle it.

use std::time::{Duration, Instant};

use stockade_domain::book::{Book, BookCommand, BookConfig, Context, House, Matcher, Place, Side, TimeInForce};
use stockade_domain::stock::{Definition, HoldMode, Stock, StockCommand, StockEvent, decide};
use stockade_domain::{Location, Money, OrderId, SkuId, Timestamp};

/// Orders that are held at once.
const AT_ONCE: u64 = 1_000;

/// Pairs a second, in millions; the best of several runs.
fn best_of(runs: usize, mut run: impl FnMut() -> Duration, pairs: u64) -> f64 {
    let best = (0..runs).map(|_| run()).min().expect("at least one run");
    pairs as f64 / best.as_secs_f64() / 1e6
}

fn run(stock: &mut Stock, command: &StockCommand, events: &mut Vec<StockEvent>) {
    events.clear();
    decide(stock, command, Timestamp(1), events).expect("allowed");
    events.iter().for_each(|event| stock.apply(event));
}

fn hold(order: OrderId, settled: bool) -> StockCommand {
    StockCommand::Hold {
        order,
        quantity: 1,
        mode: HoldMode { partial: false, backorder: false },
        settled,
        buyer: None,
        tentative: false,
        context: None,
        taking: None,
    }
}

/// A SKU with ample stock, and the orders that will take from it.
pub struct Plain {
    stock: Stock,
    events: Vec<StockEvent>,
    made: u64,
}

impl Plain {
    pub fn new() -> Self {
        let mut stock = Stock::new(SkuId::new("SKU001").expect("a name"));
        let mut events = Vec::with_capacity(16);
        let price = Money::parse("1.00 EUR").expect("money");
        run(&mut stock, &StockCommand::Define(Box::new(Definition::new("x", price))), &mut events);
        let (location, quantity) = (Location::main(), 1_000_000_000);
        let receive = StockCommand::Receive { location, lot: None, expires_at: None, quantity, unit_cost: None };
        run(&mut stock, &receive, &mut events);
        Self { stock, events, made: 0 }
    }

    /// Ids as random as those of orders.
    pub fn orders(&mut self, count: u64) -> Vec<OrderId> {
        let from = u128::from(self.made);
        self.made += count;
        let id = |at: u128| OrderId::new(Timestamp(1), (from + at).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        (0..u128::from(count)).map(id).collect()
    }

    /// Decided and taken in, as a partition does it. `at_once`: the payment is secured in the same turn, so the hold is
    /// settled as it is made.
    pub fn hold_and_settle(&mut self, orders: &[OrderId], at_once: bool) {
        for &order in orders {
            run(&mut self.stock, &hold(order, at_once), &mut self.events);
            if !at_once {
                run(&mut self.stock, &StockCommand::Settle { order }, &mut self.events);
            }
        }
    }
}

/// What is shipped afterwards is not counted.
pub fn of_stock(rounds: u64, at_once: bool) -> f64 {
    let mut plain = Plain::new();
    let timed = || {
        let mut sum = Duration::ZERO;
        for _ in 0..rounds {
            let orders = plain.orders(AT_ONCE);
            let start = Instant::now();
            plain.hold_and_settle(&orders, at_once);
            sum += start.elapsed();
            for &order in &orders {
                run(&mut plain.stock, &StockCommand::Ship { order, quantity: 1 }, &mut plain.events);
            }
        }
        sum
    };
    best_of(5, timed, rounds * AT_ONCE)
}

/// The same in the book: an immediate order takes from the house, and its fill is settled.
pub fn of_book(rounds: u64) -> f64 {
    let mut book = Book::new(BookConfig::default());
    let mut events = Vec::with_capacity(16);
    let context = Context { now: Timestamp(1), house: Some(House { price: 100, available: 1_000_000 }) };
    let mut id = 0_u64;
    let timed = || {
        let start = Instant::now();
        for _ in 0..rounds * AT_ONCE {
            events.clear();
            id += 1;
            let place = Place { time_in_force: TimeInForce::Ioc, ..Place::limit(id, Side::Demand, 100, 1) };
            book.execute(&BookCommand::Place(place), &context, &mut events).expect("allowed");
            let fill = match events[0] {
                stockade_domain::book::BookEvent::Filled { fill, .. } => fill,
                _ => unreachable!("the house sells"),
            };
            book.execute(&BookCommand::Settle { fill, quantity: 1 }, &context, &mut events).expect("held");
        }
        start.elapsed()
    };
    best_of(5, timed, rounds * AT_ONCE)
}
