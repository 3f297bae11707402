//! What is not an order's: receipts, announcements, returns, corrections, transfers, draws.

use compact_str::CompactString;

use super::admission::{Admission, Digest, Lottery};
use super::command::{StockCommand, Unsellable};
use super::decide::expire_freed;
use super::event::{Pick, StockEvent};
use super::shortfall::adjust_down;
use super::state::{Bin, Stock};
use crate::{Location, Lot, QUANTITY_MAX, Quantity, Refusal, Timestamp, check_quantity};

/// The most bins (location and lot) of one SKU.
const BINS_MAX: usize = 4096;

/// Everything that is not an order's: receipts, returns, corrections, transfers.
pub(super) fn manage(
    stock: &Stock,
    command: &StockCommand,
    now: Timestamp,
    out: &mut Vec<StockEvent>,
) -> Result<(), Refusal> {
    use StockCommand as C;
    if stock.definition.as_ref().is_some_and(|definition| definition.kit.is_some()) {
        return Err(Refusal::BodyInvalid { field: "sku", why: "a kit has no stock: name its components".into() });
    }
    match command {
        C::Announce { quantity, available_from, reference } => {
            announce(stock, *quantity, *available_from, reference.as_ref(), out)?;
        }
        C::WithdrawAnnouncement { quantity, reference } => {
            withdraw_announcement(stock, *quantity, reference.as_ref(), out)?;
        }
        C::Receive { location, lot, expires_at, quantity, unit_cost } => {
            check_growth(stock, *quantity)?;
            check_new_bin(stock, location, lot.as_ref(), *expires_at)?;
            out.push(StockEvent::Received {
                location: location.clone(),
                lot: lot.clone(),
                expires_at: *expires_at,
                quantity: *quantity,
                announced: stock.incoming.min(*quantity),
                unit_cost: *unit_cost,
            });
        }
        C::Return { order, location, lot, quantity, disposition, buyer } => {
            let location = location.clone().unwrap_or_else(|| home(stock));
            if order.is_none() {
                check_growth(stock, *quantity)?;
                check_new_bin(stock, &location, lot.as_ref(), None)?;
            }
            // An order's own units were here before, and it has recorded their return: they cannot be turned away.
            check_quantity(*quantity)?;
            out.push(StockEvent::Returned {
                order: *order,
                location,
                lot: lot.clone(),
                quantity: *quantity,
                disposition: *disposition,
                buyer: buyer.clone(),
            });
        }
        C::Adjust { location, lot, delta, reason, force } => {
            let quantity = delta.unsigned_abs();
            check_quantity(quantity)?;
            if *delta > 0 {
                check_growth(stock, quantity)?;
                check_new_bin(stock, location, lot.as_ref(), None)?;
                let (location, lot, reason) = (location.clone(), lot.clone(), reason.clone());
                out.push(StockEvent::AdjustedUp { location, lot, quantity, reason });
            } else {
                adjust_down(stock, location, lot.as_ref(), quantity, reason, *force, out)?;
            }
        }
        C::Reclassify { location, lot, from, to, quantity } => {
            let pick = pick_state(stock, location, lot.as_ref(), *from, *quantity)?;
            if from != to {
                out.push(StockEvent::Reclassified { pick, from: *from, to: *to });
            }
        }
        C::WriteOff { location, lot, from, quantity, reason } => {
            let pick = pick_state(stock, location, lot.as_ref(), *from, *quantity)?;
            out.push(StockEvent::WrittenOff { pick, from: *from, reason: reason.clone() });
        }
        C::TransferOut { from, lot, to, quantity } => {
            let pick = pick_state(stock, from, lot.as_ref(), Unsellable::Free, *quantity)?;
            out.push(StockEvent::TransferredOut { pick, to: to.clone() });
        }
        C::Transfer { from, lot, to, quantity } => {
            let pick = pick_state(stock, from, lot.as_ref(), Unsellable::Free, *quantity)?;
            let expires_at = stock.bins[pick.bin as usize].expires_at;
            check_new_bin(stock, to, lot.as_ref(), expires_at)?;
            out.push(StockEvent::TransferredOut { pick, to: to.clone() });
            out.push(StockEvent::TransferredIn {
                location: to.clone(),
                lot: lot.clone(),
                expires_at,
                quantity: *quantity,
            });
        }
        C::TransferIn { location, lot, expires_at, quantity } => {
            check_in_transit(stock, *quantity)?;
            check_new_bin(stock, location, lot.as_ref(), *expires_at)?;
            let (location, lot) = (location.clone(), lot.clone());
            out.push(StockEvent::TransferredIn { location, lot, expires_at: *expires_at, quantity: *quantity });
        }
        C::TransferLost { quantity } => {
            check_in_transit(stock, *quantity)?;
            out.push(StockEvent::TransferLost { quantity: *quantity });
        }
        C::ExpireLots => expire_freed(stock, now, out),
        C::Draw { seed } => draw(stock, seed, now, out)?,
        _ => unreachable!("orders' commands are decided before"),
    }
    Ok(())
}

/// The most announcements with a date or a name that a SKU can wait for at once.
const ANNOUNCEMENTS_MAX: usize = 1024;

