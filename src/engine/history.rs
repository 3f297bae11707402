//! What the engine reads of the past: snapshots, lists, and single records.

use std::ops::Bound;
use std::sync::Arc;
use std::thread::Thread;

use parking_lot::{Mutex, RwLock};
use stockade_actors::release::Departures;
use stockade_actors::shelf::{Shelf, ShelfError};
use stockade_domain::Refusal;
use stockade_domain::entity::EntityKind;
use stockade_storage::journal::JournalReader;
use stockade_storage::packed::{Direction, KeyRange, PackedStore, Space};
use stockade_storage::projection::{Batch, Entry, Model, decode_entries, row_key};
use stockade_sync::{GroupBuffer, ReplyReceiver, ReplySender, Watermark, once_reply};

/// The past could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HistoryError(pub String);

impl HistoryError {
    pub(crate) fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// The namespace of a model in the derived store.
pub(crate) const fn space(model: Model) -> Space {
    Space(model as u8)
}

/// The key of an actor in the snapshots.
pub(crate) fn actor_key(kind: u8, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + key.len());
    bytes.push(kind);
    bytes.extend_from_slice(key);
    bytes
}

/// The past, shared by the partitions, the projector and the queries.
pub(crate) struct History {
    pub(crate) store: PackedStore,
    pub(crate) reader: JournalReader,
    /// What the projector has folded and not yet written.
    pub(crate) batch: RwLock<Batch>,
    /// How far the projector is.
    pub(crate) projected: Watermark<()>,
    pub(crate) departures: Arc<Departures>,
    pub(crate) buffer: Arc<GroupBuffer>,
    projector: Mutex<Option<Thread>>,
    /// Who waits until nothing is left to do; none once the projector has ended.
    waiting: Mutex<Option<Vec<ReplySender<()>>>>,
}

impl History {
    pub(crate) fn new(
        store: PackedStore,
        reader: JournalReader,
        projected: u64,
        departures: Arc<Departures>,
        buffer: Arc<GroupBuffer>,
    ) -> Self {
        Self {
            store,
            reader,
            batch: RwLock::new(Batch::default()),
            projected: Watermark::new(projected),
            departures,
            buffer,
            projector: Mutex::new(None),
            waiting: Mutex::new(Some(Vec::new())),
        }
    }

    pub(crate) fn set_projector(&self, thread: Thread) {
        *self.projector.lock() = Some(thread);
    }

    /// Asks the projector to look for work now.
    pub(crate) fn nudge(&self) {
        if let Some(thread) = &*self.projector.lock() {
            thread.unpark();
        }
    }

    /// Is answered when nothing is left to do behind the scenes, or with an error when nobody does it any more.
    pub(crate) fn settled(&self) -> ReplyReceiver<()> {
        let (sender, receiver) = once_reply();
        if let Some(waiting) = &mut *self.waiting.lock() {
            waiting.push(sender);
        }
        self.nudge();
        receiver
    }

    /// Those who have asked by now whether everything is done.
    pub(crate) fn take_waiting(&self) -> Vec<ReplySender<()>> {
        self.waiting.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Nothing is done behind the scenes any more.
    pub(crate) fn end(&self) {
        *self.waiting.lock() = None;
    }

    /// How many durable records the query models do not know yet.
    pub(crate) fn lag(&self) -> u64 {
        self.departures.durable().saturating_sub(self.projected.durable())
    }

    /// Waits until the query models know everything up to `seq`.
    pub(crate) async fn caught_up(&self, seq: u64) -> Result<(), Refusal> {
        if self.projected.durable() < seq {
            self.nudge();
        }
        self.projected.reached(seq).await.map_err(|_| Refusal::StorageUnavailable)
    }

    /// The entries of a key that are older than a sequence, newest first.
    pub(crate) fn newest_before(
        &self,
        model: Model,
        key: &[u8],
        before: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, HistoryError> {
        // Held until the store is read, so that no batch moves from here to there in between.
        let batch = self.batch.read();
        let mut entries: Vec<Entry> =
            batch.newest_first(model, key).filter(|entry| entry.seq < before).take(limit).collect();
        let (from, to) = (row_key(key, 0), row_key(key, before));
        let range = KeyRange::between(Bound::Included(&from), Bound::Excluded(&to));
        let mut wrong = None;
        let mut visit = |_: &[u8], value: &[u8]| {
            match decode_entries(model, value) {
                Ok(found) => entries.extend(found.into_iter().rev().filter(|entry| entry.seq < before)),
                Err(error) => wrong = Some(HistoryError::of(error)),
            }
            if entries.len() < limit && wrong.is_none() {
                std::ops::ControlFlow::Continue(())
            } else {
                std::ops::ControlFlow::Break(())
            }
        };
        self.store.scan(space(model), &range, Direction::Descending, &mut visit).map_err(HistoryError::of)?;
        if let Some(error) = wrong {
            return Err(error);
        }
        entries.truncate(limit);
        Ok(entries)
    }

    /// One record.
    pub(crate) fn record(&self, seq: u64) -> Result<Vec<u8>, HistoryError> {
        let record = self.reader.record(seq).map_err(HistoryError::of)?;
        record.ok_or_else(|| HistoryError(format!("record {seq} is not in the journal")))
    }
}

impl Shelf for History {
    fn snapshot(&self, kind: EntityKind, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        let found = self.store.get(space(Model::Snapshots), &actor_key(kind as u8, key));
        found.map_err(|error| ShelfError { what: kind.name().into(), why: error.to_string() })
    }

    fn knows_order(&self, id: [u8; 16]) -> Result<bool, ShelfError> {
        let found = self.reader.lookup_order(id, 0);
        found
            .map(|found| !found.is_empty())
            .map_err(|error| ShelfError { what: "order".into(), why: error.to_string() })
    }

    fn records_from(&self, seq: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), ShelfError> {
        let read = self.reader.read_all(seq, self.departures.durable(), visit);
        read.map(drop).map_err(|error| ShelfError { what: "journal".into(), why: error.to_string() })
    }

    fn settle(&self) -> Result<(), ShelfError> {
        let waited = self.departures.wait(self.buffer.last_appended());
        waited.map_err(|error| ShelfError { what: "journal".into(), why: error.to_string() })
    }
}
