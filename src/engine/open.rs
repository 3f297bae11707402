//! Opening: the journal is read, the actors come back, the threads start.
//!
//! ```text
//!   journal: verify, find the last checkpoints and the keys of the retention window
//!   derived store: open at the last checkpoint whose every block verifies, or the one before, or empty
//!   partitions: snapshots as of their cuts, then every later record
//!   threads: one per partition (actix), the writer, the projector
//! ```

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use parking_lot::Mutex;
use stockade_actors::census::Census;
use stockade_actors::faults::{Faults, Sender};
use stockade_actors::host::{Gauges, Host, ID_RETENTION_SECONDS, Recovery, Shared, partition_of};
use stockade_actors::mailbox::Mailbox;
use stockade_actors::ports::Ports;
use stockade_actors::release::Departures;
use stockade_actors::rules::Rules;
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::order::note;
use stockade_domain::promotion::uses::Subject;
use stockade_domain::stock::Distances;
use stockade_domain::{CustomerId, SkuId, Timestamp};
use stockade_storage::disk::{Disk, DiskError, MemoryDisk, RealDisk};
use stockade_storage::journal::{FRAME_OVERHEAD, JournalOptions, JournalReader, OpenError, Opened, open_journal};
use stockade_storage::packed::{
    Blocks, Direction, KeyRange, Manifest, MemoryBlocks, Options, PackedStore, SledBlocks, SledOptions,
};
use stockade_storage::projection::{MODELS_VERSION, Model};
use stockade_storage::record::parse_record;
use stockade_sync::{CreditGate, GroupBuffer};

use super::config::Config;
use super::error::EngineError;
use super::history::{History, space};
use super::ids::IdMaker;
use super::keys::Keys;
use super::projector::{Checkpoint, Projector, Resume};
use super::threads::{Running, Seat, Threads, spawn_writer};
use super::write_times::WriteTimes;
use super::{Engine, Inner};
use crate::chaos::{Callbacks, FaultyClock, FaultyDisk, FaultyGateway, Switchboard};

fn open_error(dir: &Path, error: OpenError) -> EngineError {
    match error {
        OpenError::InUse { .. } => EngineError::InUse { dir: dir.into() },
        OpenError::FormatNewer { .. } => EngineError::Newer(error.to_string()),
        OpenError::Damaged(_) => EngineError::Damaged(error.to_string()),
        OpenError::Disk(DiskError::Full { .. }) => EngineError::Full(error.to_string()),
        OpenError::Disk(_) => EngineError::Unusable { dir: dir.into(), why: error.to_string() },
    }
}

/// What a first pass over the journal finds.
struct Survey {
    /// The last two checkpoints, the newest last.
    checkpoints: Vec<Checkpoint>,
    /// Sequence of the newest one's record.
    checkpointed: u64,
    keys: Keys,
}

fn survey(reader: &JournalReader, last: u64, now: Timestamp) -> Result<Survey, EngineError> {
    let mut found = Survey { checkpoints: Vec::new(), checkpointed: 0, keys: Keys::new() };
    let oldest = now.0 - i64::from(ID_RETENTION_SECONDS) * 1_000_000;
    for_each_record(reader, 1, last, &mut |seq, bytes| {
        let Ok((head, events)) = parse_record(bytes) else { return };
        match EntityKind::from_byte(head.kind) {
            None => {
                // Of another version, its store is made anew.
                let known = |checkpoint: &Checkpoint| checkpoint.models == Some(MODELS_VERSION);
                if let Some(checkpoint) = minicbor::decode::<Checkpoint>(events).ok().filter(known) {
                    found.checkpoints.push(checkpoint);
                    found.checkpointed = seq;
                    if found.checkpoints.len() > 2 {
                        found.checkpoints.remove(0);
                    }
                }
            }
            // Most records bind no key, and then nobody needs to know what they are about.
            Some(kind) if head.time >= oldest && (kind == EntityKind::Order || !head.digests.is_empty()) => {
                let refused = kind == EntityKind::Order && head.note & note::REFUSED != 0;
                let Some(made) = EntityKey::from_parts(kind, head.key) else { return };
                if refused {
                    // It counts as never made, so what was asked for under its keys is decided anew.
                    found.keys.free(&made);
                    return;
                }
                for digest in head.digests {
                    found.keys.recover(*digest, made.clone(), seq, Timestamp(head.time));
                }
            }
            Some(_) => {}
        }
    })?;
    found.keys.end_recovery();
    Ok(found)
}

