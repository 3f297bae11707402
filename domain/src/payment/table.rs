//! The one table of a payment: (stage, step) -> next stage, notify? A pair that is absent is refused by name.
//!
//! Everything else is made from it: the refusals, the five public states and their transitions, the exhaustive test, and
//! the page `docs/payment-states.md`.

use std::fmt::Write;

use minicbor::{Decode, Encode};

use super::stage::Stage;
use crate::Refusal;

/// The public states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum PaymentState {
    /// Nothing is taken: the outcome is not known yet, or the money is only set aside.
    #[n(0)]
    Pending,
    /// Money is taken.
    #[n(1)]
    Paid,
    /// No money moved.
    #[n(2)]
    Failed,
    /// Money is on its way back.
    #[n(3)]
    Refunding,
    /// All of it went back.
    #[n(4)]
    Refunded,
}

impl PaymentState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Paid, Self::Failed, Self::Refunding, Self::Refunded];

    /// The public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
        }
    }
}

/// Makes [`Step`] with its list and names.
macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident = $name:literal;)*) => {
        /// What can happen to a payment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Step {
            $($(#[$doc])* $step,)*
        }

        impl Step {
            /// Every step.
            pub const ALL: &[Self] = &[$(Self::$step),*];

            /// The public name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$step => $name,)* }
            }
        }
    };
}

steps! {
    /// The gateway is asked for the first time.
    Start = "START";
    /// The gateway wants another way to pay.
    NeedMethod = "NEED_METHOD";
    /// The gateway wants to know more of the buyer's device.
    NeedDeviceData = "NEED_DEVICE_DATA";
    /// The gateway wants the buyer to prove who they are.
    NeedAuthentication = "NEED_AUTHENTICATION";
    /// Somebody looks at it first.
    NeedReview = "NEED_REVIEW";
    /// What was wanted is done.
    ActionDone = "ACTION_DONE";
    /// The gateway is not asked now.
    Queue = "QUEUE";
    /// No answer came; it is asked again.
    ScheduleRetry = "SCHEDULE_RETRY";
    /// Nothing certain is known.
    Doubt = "DOUBT";
    /// The whole is set aside.
    Authorize = "AUTHORIZE";
    /// A part is set aside.
    AuthorizePart = "AUTHORIZE_PART";
    /// It is set aside anew.
    Renew = "RENEW";
    /// What was set aside has lapsed.
    Lapse = "LAPSE";
    /// Some of it is being taken.
    StartCapture = "START_CAPTURE";
    /// A part is taken.
    CapturePart = "CAPTURE_PART";
    /// All is taken.
    Capture = "CAPTURE";
    /// More is taken than was asked for.
    Overcapture = "OVERCAPTURE";
    /// It could not be taken.
    FailCapture = "FAIL_CAPTURE";
    /// It is being undone.
    StartVoid = "START_VOID";
    /// It is undone; nothing had moved.
    Cancel = "CANCEL";
    /// It is undone; money had moved.
    CancelAfterCapture = "CANCEL_AFTER_CAPTURE";
    /// The gateway said no.
    Decline = "DECLINE";
    /// The buyer did not prove who they are.
    FailAuthentication = "FAIL_AUTHENTICATION";
    /// Nothing was heard for too long; the gateway has confirmed that no money moved.
    Timeout = "TIMEOUT";
    /// Another amount moved than was asked for; that is undone.
    BreakIntegrity = "BREAK_INTEGRITY";
    /// Money came after the payment had failed.
    LateSuccess = "LATE_SUCCESS";
    /// The gateway is about to pay it out.
    SendForSettlement = "SEND_FOR_SETTLEMENT";
    /// The gateway has paid it out.
    Settle = "SETTLE";
    /// Money is to go back.
    RequestRefund = "REQUEST_REFUND";
    /// All that was taken has gone back.
    Refund = "REFUND";
    /// A part has gone back; the rest stays taken.
    RefundPart = "REFUND_PART";
    /// What came too late has gone back.
    RefundLate = "REFUND_LATE";
    /// It did not go back; the money is still here.
    FailRefund = "FAIL_REFUND";
    /// What had gone back came again.
    ReverseRefund = "REVERSE_REFUND";
    /// The bank questions it.
    OpenDispute = "OPEN_DISPUTE";
    /// The bank let it stand.
    WinDispute = "WIN_DISPUTE";
    /// The bank takes it back.
    LoseDispute = "LOSE_DISPUTE";
    /// The bank has taken all back.
    ChargeBack = "CHARGE_BACK";
    /// The bank has taken a part back.
    ChargeBackPart = "CHARGE_BACK_PART";
    /// The buyer tries again.
    Retry = "RETRY";
}

