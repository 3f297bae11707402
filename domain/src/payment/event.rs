//! What happened to a payment.

use compact_str::CompactString;
use minicbor::{Decode, Encode};

use super::gateway::ActionKind;
use super::state::Method;
use crate::order::{Order, OrderPayment};
use crate::{Amount, Currency, CustomerId, Money, OrderId, PaymentId, Timestamp, codec};

/// One fact about a payment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "the fields are the values that the variant's sentence names")]
pub enum PaymentEvent {
    /// It exists; a card payment's intent is open with this record.
    #[n(0)]
    Created {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        method: Method,
        #[n(2)]
        money: Money,
        #[n(3)]
        payer: Option<CustomerId>,
        /// A card's token or an external payment's reference.
        #[cbor(n(4), with = "codec::optional_text")]
        credential: Option<CompactString>,
        /// Its money is only set aside, and captured when somebody asks for that.
        #[cbor(n(5), skip_if = "codec::is_false")]
        capture_later: bool,
        /// How much more than is set aside may be taken.
        #[cbor(n(6), skip_if = "codec::is_zero")]
        overcapture: Amount,
        /// The payment that failed, of which this is another try.
        #[n(7)]
        retry_of: Option<PaymentId>,
    },
    /// It was secured with its order's own record, and becomes an actor now that some of it goes back.
    #[n(8)]
    Opened {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        method: Method,
        #[n(2)]
        money: Money,
        #[n(3)]
        payer: Option<CustomerId>,
        /// What the caller calls it.
        #[cbor(n(4), with = "codec::optional_text")]
        credential: Option<CompactString>,
        /// When it was paid; records of before this was told do not know.
        #[n(5)]
        paid_at: Option<Timestamp>,
    },
    /// The money is secured.
    #[n(1)]
    Paid {
        #[cbor(n(0), with = "codec::optional_text")]
        reference: Option<CompactString>,
    },
    /// It was declined, or timed out after the gateway confirmed that nothing moved.
    #[n(2)]
    Failed {
        #[cbor(n(0), with = "codec::text")]
        reason: CompactString,
        #[n(1)]
        timeout: bool,
    },
    /// The charge took too long: it is being undone before anything is released.
    #[n(3)]
    VoidStarted,
    /// Money is to go back.
    #[n(4)]
    RefundRequested {
        #[n(0)]
        number: u32,
        #[n(1)]
        amount: Amount,
    },
    /// It went back.
    #[n(5)]
    Refunded {
        #[n(0)]
        number: u32,
    },
    /// It did not go back.
    #[n(6)]
    RefundFailed {
        #[n(0)]
        number: u32,
        #[cbor(n(1), with = "codec::text")]
        reason: CompactString,
    },
    /// The gateway's answer is unknown: it is asked again then, under the same key.
    #[n(7)]
    RetryScheduled {
        #[n(0)]
        attempt: u32,
        #[n(1)]
        at: Timestamp,
    },
    /// Money is set aside.
    #[n(9)]
    Authorized {
        #[n(0)]
        amount: Amount,
        #[cbor(n(1), with = "codec::text")]
        reference: CompactString,
        #[n(2)]
        expires_at: Option<Timestamp>,
    },
    /// Some of it is being taken.
    #[n(10)]
    CaptureStarted {
        #[n(0)]
        number: u32,
        #[n(1)]
        amount: Amount,
    },
    /// It is taken, as much as moved.
    #[n(11)]
    Captured {
        #[n(0)]
        number: u32,
        #[n(1)]
        moved: Amount,
        #[cbor(n(2), with = "codec::text")]
        reference: CompactString,
    },
    /// It could not be taken.
    #[n(12)]
    CaptureFailed {
        #[n(0)]
        number: u32,
        #[cbor(n(1), with = "codec::text")]
        reason: CompactString,
    },
    /// It was given up, and is undone.
    #[n(13)]
    Cancelled {
        #[cbor(n(0), with = "codec::text")]
        reason: CompactString,
        /// Whether money had moved before it was undone.
        #[n(1)]
        after_capture: bool,
    },
    /// The gateway wants something first.
    #[n(14)]
    ActionRequired {
        #[n(0)]
        kind: ActionKind,
        #[cbor(n(1), with = "codec::text")]
        next: CompactString,
    },
    /// What the gateway wanted is done.
    #[n(15)]
    ActionDone,
    /// The gateway is not asked now; it is then.
    #[n(16)]
    Queued {
        #[n(0)]
        attempt: u32,
        #[n(1)]
        at: Timestamp,
    },
    /// It was asked too often: it is not asked again until somebody says so.
    #[n(17)]
    GivenUp {
        #[n(0)]
        attempt: u32,
        #[cbor(n(1), with = "codec::text")]
        reason: CompactString,
    },
    /// Somebody says so.
    #[n(18)]
    Resumed,
    /// What is set aside is about to lapse, and is set aside anew.
    #[n(19)]
    RenewalStarted {
        #[n(0)]
        number: u32,
    },
    /// It is.
    #[n(20)]
    Renewed {
        #[n(0)]
        number: u32,
        #[n(1)]
        expires_at: Option<Timestamp>,
    },
    /// What was set aside has lapsed.
    #[n(21)]
    Lapsed {
        #[cbor(n(0), with = "codec::text")]
        reason: CompactString,
    },
    /// The buyer did not prove who they are.
    #[n(22)]
    AuthenticationFailed {
        #[cbor(n(0), with = "codec::text")]
        reason: CompactString,
    },
    /// Another amount moved than was asked for, or another currency: it is undone.
    #[n(23)]
    IntegrityBroken {
        #[n(0)]
        asked: Amount,
        #[n(1)]
        moved: Amount,
        /// In what it moved, if that is not the payment's currency.
        #[n(2)]
        currency: Option<Currency>,
    },
    /// Money is here that nobody waits for any more: it goes back by itself.
    #[n(24)]
    LateSuccess {
        #[cbor(n(0), with = "codec::text")]
        reference: CompactString,
    },
    /// Its order gave up while some of the money was being taken.
    #[n(25)]
    AbandonNoted,
    /// The gateway is about to pay it out.
    #[n(26)]
    SettlementSent,
    /// The gateway has paid it out.
    #[n(27)]
    Settled,
    /// What had gone back came again.
    #[n(28)]
    RefundReversed {
        #[n(0)]
        number: u32,
    },
    /// The bank questions it.
    #[n(29)]
    DisputeOpened {
        #[n(0)]
        amount: Amount,
        #[cbor(n(1), with = "codec::text")]
        reference: CompactString,
    },
    /// The bank let it stand.
    #[n(30)]
    DisputeWon,
    /// The bank takes it back.
    #[n(31)]
    DisputeLost,
    /// The bank has taken it back.
    #[n(32)]
    ChargedBack {
        #[n(0)]
        amount: Amount,
    },
    /// What was taken beyond what it pays for is to go back by itself: a refund like any other, of which its order does
    /// not know.
    #[n(33)]
    SurplusRequested {
        #[n(0)]
        number: u32,
        #[n(1)]
        amount: Amount,
    },
    /// Its order wants money back while the surplus is on its way: that comes next.
    #[n(34)]
    RefundDeferred {
        #[n(0)]
        amount: Amount,
    },
}

