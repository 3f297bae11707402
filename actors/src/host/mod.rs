//! A partition's inside: many small actors, each with private state, hosted by one thread.
//!
//! ```text
//!   turn:  due timers first, then up to 256 messages from the mailbox; what they need is looked at beforehand (fetch)
//!          each:  decide ─▶ apply ─▶ encode into the turn;  asks of other actors run at once, in the same turn
//!          then:  append the turn ─▶ token ─▶ orders come to rest, effects are released
//! ```
//!
//! | files | concept |
//! |---|---|
//! | `place`, `edit`, `order`, `retry` | orders of this partition: placed, changed, asked, tried again |
//! | `stock`, `market`, `uses`, `money`, `paying`, `bidding` | what they need of SKUs, books, promotions, payments and wallets |
//! | `placing`, `remote`, `tentative`, `tries`, `news`, `kit` | the same across partitions |
//! | `access` | an actor is found, and changed |
//! | `checkpoint`, `resting`, `recover`, `fetch` | memory: what is written, what rests, what comes back, what is looked at beforehand |
//! | `commit` | a turn ends |
//! | `agenda`, `waiting` | what is due, and who waits for a while |
//! | `supervise`, `fingerprint`, `read` | panics, states as numbers, questions |
//!
//! The host knows no runtime and no thread: it is stepped. `partition` drives it with actix; a simulator can drive
//! it with anything.

mod access;
mod agenda;
mod bidding;
mod checkpoint;
mod commit;
mod edit;
mod fetch;
mod fingerprint;
mod kit;
mod market;
mod money;
mod news;
mod order;
mod paying;
mod place;
mod placing;
mod read;
mod recover;
mod remote;
mod resting;
mod retry;
mod stock;
mod supervise;
mod tentative;
mod tries;
mod uses;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use stockade_domain::account::{Account, AccountCommand};
use stockade_domain::entity::EntityKey;
use stockade_domain::ledger::{Ledger, Postings};
use stockade_domain::order::{LatePayment, Order, OrderCommand, Tender};
use stockade_domain::payment::{Payment, PaymentCommand};
use stockade_domain::promotion::uses::{Subject, UsesCommand, UsesState};
use stockade_domain::stock::{Distances, Stock, StockCommand};
use stockade_domain::{Currency, CustomerId, OrderId, PaymentId, Refusal, SkuId, Timestamp};
use stockade_sync::{GroupBuffer, Inbox, SoldOutGauge};

pub use checkpoint::{CheckpointPart, CheckpointSink, SnapshotRow};
pub use news::StockOfOrder;
pub use recover::{Recovery, partition_of};
pub use resting::{AtRest, order_of_snapshot};

use crate::census::{Census, Counted};
use crate::command::{Answer, Command};
use crate::copy_on_write::CopyOnWrite;
use crate::faults::{Fault, MailboxFault, Occasion, Port, concerns};
use crate::kits::Kits;
use crate::mailbox::{Incoming, Mailbox};
use crate::peer::PeerMessage;
use crate::ports::Ports;
use crate::release::{Basis, Departures, Effects, Envelope, Outlet, Reply};
use crate::rules::Rules;
use crate::shelf::Shelf;
use crate::table::Table;
use crate::turn::Turn;
use agenda::Agenda;
use bidding::Bidding;
use checkpoint::Checkpoint;
use order::Awaited;
use paying::Paying;
use placing::Placing;
use resting::Resting;
use tentative::TentativeUnits;
use tries::Tries;

/// The most messages of one turn.
pub const TURN_MESSAGES_MAX: usize = 256;

/// How old an id that nobody knows may be, in seconds; beyond it `id_expired`.
pub const ID_RETENTION_SECONDS: u32 = 24 * 3600;

/// The sold-out gauges of all SKUs, shared with admission.
pub type Gauges = dashmap::DashMap<SkuId, Arc<SoldOutGauge>, rustc_hash::FxBuildHasher>;

