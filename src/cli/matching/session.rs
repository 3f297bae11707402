//! The books of one run, by SKU, and what each line does to them.

use std::io::Write;

use rustc_hash::FxHashMap;
use stockade_domain::book::{
    Book, BookCommand, BookConfig, BookEvent, BookRefusal, Context, House, LevelChange, Maker, Matcher, Place, Side,
    TimeInForce,
};
use stockade_domain::{SkuId, Timestamp};

use super::answer;
use super::request::{Ask, ID_MAX, Request, RequestError};

/// Why a line was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    /// It is no command; the caller must mend it.
    #[error(transparent)]
    Invalid(#[from] RequestError),
    /// It is one, and the book said no.
    #[error(transparent)]
    Refused(#[from] BookRefusal),
}

/// Every SKU's book.
#[derive(Default)]
pub(super) struct Session {
    books: FxHashMap<SkuId, Shelf>,
    now: Timestamp,
    events: Vec<BookEvent<u64>>,
    changes: Vec<LevelChange>,
}

/// A SKU's book and the shop's own stock beside it.
struct Shelf {
    book: Book<u64>,
    house: Option<House>,
    market_data: bool,
    /// Takers made for a feed's executions so far.
    executions: u64,
}

impl Shelf {
    fn new(config: BookConfig, market_data: bool) -> Self {
        let mut book = Book::new(config);
        book.watch(market_data);
        Self { book, house: None, market_data, executions: 0 }
    }
}

impl Session {
    /// Answers one line; the last line written says how it ended.
    pub(super) fn answer(&mut self, number: u64, line: &[u8], out: &mut impl Write) -> std::io::Result<()> {
        match Request::parse(line) {
            Ok(request) => {
                let sequence = self.carry_out(&request, out)?;
                match sequence {
                    Ok(sequence) => answer::done(out, number, &request.sku, sequence),
                    Err(LineError::Invalid(error)) => answer::invalid(out, number, &error),
                    Err(LineError::Refused(refusal)) => answer::refused(out, number, &request.sku, &refusal),
                }
            }
            Err(error) => answer::invalid(out, number, &error),
        }
    }

    /// Does what the line asks for and writes what there is to see; the book's sequence after it.
    fn carry_out(&mut self, request: &Request<'_>, out: &mut impl Write) -> std::io::Result<Result<u64, LineError>> {
        let prepared = self.prepare(request);
        let (sku, ask) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(error.into())),
        };
        self.events.clear();
        let shelf = self.books.entry(sku.clone()).or_insert_with(|| Shelf::new(BookConfig::exchange(), false));
        let before = shelf.book.sequence();
        let done = match ask {
            Ask::Open { .. } => Ok(()),
            Ask::Command(command) => shelf.execute(&command, self.now, &mut self.events).map_err(LineError::from),
            Ask::House(stock) => {
                if let Some((price, available)) = stock {
                    shelf.house = Some(House { price, available });
                }
                shelf.execute(&BookCommand::HouseChanged, self.now, &mut self.events).map_err(LineError::from)
            }
            Ask::Execute { id, quantity } => shelf.execute_feed(id, quantity, self.now, &mut self.events),
            Ask::Snapshot if !shelf.market_data => Err(RequestError::NoMarketData.into()),
            seen => {
                shelf.show(seen, &sku, out)?;
                Ok(())
            }
        };
        if let Err(error) = done {
            return Ok(Err(error));
        }
        for (at, event) in self.events.iter().enumerate() {
            answer::event(out, &sku, before + 1 + at as u64, event)?;
        }
        if shelf.market_data {
            self.changes.clear();
            shelf.book.take_changes(&mut self.changes);
            for change in &self.changes {
                answer::level_change(out, &sku, change)?;
            }
        }
        Ok(Ok(shelf.book.sequence()))
    }

    /// Everything that can be wrong before a book is asked. Only a line that asks for something moves the time.
    fn prepare(&mut self, request: &Request<'_>) -> Result<(SkuId, Ask), RequestError> {
        let sku = SkuId::new(&*request.sku).map_err(|error| RequestError::SkuInvalid(error.to_string()))?;
        let ask = request.ask()?;
        let now = request.time().unwrap_or(self.now);
        if now < self.now {
            return Err(RequestError::TimeBackwards { last: self.now.0 });
        }
        if let Ask::Open { config, market_data } = ask {
            if self.books.contains_key(&sku) {
                return Err(RequestError::BookOpen);
            }
            self.books.insert(sku.clone(), Shelf::new(config, market_data));
        }
        self.now = now;
        Ok((sku, ask))
    }
}

