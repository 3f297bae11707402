//! The rules of a payment, one by one, each as a sentence.

mod giving_up;
mod integrity;
mod queue;
mod reversal;

use super::gateway::{GatewayCall, GatewayOutcome, Operation};
use super::{
    Method, OpenOperation, Payment, PaymentAsk, PaymentCommand, PaymentEvent, PaymentState, Stage, decide, first_call,
};
use crate::account::AccountCommand;
use crate::{Amount, CustomerId, Money, OrderId, PaymentId, Refusal, Timestamp};

const START: Timestamp = Timestamp(1_700_000_000_000_000);

struct Till {
    payment: Payment,
    now: Timestamp,
    asks: Vec<PaymentAsk>,
}

fn charge() -> Operation {
    Operation::Charge { token: "tok".into() }
}

fn approved() -> GatewayOutcome {
    GatewayOutcome::Approved { reference: "ref-1".into() }
}

fn declined() -> GatewayOutcome {
    GatewayOutcome::Declined { reason: "no funds".into() }
}

fn unknown() -> GatewayOutcome {
    GatewayOutcome::Unknown { reason: "timeout".into() }
}

impl Till {
    fn with(method: Method) -> Self {
        let order = OrderId::new(START, 1);
        let created = PaymentEvent::Created {
            order,
            method,
            money: Money::parse("10.00 EUR").unwrap(),
            payer: Some(CustomerId::new("ann").unwrap()),
            credential: Some("tok".into()),
            capture_later: false,
            overcapture: Amount::ZERO,
            retry_of: None,
        };
        let payment = Payment::create(PaymentId::of_order(order, 0, START), &created, START);
        Self { payment, now: START, asks: Vec::new() }
    }

    fn paid(method: Method) -> Self {
        let mut till = Self::with(method);
        till.payment.apply(&PaymentEvent::Paid { reference: None }, START);
        till
    }

    fn run(&mut self, command: PaymentCommand) -> Result<Vec<&'static str>, Refusal> {
        let (mut events, mut asks) = (Vec::new(), Vec::new());
        decide(&self.payment, &command, self.now, &mut events, &mut asks)?;
        events.iter().for_each(|event| self.payment.apply(event, self.now));
        self.asks = asks;
        Ok(events.iter().map(PaymentEvent::name).collect())
    }

    fn answer(&mut self, operation: Operation, outcome: GatewayOutcome) -> Vec<&'static str> {
        self.run(PaymentCommand::Answer { operation, outcome }).unwrap()
    }

    fn refund(&mut self, ten_thousandths: i64) -> Result<Vec<&'static str>, Refusal> {
        self.run(PaymentCommand::Refund { amount: Amount(ten_thousandths) })
    }

    fn called(&self) -> Vec<String> {
        let key = |ask: &PaymentAsk| match ask {
            PaymentAsk::Gateway(call) => Some(call.idempotency_key()),
            _ => None,
        };
        self.asks.iter().filter_map(key).collect()
    }

    fn key(&self, what: &str) -> String {
        format!("{}:{what}", self.payment.id)
    }
}

#[test]
fn an_approved_charge_is_paid_once_however_often_it_is_told() {
    let mut till = Till::with(Method::Card);
    assert_eq!(till.answer(charge(), approved()), ["paid"]);
    assert_eq!(
        till.asks,
        [PaymentAsk::OrderPaid, PaymentAsk::OrderSees, PaymentAsk::Notify { state: PaymentState::Paid }]
    );
    for outcome in [approved(), declined(), unknown()] {
        assert!(till.answer(charge(), outcome).is_empty());
        assert!(till.asks.is_empty());
    }
    assert_eq!(till.payment.remark.as_deref(), Some("ref-1"));
}

#[test]
fn a_declined_charge_fails_once_and_a_late_approval_goes_back_by_itself() {
    let mut till = Till::with(Method::Card);
    assert_eq!(till.answer(charge(), declined()), ["failed"]);
    assert!(till.answer(charge(), declined()).is_empty());
    assert_eq!(till.payment.state, PaymentState::Failed);
    assert_eq!(till.answer(charge(), approved()), ["late_success", "paid", "refund_requested"]);
    assert_eq!(till.called(), [till.key("refund:1")]);
    assert!(till.answer(charge(), approved()).is_empty());
    assert_eq!(till.answer(Operation::Refund { number: 1 }, approved()), ["refunded"]);
    assert_eq!(till.payment.stage(), Stage::RefundedAutomatically);
    assert!(till.answer(charge(), approved()).is_empty(), "it went back once");
}

