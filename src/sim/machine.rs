//! A whole engine on one thread: the real partitions, the real journal and its writer over a simulated disk, a simulated
//! gateway, a clock that moves when it is told to. It can lose its power at any step, and come up again.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use stockade_actors::census::Census;
use stockade_actors::command::{Answer, Command};
use stockade_actors::faults::Faults;
use stockade_actors::host::{Gauges, Host, Recovery, Shared, partition_of};
use stockade_actors::mailbox::{Incoming, Mailbox};
use stockade_actors::ports::{Clock, LogNotifier, ManualClock, Ports};
use stockade_actors::release::{Departure, Departures, Envelope, Outlet, Receipt, depart, give_up};
use stockade_actors::shelf::{Shelf, ShelfError};
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::order::LatePayment;
use stockade_domain::stock::Distances;
use stockade_domain::{Refusal, Timestamp};
use stockade_storage::disk::{SimulatedDisk, Survival};
use stockade_storage::journal::{
    JournalError, JournalOptions, JournalReader, Released, Step, Upkeep, Writer, open_journal,
};
use stockade_storage::record::parse_record;
use stockade_sync::{GroupBuffer, Inbox};

use super::faults::{FaultKind, FaultPlan};
use super::wire::Wire;
use crate::gateway::SimulatedGateway;

/// Small segments, so that runs have many of them.
const SEGMENT_BYTES: u64 = 64 << 10;

/// Nobody is near or far.
static NOWHERE: LazyLock<Distances> = LazyLock::new(Distances::default);

type SharedWriter = Arc<Mutex<Writer<Departure>>>;

/// What the writer gives back leaves at once.
struct Departing;

impl Released<Departure> for Departing {
    fn due(&mut self, items: &mut Vec<Departure>) {
        depart(items);
    }

    fn lost(&mut self, items: &mut Vec<Departure>, _: Option<&JournalError>) {
        give_up(items);
    }
}

/// What partitions read of the past. No actor leaves memory in a simulation.
struct SimulatedShelf {
    reader: JournalReader,
    writer: SharedWriter,
    buffer: Arc<GroupBuffer>,
    departures: Arc<Departures>,
}

impl Shelf for SimulatedShelf {
    fn snapshot(&self, _: EntityKind, _: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(None)
    }

    fn knows_order(&self, _: [u8; 16]) -> Result<bool, ShelfError> {
        // All orders are in memory.
        Ok(false)
    }

    fn records_from(&self, seq: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), ShelfError> {
        let read = self.reader.read_all(seq, self.departures.durable(), visit);
        read.map(drop).map_err(|error| ShelfError { what: "journal".into(), why: error.to_string() })
    }

    fn settle(&self) -> Result<(), ShelfError> {
        let failed = || ShelfError { what: "journal".into(), why: "the generation has ended".into() };
        let wanted = self.buffer.last_appended();
        while self.departures.durable() < wanted {
            if self.writer.lock().step(Some(Duration::ZERO)) == Step::Ended {
                return Err(failed());
            }
        }
        Ok(())
    }
}

/// What runs between two crashes.
struct Life {
    hosts: Vec<Host>,
    mailboxes: Vec<Mailbox>,
    wire: Wire,
    writer: SharedWriter,
    upkeep: Upkeep,
    reader: JournalReader,
    departures: Arc<Departures>,
    /// Until when each partition takes no turn.
    slow_until: Vec<Timestamp>,
    runtime: tokio::runtime::Runtime,
}

/// The machine.
pub(super) struct Machine {
    pub(super) clock: ManualClock,
    pub(super) gateway: SimulatedGateway,
    pub(super) faults: Arc<Faults>,
    disk: SimulatedDisk,
    partitions: usize,
    late_payment: LatePayment,
    life: Life,
    /// How often it came up.
    pub(super) lives: u64,
    /// The journal has failed: nothing goes on until the machine is started again.
    pub(super) has_ended: bool,
}

