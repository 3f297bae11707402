//! What an order does with what others tell it: its payments and its SKUs.

use compact_str::CompactString;
use smallvec::SmallVec;

use super::charge::ship_requested;
use super::command::{OrderAsk, OrderCommand};
use super::decide::{Decision, abandon_open_charges, give_back, has_open_charge, line_units, number_of, settle_all};
use super::event::OrderEvent;
use super::refund;
use super::state::{Order, Outcome};
use crate::payment::{Method, NextAction, PaymentCommand, Stage};
use crate::stock::{ReleaseReason, StockCommand, StockEvent, units};
use crate::{OrderId, PaymentId, Quantity, SkuId, Timestamp};

/// What an order must hear of a SKU's event. `offer_seconds`: how long units of an order that waited to be let in stay
/// held.
pub fn news_of_stock(sku: &SkuId, event: &StockEvent, offer_seconds: u32) -> Option<(OrderId, OrderCommand)> {
    let sku = sku.clone();
    Some(match event {
        StockEvent::BackorderFilled { order, picks } => {
            (*order, OrderCommand::BackorderFilled { sku, quantity: units(picks), offer_seconds })
        }
        StockEvent::Displaced { order, held, allocated } => {
            (*order, OrderCommand::Displaced { sku, quantity: units(held) + units(allocated) })
        }
        StockEvent::ShippedShort { order, quantity } => {
            (*order, OrderCommand::ShippedShort { sku, quantity: *quantity })
        }
        StockEvent::NotDrawn { order, .. } => (*order, OrderCommand::NotDrawn),
        _ => return None,
    })
}

