//! The engine as a model drives it: the real partitions, each message between them held in the hand, a log with a durable
//! part and a tail, a gateway that answers when it is told to, and clients.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use stockade_actors::census::Census;
use stockade_actors::command::{Answer, Command};
use stockade_actors::faults::Faults;
use stockade_actors::host::{Gauges, Host, Recovery, Shared, partition_of};
use stockade_actors::mailbox::{Incoming, Mailbox};
use stockade_actors::peer::PeerMessage;
use stockade_actors::ports::{LogNotifier, ManualClock, Ports};
use stockade_actors::release::{Departures, Envelope, Outlet, Receipt, depart};
use stockade_actors::shelf::{Shelf, ShelfError};
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::order::LatePayment;
use stockade_domain::stock::{Definition, Distances, StockCommand};
use stockade_domain::{Location, Money, OrderId, Refusal, Timestamp};
use stockade_storage::record::{next_record, parse_record};
use stockade_sync::{Group, GroupBuffer, Inbox};

use super::gateway::{Fate, ModelGateway};
use super::scenario::{Ask, HOLD_SECONDS, START, Scenario};
use super::twins::Twin;

static NOWHERE: LazyLock<Distances> = LazyLock::new(Distances::default);

/// A message on its way.
#[derive(Debug, Clone)]
pub struct Flight {
    pub from: usize,
    pub to: usize,
    pub message: PeerMessage,
}

/// What a client knows of what it asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Known {
    /// It has not asked.
    Nothing,
    /// It waits.
    Waits,
    /// It was told: accepted, or why not; and whether that told of an earlier request.
    Told(Result<bool, &'static str>),
    /// The power went before an answer came.
    Lost,
}

/// Everything that was appended; the first `durable` records survive.
#[derive(Default)]
pub struct Log {
    pub records: Vec<Vec<u8>>,
    pub durable: usize,
}

struct LogShelf(Arc<Mutex<Log>>);

impl Shelf for LogShelf {
    fn snapshot(&self, _: EntityKind, _: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(None)
    }

    fn knows_order(&self, _: [u8; 16]) -> Result<bool, ShelfError> {
        Ok(false)
    }

    fn records_from(&self, seq: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), ShelfError> {
        let records = self.0.lock().records.clone();
        records.iter().enumerate().skip(seq as usize - 1).for_each(|(at, bytes)| visit(at as u64 + 1, bytes));
        Ok(())
    }

    fn settle(&self) -> Result<(), ShelfError> {
        Ok(())
    }
}

/// What runs between two power losses.
struct Life {
    hosts: Vec<Host>,
    mailboxes: Vec<Mailbox>,
    /// What partitions send lands here: from, to.
    taps: Vec<(usize, usize, Arc<Inbox<Incoming>>)>,
    buffer: Arc<GroupBuffer>,
    departures: Arc<Departures>,
    /// Gateway calls are tasks of it; it is never driven, so none is ever answered by itself.
    _runtime: tokio::runtime::Runtime,
}

/// The world of one state.
pub struct World {
    pub scenario: Scenario,
    twin: Option<Twin>,
    life: Life,
    pub log: Arc<Mutex<Log>>,
    pub clock: ManualClock,
    pub gateway: ModelGateway,
    pub flights: Vec<Flight>,
    receipts: Vec<Option<Receipt>>,
    pub known: Vec<Known>,
    /// Orders that somebody was told are accepted.
    pub acknowledged: Vec<OrderId>,
    latest_try: u64,
    /// The power goes no more, so nobody can tell when what is appended becomes durable.
    pub writes_at_once: bool,
}

impl World {
    /// The shop as it opens: its stock and the wallet are durable.
    pub fn open(scenario: Scenario, twin: Option<Twin>) -> Self {
        let (log, clock, gateway) =
            (Arc::new(Mutex::new(Log::default())), ManualClock::at(START), ModelGateway::default());
        gateway.0.lock().forgets_keys = twin == Some(Twin::ForgetsGatewayKeys);
        let life = boot(&scenario, &log, &clock, &gateway);
        let asks = scenario.asks.len();
        let mut world = Self {
            scenario,
            twin,
            life,
            log,
            clock,
            gateway,
            flights: Vec::new(),
            receipts: (0..asks).map(|_| None).collect(),
            known: vec![Known::Nothing; asks],
            acknowledged: Vec::new(),
            latest_try: 0,
            writes_at_once: false,
        };
        for (number, units) in scenario.stock.iter().enumerate() {
            let sku = scenario.sku(number);
            let price = Money::parse("1.00 EUR").expect("a price");
            let definition = Definition { hold_ttl_seconds: HOLD_SECONDS, ..Definition::new(sku.as_str(), price) };
            world.set_up(&sku, StockCommand::Define(Box::new(definition)));
            let (location, quantity) = (Location::main(), *units);
            world.set_up(
                &sku,
                StockCommand::Receive { location, lot: None, expires_at: None, quantity, unit_cost: None },
            );
        }
        if let Some(money) = scenario.credit() {
            let customer = scenario.customer();
            let command = stockade_domain::account::AccountCommand::Credit { money, reference: None };
            let key = EntityKey::Account(customer.clone());
            drop(world.send(&key, Command::Account { customer, command, key: None }));
        }
        world.write();
        world
    }

