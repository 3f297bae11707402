//! What a payment does with a command or an answer of its gateway.

use compact_str::CompactString;

use super::event::PaymentEvent;
use super::gateway::{GatewayCall, GatewayOutcome, Operation};
use super::state::{Method, OpenOperation, Payment};
use super::table::{Column, PaymentState, transition};
use crate::account::AccountCommand;
use crate::{Amount, CustomerId, Money, Refusal, Timestamp};

/// What a payment can be asked to do, or learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentCommand {
    /// The gateway answered, or the client confirmed: one command, keyed by payment and operation.
    Answer {
        /// What had been asked.
        operation: Operation,
        /// What is known now.
        outcome: GatewayOutcome,
    },
    /// The wallet money that was held for it is spent.
    Secure,
    /// The order gave up: nothing may be charged.
    Abandon,
    /// Give some back.
    Refund {
        /// How much.
        amount: Amount,
    },
    /// The time of an unanswered call has come, or the engine was restarted.
    AskAgain,
}

/// What a payment wants of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentAsk {
    /// Call the gateway, once the record that says so is durable.
    Gateway(GatewayCall),
    /// Tell a wallet.
    Account(CustomerId, AccountCommand),
    /// Tell the order that the money is secured.
    OrderPaid,
    /// Tell the order that the payment failed.
    OrderFailed {
        /// Why.
        reason: CompactString,
    },
    /// Tell the order how a refund ended.
    OrderRefunded {
        /// How much.
        amount: Amount,
        /// Whether it went back.
        done: bool,
    },
    /// Tell those who follow the payment.
    Notify {
        /// The state after.
        state: PaymentState,
    },
}

/// The longest a charge may stay of unknown outcome; then it is undone, and only then is its stock released.
const INTENT_SECONDS_MAX: u32 = 600;
/// The first pause before an unanswered call is repeated; it doubles each time.
const BACKOFF_SECONDS: u32 = 2;
/// The longest such pause.
const BACKOFF_SECONDS_MAX: u32 = 3600;

/// The call that a payment in this state has open with its gateway.
fn call(payment: &Payment, open: OpenOperation) -> GatewayCall {
    let (operation, amount) = match open {
        OpenOperation::Charge => {
            let token = payment.credential.as_deref().unwrap_or_default().to_owned();
            (Operation::Charge { token }, payment.money.amount)
        }
        OpenOperation::Void => (Operation::Void, payment.money.amount),
        OpenOperation::Refund(number) => (Operation::Refund { number }, payment.refunds[number as usize - 1].amount),
    };
    GatewayCall { payment: payment.id, operation, money: Money::new(amount, payment.money.currency) }
}

/// The first call of a payment that was just created, if it has one to make.
pub fn first_call(payment: &Payment) -> Option<GatewayCall> {
    payment.open.map(|open| call(payment, open))
}

/// Decides a command at `now`; events go to `out`, messages to `asks`.
pub fn decide(
    payment: &Payment,
    command: &PaymentCommand,
    now: Timestamp,
    out: &mut Vec<PaymentEvent>,
    asks: &mut Vec<PaymentAsk>,
) -> Result<(), Refusal> {
    match command {
        PaymentCommand::Answer { operation, outcome } => answer(payment, operation, outcome, now, out, asks),
        PaymentCommand::Secure => {
            if payment.state == PaymentState::Pending {
                out.push(PaymentEvent::Paid { reference: None });
                if let (Method::Wallet, Some(payer)) = (payment.method, &payment.payer) {
                    asks.push(PaymentAsk::Account(payer.clone(), AccountCommand::Settle { payment: payment.id }));
                }
                asks.extend([PaymentAsk::OrderPaid, PaymentAsk::Notify { state: PaymentState::Paid }]);
            }
            Ok(())
        }
        PaymentCommand::Abandon => {
            if payment.state == PaymentState::Pending {
                match payment.open {
                    Some(OpenOperation::Charge) => start_void(payment, out, asks),
                    Some(_) => {}
                    None => fail(payment, "the order gave up", false, out, asks),
                }
            }
            Ok(())
        }
        PaymentCommand::Refund { amount } => refund(payment, *amount, out, asks),
        PaymentCommand::AskAgain => {
            ask_again(payment, now, out, asks);
            Ok(())
        }
    }
}

