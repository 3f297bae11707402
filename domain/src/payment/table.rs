//! The one table of payment states: (state, event) -> next, notify? A pair that is absent is refused by name.

use minicbor::{Decode, Encode};

use crate::Refusal;

/// The public states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum PaymentState {
    /// The outcome is not known yet.
    #[n(0)]
    Pending,
    /// The money is secured.
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

/// The columns of the table: what can happen to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// The money was secured.
    PaySuccess,
    /// The payment was declined.
    PayFailure,
    /// Nothing was heard for too long; the gateway has confirmed that no money moved.
    Timeout,
    /// Money is to go back.
    RefundRequest,
    /// All that was paid has gone back.
    RefundSuccess,
    /// A part has gone back; the rest stays paid.
    RefundPartSuccess,
    /// The refund was refused; the money is still here.
    RefundFailure,
    /// The buyer tries again.
    Retry,
}

impl Column {
    /// Every column.
    pub const ALL: [Self; 8] = [
        Self::PaySuccess,
        Self::PayFailure,
        Self::Timeout,
        Self::RefundRequest,
        Self::RefundSuccess,
        Self::RefundPartSuccess,
        Self::RefundFailure,
        Self::Retry,
    ];

    /// The public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PaySuccess => "PAY_SUCCESS",
            Self::PayFailure => "PAY_FAILURE",
            Self::Timeout => "TIMEOUT",
            Self::RefundRequest => "REFUND_REQ",
            Self::RefundSuccess => "REFUND_SUCCESS",
            Self::RefundPartSuccess => "REFUND_PART_SUCCESS",
            Self::RefundFailure => "REFUND_FAILURE",
            Self::Retry => "RETRY",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: PaymentState,
    /// What happens.
    pub on: Column,
    /// The state after.
    pub to: PaymentState,
    /// Whether those who follow the payment are told.
    pub notify: bool,
}

const fn row(from: PaymentState, on: Column, to: PaymentState, notify: bool) -> Transition {
    Transition { from, on, to, notify }
}

/// The table.
pub const TRANSITIONS: [Transition; 8] = [
    row(PaymentState::Pending, Column::PaySuccess, PaymentState::Paid, true),
    row(PaymentState::Pending, Column::PayFailure, PaymentState::Failed, true),
    row(PaymentState::Pending, Column::Timeout, PaymentState::Failed, true),
    row(PaymentState::Paid, Column::RefundRequest, PaymentState::Refunding, true),
    row(PaymentState::Refunding, Column::RefundSuccess, PaymentState::Refunded, true),
    row(PaymentState::Refunding, Column::RefundPartSuccess, PaymentState::Paid, true),
    row(PaymentState::Refunding, Column::RefundFailure, PaymentState::Paid, true),
    row(PaymentState::Failed, Column::Retry, PaymentState::Pending, false),
];

/// Looks a pair up.
pub fn transition(from: PaymentState, on: Column) -> Result<Transition, Refusal> {
    TRANSITIONS
        .iter()
        .find(|row| row.from == from && row.on == on)
        .copied()
        .ok_or(Refusal::PaymentStateInvalid { state: from.name(), event: on.name() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_event_is_either_in_the_table_or_refused_by_name() {
        let mut legal = 0;
        for from in PaymentState::ALL {
            for on in Column::ALL {
                match transition(from, on) {
                    Ok(found) => {
                        assert_eq!((found.from, found.on), (from, on));
                        legal += 1;
                    }
                    Err(refusal) => {
                        assert_eq!(refusal, Refusal::PaymentStateInvalid { state: from.name(), event: on.name() });
                    }
                }
            }
        }
        assert_eq!(legal, TRANSITIONS.len(), "no row is listed twice");
        let silent: Vec<_> = TRANSITIONS.iter().filter(|row| !row.notify).map(|row| row.on).collect();
        assert_eq!(silent, [Column::Retry], "only a retry is silent");
    }
}
