//! Snapshots of everything that changed, as of one cut, taken while the partition goes on working.
//!
//! At the cut every changed actor is listed (orders at rest in a list of their own: what is written of them exists). A few
//! are written after each turn; one that is about to change again before its turn has come is written first. So all
//! snapshots are exactly as of the cut, and nobody waits.

use std::sync::Arc;

use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::{OrderId, Timestamp};

use super::Host;
use super::resting::{AtRest, ToWrite};
use super::tentative::has_tentative;
use crate::copy_on_write::CopyOnWrite;
use crate::table::Hosted;

/// How many actors are written after each turn.
const SNAPSHOTS_PER_TURN: usize = 256;
/// How many rows go to the sink at once: each part is a run of the derived store, and many runs make reads slow.
const ROWS_PER_PART: usize = 32_768;

/// One actor's snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    /// Its kind.
    pub kind: EntityKind,
    /// Its key.
    pub key: Vec<u8>,
    /// Its state.
    pub state: Vec<u8>,
    /// When it is due.
    pub due: Option<Timestamp>,
}

/// A part of a partition's checkpoint.
#[derive(Debug)]
pub struct CheckpointPart {
    /// Whose.
    pub partition: usize,
    /// As of which sequence.
    pub cut: u64,
    /// The snapshots.
    pub rows: Vec<SnapshotRow>,
    /// Orders at rest.
    pub at_rest: Vec<(OrderId, AtRest)>,
    /// With the last part: the books.
    pub books: Option<Vec<u8>>,
}

impl CheckpointPart {
    /// Whether it has no snapshot.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.at_rest.is_empty()
    }

    /// The snapshots of the orders at rest.
    pub fn rows_at_rest(&self) -> impl Iterator<Item = SnapshotRow> + '_ {
        self.at_rest.iter().map(|(id, order)| order.row(*id))
    }
}

/// Takes the parts, in order.
pub type CheckpointSink = Arc<dyn Fn(CheckpointPart) + Send + Sync>;

/// The checkpoint that is running, and what the next one will hold.
pub(super) struct Checkpoint {
    /// Changes are counted to the epoch in which they happen; a cut begins a new one.
    epoch: u64,
    /// Who changed in this epoch.
    dirty: Vec<EntityKey>,
    /// The cut of the last one that became durable.
    last_cut: u64,
    running: Option<Running>,
}

struct Running {
    cut: u64,
    todo: Vec<EntityKey>,
    resting: ToWrite,
    rows: Vec<SnapshotRow>,
    books: Vec<u8>,
    sink: CheckpointSink,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { epoch: 1, dirty: Vec::new(), last_cut: 0, running: None }
    }
}

impl Checkpoint {
    /// The actor changes in this epoch.
    pub(super) fn mark_dirty(&mut self, since: &mut Option<u64>, key: impl FnOnce() -> EntityKey) {
        if *since != Some(self.epoch) {
            *since = Some(self.epoch);
            self.dirty.push(key());
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }
}

impl Host {
    /// Cuts: everything decided so far belongs to this checkpoint. One that is still running goes on alone.
    pub(super) fn start_checkpoint(&mut self, sink: CheckpointSink) {
        if self.checkpoint.is_running() {
            return;
        }
        // The turn at hand is part of the cut, so it is appended first.
        self.commit();
        let books = minicbor::to_vec(&self.ledger).expect("writing to memory cannot fail");
        let todo = std::mem::take(&mut self.checkpoint.dirty);
        self.checkpoint.epoch += 1;
        let cut = self.shared.buffer.last_appended();
        self.checkpoint.running =
            Some(Running { cut, todo, resting: self.resting.cut(), rows: Vec::new(), books, sink });
    }

    /// Writes the snapshot of an actor that is about to change while its checkpoint is running.
    pub(super) fn snapshot_before_change<T: minicbor::Encode<()> + Due>(
        &mut self,
        find: impl FnOnce(&mut Self) -> Option<&mut Hosted<T>>,
        kind: EntityKind,
        key: &[u8],
    ) {
        if !self.checkpoint.is_running() {
            return;
        }
        let epoch = self.checkpoint.epoch;
        let Some(hosted) = find(self) else { return };
        if hosted.dirty_since.is_some_and(|since| since < epoch) {
            let row = row(hosted, kind, key);
            self.checkpoint.running.as_mut().expect("it is running").rows.push(row);
        }
    }

