//! Fewer units than were thought: what is taken off, and whose promises are broken when it is forced.

use compact_str::CompactString;

use super::event::{Pick, Picks, StockEvent};
use super::state::Stock;
use crate::{Location, Lot, OrderId, Quantity, Refusal};

/// Takes units out of a location. Below what is promised it is refused, or, forced, the newest holds and then the
/// newest allocations go to backorder until enough is free.
pub(super) fn adjust_down(
    stock: &Stock,
    location: &Location,
    lot: Option<&Lot>,
    quantity: Quantity,
    reason: &CompactString,
    force: bool,
    out: &mut Vec<StockEvent>,
) -> Result<(), Refusal> {
    let here: Vec<u16> = (0..stock.bins.len() as u16)
        .filter(|index| {
            let bin = &stock.bins[*index as usize];
            bin.location == *location && (lot.is_none() || bin.lot.as_ref() == lot)
        })
        .collect();
    let counters = |index: &u16| &stock.bins[*index as usize].counters;
    let free: Quantity = here.iter().map(|index| counters(index).free).sum();
    let there: Quantity = here.iter().map(&counters).map(|c| c.free + c.held + c.allocated).sum();
    if free < quantity && (!force || there < quantity) {
        return Err(Refusal::BelowCommitments { sku: stock.sku.clone(), location: location.clone(), free });
    }
    let mut freed = vec![0; stock.bins.len()];
    if free < quantity {
        displace_newest(stock, &here, quantity - free, &mut freed, out);
    }
    let mut missing = quantity;
    let mut picks = Picks::new();
    for bin in here {
        let taken = missing.min(counters(&bin).free + freed[bin as usize]);
        if taken > 0 {
            missing -= taken;
            picks.push(Pick { bin, quantity: taken });
        }
    }
    out.push(StockEvent::AdjustedDown { picks, reason: reason.clone() });
    Ok(())
}

fn displace_newest(
    stock: &Stock,
    here: &[u16],
    mut missing: Quantity,
    freed: &mut [Quantity],
    out: &mut Vec<StockEvent>,
) {
    let mut newest: Vec<_> = stock.commitments.iter().collect();
    newest.sort_by_key(|(_, commitment)| std::cmp::Reverse(commitment.ordinal));
    let mut displaced: Vec<(OrderId, Picks, Picks)> =
        newest.iter().map(|(id, _)| (**id, Picks::new(), Picks::new())).collect();
    for allocated_ones in [false, true] {
        for (row, (_, commitment)) in newest.iter().enumerate() {
            for committed in commitment.picks.iter().filter(|committed| here.contains(&committed.bin)) {
                let taken = missing.min(if allocated_ones { committed.allocated } else { committed.held });
                if taken > 0 {
                    missing -= taken;
                    freed[committed.bin as usize] += taken;
                    let list = if allocated_ones { &mut displaced[row].2 } else { &mut displaced[row].1 };
                    list.push(Pick { bin: committed.bin, quantity: taken });
                }
            }
        }
    }
    out.extend(
        displaced
            .into_iter()
            .filter(|(_, held, allocated)| !(held.is_empty() && allocated.is_empty()))
            .map(|(order, held, allocated)| StockEvent::Displaced { order, held, allocated }),
    );
}
