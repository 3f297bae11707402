//! What a SKU does with a command: events, or one named refusal.
//!
//! Each function reads top to bottom; the order of its returns is the precedence of its refusals.

use super::backorder;
use super::command::{Disposition, HoldMode, StockCommand, Unsellable};
use super::definition::{Definition, SkuStatus};
use super::event::{Pick, Picks, ReleaseReason, StockEvent, units};
use super::pick;
use super::state::{Bin, Commitment, Stock};
use crate::refusal::Shortage;
use crate::{CustomerId, Location, Lot, OrderId, QUANTITY_MAX, Quantity, Refusal, Timestamp, check_quantity};

/// The most bins (location and lot) of one SKU.
const BINS_MAX: usize = 4096;

/// Decides a command at `now`; the events go to `out`, which is untouched by a refusal.
pub fn decide(stock: &Stock, command: &StockCommand, now: Timestamp, out: &mut Vec<StockEvent>) -> Result<(), Refusal> {
    use StockCommand as C;
    let before = out.len();
    match command {
        C::Define(definition) => define(stock, definition, out)?,
        C::Hold { order, quantity, mode, settled, buyer, tentative } => {
            return hold(
                stock,
                now,
                &Demand {
                    order: *order,
                    quantity: *quantity,
                    mode: *mode,
                    settled: *settled,
                    buyer: buyer.as_ref(),
                    tentative: *tentative,
                },
                out,
            );
        }
        C::Confirm { order } => {
            if stock.commitments.get(order).is_some_and(|commitment| commitment.tentative) {
                out.push(StockEvent::Confirmed { order: *order });
            }
        }
        C::Settle { order } => {
            if stock.commitments.get(order).is_some_and(|commitment| commitment.units().0 > 0) {
                out.push(StockEvent::Settled { order: *order });
            }
        }
        C::ReleaseAll { order, reason } => release(stock, *order, Quantity::MAX, Quantity::MAX, *reason, out),
        C::Release { order, filled, backordered, reason } => {
            release(stock, *order, *filled, *backordered, *reason, out)
        }
        C::Ship { order, quantity } => ship(stock, *order, *quantity, out)?,
        _ => {
            if stock.definition.is_none() {
                return Err(Refusal::SkuUnknown { sku: stock.sku.to_string() });
            }
            manage(stock, command, now, out)?;
        }
    }
    if out.len() > before {
        let safety_level = match command {
            C::Define(definition) => definition.safety_level,
            _ => stock.safety_level(),
        };
        settle_free_stock(stock, safety_level, now, before, out);
    }
    Ok(())
}

/// What always follows when units may have come free: lots past their date leave the free stock, and the rest goes
/// to the backorders.
fn settle_free_stock(stock: &Stock, safety_level: Quantity, now: Timestamp, before: usize, out: &mut Vec<StockEvent>) {
    let mut events = out.split_off(before);
    expire_freed(stock, now, &mut events);
    backorder::fill(stock, safety_level, now, &mut events);
    out.append(&mut events);
}

fn define(stock: &Stock, definition: &Definition, out: &mut Vec<StockEvent>) -> Result<(), Refusal> {
    if definition.price.amount.is_negative() {
        return Err(Refusal::MoneyInvalid { why: "a price is not negative".into() });
    }
    if let Some(old) = &stock.definition
        && old.price.currency != definition.price.currency
        && !(stock.commitments.is_empty() && stock.backorders.is_empty())
    {
        let (wanted, found) = (old.price.currency.to_string(), definition.price.currency.to_string());
        return Err(Refusal::CurrencyMismatch { wanted, found });
    }
    if definition.hold_ttl_seconds == 0 {
        return Err(Refusal::BodyInvalid { field: "hold_ttl_seconds", why: "must be at least 1".into() });
    }
    if stock.definition.as_deref() != Some(definition) {
        out.push(StockEvent::Defined(Box::new(definition.clone())));
    }
    Ok(())
}

struct Demand<'a> {
    order: OrderId,
    quantity: Quantity,
    mode: HoldMode,
    settled: bool,
    buyer: Option<&'a CustomerId>,
    tentative: bool,
}

