//! What happened to a payment.

use compact_str::CompactString;
use minicbor::{Decode, Encode};

use super::state::Method;
use crate::order::{Order, OrderPayment};
use crate::{Amount, CustomerId, Money, OrderId, Timestamp, codec};

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
        }
    }
}
