//! Orders at rest: paid for in the turn that placed them, and nothing is to happen until somebody ships or cancels them.
//!
//! That is most orders of a busy shop, and they wait for hours. As states they would fill memory with what nobody looks at,
//! and be fetched from it twice: for their snapshot and to be let go. But all there is to know of such an order is in its one
//! record. So each is kept as that record's events, and these are its snapshot; whoever loads it builds it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use stockade_domain::entity::{EntityKey, EntityKind, Event};
use stockade_domain::order::{Order, OrderEvent};
use stockade_domain::{OrderId, Timestamp};

use super::Host;
use super::checkpoint::SnapshotRow;
use crate::copy_on_write::CopyOnWrite;
use crate::table::{Hosted, RecordSnapshot};

/// An order at rest.
#[derive(Debug, Clone)]
pub struct AtRest {
    /// Sequence of its record.
    seq: u64,
    /// Of the turn that placed it.
    time: Timestamp,
    /// The events of its record.
    events: Arc<[u8]>,
}

impl AtRest {
    fn build(&self, id: OrderId) -> Hosted<CopyOnWrite<Order>> {
        build(id, self.seq, self.time, &self.events).unwrap_or_else(|error| panic!("order {id}: {error}"))
    }

    /// Its row in a checkpoint.
    pub(super) fn row(&self, id: OrderId) -> SnapshotRow {
        let snapshot = RecordSnapshot { seq: self.seq, time: self.time.0, events: &self.events };
        SnapshotRow { kind: EntityKind::Order, key: id.to_bytes().to_vec(), state: snapshot.encode(), due: None }
    }
}

/// The orders at rest that are in memory.
#[derive(Default)]
pub(super) struct Resting {
    /// Ids begin with a time: new ones come at the end, where the tree is in the cache.
    orders: BTreeMap<OrderId, AtRest>,
    /// The highest id that ever came to rest; whatever is above it need not be looked for.
    highest: Option<OrderId>,
    /// Those that no checkpoint has yet, in the order in which they came to rest.
    new: Vec<(OrderId, AtRest)>,
    /// Of these, those that woke again.
    woken: FxHashSet<OrderId>,
}

impl Resting {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.orders.len()
    }

    fn get(&self, id: OrderId) -> Option<&AtRest> {
        if Some(id) > self.highest { None } else { self.orders.get(&id) }
    }

    /// Whether an order with this id is at rest here.
    pub(super) fn contains(&self, id: OrderId) -> bool {
        self.get(id).is_some()
    }

    /// Every one of them, as it was before it came to rest.
    pub(super) fn iter(&self) -> impl Iterator<Item = (OrderId, Hosted<CopyOnWrite<Order>>)> {
        self.orders.iter().map(|(id, order)| (*id, order.build(*id)))
    }

    /// One of them, for somebody who only looks.
    pub(super) fn look_at(&self, id: OrderId) -> Option<Hosted<CopyOnWrite<Order>>> {
        self.get(id).map(|order| order.build(id))
    }

    fn insert(&mut self, id: OrderId, order: AtRest) {
        self.new.push((id, order.clone()));
        self.orders.insert(id, order);
        self.highest = self.highest.max(Some(id));
    }

    /// Those that the checkpoint which begins now has to write.
    pub(super) fn cut(&mut self) -> ToWrite {
        ToWrite { new: std::mem::take(&mut self.new).into_iter(), woken: std::mem::take(&mut self.woken) }
    }

    /// Lets those go whose records are not after this one; a durable checkpoint has them.
    pub(super) fn let_go(&mut self, through: u64) {
        self.orders.retain(|_, order| order.seq > through);
    }

    /// Forgets an order that somebody wants to change. Says how it was, and whether no checkpoint has it yet.
    fn wake(&mut self, id: OrderId) -> Option<(Hosted<CopyOnWrite<Order>>, bool)> {
        let order = self.get(id)?;
        let hosted = order.build(id);
        let is_new = self.new.first().is_some_and(|(_, first)| order.seq >= first.seq);
        self.orders.remove(&id);
        if is_new {
            self.woken.insert(id);
        }
        Some((hosted, is_new))
    }
}

