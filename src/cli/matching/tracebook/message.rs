//! The messages of the `tracebook.conformance` protocol, version 1: one JSON object a line, both ways.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The protocol's name in its first two messages.
pub(super) const PROTOCOL: &str = "tracebook.conformance";
/// The version that is spoken here.
pub(super) const PROTOCOL_VERSION: u64 = 1;

/// Whatever the suite sends; which fields matter depends on `kind`.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) protocol: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) protocol_version: Option<u64>,
    #[serde(borrow, default)]
    pub(super) config: Option<Config<'a>>,
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(borrow, default)]
    pub(super) event: Option<Event<'a>>,
    #[serde(default)]
    pub(super) event_count: Option<u64>,
}

/// What the books of this run must do.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Config<'a> {
    #[serde(borrow, default)]
    pub(super) matching_algorithm: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) tick_size: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) self_trade_policy: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) quantity_decimal_places: Option<u32>,
}

/// One command. Numbers stay text until their scale is known, so that no digit is lost on the way.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub(super) op: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) symbol: Cow<'a, str>,
    #[serde(default)]
    pub(super) order_id: Option<u64>,
    #[serde(borrow, default)]
    pub(super) side: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) order_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) price: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) quantity: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) owner: Option<i64>,
}

/// The answer to the first message.
#[derive(Debug, Serialize)]
pub(super) struct Ready {
    #[serde(rename = "type")]
    kind: &'static str,
    protocol: &'static str,
    protocol_version: u64,
    engine: Engine,
}

#[derive(Debug, Serialize)]
struct Engine {
    name: &'static str,
    version: &'static str,
    language: &'static str,
}

impl Ready {
    pub(super) const fn new() -> Self {
        let engine = Engine { name: "stockade", version: env!("CARGO_PKG_VERSION"), language: "Rust" };
        Self { kind: "ready", protocol: PROTOCOL, protocol_version: PROTOCOL_VERSION, engine }
    }
}

/// The answer to a command.
#[derive(Debug, Serialize)]
pub(super) struct Observation {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) index: u64,
    pub(super) outcome: Outcome,
    pub(super) trades: Vec<Trade>,
    pub(super) state_hash: String,
    pub(super) resting_order_count: usize,
}

/// Whether a command was carried out.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) status: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) message: Option<String>,
}

/// One execution.
#[derive(Debug, Serialize)]
pub(super) struct Trade {
    pub(super) symbol: String,
    pub(super) buy_order_id: u64,
    pub(super) sell_order_id: u64,
    pub(super) price: String,
    pub(super) quantity: String,
}

/// Every queue; its members are in alphabetical order, because the suite hashes this very text.
#[derive(Debug, Serialize)]
pub(super) struct State<'a> {
    pub(super) books: Vec<BookState<'a>>,
}

/// Both queues of one symbol, in the order in which they would be served.
#[derive(Debug, Serialize)]
pub(super) struct BookState<'a> {
    pub(super) asks: Vec<Resting>,
    pub(super) bids: Vec<Resting>,
    pub(super) symbol: &'a str,
}

/// One order in its queue.
#[derive(Debug, Serialize)]
pub(super) struct Resting {
    pub(super) order_id: u64,
    pub(super) order_type: &'static str,
    pub(super) owner: i64,
    pub(super) price: String,
    pub(super) remaining_quantity: String,
}

/// The answer to a request for the queues.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) index: u64,
    pub(super) state: State<'a>,
}

/// The answer to the last message.
#[derive(Debug, Serialize)]
pub(super) struct Complete {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) event_count: u64,
}

/// Why the conversation ends early.
#[derive(Debug, Serialize)]
pub(super) struct Broken<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) code: &'static str,
    pub(super) message: &'a str,
}
