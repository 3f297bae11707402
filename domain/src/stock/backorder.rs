//! Who gets stock that comes free: the backorders, first come first served, each as far as the stock goes.
//!
//! The head of the queue is never skipped; it is filled in part if need be, so a newcomer never overtakes.

use super::apply::apply_to_bins;
use super::event::{StockEvent, units};
use super::pick::pick;
use super::state::Stock;
use crate::{OrderId, Quantity, Timestamp};

/// Adds the fills that follow from `out`, the events decided so far, to `out`.
pub(super) fn fill(stock: &Stock, safety_level: Quantity, now: Timestamp, out: &mut Vec<StockEvent>) {
    let waiting = waiting(stock, out);
    if waiting.is_empty() {
        return;
    }
    let mut bins = stock.bins.clone();
    out.iter().for_each(|event| apply_to_bins(&mut bins, event));
    for (_, order, wanted) in waiting.into_iter().filter(|(_, _, wanted)| *wanted > 0) {
        let picks = pick(&bins, safety_level, now, wanted);
        let filled = units(&picks);
        if filled > 0 {
            let event = StockEvent::BackorderFilled { order, picks };
            apply_to_bins(&mut bins, &event);
            out.push(event);
        }
        if filled < wanted {
            return;
        }
    }
}

/// Who waits once `events` have happened, by ordinal: those who waited before, less what they gave up, and those
/// whom a forced shortfall has just displaced.
fn waiting(stock: &Stock, events: &[StockEvent]) -> Vec<(u64, OrderId, Quantity)> {
    let mut waiting: Vec<_> = stock.backorders.iter().map(|b| (b.ordinal, b.order, b.quantity)).collect();
    for event in events {
        match event {
            StockEvent::BackorderCancelled { order, quantity } => {
                waiting.iter_mut().filter(|row| row.1 == *order).for_each(|row| row.2 -= quantity);
            }
            StockEvent::Displaced { order, held, allocated } => {
                let quantity = units(held) + units(allocated);
                let ordinal = stock.commitments[order].ordinal;
                match waiting.iter_mut().find(|row| row.1 == *order) {
                    Some(row) => row.2 += quantity,
                    None => waiting.insert(waiting.partition_point(|row| row.0 < ordinal), (ordinal, *order, quantity)),
                }
            }
            _ => {}
        }
    }
    waiting
}