/// Orders at rest that a checkpoint has to write.
pub(super) struct ToWrite {
    new: std::vec::IntoIter<(OrderId, AtRest)>,
    /// Those that woke before the cut: they are written as they were then.
    woken: FxHashSet<OrderId>,
}

impl ToWrite {
    /// Whether all are handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.new.len() == 0
    }

    /// The next of them, at most so many.
    pub(super) fn take(&mut self, most: usize) -> Vec<(OrderId, AtRest)> {
        let woken = &self.woken;
        self.new.by_ref().take(most).filter(|(id, _)| !woken.contains(id)).collect()
    }
}

impl Host {
    /// The turn's records have their sequences: orders that it has placed may rest; the others are written with the next
    /// checkpoint as they are then.
    pub(super) fn let_rest(&mut self) {
        for (id, record) in self.placed.drain(..) {
            // A command that was cut has placed nothing; a later one of the turn may have, under the same id.
            let events = self.turn.events(record);
            let Some(hosted) = self.orders.get_mut(&id).filter(|_| !events.is_empty()) else { continue };
            if hosted.dirty_since.is_some() || !may_rest(hosted) {
                self.checkpoint.mark_dirty(&mut hosted.dirty_since, || EntityKey::Order(id));
                continue;
            }
            self.resting.insert(id, AtRest { seq: hosted.last_seq, time: self.now, events: events.into() });
            self.orders.remove(&id);
        }
    }

    /// An order was read from the journal: it rests if it did before. Says whether it does.
    pub(super) fn let_rest_again(&mut self, id: OrderId, time: Timestamp, events: &[u8]) -> bool {
        let Some(hosted) = self.orders.get(&id).filter(|hosted| may_rest(hosted)) else { return false };
        self.resting.insert(id, AtRest { seq: hosted.last_seq, time, events: events.into() });
        self.orders.remove(&id);
        true
    }

    /// Builds an order again that was at rest.
    pub(super) fn wake(&mut self, order: OrderId) -> Option<Hosted<CopyOnWrite<Order>>> {
        let (mut hosted, is_new) = self.resting.wake(order)?;
        if is_new {
            self.checkpoint.mark_dirty(&mut hosted.dirty_since, || EntityKey::Order(order));
        }
        Some(hosted)
    }
}

/// An order from its snapshot: a state, or its only record.
///
/// # Errors
///
/// When it is neither.
pub fn order_of_snapshot(id: OrderId, bytes: &[u8]) -> Result<Hosted<CopyOnWrite<Order>>, minicbor::decode::Error> {
    match RecordSnapshot::of(bytes) {
        Some(record) => build(id, record.seq, Timestamp(record.time), record.events),
        None => Hosted::from_snapshot(bytes),
    }
}

/// Builds an order from the events of its only record.
fn build(
    id: OrderId,
    seq: u64,
    time: Timestamp,
    events: &[u8],
) -> Result<Hosted<CopyOnWrite<Order>>, minicbor::decode::Error> {
    let mut order: Option<Order> = None;
    for event in Event::decode_all(EntityKind::Order, events)? {
        order = match (event, order) {
            (Event::Order(event @ OrderEvent::Placed { .. }), before) => {
                Some(Order::create_after(before.as_ref(), id, &event, time))
            }
            (Event::Order(event), Some(mut order)) => {
                order.apply(&event);
                Some(order)
            }
            _ => return Err(minicbor::decode::Error::message("an order begins with `placed`")),
        };
    }
    let order = order.ok_or_else(|| minicbor::decode::Error::message("an order has a record"))?;
    let mut hosted = Hosted::new(CopyOnWrite::new(order));
    hosted.number(seq, true);
    Ok(hosted)
}

/// Whether all there is to know of an order is in one record, and nothing is going to happen to it by itself.
fn may_rest(hosted: &Hosted<CopyOnWrite<Order>>) -> bool {
    let order = &hosted.state;
    let is_in_one_record = hosted.record().is_none() && hosted.history.len() == 1;
    let waits = order.is_pinned() || order.waiting || order.next_due().is_some() || hosted.scheduled.is_some();
    is_in_one_record && order.secured && order.owed.is_empty() && !waits && !order.placing && order.bid.is_none()
}