fn for_each_record(
    reader: &JournalReader,
    first: u64,
    last: u64,
    visit: &mut dyn FnMut(u64, &[u8]),
) -> Result<(), EngineError> {
    match reader.read_all(first, last, visit).map_err(|error| EngineError::Damaged(error.to_string()))? {
        Some(missing) => Err(EngineError::Damaged(format!("record {missing} is missing"))),
        None => Ok(()),
    }
}

/// Opens the derived store at the newest checkpoint that verifies, and forgets those that do not.
fn open_store(blocks: &Arc<dyn Blocks>, survey: &mut Survey) -> Result<PackedStore, EngineError> {
    let options = Options::default();
    let manifests: Vec<Option<Manifest>> =
        survey.checkpoints.iter().map(|checkpoint| Manifest::decode(&checkpoint.manifest).ok()).collect();
    for (index, manifest) in manifests.iter().enumerate().rev() {
        let previous = index.checked_sub(1).and_then(|before| manifests[before].as_ref());
        if let Some(manifest) = manifest {
            match PackedStore::open_with(Arc::clone(blocks), options, Some(manifest), previous) {
                Ok(store) => return Ok(store),
                Err(error) => tracing::warn!(%error, "a checkpoint does not verify; falling back"),
            }
        }
        survey.checkpoints.truncate(index);
        survey.checkpointed = 0;
    }
    PackedStore::open(Arc::clone(blocks), options).map_err(|error| EngineError::Io(error.to_string()))
}

/// What each partition begins with, given how many there are now.
fn recoveries(
    store: &PackedStore,
    checkpoint: Option<&Checkpoint>,
    partitions: usize,
) -> Result<Vec<Recovery>, EngineError> {
    let mut recoveries: Vec<Recovery> = (0..partitions).map(|_| Recovery::default()).collect();
    let Some(checkpoint) = checkpoint else { return Ok(recoveries) };
    let books = checkpoint.books.iter().map(|books| minicbor::decode(books));
    for (index, ledger) in books.enumerate() {
        let ledger = ledger.map_err(|error: minicbor::decode::Error| EngineError::Damaged(error.to_string()))?;
        recoveries[index % partitions].ledger.add(&ledger);
    }
    let key_of = |row: &[u8]| {
        let (kind, key) = row.split_first()?;
        EntityKey::from_parts(EntityKind::from_byte(*kind)?, key)
    };
    let io = |error: stockade_storage::packed::PackedError| EngineError::Io(error.to_string());
    let names = |kind: EntityKind, take: &mut dyn FnMut(EntityKey)| {
        let range = KeyRange::prefix(&[kind as u8]);
        let mut visit = |key: &[u8], _: &[u8]| {
            key_of(key).into_iter().for_each(&mut *take);
            std::ops::ControlFlow::Continue(())
        };
        store.scan(space(Model::Snapshots), &range, Direction::Ascending, &mut visit).map_err(io)
    };
    let (mut skus, mut accounts, mut uses): (Vec<SkuId>, Vec<CustomerId>, Vec<Subject>) = Default::default();
    for kind in [EntityKind::Promotion, EntityKind::Coupon] {
        names(kind, &mut |key| {
            if let EntityKey::Uses(subject) = key {
                uses.push(subject);
            }
        })?;
    }
    for subject in uses {
        let home = partition_of(&EntityKey::Uses(subject.clone()), partitions);
        recoveries[home].uses.push(subject);
    }
    names(EntityKind::Sku, &mut |key| {
        if let EntityKey::Sku(sku) = key {
            skus.push(sku);
        }
    })?;
    names(EntityKind::Account, &mut |key| {
        if let EntityKey::Account(customer) = key {
            accounts.push(customer);
        }
    })?;
    for sku in skus {
        let home = partition_of(&EntityKey::Sku(sku.clone()), partitions);
        recoveries[home].cold_skus.push(sku);
    }
    for customer in accounts {
        let home = partition_of(&EntityKey::Account(customer.clone()), partitions);
        recoveries[home].cold_accounts.push(customer);
    }
    let mut due = |key: &[u8], at: &[u8]| {
        if let (Some(key), Ok(at)) = (key_of(key), at.try_into()) {
            recoveries[partition_of(&key, partitions)].due.push((Timestamp(i64::from_be_bytes(at)), key));
        }
        std::ops::ControlFlow::Continue(())
    };
    store.scan(space(Model::Due), &KeyRange::all(), Direction::Ascending, &mut due).map_err(io)?;
    Ok(recoveries)
}

