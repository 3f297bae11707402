//! What was derived, compared with what the records make: snapshots of actors, the books of the checkpoint, and the
//! query models in sled.
//!
//! A snapshot is as of its actor's last record before the checkpoint's cut. So an actor is compared just before its
//! first record after that, or at the end if there is none. The snapshot of an order at rest is its record, from which the
//! order is built as the engine builds it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use minicbor::Decode;
use rustc_hash::FxHashSet;
use stockade_actors::host::{order_of_snapshot, partition_of};
use stockade_domain::account::Account;
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::ledger::Ledger;
use stockade_domain::promotion::uses::UsesState;
use stockade_domain::stock::Stock;
use stockade_storage::packed::{
    Blocks, Damaged, Direction, Flaw, KeyRange, Manifest, Options, PackedError, PackedStore, SledBlocks, SledOptions,
    Space, StoreError,
};
use stockade_storage::projection::{MODELS_VERSION, Model};

use super::Auditor;
use super::counters::Count;
use super::models::ModelSums;
use super::report::{AuditError, Faults, Rule};
use super::stock::Sku;

/// What a checkpoint's record says, as far as an audit needs it.
#[derive(Debug, Clone, Decode)]
#[cfg_attr(test, derive(minicbor::Encode))]
pub(super) struct Checkpoint {
    /// For each partition the sequence up to which its snapshots go.
    #[n(0)]
    pub(super) cuts: Vec<u64>,
    /// For each partition its books.
    #[cbor(n(1))]
    pub(super) books: Vec<minicbor::bytes::ByteVec>,
    /// How far the query models go.
    #[n(2)]
    pub(super) projected: u64,
    /// The runs, with their hashes.
    #[cbor(n(3))]
    pub(super) manifest: minicbor::bytes::ByteVec,
    /// What the query models are.
    #[n(4)]
    pub(super) models: Option<u32>,
}

#[derive(Decode)]
struct Snapshot<T> {
    #[n(0)]
    last_seq: u64,
    #[n(2)]
    state: T,
}

/// Only the sequence of a snapshot.
#[derive(Decode)]
struct SnapshotSeq {
    #[n(0)]
    last_seq: u64,
}

/// The derived store at its last checkpoint, under comparison.
pub(super) struct Derived {
    store: Arc<PackedStore>,
    checkpoint: Checkpoint,
    /// Records up to here are in the snapshots of every partition.
    cut_min: u64,
    /// Actors that were compared before they changed again.
    compared: FxHashSet<Vec<u8>>,
    pub(super) snapshots: u64,
    pub(super) models: ModelSums,
}

impl Derived {
    /// Opens the derived store at the newest checkpoint that verifies, as the engine does. Nothing, when there is none:
    /// then the engine builds everything anew from the journal. Blocks that are there and wrong are faults.
    ///
    /// # Errors
    ///
    /// [`AuditError::InUse`] when somebody still has the store open.
    pub(super) fn open(
        dir: &Path,
        checkpoints: &[(u64, Vec<u8>)],
        faults: &mut Faults,
    ) -> Result<Option<Self>, AuditError> {
        let dir = dir.join("derived");
        let (Some((last, _)), true) = (checkpoints.last(), dir.is_dir()) else { return Ok(None) };
        match SledBlocks::open(&dir, SledOptions::default()) {
            Ok(blocks) => {
                let blocks: Arc<dyn Blocks> = Arc::new(blocks);
                Ok(Self::over(&blocks, checkpoints, faults))
            }
            Err(StoreError::InUse { path }) => Err(AuditError::InUse { dir: path.display().to_string() }),
            Err(error) => {
                faults.add(*last, "derived", Rule::DerivedDamaged, error.to_string());
                Ok(None)
            }
        }
    }

    /// The same over blocks that are open already.
    pub(super) fn over(blocks: &Arc<dyn Blocks>, checkpoints: &[(u64, Vec<u8>)], faults: &mut Faults) -> Option<Self> {
        for (seq, events) in checkpoints.iter().rev() {
            let Ok(checkpoint) = minicbor::decode::<Checkpoint>(events) else {
                faults.add(*seq, "derived", Rule::DerivedDamaged, "the checkpoint's record cannot be read");
                continue;
            };
            if checkpoint.models != Some(MODELS_VERSION) {
                // The engine makes it anew from the journal.
                continue;
            }
            let manifest = match Manifest::decode(&checkpoint.manifest) {
                Ok(manifest) => manifest,
                Err(error) => {
                    faults.add(*seq, "derived", Rule::DerivedDamaged, error.to_string());
                    continue;
                }
            };
            match PackedStore::open_with(Arc::clone(blocks), Options::default(), Some(&manifest), None) {
                Ok(store) => return Some(Self::new(store, checkpoint)),
                // After a fallback the engine removes what it could not prove; its next checkpoint replaces it.
                Err(PackedError::Damaged(Damaged { flaw: Flaw::Lost, .. })) => {}
                Err(error) => faults.add(*seq, "derived", Rule::DerivedDamaged, error.to_string()),
            }
        }
        None
    }

