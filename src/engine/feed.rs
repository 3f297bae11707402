//! Every fact as it becomes durable, in the journal's order, from any sequence on.
//!
//! A fact's id is its record's sequence and its place in the record, the same whenever and to whomever it is told. With the
//! `as_of` of a snapshot as its start, a feed is all that happened after that snapshot, without a gap: with a book's, the
//! increments of its market data.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use serde::Serialize;
use serde_json::{Value, json};
use stockade_actors::shelf::{Shelf, ShelfError};
use stockade_domain::book::{BookEvent, Maker, Side};
use stockade_domain::entity::{EntityKey, EntityKind, Event};
use stockade_domain::stock::StockEvent;
use stockade_domain::stock::market::MarketEvent;
use stockade_domain::{Amount, BookOrderId, Refusal, Timestamp};
use stockade_storage::record::parse_record;

use super::Engine;
use super::history::HistoryError;
use super::queries::{Movement, movement, unreadable};

/// Bytes of journal read at once.
const READ_BYTES: usize = 64 * 1024;

/// One durable fact.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// The same whenever it is told.
    pub id: String,
    /// About whom, such as `sku/A1` or `order/0190…`.
    pub subject: String,
    /// What, when, how much.
    #[serde(flatten)]
    pub movement: Movement,
    /// What happened in the SKU's book, each with its number there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub book: Vec<Value>,
    #[serde(skip)]
    kind: EntityKind,
    /// The last of its record: whoever knows it needs nothing before it any more.
    #[serde(skip)]
    is_last: bool,
}

impl Fact {
    /// Its type with the kind of its subject, such as `sku.held`.
    pub fn topic(&self) -> String {
        format!("{}.{}", self.kind.name(), self.movement.kind)
    }

    /// The kind of its subject, such as `sku`.
    pub fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// The sequence to go on after, if nothing of its record is still to come.
    pub fn resume_after(&self) -> Option<u64> {
        self.is_last.then_some(self.movement.sequence.0)
    }
}

/// Why a feed ended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FeedError {
    /// What it should begin with is not there any more.
    #[error(
        "what follows sequence {after} is not in the journal any more; take a snapshot and follow from its `as_of`"
    )]
    Gone {
        /// After which it should have begun.
        after: u64,
    },
    /// The engine has ended, or the journal cannot be read.
    #[error(transparent)]
    Failed(#[from] Refusal),
}

/// Durable facts, one after the other; made by [`Engine::follow`].
pub struct Feed {
    engine: Engine,
    /// The sequence to read next.
    next: u64,
    ready: VecDeque<Fact>,
}

impl Engine {
    /// Follows the journal from behind this sequence; 0 is the beginning of everything, [`durable`](Self::durable) now.
    pub fn follow(&self, after: u64) -> Feed {
        Feed { engine: self.clone(), next: after.saturating_add(1), ready: VecDeque::new() }
    }

    /// Shows durable records from a sequence on, as they were written.
    pub(crate) fn durable_records(&self, from: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), ShelfError> {
        self.0.threads.history().records_from(from, visit)
    }
}

impl Feed {
    /// The next fact; waits until there is one.
    ///
    /// # Errors
    ///
    /// [`FeedError`]; nothing follows it.
    pub async fn next(&mut self) -> Result<Fact, FeedError> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// As [`next`](Self::next), for those who write their own futures.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fact, FeedError>> {
        loop {
            if let Some(fact) = self.ready.pop_front() {
                return Poll::Ready(Ok(fact));
            }
            let departures = &self.engine.0.threads.history().departures;
            if ready!(departures.poll_reached(self.next, cx)).is_err() {
                return Poll::Ready(Err(Refusal::StorageUnavailable.into()));
            }
            if let Err(error) = self.read() {
                return Poll::Ready(Err(error));
            }
        }
    }

    /// After which sequence everything is still to come.
    pub fn read_to(&self) -> u64 {
        let first = self.ready.front().map_or(self.next, |fact| fact.movement.sequence.0);
        first - 1
    }

    fn read(&mut self) -> Result<(), FeedError> {
        let (from, ready) = (self.next, &mut self.ready);
        let (mut first, mut wrong) = (None, None);
        let reader = &self.engine.0.threads.history().reader;
        let read = reader.read_from(from, READ_BYTES, &mut |seq, record| {
            first.get_or_insert(seq);
            match facts_of(seq, record) {
                Some(facts) => ready.extend(facts),
                None => wrong = wrong.or(Some(seq)),
            }
        });
        self.next = read.map_err(|error| unreadable(&HistoryError::of(error)))?;
        match (first, wrong) {
            (None, _) => Err(FeedError::Gone { after: from - 1 }),
            (Some(first), _) if first > from => Err(FeedError::Gone { after: from - 1 }),
            (_, Some(_)) => Err(Refusal::StorageUnavailable.into()),
            _ => Ok(()),
        }
    }
}

