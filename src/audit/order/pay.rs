//! Payments as their order knows them, and the steps they may take.

use stockade_domain::PaymentId;
use stockade_domain::order::PlannedPayment;
use stockade_domain::payment::{Method, PaymentState, Stage};

use super::Order;
use crate::audit::report::{Rule, Scene};

/// A payment as the order knows it.
pub(in crate::audit) struct Pay {
    pub(in crate::audit) id: PaymentId,
    pub(in crate::audit) method: Method,
    pub(in crate::audit) amount: i64,
    pub(in crate::audit) state: PaymentState,
    pub(in crate::audit) refunded: i64,
    pub(in crate::audit) refunding: i64,
    /// Where it stood in full when it told that last, if nothing has happened to it since.
    pub(in crate::audit) told: Option<Stage>,
    /// A refund came to nothing: what it was for can be refunded again.
    pub(super) refund_failed: bool,
}

impl Pay {
    /// Whether it goes on only when the buyer has acted.
    pub(in crate::audit) fn asks_the_buyer(&self) -> bool {
        let buyers = [Stage::AuthenticationPending, Stage::DeviceDataAwaited, Stage::MethodAwaited];
        self.state == PaymentState::Pending && self.told.is_some_and(|stage| buyers.contains(&stage))
    }

    /// Whether money of an order that is over stays without a reason.
    pub(in crate::audit) const fn is_kept(&self) -> bool {
        matches!(self.state, PaymentState::Paid) && self.refunded < self.amount && !self.refund_failed
    }
}

impl Order {
    pub(super) fn start_payments(&mut self, planned: &[PlannedPayment], scene: &mut Scene<'_>) {
        let due = self.total() - self.paid();
        let sum: i128 = planned.iter().map(|payment| i128::from(payment.amount.0)).sum();
        let whole = planned.iter().all(|payment| payment.amount.0 > 0 && payment.amount.is_rounded(self.currency));
        scene.expect(whole && sum <= due, Rule::OrderPayments, || {
            format!("payments of {sum} were started where {due} ten-thousandths are due")
        });
        for payment in planned {
            let number = self.payments.len() as u32;
            let id = PaymentId::of_order(self.id, self.attempt << 16 | number, self.expires_at);
            let (method, amount, state) = (payment.method, payment.amount.0, PaymentState::Pending);
            let told = None;
            self.payments.push(Pay {
                id,
                method,
                amount,
                state,
                refunded: 0,
                refunding: 0,
                told,
                refund_failed: false,
            });
        }
    }

    pub(super) fn pay_step(&mut self, number: u32, from: &[PaymentState], to: PaymentState, scene: &mut Scene<'_>) {
        let Some(pay) = self.payments.get_mut(number as usize) else {
            return scene.fault(Rule::OrderTransition, format!("there is no payment number {number}"));
        };
        pay.told = None;
        let before = std::mem::replace(&mut pay.state, to);
        scene.expect(from.contains(&before), Rule::OrderTransition, || {
            format!("payment number {number} went from {} to {}", before.name(), to.name())
        });
    }

    pub(super) fn refund_step(&mut self, number: u32, refunded: i64, refunding: i64, scene: &mut Scene<'_>) {
        let Some(pay) = self.payments.get_mut(number as usize) else { return };
        pay.refunded = pay.refunded.saturating_add(refunded);
        pay.refunding = pay.refunding.saturating_add(refunding);
        let (amount, sums) = (pay.amount, (pay.refunded, pay.refunding));
        let within = sums.1 >= 0 && sums.1 <= sums.0 && sums.0 <= amount && refunding != 0;
        scene.expect(within, Rule::RefundExceeds, || {
            format!("payment number {number} of {amount} has {} refunded, {} of it under way", sums.0, sums.1)
        });
    }

    pub(super) fn expect_refundable(&self, amount: i64, scene: &mut Scene<'_>) {
        let left = self.paid() - self.payments.iter().map(|pay| i128::from(pay.refunded)).sum::<i128>();
        let within = (0..=left).contains(&i128::from(amount));
        scene.expect(within, Rule::RefundExceeds, || {
            format!("{amount} was to go back, {left} is left of what was paid")
        });
    }
}
