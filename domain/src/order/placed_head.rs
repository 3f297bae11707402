//! What query models want to know of an order's first event, read without decoding all of it.

use minicbor::Decoder;
use smallvec::SmallVec;

use super::event::{OrderEvent, PlannedPayment};
use super::state::Order;
use crate::payment::Method;
use crate::{OrderId, PaymentId, Timestamp};

/// Who placed an order, and its payments that have no actor of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedHead<'a> {
    /// Who buys.
    pub customer: Option<&'a str>,
    /// By number from 0.
    without_actor: SmallVec<[usize; 1]>,
    hold_expires_at: Timestamp,
    attempt: u32,
}

impl<'a> PlacedHead<'a> {
    /// Reads it from the encoded events of an order's record; none if the first event is not `placed`.
    pub fn peek(events: &'a [u8]) -> Option<Self> {
        let mut decoder = Decoder::new(events);
        let is_placed = decoder.array().ok()? == Some(2) && decoder.u32().ok()? == 0;
        let fields = if is_placed { decoder.array().ok()?? } else { 0 };
        if fields < 9 {
            return None;
        }
        let customer = decoder.decode().ok()?;
        for _purchaser_currency_lines_charges in 0..4 {
            decoder.skip().ok()?;
        }
        let mut without_actor = SmallVec::new();
        for number in 0..usize::try_from(decoder.array().ok()??).ok()? {
            let planned: PlannedPayment = decoder.decode().ok()?;
            without_actor.extend(may_lack_actor(&planned).then_some(number));
        }
        let hold_expires_at = decoder.decode().ok()?;
        decoder.skip().ok()?;
        let attempt = decoder.decode().ok()?;
        Some(Self { customer, without_actor, hold_expires_at, attempt })
    }

    /// The same of a decoded event.
    pub fn of(event: &'a OrderEvent) -> Option<Self> {
        let OrderEvent::Placed { customer, payments, hold_expires_at, attempt, .. } = event else { return None };
        let numbered = payments.iter().enumerate();
        Some(Self {
            customer: customer.as_ref().map(|name| name.as_str()),
            without_actor: numbered.filter(|(_, planned)| may_lack_actor(planned)).map(|(number, _)| number).collect(),
            hold_expires_at: *hold_expires_at,
            attempt: *attempt,
        })
    }

    /// The payments that may have no actor of their own, of the order with this id.
    pub fn payments_without_actor(&self, order: OrderId) -> impl Iterator<Item = PaymentId> + '_ {
        let id = move |number: &usize| Order::payment_id(order, self.attempt, *number, self.hold_expires_at);
        self.without_actor.iter().map(id)
    }
}

/// A card's payment always has one; another's if it waits for a card's answer.
fn may_lack_actor(planned: &PlannedPayment) -> bool {
    planned.method != Method::Card
}
