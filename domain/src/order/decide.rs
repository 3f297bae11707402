//! What an order does with a command, or with what other actors tell it.

use compact_str::CompactString;
use smallvec::SmallVec;

use super::charge::{charge_when_filled, request_shipment};
use super::command::{OrderAsk, OrderCommand};
use super::earn::earn;
use super::event::{LineUnits, OrderEvent};
use super::late;
use super::refund;
use super::returns::{grant_refund, take_back, worth_of};
use super::state::{Order, Outcome};
use super::table::{self, Act};
use super::told;
use crate::mistake::{Mistake, made};
use crate::payment::{Method, PaymentCommand};
use crate::promotion::uses::{Subject, UsesCommand};
use crate::stock::{ReleaseReason, StockCommand};
use crate::{Amount, Money, PaymentId, Quantity, Refusal, SkuId, Timestamp, check_quantity};

/// The longest a hold can be extended from now, in seconds: a week.
const EXTEND_SECONDS_MAX: u32 = 7 * 24 * 3600;

pub(super) type Decision = Result<(), Refusal>;

/// Decides a command at `now`; events go to `out`, messages to `asks`, both untouched by a refusal.
pub fn decide(
    order: &Order,
    command: &OrderCommand,
    now: Timestamp,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Decision {
    let (events_before, asks_before) = (out.len(), asks.len());
    let decision = decide_command(order, command, now, out, asks);
    if decision.is_ok() {
        charge_when_filled(order, now, (out, events_before), asks);
        debug_assert!(table::leads_there(order, Act::of(command), &out[events_before..]), "{command:?} of {order:?}");
    }
    if decision.is_err() {
        out.truncate(events_before);
        asks.truncate(asks_before);
    }
    decision
}

fn decide_command(
    order: &Order,
    command: &OrderCommand,
    now: Timestamp,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Decision {
    table::check(order, Act::of(command))?;
    match command {
        OrderCommand::Extend { seconds } => extend(order, *seconds, now, out),
        OrderCommand::Cancel { lines: None } => cancel_whole(order, out, asks),
        OrderCommand::Cancel { lines: Some(lines) } => cancel_lines(order, lines, out, asks),
        OrderCommand::Ship { lines, tracking } => ship(order, lines.as_deref(), tracking.clone(), out, asks),
        OrderCommand::Deliver => deliver(order, out),
        OrderCommand::Complete => complete(order, out),
        OrderCommand::Return { lines, refund } => take_back(order, lines, *refund, out, asks),
        OrderCommand::RefundAmount { amount, reason } => grant_refund(order, *amount, reason, out, asks),
        OrderCommand::RefundLines { lines, reason } => {
            let amount = worth_of(order, lines)?;
            grant_refund(order, amount, reason, out, asks)
        }
        OrderCommand::Accept => {
            if order.placing {
                out.push(OrderEvent::Accepted);
            }
            Ok(())
        }
        OrderCommand::PaymentPaid { payment } => told::payment_paid(order, *payment, out, asks),
        OrderCommand::PaymentPaidLate { payment, policy } => late::paid_late(order, *payment, *policy, out, asks),
        OrderCommand::PaymentFailed { payment, reason } => {
            told::payment_failed(order, *payment, reason, now, out, asks)
        }
        OrderCommand::PaymentStands { payment, stage, next_action } => {
            told::payment_stands(order, *payment, *stage, next_action.as_ref(), out)
        }
        OrderCommand::CaptureFailed { payment, reason } => {
            number_of(order, *payment)?;
            if order.shipment.is_some() {
                out.push(OrderEvent::ShipmentDropped { reason: reason.clone() });
            }
            Ok(())
        }
        OrderCommand::PaymentRefunded { payment, amount, done } => {
            let number = number_of(order, *payment)?;
            // One refund of a payment is under way at a time; a repeated message finds none.
            if order.payments[number as usize].refunding == *amount && amount.0 > 0 {
                out.push(OrderEvent::Refunded { number, amount: *amount, done: *done });
            }
            Ok(())
        }
        OrderCommand::RefundReversed { payment, amount } => {
            let number = number_of(order, *payment)?;
            let known = &order.payments[number as usize];
            if amount.0 > 0 && known.refunding.0 == 0 && known.refunded >= *amount {
                out.push(OrderEvent::RefundReversed { number, amount: *amount });
            }
            Ok(())
        }
        OrderCommand::BackorderFilled { sku, quantity, offer_seconds } => {
            told::backorder_filled(order, sku, *quantity, now.plus_seconds(*offer_seconds), out, asks);
            Ok(())
        }
        OrderCommand::NotDrawn => {
            told::not_drawn(order, out, asks);
            Ok(())
        }
        OrderCommand::ShippedShort { sku, quantity } => {
            out.push(OrderEvent::ShippedShort { sku: sku.clone(), quantity: *quantity });
            Ok(())
        }
        OrderCommand::Displaced { sku, quantity } => {
            told::displaced(order, sku, *quantity, out, asks);
            Ok(())
        }
        OrderCommand::DeadlineReached => {
            if order.next_due().is_some_and(|due| due <= now) {
                out.push(OrderEvent::Expired);
                give_back(order, ReleaseReason::Expired, out, asks);
            }
            Ok(())
        }
        OrderCommand::StockIs { sku, held, kept, waiting, offer_seconds } => {
            told::stock_is(order, sku, (*held, *kept, *waiting), now.plus_seconds(*offer_seconds), out, asks);
            Ok(())
        }
        OrderCommand::StepDone { step, short } => {
            if order.owed.iter().any(|owed| owed.step == *step) {
                if let Some((sku, quantity)) = short {
                    out.push(OrderEvent::ShippedShort { sku: sku.clone(), quantity: *quantity });
                }
                out.push(OrderEvent::StepDone { step: *step });
            }
            Ok(())
        }
    }
}

/// Refuses a command to an order that is over.
pub(crate) fn check_open(order: &Order, wanted: &'static str) -> Decision {
    match order.outcome {
        Outcome::Open => Ok(()),
        Outcome::Expired => Err(Refusal::HoldExpired),
        Outcome::Cancelled | Outcome::Refused => {
            Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted })
        }
    }
}

