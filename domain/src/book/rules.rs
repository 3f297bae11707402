//! The rules of the book, one by one, in small scenes.

mod changing;
mod holding;
mod meeting;
mod placing;
mod special;

use super::*;
use crate::Timestamp;

/// A book under test: it checks itself after every command.
struct Scene {
    book: Book<u64>,
    context: Context,
}

/// What a fill is about: maker (0 is the house), taker, price, quantity.
type Deal = (u64, u64, Price, Quantity);

impl Scene {
    fn new(config: BookConfig) -> Self {
        Self { book: Book::new(config), context: Context { now: Timestamp(10), house: None } }
    }

    /// Fills are held.
    fn shop() -> Self {
        Self::new(BookConfig::default())
    }

    /// Fills are final.
    fn exchange() -> Self {
        Self::new(BookConfig::exchange())
    }

    fn house(&mut self, price: Price, available: Quantity) -> &mut Self {
        self.context.house = Some(House { price, available });
        self
    }

    fn run(&mut self, command: BookCommand<u64>) -> Result<Vec<BookEvent<u64>>, BookRefusal> {
        let before = self.book.image();
        let mut events = Vec::new();
        let outcome = self.book.execute(&command, &self.context, &mut events);
        self.book.check();
        if outcome.is_err() {
            assert_eq!(before, self.book.image(), "a refused command changed the book");
            assert!(events.is_empty(), "a refused command told {events:?}");
        }
        outcome.map(|()| events)
    }

    fn place(&mut self, place: Place<u64>) -> Result<Vec<BookEvent<u64>>, BookRefusal> {
        self.run(BookCommand::Place(place))
    }

    /// Places orders that must be accepted.
    fn given(&mut self, places: impl IntoIterator<Item = Place<u64>>) -> &mut Self {
        for order in places {
            self.place(order).unwrap_or_else(|refusal| panic!("{order:?}: {refusal}"));
        }
        self
    }

    /// The deals of a command that must be accepted.
    fn deals(&mut self, command: BookCommand<u64>) -> Vec<Deal> {
        deals(&self.run(command).unwrap_or_else(|refusal| panic!("{command:?}: {refusal}")))
    }

    /// Ids and open units of a side, in priority order.
    fn line(&self, side: Side) -> Vec<(u64, Quantity)> {
        self.book.orders(side).iter().map(|order| (order.id, order.open)).collect()
    }
}

fn deals(events: &[BookEvent<u64>]) -> Vec<Deal> {
    let deal = |event: &BookEvent<u64>| match *event {
        BookEvent::Filled { maker: Maker::House, taker, price, quantity, .. } => Some((0, taker, price, quantity)),
        BookEvent::Filled { maker: Maker::Order(id), taker, price, quantity, .. } => Some((id, taker, price, quantity)),
        _ => None,
    };
    events.iter().filter_map(deal).collect()
}

fn offer(id: u64, quantity: Quantity, price: Price) -> Place<u64> {
    Place::limit(id, Side::Supply, price, quantity)
}

fn bid(id: u64, quantity: Quantity, price: Price) -> Place<u64> {
    Place::limit(id, Side::Demand, price, quantity)
}

/// The same order, of an owner.
fn of(owner: u32, place: Place<u64>) -> Place<u64> {
    Place { owner: Owner(owner), ..place }
}

/// The same order, immediate or cancel.
fn now(place: Place<u64>) -> Place<u64> {
    Place { time_in_force: TimeInForce::Ioc, ..place }
}
