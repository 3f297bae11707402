//! The engine's handle: admission, hand-over to the partitions, and the way back.
//!
//! ```text
//!   place() ─▶ credit ─▶ gauge ─▶ mailbox of the order's partition ─▶ … ─▶ durable ─▶ answer
//! ```
//!
//! The handle is `Clone + Send + Sync`; every command is a future that needs no particular runtime, and blocks with
//! `wait` where there is none.

mod commands;
mod config;
mod error;
mod history;
mod ids;
mod keys;
mod open;
mod porter;
mod projector;
mod queries;
mod request;
mod simulated_gateway;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use stockade_actors::command::{Answer, Command, KeyDigest};
use stockade_actors::faults::Faults;
use stockade_actors::host::{Gauges, partition_of_name};
use stockade_actors::mailbox::{Incoming, Mailbox};
use stockade_actors::release::{Departures, Envelope, Receipt};
use stockade_domain::order;
use stockade_domain::refusal::Shortage;
use stockade_domain::{OrderId, Refusal, Timestamp};
use stockade_sync::{CreditGate, GroupBuffer};

pub use commands::{GATEWAY_WAIT, Pending};
pub use config::Config;
pub use error::EngineError;
pub use keys::{Binding, RequestKey};
pub use queries::{Listed, Movement, OrderFilter, Page};
pub use request::{NewOrder, Payment, Sku};
pub use simulated_gateway::{DECLINED_TOKEN, LOST_ANSWER_TOKEN, SILENT_TOKEN, SimulatedGateway};
pub use snapshot::{MoneyJson, Text, TimeJson};
pub use snapshot::{OrderSnapshot, SkuSnapshot, StockSnapshot, WalletSnapshot};

use ids::IdMaker;
use keys::{Admission, Keys};
use open::Threads;

/// How old an id that nobody knows may be, in seconds; beyond it `id_expired`.
const ID_RETENTION_SECONDS: u32 = 24 * 3600;

/// Which partition a command is for.
pub(crate) enum Target<'a> {
    /// That of an order or payment.
    Route(u64),
    /// That of a SKU or customer.
    Name(&'a str),
    /// This one.
    Partition(usize),
}