impl Order {
    /// What is still to be paid; refuses what cannot be paid (again).
    pub fn check_payable(&self, now: Timestamp) -> Result<Money, Refusal> {
        table::check(self, Act::Pay)?;
        check_open(self, "only an open order can be paid")?;
        if self.secured {
            return Err(Refusal::AlreadyPaid);
        }
        if self.waiting {
            let wanted = "it can be paid once its units are offered";
            return Err(Refusal::OrderStateInvalid { status: self.status().name(), wanted });
        }
        if self.is_pinned() {
            let wanted = "wait for the outcome of the payment that is under way";
            return Err(Refusal::OrderStateInvalid { status: self.status().name(), wanted });
        }
        if self.hold_expires_at <= now {
            return Err(Refusal::HoldExpired);
        }
        Ok(Money::new(Amount(self.total().0 - self.paid().0), self.currency))
    }

    /// What settles the holds of an order that has just been paid.
    pub fn settle_asks(&self) -> impl Iterator<Item = (SkuId, StockCommand)> + use<> {
        let id = self.id;
        by_sku(self.lines.iter().flat_map(super::Line::kept))
            .into_iter()
            .map(move |(sku, _)| (sku, StockCommand::Settle { order: id }))
    }

    /// What settles the uses of an order that has just been paid.
    pub fn settle_uses(&self) -> impl Iterator<Item = (Subject, UsesCommand)> + '_ {
        let id = self.id;
        self.promoted.iter().flat_map(move |promoted| promoted.asks(move || UsesCommand::Settle { order: id }))
    }
}

/// Units of each SKU, in the order of first mention.
pub(super) fn by_sku<'a>(units: impl Iterator<Item = (&'a SkuId, Quantity)>) -> SmallVec<[(SkuId, Quantity); 4]> {
    let mut sums: SmallVec<[(SkuId, Quantity); 4]> = SmallVec::new();
    for (sku, units) in units {
        match sums.iter_mut().find(|(known, _)| known == sku) {
            Some((_, sum)) => *sum += units,
            None => sums.push((sku.clone(), units)),
        }
    }
    sums.retain(|(_, units)| *units > 0);
    sums
}

/// Units of sellers' lines: SKU, claim and units of each that has some.
fn of_sellers<'a>(order: &'a Order, chosen: &'a [Quantity]) -> impl Iterator<Item = (SkuId, u32, Quantity)> + 'a {
    let rows = order.lines.iter().zip(chosen).filter(|(_, units)| **units > 0);
    rows.filter_map(|(line, units)| line.claim.as_ref().map(|claim| (line.sku.clone(), claim.number, *units)))
}

pub(super) fn number_of(order: &Order, payment: PaymentId) -> Result<u32, Refusal> {
    order.payment_number(payment).ok_or_else(|| Refusal::NotFound { what: format!("payment {payment}") })
}

