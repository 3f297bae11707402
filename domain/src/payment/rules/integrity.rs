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
    assert!(matches!(till.asks[..], [PaymentAsk::OrderFailed { .. }, PaymentAsk::Notify { .. }]));
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