/// Brings the actors back: the records that their snapshots do not know yet. Says how many these were, and the latest time
/// of any record that was looked at.
fn replay(
    hosts: &mut [Host],
    history: &History,
    checkpoint: Option<&Checkpoint>,
    last: u64,
) -> Result<(u64, Timestamp), EngineError> {
    let partitions = hosts.len();
    let (mut replayed, mut latest) = (0, Timestamp(0));
    let cuts: &[u64] = checkpoint.map_or(&[], |checkpoint| &checkpoint.cuts);
    let cut_of = |key: &EntityKey| if cuts.is_empty() { 0 } else { cuts[partition_of(key, cuts.len())] };
    let first = cuts.iter().min().map_or(1, |cut| cut + 1).min(last.max(1));
    for_each_record(&history.reader, first, last, &mut |seq, bytes| {
        let Ok((head, events)) = parse_record(bytes) else { return };
        latest = latest.max(Timestamp(head.time));
        let key = EntityKind::from_byte(head.kind).and_then(|kind| EntityKey::from_parts(kind, head.key));
        if let Some(key) = key.filter(|key| seq > cut_of(key)) {
            replayed += 1;
            hosts[partition_of(&key, partitions)].recover_record(seq, &key, &head, events);
        }
    })?;
    Ok((replayed, latest))
}

pub(super) fn open(mut config: Config) -> Result<Engine, EngineError> {
    let (faults, callbacks) = (Arc::new(Faults::default()), Callbacks::default());
    config.clock = Arc::new(FaultyClock::new(Arc::clone(&config.clock), Arc::clone(&faults)));
    let gateway = FaultyGateway::new(Arc::clone(&config.gateway), Arc::clone(&faults), Arc::clone(&callbacks));
    config.gateway = Arc::new(gateway);
    let dir = config.dir.clone().unwrap_or_default();
    let ids = IdMaker::new(Arc::clone(&config.clock), config.id_key.unwrap_or_else(IdMaker::random_key));
    // A simulated disk counts its operations, and must see them in the same order each time.
    let readers =
        if config.storage.is_some() { 1 } else { thread::available_parallelism().map_or(1, |cores| cores.get()) };
    let options =
        JournalOptions { segment_bytes: config.segment_bytes, readers, ..JournalOptions::new(ids.journal_id()) };
    let Opened { journal, reader, upkeep, recovered } =
        open_journal(Arc::new(FaultyDisk::new(open_disk(&config)?, Arc::clone(&faults))), &options)
            .map_err(|error| open_error(&dir, error))?;
    let blocks = open_blocks(&config)?;
    let (last, room) = (recovered.last_seq, upkeep.room());
    let now = config.clock.now();
    let mut survey = survey(&reader, last, now)?;
    let store = open_store(&blocks, &mut survey)?;
    let Survey { checkpoints, checkpointed, keys } = survey;
    let checkpoint = checkpoints.last().cloned();
    let mut recoveries = recoveries(&store, checkpoint.as_ref(), config.partitions)?;

    let buffer = Arc::new(GroupBuffer::new(last + 1));
    let departures = Arc::new(Departures::new(last));
    let projected = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.projected);
    let history = Arc::new(History::new(store, reader, projected, Arc::clone(&departures), Arc::clone(&buffer)));
    let gauges = Arc::new(Gauges::default());
    let rules = Arc::new(Rules::with_lanes(config.lanes.clone()));
    let census: Arc<[Census]> = (0..config.partitions).map(|_| Census::default()).collect();
    let shared = Shared {
        census: Arc::clone(&census),
        partitions: config.partitions,
        ports: Ports {
            clock: Arc::clone(&config.clock),
            gateway: Arc::clone(&config.gateway),
            notifier: Arc::clone(&config.notifier),
            faults: Arc::clone(&faults),
        },
        buffer: Arc::clone(&buffer),
        departures: Arc::clone(&departures),
        gauges: Arc::clone(&gauges),
        kits: Arc::default(),
        rules: Arc::clone(&rules),
        distances: distances_of(&config),
        late_payment: config.late_payment,
        overcapture_basis_points: config.overcapture_basis_points,
        shelf: Arc::clone(&history) as _,
        orders_in_memory_max: config.orders_in_memory_max,
    };
    let mut seats: Vec<Seat> = (0..config.partitions).map(Seat::new).collect::<Result<_, _>>()?;
    // Each sender has handles of its own, so that faults know who sends.
    let doors = |from: Sender| -> Vec<Mailbox> {
        seats.iter().enumerate().map(|(to, seat)| seat.mailbox.through(&faults, from, to)).collect()
    };
    let mailboxes = doors(Sender::Client);
    let _ = callbacks.set(doors(Sender::Gateway));
    let mut hosts: Vec<Host> =
        seats.iter().enumerate().map(|(index, seat)| seat.host(&shared, doors(Sender::Partition(index)))).collect();
    for (host, recovery) in hosts.iter_mut().zip(recoveries.drain(..)) {
        host.begin_recovery(recovery);
    }
    let (replayed, latest) = replay(&mut hosts, &history, checkpoint.as_ref(), last)?;
    hosts.iter_mut().for_each(|host| host.finish_recovery(latest));

    let failed = Arc::new(AtomicBool::new(false));
    let write_times = WriteTimes::default();
    let writer = spawn_writer(journal, &buffer, &departures, &failed, &write_times)?;
    let resume = Resume { checkpoints, checkpointed };
    let (clock, records) = (Arc::clone(&config.clock), config.checkpoint_records);
    let own: Vec<Mailbox> = seats.iter().map(|seat| seat.mailbox.clone()).collect();
    let projector = Projector::new(Arc::clone(&history), upkeep, own, &resume, clock, records)
        .spawn()
        .map_err(|error| EngineError::Thread(error.to_string()))?;
    let mut partitions = Vec::new();
    for (seat, host) in seats.drain(..).zip(hosts) {
        partitions.push(seat.start(host, Arc::clone(&config.clock))?);
    }
    let running = Mutex::new(Some(Running { partitions, writer, projector }));
    let keeps = config.dir.is_some() || config.storage.is_some();
    let room_wanted = (u64::from(config.credits) * (FRAME_OVERHEAD + 512)).min(config.segment_bytes / 4);
    Ok(Engine(Arc::new(Inner {
        gate: CreditGate::new(config.credits),
        gauges,
        sku_names: Mutex::default(),
        census,
        rules,
        mailboxes,
        keys: Arc::new(keys),
        ids,
        departures,
        buffer,
        switchboard: Switchboard::new(faults, config.private),
        threads: Threads { history, failed, room, room_wanted, keeps, replayed, running },
        write_times,
        config,
    })))
}