/// The engine. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    config: Config,
    gate: CreditGate,
    gauges: Arc<Gauges>,
    mailboxes: Vec<Mailbox>,
    keys: Keys,
    ids: IdMaker,
    departures: Arc<Departures>,
    buffer: Arc<GroupBuffer>,
    faults: Arc<Faults>,
    threads: Threads,
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

    /// The fault switch of its mailboxes.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// How many requests are inside.
    pub fn in_flight(&self) -> u32 {
        self.0.gate.in_use()
    }

    /// A new order id.
    pub fn new_order_id(&self) -> OrderId {
        self.0.ids.order()
    }

    fn partition(&self, target: &Target<'_>) -> usize {
        let partitions = self.0.mailboxes.len();
        match target {
            Target::Partition(index) => *index,
            _ if partitions == 1 => 0,
            Target::Route(route) => (route % partitions as u64) as usize,
            Target::Name(name) => partition_of_name(name, partitions),
        }
    }

    /// Takes credits for commands at the door, the only place where they are taken.
    fn admit(&self, writes: bool) -> Result<stockade_sync::Credits, Refusal> {
        if writes && !self.0.threads.has_room() {
            return Err(Refusal::StorageFull);
        }
        if writes && self.0.threads.lags_too_far() {
            return Err(Refusal::Overloaded);
        }
        match self.0.gate.try_take(1) {
            Some(credits) => Ok(credits),
            None if self.0.gate.is_closed() => Err(Refusal::StorageUnavailable),
            None => Err(Refusal::Overloaded),
        }
    }

    pub(crate) fn submit(&self, target: &Target<'_>, command: Command) -> Result<Receipt, Refusal> {
        let credits = self.admit(command.writes())?;
        let (envelope, receipt) = Envelope::new(command, Some(credits));
        self.0.mailboxes[self.partition(target)].send(Incoming::Command(envelope));
        Ok(receipt)
    }

    /// Hands many commands over with one wake-up for each partition.
    fn submit_many(&self, commands: Vec<Result<(Target<'static>, Command), Refusal>>) -> Vec<Result<Receipt, Refusal>> {
        let mut batches: Vec<Vec<Incoming>> = self.0.mailboxes.iter().map(|_| Vec::new()).collect();
        let receipts = commands
            .into_iter()
            .map(|command| {
                let (target, command) = command?;
                let credits = self.admit(true)?;
                let (envelope, receipt) = Envelope::new(command, Some(credits));
                batches[self.partition(&target)].push(Incoming::Command(envelope));
                Ok(receipt)
            })
            .collect();
        for (mailbox, mut batch) in self.0.mailboxes.iter().zip(batches) {
            mailbox.send_many(&mut batch);
        }
        receipts
    }

    /// An order as a command, unless it can be refused at the door.
    fn placement(
        &self,
        order: NewOrder,
        wait: Duration,
        key: Option<KeyDigest>,
    ) -> Result<(Target<'static>, Command), Refusal> {
        let NewOrder { mut order, has_own_id, wrong } = order;
        if let Some(refusal) = wrong {
            return Err(refusal);
        }
        if has_own_id {
            let oldest = Timestamp(self.now().0 - i64::from(ID_RETENTION_SECONDS) * 1_000_000);
            if order.id.time() < oldest {
                return Err(Refusal::IdExpired { id: order.id.to_string() });
            }
            if order.body_digest == 0 {
                order.body_digest = digest_of(&order);
            }
        } else {
            order.id = self.0.ids.order();
            order.body_digest = 0;
            self.refuse_sold_out(&order)?;
        }
        let target = Target::Route(order.id.route());
        Ok((target, Command::Place { order, key, wait }))
    }

    /// Refuses the hopeless at the door: a SKU whose gauge says that nothing was left at its last durable record.
    fn refuse_sold_out(&self, order: &order::NewOrder) -> Result<(), Refusal> {
        if order.allow_backorder || order.allow_partial || order.lines.len() > order::LINES_MAX {
            return Ok(());
        }
        let mut items: Vec<Shortage> = Vec::new();
        let mut last = 0;
        for line in &order.lines {
            stockade_domain::check_quantity(line.quantity)?;
            let sold_out = self.0.gauges.get(&line.sku).and_then(|gauge| gauge.read());
            if let Some(as_of) = sold_out {
                last = last.max(as_of);
                match items.iter_mut().find(|item| item.sku == line.sku) {
                    Some(item) => item.requested += line.quantity,
                    None => items.push(Shortage { sku: line.sku.clone(), requested: line.quantity, available: 0 }),
                }
            }
        }
        if items.is_empty() { Ok(()) } else { Err(Refusal::StockExhausted { items, as_of: last }) }
    }

    /// Runs a command under an idempotency key: an accepted answer is repeated, a refusal is decided anew.
    pub(crate) async fn keyed(
        &self,
        key: Option<RequestKey>,
        target: Target<'_>,
        command: impl FnOnce(Option<KeyDigest>) -> Result<Command, Refusal>,
    ) -> Result<(Answer, bool), Refusal> {
        let owner = match key {
            None => None,
            Some(key) => match self.0.keys.admit(key, self.now()).await? {
                Admission::Decide(owner) => Some(owner),
                Admission::Repeat(Binding::Answer(answer)) => return Ok(((*answer).clone(), true)),
                Admission::Repeat(Binding::Made(made, seq)) => return Ok((self.answer_of(made, seq).await?, true)),
            },
        };
        let receipt = self.submit(&target, command(key.map(|key| key.0))?)?;
        let answer = porter::receive(receipt).await.unwrap_or(Err(Refusal::StorageUnavailable))?;
        if let Some(owner) = owner {
            owner.bind(Binding::Answer(Arc::new(answer.clone())));
        }
        Ok((answer, false))
    }

    /// Places an order under an idempotency key.
    pub async fn place_keyed(
        &self,
        order: NewOrder,
        key: Option<RequestKey>,
        wait: Duration,
    ) -> Result<OrderSnapshot, Refusal> {
        // The key is looked up before the gauge, so an accepted order is repeated even when it is the last.
        let owner = match key {
            None => None,
            Some(key) => match self.0.keys.admit(key, self.now()).await? {
                Admission::Decide(owner) => Some(owner),
                Admission::Repeat(binding) => {
                    let answer = match binding {
                        Binding::Answer(answer) => (*answer).clone(),
                        Binding::Made(made, seq) => self.answer_of(made, seq).await?,
                    };
                    let Answer::Order(view) = answer else { return Err(Refusal::IdempotencyKeyReused) };
                    return Ok(OrderSnapshot { replayed: true, ..OrderSnapshot::from(view) });
                }
            },
        };
        let (target, command) = self.placement(order, wait, key.map(|key| key.0))?;
        let answer =
            porter::receive(self.submit(&target, command)?).await.unwrap_or(Err(Refusal::StorageUnavailable))?;
        let Answer::Order(view) = answer else { unreachable!("a placed order is answered with an order") };
        if let Some(owner) = owner {
            owner.bind(Binding::Answer(Arc::new(Answer::Order(view.clone()))));
        }
        Ok(OrderSnapshot::from(view))
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
        self.0.gate.wait_idle(Some(Duration::from_secs(30)));
        self.0.threads.close(&self.0.buffer)
    }
}

/// A digest of an order's content, for orders that bring their own id and no body to compare.
fn digest_of(order: &order::NewOrder) -> u64 {
    let bare = order::NewOrder { body_digest: 0, ..order.clone() };
    let digest = blake3::hash(format!("{bare:?}").as_bytes());
    u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("eight bytes")).max(1)
}
