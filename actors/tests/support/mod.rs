//! Several partitions on one thread, stepped by hand, over a journal in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use stockade_actors::command::{Answer, Command, OrderView, StockView};
use stockade_actors::faults::{Faults, Sender};
use stockade_actors::host::{CheckpointPart, CheckpointSink, Gauges, Host, Recovery, Shared, partition_of};
use stockade_actors::mailbox::{Incoming, Mailbox};
use stockade_actors::ports::{Gateway, GatewayAnswer, LogNotifier, ManualClock, Ports};
use stockade_actors::release::{Departures, Envelope, Outlet, Receipt, depart};
use stockade_actors::shelf::{Shelf, ShelfError};
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::order::LatePayment;
use stockade_domain::payment::gateway::{GatewayCall, GatewayOutcome};
use stockade_domain::stock::{Definition, Distances, StockCommand};
use stockade_domain::{Location, Money, OrderId, Refusal, SkuId, Timestamp};
use stockade_storage::record::{next_record, parse_record};
use stockade_sync::{Group, GroupBuffer, Inbox};

pub const START: Timestamp = Timestamp(1_700_000_000_000_000);

/// A gateway that answers as it was told, and counts.
#[derive(Default)]
pub struct ScriptedGateway {
    pub answers: Mutex<Vec<GatewayOutcome>>,
    pub calls: Mutex<Vec<GatewayCall>>,
}

impl Gateway for ScriptedGateway {
    fn call(&self, call: GatewayCall) -> GatewayAnswer {
        self.calls.lock().push(call);
        let mut answers = self.answers.lock();
        let approved = GatewayOutcome::Approved { reference: "ok".into() };
        let answer = if answers.is_empty() { approved } else { answers.remove(0) };
        Box::pin(std::future::ready(answer))
    }
}

/// States by kind and key.
type Snapshots = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// The journal: everything that was appended, written when it is told to.
#[derive(Default)]
pub struct MemoryJournal {
    pub records: Mutex<Vec<Vec<u8>>>,
    /// What checkpoints wrote; a restart reads the records, not these.
    pub snapshots: Mutex<Snapshots>,
    /// Whose snapshot was asked for.
    pub asked: Mutex<Vec<Vec<u8>>>,
    buffer: OnceLock<Arc<GroupBuffer>>,
}

impl MemoryJournal {
    fn write(&self) -> Option<u64> {
        let mut group = Group::default();
        self.buffer.get().expect("the world is made").take(&mut group).then(|| {
            let mut records = self.records.lock();
            let mut bytes = &group.bytes[..];
            while !bytes.is_empty() {
                records.push(next_record(&mut bytes).expect("what was appended is whole").to_vec());
            }
            assert_eq!(records.len() as u64, group.last());
            group.last()
        })
    }
}

impl MemoryJournal {
    /// Keeps the snapshots of a part of a checkpoint.
    pub fn keep(&self, part: CheckpointPart) {
        let at_rest: Vec<_> = part.rows_at_rest().collect();
        let rows = part.rows.into_iter().chain(at_rest).map(|row| ((row.kind as u8, row.key), row.state));
        self.snapshots.lock().extend(rows);
    }
}

impl Shelf for MemoryJournal {
    fn snapshot(&self, kind: EntityKind, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        let found = self.snapshots.lock().get(&(kind as u8, key.to_vec())).cloned();
        if found.is_some() {
            self.asked.lock().push(key.to_vec());
        }
        Ok(found)
    }

    fn knows_order(&self, _: [u8; 16]) -> Result<bool, ShelfError> {
        Ok(false)
    }

    fn records_from(&self, seq: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), ShelfError> {
        let records = self.records.lock().clone();
        records.iter().enumerate().skip(seq as usize - 1).for_each(|(index, bytes)| visit(index as u64 + 1, bytes));
        Ok(())
    }

    fn settle(&self) -> Result<(), ShelfError> {
        self.write();
        Ok(())
    }
}

pub struct World {
    pub hosts: Vec<Host>,
    pub mailboxes: Vec<Mailbox>,
    pub clock: ManualClock,
    pub faults: Arc<Faults>,
    pub gateway: Arc<ScriptedGateway>,
    pub journal: Arc<MemoryJournal>,
    departures: Arc<Departures>,
    runtime: tokio::runtime::Runtime,
    distances: &'static Distances,
    ids: u128,
}