    /// Writes a few more snapshots; with the last, the books.
    pub(super) fn checkpoint_step(&mut self) {
        let Some(mut running) = self.checkpoint.running.take() else { return };
        let mut last = false;
        for _ in 0..SNAPSHOTS_PER_TURN {
            let Some(key) = running.todo.pop() else { break };
            let kind = key.kind();
            let epoch = self.checkpoint.epoch;
            running.rows.extend(key.with_bytes(|bytes| match &key {
                EntityKey::Sku(sku) => take(self.skus.get_mut(sku), epoch, kind, bytes),
                EntityKey::Order(order) => take(self.orders.get_mut(order), epoch, kind, bytes),
                EntityKey::Payment(payment) => take(self.payments.get_mut(payment), epoch, kind, bytes),
                EntityKey::Account(customer) => take(self.accounts.get_mut(customer), epoch, kind, bytes),
                EntityKey::Uses(subject) => take(self.uses.get_mut(subject), epoch, kind, bytes),
                EntityKey::Ledger => None,
            }));
        }
        if running.todo.is_empty() || running.rows.len() >= ROWS_PER_PART {
            let rows = std::mem::take(&mut running.rows);
            let at_rest = running.resting.take(ROWS_PER_PART - rows.len().min(ROWS_PER_PART));
            last = running.todo.is_empty() && running.resting.is_empty();
            let books = last.then(|| std::mem::take(&mut running.books));
            (running.sink)(CheckpointPart { partition: self.index, cut: running.cut, rows, at_rest, books });
        }
        if !last {
            self.checkpoint.running = Some(running);
        }
    }

    /// The actor was built anew: it goes into the next checkpoint.
    pub(super) fn force_dirty(&mut self, key: &EntityKey) {
        let since = match key {
            EntityKey::Sku(sku) => self.skus.get_mut(sku).map(|hosted| &mut hosted.dirty_since),
            EntityKey::Order(order) => self.orders.get_mut(order).map(|hosted| &mut hosted.dirty_since),
            EntityKey::Payment(payment) => self.payments.get_mut(payment).map(|hosted| &mut hosted.dirty_since),
            EntityKey::Account(customer) => self.accounts.get_mut(customer).map(|hosted| &mut hosted.dirty_since),
            EntityKey::Uses(subject) => self.uses.get_mut(subject).map(|hosted| &mut hosted.dirty_since),
            EntityKey::Ledger => None,
        };
        if let Some(since) = since {
            self.checkpoint.mark_dirty(since, || key.clone());
        }
    }

    /// Lets idle actors go whose snapshots are durable, if there are many; says how many went. Those that changed since
    /// the checkpoint before are asked for often, so they go only if the others were not enough.
    pub(super) fn passivate(&mut self, cut: u64) -> u64 {
        let before = self.in_memory();
        for idle_since in [std::mem::replace(&mut self.checkpoint.last_cut, cut), cut] {
            self.let_go(cut, idle_since);
        }
        (before - self.in_memory()) as u64
    }

    fn in_memory(&self) -> usize {
        self.orders.len()
            + self.resting.len()
            + self.payments.len()
            + self.skus.len()
            + self.accounts.len()
            + self.uses.len()
    }

    /// Lets go what is shelved and did not change after `idle_since`, of each kind of which there are too many.
    fn let_go(&mut self, cut: u64, idle_since: u64) {
        let most = self.shared.orders_in_memory_max;
        if self.orders.len() + self.resting.len() > most {
            self.resting.let_go(idle_since.min(cut));
            let awaited = &self.awaited;
            self.orders.retain(|id, hosted| {
                // What is in the table is looked at first: most orders stay, and for them nothing else needs to be fetched.
                hosted.last_seq > idle_since
                    || !is_shelved(hosted, cut)
                    || !hosted.state.owed.is_empty()
                    || awaited.contains_key(id)
            });
            self.payments.retain(|_, hosted| {
                !is_shelved(hosted, cut) || hosted.last_seq > idle_since || hosted.state.due().is_some()
            });
        }
        if self.skus.len() > most {
            let cold = &mut self.cold_skus;
            self.skus.retain(|sku, hosted| {
                let busy = !hosted.state.commitments.is_empty() || !hosted.state.untold().is_empty();
                let stays = busy || !is_shelved(hosted, cut) || hosted.last_seq > idle_since;
                if !stays {
                    cold.insert(sku.clone());
                }
                stays
            });
        }
        if self.accounts.len() > most {
            let cold = &mut self.cold_accounts;
            self.accounts.retain(|customer, hosted| {
                let busy = !hosted.state.holds.is_empty();
                let stays = busy || !is_shelved(hosted, cut) || hosted.last_seq > idle_since;
                if !stays {
                    cold.insert(customer.clone());
                }
                stays
            });
        }
        if self.uses.len() > most {
            self.let_coupons_go(cut, idle_since);
        }
    }

