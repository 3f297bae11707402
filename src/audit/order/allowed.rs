//! Which event may follow which.

use stockade_domain::Timestamp;
use stockade_domain::order::{OrderEvent, Outcome};
use stockade_domain::payment::PaymentState;

use super::{ChargeTime, Order};

impl Order {
    /// Why the state does not allow this event, if it does not.
    pub(super) fn refuses(&self, event: &OrderEvent, now: Timestamp) -> Option<&'static str> {
        use OrderEvent as E;
        let open = self.outcome == Outcome::Open;
        let pinned = self.payments.iter().any(|pay| pay.state == PaymentState::Pending);
        let waits = self.waits();
        let any_shipped = self.lines.iter().any(|line| line.shipped > 0);
        let failed = self.payments.iter().any(|pay| pay.state == PaymentState::Failed);
        let rules: &[(bool, &'static str)] = match event {
            E::Placed { .. } => &[(self.outcome == Outcome::Refused, "it was placed already")],
            E::PaymentsStarted { .. } => &[
                (open && !self.waiting, "it was over or waited to be let in"),
                (!self.secured, "it was paid"),
                (!pinned, "a payment was under way"),
                (self.expires_at > now, "its hold had ended"),
                (self.charge != ChargeTime::WhenFilled, "units of it waited, and it is paid when they have come"),
            ],
            E::ChargeDue { hold_expires_at } => &[
                (open && !self.secured, "it did not wait for payment"),
                (self.charge == ChargeTime::WhenFilled && !waits, "units of it waited, or it was charged already"),
                (*hold_expires_at > now, "its hold ended before it began"),
            ],
            E::ShipRequested { .. } => &[
                (open && !self.secured && pinned, "no money of it was set aside"),
                (!self.sends && !self.cancel_requested, "it was being sent or cancelled"),
            ],
            E::ShipmentDropped { .. } => &[(self.sends, "nothing of it was being sent")],
            E::Accepted => &[(open && self.placing, "no first payment was awaited, or it was accepted already")],
            E::PaymentSecured { .. }
            | E::PaidAtOnce { .. }
            | E::PaymentFailed { .. }
            | E::PaymentStands { .. }
            | E::Refunded { .. }
            | E::RefundReversed { .. }
            | E::RefundStarted { .. } => &[],
            E::Extended { hold_expires_at } => &[
                (open && !self.secured, "it did not wait for payment"),
                (*hold_expires_at > self.expires_at, "its hold would have ended earlier"),
            ],
            E::Edited { .. } => &[
                (open && !self.waiting && self.bid.is_none(), "it was over, waited to be let in, or came of a bid"),
                (!self.secured && self.paid() == 0, "some of it was paid"),
                (!pinned, "a payment was under way"),
                (self.expires_at > now, "its hold had ended"),
            ],
            E::CancelRequested => &[(open && pinned, "no charge was open"), (!self.cancel_requested, "it was asked")],
            E::Cancelled { lines, whole } => &[
                (open, "it was over"),
                (!whole || !any_shipped, "some of it had been shipped"),
                (*whole || !lines.is_empty(), "no line was named"),
            ],
            E::Expired => &[
                (open && !self.waiting, "it was over or waited to be let in"),
                (!self.secured, "it was paid"),
                (!pinned, "a payment was under way"),
                (self.charge != ChargeTime::WhenFilled, "its units waited to be paid together"),
                (self.expires_at <= now, "its deadline had not come"),
            ],
            E::Refused { .. } => {
                &[(open && !self.secured && self.placing, "it was not being placed"), (failed, "no payment had failed")]
            }
            E::BackorderFilled { lines } | E::Displaced { lines } => &[(!lines.is_empty(), "no line was named")],
            E::Offered { lines, hold_expires_at } => &[
                (open && self.waiting, "it did not wait to be let in"),
                (!lines.is_empty(), "no line was named"),
                (*hold_expires_at > now, "the offer had ended before it began"),
            ],
            E::ShippedShort { .. } => &[(any_shipped, "nothing was shipped")],
            E::PartMissing { .. } => &[(open, "it was over")],
            E::Shipped { lines, .. } => {
                &[(open && self.secured, "it was not paid or was over"), (!lines.is_empty(), "no line was named")]
            }
            E::PayoutDue { .. } => &[(open && any_shipped && self.secured, "nothing was shipped")],
            E::Delivered => &[
                (
                    open && any_shipped && self.lines.iter().all(|line| line.unshipped() + line.backordered == 0),
                    "not all of it was shipped",
                ),
                (!self.delivered, "it was delivered already"),
            ],
            E::Completed => &[
                (
                    open && any_shipped && self.lines.iter().all(|line| line.unshipped() + line.backordered == 0),
                    "not all of it was shipped",
                ),
                (!self.completed, "it was completed already"),
            ],
            E::Returned { lines, .. } => &[
                (open && any_shipped, "nothing was shipped"),
                (!self.completed, "it was completed"),
                (!lines.is_empty(), "no line was named"),
            ],
            // What a refund that failed, or came again, has left with the house can be given back when it is over, too.
            E::RefundGranted { .. } => &[(
                if open { self.secured } else { self.owed_back() > 0 },
                "it was not paid, or was over and owed nothing",
            )],
            E::StepOwed { step, .. } => &[(*step == self.step_next, "another step was next")],
            E::StepDone { step } => &[(self.owed.iter().any(|(owed, _)| owed == step), "the step was not owed")],
        };
        rules.iter().find(|(holds, _)| !holds).map(|(_, why)| *why)
    }
}