/// The next stage, and whether those who follow the payment are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The stage after.
    pub to: Stage,
    /// Whether those who follow the payment are told.
    pub notify: bool,
}

/// Several rows in one: where it begins, what happens, where it leads, and whether that is told.
type Rows = (&'static [Stage], Step, Option<Stage>, bool);

/// In place of where a row leads: it stays where it is.
const SELF: Option<Stage> = None;
const TOLD: bool = true;
const SILENT: bool = false;

/// The table as people write it.
#[rustfmt::skip]
const ROWS: &[Rows] = {
    use Stage as S;
    /// The gateway was asked, or will be.
    const ASKED: &[Stage] = &[S::AuthenticationDone, S::Authorizing, S::Queued, S::RetryScheduled];
    /// Its gateway may still say yes or no.
    const UNDECIDED: &[Stage] = &[
        S::MethodAwaited, S::DeviceDataAwaited, S::AuthenticationPending, S::AuthenticationDone,
        S::ManualReview, S::Authorizing, S::Queued, S::RetryScheduled,
    ];
    /// Before any money is set aside.
    const OPEN: &[Stage] = &[
        S::MethodAwaited, S::DeviceDataAwaited, S::AuthenticationPending, S::AuthenticationDone,
        S::ManualReview, S::Authorizing, S::Queued, S::RetryScheduled, S::Unresolved,
    ];
    const SET_ASIDE: &[Stage] = &[S::Authorized, S::AuthorizedInPart, S::AuthorizedAdjusted];
    /// Something is under way that the gateway has not answered.
    const UNDER_WAY: &[Stage] = &[
        S::Authorized, S::AuthorizedInPart, S::AuthorizedAdjusted, S::CaptureStarted, S::VoidStarted,
        S::PartiallyCaptured, S::RefundRequested,
    ];
    /// All the money is here, but for what went back.
    const HERE: &[Stage] = &[
        S::Captured, S::SentForSettlement, S::Overcharged, S::Settled, S::PartiallyRefunded,
        S::RefundFailed, S::RefundReversed, S::DisputeWon,
    ];
    &[
        // A card's gateway is asked, a wallet has set its money aside, and what is paid outside, or by a wallet in the turn that
        // placed the order, is here already: no payment is in this state longer than the record lasts that makes it.
        (&[S::Created], Step::Start, Some(S::Authorizing), SILENT),
        (&[S::Created], Step::Authorize, Some(S::Authorized), SILENT),
        (&[S::Created], Step::Capture, Some(S::Captured), TOLD),
        (ASKED, Step::NeedMethod, Some(S::MethodAwaited), SILENT),
        (ASKED, Step::NeedDeviceData, Some(S::DeviceDataAwaited), SILENT),
        (ASKED, Step::NeedAuthentication, Some(S::AuthenticationPending), SILENT),
        (ASKED, Step::NeedReview, Some(S::ManualReview), SILENT),
        (&[S::MethodAwaited, S::DeviceDataAwaited, S::ManualReview], Step::ActionDone, Some(S::Authorizing), SILENT),
        (&[S::AuthenticationPending], Step::ActionDone, Some(S::AuthenticationDone), SILENT),
        (&[S::AuthenticationDone, S::Authorizing, S::Queued, S::RetryScheduled], Step::Queue, Some(S::Queued), SILENT),
        (&[S::MethodAwaited, S::DeviceDataAwaited, S::AuthenticationPending, S::ManualReview], Step::Queue, SELF, SILENT),
        (&[S::Unresolved], Step::Queue, SELF, SILENT),
        (UNDER_WAY, Step::Queue, SELF, SILENT),
        (&[S::AuthenticationDone, S::Authorizing, S::Queued, S::RetryScheduled], Step::ScheduleRetry, Some(S::RetryScheduled), SILENT),
        (&[S::MethodAwaited, S::DeviceDataAwaited, S::AuthenticationPending, S::ManualReview], Step::ScheduleRetry, SELF, SILENT),
        (&[S::Unresolved], Step::ScheduleRetry, SELF, SILENT),
        (UNDER_WAY, Step::ScheduleRetry, SELF, SILENT),
        (OPEN, Step::Doubt, Some(S::Unresolved), SILENT),
        (UNDER_WAY, Step::Doubt, SELF, SILENT),
        (UNDECIDED, Step::Authorize, Some(S::Authorized), SILENT),
        (UNDECIDED, Step::AuthorizePart, Some(S::AuthorizedInPart), SILENT),
        (SET_ASIDE, Step::Renew, Some(S::AuthorizedAdjusted), SILENT),
        (&[S::PartiallyCaptured], Step::Renew, SELF, SILENT),
        (SET_ASIDE, Step::Lapse, Some(S::Expired), TOLD),
        (SET_ASIDE, Step::StartCapture, Some(S::CaptureStarted), SILENT),
        (&[S::PartiallyCaptured], Step::StartCapture, SELF, SILENT),
        (&[S::CaptureStarted, S::VoidStarted, S::Unresolved], Step::CapturePart, Some(S::PartiallyCaptured), TOLD),
        (&[S::PartiallyCaptured], Step::CapturePart, SELF, SILENT),
        (OPEN, Step::Capture, Some(S::Captured), TOLD),
        (SET_ASIDE, Step::Capture, Some(S::Captured), TOLD),
        (&[S::CaptureStarted, S::VoidStarted], Step::Capture, Some(S::Captured), TOLD),
        (&[S::PartiallyCaptured], Step::Capture, Some(S::Captured), SILENT),
        (&[S::CaptureStarted], Step::Overcapture, Some(S::Overcharged), TOLD),
        (&[S::PartiallyCaptured], Step::Overcapture, Some(S::Overcharged), SILENT),
        (&[S::CaptureStarted], Step::FailCapture, Some(S::Authorized), SILENT),
        (&[S::PartiallyCaptured], Step::FailCapture, SELF, SILENT),
        (OPEN, Step::StartVoid, Some(S::Unresolved), SILENT),
        (SET_ASIDE, Step::StartVoid, Some(S::VoidStarted), SILENT),
        (&[S::CaptureStarted, S::VoidStarted], Step::StartVoid, Some(S::VoidStarted), SILENT),
        (&[S::Queued, S::Unresolved], Step::Cancel, Some(S::Cancelled), TOLD),
        (SET_ASIDE, Step::Cancel, Some(S::Cancelled), TOLD),
        (&[S::VoidStarted], Step::Cancel, Some(S::Cancelled), TOLD),
        (&[S::Unresolved, S::VoidStarted], Step::CancelAfterCapture, Some(S::CancelledAfterCapture), TOLD),
        (UNDECIDED, Step::Decline, Some(S::Declined), TOLD),
        (UNDECIDED, Step::FailAuthentication, Some(S::AuthenticationFailed), TOLD),
        (&[S::Queued, S::Unresolved], Step::Timeout, Some(S::GatewayUnavailable), TOLD),
        (&[S::Unresolved, S::VoidStarted], Step::BreakIntegrity, Some(S::Integrity), TOLD),
        (&[S::Unresolved, S::VoidStarted, S::Declined, S::AuthenticationFailed], Step::LateSuccess, Some(S::Unresolved), SILENT),
        (&[S::PartiallyCaptured, S::Captured, S::SentForSettlement, S::Overcharged, S::Settled, S::DisputeWon], Step::LateSuccess, SELF, SILENT),
        (&[S::Captured], Step::SendForSettlement, Some(S::SentForSettlement), SILENT),
        (&[S::Captured, S::SentForSettlement], Step::Settle, Some(S::Settled), SILENT),
        (HERE, Step::RequestRefund, Some(S::RefundRequested), TOLD),
        (&[S::PartiallyCaptured], Step::RequestRefund, Some(S::RefundRequested), TOLD),
        (&[S::RefundRequested], Step::Refund, Some(S::Refunded), TOLD),
        (&[S::RefundRequested], Step::RefundPart, Some(S::PartiallyRefunded), TOLD),
        (&[S::RefundRequested], Step::RefundLate, Some(S::RefundedAutomatically), TOLD),
        (&[S::RefundRequested], Step::FailRefund, Some(S::RefundFailed), TOLD),
        (&[S::PartiallyRefunded, S::RefundFailed, S::DisputeWon], Step::ReverseRefund, Some(S::RefundReversed), SILENT),
        (&[S::RefundReversed], Step::ReverseRefund, SELF, SILENT),
        (&[S::Refunded, S::RefundedAutomatically, S::DisputeLost], Step::ReverseRefund, Some(S::RefundReversed), TOLD),
        (&[S::RefundReversed], Step::Doubt, SELF, SILENT),
        (HERE, Step::OpenDispute, Some(S::DisputeOpened), SILENT),
        (&[S::DisputeOpened], Step::WinDispute, Some(S::DisputeWon), SILENT),
        (&[S::DisputeOpened], Step::LoseDispute, Some(S::RefundRequested), TOLD),
        (&[S::RefundRequested], Step::ChargeBack, Some(S::DisputeLost), TOLD),
        (&[S::RefundRequested], Step::ChargeBackPart, Some(S::PartiallyRefunded), TOLD),
        (&[S::Declined, S::AuthenticationFailed, S::GatewayUnavailable, S::Integrity], Step::Retry, Some(S::Created), SILENT),
    ]
};

/// The table as it is asked: by stage, then by step.
static TABLE: [[Option<Transition>; Step::ALL.len()]; Stage::ALL.len()] = spread();

/// Spreads the rows out; a pair that is listed twice does not compile.
const fn spread() -> [[Option<Transition>; Step::ALL.len()]; Stage::ALL.len()] {
    let mut table = [[None; Step::ALL.len()]; Stage::ALL.len()];
    let mut row = 0;
    while row < ROWS.len() {
        let (from, on, to, notify) = ROWS[row];
        let mut at = 0;
        while at < from.len() {
            let cell = &mut table[from[at] as usize][on as usize];
            assert!(cell.is_none(), "a pair of stage and step is listed twice");
            let to = match to {
                Some(to) => to,
                None => from[at],
            };
            *cell = Some(Transition { to, notify });
            at += 1;
        }
        row += 1;
    }
    table
}

/// Looks a pair up.
pub fn transition(from: Stage, on: Step) -> Result<Transition, Refusal> {
    TABLE[from as usize][on as usize].ok_or(Refusal::PaymentStateInvalid { state: from.sub_name(), event: on.name() })
}

/// A change of the public state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicTransition {
    /// The state before.
    pub from: PaymentState,
    /// What its name is.
    pub on: &'static str,
    /// The state after.
    pub to: PaymentState,
    /// Whether those who follow the payment are told.
    pub notify: bool,
}

