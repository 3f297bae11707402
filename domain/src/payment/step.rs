//! Which step of the table an event of a payment is.

use std::cmp::Ordering;

use super::event::PaymentEvent;
use super::gateway::ActionKind;
use super::stage::Stage;
use super::state::{Method, Payment};
use super::table::{Step, transition};

impl Payment {
    /// What the table calls an event; none: the stage has nothing to do with it.
    pub(super) fn step_of(&self, event: &PaymentEvent) -> Option<Step> {
        Some(match event {
            PaymentEvent::Created { .. } | PaymentEvent::Opened { .. } => return None,
            PaymentEvent::Paid { .. } => Step::Capture,
            PaymentEvent::Failed { timeout, .. } => match (&self.progress, timeout) {
                (Some(progress), _) if progress.integrity_broken => Step::BreakIntegrity,
                (_, true) => Step::Timeout,
                (_, false) => Step::Decline,
            },
            PaymentEvent::VoidStarted => Step::StartVoid,
            PaymentEvent::RefundRequested { .. } | PaymentEvent::SurplusRequested { .. } => Step::RequestRefund,
            PaymentEvent::Refunded { number } => {
                let gone = self.refunded().0 + self.charged_back().0 + self.refunds[*number as usize - 1].amount.0;
                match (gone == self.captured().0, self.goes_back_by_itself()) {
                    (true, true) => Step::RefundLate,
                    (true, false) => Step::Refund,
                    (false, _) => Step::RefundPart,
                }
            }
            PaymentEvent::RefundFailed { .. } => Step::FailRefund,
            PaymentEvent::RetryScheduled { .. } => Step::ScheduleRetry,
            PaymentEvent::Authorized { amount, .. } if amount.0 < self.money.amount.0 => Step::AuthorizePart,
            PaymentEvent::Authorized { .. } => Step::Authorize,
            PaymentEvent::CaptureStarted { .. } => Step::StartCapture,
            PaymentEvent::Captured { moved, .. } => {
                let sum = self.progress.as_ref().map_or(0, |progress| progress.captured().0) + moved.0;
                match sum.cmp(&self.money.amount.0) {
                    Ordering::Less => Step::CapturePart,
                    Ordering::Equal => Step::Capture,
                    Ordering::Greater => Step::Overcapture,
                }
            }
            PaymentEvent::CaptureFailed { .. } => Step::FailCapture,
            PaymentEvent::Cancelled { after_capture: true, .. } => Step::CancelAfterCapture,
            PaymentEvent::Cancelled { .. } => Step::Cancel,
            PaymentEvent::ActionRequired { kind, .. } => match kind {
                ActionKind::Authentication => Step::NeedAuthentication,
                ActionKind::Method => Step::NeedMethod,
                ActionKind::DeviceData => Step::NeedDeviceData,
                ActionKind::Review => Step::NeedReview,
            },
            PaymentEvent::ActionDone => Step::ActionDone,
            PaymentEvent::Queued { .. } => Step::Queue,
            PaymentEvent::GivenUp { .. } | PaymentEvent::IntegrityBroken { .. } => Step::Doubt,
            PaymentEvent::Resumed
            | PaymentEvent::RenewalStarted { .. }
            | PaymentEvent::AbandonNoted
            | PaymentEvent::RefundDeferred { .. } => return None,
            PaymentEvent::Renewed { .. } => Step::Renew,
            PaymentEvent::Lapsed { .. } => Step::Lapse,
            PaymentEvent::AuthenticationFailed { .. } => Step::FailAuthentication,
            PaymentEvent::LateSuccess { .. } => Step::LateSuccess,
            PaymentEvent::SettlementSent => Step::SendForSettlement,
            PaymentEvent::Settled => Step::Settle,
            PaymentEvent::RefundReversed { .. } => Step::ReverseRefund,
            PaymentEvent::DisputeOpened { .. } => Step::OpenDispute,
            PaymentEvent::DisputeWon => Step::WinDispute,
            PaymentEvent::DisputeLost => Step::LoseDispute,
            PaymentEvent::ChargedBack { amount } => {
                let gone = self.refunded().0 + self.charged_back().0 + amount.0;
                if gone == self.captured().0 { Step::ChargeBack } else { Step::ChargeBackPart }
            }
        })
    }
}

/// Where a payment is after the record that makes it: it begins as `created`, another try as what failed did.
pub(super) fn first_stage(event: &PaymentEvent, method: Method) -> Stage {
    let after = |from, on| transition(from, on).expect("a payment begins as its table says").to;
    let created = match event {
        PaymentEvent::Created { retry_of: Some(_), .. } => after(Stage::Declined, Step::Retry),
        _ => Stage::Created,
    };
    match (event, method) {
        (PaymentEvent::Opened { .. }, _) => after(created, Step::Capture),
        (_, Method::Card) => after(created, Step::Start),
        // Its wallet has set the money aside.
        _ => after(created, Step::Authorize),
    }
}
