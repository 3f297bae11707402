//! What is promised against incoming stock.
//!
//! Announced units belong to those who wait, in turn: the first `incoming` units of the queue are promised, so no unit
//! is promised twice and no more is promised than is coming. Nothing of it is stored, it follows from the queue and
//! what was announced; but a promise that is broken is a fact of its own and is recorded, the newest first.

use super::admission::Admission;
use super::event::{StockEvent, units};
use super::state::{Announcement, Stock};
use crate::{OrderId, Quantity, Timestamp};

/// What an order was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// Who waits.
    pub order: OrderId,
    /// Units that are coming for it.
    pub quantity: Quantity,
    /// When the last of them can be expected; none: nobody said.
    pub available_from: Option<Timestamp>,
}

impl Stock {
    /// Announced units that nobody waits for.
    pub fn unpromised(&self) -> Quantity {
        self.incoming.saturating_sub(self.backordered())
    }

    /// Who was promised what, the first in line first. Where a restock is shared pro rata nobody can be told his part
    /// before it is there.
    pub fn promises(&self) -> Vec<Promise> {
        if self.promises_nobody() {
            return Vec::new();
        }
        let (mut left, mut used, mut promises) = (self.incoming, 0, Vec::new());
        for backorder in &self.backorders {
            let quantity = backorder.quantity.min(left);
            if quantity == 0 {
                break;
            }
            left -= quantity;
            used += quantity;
            let available_from = date_of(self.announcements(), used);
            promises.push(Promise { order: backorder.order, quantity, available_from });
        }
        promises
    }

    fn promises_nobody(&self) -> bool {
        let admission = self.definition.as_ref().and_then(|definition| definition.admission.as_deref());
        self.incoming == 0 || matches!(admission, Some(Admission::ProRata))
    }
}

/// When the announcement arrives that has the unit with this number, counted from 1.
fn date_of(announcements: &[Announcement], unit: Quantity) -> Option<Timestamp> {
    let mut seen = 0;
    announcements.iter().find_map(|announcement| {
        seen += announcement.quantity;
        (seen >= unit).then_some(announcement.available_from)
    })?
}

/// Adds the promises that break by these events, the newest first.
pub(super) fn note_broken(stock: &Stock, events: &mut Vec<StockEvent>) {
    if stock.backorders.is_empty() || stock.promises_nobody() {
        return;
    }
    let mut coming = stock.incoming;
    // Who waited before or waits now: place in line, order, units that still wait, units that it needs no promise for.
    let mut queue: Vec<Waiting> = stock.backorders.iter().map(Waiting::from).collect();
    for event in events.iter() {
        match event {
            StockEvent::Announced { quantity, .. } => coming += quantity,
            StockEvent::Received { announced, .. } => coming -= announced,
            StockEvent::AnnouncementWithdrawn { quantity, .. } => coming -= quantity,
            StockEvent::BackorderFilled { order, picks } => end(&mut queue, *order, units(picks)),
            StockEvent::BackorderCancelled { order, quantity } | StockEvent::NotDrawn { order, quantity } => {
                end(&mut queue, *order, *quantity);
            }
            StockEvent::Displaced { order, held, allocated } => {
                let quantity = units(held) + units(allocated);
                match queue.iter_mut().find(|row| row.order == *order) {
                    Some(row) => row.waits += quantity,
                    None => {
                        let ordinal = stock.commitments[order].ordinal;
                        let place = queue.partition_point(|row| row.ordinal < ordinal);
                        queue.insert(place, Waiting { ordinal, order: *order, waits: quantity, ended: 0, promised: 0 });
                    }
                }
            }
            // A draw gives everybody another place; what was promised to a place is not broken.
            StockEvent::Drawn { .. } => return,
            _ => {}
        }
    }
    for promise in stock.promises() {
        if let Some(row) = queue.iter_mut().find(|row| row.order == promise.order) {
            row.promised = promise.quantity;
        }
    }
    let mut broken = Vec::new();
    for row in &queue {
        let promised = row.waits.min(coming);
        coming -= promised;
        let quantity = row.promised.saturating_sub(row.ended).saturating_sub(promised);
        if quantity > 0 {
            broken.push(StockEvent::Unpromised { order: row.order, quantity });
        }
    }
    events.extend(broken.into_iter().rev());
}

struct Waiting {
    ordinal: u64,
    order: OrderId,
    waits: Quantity,
    ended: Quantity,
    promised: Quantity,
}

impl From<&super::state::Backorder> for Waiting {
    fn from(backorder: &super::state::Backorder) -> Self {
        let (ordinal, order, waits) = (backorder.ordinal, backorder.order, backorder.quantity);
        Self { ordinal, order, waits, ended: 0, promised: 0 }
    }
}

fn end(queue: &mut [Waiting], order: OrderId, quantity: Quantity) {
    if let Some(row) = queue.iter_mut().find(|row| row.order == order) {
        row.waits -= quantity;
        row.ended += quantity;
    }
}