/// What the partitions of an engine share.
#[derive(Clone)]
pub struct Shared {
    /// How many partitions there are.
    pub partitions: usize,
    /// Time, cards, faults.
    pub ports: Ports,
    /// Where turns are appended.
    pub buffer: Arc<GroupBuffer>,
    /// What waits for the disk.
    pub departures: Arc<Departures>,
    /// What admission looks at.
    pub gauges: Arc<Gauges>,
    /// Who is in memory, by partition.
    pub census: Arc<[Census]>,
    /// Which SKUs are kits.
    pub kits: Arc<Kits>,
    /// The promotions that price orders.
    pub rules: Arc<Rules>,
    /// How far locations are from regions.
    pub distances: &'static Distances,
    /// What becomes of money that comes late.
    pub late_payment: LatePayment,
    /// How much more than is set aside a gateway may take, in ten-thousandths of it.
    pub overcapture_basis_points: u16,
    /// Where snapshots and old records are read.
    pub shelf: Arc<dyn Shelf>,
    /// The most orders that stay in memory when they could be loaded again.
    pub orders_in_memory_max: usize,
}

/// Something for another hosted actor, or for this one later in the same turn.
enum Message {
    Stock(SkuId, StockCommand, OrderId),
    Order(OrderId, OrderCommand),
    Payment(PaymentId, PaymentCommand),
    Account(CustomerId, AccountCommand, PaymentId),
    Uses(Subject, UsesCommand, OrderId),
    /// The order sees where this payment stands by then.
    PaymentSeen(PaymentId),
    /// Whoever waits for the gateway of this order need not.
    Waits(OrderId),
    /// It is to be paid now: a bid has bought it, or its last units have come.
    Charge(OrderId, Vec<Tender>),
}

/// How a command ended within its turn.
enum Handled {
    /// With an answer that rests on this.
    Answered(Answer, Basis),
    /// It is kept and answered later; the reply went with it.
    Kept,
}

/// One partition.
pub struct Host {
    index: usize,
    shared: Shared,
    outlet: Arc<Outlet>,
    peers: Vec<Mailbox>,
    inbox: Arc<Inbox<Incoming>>,
    batch: VecDeque<Incoming>,
    /// Messages that met only a tentative hold, with the time until which they are tried again.
    parked: Vec<(Timestamp, Incoming)>,

    skus: Table<SkuId, Stock>,
    orders: Table<OrderId, CopyOnWrite<Order>>,
    /// Orders to which nothing happens for now.
    resting: Resting,
    /// What the last order used that used a promotion, with one partition: the next ones are likely to use the same.
    promoted_last: uses::HeldUses,
    /// Orders that the turn at hand has placed, with their records.
    placed: Vec<(OrderId, u32)>,
    payments: Table<PaymentId, Payment>,
    accounts: Table<CustomerId, Account>,
    uses: Table<Subject, UsesState>,
    ledger: Ledger,
    ledger_last_seq: u64,
    ledger_record: Option<u32>,
    /// SKUs and accounts that are defined but not in memory.
    cold_skus: FxHashSet<SkuId>,
    cold_accounts: FxHashSet<CustomerId>,
    cold_uses: FxHashSet<Subject>,

    agenda: Agenda,
    /// Callers who wait for a gateway.
    awaited: FxHashMap<OrderId, Vec<Awaited>>,
    /// Orders whose holds are being asked of other partitions.
    placing: FxHashMap<OrderId, Placing>,
    /// Payments whose wallets are being asked in other partitions.
    paying: FxHashMap<PaymentId, Paying>,
    /// Bids whose wallets are being asked in other partitions.
    bidding: FxHashMap<PaymentId, Bidding>,
    /// The SKU whose market the command at hand is changing.
    trading: Option<SkuId>,
    /// SKUs of which something may have begun or ceased to hold in the turn at hand.
    alarmed: Vec<SkuId>,
    /// Tentative units by SKU.
    tentative: FxHashMap<SkuId, TentativeUnits>,
    /// Orders of other partitions that hold uses here and may not exist.
    doubted_uses: FxHashMap<Subject, Vec<OrderId>>,
    /// The number of what an order of another partition was told last of a SKU and has not heard.
    told: FxHashMap<(SkuId, OrderId), u64>,
    /// The latest news that an order of this partition has of a SKU of another.
    heard: Tries<(OrderId, SkuId)>,
    /// The number of what was told last.
    news: u64,
    /// The number of the last try to place an order across partitions; higher than any of an earlier life.
    last_try: u64,
    /// The latest try of each order that asked for holds here, and when.
    tries: Tries<OrderId>,
    /// The same of orders that asked owners of uses here.
    use_tries: Tries<(Subject, OrderId)>,
    /// Steps by which orders gave uses back, and of which they have heard that they are done.
    use_steps: Tries<(Subject, OrderId)>,
    /// The same of payments that asked wallets here.
    money_tries: Tries<PaymentId>,

