//! Money is what was asked for: this amount, in this currency.

use super::*;
use crate::payment::gateway::Notice;

/// What a gateway says moved.
fn moved(text: &str) -> GatewayOutcome {
    GatewayOutcome::Moved { reference: "ref-1".into(), money: Money::parse(text).unwrap() }
}

fn set_aside(text: &str) -> GatewayOutcome {
    let money = Some(Money::parse(text).unwrap());
    GatewayOutcome::Authorized { reference: "au-1".into(), money, expires_at: None }
}

/// A card whose money is set aside to be taken later.
pub(super) fn aside() -> Till {
    let mut till = Till::with(Method::Card);
    till.payment.progress =
        Some(Box::new(crate::payment::Progress { capture_later: true, ..crate::payment::Progress::default() }));
    till.payment.open = Some(OpenOperation::Authorize);
    assert_eq!(till.answer(authorize(), approved()), ["authorized"]);
    till
}

pub(super) fn authorize() -> Operation {
    Operation::Authorize { token: "tok".into() }
}

pub(super) fn capture(till: &mut Till, ten_thousandths: i64) {
    let amount = Some(Amount(ten_thousandths));
    assert_eq!(till.run(PaymentCommand::Capture { amount }).unwrap(), ["capture_started"]);
}

/// The gateway has undone it all.
fn undo(till: &mut Till, stage: Stage) {
    assert_eq!(till.called(), [till.key("void")]);
    assert_eq!(till.payment.state, PaymentState::Pending, "the order's units stay held");
    assert_eq!(till.answer(Operation::Void, approved()), ["failed"]);
    assert_eq!((till.payment.stage(), till.payment.captured()), (stage, Amount::ZERO));
    assert!(till.asks.iter().any(|ask| matches!(ask, PaymentAsk::OrderFailed { .. })));
}

#[test]
fn a_charge_that_moved_something_else_than_was_asked_for_is_undone_whole() {
    for other in ["10.00 USD", "10 JPY", "10.01 EUR", "9.99 EUR"] {
        let mut till = Till::with(Method::Card);
        assert_eq!(till.answer(charge(), moved(other)), ["integrity_broken", "void_started"], "{other}");
        undo(&mut till, Stage::Integrity);
    }
    assert_eq!(Till::with(Method::Card).answer(charge(), moved("10.00 EUR")), ["paid"]);
}

#[test]
fn money_of_another_currency_is_not_set_aside() {
    let mut till = Till::with(Method::Card);
    assert_eq!(till.answer(charge(), set_aside("10.00 USD")), ["integrity_broken", "void_started"]);
    undo(&mut till, Stage::Integrity);
    let mut till = aside();
    till.payment.progress.as_mut().unwrap().renew_at = Some(START);
    assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["renewal_started"]);
    for other in ["10.00 USD", "9.99 EUR"] {
        let mut till = Till { payment: till.payment.clone(), now: START, asks: Vec::new() };
        let renew = Operation::Renew { number: 1 };
        assert_eq!(till.answer(renew, set_aside(other)), ["integrity_broken", "void_started"], "{other}");
        undo(&mut till, Stage::Integrity);
    }
    assert_eq!(till.answer(Operation::Renew { number: 1 }, set_aside("10.00 EUR")), ["renewed"]);
}

#[test]
fn a_capture_of_another_currency_is_undone_or_somebody_looks_at_it_where_a_part_is_taken_already() {
    let mut till = aside();
    capture(&mut till, 100_000);
    let first = Operation::Capture { number: 1 };
    assert_eq!(till.answer(first, moved("10.00 USD")), ["integrity_broken", "void_started"]);
    undo(&mut till, Stage::Integrity);

    let mut till = aside();
    capture(&mut till, 40_000);
    assert_eq!(till.answer(Operation::Capture { number: 1 }, moved("4.00 EUR")), ["captured"]);
    capture(&mut till, 60_000);
    let second = Operation::Capture { number: 2 };
    assert_eq!(till.answer(second, moved("6.00 USD")), ["integrity_broken", "given_up"]);
    assert_eq!((till.payment.captured(), till.payment.is_given_up()), (Amount(40_000), true), "it is not booked");
}

#[test]
fn a_void_or_a_refund_of_another_currency_is_not_taken_for_the_one_that_was_asked_for() {
    let mut till = Till::with(Method::Card);
    till.run(PaymentCommand::Abandon).unwrap();
    assert_eq!(till.answer(Operation::Void, moved("10.00 USD")), ["integrity_broken", "failed"]);
    assert_eq!(till.payment.stage(), Stage::Integrity);
    for other in ["4.00 USD", "4.01 EUR"] {
        let mut till = Till::paid(Method::Card);
        till.refund(40_000).unwrap();
        assert_eq!(till.answer(Operation::Refund { number: 1 }, moved(other)), ["given_up"], "{other}");
    }
    let mut till = Till::paid(Method::Card);
    till.refund(40_000).unwrap();
    assert_eq!(till.answer(Operation::Refund { number: 1 }, moved("4.00 EUR")), ["refunded"]);
}