impl Machine {
    pub(super) fn new(partitions: usize, late_payment: LatePayment, start: Timestamp) -> Self {
        let (disk, clock) = (SimulatedDisk::new(), ManualClock::at(start));
        let (gateway, faults) = (SimulatedGateway::default(), Arc::new(Faults::default()));
        let life =
            boot(&disk, &clock, &gateway, &faults, (partitions, late_payment)).expect("an empty disk can be opened");
        Self { clock, gateway, faults, disk, partitions, late_payment, life, lives: 1, has_ended: false }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions
    }

    pub(super) fn send(&self, key: &EntityKey, command: Command) -> Receipt {
        let (envelope, receipt) = Envelope::new(command, None);
        self.life.mailboxes[partition_of(key, self.partitions)].send(Incoming::Command(envelope));
        receipt
    }

    /// Asks a partition something, and lets nothing fail until it has answered.
    pub(super) fn ask(&mut self, partition: usize, command: Command) -> Option<Result<Answer, Refusal>> {
        let (envelope, mut receipt) = Envelope::new(command, None);
        self.life.mailboxes[partition].send(Incoming::Command(envelope));
        for _ in 0..1_000 {
            self.step(&mut FaultPlan::none());
            if let Some(answer) = receipt.try_receive() {
                return answer.ok();
            }
        }
        None
    }

    /// A turn of each partition that is not slow, a move of the wire, a group of the journal. False: nothing moved.
    pub(super) fn step(&mut self, plan: &mut FaultPlan) -> bool {
        let now = self.now();
        let mut moved = false;
        for (at, host) in self.life.hosts.iter_mut().enumerate() {
            if plan.strikes(FaultKind::SlowPartition) {
                self.life.slow_until[at] = now.plus_seconds(1 + plan.below(5) as u32);
            }
            if now >= self.life.slow_until[at] {
                moved |= host.step();
            }
        }
        moved |= self.life.wire.step(plan, now);
        self.life.runtime.block_on(tokio::task::yield_now());
        moved | self.write()
    }

    fn write(&mut self) -> bool {
        // What a full disk refuses is tried again when there is room.
        let _ = self.life.upkeep.prepare();
        let step = self.life.writer.lock().step(Some(Duration::ZERO));
        self.has_ended = step == Step::Ended;
        matches!(step, Step::Wrote(_))
    }

    /// The disk, to arm faults.
    pub(super) fn disk(&self) -> &SimulatedDisk {
        &self.disk
    }

    /// The process ends without a word, and maybe the power with it; then it is started again, maybe with another number
    /// of partitions.
    pub(super) fn restart(&mut self, survival: Option<Survival>, partitions: usize) -> Result<(), String> {
        match survival {
            Some(survival) => self.disk.power_loss(survival),
            None => self.disk.kill(),
        }
        self.disk.disarm();
        self.disk.limit(None);
        self.partitions = partitions;
        self.life = boot(&self.disk, &self.clock, &self.gateway, &self.faults, (partitions, self.late_payment))?;
        self.lives += 1;
        self.has_ended = false;
        Ok(())
    }

    /// Tells a payment's home what its gateway tells by itself.
    pub(super) fn tell_payment(&self, callback: &crate::gateway::Callback) {
        let key = EntityKey::Payment(callback.payment);
        let (payment, operation, outcome) = (callback.payment, callback.operation.clone(), callback.outcome.clone());
        let incoming = Incoming::Gateway { payment, operation, outcome };
        self.life.mailboxes[partition_of(&key, self.partitions)].send(incoming);
    }

    /// Everything durable, in its order.
    pub(super) fn records(&self) -> Result<Vec<(u64, Vec<u8>)>, String> {
        let mut records = Vec::new();
        let mut keep = |seq: u64, bytes: &[u8]| records.push((seq, bytes.to_vec()));
        read_all(&self.life.reader, self.life.departures.durable(), &mut keep)?;
        Ok(records)
    }
}