impl Shelf {
    fn execute(
        &mut self,
        command: &BookCommand<u64>,
        now: Timestamp,
        events: &mut Vec<BookEvent<u64>>,
    ) -> Result<(), BookRefusal> {
        let context = Context { now, house: self.house };
        let returns_to_house = match *command {
            BookCommand::Release { fill, returns: Side::Supply, .. } => {
                self.book.fill(fill).is_some_and(|fill| fill.supply == Maker::House)
            }
            _ => false,
        };
        self.book.execute(command, &context, events)?;
        let Some(house) = &mut self.house else { return Ok(()) };
        for event in events.iter() {
            match *event {
                BookEvent::Filled { maker: Maker::House, quantity, .. } => house.available -= quantity,
                BookEvent::Released { quantity, .. } if returns_to_house => {
                    house.available = house.available.saturating_add(quantity);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A feed says that a resting order traded: somebody took from it, so it must have been the next in line.
    fn execute_feed(
        &mut self,
        id: u64,
        quantity: u64,
        now: Timestamp,
        events: &mut Vec<BookEvent<u64>>,
    ) -> Result<(), LineError> {
        let order = self.book.order(id).ok_or(BookRefusal::OrderUnknown)?;
        let taker = Place {
            time_in_force: TimeInForce::Ioc,
            ..Place::limit(ID_MAX + 1 + self.executions, order.side.opposite(), order.price, quantity)
        };
        let fills = self.book.preview(&taker, &Context { now, house: self.house })?;
        let hits = fills.len() == 1 && fills[0].maker == Maker::Order(id) && fills[0].quantity == quantity;
        if !hits {
            let head = match fills.first().map(|fill| fill.maker) {
                Some(Maker::Order(head)) => format!("order {head}"),
                Some(Maker::House) => "the house".into(),
                None => "nobody".into(),
            };
            return Err(RequestError::NotAtHead { id, head }.into());
        }
        self.executions += 1;
        Ok(self.execute(&BookCommand::Place(taker), now, events)?)
    }

    /// Writes what can be seen of the book.
    fn show(&mut self, ask: Ask, sku: &SkuId, out: &mut impl Write) -> std::io::Result<()> {
        match ask {
            Ask::Best => {
                let (supply, demand) = (self.book.best(Side::Supply), self.book.best(Side::Demand));
                answer::levels(out, sku, "best", None, supply.as_slice(), demand.as_slice())
            }
            Ask::Depth(levels) => {
                let (supply, demand) = (self.book.depth(Side::Supply, levels), self.book.depth(Side::Demand, levels));
                answer::levels(out, sku, "depth", None, &supply, &demand)
            }
            Ask::Snapshot => {
                let all = self.book.market_snapshot();
                answer::levels(out, sku, "snapshot", Some(all.sequence), &all.supply, &all.demand)
            }
            Ask::Queue(side) => self.book.orders(side).iter().try_for_each(|order| answer::order(out, sku, order)),
            Ask::Order(id) => self.book.order(id).iter().try_for_each(|order| answer::order(out, sku, order)),
            Ask::Fill(fill) => self.book.fill(fill).iter().try_for_each(|fill| answer::fill(out, sku, fill)),
            Ask::Open { .. } | Ask::Command(_) | Ask::House(_) | Ask::Execute { .. } => Ok(()),
        }
    }
}