/// The facts of a record; storage's own records have none.
fn facts_of(seq: u64, record: &[u8]) -> Option<Vec<Fact>> {
    let (head, events) = parse_record(record).ok()?;
    let Some(kind) = EntityKind::from_byte(head.kind) else { return Some(Vec::new()) };
    let subject = EntityKey::from_parts(kind, head.key)?.to_string();
    let events = Event::decode_all(kind, events).ok()?;
    let last = events.len().saturating_sub(1);
    let fact = |(place, event): (usize, &Event)| Fact {
        id: format!("{seq}.{place}"),
        subject: subject.clone(),
        movement: movement(seq, Timestamp(head.time), event),
        book: book_of(event),
        kind,
        is_last: place == last,
    };
    Some(events.iter().enumerate().map(fact).collect())
}

fn book_of(event: &Event) -> Vec<Value> {
    match event {
        Event::Stock(StockEvent::Market(event)) => match &**event {
            MarketEvent::Traded { first, events } => {
                events.iter().zip(*first..).map(|(event, number)| book_fact(number, event)).collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// A fact of the book, in the words of the match protocol; prices are of one unit, in the SKU's currency.
fn book_fact(number: u64, event: &BookEvent<BookOrderId>) -> Value {
    let amount = |price: i64| Amount(price).to_string();
    let of = |event: &str, mut more: Value| {
        more["number"] = number.to_string().into();
        more["event"] = event.into();
        more
    };
    match event {
        BookEvent::Placed { id, side, price, quantity, .. } => {
            let (id, price) = (id.to_string(), amount(*price));
            of("placed", json!({"id": id, "side": side_name(*side), "price": price, "quantity": quantity}))
        }
        BookEvent::Filled { fill, maker, taker, side, price, quantity } => {
            let maker = match maker {
                Maker::House => "house".to_owned(),
                Maker::Order(id) => id.to_string(),
            };
            let fact = json!({"fill": fill.0.to_string(), "maker": maker, "taker": taker.to_string(),
                "side": side_name(*side), "price": amount(*price), "quantity": quantity});
            of("filled", fact)
        }
        BookEvent::Ended { id, quantity, .. } => of("ended", json!({"id": id.to_string(), "quantity": quantity})),
        BookEvent::Reduced { id, quantity, .. } => of("reduced", json!({"id": id.to_string(), "quantity": quantity})),
        BookEvent::Amended { id, price, quantity, .. } => {
            of("amended", json!({"id": id.to_string(), "price": amount(*price), "quantity": quantity}))
        }
        BookEvent::Refreshed { id, quantity, .. } => {
            of("refreshed", json!({"id": id.to_string(), "quantity": quantity}))
        }
        BookEvent::Settled { fill, quantity } => {
            of("settled", json!({"fill": fill.0.to_string(), "quantity": quantity}))
        }
        BookEvent::Released { fill, quantity, returns, reopened } => {
            let (fill, returns) = (fill.0.to_string(), side_name(*returns));
            of("released", json!({"fill": fill, "quantity": quantity, "returns": returns, "reopened": reopened}))
        }
        BookEvent::BandSet { band } => {
            let band = band.map(|band| json!({"low": amount(band.low), "high": amount(band.high)}));
            of("band_set", json!({"band": band}))
        }
        BookEvent::AuctionOpened => of("auction_opened", json!({})),
        BookEvent::Uncrossed { price, quantity, imbalance } => {
            of("uncrossed", json!({"price": price.map(amount), "quantity": quantity, "imbalance": imbalance}))
        }
    }
}

const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Supply => "supply",
        Side::Demand => "demand",
    }
}