fn boot(
    disk: &SimulatedDisk,
    clock: &ManualClock,
    gateway: &SimulatedGateway,
    faults: &Arc<Faults>,
    (partitions, late_payment): (usize, LatePayment),
) -> Result<Life, String> {
    let options = JournalOptions { segment_bytes: SEGMENT_BYTES, free_bytes_min: 0, ..JournalOptions::new([9; 16]) };
    let opened = open_journal(Arc::new(disk.clone()), &options).map_err(|error| error.to_string())?;
    let last = opened.recovered.last_seq;
    let buffer = Arc::new(GroupBuffer::new(last + 1));
    let departures = Arc::new(Departures::new(last));
    let writer =
        Writer::new(Box::new(opened.journal), Arc::clone(&buffer), Arc::clone(&departures), Box::new(Departing));
    let writer: SharedWriter = Arc::new(Mutex::new(writer));
    let shelf = SimulatedShelf {
        reader: opened.reader.clone(),
        writer: Arc::clone(&writer),
        buffer: Arc::clone(&buffer),
        departures: Arc::clone(&departures),
    };
    let census: Arc<[Census]> = (0..partitions).map(|_| Census::default()).collect();
    let ports = Ports {
        clock: Arc::new(clock.clone()),
        gateway: Arc::new(gateway.clone()),
        notifier: Arc::new(LogNotifier),
        faults: Arc::clone(faults),
    };
    let shared = Shared {
        partitions,
        ports,
        buffer,
        departures: Arc::clone(&departures),
        gauges: Arc::new(Gauges::default()),
        census,
        kits: Arc::default(),
        rules: Arc::default(),
        distances: &NOWHERE,
        late_payment,
        overcapture_basis_points: 0,
        shelf: Arc::new(shelf),
        orders_in_memory_max: usize::MAX,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    let inboxes: Vec<Arc<Inbox<Incoming>>> = (0..partitions).map(|_| Arc::default()).collect();
    let mailboxes: Vec<Mailbox> =
        inboxes.iter().map(|inbox| Mailbox::new(Arc::clone(inbox), Arc::new(|| {}))).collect();
    let (wire, peers) = Wire::between(&mailboxes);
    let mut hosts: Vec<Host> = Vec::new();
    for (index, (inbox, peers)) in inboxes.iter().zip(peers).enumerate() {
        let outlet = Outlet {
            gateway: Arc::clone(&shared.ports.gateway),
            notifier: Arc::clone(&shared.ports.notifier),
            runtime: runtime.handle().clone(),
            mailbox: mailboxes[index].clone(),
        };
        let mut host = Host::new(index, shared.clone(), Arc::clone(inbox), outlet, peers);
        host.begin_recovery(Recovery::default());
        hosts.push(host);
    }
    let mut latest = Timestamp(0);
    read_all(&opened.reader, last, &mut |seq, bytes| {
        let Ok((head, events)) = parse_record(bytes) else { return };
        latest = latest.max(Timestamp(head.time));
        let key = EntityKind::from_byte(head.kind).and_then(|kind| EntityKey::from_parts(kind, head.key));
        if let Some(key) = key {
            hosts[partition_of(&key, partitions)].recover_record(seq, &key, &head, events);
        }
    })?;
    hosts.iter_mut().for_each(|host| host.finish_recovery(latest));
    let slow_until = vec![Timestamp(0); partitions];
    let (upkeep, reader) = (opened.upkeep, opened.reader);
    Ok(Life { hosts, mailboxes, wire, writer, upkeep, reader, departures, slow_until, runtime })
}

/// Shows every record; one that is missing is a fault.
fn read_all(reader: &JournalReader, last: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), String> {
    match reader.read_all(1, last, visit).map_err(|error| error.to_string())? {
        Some(missing) => Err(format!("record {missing} is missing")),
        None => Ok(()),
    }
}