fn announce(
    stock: &Stock,
    quantity: Quantity,
    available_from: Option<Timestamp>,
    reference: Option<&CompactString>,
    out: &mut Vec<StockEvent>,
) -> Result<(), Refusal> {
    check_growth(stock, quantity)?;
    if reference.is_some_and(|reference| reference.is_empty() || reference.len() > 200) {
        return Err(Refusal::BodyInvalid { field: "reference", why: "use 1 to 200 bytes".into() });
    }
    let is_listed = available_from.is_some() || reference.is_some();
    if is_listed && stock.announcements().len() >= ANNOUNCEMENTS_MAX {
        let why = format!("at most {ANNOUNCEMENTS_MAX} announcements can be open at once");
        return Err(Refusal::BodyInvalid { field: "reference", why });
    }
    out.push(StockEvent::Announced { quantity, available_from, reference: reference.cloned() });
    Ok(())
}

fn withdraw_announcement(
    stock: &Stock,
    quantity: Quantity,
    reference: Option<&CompactString>,
    out: &mut Vec<StockEvent>,
) -> Result<(), Refusal> {
    check_quantity(quantity)?;
    let open = match reference {
        None => stock.incoming,
        Some(reference) => {
            let named = stock.announcements().iter().filter(|row| row.reference.as_ref() == Some(reference));
            named.map(|announcement| announcement.quantity).sum()
        }
    };
    if quantity > open {
        let why = format!("only {open} such units are announced and have not come");
        return Err(Refusal::BodyInvalid { field: "quantity", why });
    }
    out.push(StockEvent::AnnouncementWithdrawn { quantity, reference: reference.cloned() });
    Ok(())
}

fn draw(stock: &Stock, seed: &Digest, now: Timestamp, out: &mut Vec<StockEvent>) -> Result<(), Refusal> {
    let admission = stock.definition.as_ref().and_then(|definition| definition.admission.as_deref());
    let Some(Admission::Lottery(lottery)) = admission else {
        return Err(Refusal::OrderStateInvalid { status: "not a lottery", wanted: "only a lottery is drawn" });
    };
    if stock.has_drawn(lottery) {
        return Err(Refusal::OrderStateInvalid { status: "drawn", wanted: "a lottery is drawn once" });
    }
    if now < lottery.closes_at {
        return Err(Refusal::OrderStateInvalid { status: "open", wanted: "the seed stays secret until entries close" });
    }
    if Lottery::commitment_to(seed) != lottery.seed_commitment {
        let why = "its hash is not the commitment that was published".into();
        return Err(Refusal::BodyInvalid { field: "seed", why });
    }
    out.push(StockEvent::Drawn { seed: *seed });
    Ok(())
}

/// Where stock goes when nobody says: to the SKU's first location.
fn home(stock: &Stock) -> Location {
    stock.bins.first().map_or_else(Location::main, |bin| bin.location.clone())
}

/// Counters stay far from overflow: flows are bounded by what a `u64` holds over any realistic life, and what is
/// there at once by this.
fn check_growth(stock: &Stock, quantity: Quantity) -> Result<(), Refusal> {
    check_quantity(quantity)?;
    let on_hand: Quantity = stock.bins.iter().map(|bin| bin.counters.on_hand()).sum();
    if on_hand + stock.incoming + quantity > QUANTITY_MAX * 1000 {
        return Err(Refusal::QuantityInvalid);
    }
    Ok(())
}

fn check_new_bin(
    stock: &Stock,
    location: &Location,
    lot: Option<&Lot>,
    expires_at: Option<Timestamp>,
) -> Result<(), Refusal> {
    if stock.bins.len() >= BINS_MAX && stock.find_bin(location, lot, expires_at).is_none() {
        return Err(Refusal::BodyInvalid {
            field: "location",
            why: format!("a SKU has at most {BINS_MAX} locations and lots"),
        });
    }
    Ok(())
}

fn check_in_transit(stock: &Stock, quantity: Quantity) -> Result<(), Refusal> {
    check_quantity(quantity)?;
    if quantity > stock.in_transit {
        return Err(Refusal::BodyInvalid {
            field: "quantity",
            why: format!("only {} are in transit", stock.in_transit),
        });
    }
    Ok(())
}

/// Units of one state in one bin, none of them promised to an order.
fn pick_state(
    stock: &Stock,
    location: &Location,
    lot: Option<&Lot>,
    from: Unsellable,
    quantity: Quantity,
) -> Result<Pick, Refusal> {
    check_quantity(quantity)?;
    let there = |bin: &Bin| match from {
        Unsellable::Free => bin.counters.free,
        Unsellable::Damaged => bin.counters.damaged,
        Unsellable::QualityControl => bin.counters.quality_control,
        Unsellable::Expired => bin.counters.expired,
    };
    // Units without a lot may lie in several bins, one for each date: the one that has most serves.
    let here = stock.bins.iter().enumerate().filter(|(_, bin)| bin.location == *location && bin.lot.as_ref() == lot);
    match here.max_by_key(|(index, bin)| (there(bin), std::cmp::Reverse(*index))) {
        Some((index, bin)) if there(bin) >= quantity => Ok(Pick { bin: index as u16, quantity }),
        most => {
            let free = most.map_or(0, |(_, bin)| there(bin));
            Err(Refusal::BelowCommitments { sku: stock.sku.clone(), location: location.clone(), free })
        }
    }
}