    fn set_up(&mut self, sku: &stockade_domain::SkuId, command: StockCommand) {
        let command = Command::Stock { sku: sku.clone(), command: Box::new(command), key: None };
        drop(self.send(&EntityKey::Sku(sku.clone()), command));
    }

    /// Sends a command and lets its partition take turns.
    fn send(&mut self, key: &EntityKey, command: Command) -> Receipt {
        let (envelope, receipt) = Envelope::new(command, None);
        let at = partition_of(key, self.scenario.partitions);
        self.life.mailboxes[at].send(Incoming::Command(envelope));
        self.turn(at);
        receipt
    }

    /// Turns of one partition until it rests; what it appended is the log's tail, what it sent to others is on its way.
    /// What it tells itself it takes in before anything else: that is neither lost nor late.
    fn turn(&mut self, at: usize) {
        loop {
            while self.life.hosts[at].step() {}
            self.take_tail();
            if !self.collect(at) {
                break;
            }
        }
        if self.writes_at_once {
            self.write();
        } else if self.twin == Some(Twin::AcknowledgesEarly) {
            self.publish();
        }
        self.hear();
    }

    fn take_tail(&mut self) {
        let mut group = Group::default();
        if !self.life.buffer.take(&mut group) {
            return;
        }
        let mut bytes = &group.bytes[..];
        let mut log = self.log.lock();
        while !bytes.is_empty() {
            log.records.push(next_record(&mut bytes).expect("what was appended is whole").to_vec());
        }
    }

    /// Takes what a partition has sent; says whether something of it was for itself.
    fn collect(&mut self, at: usize) -> bool {
        let mut to_itself = false;
        for (from, to, tap) in self.life.taps.iter().filter(|(from, ..)| *from == at) {
            let mut sent = std::collections::VecDeque::new();
            tap.drain(&mut sent, usize::MAX);
            for incoming in sent {
                let Incoming::Peer(message) = incoming else { unreachable!("partitions send each other nothing else") };
                if let PeerMessage::Hold { request, .. } = &*message {
                    self.latest_try = self.latest_try.max(request.attempt);
                }
                if from == to {
                    to_itself = true;
                    self.life.mailboxes[at].send(Incoming::Peer(message));
                } else {
                    self.flights.push(Flight { from: *from, to: *to, message: *message });
                }
            }
        }
        to_itself
    }

    /// The tail becomes durable, and what waited for it leaves.
    pub fn write(&mut self) {
        {
            let mut log = self.log.lock();
            log.durable = log.records.len();
        }
        self.publish();
        self.hear();
    }

    fn publish(&mut self) {
        let last = self.log.lock().records.len() as u64;
        let mut due = Vec::new();
        self.life.departures.publish(last, &mut due);
        depart(&mut due);
    }

    /// Clients look whether they were answered.
    fn hear(&mut self) {
        for (at, receipt) in self.receipts.iter_mut().enumerate() {
            let Some(answer) = receipt.as_mut().and_then(Receipt::try_receive) else { continue };
            *receipt = None;
            let answer = answer.unwrap_or(Err(Refusal::StorageUnavailable));
            if let (Ask::Place(number), Ok(_)) = (self.scenario.asks[at], &answer) {
                self.acknowledged.push(self.scenario.order(number));
            }
            self.known[at] = Known::Told(match answer {
                Ok(Answer::Order(view)) => Ok(view.replayed),
                Ok(_) => Ok(false),
                Err(refusal) => Err(refusal.code()),
            });
        }
    }

    pub fn has_tail(&self) -> bool {
        let log = self.log.lock();
        log.durable < log.records.len()
    }

    // ---- what may happen ----

    /// A client asks.
    pub fn ask(&mut self, at: usize) {
        let (key, command) = self.scenario.command(self.scenario.asks[at]);
        self.known[at] = Known::Waits;
        let receipt = self.send(&key, command);
        self.receipts[at] = Some(receipt);
        self.hear();
    }