impl World {
    pub fn new(partitions: usize) -> Self {
        Self::with_distances(partitions, Distances::default())
    }

    /// With a table of distances between regions and locations.
    pub fn with_distances(partitions: usize, distances: Distances) -> Self {
        let distances = Box::leak(Box::new(distances));
        Self::over(partitions, Arc::default(), ManualClock::at(START), distances, usize::MAX)
    }

    /// One partition that lets idle actors go when there are more than so many of a kind.
    pub fn with_room_for(in_memory: usize) -> Self {
        let distances = Box::leak(Box::default());
        Self::over(1, Arc::default(), ManualClock::at(START), distances, in_memory)
    }

    fn over(
        partitions: usize,
        old: Arc<MemoryJournal>,
        clock: ManualClock,
        distances: &'static Distances,
        in_memory: usize,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let written = old.records.lock().len() as u64;
        let buffer = Arc::new(GroupBuffer::new(written + 1));
        let journal = Arc::new(MemoryJournal::default());
        journal.records.lock().clone_from(&old.records.lock());
        journal.buffer.set(Arc::clone(&buffer)).ok().unwrap();
        let departures = Arc::new(Departures::new(written));
        let (faults, gateway) = (Arc::new(Faults::default()), Arc::new(ScriptedGateway::default()));
        let shared = Shared {
            census: (0..partitions).map(|_| stockade_actors::census::Census::default()).collect(),
            partitions,
            ports: Ports {
                clock: Arc::new(clock.clone()),
                gateway: Arc::clone(&gateway) as _,
                notifier: Arc::new(LogNotifier),
                faults: Arc::clone(&faults),
            },
            buffer,
            departures: Arc::clone(&departures),
            gauges: Arc::new(Gauges::default()),
            kits: Arc::default(),
            rules: Arc::default(),
            distances,
            late_payment: LatePayment::default(),
            overcapture_basis_points: 0,
            shelf: Arc::clone(&journal) as _,
            orders_in_memory_max: in_memory,
        };
        let inboxes: Vec<Arc<Inbox<Incoming>>> = (0..partitions).map(|_| Arc::default()).collect();
        let mailboxes: Vec<Mailbox> =
            inboxes.iter().map(|inbox| Mailbox::new(Arc::clone(inbox), Arc::new(|| {}))).collect();
        let hosts = inboxes.iter().enumerate().map(|(index, inbox)| {
            let outlet = Outlet {
                gateway: Arc::clone(&gateway) as _,
                notifier: Arc::new(LogNotifier),
                runtime: runtime.handle().clone(),
                mailbox: mailboxes[index].clone(),
            };
            let door = |(to, mailbox): (usize, &Mailbox)| mailbox.through(&faults, Sender::Partition(index), to);
            let peers = mailboxes.iter().enumerate().map(door).collect();
            Host::new(index, shared.clone(), Arc::clone(inbox), outlet, peers)
        });
        let mut hosts: Vec<Host> = hosts.collect();
        hosts.iter_mut().for_each(|host| host.begin_recovery(Recovery::default()));
        for (index, bytes) in old.records.lock().iter().enumerate() {
            let (head, events) = parse_record(bytes).unwrap();
            let key = EntityKey::from_parts(EntityKind::from_byte(head.kind).unwrap(), head.key).unwrap();
            hosts[partition_of(&key, partitions)].recover_record(index as u64 + 1, &key, &head, events);
        }
        hosts.iter_mut().for_each(|host| host.finish_recovery(Timestamp(0)));
        Self { hosts, mailboxes, clock, faults, gateway, journal, departures, runtime, distances, ids: 0 }
    }

    /// Power loss: what was not written is gone; the rest is read again, maybe by another number of partitions.
    pub fn restart(self, partitions: usize) -> Self {
        let ids = self.ids;
        Self { ids, ..Self::over(partitions, self.journal, self.clock, self.distances, usize::MAX) }
    }

