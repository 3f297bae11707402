//! Who gets stock that comes free: those who wait, by the SKU's rule of admission.
//!
//! First come, first served is filled in turn, each as far as the stock goes. The head of the queue is never skipped:
//! where orders are offered their units whole, an order at the head that cannot be filled keeps those behind it
//! waiting, so that a large order is not starved by small ones.

use super::admission::{Admission, largest_remainder};
use super::apply::{Bins, apply_to_bins};
use super::decide::Setting;
use super::definition::Definition;
use super::event::{StockEvent, units};
use super::pick::{self, Source};
use super::sourcing::{Distances, HoldContext};
use super::state::Stock;
use crate::mistake::{Mistake, made};
use crate::{OrderId, Quantity, Timestamp};

/// Somebody who waits.
struct Waiting<'a> {
    ordinal: u64,
    order: OrderId,
    wanted: Quantity,
    context: Option<&'a HoldContext>,
    /// Waits to be let in, whole or not at all.
    is_entry: bool,
}

struct Filling<'a> {
    bins: Bins,
    definition: &'a Definition,
    distances: &'a Distances,
    now: Timestamp,
}

/// Adds the fills that follow from `out`, the events decided so far, to `out`.
pub(super) fn fill(stock: &Stock, definition: &Definition, setting: &Setting<'_>, out: &mut Vec<StockEvent>) {
    let mut waiting = waiting(stock, out);
    if waiting.is_empty() || made(Mistake::RestockLost) {
        return;
    }
    if made(Mistake::QueueReversed) {
        waiting.reverse();
    }
    if let Some(Admission::Lottery(lottery)) = definition.admission.as_deref()
        && !stock.has_drawn(lottery)
        && !draws(out)
    {
        // Before the draw nobody is in line.
        return;
    }
    let bins = stock.bins_after(out);
    let mut filling = Filling { bins, definition, distances: setting.distances, now: setting.now };
    if matches!(definition.admission.as_deref(), Some(Admission::ProRata)) {
        return filling.share(&waiting, out);
    }
    for row in &waiting {
        if filling.serve(row, row.wanted, out) < row.wanted {
            return;
        }
    }
}

pub(super) fn draws(events: &[StockEvent]) -> bool {
    events.iter().any(|event| matches!(event, StockEvent::Drawn { .. }))
}

impl Filling<'_> {
    /// Shares what is free among all who wait.
    fn share(&mut self, waiting: &[Waiting<'_>], out: &mut Vec<StockEvent>) {
        let free = pick::available(&self.bins, self.definition.safety_level, self.now);
        let claims: Vec<Quantity> = waiting.iter().map(|row| row.wanted).collect();
        for (row, share) in waiting.iter().zip(largest_remainder(free, &claims)) {
            self.serve(row, share, out);
        }
    }

    /// Fills one who waits with up to `quantity` units, and says with how many.
    fn serve(&mut self, row: &Waiting<'_>, quantity: Quantity, out: &mut Vec<StockEvent>) -> Quantity {
        let source = Source::of(self.definition, row.context, self.distances);
        let picks = pick::pick(&self.bins, &source, self.now, quantity);
        let filled = units(&picks);
        if filled == 0 || row.is_entry && filled < row.wanted {
            return 0;
        }
        let event = StockEvent::BackorderFilled { order: row.order, picks };
        apply_to_bins(&mut self.bins, &event);
        out.push(event);
        filled
    }
}

/// Who waits once `events` have happened, by place in line: those who waited before, less what they gave up, and
/// those whom a forced shortfall has just displaced.
fn waiting<'a>(stock: &'a Stock, events: &[StockEvent]) -> Vec<Waiting<'a>> {
    let mut waiting: Vec<Waiting<'a>> = stock
        .backorders
        .iter()
        .map(|b| {
            let context = b.context.as_deref();
            Waiting { ordinal: b.ordinal, order: b.order, wanted: b.quantity, context, is_entry: b.is_entry }
        })
        .collect();
    for event in events {
        match event {
            StockEvent::BackorderCancelled { order, quantity } => {
                waiting.iter_mut().filter(|row| row.order == *order).for_each(|row| row.wanted -= quantity);
            }
            StockEvent::Displaced { order, held, allocated } => {
                let quantity = units(held) + units(allocated);
                let ordinal = stock.commitments[order].ordinal;
                match waiting.iter_mut().find(|row| row.order == *order) {
                    Some(row) => row.wanted += quantity,
                    None => {
                        let place = waiting.partition_point(|row| row.ordinal < ordinal);
                        let (order, wanted) = (*order, quantity);
                        waiting.insert(place, Waiting { ordinal, order, wanted, context: None, is_entry: false });
                    }
                }
            }
            StockEvent::Drawn { seed } => {
                let places = stock.places_by_draw(seed);
                waiting.iter_mut().for_each(|row| row.ordinal = places.get(&row.order).copied().unwrap_or(row.ordinal));
                waiting.sort_by_key(|row| row.ordinal);
            }
            _ => {}
        }
    }
    waiting.retain(|row| row.wanted > 0);
    waiting
}