fn extend(order: &Order, seconds: u32, now: Timestamp, out: &mut Vec<OrderEvent>) -> Decision {
    check_open(order, "only an open order can be extended")?;
    if order.secured {
        return Err(Refusal::AlreadyPaid);
    }
    if order.waiting {
        let wanted = "it has no deadline while it waits";
        return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted });
    }
    if order.hold_expires_at <= now && !order.is_pinned() && !order.waits_for_fill() {
        return Err(Refusal::HoldExpired);
    }
    let hold_expires_at = order.hold_expires_at.plus_seconds(seconds);
    if seconds == 0 || hold_expires_at > now.plus_seconds(EXTEND_SECONDS_MAX) {
        let why = format!("at least 1, and the hold may end at most {EXTEND_SECONDS_MAX} seconds from now");
        return Err(Refusal::BodyInvalid { field: "seconds", why });
    }
    out.push(OrderEvent::Extended { hold_expires_at });
    Ok(())
}

/// Releases all stock of an order that just ended, and unwinds its payments.
pub(super) fn give_back(order: &Order, reason: ReleaseReason, out: &mut Vec<OrderEvent>, asks: &mut Vec<OrderAsk>) {
    let ended = by_sku(order.lines.iter().flat_map(|line| line.in_stock(line.filled + line.backordered)));
    for (sku, _) in ended.into_iter().filter(|_| !made(Mistake::ReleaseForgotten)) {
        asks.push(OrderAsk::Stock(sku, StockCommand::ReleaseAll { order: order.id, reason }));
    }
    asks.extend(order.end_uses().map(|(subject, command)| OrderAsk::Uses(subject, command)));
    refund::unwind(order, out, asks);
}

pub(super) fn settle_all(order: &Order, asks: &mut Vec<OrderAsk>) {
    asks.extend(order.settle_asks().map(|(sku, command)| OrderAsk::Stock(sku, command)));
    asks.extend(order.settle_uses().map(|(subject, command)| OrderAsk::Uses(subject, command)));
}

fn check_nothing_shipped(order: &Order) -> Decision {
    if order.lines.iter().any(|line| line.shipped > 0) {
        let wanted = "what is shipped cannot be cancelled: cancel the other lines, or take the units back as a return";
        return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted });
    }
    Ok(())
}

fn check_no_refund_under_way(order: &Order) -> Decision {
    if order.payments.iter().any(|payment| payment.refunding.0 > 0) {
        let wanted = "wait until the refund that is under way has ended";
        return Err(Refusal::OrderStateInvalid { status: "refunding", wanted });
    }
    Ok(())
}

/// Whether a card's charge may still move money.
pub(super) fn has_open_charge(order: &Order) -> bool {
    order.payments.iter().any(|payment| payment.is_pending() && payment.method == Method::Card)
}

pub(super) fn abandon_open_charges(order: &Order, asks: &mut Vec<OrderAsk>) {
    let open = order.payments.iter().filter(|payment| payment.is_pending() && payment.method == Method::Card);
    asks.extend(open.map(|charge| OrderAsk::Payment(charge.id, PaymentCommand::Abandon)));
}

fn cancel_whole(order: &Order, out: &mut Vec<OrderEvent>, asks: &mut Vec<OrderAsk>) -> Decision {
    check_open(order, "it is over already")?;
    check_nothing_shipped(order)?;
    check_no_refund_under_way(order)?;
    if has_open_charge(order) {
        // Void first, release after: the money of an open charge may still move.
        if !order.cancel_requested {
            out.push(OrderEvent::CancelRequested);
            abandon_open_charges(order, asks);
        }
        return Ok(());
    }
    out.push(OrderEvent::Cancelled { lines: SmallVec::new(), whole: true });
    give_back(order, ReleaseReason::Cancelled, out, asks);
    Ok(())
}