    /// A message arrives; it may stay on its way and arrive again.
    pub fn deliver(&mut self, at: usize, again: bool) {
        let flight = if again { self.flights[at].clone() } else { self.flights.remove(at) };
        let message = match self.twin {
            None => Ok(flight.message),
            Some(twin) => twin.spoil(flight.message, self.latest_try),
        };
        match message {
            Ok(message) => {
                self.life.mailboxes[flight.to].send(Incoming::Peer(Box::new(message)));
                self.turn(flight.to);
            }
            Err(instead) => self.flights.push(Flight { from: flight.to, to: instead.to, message: instead.message }),
        }
    }

    /// A message is lost.
    pub fn lose(&mut self, at: usize) {
        let flight = self.flights.remove(at);
        if let Some(instead) = self.twin.and_then(|twin| twin.after_loss(&flight.message)) {
            self.flights.push(Flight { from: flight.to, to: instead.to, message: instead.message });
        }
    }

    /// The gateway deals with a call.
    pub fn call(&mut self, at: usize, fate: Fate) {
        let answered = self.gateway.0.lock().settle(at, fate);
        if let Some((call, outcome)) = answered {
            let home = partition_of(&EntityKey::Payment(call.payment), self.scenario.partitions);
            let (payment, operation) = (call.payment, call.operation);
            self.life.mailboxes[home].send(Incoming::Gateway { payment, operation, outcome });
            self.turn(home);
        }
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.life.hosts.iter().filter_map(Host::next_due).min()
    }

    /// The clock moves to what is due next, and every partition takes a turn.
    pub fn tick(&mut self) {
        let Some(due) = self.next_due() else { return };
        self.clock.set(due.max(Timestamp(self.now().0 + 1)));
        let before = self.flights.len();
        (0..self.scenario.partitions).for_each(|at| self.turn(at));
        if self.twin == Some(Twin::NeverRepeats) {
            self.flights.truncate(before);
        }
    }

    pub fn now(&self) -> Timestamp {
        stockade_actors::ports::Clock::now(&self.clock)
    }

    /// The power goes: everything after the durable part of the log is gone at once, from all partitions, and so is every
    /// message. The tail survives if it had just been written and nobody had heard of it yet.
    pub fn lose_power(&mut self, tail_survives: bool) {
        {
            let mut log = self.log.lock();
            if self.twin == Some(Twin::LogsApart) {
                keep_the_tail_of(&mut log, 0, self.scenario.partitions);
            } else if !tail_survives {
                let durable = log.durable;
                log.records.truncate(durable);
            }
            log.durable = log.records.len();
        }
        self.flights.clear();
        self.gateway.0.lock().calls.clear();
        for (at, receipt) in self.receipts.iter_mut().enumerate() {
            if receipt.take().is_some() {
                self.known[at] = Known::Lost;
            }
        }
        self.life = boot(&self.scenario, &self.log, &self.clock, &self.gateway);
        (0..self.scenario.partitions).for_each(|at| self.turn(at));
    }

    /// Every actor checks its own invariants.
    pub fn check_actors(&mut self) -> Result<(), String> {
        for at in 0..self.scenario.partitions {
            let (envelope, mut receipt) = Envelope::new(Command::Check, None);
            self.life.mailboxes[at].send(Incoming::Command(envelope));
            self.turn(at);
            self.write();
            match receipt.try_receive() {
                Some(Ok(Ok(_))) => {}
                other => return Err(format!("partition {at} does not hold its invariants: {other:?}")),
            }
        }
        Ok(())
    }

    /// What the gateway and the engine believe of each card payment: taken less given back.
    pub fn cards(&mut self) -> Vec<(stockade_domain::PaymentId, i64, Option<i64>)> {
        let cards: Vec<_> = self.gateway.0.lock().cards.clone().into_iter().collect();
        let mut compared = Vec::new();
        for (payment, card) in cards {
            let mut receipt = self.send(&EntityKey::Payment(payment), Command::ReadPayment { payment });
            self.write();
            let believed = match receipt.try_receive() {
                Some(Ok(Ok(Answer::Payment(payment)))) => Some(payment.captured().0 - payment.refunded().0),
                _ => None,
            };
            compared.push((payment, card.taken - card.given_back, believed));
        }
        compared
    }

    // ---- what tells two states apart ----