/// Found by a reviewer: only a charge was looked at, and what was set aside stayed so.
#[test]
fn what_is_set_aside_after_it_was_declined_is_let_go() {
    let aside = || GatewayOutcome::Authorized { reference: "au".into(), money: None, expires_at: None };
    for (operation, outcome) in
        [(integrity::authorize(), approved()), (integrity::authorize(), aside()), (charge(), aside())]
    {
        let mut till = Till::with(Method::Card);
        if operation != charge() {
            till.payment.open = Some(OpenOperation::Authorize);
        }
        assert_eq!(till.answer(operation.clone(), declined()), ["failed"]);
        assert_eq!(till.answer(operation.clone(), outcome.clone()), ["late_success", "void_started"]);
        assert_eq!(till.called(), [till.key("void")]);
        assert!(till.answer(operation.clone(), outcome.clone()).is_empty(), "it is being let go");
        assert_eq!(till.answer(Operation::Void, approved()), ["cancelled"]);
        assert_eq!((till.payment.stage(), till.payment.captured()), (Stage::Cancelled, Amount(0)));
        assert!(till.answer(operation, outcome).is_empty(), "once");
    }
    let mut till = Till::with(Method::Card);
    till.answer(charge(), declined());
    till.answer(charge(), aside());
    let taken = GatewayOutcome::AlreadyMoved { reference: "ch".into() };
    assert_eq!(till.answer(Operation::Void, taken), ["paid", "refund_requested"], "it goes back by itself");
}

#[test]
fn an_answer_that_comes_after_its_charge_was_undone_gives_nothing_back_again() {
    let mut till = Till::with(Method::Card);
    till.run(PaymentCommand::Abandon).unwrap();
    assert_eq!(till.answer(Operation::Void, approved()), ["failed"]);
    assert_eq!(till.payment.stage(), Stage::GatewayUnavailable);
    assert!(till.answer(charge(), approved()).is_empty());
}

#[test]
fn an_unknown_outcome_is_asked_again_under_the_same_key_with_longer_pauses() {
    let mut till = Till::with(Method::Card);
    let first = first_call(&till.payment).unwrap();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        assert_eq!(till.answer(charge(), unknown()), ["retry_scheduled"]);
        pauses.push((till.payment.ask_again_at.0 - till.now.0) / 1_000_000);
        till.now = till.payment.ask_again_at;
        assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["retry_scheduled"]);
        assert_eq!(till.called(), [first.idempotency_key()]);
    }
    assert_eq!(pauses, [4, 8, 16, 32]);
    till.payment.attempts = u32::MAX - 1;
    till.answer(charge(), unknown());
    assert_eq!(till.payment.ask_again_at, till.now.plus_seconds(3600), "a pause has an end");
}

#[test]
fn a_charge_of_unknown_outcome_is_undone_after_its_time_and_only_then_it_has_failed() {
    let mut till = Till::with(Method::Card);
    till.now = START.plus_seconds(600);
    assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["void_started"]);
    assert_eq!(till.called(), [till.key("void")]);
    assert_eq!(till.payment.state, PaymentState::Pending);
    assert!(till.answer(charge(), approved()).is_empty(), "it is being undone");
    assert_eq!(till.answer(Operation::Void, unknown()), ["retry_scheduled"]);
    assert_eq!(till.answer(Operation::Void, declined()), ["retry_scheduled"], "the money may have moved");
    assert_eq!(till.payment.state, PaymentState::Pending);
    assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["retry_scheduled"]);
    assert_eq!(till.called(), [till.key("void")]);
    assert_eq!(till.answer(Operation::Void, approved()), ["failed"]);
    assert!(matches!(
        till.asks[..],
        [PaymentAsk::OrderFailed { .. }, PaymentAsk::OrderSees, PaymentAsk::Notify { .. }]
    ));
}

/// A charge that was being undone, and had gone through.
fn taken_late() -> Till {
    let mut till = Till::with(Method::Card);
    till.now = START.plus_seconds(600);
    till.run(PaymentCommand::AskAgain).unwrap();
    assert_eq!(till.answer(Operation::Void, GatewayOutcome::AlreadyMoved { reference: "ref-1".into() }), ["paid"]);
    assert_eq!(
        till.asks,
        [PaymentAsk::OrderPaidLate, PaymentAsk::OrderSees, PaymentAsk::Notify { state: PaymentState::Paid }]
    );
    till
}

