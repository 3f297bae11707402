//! When the money of an order is taken: when it is ordered, when the last of its units is there, or when goods are sent.
//!
//! ```text
//!   at_order   placed ─▶ payments start
//!   at_fill    placed, units wait ─▶ the last one is there: charge_due ─▶ payments start, the deadline begins
//!   at_ship    placed ─▶ the card's money is set aside ─▶ somebody ships: ship_requested ─▶ captured ─▶ shipped
//! ```
//!
//! `at_fill` matters only while units wait; what is there already stays held meanwhile, and the buyer can cancel. `at_ship`
//! needs a card, because only a card's money can be set aside for long; it is captured whole with the first goods that are
//! sent. Shipping any order whose cards' money is set aside works the same way, however it was placed.

use compact_str::CompactString;
use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use super::command::OrderAsk;
use super::decide::Decision;
use super::event::{LineUnits, OrderEvent};
use super::pay::{PaymentPlan, plan_payments};
use super::request::{NewOrder, Tender};
use super::state::{Line, Order, Outcome};
use crate::mistake::{Mistake, made};
use crate::payment::{Method, PaymentCommand};
use crate::{Money, Quantity, Refusal, Timestamp};

/// When the money is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum ChargeTime {
    /// At once.
    #[default]
    #[n(0)]
    AtOrder,
    /// When no unit waits any more.
    #[n(1)]
    AtFill,
    /// When goods are sent.
    #[n(2)]
    AtShip,
}

impl ChargeTime {
    /// Every time with its public name.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::AtOrder, "at_order"), (Self::AtFill, "at_fill"), (Self::AtShip, "at_ship")];
}

/// Payments that start when the last unit is there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Deferred {
    /// How it will be paid.
    #[n(0)]
    pub tenders: Vec<Tender>,
    /// How long its units stay held then.
    #[n(1)]
    pub hold_seconds: u32,
    /// The last unit is there: the payments are due.
    #[cbor(n(2), skip_if = "crate::codec::is_false")]
    pub due: bool,
}

/// Goods that are sent as soon as their money is there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Shipment {
    /// Which.
    #[cbor(n(0), with = "crate::codec::list")]
    pub lines: SmallVec<[LineUnits; 1]>,
    /// The carrier's name for the parcel.
    #[cbor(n(1), with = "crate::codec::optional_text")]
    pub tracking: Option<CompactString>,
}

/// The payments that start now, and those that start later. Both are checked now.
pub(super) fn plan_charge(
    order: &NewOrder,
    total: Money,
    hold_seconds: u32,
    units_wait: bool,
) -> Result<(PaymentPlan, Option<Box<Deferred>>), Refusal> {
    let customer = order.customer.as_ref();
    let invalid = |why: &str| Err(Refusal::BodyInvalid { field: "charge", why: why.into() });
    match order.charge {
        ChargeTime::AtShip => {
            if order.payments.iter().all(|tender| tender.method != Method::Card) {
                return invalid("`at_ship` needs a card: only a card's money can be set aside until goods are sent");
            }
            let later = |tender: &Tender| Tender { capture_later: tender.method == Method::Card, ..tender.clone() };
            let tenders: Vec<Tender> = order.payments.iter().map(later).collect();
            Ok((plan_payments(total, &tenders, customer)?, None))
        }
        ChargeTime::AtFill if units_wait => {
            let plan = plan_payments(total, &order.payments, customer)?;
            if !plan.covers {
                return invalid("`at_fill` names the payments that will cover the order");
            }
            let tenders = order.payments.to_vec();
            let deferred = Deferred { tenders, hold_seconds, due: false };
            let nothing_now = plan_payments(total, &[], customer)?;
            Ok((nothing_now, (total.amount.0 > 0).then(|| Box::new(deferred))))
        }
        ChargeTime::AtOrder | ChargeTime::AtFill => Ok((plan_payments(total, &order.payments, customer)?, None)),
    }
}

impl Order {
    /// Whether its payments start only when the last of its units is there.
    pub fn waits_for_fill(&self) -> bool {
        self.outcome == Outcome::Open && self.deferred.as_ref().is_some_and(|deferred| !deferred.due)
    }

    /// The payments that are due and did not start yet.
    pub fn charge_due(&self) -> Option<&[Tender]> {
        let deferred = self.deferred.as_ref().filter(|deferred| deferred.due && self.awaits_payment())?;
        Some(&deferred.tenders)
    }
}

/// The last unit may be there by what was just decided: then the payments are due.
pub(super) fn charge_when_filled(
    order: &Order,
    now: Timestamp,
    (out, decided_from): (&mut Vec<OrderEvent>, usize),
    asks: &mut Vec<OrderAsk>,
) {
    let Some(deferred) = order.deferred.as_ref().filter(|_| order.waits_for_fill()) else { return };
    let mut after = order.clone();
    out[decided_from..].iter().for_each(|event| after.apply(event));
    let waits = after.lines.iter().flat_map(Line::awaited).any(|(_, units)| units > 0);
    if after.outcome == Outcome::Open && !after.secured && !waits && !made(Mistake::FillNotCharged) {
        let hold_expires_at = now.plus_seconds(deferred.hold_seconds).max(order.hold_expires_at);
        out.push(OrderEvent::ChargeDue { hold_expires_at });
        asks.push(OrderAsk::Charge(deferred.tenders.clone()));
    }
}

/// Somebody ships goods whose money is only set aside: it is captured, then they are sent. The host has seen that every
/// open payment has money set aside.
pub(super) fn request_shipment(
    order: &Order,
    chosen: &[Quantity],
    tracking: Option<CompactString>,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Decision {
    let refuse = |wanted| Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted });
    if order.shipment.is_some() {
        return refuse("a shipment waits for its money already");
    }
    if order.cancel_requested {
        return refuse("it is being cancelled");
    }
    let cards = order.payments.iter().filter(|payment| payment.is_pending() && payment.method == Method::Card);
    let mut cards = cards.peekable();
    if cards.peek().is_none() || order.paid().0 + order.pending().0 < order.total().0 {
        return refuse("only paid units can be shipped");
    }
    let lines = super::decide::line_units(chosen);
    out.push(OrderEvent::ShipRequested { shipment: Box::new(Shipment { lines, tracking }) });
    asks.extend(cards.map(|card| OrderAsk::Payment(card.id, PaymentCommand::CaptureSetAside)));
    Ok(())
}

/// The money is there: what was to be sent is sent, as far as it is still there. `after` is paid.
pub(super) fn ship_requested(after: &Order, out: &mut Vec<OrderEvent>, asks: &mut Vec<OrderAsk>) {
    let Some(Shipment { lines, tracking }) = after.shipment.as_deref() else { return };
    let there = |units: &LineUnits| {
        let quantity = units.quantity.min(after.lines[units.line as usize].unshipped());
        (quantity > 0).then_some((units.line, quantity))
    };
    let lines: Vec<(u32, Quantity)> = lines.iter().filter_map(there).collect();
    let sent = !after.cancel_requested
        && !lines.is_empty()
        && super::decide::ship(after, Some(&lines), tracking.clone(), out, asks).is_ok();
    if !sent {
        out.push(OrderEvent::ShipmentDropped { reason: "nothing of it is there any more".into() });
    }
}
