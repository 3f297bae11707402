//! What is said to a card gateway and what it answers. The port itself is a trait of the actors' crate.

use compact_str::CompactString;
use minicbor::{Decode, Encode};

use crate::mistake::{self, Mistake, made};
use crate::{Money, PaymentId, Timestamp};

/// What the gateway is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Take the money of this card token.
    Charge {
        /// The stored or one-time credential.
        token: String,
    },
    /// Set the money of this card token aside, to be captured later.
    Authorize {
        /// The stored or one-time credential.
        token: String,
    },
    /// Take money that was set aside.
    Capture {
        /// Which capture of the payment, from 1.
        number: u32,
    },
    /// Set the money aside anew before that lapses.
    Renew {
        /// Which renewal of the payment, from 1.
        number: u32,
    },
    /// Undo whatever the charge of this payment did; harmless if it did nothing.
    Void,
    /// Give money of the charge back.
    Refund {
        /// Which refund of the payment, from 1.
        number: u32,
    },
}

/// A call to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayCall {
    /// Whose money.
    pub payment: PaymentId,
    /// What to do.
    pub operation: Operation,
    /// How much.
    pub money: Money,
}

impl Operation {
    /// What it is called in keys, protocols and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Charge { .. } => "charge",
            Self::Authorize { .. } => "authorize",
            Self::Capture { .. } => "capture",
            Self::Renew { .. } => "renew",
            Self::Void => "void",
            Self::Refund { .. } => "refund",
        }
    }

    /// Its number, where a payment can have several.
    pub const fn number(&self) -> Option<u32> {
        match self {
            Self::Capture { number } | Self::Renew { number } | Self::Refund { number } => Some(*number),
            Self::Charge { .. } | Self::Authorize { .. } | Self::Void => None,
        }
    }

    /// What a name and a number say; a token is not repeated in answers.
    pub fn from_parts(name: &str, number: Option<u32>) -> Option<Self> {
        Some(match (name, number) {
            ("charge", None) => Self::Charge { token: String::new() },
            ("authorize", None) => Self::Authorize { token: String::new() },
            ("void", None) => Self::Void,
            ("capture", Some(number)) => Self::Capture { number },
            ("renew", Some(number)) => Self::Renew { number },
            ("refund", Some(number)) => Self::Refund { number },
            _ => return None,
        })
    }
}

impl GatewayCall {
    /// The key under which the gateway must do this at most once, however often it is asked.
    pub fn idempotency_key(&self) -> String {
        if made(Mistake::GatewayKeyChanges) {
            return format!("{}:{}:{}", self.payment, self.operation.name(), mistake::count());
        }
        match self.operation.number() {
            Some(number) => format!("{}:{}:{number}", self.payment, self.operation.name()),
            None => format!("{}:{}", self.payment, self.operation.name()),
        }
    }
}

/// What a gateway may want before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ActionKind {
    /// The buyer must prove who they are.
    #[n(0)]
    Authentication,
    /// The buyer must name another way to pay.
    #[n(1)]
    Method,
    /// The gateway wants to know more of the buyer's device.
    #[n(2)]
    DeviceData,
    /// Somebody looks at it.
    #[n(3)]
    Review,
}

impl ActionKind {
    /// Every kind with its public name.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Authentication, "authentication"),
        (Self::Method, "method"),
        (Self::DeviceData, "device_data"),
        (Self::Review, "review"),
    ];

    /// The public name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// What a gateway tells without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The buyer did what was wanted of them.
    ActionDone,
    /// It is about to pay the money out.
    SettlementSent,
    /// It has paid the money out.
    Settled,
    /// A refund that had gone back has come again.
    RefundReversed {
        /// Which refund.
        number: u32,
    },
    /// The buyer's bank questions the payment.
    DisputeOpened {
        /// How much of it; in another currency than the payment's it is refused.
        money: Money,
        /// The gateway's name for the dispute.
        reference: CompactString,
    },
    /// The bank let the payment stand.
    DisputeWon,
    /// The bank took the money back.
    DisputeLost,
}

/// What is known after a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayOutcome {
    /// It was done.
    Approved {
        /// The gateway's name for it.
        reference: String,
    },
    /// It was not done and will not be.
    Declined {
        /// Why, in the gateway's words.
        reason: String,
    },
    /// Nothing is known: ask again under the same key.
    Unknown {
        /// What went wrong on the way.
        reason: String,
    },
    /// The money is set aside.
    Authorized {
        /// The gateway's name for it.
        reference: String,
        /// What is set aside, in the gateway's own words; none: all that was asked for.
        money: Option<Money>,
        /// When that lapses; none: the gateway does not say.
        expires_at: Option<Timestamp>,
    },
    /// It was done, and this much moved.
    Moved {
        /// The gateway's name for it.
        reference: String,
        /// What moved, in the gateway's own words: it may be another amount or currency than was asked for.
        money: Money,
    },
    /// It cannot be undone, because the money has moved.
    AlreadyMoved {
        /// The gateway's name for what moved it.
        reference: String,
    },
    /// The buyer, or somebody who reviews it, must act first.
    ActionRequired {
        /// What is wanted.
        kind: ActionKind,
        /// Where: an address, or whatever the gateway says.
        next: String,
    },
    /// The buyer did not prove who they are.
    AuthenticationFailed {
        /// Why, in the gateway's words.
        reason: String,
    },
    /// The gateway was not asked, because it fails too often at the moment.
    Unavailable {
        /// Why.
        reason: String,
    },
}

impl GatewayOutcome {
    /// Whether asking again under the same key may tell something else.
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Unknown { .. } | Self::Unavailable { .. } | Self::ActionRequired { .. })
    }
}
