//! What a SKU does with a command: events, or one named refusal.
//!
//! Each function reads top to bottom; the order of its returns is the precedence of its refusals.

use super::admission::Admission;
use super::command::{Disposition, StockCommand};
use super::definition::Definition;
use super::event::{Pick, Picks, ReleaseReason, StockEvent, units};
use super::hold::{Demand, More, hold, hold_more};
use super::manage::manage;
use super::sourcing::Distances;
use super::state::{Bin, Commitment, Stock};
use super::{backorder, define, promise};
use crate::mistake::{Mistake, made};
use crate::{OrderId, Quantity, Refusal, Timestamp, check_quantity};

/// What a decision may know beside the SKU's own state.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// When.
    pub now: Timestamp,
    /// How far locations are from regions.
    pub distances: &'a Distances,
}

/// Decides a command at `now`; the events go to `out`, which is untouched by a refusal.
pub fn decide(stock: &Stock, command: &StockCommand, now: Timestamp, out: &mut Vec<StockEvent>) -> Result<(), Refusal> {
    decide_in(stock, command, &Setting { now, distances: Distances::NONE }, out)
}

/// Decides a command; the events go to `out`, which is untouched by a refusal.
#[inline]
pub fn decide_in(
    stock: &Stock,
    command: &StockCommand,
    setting: &Setting<'_>,
    out: &mut Vec<StockEvent>,
) -> Result<(), Refusal> {
    if stock.decide_plainly(command, setting.now, out) {
        return Ok(());
    }
    decide_at_length(stock, command, setting, out)
}

/// The same, the long way.
#[inline(never)]
pub(super) fn decide_at_length(
    stock: &Stock,
    command: &StockCommand,
    setting: &Setting<'_>,
    out: &mut Vec<StockEvent>,
) -> Result<(), Refusal> {
    use StockCommand as C;
    let (before, now) = (out.len(), setting.now);
    match command {
        C::Define(definition) => define::define(stock, definition, out)?,
        C::Hold { order, quantity, mode, settled, buyer, tentative, context, taking } => {
            return hold(
                stock,
                setting,
                &Demand {
                    order: *order,
                    quantity: *quantity,
                    mode: *mode,
                    settled: *settled,
                    buyer: buyer.as_ref(),
                    tentative: *tentative,
                    context: context.as_deref(),
                    taking: taking.as_deref(),
                },
                out,
            );
        }
        C::HoldMore { order, quantity, buyer, context } => {
            let (buyer, context) = (buyer.as_ref(), context.as_deref());
            let more = More { order: *order, quantity: *quantity, buyer, context };
            return hold_more(stock, setting, &more, out);
        }
        C::Confirm { order } => {
            if stock.commitments.get(order).is_some_and(|commitment| commitment.tentative) {
                out.push(StockEvent::Confirmed { order: *order });
            }
        }
        C::Settle { order } => match stock.commitments.get(order) {
            Some(commitment) if commitment.units().0 > 0 => out.push(StockEvent::Settled { order: *order }),
            // A forced shortfall has taken its units meanwhile: what waits is the order's all the same.
            Some(commitment) if commitment.tentative => out.push(StockEvent::Confirmed { order: *order }),
            _ => {}
        },
        C::ReleaseAll { order, reason } => release(stock, *order, Quantity::MAX, Quantity::MAX, *reason, out),
        C::Release { order, filled, backordered, reason } => {
            release(stock, *order, *filled, *backordered, *reason, out)
        }
        // What an order does with its claims is carried out by the market (see `Stock::trade`).
        C::ReleaseClaim { .. } | C::ShipClaim { .. } | C::ReturnClaim { .. } | C::Market(_) => {}
        C::Ship { order, quantity } => ship(stock, *order, *quantity, out)?,
        C::ShipRecorded { order, quantity } => ship_recorded(stock, *order, *quantity, out),
        _ => {
            if stock.definition.is_none() {
                return Err(Refusal::SkuUnknown { sku: stock.sku.to_string() });
            }
            manage(stock, command, now, out)?;
        }
    }
    if out.len() > before {
        let definition = match command {
            C::Define(definition) => Some(definition),
            _ => stock.definition.as_ref(),
        };
        let mut events = out.split_off(before);
        if let Some(definition) = definition {
            settle_free_stock(stock, definition, setting, &mut events);
        }
        out.append(&mut events);
    }
    Ok(())
}

/// What always follows when units may have come free: lots past their date leave the free stock, the rest goes to
/// those who wait, and who waits in vain is told.
fn settle_free_stock(stock: &Stock, definition: &Definition, setting: &Setting<'_>, events: &mut Vec<StockEvent>) {
    expire_freed(stock, setting.now, events);
    backorder::fill(stock, definition, setting, events);
    refuse_losers(stock, definition, events);
    promise::note_broken(stock, events);
}