fn answer(
    payment: &Payment,
    operation: &Operation,
    outcome: &GatewayOutcome,
    now: Timestamp,
    out: &mut Vec<PaymentEvent>,
    asks: &mut Vec<PaymentAsk>,
) -> Result<(), Refusal> {
    let answers_the_open_one = matches!(
        (operation, payment.open),
        (Operation::Charge { .. }, Some(OpenOperation::Charge)) | (Operation::Void, Some(OpenOperation::Void))
    ) || matches!((operation, payment.open), (Operation::Refund { number }, Some(OpenOperation::Refund(open))) if *number == open);
    if !answers_the_open_one {
        // A repeated or late answer: what it says has been acted on, or is being undone.
        return Ok(());
    }
    match (operation, outcome) {
        (_, GatewayOutcome::Unknown { .. }) => {
            let attempt = payment.attempts + 1;
            let pause = BACKOFF_SECONDS.saturating_mul(1 << attempt.min(12)).min(BACKOFF_SECONDS_MAX);
            out.push(PaymentEvent::RetryScheduled { attempt, at: now.plus_seconds(pause) });
        }
        (Operation::Charge { .. }, GatewayOutcome::Approved { reference }) => {
            out.push(PaymentEvent::Paid { reference: Some(reference.into()) });
            asks.extend([PaymentAsk::OrderPaid, PaymentAsk::Notify { state: PaymentState::Paid }]);
        }
        (Operation::Charge { .. }, GatewayOutcome::Declined { reason }) => fail(payment, reason, false, out, asks),
        (Operation::Void, GatewayOutcome::Approved { .. }) => fail(payment, "no answer in time", true, out, asks),
        (Operation::Void, GatewayOutcome::Declined { .. }) => {
            // The gateway cannot undo it now: the money may have moved, so the outcome is still unknown.
            let at = now.plus_seconds(BACKOFF_SECONDS_MAX);
            out.push(PaymentEvent::RetryScheduled { attempt: payment.attempts + 1, at });
        }
        (Operation::Refund { number }, GatewayOutcome::Approved { .. }) => {
            let amount = payment.refunds[*number as usize - 1].amount;
            out.push(PaymentEvent::Refunded { number: *number });
            let whole = payment.refunded().0 + amount.0 == payment.money.amount.0;
            let state = if whole { PaymentState::Refunded } else { PaymentState::Paid };
            asks.extend([PaymentAsk::OrderRefunded { amount, done: true }, PaymentAsk::Notify { state }]);
        }
        (Operation::Refund { number }, GatewayOutcome::Declined { reason }) => {
            let amount = payment.refunds[*number as usize - 1].amount;
            out.push(PaymentEvent::RefundFailed { number: *number, reason: reason.into() });
            let state = PaymentState::Paid;
            asks.extend([PaymentAsk::OrderRefunded { amount, done: false }, PaymentAsk::Notify { state }]);
        }
    }
    Ok(())
}

fn fail(payment: &Payment, reason: &str, timeout: bool, out: &mut Vec<PaymentEvent>, asks: &mut Vec<PaymentAsk>) {
    let reason = CompactString::new(reason);
    out.push(PaymentEvent::Failed { reason: reason.clone(), timeout });
    if let (Method::Wallet, Some(payer)) = (payment.method, &payment.payer) {
        asks.push(PaymentAsk::Account(payer.clone(), AccountCommand::Release { payment: payment.id }));
    }
    asks.extend([PaymentAsk::OrderFailed { reason }, PaymentAsk::Notify { state: PaymentState::Failed }]);
}

fn start_void(payment: &Payment, out: &mut Vec<PaymentEvent>, asks: &mut Vec<PaymentAsk>) {
    out.push(PaymentEvent::VoidStarted);
    asks.push(PaymentAsk::Gateway(call(payment, OpenOperation::Void)));
}

fn refund(
    payment: &Payment,
    amount: Amount,
    out: &mut Vec<PaymentEvent>,
    asks: &mut Vec<PaymentAsk>,
) -> Result<(), Refusal> {
    transition(payment.state, Column::RefundRequest)?;
    if amount.0 <= 0 || payment.refunding().0 + amount.0 > payment.money.amount.0 {
        return Err(Refusal::MoneyInvalid {
            why: "a refund is positive and at most what was paid and not yet refunded".into(),
        });
    }
    let number = payment.refunds.len() as u32 + 1;
    out.push(PaymentEvent::RefundRequested { number, amount });
    asks.push(PaymentAsk::Notify { state: PaymentState::Refunding });
    let money = Money::new(amount, payment.money.currency);
    match payment.method {
        Method::Card => {
            let operation = Operation::Refund { number };
            asks.push(PaymentAsk::Gateway(GatewayCall { payment: payment.id, operation, money }));
            return Ok(());
        }
        Method::Wallet => {
            let payer = payment.payer.clone().expect("a wallet has an owner");
            asks.push(PaymentAsk::Account(
                payer,
                AccountCommand::Refund { payment: payment.id, refund: number, money },
            ));
        }
        Method::External | Method::Account => {}
    }
    out.push(PaymentEvent::Refunded { number });
    let whole = payment.refunded().0 + amount.0 == payment.money.amount.0;
    let state = if whole { PaymentState::Refunded } else { PaymentState::Paid };
    asks.extend([PaymentAsk::OrderRefunded { amount, done: true }, PaymentAsk::Notify { state }]);
    Ok(())
}

fn ask_again(payment: &Payment, now: Timestamp, out: &mut Vec<PaymentEvent>, asks: &mut Vec<PaymentAsk>) {
    let Some(open) = payment.open else { return };
    let too_long = payment.created_at.plus_seconds(INTENT_SECONDS_MAX) <= now;
    if open == OpenOperation::Charge && too_long {
        start_void(payment, out, asks);
        return;
    }
    let attempt = payment.attempts + 1;
    out.push(PaymentEvent::RetryScheduled { attempt, at: now.plus_seconds(Payment::ASK_AGAIN_SECONDS) });
    asks.push(PaymentAsk::Gateway(call(payment, open)));
}
