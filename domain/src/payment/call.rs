//! What a payment asks of its gateway.

use super::gateway::{GatewayCall, Operation};
use super::state::{OpenOperation, Payment};
use crate::{Amount, Money};

/// How much more than `money` may be taken where so many ten-thousandths of it are permitted: whole minor units, less rather
/// than more.
pub fn permitted_overcapture(money: Money, basis_points: u16) -> Amount {
    let exact = i128::from(money.amount.0) * i128::from(basis_points) / 10_000;
    let unit = i128::from(money.currency.minor_unit());
    Amount(i64::try_from(exact / unit * unit).unwrap_or(0))
}

/// The call that a payment in this state has open with its gateway.
pub(super) fn call(payment: &Payment, open: OpenOperation) -> GatewayCall {
    let token = || payment.credential.as_deref().unwrap_or_default().to_owned();
    let (operation, amount) = match open {
        OpenOperation::Charge => (Operation::Charge { token: token() }, payment.money.amount),
        OpenOperation::Authorize => (Operation::Authorize { token: token() }, payment.money.amount),
        OpenOperation::Void => (Operation::Void, payment.money.amount),
        OpenOperation::Refund(number) => (Operation::Refund { number }, payment.refunds[number as usize - 1].amount),
        OpenOperation::Capture(number) => {
            let progress = payment.progress.as_deref().expect("a capture has begun");
            (Operation::Capture { number }, progress.captures[number as usize - 1].amount)
        }
        OpenOperation::Renew(number) => (Operation::Renew { number }, payment.capturable()),
    };
    GatewayCall { payment: payment.id, operation, money: Money::new(amount, payment.money.currency) }
}

/// The call that a payment has open, if it has one: the first one of a payment that was just created.
pub fn first_call(payment: &Payment) -> Option<GatewayCall> {
    payment.open.map(|open| call(payment, open))
}

impl Payment {
    /// The call that it has open with its gateway.
    pub fn open_call(&self) -> Option<GatewayCall> {
        first_call(self)
    }
}