    /// Coupons go, promotions stay: they are few, and price every order.
    fn let_coupons_go(&mut self, cut: u64, idle_since: u64) {
        let cold = &mut self.cold_uses;
        self.uses.retain(|subject, hosted| {
            let is_asked = !hosted.state.held.is_empty() || hosted.state.returned().next().is_some();
            let busy = is_asked || hosted.state.promotion.is_some();
            let stays = busy || !is_shelved(hosted, cut) || hosted.last_seq > idle_since;
            if !stays {
                cold.insert(subject.clone());
            }
            stays
        });
    }

    /// Asserts the invariants of every actor in memory and of the books.
    pub(super) fn check_all(&self) -> u64 {
        self.skus.iter().for_each(|(_, hosted)| hosted.state.check());
        self.orders.iter().for_each(|(_, hosted)| hosted.state.check());
        self.resting.iter().for_each(|(_, hosted)| hosted.state.check());
        self.accounts.iter().for_each(|(_, hosted)| hosted.state.check());
        self.uses.iter().for_each(|(subject, hosted)| assert!(hosted.state.adds_up(), "the uses of {subject:?}"));
        self.ledger.check();
        (self.skus.len() + self.orders.len() + self.resting.len() + self.accounts.len() + self.uses.len()) as u64
    }
}

fn is_shelved<T>(hosted: &Hosted<T>, cut: u64) -> bool {
    hosted.dirty_since.is_none() && hosted.last_seq <= cut && hosted.record().is_none()
}

/// An actor that may be due.
pub(super) trait Due {
    fn due(&self) -> Option<Timestamp>;
}

impl Due for stockade_domain::stock::Stock {
    fn due(&self) -> Option<Timestamp> {
        // A lease has no time of its own: it is looked at as soon as the engine runs again.
        if has_tentative(self) || !self.untold().is_empty() { Some(Timestamp(0)) } else { self.next_due() }
    }
}

impl Due for CopyOnWrite<stockade_domain::order::Order> {
    fn due(&self) -> Option<Timestamp> {
        if self.owed.is_empty() { self.next_due() } else { Some(Timestamp(0)) }
    }
}

impl Due for stockade_domain::payment::Payment {
    fn due(&self) -> Option<Timestamp> {
        // What was given up has no time of its own: it is listed until an operator has seen to it.
        let listed = self.is_given_up() || self.open.is_some();
        if listed { Some(Timestamp(0)) } else { self.next_due() }
    }
}

impl Due for stockade_domain::account::Account {
    fn due(&self) -> Option<Timestamp> {
        (!self.holds.is_empty()).then_some(Timestamp(0))
    }
}

impl Due for stockade_domain::promotion::uses::UsesState {
    fn due(&self) -> Option<Timestamp> {
        // Whose order is of another partition is asked about after a restart.
        (!self.held.is_empty() || self.returned().next().is_some()).then_some(Timestamp(0))
    }
}

fn row<T: minicbor::Encode<()> + Due>(hosted: &mut Hosted<T>, kind: EntityKind, key: &[u8]) -> SnapshotRow {
    hosted.dirty_since = None;
    SnapshotRow { kind, key: key.to_vec(), state: hosted.snapshot(), due: hosted.state.due() }
}

/// The snapshot of a listed actor, unless it was written before it changed again.
fn take<T: minicbor::Encode<()> + Due>(
    hosted: Option<&mut Hosted<T>>,
    epoch: u64,
    kind: EntityKind,
    key: &[u8],
) -> Option<SnapshotRow> {
    let hosted = hosted?;
    (hosted.dirty_since? < epoch).then(|| row(hosted, kind, key))
}