    /// Two worlds with the same fingerprint have the same future.
    pub fn fingerprint(&self, more: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        more.hash(&mut hasher);
        self.life.hosts.iter().for_each(|host| host.fingerprint(&mut hasher));
        let mut flights: Vec<String> = self.flights.iter().map(|flight| format!("{flight:?}")).collect();
        flights.sort();
        flights.hash(&mut hasher);
        // A power loss takes the tail as a whole, and recovery reads each actor's records in their order: the order between
        // actors within each part makes no difference.
        let log = self.log.lock();
        for part in [&log.records[..log.durable], &log.records[log.durable..]] {
            let mut by_actor: BTreeMap<Actor<'_>, Facts<'_>> = BTreeMap::new();
            for record in part {
                let (head, events) = parse_record(record).expect("a record");
                by_actor.entry((head.kind, head.key)).or_default().push((head.time, events));
            }
            by_actor.hash(&mut hasher);
        }
        (&self.known, &self.acknowledged).hash(&mut hasher);
        let gateway = self.gateway.0.lock();
        format!("{:?} {:?} {:?}", gateway.calls, gateway.done, gateway.cards).hash(&mut hasher);
        hasher.finish()
    }
}

/// An actor as a record names it: its kind and its key.
type Actor<'a> = (u8, &'a [u8]);
/// What records tell of an actor, and when.
type Facts<'a> = Vec<(i64, &'a [u8])>;

/// What would be left if each partition had a log of its own, and only this one's were written.
fn keep_the_tail_of(log: &mut Log, survivor: usize, partitions: usize) {
    let mut at = 0;
    let durable = log.durable;
    log.records.retain(|record| {
        at += 1;
        let (head, _) = parse_record(record).expect("a record");
        let key = EntityKind::from_byte(head.kind).and_then(|kind| EntityKey::from_parts(kind, head.key));
        at <= durable || key.is_some_and(|key| partition_of(&key, partitions) == survivor)
    });
}

fn boot(scenario: &Scenario, log: &Arc<Mutex<Log>>, clock: &ManualClock, gateway: &ModelGateway) -> Life {
    let partitions = scenario.partitions;
    let records = log.lock().records.clone();
    let last = records.len() as u64;
    let buffer = Arc::new(GroupBuffer::new(last + 1));
    let departures = Arc::new(Departures::new(last));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    let shared = Shared {
        partitions,
        ports: Ports {
            clock: Arc::new(clock.clone()),
            gateway: Arc::new(gateway.clone()),
            notifier: Arc::new(LogNotifier),
            faults: Arc::new(Faults::default()),
        },
        buffer: Arc::clone(&buffer),
        departures: Arc::clone(&departures),
        gauges: Arc::new(Gauges::with_hasher_and_shard_amount(rustc_hash::FxBuildHasher, 2)),
        census: (0..partitions).map(|_| Census::default()).collect(),
        kits: Arc::default(),
        rules: Arc::default(),
        distances: &NOWHERE,
        late_payment: LatePayment::Refund,
        overcapture_basis_points: 0,
        shelf: Arc::new(LogShelf(Arc::clone(log))),
        orders_in_memory_max: usize::MAX,
    };
    let inboxes: Vec<Arc<Inbox<Incoming>>> = (0..partitions).map(|_| Arc::default()).collect();
    let door = |inbox: &Arc<Inbox<Incoming>>| Mailbox::new(Arc::clone(inbox), Arc::new(|| {}));
    let mailboxes: Vec<Mailbox> = inboxes.iter().map(door).collect();
    let mut taps = Vec::new();
    let mut hosts: Vec<Host> = Vec::new();
    for (from, inbox) in inboxes.iter().enumerate() {
        let mut peers = Vec::new();
        for to in 0..partitions {
            let tap: Arc<Inbox<Incoming>> = Arc::default();
            peers.push(door(&tap));
            taps.push((from, to, tap));
        }
        let outlet = Outlet {
            gateway: Arc::new(gateway.clone()),
            notifier: Arc::new(LogNotifier),
            runtime: runtime.handle().clone(),
            mailbox: mailboxes[from].clone(),
        };
        let mut host = Host::new(from, shared.clone(), Arc::clone(inbox), outlet, peers);
        host.begin_recovery(Recovery::default());
        hosts.push(host);
    }
    let mut latest = Timestamp(0);
    for (at, record) in records.iter().enumerate() {
        let (head, events) = parse_record(record).expect("a record");
        latest = latest.max(Timestamp(head.time));
        let key = EntityKind::from_byte(head.kind).and_then(|kind| EntityKey::from_parts(kind, head.key));
        if let Some(key) = key {
            hosts[partition_of(&key, partitions)].recover_record(at as u64 + 1, &key, &head, events);
        }
    }
    hosts.iter_mut().for_each(|host| host.finish_recovery(latest));
    Life { hosts, mailboxes, taps, buffer, departures, _runtime: runtime }
}
