//! `orderbook-rs`, as the book that runs beside ours.

use orderbook_rs::{Id, OrderBook, Side as OtherSide, TimeInForce as OtherTime};
use stockade_domain::book::{BookEvent, Side};

use crate::engines::Engine;
use crate::mix::Op;

pub struct Other(OrderBook<()>);

impl Engine for Other {
    fn new() -> Self {
        Self(OrderBook::new("X"))
    }

    fn run(&mut self, op: &Op, _: &mut Vec<BookEvent<u64>>) -> u64 {
        let other = |side| if side == Side::Demand { OtherSide::Buy } else { OtherSide::Sell };
        let done = match *op {
            Op::Add { id, side, price, quantity } => self
                .0
                .add_limit_order(Id::from_u64(id), price as u128, quantity, other(side), OtherTime::Gtc, None)
                .is_ok(),
            Op::Cancel { id } => self.0.cancel_order(Id::from_u64(id)).is_ok(),
            Op::Take { id, side, price, quantity } => self
                .0
                .add_limit_order(Id::from_u64(id), price as u128, quantity, other(side), OtherTime::Ioc, None)
                .is_ok(),
        };
        u64::from(done)
    }
}