    fn new(store: PackedStore, checkpoint: Checkpoint) -> Self {
        let cut_min = checkpoint.cuts.iter().min().copied().unwrap_or(0);
        let store = Arc::new(store);
        Self { store, checkpoint, cut_min, compared: FxHashSet::default(), snapshots: 0, models: ModelSums::default() }
    }

    /// Whether the query models know this record.
    pub(super) const fn projects(&self, seq: u64) -> bool {
        seq <= self.checkpoint.projected
    }

    /// Whether the books of the checkpoint know this record.
    pub(super) fn is_before_cut(&self, seq: u64, key: &EntityKey) -> bool {
        let cuts = &self.checkpoint.cuts;
        cuts.get(partition_of(key, cuts.len().max(1))).is_some_and(|cut| seq <= *cut)
    }

    /// An actor is about to change: if its snapshot is as of now, it is compared.
    pub(super) fn before_change(&mut self, auditor: &mut Auditor, seq: u64, key: &EntityKey) {
        if seq <= self.cut_min || *key == EntityKey::Ledger {
            return;
        }
        let row = row_key(key);
        if self.compared.contains(&row) {
            return;
        }
        match self.store.get(Space(Model::Snapshots as u8), &row) {
            Ok(Some(bytes)) => {
                let known = minicbor::decode::<SnapshotSeq>(&bytes).map_or(0, |snapshot| snapshot.last_seq);
                if known >= seq {
                    // Its partition was cut later: its time comes.
                    return;
                }
                self.compare(auditor, key, &bytes);
            }
            Ok(None) => {
                let last = auditor.last_seq_of(key);
                if last > 0 && last <= self.cut_min {
                    auditor.faults.add(seq, key, Rule::SnapshotDiffers, "the checkpoint has no snapshot of it");
                }
            }
            Err(error) => auditor.faults.add(seq, key, Rule::DerivedDamaged, error.to_string()),
        }
        self.compared.insert(row);
    }

    fn compare(&mut self, auditor: &mut Auditor, key: &EntityKey, bytes: &[u8]) {
        self.snapshots += 1;
        let last = auditor.last_seq_of(key);
        let found = match key {
            EntityKey::Sku(sku) => compare(bytes, last, |state| sku_differs(auditor.skus.get(sku)?, state)),
            EntityKey::Order(id) => match order_of_snapshot(*id, bytes) {
                Ok(hosted) => as_of(hosted.last_seq, last)
                    .or_else(|| auditor.orders.get(id).and_then(|order| order.differs(&hosted.state))),
                Err(error) => Some(unreadable(&error)),
            },
            EntityKey::Payment(id) => compare(bytes, last, |state| auditor.payments.get(id)?.differs(state)),
            EntityKey::Account(customer) => {
                compare(bytes, last, |state: &Account| auditor.wallets.get(customer)?.differs(state))
            }
            EntityKey::Uses(subject) => {
                compare(bytes, last, |state: &UsesState| auditor.uses.get(subject)?.differs(state))
            }
            EntityKey::Ledger => None,
        };
        if let Some(difference) = found {
            auditor.faults.add(last, key, Rule::SnapshotDiffers, difference);
        }
    }

    /// The records are all in: compares what did not change after the checkpoint, the books, and the query models.
    pub(super) fn finish(mut self, auditor: &mut Auditor) {
        let mut rows = 0;
        let store = Arc::clone(&self.store);
        let mut visit = |row: &[u8], bytes: &[u8]| {
            if let Some(key) = key_of(row).filter(|_| !self.compared.contains(row)) {
                rows += u64::from(auditor.last_seq_of(&key) <= self.cut_min);
                self.compare(auditor, &key, bytes);
            }
            ControlFlow::Continue(())
        };
        let range = KeyRange::all();
        let scanned = store.scan(Space(Model::Snapshots as u8), &range, Direction::Ascending, &mut visit);
        let scanned = scanned.and_then(|()| {
            self.find_missing(auditor, &store, rows)?;
            self.models.compare(&store, self.checkpoint.projected, &mut auditor.faults)
        });
        if let Err(error) = scanned {
            auditor.faults.add(self.cut_min, "derived", Rule::DerivedDamaged, error.to_string());
        }
        let shares: Result<Vec<Ledger>, _> =
            self.checkpoint.books.iter().map(|books| minicbor::decode(books)).collect();
        let difference = match shares {
            Ok(shares) => auditor.books.differs_at_cut(&shares),
            Err(error) => Some(error.to_string()),
        };
        if let Some(difference) = difference {
            auditor.faults.add(self.cut_min, "ledger", Rule::SnapshotDiffers, difference);
        }
        auditor.report.snapshots = self.snapshots;
        auditor.report.model_entries = self.models.entries();
    }

