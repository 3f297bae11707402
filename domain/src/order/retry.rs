//! A card payment that failed is tried again: the same money, as a new payment.
//!
//! A gateway remembers what it did under a payment's name: what it has declined it declines again under the same key, and
//! after a void it takes nothing any more. So a new try is a new payment, whose keys are its own; should the gateway change
//! its mind about the one that failed, its money goes back by itself.

use smallvec::{SmallVec, smallvec};

use super::decide::number_of;
use super::event::{OrderEvent, PlannedPayment};
use super::state::Order;
use crate::payment::PaymentState;
use crate::stock::Definition;
use crate::{PaymentId, Refusal, Timestamp};

/// Decides what an order records when a payment of it that failed is tried again at `now`: its hold still stands, and it
/// has its time anew. The last event starts the new payment.
pub fn retry(order: &Order, payment: PaymentId, now: Timestamp) -> Result<SmallVec<[OrderEvent; 2]>, Refusal> {
    let failed = &order.payments[number_of(order, payment)? as usize];
    let due = order.check_payable(now)?;
    if failed.state != PaymentState::Failed {
        let wanted = "only a payment that failed is tried again";
        return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted });
    }
    if failed.amount > due.amount {
        return Err(Refusal::MoneyInvalid { why: format!("only {due} is due by now: pay that") });
    }
    let mut events = SmallVec::new();
    let hold_expires_at = now.plus_seconds(order.hold_time());
    if hold_expires_at > order.hold_expires_at {
        events.push(OrderEvent::Extended { hold_expires_at });
    }
    let again = PlannedPayment { method: failed.method, amount: failed.amount, reference: None };
    events.push(OrderEvent::PaymentsStarted { payments: smallvec![again] });
    Ok(events)
}

impl Order {
    /// How long its units were to stay held when it was placed, in seconds.
    fn hold_time(&self) -> u32 {
        match self.hold_seconds {
            0 => Definition::HOLD_TTL_SECONDS_DEFAULT,
            seconds => seconds,
        }
    }
}