/// A draw turns those away who won nothing, where that is the lottery's rule.
fn refuse_losers(stock: &Stock, definition: &Definition, events: &mut Vec<StockEvent>) {
    let Some(Admission::Lottery(lottery)) = definition.admission.as_deref() else { return };
    if !lottery.refuse_losers || !backorder::draws(events) {
        return;
    }
    let won = |order: OrderId| {
        events
            .iter()
            .any(|event| matches!(event, StockEvent::BackorderFilled { order: winner, .. } if *winner == order))
    };
    let entries = stock.backorders.iter().filter(|backorder| backorder.is_entry && !won(backorder.order));
    let turned_away = entries.map(|b| StockEvent::NotDrawn { order: b.order, quantity: b.quantity });
    let turned_away: Vec<StockEvent> = turned_away.collect();
    events.extend(turned_away);
}

/// Gives back up to these units: of the filled ones the held before the allocated. Nothing there: nothing to do,
/// so a repeated release is harmless.
fn release(
    stock: &Stock,
    order: OrderId,
    filled: Quantity,
    backordered: Quantity,
    reason: ReleaseReason,
    out: &mut Vec<StockEvent>,
) {
    let backorder = stock.backorders.iter().find(|backorder| backorder.order == order);
    let waiting = backorder.map_or(0, |backorder| backorder.quantity);
    let commitment = stock.commitments.get(&order);
    let kept = commitment.map_or(0, |commitment| commitment.units().0 + commitment.units().1);
    // What waited as the order knew it may have been filled since, and what it had may have been displaced: it gives up so
    // many units, as they are now.
    let (plain_waiting, plain_kept) = (backordered.min(waiting), filled.min(kept));
    let quantity = plain_waiting + (filled - plain_kept).min(waiting - plain_waiting);
    let filled = plain_kept + (backordered - plain_waiting).min(kept - plain_kept);
    if quantity > 0 {
        out.push(StockEvent::BackorderCancelled { order, quantity });
    }
    if let Some(commitment) = commitment {
        let held = take_picks(commitment, filled, |pick| pick.held);
        let allocated = take_picks(commitment, filled - units(&held), |pick| pick.allocated);
        if !(held.is_empty() && allocated.is_empty()) {
            out.push(StockEvent::Released { order, held, allocated, reason });
        }
    }
}

fn take_picks(
    commitment: &Commitment,
    mut quantity: Quantity,
    of: impl Fn(&super::state::CommittedPick) -> Quantity,
) -> Picks {
    let mut picks = Picks::new();
    for committed in &commitment.picks {
        let taken = of(committed).min(quantity);
        if taken > 0 {
            quantity -= taken;
            picks.push(Pick { bin: committed.bin, quantity: taken });
        }
    }
    picks
}

/// Ships what is allocated; what is not there any more was taken by a shortfall that the order had not heard of. What came
/// after that shortfall is held, and the order is paid: it is shipped too.
fn ship_recorded(stock: &Stock, order: OrderId, quantity: Quantity, out: &mut Vec<StockEvent>) {
    let (held, allocated) = stock.commitments.get(&order).map_or((0, 0), Commitment::units);
    let settles = allocated < quantity && held > 0;
    out.extend(settles.then_some(StockEvent::Settled { order }));
    let of = |pick: &super::state::CommittedPick| if settles { pick.held + pick.allocated } else { pick.allocated };
    let commitment = stock.commitments.get(&order);
    let picks = commitment.map_or_else(Picks::new, |commitment| take_picks(commitment, quantity, of));
    let short = quantity - units(&picks);
    if !picks.is_empty() {
        out.push(StockEvent::Shipped { order, picks });
    }
    if short > 0 && !made(Mistake::ShortShipmentHidden) {
        out.push(StockEvent::ShippedShort { order, quantity: short });
    }
}

fn ship(stock: &Stock, order: OrderId, quantity: Quantity, out: &mut Vec<StockEvent>) -> Result<(), Refusal> {
    check_quantity(quantity)?;
    let picks = stock.commitments.get(&order).map(|commitment| take_picks(commitment, quantity, |pick| pick.allocated));
    match picks {
        Some(picks) if units(&picks) == quantity => {
            out.push(StockEvent::Shipped { order, picks });
            Ok(())
        }
        _ => Err(Refusal::OrderStateInvalid { status: "not allocated", wanted: "only paid units can be shipped" }),
    }
}

/// Free units of lots past their date, those included that come free by the events decided so far, expire.
pub(super) fn expire_freed(stock: &Stock, now: Timestamp, out: &mut Vec<StockEvent>) {
    let may_expire = |bin: &Bin| bin.is_past(now);
    let new_lot_is_past = out.iter().any(|event| match event {
        StockEvent::Received { expires_at, .. } | StockEvent::TransferredIn { expires_at, .. } => {
            expires_at.is_some_and(|at| at <= now)
        }
        _ => false,
    });
    if !new_lot_is_past && !stock.bins.iter().any(may_expire) {
        return;
    }
    let bins = stock.bins_after(out);
    for (index, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.is_past(now) && bin.counters.free > 0) {
        out.push(StockEvent::LotExpired { pick: Pick { bin: index as u16, quantity: bin.counters.free } });
    }
}

impl Disposition {
    /// Whether the units are for sale again.
    pub fn restocks(self) -> bool {
        self == Self::Restock
    }
}
