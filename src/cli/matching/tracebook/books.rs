//! A book for each symbol, and what the suite's commands do to it.

use std::collections::BTreeMap;
use std::fmt::Write;

use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use stockade_domain::book::{
    Allocation, BOOK_QUANTITY_MAX, BookCommand, BookConfig, BookEvent, BookRefusal, Context, Maker, Matcher, Owner,
    Place, SelfTrade, Side, TimeInForce,
};

use super::message::{BookState, Config, Event, Observation, Outcome, Resting, State, Trade};
use super::scale::Scale;

/// The suite's number for an owner that is not known.
const NO_OWNER: i64 = -1;

/// Every symbol's book.
pub(super) struct Books<B> {
    scale: Scale,
    config: BookConfig,
    new_book: fn(BookConfig) -> B,
    by_symbol: BTreeMap<String, Symbol<B>>,
    owners: FxHashMap<i64, Owner>,
    /// The last key given to an order: the suite uses its own ids again, the book does not.
    last_key: u64,
    events: Vec<BookEvent<u64>>,
}

struct Symbol<B> {
    book: B,
    keys: FxHashMap<u64, u64>,
    active: FxHashMap<u64, Active>,
}

/// What the suite knows of an order that the book does not.
#[derive(Clone, Copy)]
struct Active {
    source_id: u64,
    owner: i64,
}