#[test]
fn a_dispute_about_another_currency_is_refused_by_name() {
    let mut till = Till::paid(Method::Card);
    let dispute = |text: &str| {
        PaymentCommand::Notice(Notice::DisputeOpened { money: Money::parse(text).unwrap(), reference: "dp".into() })
    };
    assert_eq!(till.run(dispute("10.00 USD")).unwrap_err().code(), "currency_mismatch");
    assert_eq!(till.run(dispute("10.00 EUR")).unwrap(), ["dispute_opened"]);
}

/// Money that was set aside, of which this much more than is set aside may be taken.
fn aside_with(overcapture: i64) -> Till {
    let mut till = aside();
    till.payment.overcapture = Amount(overcapture);
    till
}

fn refund(number: u32) -> Operation {
    Operation::Refund { number }
}

#[test]
fn more_than_may_be_taken_is_undone_whole() {
    for (permitted, taken) in [(0, "10.01 EUR"), (500, "10.06 EUR"), (500, "20.00 EUR")] {
        let mut till = aside_with(permitted);
        capture(&mut till, 100_000);
        let first = Operation::Capture { number: 1 };
        assert_eq!(till.answer(first, moved(taken)), ["integrity_broken", "void_started"], "{taken}");
        undo(&mut till, Stage::Integrity);
    }
}

#[test]
fn more_than_may_be_taken_beside_a_part_that_is_booked_goes_back_with_it() {
    let mut till = aside_with(500);
    capture(&mut till, 40_000);
    assert_eq!(till.answer(Operation::Capture { number: 1 }, moved("4.03 EUR")), ["captured"]);
    capture(&mut till, 60_000);
    let told = till.answer(Operation::Capture { number: 2 }, moved("6.03 EUR"));
    assert_eq!(told, ["integrity_broken", "captured", "late_success", "refund_requested"], "3 and 3 cents are 6");
    assert!(till.asks.iter().any(|ask| matches!(ask, PaymentAsk::OrderFailed { .. })));
    assert!(!till.asks.contains(&PaymentAsk::OrderPaid));
    assert_eq!(till.answer(refund(1), approved()), ["refunded"]);
    assert_eq!((till.payment.stage(), till.payment.refunded()), (Stage::RefundedAutomatically, Amount(100_600)));
}

/// All of it is taken, and five cents too much, as is permitted.
fn surplus() -> Till {
    let mut till = aside_with(500);
    capture(&mut till, 100_000);
    let told = till.answer(Operation::Capture { number: 1 }, moved("10.05 EUR"));
    assert_eq!(told, ["captured", "surplus_requested"]);
    assert_eq!((&till.asks[0], till.called()), (&PaymentAsk::OrderPaid, vec![till.key("refund:1")]));
    till
}

#[test]
fn what_is_taken_too_much_within_what_is_permitted_goes_back_by_itself_and_the_order_is_paid() {
    let mut till = surplus();
    assert_eq!(till.answer(refund(1), approved()), ["refunded"]);
    assert!(!till.asks.iter().any(|ask| matches!(ask, PaymentAsk::OrderRefunded { .. })), "it is not the order's");
    assert_eq!((till.payment.stage(), till.payment.refunded()), (Stage::PartiallyRefunded, Amount(500)));
    assert_eq!(till.payment.refundable(), Amount(100_000));
    assert_eq!(till.refund(100_000).unwrap(), ["refund_requested"]);
    assert_eq!(till.answer(refund(2), approved()), ["refunded"]);
    assert_eq!(till.payment.stage(), Stage::Refunded);
}

#[test]
fn a_refund_that_is_wanted_while_the_surplus_is_on_its_way_comes_next() {
    for outcome in [approved(), declined()] {
        let mut till = surplus();
        assert_eq!(till.refund(100_000).unwrap(), ["refund_deferred"]);
        assert!(till.asks.is_empty());
        let told = till.answer(refund(1), outcome.clone());
        assert_eq!(told.last(), Some(&"refund_requested"), "{told:?}");
        assert_eq!(till.called(), [till.key("refund:2")]);
        till.answer(refund(2), approved());
        let amount = Amount(100_000);
        assert!(till.asks.contains(&PaymentAsk::OrderRefunded { amount, done: true }));
        assert_eq!(till.payment.is_given_up(), outcome == declined(), "five cents are still here");
    }
}

#[test]
fn a_surplus_that_cannot_go_back_is_for_an_operator() {
    let mut till = surplus();
    assert_eq!(till.answer(refund(1), declined()), ["given_up", "refund_failed"]);
    assert_eq!((till.payment.is_given_up(), till.payment.surplus()), (true, Amount(500)));
    assert_eq!(till.run(PaymentCommand::Resume).unwrap(), ["resumed", "surplus_requested"]);
    assert_eq!(till.called(), [till.key("refund:2")]);
    assert_eq!(till.answer(refund(2), approved()), ["refunded"]);
    assert!(!till.payment.is_given_up());
}