    now: Timestamp,
    /// What is being handled, as faults name it; kept only while a fault is armed.
    operation: &'static str,
    turn: Turn,
    effects: Effects,
    /// Answers of the command at hand.
    answers: Vec<(Reply, Result<Answer, Refusal>, Basis)>,
    /// Orders whose waiting callers are answered when the command at hand has ended well.
    settled: Vec<OrderId>,
    messages: VecDeque<Message>,
    postings: Vec<(Currency, Postings)>,
    sequences: Vec<u64>,
    checkpoint: Checkpoint,
}

impl Host {
    /// An empty partition.
    pub fn new(index: usize, shared: Shared, inbox: Arc<Inbox<Incoming>>, outlet: Outlet, peers: Vec<Mailbox>) -> Self {
        Self {
            index,
            now: shared.ports.clock.now(),
            shared,
            outlet: Arc::new(outlet),
            peers,
            inbox,
            batch: VecDeque::new(),
            parked: Vec::new(),
            skus: Table::default(),
            orders: Table::default(),
            resting: Resting::default(),
            promoted_last: uses::HeldUses::new(),
            placed: Vec::new(),
            payments: Table::default(),
            accounts: Table::default(),
            uses: Table::default(),
            ledger: Ledger::default(),
            ledger_last_seq: 0,
            ledger_record: None,
            cold_skus: FxHashSet::default(),
            cold_accounts: FxHashSet::default(),
            cold_uses: FxHashSet::default(),
            agenda: Agenda::default(),
            awaited: FxHashMap::default(),
            placing: FxHashMap::default(),
            paying: FxHashMap::default(),
            bidding: FxHashMap::default(),
            trading: None,
            alarmed: Vec::new(),
            tentative: FxHashMap::default(),
            doubted_uses: FxHashMap::default(),
            told: FxHashMap::default(),
            heard: Tries::default(),
            news: 0,
            last_try: 0,
            tries: Tries::default(),
            money_tries: Tries::default(),
            use_tries: Tries::default(),
            use_steps: Tries::default(),
            operation: "timer",
            turn: Turn::default(),
            effects: Effects::default(),
            answers: Vec::new(),
            settled: Vec::new(),
            messages: VecDeque::new(),
            postings: Vec::new(),
            sequences: Vec::new(),
            checkpoint: Checkpoint::default(),
        }
    }

    /// The partition of an order, a payment, a SKU or a customer.
    fn home_of_route(&self, route: u64) -> usize {
        (route % self.shared.partitions as u64) as usize
    }

    fn home_of_name(&self, name: &str) -> usize {
        if self.shared.partitions == 1 { 0 } else { partition_of_name(name, self.shared.partitions) }
    }

    /// One turn. Says whether there is more to do right now.
    pub fn step(&mut self) -> bool {
        self.now = self.now.max(self.shared.ports.clock.now());
        self.operation = "timer";
        self.run_due();
        if self.batch.is_empty() {
            self.inbox.drain(&mut self.batch, TURN_MESSAGES_MAX * 4);
        }
        self.fetch_ahead();
        for _ in 0..TURN_MESSAGES_MAX {
            let Some(incoming) = self.batch.pop_front() else { break };
            self.handle(incoming);
        }
        // Before anybody hears of the turn, so that whoever has an answer finds it counted.
        self.take_census();
        self.commit();
        self.checkpoint_step();
        !self.batch.is_empty() || self.checkpoint.is_running() || !self.inbox.rest()
    }