#[test]
fn money_that_was_taken_although_it_was_being_undone_is_its_orders_to_take_or_to_give_back() {
    let mut back = taken_late();
    assert_eq!(back.run(PaymentCommand::GiveBack).unwrap(), ["late_success", "refund_requested"]);
    assert_eq!(back.called(), [back.key("refund:1")]);
    assert!(back.asks.iter().any(|ask| matches!(ask, PaymentAsk::OrderFailed { .. })));
    assert!(back.run(PaymentCommand::GiveBack).unwrap().is_empty(), "once");
    assert_eq!(back.answer(Operation::Refund { number: 1 }, approved()), ["refunded"]);
    assert_eq!(back.payment.stage(), Stage::RefundedAutomatically);
    assert!(back.run(PaymentCommand::GiveBack).unwrap().is_empty());

    let mut kept = taken_late();
    assert_eq!(kept.payment.stage(), Stage::Captured, "a payment like any other");
    assert_eq!(kept.refund(40_000).unwrap(), ["refund_requested"]);
    assert!(kept.run(PaymentCommand::GiveBack).unwrap().is_empty(), "some of it is on its way already");
}

#[test]
fn an_abandoned_charge_is_undone_first_and_once() {
    let mut till = Till::with(Method::Card);
    assert_eq!(till.run(PaymentCommand::Abandon).unwrap(), ["void_started"]);
    assert!(till.run(PaymentCommand::Abandon).unwrap().is_empty());
    assert_eq!(till.payment.open, Some(OpenOperation::Void));
    assert!(Till::paid(Method::Card).run(PaymentCommand::Abandon).unwrap().is_empty(), "what is paid is refunded");
}

#[test]
fn wallet_money_is_settled_or_released_once() {
    let ask = |command| PaymentAsk::Account(CustomerId::new("ann").unwrap(), command);
    let mut till = Till::with(Method::Wallet);
    let payment = till.payment.id;
    assert_eq!(till.run(PaymentCommand::Secure).unwrap(), ["paid"]);
    assert_eq!(till.asks[0], ask(AccountCommand::Settle { payment }));
    assert!(till.run(PaymentCommand::Secure).unwrap().is_empty());
    let mut till = Till::with(Method::Wallet);
    assert_eq!(till.run(PaymentCommand::Abandon).unwrap(), ["cancelled"]);
    assert_eq!(till.asks[0], ask(AccountCommand::Release { payment }));
    assert!(till.run(PaymentCommand::Secure).unwrap().is_empty());
}

#[test]
fn refunds_of_a_card_are_numbered_and_each_has_a_key_of_its_own() {
    let mut till = Till::paid(Method::Card);
    assert_eq!(till.refund(40_000).unwrap(), ["refund_requested"]);
    assert_eq!(till.called(), [till.key("refund:1")]);
    assert_eq!(till.refund(10_000).unwrap_err().code(), "order_state_invalid", "one after the other");
    assert!(till.answer(Operation::Refund { number: 2 }, approved()).is_empty(), "nobody asked for it");
    assert_eq!(till.answer(Operation::Refund { number: 1 }, declined()), ["refund_failed"]);
    assert_eq!((till.payment.state, till.payment.refunded()), (PaymentState::Paid, Amount(0)));
    assert_eq!(till.refund(40_000).unwrap(), ["refund_requested"]);
    assert_eq!(till.called(), [till.key("refund:2")]);
    assert!(till.answer(Operation::Refund { number: 1 }, approved()).is_empty(), "it was declined before");
    assert_eq!(till.answer(Operation::Refund { number: 2 }, approved()), ["refunded"]);
    assert!(till.answer(Operation::Refund { number: 2 }, approved()).is_empty());
    assert_eq!((till.payment.state, till.payment.refunded()), (PaymentState::Paid, Amount(40_000)));
    till.refund(60_000).unwrap();
    till.answer(Operation::Refund { number: 3 }, approved());
    assert_eq!(till.payment.state, PaymentState::Refunded);
}

#[test]
fn no_more_goes_back_than_was_paid() {
    for (amount, code) in [(0, "money_invalid"), (-1, "money_invalid"), (100_001, "money_invalid")] {
        assert_eq!(Till::paid(Method::External).refund(amount).unwrap_err().code(), code);
    }
    assert_eq!(Till::with(Method::Card).refund(1).unwrap_err().code(), "order_state_invalid");
    let mut till = Till::paid(Method::External);
    assert_eq!(till.refund(70_000).unwrap(), ["refund_requested", "refunded"]);
    assert_eq!(till.refund(30_001).unwrap_err().code(), "money_invalid");
    till.refund(30_000).unwrap();
    assert_eq!(till.payment.state, PaymentState::Refunded);
    assert_eq!(till.refund(1).unwrap_err().code(), "order_state_invalid");
}