fn cancel_lines(
    order: &Order,
    lines: &[(u32, Option<Quantity>)],
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Decision {
    check_open(order, "it is over already")?;
    if order.is_pinned() {
        let wanted = "wait for the outcome of the payment that is under way, or cancel the whole order";
        return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted });
    }
    check_no_refund_under_way(order)?;
    let mut chosen = vec![0; order.lines.len()];
    for (index, quantity) in lines {
        let line = order.lines.get(*index as usize).ok_or_else(|| no_line(*index))?;
        let open = line.unshipped() + line.backordered - chosen[*index as usize];
        let quantity = quantity.unwrap_or(open);
        check_quantity(quantity)?;
        if quantity > open {
            let wanted = "only units that are neither shipped nor cancelled can be cancelled";
            return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted });
        }
        chosen[*index as usize] += quantity;
    }
    if order.lines.iter().zip(&chosen).all(|(line, units)| line.filled + line.backordered == *units) {
        return cancel_whole(order, out, asks);
    }
    let units: SmallVec<[LineUnits; 1]> = line_units(&chosen);
    if units.is_empty() {
        return Err(Refusal::BodyInvalid { field: "lines", why: "name at least one line".into() });
    }
    let reason = ReleaseReason::Cancelled;
    let of_house = || order.lines.iter().zip(&chosen).filter(|(line, _)| line.claim.is_none());
    let given_up = || of_house().flat_map(|(line, units)| line.given_up_in_stock(*units));
    let filled = by_sku(given_up().map(|(sku, filled, _)| (sku, filled)));
    for (sku, all) in by_sku(given_up().map(|(sku, filled, waiting)| (sku, filled + waiting))) {
        let filled = filled.iter().find(|(name, _)| *name == sku).map_or(0, |(_, units)| *units);
        let release = StockCommand::Release { order: order.id, filled, backordered: all - filled, reason };
        asks.push(OrderAsk::Stock(sku, release));
    }
    for (sku, claim, quantity) in of_sellers(order, &chosen) {
        let release = StockCommand::ReleaseClaim { order: order.id, claim, quantity, reason };
        asks.push(OrderAsk::Stock(sku, release));
    }
    out.push(OrderEvent::Cancelled { lines: units, whole: false });
    let mut after = order.clone();
    after.apply(&out[out.len() - 1]);
    if after.secured && !order.secured {
        settle_all(&after, asks);
    }
    let too_much = after.paid().0 - after.refunded().0 - after.total().0 - after.kept.0;
    if too_much > 0 {
        refund::start(order, Amount(too_much), out, asks)?;
    }
    Ok(())
}

pub(super) fn no_line(index: u32) -> Refusal {
    Refusal::BodyInvalid { field: "lines", why: format!("the order has no line {index}") }
}

pub(super) fn line_units(chosen: &[Quantity]) -> SmallVec<[LineUnits; 1]> {
    let row = |(line, quantity): (usize, &Quantity)| LineUnits { line: line as u32, quantity: *quantity };
    chosen.iter().enumerate().filter(|(_, units)| **units > 0).map(row).collect()
}

pub(super) fn ship(
    order: &Order,
    lines: Option<&[(u32, Quantity)]>,
    tracking: Option<CompactString>,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Decision {
    check_open(order, "only an open order can be shipped")?;
    let mut chosen = vec![0; order.lines.len()];
    match lines {
        None => order.lines.iter().zip(&mut chosen).for_each(|(line, units)| *units = line.unshipped()),
        Some(lines) => {
            for (index, quantity) in lines {
                check_quantity(*quantity)?;
                let line = order.lines.get(*index as usize).ok_or_else(|| no_line(*index))?;
                chosen[*index as usize] += quantity;
                if chosen[*index as usize] > line.unshipped() {
                    let wanted = "only units that are allocated and not shipped can be shipped";
                    return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted });
                }
            }
        }
    }
    let units = line_units(&chosen);
    if units.is_empty() {
        return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted: "nothing is left to ship" });
    }
    if !order.secured && !made(Mistake::ShipUnpaid) {
        return request_shipment(order, &chosen, tracking, out, asks);
    }
    let of_house = order.lines.iter().zip(&chosen).filter(|(line, _)| line.claim.is_none());
    for (sku, quantity) in by_sku(of_house.flat_map(|(line, units)| line.in_stock(*units))) {
        asks.push(OrderAsk::Stock(sku, StockCommand::Ship { order: order.id, quantity }));
    }
    for (sku, claim, quantity) in of_sellers(order, &chosen) {
        asks.push(OrderAsk::Stock(sku, StockCommand::ShipClaim { order: order.id, claim, quantity }));
    }
    out.push(OrderEvent::Shipped { lines: units, tracking });
    earn(order, out);
    Ok(())
}

fn complete(order: &Order, out: &mut Vec<OrderEvent>) -> Decision {
    if order.fulfillment_status() != super::FulfillmentStatus::Fulfilled {
        return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted: "ship all of it first" });
    }
    if !order.completed {
        out.push(OrderEvent::Completed);
    }
    Ok(())
}

fn deliver(order: &Order, out: &mut Vec<OrderEvent>) -> Decision {
    check_open(order, "only an open order can be delivered")?;
    if order.fulfillment_status() != super::FulfillmentStatus::Fulfilled {
        return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted: "ship all of it first" });
    }
    if !order.delivered {
        out.push(OrderEvent::Delivered);
    }
    Ok(())
}