const fn public(from: PaymentState, on: &'static str, to: PaymentState, notify: bool) -> PublicTransition {
    PublicTransition { from, on, to, notify }
}

/// The public transitions. Several steps can be the same public one; no step is another one.
pub const PUBLIC_TRANSITIONS: [PublicTransition; 8] = [
    public(PaymentState::Pending, "PAY_SUCCESS", PaymentState::Paid, true),
    public(PaymentState::Pending, "PAY_FAILURE", PaymentState::Failed, true),
    public(PaymentState::Pending, "TIMEOUT", PaymentState::Failed, true),
    public(PaymentState::Paid, "REFUND_REQ", PaymentState::Refunding, true),
    public(PaymentState::Refunding, "REFUND_SUCCESS", PaymentState::Refunded, true),
    public(PaymentState::Refunding, "REFUND_FAILURE", PaymentState::Paid, true),
    public(PaymentState::Refunded, "REFUND_REVERSED", PaymentState::Paid, true),
    public(PaymentState::Failed, "RETRY", PaymentState::Pending, false),
];

/// The table as the documentation shows it.
pub fn markdown() -> String {
    let mut page = String::from("| state | public | step: next state |\n|---|---|---|\n");
    for from in Stage::ALL {
        let _ = write!(page, "| {} | {} |", from.name(), from.public().name());
        let mut separator = " ";
        for on in Step::ALL {
            if let Ok(next) = transition(*from, *on) {
                let told = if next.notify { " (told)" } else { "" };
                let _ = write!(page, "{separator}`{}`: {}{told}", on.name(), next.to.name());
                separator = "; ";
            }
        }
        page.push_str(" |\n");
    }
    page
}