#[test]
fn a_wallet_takes_its_refund_in_under_its_number() {
    let mut till = Till::paid(Method::Wallet);
    till.refund(25_000).unwrap();
    let wanted =
        AccountCommand::Refund { payment: till.payment.id, refund: 1, money: Money::parse("2.50 EUR").unwrap() };
    assert!(till.asks.contains(&PaymentAsk::Account(CustomerId::new("ann").unwrap(), wanted)));
}

#[test]
fn a_payment_is_woken_only_while_a_call_is_open() {
    let mut till = Till::with(Method::Card);
    assert_eq!(till.payment.next_due(), Some(START.plus_seconds(Payment::ASK_AGAIN_SECONDS)));
    till.answer(charge(), approved());
    assert_eq!(till.payment.next_due(), None);
    assert!(till.run(PaymentCommand::AskAgain).unwrap().is_empty());
    assert_eq!(Till::with(Method::Wallet).payment.next_due(), None);
    assert_eq!(first_call(&Till::with(Method::Wallet).payment), None::<GatewayCall>);
}

#[test]
fn a_refund_that_is_never_answered_is_given_up_and_asked_again_under_its_key_when_somebody_says_so() {
    let mut till = Till::paid(Method::Card);
    till.refund(40_000).unwrap();
    for _ in 0..super::ATTEMPTS_MAX {
        assert_eq!(till.answer(Operation::Refund { number: 1 }, unknown()), ["retry_scheduled"]);
        assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["retry_scheduled"]);
    }
    assert_eq!(till.answer(Operation::Refund { number: 1 }, unknown()), ["given_up"]);
    assert_eq!((till.payment.is_given_up(), till.payment.next_due()), (true, None));
    assert!(till.run(PaymentCommand::AskAgain).unwrap().is_empty());
    assert_eq!(till.run(PaymentCommand::Resume).unwrap(), ["resumed"]);
    assert_eq!(till.called(), [till.key("refund:1")]);
    assert_eq!(till.answer(Operation::Refund { number: 1 }, approved()), ["refunded"]);
    assert_eq!(till.run(PaymentCommand::Resume).unwrap_err().code(), "order_state_invalid");
}

#[test]
fn what_is_set_aside_is_set_aside_anew_before_it_lapses_and_lapses_when_the_gateway_refuses() {
    let mut till = Till::with(Method::Card);
    till.payment.progress = Some(Box::new(super::Progress { capture_later: true, ..super::Progress::default() }));
    let until = START.plus_seconds(7 * 24 * 3600);
    let aside = |expires_at| GatewayOutcome::Authorized { reference: "au".into(), money: None, expires_at };
    assert_eq!(till.answer(charge(), aside(Some(until))), ["authorized"]);
    assert_eq!(till.payment.next_due(), Some(START.plus_seconds(6 * 24 * 3600)));
    assert!(till.run(PaymentCommand::AskAgain).unwrap().is_empty(), "not yet");
    till.now = START.plus_seconds(6 * 24 * 3600);
    assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["renewal_started"]);
    assert_eq!(till.called(), [till.key("renew:1")]);
    let next = till.now.plus_seconds(7 * 24 * 3600);
    assert_eq!(till.answer(Operation::Renew { number: 1 }, aside(Some(next))), ["renewed"]);
    assert_eq!(till.payment.stage(), Stage::AuthorizedAdjusted);
    till.now = till.payment.next_due().unwrap();
    till.run(PaymentCommand::AskAgain).unwrap();
    assert_eq!(till.called(), [till.key("renew:2")]);
    assert_eq!(till.answer(Operation::Renew { number: 2 }, declined()), ["lapsed"]);
    assert_eq!((till.payment.stage(), till.payment.state), (Stage::Expired, PaymentState::Failed));
    assert!(matches!(till.asks[0], PaymentAsk::OrderFailed { .. }));
}

#[test]
fn a_snapshot_from_before_there_was_more_than_the_public_state_is_read() {
    // Written by the version before: the fields up to 12, and no stage.
    let payment = Till::paid(Method::Card).payment;
    let bytes = minicbor::to_vec(&payment).unwrap();
    let mut decoder = minicbor::Decoder::new(&bytes);
    assert_eq!(decoder.array().unwrap(), Some(14), "an array with the stage as its last member");
    (0..13).for_each(|_| decoder.skip().unwrap());
    let mut old = bytes[..decoder.position()].to_vec();
    old[0] = 0x8d;
    let read: Payment = minicbor::decode(&old).unwrap();
    assert_eq!((read.state, read.stage(), read.captured()), (PaymentState::Paid, Stage::Captured, Amount(100_000)));
    assert_eq!((read.refundable(), read.next_due()), (Amount(100_000), None));
}

#[path = "set_aside_rules.rs"]
mod set_aside;
