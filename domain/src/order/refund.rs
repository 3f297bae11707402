//! Which payments give money back: the card first, each at most what it paid.

use smallvec::SmallVec;

use super::command::OrderAsk;
use super::event::OrderEvent;
use super::state::Order;
use crate::mistake::{Mistake, made};
use crate::payment::{Method, PaymentCommand, PaymentState};
use crate::{Amount, Refusal};

/// The order in which methods give back.
const REFUND_ORDER: [Method; 4] = [Method::Card, Method::Wallet, Method::External, Method::Account];

/// Shares a refund out over the payments; events and asks are added only if all of it can go back.
pub(super) fn start(
    order: &Order,
    amount: Amount,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Result<(), Refusal> {
    let mut missing = amount.0;
    let mut shares: SmallVec<[(usize, i64); 2]> = SmallVec::new();
    for method in REFUND_ORDER {
        for (number, payment) in order.payments.iter().enumerate().filter(|(_, payment)| payment.method == method) {
            let share = missing.min(payment.refundable().0);
            if share > 0 && payment.state == PaymentState::Paid {
                missing -= share;
                shares.push((number, share));
            }
        }
    }
    if missing > 0 {
        let under_way = order.payments.iter().any(|payment| payment.state == PaymentState::Refunding);
        return Err(if under_way {
            Refusal::OrderStateInvalid {
                status: "refunding",
                wanted: "wait until the refund that is under way has ended",
            }
        } else {
            Refusal::MoneyInvalid { why: "more than was paid and not yet refunded".into() }
        });
    }
    for (number, share) in shares {
        let amount = Amount(share);
        out.push(OrderEvent::RefundStarted { number: number as u32, amount });
        asks.push(OrderAsk::Payment(order.payments[number].id, PaymentCommand::Refund { amount }));
    }
    Ok(())
}

/// Ends every payment of an order that is over: what is open is abandoned, what is paid goes back.
pub(super) fn unwind(order: &Order, out: &mut Vec<OrderEvent>, asks: &mut Vec<OrderAsk>) {
    for (number, payment) in order.payments.iter().enumerate() {
        match payment.state {
            PaymentState::Pending => asks.push(OrderAsk::Payment(payment.id, PaymentCommand::Abandon)),
            PaymentState::Paid if payment.refundable().0 > 0 && !made(Mistake::RefundForgotten) => {
                let amount = payment.refundable();
                out.push(OrderEvent::RefundStarted { number: number as u32, amount });
                asks.push(OrderAsk::Payment(payment.id, PaymentCommand::Refund { amount }));
            }
            _ => {}
        }
    }
}
