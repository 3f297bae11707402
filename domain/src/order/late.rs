//! Money that comes when nobody waited for it any more: the gateway was silent for so long that its charge was being undone,
//! and then it turns out that the charge had gone through.
//!
//! As long as it is not known what became of a charge, the order's units stay held: so nothing has to be taken from others
//! for an order that goes on. What can have happened meanwhile is that somebody counted, and there is less than was thought.

use serde::{Deserialize, Serialize};

use super::command::OrderAsk;
use super::decide::{Decision, number_of};
use super::event::OrderEvent;
use super::state::{Line, Order, Outcome};
use super::told;
use crate::PaymentId;
use crate::payment::{PaymentCommand, PaymentState};

/// What becomes of late money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatePayment {
    /// It goes back, and the order ends.
    #[default]
    Refund,
    /// The order goes on at the price it was placed at, if all of it is still there; else it goes back.
    Reacquire,
    /// The order goes on; what is not there any more waits for stock.
    Backorder,
}

impl LatePayment {
    /// Every policy with its public name.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Refund, "refund"), (Self::Reacquire, "reacquire"), (Self::Backorder, "backorder")];

    /// Whether an order takes it. One that somebody has cancelled, or that was refused its other payment, does not.
    fn keeps(self, order: &Order) -> bool {
        let is_wanted = order.outcome == Outcome::Open && !order.cancel_requested && !order.is_refused_another();
        is_wanted
            && match self {
                Self::Refund => false,
                Self::Reacquire => order.lines.iter().flat_map(Line::awaited).all(|(_, units)| units == 0),
                Self::Backorder => true,
            }
    }
}

impl Order {
    /// Whether a card of an order that is still being placed was declined: the whole is given up then.
    fn is_refused_another(&self) -> bool {
        self.placing && self.payments.iter().any(|payment| payment.failure.is_some())
    }
}

pub(super) fn paid_late(
    order: &Order,
    payment: PaymentId,
    policy: LatePayment,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Decision {
    let number = number_of(order, payment)?;
    match order.payments[number as usize].state {
        PaymentState::Pending if policy.keeps(order) => return told::payment_paid(order, payment, out, asks),
        PaymentState::Pending | PaymentState::Failed => {
            asks.push(OrderAsk::Payment(payment, PaymentCommand::GiveBack));
        }
        // Heard before: it has paid the order, or is on its way back.
        PaymentState::Paid | PaymentState::Refunding | PaymentState::Refunded => {}
    }
    Ok(())
}