    /// Steps everything until nothing moves; writes the journal after each round.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut busy = false;
            for host in &mut self.hosts {
                busy |= host.step();
            }
            busy |= self.write();
            self.runtime.block_on(tokio::task::yield_now());
            if !busy && !self.hosts.iter_mut().any(Host::step) && !self.write() {
                return;
            }
        }
        panic!("the partitions never come to rest");
    }

    /// A checkpoint of everything, and leave for idle actors to go; returns how many went.
    pub fn checkpoint(&mut self) -> u64 {
        let journal = Arc::clone(&self.journal);
        let (cut, done) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(false)));
        let told = (Arc::clone(&cut), Arc::clone(&done));
        let sink: CheckpointSink = Arc::new(move |part| {
            *told.0.lock() = part.cut;
            *told.1.lock() = part.books.is_some();
            journal.keep(part);
        });
        let _receipt = self.send(&EntityKey::Ledger, Command::Checkpoint { sink });
        self.settle();
        assert!(*done.lock(), "the checkpoint was finished");
        let cut = *cut.lock();
        match self.run(&EntityKey::Ledger, Command::CheckpointDone { cut }) {
            Ok(Answer::Count(gone)) => gone,
            other => panic!("{other:?}"),
        }
    }

    /// Steps the partitions, but writes nothing.
    pub fn step_without_writing(&mut self) {
        for _ in 0..100 {
            self.hosts.iter_mut().for_each(|host| {
                host.step();
            });
        }
    }

    pub fn write(&mut self) -> bool {
        let Some(last) = self.journal.write() else { return false };
        let mut due = Vec::new();
        self.departures.publish(last, &mut due);
        depart(&mut due);
        true
    }

    pub fn send(&mut self, key: &EntityKey, command: Command) -> Receipt {
        let (envelope, receipt) = Envelope::new(command, None);
        self.mailboxes[partition_of(key, self.hosts.len())].send(Incoming::Command(envelope));
        receipt
    }

    pub fn run(&mut self, key: &EntityKey, command: Command) -> Result<Answer, Refusal> {
        let mut receipt = self.send(key, command);
        for _ in 0..120 {
            self.settle();
            if let Some(answer) = receipt.try_receive() {
                return answer.expect("nobody drops a reply");
            }
            // Whatever was lost on the way is asked for again.
            self.clock.advance_seconds(1);
        }
        panic!("no answer within two minutes");
    }

    pub fn stock(&mut self, sku: &str, command: StockCommand) -> Result<StockView, Refusal> {
        let sku = SkuId::new(sku).unwrap();
        match self.run(&EntityKey::Sku(sku.clone()), Command::Stock { sku, command: Box::new(command), key: None })? {
            Answer::Stock(view) => Ok(*view),
            other => panic!("{other:?}"),
        }
    }

    pub fn define(&mut self, sku: &str, price: &str, quantity: u64) {
        let definition = Box::new(Definition::new(sku, Money::parse(price).unwrap()));
        self.stock(sku, StockCommand::Define(definition)).unwrap();
        if quantity > 0 {
            self.stock(sku, receive(quantity)).unwrap();
        }
    }

    pub fn read_stock(&mut self, sku: &str) -> StockView {
        let sku = SkuId::new(sku).unwrap();
        match self.run(&EntityKey::Sku(sku.clone()), Command::ReadStock { sku }).unwrap() {
            Answer::Stock(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    pub fn order(&mut self, order: OrderId, command: Command) -> Result<OrderView, Refusal> {
        match self.run(&EntityKey::Order(order), command)? {
            Answer::Order(view) => Ok(view),
            other => panic!("{other:?}"),
        }
    }

    pub fn place(&mut self, order: stockade_domain::order::NewOrder) -> Result<OrderView, Refusal> {
        let id = order.id;
        self.order(id, Command::Place { order: Box::new(order), key: None, wait: Duration::from_secs(10) })
    }

    pub fn new_id(&mut self) -> OrderId {
        self.ids += 1;
        OrderId::new(START, self.ids.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
    }

    /// The journal cannot be written any more.
    pub fn fail_journal(&self) {
        self.journal.buffer.get().expect("the world is made").fail();
        self.departures.close(&mut Vec::new());
    }

    /// Asserts every invariant of every actor.
    pub fn check(&mut self) {
        for partition in 0..self.hosts.len() {
            let (envelope, mut receipt) = Envelope::new(Command::Check, None);
            self.mailboxes[partition].send(Incoming::Command(envelope));
            self.settle();
            receipt.try_receive().expect("answered").expect("not dropped").expect("every invariant holds");
        }
    }
}

pub fn receive(quantity: u64) -> StockCommand {
    StockCommand::Receive { location: Location::main(), lot: None, expires_at: None, quantity, unit_cost: None }
}
