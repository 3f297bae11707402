//! The hosted actors of one kind: state by name, with what the partition must know about each.

use std::borrow::Borrow;
use std::hash::Hash;

use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use stockade_domain::Timestamp;
use stockade_domain::stock::{Alarms, Stock};

use crate::memory::Memory;

/// For how many bytes of a snapshot there is room at once: most orders need no more.
const SNAPSHOT_BYTES: usize = 384;
/// No record of the turn at hand.
const NO_RECORD: u32 = u32::MAX;

/// One hosted actor.
#[derive(Debug)]
pub struct Hosted<T> {
    /// Its private state.
    pub state: T,
    /// Sequence of its last record.
    pub last_seq: u64,
    /// Sequences of all its records, where they are kept (orders).
    pub history: SmallVec<[u64; 2]>,
    /// Its record in the turn at hand.
    record: u32,
    /// The checkpoint epoch in which it changed first since its last snapshot.
    pub dirty_since: Option<u64>,
    /// When it is on the agenda.
    pub scheduled: Option<Timestamp>,
    /// What the SKU's gauge says, or will when what it rests on is durable.
    pub shown_sold_out: bool,
    /// What held of the SKU when its last record ended.
    pub alarms: Alarms,
}

impl<T> Hosted<T> {
    /// An actor that has no record yet.
    pub fn new(state: T) -> Self {
        Self {
            state,
            last_seq: 0,
            history: SmallVec::new(),
            record: NO_RECORD,
            dirty_since: None,
            scheduled: None,
            shown_sold_out: false,
            alarms: Alarms::default(),
        }
    }

    /// It is being seen to: if that is what it was on the agenda for, it must be put there again. What came early leaves
    /// it there; else every early call would put it there once more, for ever.
    pub fn was_due(&mut self, now: Timestamp) {
        self.scheduled = self.scheduled.filter(|due| *due > now);
    }

    /// Its record in the turn at hand.
    pub fn record(&self) -> Option<u32> {
        (self.record != NO_RECORD).then_some(self.record)
    }

    /// Gives it a record in the turn at hand.
    pub fn set_record(&mut self, record: u32) {
        self.record = record;
    }

    /// The turn is appended, but nothing of this actor was in it.
    pub fn forget_record(&mut self) {
        self.record = NO_RECORD;
    }

    /// The turn is appended: its record has a sequence now.
    pub fn number(&mut self, seq: u64, keep_history: bool) {
        self.record = NO_RECORD;
        self.last_seq = seq;
        if keep_history {
            self.history.push(seq);
        }
    }
}

/// A snapshot of one actor as it is kept on the shelf.
#[derive(Debug, Encode, Decode)]
struct Snapshot<T> {
    #[n(0)]
    last_seq: u64,
    #[n(1)]
    history: Vec<u64>,
    #[n(2)]
    state: T,
}

#[derive(Encode)]
struct SnapshotRef<'a, T> {
    #[n(0)]
    last_seq: u64,
    #[n(1)]
    history: &'a [u64],
    #[n(2)]
    state: &'a T,
}

impl Hosted<Stock> {
    /// It is as it was when its last record ended.
    pub fn note_alarms(&mut self) {
        self.alarms = self.state.alarms();
    }
}

impl<T: Encode<()>> Hosted<T> {
    /// Its snapshot.
    pub fn snapshot(&self) -> Vec<u8> {
        let snapshot = SnapshotRef { last_seq: self.last_seq, history: &self.history, state: &self.state };
        let mut bytes = Vec::with_capacity(SNAPSHOT_BYTES);
        minicbor::encode(snapshot, Memory(&mut bytes))
            .unwrap_or_else(|_| unreachable!("writing to memory cannot fail"));
        bytes
    }
}

impl<T: for<'b> Decode<'b, ()>> Hosted<T> {
    /// The actor of a snapshot that has a state; an order's may be a [`RecordSnapshot`] instead.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let Snapshot { last_seq, history, state } = minicbor::decode(bytes)?;
        Ok(Self { last_seq, history: history.into(), ..Self::new(state) })
    }
}

/// The snapshot of an actor that is all in one record: the record's events in the place of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RecordSnapshot<'b> {
    /// Sequence of the record.
    #[n(0)]
    pub seq: u64,
    /// Time of the record. Other snapshots have a history and a state before this, and nothing here: their three fields tell
    /// them apart.
    #[n(3)]
    pub time: i64,
    /// Its events.
    #[b(4)]
    #[cbor(with = "minicbor::bytes")]
    pub events: &'b [u8],
}

impl<'b> RecordSnapshot<'b> {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.events.len() + 32);
        minicbor::encode(self, Memory(&mut bytes)).unwrap_or_else(|_| unreachable!("writing to memory cannot fail"));
        bytes
    }

    /// What a snapshot says, if it is of this form.
    pub fn of(bytes: &'b [u8]) -> Option<Self> {
        let fields = minicbor::Decoder::new(bytes).array();
        if matches!(fields, Ok(Some(5))) { minicbor::decode(bytes).ok() } else { None }
    }
}

/// All actors of one kind that are in memory.
#[derive(Debug)]
pub struct Table<K, T> {
    rows: FxHashMap<K, Box<Hosted<T>>>,
}

impl<K, T> Default for Table<K, T> {
    fn default() -> Self {
        Self { rows: FxHashMap::default() }
    }
}

impl<K: Eq + Hash + Clone, T> Table<K, T> {
    /// The actor with this name.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&Hosted<T>>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key).map(Box::as_ref)
    }

    /// The actor with this name, to be changed.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut Hosted<T>>
    where
        K: Borrow<Q>,
    {
        self.rows.get_mut(key).map(Box::as_mut)
    }

    /// Whether it is in memory.
    pub fn contains<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.rows.contains_key(key)
    }

    /// Hosts an actor.
    pub fn insert(&mut self, key: K, hosted: Hosted<T>) -> &mut Hosted<T> {
        match self.rows.entry(key) {
            std::collections::hash_map::Entry::Occupied(mut entry) => {
                **entry.get_mut() = hosted;
                entry.into_mut()
            }
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(Box::new(hosted)),
        }
    }

    /// Lets an actor go.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.rows.remove(key);
    }

    /// Every actor in memory, in no order that anything may depend on.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Hosted<T>)> {
        self.rows.iter().map(|(key, hosted)| (key, hosted.as_ref()))
    }

    /// Every actor in memory, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut Hosted<T>)> {
        self.rows.iter_mut().map(|(key, hosted)| (key, hosted.as_mut()))
    }

    /// Keeps the actors that the test wants to keep.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &Hosted<T>) -> bool) {
        self.rows.retain(|key, hosted| keep(key, hosted));
    }

    /// How many are in memory.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