    fn take_census(&self) {
        let census = &self.shared.census[self.index];
        census.note(Counted::Skus, self.skus.len());
        census.note(Counted::Orders, self.orders.len() + self.resting.len());
        census.note(Counted::Payments, self.payments.len());
        census.note(Counted::Accounts, self.accounts.len());
        census.note(Counted::Placing, self.placing.len());
        census.note(Counted::AwaitingGateway, self.awaited.len());
        census.note(Counted::Timers, self.agenda.len());
        census.note(Counted::Mailbox, self.batch.len() + self.inbox.len());
    }

    /// When the partition must be stepped even if nothing comes in.
    pub fn next_due(&self) -> Option<Timestamp> {
        let parked = self.parked.iter().map(|(until, _)| *until).min();
        [self.agenda.next_due(), parked].into_iter().flatten().min()
    }

    /// The engine's time as of the last turn.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    fn handle(&mut self, incoming: Incoming) {
        if self.shared.ports.faults.is_armed(Port::Mailbox) {
            self.take_fault(&incoming);
        }
        match incoming {
            Incoming::Command(envelope) => self.handle_envelope(envelope),
            Incoming::Peer(message) => self.handle_peer(*message),
            Incoming::Gateway { payment, operation, outcome } => {
                let command = PaymentCommand::Answer { operation, outcome };
                self.run_protected(|host| {
                    host.messages.push_back(Message::Payment(payment, command));
                    host.run_messages()
                });
            }
        }
    }

    fn handle_envelope(&mut self, envelope: Envelope) {
        if let Some(wait_micros) = self.must_wait(&envelope.command) {
            return self.park(Incoming::Command(envelope), wait_micros);
        }
        self.handle_envelope_now(envelope);
    }

    fn handle_envelope_now(&mut self, envelope: Envelope) {
        let Envelope { command, reply } = envelope;
        let mut reply = Some(reply);
        match self.run_protected(|host| host.run_command(command, &mut reply)) {
            Some(Ok(Handled::Kept)) => {}
            Some(Ok(Handled::Answered(answer, basis))) => self.answer(reply, Ok(answer), basis),
            Some(Err(refusal)) => {
                let basis = self.basis_of_refusal(&refusal);
                self.answer(reply, Err(refusal), basis);
            }
            None => self.answer(reply, Err(Refusal::ActorFailed), Basis::Seq(0)),
        }
        self.give_answers();
    }

    /// Answers somebody; within a command it takes effect only when that has ended well.
    fn answer(&mut self, reply: Option<Reply>, answer: Result<Answer, Refusal>, basis: Basis) {
        // A command that panicked after its reply was kept has no reply here any more; whoever keeps it answers it.
        if let Some(reply) = reply {
            self.answers.push((reply, answer, basis));
        }
    }

    /// Lets the answers go that the command at hand has given.
    fn give_answers(&mut self) {
        for (reply, answer, basis) in self.answers.drain(..) {
            self.effects.answer(reply, answer, basis);
        }
    }

    /// The command at hand is taken back, and with it what it had answered: what those callers asked for is unknown.
    fn take_answers_back(&mut self) {
        for (reply, _, _) in self.answers.drain(..) {
            self.effects.answer(reply, Err(Refusal::ActorFailed), Basis::Seq(0));
        }
    }

    fn run_command(&mut self, command: Command, reply: &mut Option<Reply>) -> Result<Handled, Refusal> {
        match command {
            Command::Stock { sku, command, key } => self.run_stock_command(&sku, &command, key, reply),
            Command::ReadStock { sku } => self.read_stock(&sku),
            Command::ReadBook { sku, levels } => self.read_book(&sku, levels),
            Command::ReadParty { sku, id, side } => self.read_party(&sku, id, side),
            Command::ReadParties { sku, side, owner, after, limit } => {
                self.read_parties(&sku, side, (*owner).as_ref(), after, limit)
            }
            Command::ReadPartyMade { sku, side, digest } => self.read_party_made(&sku, side, digest),
            Command::Place { order, key, wait } => self.place(order, key, wait, reply),
            Command::Pay { order, payments, key, wait } => self.pay(order, &payments, key, wait, reply),
            Command::Order { order, command, key } => self.run_order_command(order, *command, key),
            Command::Edit { order, edit, key } => self.edit_order(order, edit, key, reply),
            Command::ReadOrder { order } => self.read_order(order),
            Command::ReadOrderHistory { order } => self.read_order_history(order),
            Command::Account { customer, command, key } => self.run_account_command(&customer, &command, key),
            Command::ReadAccount { customer } => self.read_account(&customer),
            Command::Uses { subject, command, key } => self.run_uses_command(&subject, &command, key),
            Command::ReadUses { subject } => self.read_uses(&subject),
            Command::PeekUse { subject, command } => self.peek_use(&subject, &command),
            Command::Payment { payment, command } => self.run_payment_command(payment, &command),
            Command::RetryPayment { payment } => self.retry_payment(payment),
            Command::ReadPayment { payment } => self.read_payment(payment),
            Command::ReadDeadLetters => Ok(self.read_dead_letters()),
            Command::Enter { event, key } => self.enter(&event, key),
            Command::ReadLedger => Ok(self.read_ledger()),
            Command::Checkpoint { sink } => {
                self.start_checkpoint(sink);
                Ok(Handled::Answered(Answer::Count(0), Basis::Seq(0)))
            }
            Command::CheckpointDone { cut } => Ok(Handled::Answered(Answer::Count(self.passivate(cut)), Basis::Seq(0))),
            Command::Check => Ok(Handled::Answered(Answer::Count(self.check_all()), Basis::Seq(0))),
            Command::StateHash => Ok(Handled::Answered(Answer::Count(self.state_hash()), Basis::Turn)),
        }
    }

    /// Runs messages between hosted actors until none is left.
    fn run_messages(&mut self) -> Result<(), Refusal> {
        while let Some(message) = self.messages.pop_front() {
            match message {
                Message::Stock(sku, command, order) => self.ask_stock(sku, command, order)?,
                Message::Order(order, command) => self.tell_order(order, &command)?,
                Message::Payment(payment, command) => self.ask_payment(payment, &command)?,
                Message::Account(customer, command, payment) => self.ask_account(customer, command, payment)?,
                Message::Uses(subject, command, order) => self.ask_uses(subject, &command, order)?,
                Message::PaymentSeen(payment) => self.show_payment(payment)?,
                Message::Waits(order) => self.stop_waiting(order),
                Message::Charge(order, tenders) => self.charge(order, &tenders),
            }
        }
        Ok(())
    }

    /// Tells another partition.
    fn tell_peer(&mut self, partition: usize, message: PeerMessage) {
        self.effects.tell(partition, message);
    }

    /// Unwinds if a crash of this kind strikes the actor: the fault point of every hosted actor's mailbox.
    #[inline]
    fn crash_point(&self, crash: &MailboxFault, key: impl FnOnce() -> EntityKey) {
        if !self.shared.ports.faults.is_armed(Port::Mailbox) {
            return;
        }
        let is_wanted = |fault: &Fault| matches!(fault, Fault::Mailbox(fault) if fault == crash);
        let occasion = || Occasion::of(self.operation, key().to_string());
        if self.shared.ports.faults.strike(Port::Mailbox, is_wanted, occasion).is_some() {
            // Like a panic, but nobody who runs the program is told of one that is meant.
            std::panic::resume_unwind(Box::new(supervise::INJECTED));
        }
    }

    /// What is handled next, for faults that ask; and the partition is as slow as they say.
    #[cold]
    fn take_fault(&mut self, incoming: &Incoming) {
        self.operation = incoming.operation();
        let is_wanted = |fault: &Fault| matches!(fault, Fault::Mailbox(MailboxFault::SlowConsumer(_)));
        if let Some(hit) = self.shared.ports.faults.strike(Port::Mailbox, is_wanted, || concerns(incoming)) {
            self.shared.ports.faults.pause(&hit);
        }
    }
}

/// The partition of a SKU or a customer: a hash with a fixed seed, so that it is the same after a restart.
pub fn partition_of_name(name: &str, partitions: usize) -> usize {
    use std::hash::BuildHasher;
    (rustc_hash::FxBuildHasher.hash_one(name) >> 7) as usize % partitions
}