pub(super) fn payment_paid(
    order: &Order,
    payment: PaymentId,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Decision {
    let number = number_of(order, payment)?;
    if !order.payments[number as usize].is_pending() {
        return Ok(());
    }
    out.push(OrderEvent::PaymentSecured { number });
    let mut after = order.clone();
    after.apply(&out[out.len() - 1]);
    if order.outcome != Outcome::Open {
        // Late money for an order that is over goes back.
        refund::unwind(&after, out, asks);
    } else if after.secured {
        settle_all(order, asks);
        ship_requested(&after, out, asks);
    } else if !has_open_charge(&after) {
        // The gateway has answered: what the wallets held for the rest is spent.
        for payment in after.payments.iter().filter(|payment| payment.is_pending()) {
            asks.push(OrderAsk::Payment(payment.id, PaymentCommand::Secure));
        }
    }
    Ok(())
}

pub(super) fn payment_failed(
    order: &Order,
    payment: PaymentId,
    reason: &CompactString,
    now: Timestamp,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Decision {
    let number = number_of(order, payment)?;
    if !order.payments[number as usize].is_pending() {
        return Ok(());
    }
    out.push(OrderEvent::PaymentFailed { number, reason: reason.clone() });
    let mut after = order.clone();
    after.apply(&out[out.len() - 1]);
    if order.outcome != Outcome::Open {
        return Ok(());
    }
    let card_failed = order.payments[number as usize].method == Method::Card;
    if has_open_charge(&after) && (order.cancel_requested || order.placing && card_failed) {
        // Void first, release after: the others are undone too before the order ends.
        abandon_open_charges(&after, asks);
    } else if order.cancel_requested {
        out.push(OrderEvent::Cancelled { lines: SmallVec::new(), whole: true });
        give_back(&after, ReleaseReason::Cancelled, out, asks);
    } else if order.placing && card_failed {
        out.push(OrderEvent::Refused { reason: reason.clone() });
        give_back(&after, ReleaseReason::PaymentFailed, out, asks);
    } else if after.next_due().is_some_and(|due| due <= now) {
        out.push(OrderEvent::Expired);
        give_back(&after, ReleaseReason::Expired, out, asks);
    } else if card_failed {
        // What the wallets held beside the card is free again.
        for payment in after.payments.iter().filter(|payment| payment.is_pending() && payment.method == Method::Wallet)
        {
            asks.push(OrderAsk::Payment(payment.id, PaymentCommand::Abandon));
        }
    }
    Ok(())
}

/// Where a payment stands in full, if that is not what the order knows. It settles nothing: that it is paid or has failed
/// is told by itself.
pub(super) fn payment_stands(
    order: &Order,
    payment: PaymentId,
    stage: Stage,
    next_action: Option<&NextAction>,
    out: &mut Vec<OrderEvent>,
) -> Decision {
    let number = number_of(order, payment)?;
    let known = &order.payments[number as usize];
    if (known.stage(), known.next_action.as_deref()) != (stage, next_action) {
        out.push(OrderEvent::PaymentStands { number, stage, next_action: next_action.cloned().map(Box::new) });
    }
    Ok(())
}

pub(super) fn backorder_filled(
    order: &Order,
    sku: &SkuId,
    quantity: Quantity,
    offer_until: Timestamp,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) {
    let mut left = quantity;
    let mut chosen = vec![0; order.lines.len()];
    for (index, line) in order.lines.iter().enumerate().filter(|(_, line)| line.kit.is_none() && line.sku == *sku) {
        chosen[index] = line.backordered.min(left);
        left -= chosen[index];
    }
    let before = out.len();
    let lines = line_units(&chosen);
    if !lines.is_empty() {
        out.push(match order.waiting {
            true => OrderEvent::Offered { lines, hold_expires_at: offer_until },
            false => OrderEvent::BackorderFilled { lines },
        });
    }
    for (line, part, missing, _) in parts_of(order, sku) {
        let filled = missing.min(left);
        if filled > 0 {
            left -= filled;
            out.push(OrderEvent::PartMissing { line, part, missing: missing - filled });
        }
    }
    if out.len() > before && order.secured {
        asks.push(OrderAsk::Stock(sku.clone(), StockCommand::Settle { order: order.id }));
    }
    if left > 0 {
        // The order gave these up while the message was on its way: they go back.
        let reason = ReleaseReason::Cancelled;
        let back = StockCommand::Release { order: order.id, filled: left, backordered: 0, reason };
        asks.push(OrderAsk::Stock(sku.clone(), back));
    }
}

/// The kits' components that are of a SKU: line, part, units missing, units there and not shipped.
fn parts_of(order: &Order, sku: &SkuId) -> SmallVec<[(u32, u32, Quantity, Quantity); 2]> {
    let mut parts = SmallVec::new();
    for (index, line) in order.lines.iter().enumerate() {
        let unshipped = line.filled + line.backordered - line.shipped;
        for (number, part) in line.parts().iter().enumerate().filter(|(_, part)| part.sku == *sku) {
            parts.push((index as u32, number as u32, part.missing, part.per_kit * unshipped - part.missing));
        }
    }
    parts
}

/// Whether a line is of the house's units of a SKU.
fn is_plain(line: &super::Line, sku: &SkuId) -> bool {
    line.kit.is_none() && line.claim.is_none() && line.sku == *sku
}

pub(super) fn displaced(
    order: &Order,
    sku: &SkuId,
    quantity: Quantity,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) {
    let mut left = quantity;
    let mut chosen = vec![0; order.lines.len()];
    let plain = order.lines.iter().enumerate().rev().filter(|(_, line)| is_plain(line, sku));
    for (index, line) in plain {
        chosen[index] = line.unshipped().min(left);
        left -= chosen[index];
    }
    let lines = line_units(&chosen);
    if !lines.is_empty() {
        out.push(OrderEvent::Displaced { lines });
    }
    for (line, part, missing, there) in parts_of(order, sku).into_iter().rev() {
        let lost = there.min(left);
        if lost > 0 {
            left -= lost;
            out.push(OrderEvent::PartMissing { line, part, missing: missing + lost });
        }
    }
    if left > 0 {
        // The order gave these up, or shipped them, while the message was on its way: nobody waits for them.
        let reason = ReleaseReason::Cancelled;
        let back = StockCommand::Release { order: order.id, filled: 0, backordered: left, reason };
        asks.push(OrderAsk::Stock(sku.clone(), back));
    }
}

/// A SKU of another partition says how things stand. What differs from what the order knows has happened meanwhile;
/// when it is said again, nothing differs any more.
pub(super) fn stock_is(
    order: &Order,
    sku: &SkuId,
    (held, kept, waiting): (Quantity, Quantity, Quantity),
    offer_until: Timestamp,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) {
    if order.outcome != Outcome::Open {
        return;
    }
    if order.waiting && kept + waiting == 0 {
        return not_drawn(order, out, asks);
    }
    let all = order.lines.iter().flat_map(super::Line::awaited);
    let awaited: Quantity = all.filter(|(awaited, _)| *awaited == sku).map(|(_, units)| units).sum();
    if awaited > waiting {
        backorder_filled(order, sku, awaited - waiting, offer_until, out, asks);
    } else if awaited < waiting {
        displaced(order, sku, waiting - awaited, out, asks);
    } else if order.secured && held > 0 {
        // Units were lost and filled again before the order heard of either. What it had shipped of them it does not wait
        // for; the others are paid.
        let plain = order.lines.iter().filter(|line| is_plain(line, sku)).map(super::Line::unshipped);
        let of_kits = parts_of(order, sku).into_iter().map(|(.., there)| there);
        let wanted: Quantity = plain.chain(of_kits).sum();
        let surplus = held.min(kept.saturating_sub(wanted));
        if surplus > 0 {
            let reason = ReleaseReason::Cancelled;
            let back = StockCommand::Release { order: order.id, filled: surplus, backordered: 0, reason };
            asks.push(OrderAsk::Stock(sku.clone(), back));
        }
        asks.push(OrderAsk::Stock(sku.clone(), StockCommand::Settle { order: order.id }));
    }
}

/// An entry that won nothing is over; an order that does not wait any more had nothing to win.
pub(super) fn not_drawn(order: &Order, out: &mut Vec<OrderEvent>, asks: &mut Vec<OrderAsk>) {
    if order.waiting && order.outcome == Outcome::Open {
        out.push(OrderEvent::Cancelled { lines: SmallVec::new(), whole: true });
        give_back(order, ReleaseReason::Cancelled, out, asks);
    }
}