impl PaymentEvent {
    /// How the actor of a payment begins that its order secured by itself.
    pub fn opened(order: &Order, payment: &OrderPayment) -> Self {
        Self::Opened {
            order: order.id,
            method: payment.method,
            money: Money::new(payment.amount, order.currency),
            payer: order.customer.clone(),
            credential: payment.reference.clone(),
            paid_at: Some(order.created_at),
        }
    }

    /// Whether a payment begins with it.
    pub const fn begins(&self) -> bool {
        matches!(self, Self::Created { .. } | Self::Opened { .. })
    }

    /// The public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Opened { .. } => "opened",
            Self::Paid { .. } => "paid",
            Self::Failed { .. } => "failed",
            Self::VoidStarted => "void_started",
            Self::RefundRequested { .. } => "refund_requested",
            Self::Refunded { .. } => "refunded",
            Self::RefundFailed { .. } => "refund_failed",
            Self::RetryScheduled { .. } => "retry_scheduled",
            Self::Authorized { .. } => "authorized",
            Self::CaptureStarted { .. } => "capture_started",
            Self::Captured { .. } => "captured",
            Self::CaptureFailed { .. } => "capture_failed",
            Self::Cancelled { .. } => "cancelled",
            Self::ActionRequired { .. } => "action_required",
            Self::ActionDone => "action_done",
            Self::Queued { .. } => "queued",
            Self::GivenUp { .. } => "given_up",
            Self::Resumed => "resumed",
            Self::RenewalStarted { .. } => "renewal_started",
            Self::Renewed { .. } => "renewed",
            Self::Lapsed { .. } => "lapsed",
            Self::AuthenticationFailed { .. } => "authentication_failed",
            Self::IntegrityBroken { .. } => "integrity_broken",
            Self::LateSuccess { .. } => "late_success",
            Self::AbandonNoted => "abandon_noted",
            Self::SettlementSent => "settlement_sent",
            Self::Settled => "settled",
            Self::RefundReversed { .. } => "refund_reversed",
            Self::DisputeOpened { .. } => "dispute_opened",
            Self::DisputeWon => "dispute_won",
            Self::DisputeLost => "dispute_lost",
            Self::ChargedBack { .. } => "charged_back",
            Self::SurplusRequested { .. } => "surplus_requested",
            Self::RefundDeferred { .. } => "refund_deferred",
        }
    }
}