fn hold(stock: &Stock, now: Timestamp, demand: &Demand<'_>, out: &mut Vec<StockEvent>) -> Result<(), Refusal> {
    let Some(definition) = &stock.definition else {
        return Err(Refusal::SkuUnknown { sku: stock.sku.to_string() });
    };
    if definition.status != SkuStatus::Active {
        return Err(Refusal::SkuNotSellable { sku: stock.sku.clone(), status: definition.status.name() });
    }
    check_quantity(demand.quantity)?;
    let buyer = check_limit(stock, definition, demand)?;
    if stock.commitments.contains_key(&demand.order) {
        return Err(Refusal::IdConflict { id: demand.order.to_string() });
    }
    // Whoever waits already comes first: a newcomer joins the queue even if units are free for a moment.
    let open = if stock.backorders.is_empty() { demand.quantity } else { 0 };
    let picks = pick::pick(&stock.bins, definition.safety_level, now, open);
    let filled = units(&picks);
    let missing = demand.quantity - filled;
    let room = definition.backorder_max.unwrap_or(0).saturating_sub(stock.backordered());
    let backordered = match demand.mode {
        HoldMode { backorder: true, partial: true } => missing.min(room),
        HoldMode { backorder: true, partial: false } if missing <= room => missing,
        _ => 0,
    };
    let refused = missing - backordered;
    if refused > 0 && (!demand.mode.partial || filled + backordered == 0) {
        let available = pick::available(&stock.bins, definition.safety_level, now);
        let items = vec![Shortage { sku: stock.sku.clone(), requested: demand.quantity, available }];
        return Err(Refusal::StockExhausted { items, as_of: 0 });
    }
    out.push(StockEvent::Held {
        order: demand.order,
        picks,
        backordered,
        settled: demand.settled,
        buyer: buyer.cloned(),
        tentative: demand.tentative,
    });
    Ok(())
}

/// Who counts the demand against the SKU's limit per customer, if it has one.
fn check_limit<'a>(
    stock: &Stock,
    definition: &Definition,
    demand: &Demand<'a>,
) -> Result<Option<&'a CustomerId>, Refusal> {
    let Some(limit) = definition.limit_per_customer else { return Ok(None) };
    let Some(buyer) = demand.buyer else {
        return Err(Refusal::CustomerRequired { why: "a SKU of this order has a limit per customer" });
    };
    let taken = stock.taken.get(buyer).copied().unwrap_or(0);
    if taken + demand.quantity > limit {
        return Err(Refusal::LimitExceeded { sku: stock.sku.clone(), limit, taken });
    }
    Ok(Some(buyer))
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
    if let Some(backorder) = stock.backorders.iter().find(|backorder| backorder.order == order) {
        let quantity = backorder.quantity.min(backordered);
        if quantity > 0 {
            out.push(StockEvent::BackorderCancelled { order, quantity });
        }
    }
    if let Some(commitment) = stock.commitments.get(&order) {
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

/// Everything that is not an order's: receipts, returns, corrections, transfers.
fn manage(stock: &Stock, command: &StockCommand, now: Timestamp, out: &mut Vec<StockEvent>) -> Result<(), Refusal> {
    use StockCommand as C;
    match command {
        C::Announce { quantity } => {
            check_growth(stock, *quantity)?;
            out.push(StockEvent::Announced { quantity: *quantity });
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
        _ => unreachable!("orders' commands are decided before"),
    }
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

/// Takes units out of a location. Below what is promised it is refused, or, forced, the newest holds and then the
/// newest allocations go to backorder until enough is free.
fn adjust_down(
    stock: &Stock,
    location: &Location,
    lot: Option<&Lot>,
    quantity: Quantity,
    reason: &compact_str::CompactString,
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

/// Free units of lots past their date, those included that come free by the events decided so far, expire.
fn expire_freed(stock: &Stock, now: Timestamp, out: &mut Vec<StockEvent>) {
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
    let mut bins = stock.bins.clone();
    out.iter().for_each(|event| super::apply::apply_to_bins(&mut bins, event));
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
