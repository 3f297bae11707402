//! The engine's handle: admission, hand-over to the partitions, and the way back.
//!
//! ```text
//!   place() ─▶ gauge ─▶ credit ─▶ mailbox of the order's partition ─▶ … ─▶ durable ─▶ answer
//! ```
//!
//! The handle is `Clone + Send + Sync`; every command is a future that needs no particular runtime, and blocks with
//! `wait` where there is none.

mod admission;
mod commands;
mod config;
mod error;
mod feed;
mod history;
mod ids;
mod keys;
mod kits;
mod market;
mod open;
mod orphan;
mod payments;
mod porter;
mod projector;
mod promotions;
mod queries;
mod request;
mod snapshot;
mod statement;
mod threads;
mod upkeep;
mod write_times;

use std::sync::Arc;
use std::time::{Duration, Instant};

use stockade_actors::census::Census;
use stockade_actors::host::Gauges;
use stockade_actors::mailbox::Mailbox;
use stockade_actors::release::Departures;
use stockade_actors::rules::Rules;
use stockade_domain::{OrderId, Refusal, Timestamp};
use stockade_sync::{CreditGate, GroupBuffer};

pub use commands::{GATEWAY_WAIT, Pending};
pub use config::Config;
pub use error::EngineError;
pub use feed::{Fact, Feed, FeedError};
pub use keys::{Binding, RequestKey};
pub use market::{Bid, Offer};
pub use payments::PaymentSnapshot;
pub use promotions::{CODES_MAX, CouponSnapshot, PromotionSnapshot, PutPromotions, Quote, coupon_terms};
pub use queries::{Listed, Load, Movement, OrderFilter, Page, Warning};
pub use request::{NewOrder, Payment, Sku};
pub use snapshot::{MoneyJson, Text, TimeJson};
pub use snapshot::{OrderSnapshot, SkuSnapshot, StockSnapshot, WalletSnapshot};
pub use write_times::WriteTimes;

pub(crate) use admission::Target;
use ids::IdMaker;
use keys::Keys;
pub(crate) use snapshot::PromotedJson;
use threads::Threads;

use crate::chaos::Switchboard;

/// How long closing waits for those who are inside, when nothing is written any more.
const CLOSE_AFTER_FAILURE_MAX: Duration = Duration::from_secs(1);
/// How long closing waits for those inside, and for the checkpoint that spares the next start its work.
const CLOSE_MAX: Duration = Duration::from_secs(30);

/// The engine. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    config: Config,
    gate: CreditGate,
    gauges: Arc<Gauges>,
    /// Their names, sorted, as of the last time they were listed.
    sku_names: parking_lot::Mutex<Arc<Vec<stockade_domain::SkuId>>>,
    census: Arc<[Census]>,
    rules: Arc<Rules>,
    mailboxes: Vec<Mailbox>,
    keys: Arc<Keys>,
    ids: IdMaker,
    departures: Arc<Departures>,
    buffer: Arc<GroupBuffer>,
    switchboard: Switchboard,
    threads: Threads,
    write_times: WriteTimes,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Its threads end when what they do is done; nobody is to be held back by a fault then.
        self.switchboard.disarm();
    }
}

impl Engine {
    /// Opens the engine of a directory, which is made if it does not exist.
    pub fn open(config: Config) -> Result<Self, EngineError> {
        open::open(config)
    }

    /// An engine without a directory; everything is gone when it is dropped.
    pub fn in_memory() -> Result<Self, EngineError> {
        Self::open(Config::in_memory())
    }

    /// How long the journal takes to make groups of records durable.
    pub fn write_times(&self) -> &WriteTimes {
        &self.0.write_times
    }

    /// How many partitions it has.
    pub fn partitions(&self) -> usize {
        self.0.mailboxes.len()
    }

    /// The engine's time.
    pub fn now(&self) -> Timestamp {
        self.0.config.clock.now()
    }

    /// The last sequence that is on disk.
    pub fn durable(&self) -> u64 {
        self.0.departures.durable()
    }

    /// Whether the journal has failed: nothing is decided any more until the engine is opened again.
    pub fn has_failed(&self) -> bool {
        self.0.threads.has_failed()
    }

    /// Whether the disk has room for more; without it, new work is refused `storage_full`.
    pub fn has_room(&self) -> bool {
        self.0.threads.has_room()
    }

    /// Whether the query models are so far behind that new work is refused `overloaded`.
    pub fn lags_too_far(&self) -> bool {
        self.0.threads.lags_too_far()
    }

    /// What makes its ports fail, on purpose.
    pub fn switchboard(&self) -> &Switchboard {
        &self.0.switchboard
    }

    /// How many requests are inside.
    pub fn in_flight(&self) -> u32 {
        self.0.gate.in_use()
    }

    /// A new order id.
    pub fn new_order_id(&self) -> OrderId {
        self.0.ids.order()
    }

    /// Waits until the query models know everything that is durable now.
    pub async fn catch_up(&self) -> Result<(), Refusal> {
        let durable = self.durable();
        self.0.threads.history().caught_up(durable).await
    }

    /// How many durable records the query models do not know yet.
    pub fn projection_lag(&self) -> u64 {
        self.0.threads.history().lag()
    }

    /// Bytes and records in the journal.
    pub fn journal_size(&self) -> (u64, u64) {
        let reader = &self.0.threads.history().reader;
        (reader.bytes(), reader.durable_to())
    }

    /// Lets nobody in any more, waits until everybody is out, makes all durable and closes the directory.
    pub async fn close(&self) -> Result<(), EngineError> {
        self.0.gate.close();
        let engine = self.clone();
        // Closing joins threads; it must not block the caller's runtime.
        let (done, closed) = stockade_sync::once_reply();
        std::thread::spawn(move || done.send(engine.close_blocking()));
        closed.await.unwrap_or(Ok(()))
    }

    /// Closes from a thread without a runtime.
    pub fn close_blocking(&self) -> Result<(), EngineError> {
        self.0.gate.close();
        // Whoever is held back by a fault would never get out.
        self.0.switchboard.disarm();
        let until = Instant::now() + CLOSE_MAX;
        // What a failed generation keeps is answered by nobody any more.
        let patience = if self.has_failed() { CLOSE_AFTER_FAILURE_MAX } else { CLOSE_MAX };
        self.0.gate.wait_idle(Some(patience));
        self.0.threads.close(&self.0.buffer, until)
    }
}