    /// Every actor that was there at the cut has a snapshot.
    fn find_missing(&self, auditor: &mut Auditor, store: &PackedStore, rows: u64) -> Result<(), PackedError> {
        let old = |last: u64| last > 0 && last <= self.cut_min;
        let skus = auditor.skus.iter().filter(|(_, sku)| old(sku.last_seq)).map(|(id, _)| EntityKey::Sku(id.clone()));
        let orders =
            auditor.orders.iter().filter(|(_, order)| old(order.last_seq)).map(|(id, _)| EntityKey::Order(*id));
        let payments =
            auditor.payments.iter().filter(|(_, payment)| old(payment.last_seq)).map(|(id, _)| EntityKey::Payment(*id));
        let wallets = auditor
            .wallets
            .iter()
            .filter(|(_, wallet)| old(wallet.last_seq))
            .map(|(id, _)| EntityKey::Account(id.clone()));
        let uses =
            auditor.uses.iter().filter(|(_, uses)| old(uses.last_seq)).map(|(id, _)| EntityKey::Uses(id.clone()));
        let money = payments.chain(wallets).chain(uses);
        let wanted = || skus.clone().chain(orders.clone()).chain(money.clone());
        if wanted().count() as u64 == rows {
            return Ok(());
        }
        let mut missing = Vec::new();
        for key in wanted() {
            if store.get(Space(Model::Snapshots as u8), &row_key(&key))?.is_none() {
                missing.push(key);
            }
        }
        missing.sort();
        for key in missing {
            auditor.faults.add(self.cut_min, key, Rule::SnapshotDiffers, "the checkpoint has no snapshot of it");
        }
        Ok(())
    }
}

/// Compares a snapshot with the fold: it must be as of the actor's last record, and the same.
fn compare<T: for<'b> Decode<'b, ()>>(
    bytes: &[u8],
    last: u64,
    differs: impl FnOnce(&T) -> Option<String>,
) -> Option<String> {
    let snapshot: Snapshot<T> = match minicbor::decode(bytes) {
        Ok(snapshot) => snapshot,
        Err(error) => return Some(unreadable(&error)),
    };
    as_of(snapshot.last_seq, last).or_else(|| differs(&snapshot.state))
}

fn as_of(seq: u64, last: u64) -> Option<String> {
    (seq != last).then(|| format!("the snapshot is as of record {seq}, the last record is {last}"))
}

fn unreadable(error: &minicbor::decode::Error) -> String {
    format!("the snapshot cannot be read: {error}")
}

fn sku_differs(sku: &Sku, state: &Stock) -> Option<String> {
    if state.definition != sku.definition {
        return Some("its definition differs".into());
    }
    let known = [state.incoming, state.in_transit, state.lost].map(|units| units as i64);
    let wanted = [sku.incoming, sku.in_transit, sku.lost];
    if known != wanted {
        return Some(format!("incoming, in transit and lost are {known:?}, not {wanted:?}"));
    }
    let bins = state.bins.iter().map(|bin| {
        let c = &bin.counters;
        let counts = [c.free, c.held, c.allocated, c.damaged, c.quality_control, c.expired, c.received, c.returned];
        let flows = [c.adjusted_in, c.transferred_in, c.shipped, c.written_off, c.adjusted_out, c.transferred_out];
        let counters: Vec<i64> = counts.iter().chain(&flows).map(|units| *units as i64).collect();
        (bin.location.clone(), bin.lot.clone(), counters)
    });
    let own = sku.bins.iter().map(|bin| {
        let counters: Vec<i64> = Count::ALL_BUT_ON_HAND.iter().map(|count| bin.counts.get(*count)).collect();
        (bin.location.clone(), bin.lot.clone(), counters)
    });
    if !bins.eq(own) {
        return Some("its bins differ".into());
    }
    let waits = |order| state.backorders.iter().filter(|b| b.order == order).map(|b| b.quantity as i64).sum::<i64>();
    let same = state.commitments.len() == sku.commitments.len()
        && state.commitments.iter().all(|(order, known)| {
            sku.commitments.get(order).is_some_and(|own| {
                let (held, allocated) = known.units();
                (held as i64, allocated as i64) == (own.held(), own.allocated())
                    && known.tentative == own.tentative
                    && waits(*order) == own.waiting
            })
        });
    (!same).then(|| "what orders have of it differs".into())
}

/// The key of an actor's snapshot: its kind, then its key.
fn row_key(key: &EntityKey) -> Vec<u8> {
    key.with_bytes(|bytes| std::iter::once(key.kind() as u8).chain(bytes.iter().copied()).collect())
}

fn key_of(row: &[u8]) -> Option<EntityKey> {
    let (kind, key) = row.split_first()?;
    EntityKey::from_parts(EntityKind::from_byte(*kind)?, key)
}