/// The table of distances, for as long as the process lives: every decision of a SKU may look at it, and an engine is
/// opened rarely.
fn distances_of(config: &Config) -> &'static Distances {
    if config.distances == *Distances::NONE { Distances::NONE } else { Box::leak(Box::new(config.distances.clone())) }
}

fn open_disk(config: &Config) -> Result<Arc<dyn Disk>, EngineError> {
    if let Some((disk, _)) = &config.storage {
        return Ok(Arc::clone(disk));
    }
    let Some(dir) = &config.dir else { return Ok(Arc::new(MemoryDisk::new())) };
    let disk = RealDisk::open(dir).map_err(|error| open_error(dir, error.into()))?;
    Ok(Arc::new(disk))
}

fn open_blocks(config: &Config) -> Result<Arc<dyn Blocks>, EngineError> {
    if let Some((_, blocks)) = &config.storage {
        return Ok(Arc::clone(blocks));
    }
    let Some(dir) = &config.dir else { return Ok(Arc::new(MemoryBlocks::new())) };
    let derived = dir.join("derived");
    let options = SledOptions { cache_bytes: config.cache_bytes, ..SledOptions::default() };
    let blocks = SledBlocks::open(&derived, options).or_else(|error| {
        // What is derived can be made again: the journal is the truth.
        tracing::warn!(%error, "the derived store cannot be opened; it is rebuilt from the journal");
        SledBlocks::wipe(&derived).and_then(|()| SledBlocks::open(&derived, options))
    });
    let unusable =
        |error: stockade_storage::packed::StoreError| EngineError::Unusable { dir: dir.into(), why: error.to_string() };
    Ok(Arc::new(blocks.map_err(unusable)?))
}
