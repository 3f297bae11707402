//! What is said to a card gateway and what it answers. The port itself is a trait of the actors' crate.

use crate::{Money, PaymentId};

/// What the gateway is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Take the money of this card token.
    Charge {
        /// The stored or one-time credential.
        token: String,
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

impl GatewayCall {
    /// The key under which the gateway must do this at most once, however often it is asked.
    pub fn idempotency_key(&self) -> String {
        match &self.operation {
            Operation::Charge { .. } => format!("{}:charge", self.payment),
            Operation::Void => format!("{}:void", self.payment),
            Operation::Refund { number } => format!("{}:refund:{number}", self.payment),
        }
    }
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
}
