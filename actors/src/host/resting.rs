//! Orders at rest: paid for in the turn that placed them, and nothing is to happen until somebody ships or cancels them.
//!
//! That is most orders of a busy shop, and they wait for hours. As states they would fill memory with what nobody looks at,
//! and be fetched from it twice: for their snapshot and to be let go. But all there is to know of such an order is in its one
//! record. So while it is in memory it is kept as that record's events, and its snapshot only says where the record is;
//! whoever loads it builds it again.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;
use stockade_domain::entity::{EntityKey, EntityKind, Event};
use stockade_domain::order::{Order, OrderEvent};
use stockade_domain::{OrderId, Timestamp};
use stockade_storage::record::parse_record;

use super::Host;
use crate::copy_on_write::CopyOnWrite;
use crate::table::Hosted;

/// An order at rest.
struct AtRest {
    /// Sequence of its record.
    seq: u64,
    time: Timestamp,
    events: Box<[u8]>,
}

/// The orders at rest that are in memory.
#[derive(Default)]
pub(super) struct Resting {
    /// Ids begin with a time: new ones come at the end, where the tree is in the cache.
    orders: BTreeMap<OrderId, AtRest>,
    /// Those that no checkpoint knows yet, in the order in which they came to rest, with their records.
    new: Vec<(OrderId, u64)>,
    /// Of these, those that woke again.
    woken: FxHashSet<OrderId>,
}

impl Resting {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.orders.len()
    }

    /// Every one of them, as it was before it came to rest.
    pub(super) fn iter(&self) -> impl Iterator<Item = (OrderId, Hosted<CopyOnWrite<Order>>)> {
        self.orders.iter().map(|(id, order)| (*id, build(*id, order.seq, order.time, &order.events)))
    }

    /// Those that the checkpoint which begins now has to write.
    pub(super) fn cut(&mut self) -> Vec<(OrderId, u64)> {
        let woken = std::mem::take(&mut self.woken);
        let mut new = std::mem::take(&mut self.new);
        if !woken.is_empty() {
            new.retain(|(id, _)| !woken.contains(id));
        }
        new
    }

    /// Lets those go whose records are not after this one; a durable checkpoint has them.
    pub(super) fn let_go(&mut self, through: u64) {
        self.orders.retain(|_, order| order.seq > through);
    }

    /// Forgets an order that somebody asks for, and says how it was.
    fn wake(&mut self, id: OrderId) -> Option<Hosted<CopyOnWrite<Order>>> {
        let order = self.orders.get(&id)?;
        let hosted = build(id, order.seq, order.time, &order.events);
        self.orders.remove(&id);
        self.woken.insert(id);
        Some(hosted)
    }
}

impl Host {
    /// The turn's records have their sequences: orders that it has placed may rest; the others are written with the next
    /// checkpoint as they are then.
    pub(super) fn let_rest(&mut self) {
        for (id, record) in self.placed.drain(..) {
            let Some(hosted) = self.orders.get_mut(&id) else { continue };
            if !may_rest(hosted) {
                self.checkpoint.mark_dirty(&mut hosted.dirty_since, || EntityKey::Order(id));
                continue;
            }
            let (seq, events) = (hosted.last_seq, self.turn.events(record).into());
            self.resting.orders.insert(id, AtRest { seq, time: self.now, events });
            self.resting.new.push((id, seq));
            self.orders.remove(&id);
        }
    }

    /// Builds an order again that was at rest. It counts as changed: whoever asks for it seldom only looks.
    pub(super) fn wake(&mut self, order: OrderId) -> Option<Hosted<CopyOnWrite<Order>>> {
        let mut hosted = self.resting.wake(order)?;
        self.checkpoint.mark_dirty(&mut hosted.dirty_since, || EntityKey::Order(order));
        Some(hosted)
    }

    /// The order whose snapshot says that it is in this record.
    pub(super) fn order_in_record(&self, order: OrderId, seq: u64) -> Hosted<CopyOnWrite<Order>> {
        // A record that cannot be read costs the command an error, not an invented answer.
        let record = self.shared.shelf.record(seq).unwrap_or_else(|error| panic!("{error}"));
        let (head, events) = parse_record(&record).unwrap_or_else(|error| panic!("record {seq}: {error}"));
        assert!(head.key == order.to_bytes(), "record {seq} is of order {order}, as its snapshot says");
        build(order, seq, Timestamp(head.time), events)
    }
}

/// Builds an order from its only record.
fn build(id: OrderId, seq: u64, time: Timestamp, events: &[u8]) -> Hosted<CopyOnWrite<Order>> {
    let events = Event::decode_all(EntityKind::Order, events)
        .unwrap_or_else(|error| panic!("record {seq} of order {id} is unreadable: {error}"));
    let mut order: Option<Order> = None;
    for event in &events {
        match (event, &mut order) {
            (Event::Order(event @ OrderEvent::Placed { .. }), before) => {
                order = Some(Order::create_after(before.as_ref(), id, event, time));
            }
            (Event::Order(event), Some(order)) => order.apply(event),
            _ => {}
        }
    }
    let mut hosted = Hosted::new(CopyOnWrite::new(order.expect("an order begins with `placed`")));
    hosted.number(seq, true);
    hosted
}

/// Whether all there is to know of an order is in one record, and nothing is going to happen to it by itself.
fn may_rest(hosted: &Hosted<CopyOnWrite<Order>>) -> bool {
    let order = &hosted.state;
    let is_in_one_record = hosted.record().is_none() && hosted.history.len() == 1 && hosted.dirty_since.is_none();
    let waits = order.is_pinned() || order.waiting || order.next_due().is_some() || hosted.scheduled.is_some();
    is_in_one_record && order.secured && order.owed.is_empty() && !waits && !order.placing && order.bid.is_none()
}