/// A refusal in the suite's words: a code and a sentence.
type Rejected = (&'static str, String);

impl<B: Matcher<u64>> Books<B> {
    /// No book yet, all of the configuration that the suite asks for.
    pub(super) fn new(config: &Config<'_>, new_book: fn(BookConfig) -> B) -> Result<Self, String> {
        let allocation = match config.matching_algorithm.as_deref() {
            None | Some("fifo") => Allocation::PriceTime,
            Some("pro_rata") => Allocation::ProRata,
            Some(other) => return Err(format!("matching_algorithm `{other}` is neither fifo nor pro_rata")),
        };
        let self_trade = match config.self_trade_policy.as_deref() {
            None | Some("NONE") => SelfTrade::Allow,
            Some("CANCEL_RESTING") => SelfTrade::CancelOldest,
            Some("CANCEL_INCOMING") => SelfTrade::CancelNewest,
            Some(other) => return Err(format!("self_trade_policy `{other}` is not known")),
        };
        Ok(Self {
            scale: Scale::of(config)?,
            config: BookConfig { allocation, self_trade, ..BookConfig::exchange() },
            new_book,
            by_symbol: BTreeMap::new(),
            owners: FxHashMap::default(),
            last_key: 0,
            events: Vec::new(),
        })
    }

    /// Carries a command out and tells what is to be seen of it. An error is a breach of the protocol.
    pub(super) fn observe(&mut self, index: u64, event: &Event<'_>) -> Result<Observation, String> {
        self.events.clear();
        let carried_out = self.carry_out(event)?;
        let (status, reason, message) = match carried_out {
            Ok(()) => ("applied", None, None),
            Err((reason, message)) => ("rejected", Some(reason), Some(message)),
        };
        let trades = self.trades(event.symbol.trim());
        self.forget_ended(event.symbol.trim());
        let state = self.state();
        let text = serde_json::to_vec(&state).expect("a state has only text keys");
        let mut state_hash = String::with_capacity(64);
        for byte in Sha256::digest(&text) {
            let _ = write!(state_hash, "{byte:02x}");
        }
        let resting_order_count = state.books.iter().map(|book| book.asks.len() + book.bids.len()).sum();
        let outcome = Outcome { status, reason, message };
        Ok(Observation { kind: "observation", index, outcome, trades, state_hash, resting_order_count })
    }

    fn carry_out(&mut self, event: &Event<'_>) -> Result<Result<(), Rejected>, String> {
        let symbol = event.symbol.trim();
        if symbol.is_empty() {
            return Err("a symbol is not empty".into());
        }
        let opens = matches!(&*event.op, "new" | "clear");
        if opens && !self.by_symbol.contains_key(symbol) {
            let book =
                Symbol { book: (self.new_book)(self.config), keys: FxHashMap::default(), active: FxHashMap::default() };
            self.by_symbol.insert(symbol.to_string(), book);
        }
        if event.op == "clear" {
            return Ok(self.clear(symbol));
        }
        let source_id = event.order_id.filter(|&id| id > 0).ok_or("order_id must be positive")?;
        match &*event.op {
            "new" => self.submit(symbol, source_id, event),
            "cancel" => Ok(self.active(symbol, source_id).and_then(|key| self.cancel(symbol, key))),
            "reduce" => {
                let by = event.quantity.ok_or("reduce requires a positive quantity")?.get();
                Ok(self.active(symbol, source_id).and_then(|key| self.reduce(symbol, key, by)))
            }
            "replace" if event.price.is_none() && event.quantity.is_none() => {
                Err("replace requires price and/or quantity".into())
            }
            "replace" => Ok(self.active(symbol, source_id).and_then(|key| self.replace(symbol, key, event))),
            op => Err(format!("there is no op `{op}`")),
        }
    }

    /// The key of an order that stands.
    fn active(&self, symbol: &str, source_id: u64) -> Result<u64, Rejected> {
        let key = self.by_symbol.get(symbol).and_then(|symbol| symbol.keys.get(&source_id)).copied();
        key.ok_or_else(|| ("ORDER_NOT_ACTIVE", format!("Order {source_id} is not active")))
    }

    fn execute(&mut self, symbol: &str, command: &BookCommand<u64>) -> Result<(), BookRefusal> {
        let book = &mut self.by_symbol.get_mut(symbol).expect("an order of the symbol stands").book;
        book.execute(command, &Context::default(), &mut self.events)
    }

    fn clear(&mut self, symbol: &str) -> Result<(), Rejected> {
        self.execute(symbol, &BookCommand::CancelAll { owner: None, side: None }).map_err(invalid)
    }

    fn cancel(&mut self, symbol: &str, key: u64) -> Result<(), Rejected> {
        self.execute(symbol, &BookCommand::Cancel { id: key }).map_err(invalid)
    }

    fn reduce(&mut self, symbol: &str, key: u64, by: &str) -> Result<(), Rejected> {
        let by = self.scale.units(by).ok_or_else(|| invalid_quantity(by))?;
        let open = self.by_symbol[symbol].book.order(key).map_or(0, |order| order.open);
        let command = if by == open { BookCommand::Cancel { id: key } } else { BookCommand::Reduce { id: key, by } };
        self.execute(symbol, &command).map_err(invalid)
    }

    fn replace(&mut self, symbol: &str, key: u64, event: &Event<'_>) -> Result<(), Rejected> {
        let refused = |(_, message): Rejected| ("INVALID_REPLACEMENT", message);
        let there = &self.by_symbol[symbol];
        let (order, active) = (there.book.order(key).expect("an active order stands"), there.active[&key]);
        let price = match event.price {
            Some(price) => self.scale.ticks(price.get()).ok_or_else(|| refused(invalid_price(price.get())))?,
            None => order.price,
        };
        let quantity = match event.quantity {
            Some(quantity) => self.units(quantity.get()).map_err(refused)?,
            None => order.open,
        };
        self.cancel(symbol, key)?;
        let place = Place { owner: order.owner, ..Place::limit(self.next_key(), order.side, price, quantity) };
        self.place(symbol, active, place)
    }

    /// A quantity that the book will accept.
    fn units(&self, text: &str) -> Result<u64, Rejected> {
        self.scale.units(text).filter(|&units| units <= BOOK_QUANTITY_MAX).ok_or_else(|| invalid_quantity(text))
    }

    fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    fn owner(&mut self, owner: i64) -> Owner {
        if owner == NO_OWNER {
            return Owner::NOBODY;
        }
        let next = u32::try_from(self.owners.len() + 1).expect("fewer owners than messages");
        *self.owners.entry(owner).or_insert(Owner(next))
    }

    fn submit(&mut self, symbol: &str, source_id: u64, event: &Event<'_>) -> Result<Result<(), Rejected>, String> {
        let side = match event.side.as_deref() {
            Some("BUY") => Side::Demand,
            Some("SELL") => Side::Supply,
            _ => return Err("side must be BUY or SELL".into()),
        };
        let quantity = event.quantity.ok_or("quantity is required")?.get();
        let kind = event.order_type.as_deref().unwrap_or("LIMIT");
        let time_in_force = match kind {
            "LIMIT" => TimeInForce::Gtc,
            "MARKET" | "IOC" => TimeInForce::Ioc,
            "FOK" => TimeInForce::Fok,
            _ => return Err(format!("order_type `{kind}` is none of LIMIT, MARKET, IOC and FOK")),
        };
        let price = match (kind, event.price) {
            ("MARKET", _) => None,
            (_, Some(price)) => Some(price.get()),
            (_, None) => return Err("price is required".into()),
        };
        if self.by_symbol[symbol].keys.contains_key(&source_id) {
            return Ok(Err(("DUPLICATE_ORDER_ID", format!("Order {source_id} is already active"))));
        }
        let ticks = price.map(|price| self.scale.ticks(price).ok_or_else(|| invalid_price(price))).transpose();
        let (price, quantity) = match (ticks, self.units(quantity)) {
            (Ok(price), Ok(quantity)) => (price, quantity),
            (Err(refused), _) | (_, Err(refused)) => return Ok(Err(refused)),
        };
        let source_owner = event.owner.unwrap_or(NO_OWNER);
        let (id, owner) = (self.next_key(), self.owner(source_owner));
        let place = Place { price, owner, time_in_force, ..Place::limit(id, side, 0, quantity) };
        Ok(self.place(symbol, Active { source_id, owner: source_owner }, place))
    }

    fn place(&mut self, symbol: &str, active: Active, place: Place<u64>) -> Result<(), Rejected> {
        let there = self.by_symbol.get_mut(symbol).expect("a book was opened for the symbol");
        there.keys.insert(active.source_id, place.id);
        there.active.insert(place.id, active);
        match self.execute(symbol, &BookCommand::Place(place)) {
            // To the suite an order that was to be filled or killed, and was killed, has been carried out.
            Ok(()) | Err(BookRefusal::Unfillable { .. }) => Ok(()),
            Err(refusal) => Err(invalid(refusal)),
        }
    }

    fn trades(&self, symbol: &str) -> Vec<Trade> {
        let source = |key: u64| self.by_symbol[symbol].active[&key].source_id;
        let trade = |event: &BookEvent<u64>| match *event {
            BookEvent::Filled { maker: Maker::Order(maker), taker, side, price, quantity, .. } => {
                let (buyer, seller) = if side == Side::Demand { (taker, maker) } else { (maker, taker) };
                Some(Trade {
                    symbol: symbol.to_string(),
                    buy_order_id: source(buyer),
                    sell_order_id: source(seller),
                    price: self.scale.price_text(price),
                    quantity: self.scale.quantity_text(quantity),
                })
            }
            _ => None,
        };
        self.events.iter().filter_map(trade).collect()
    }

    /// Forgets the suite's names of orders that stand no longer.
    fn forget_ended(&mut self, symbol: &str) {
        let Some(there) = self.by_symbol.get_mut(symbol) else { return };
        let mut touched: Vec<u64> = Vec::new();
        for event in &self.events {
            match *event {
                BookEvent::Filled { maker, taker, .. } => {
                    touched.push(taker);
                    if let Maker::Order(maker) = maker {
                        touched.push(maker);
                    }
                }
                BookEvent::Ended { id, .. } => touched.push(id),
                _ => {}
            }
        }
        // A killed order leaves no event.
        touched.push(self.last_key);
        for key in touched {
            if there.book.order(key).is_none()
                && let Some(active) = there.active.remove(&key)
                && there.keys.get(&active.source_id) == Some(&key)
            {
                there.keys.remove(&active.source_id);
            }
        }
    }

    /// Every queue of every symbol.
    pub(super) fn state(&self) -> State<'_> {
        let books = self.by_symbol.iter().map(|(symbol, there)| {
            let queue = |side| there.book.orders(side).iter().map(|order| self.resting(there, order)).collect();
            BookState { asks: queue(Side::Supply), bids: queue(Side::Demand), symbol }
        });
        State { books: books.collect() }
    }

    fn resting(&self, there: &Symbol<B>, order: &stockade_domain::book::OrderView<u64>) -> Resting {
        let Active { source_id, owner } = there.active[&order.id];
        Resting {
            order_id: source_id,
            order_type: "LIMIT",
            owner,
            price: self.scale.price_text(order.price),
            remaining_quantity: self.scale.quantity_text(order.open),
        }
    }
}

fn invalid(refusal: BookRefusal) -> Rejected {
    ("INVALID_ORDER", refusal.to_string())
}

fn invalid_quantity(text: &str) -> Rejected {
    ("INVALID_ORDER", format!("the quantity {text} is not positive, or is too large"))
}

fn invalid_price(text: &str) -> Rejected {
    ("INVALID_ORDER", format!("the price {text} snaps to no positive tick"))
}
