//! Money that had gone back and comes again: it is the buyer's still, so it can be given back anew.

use super::*;
use crate::payment::gateway::Notice;

fn reversed(till: &mut Till, number: u32) -> Vec<&'static str> {
    till.run(PaymentCommand::Notice(Notice::RefundReversed { number })).unwrap()
}

/// All of these went back, one after the other.
fn gone_back(parts: &[i64]) -> Till {
    let mut till = Till::paid(Method::Card);
    for (number, part) in (1..).zip(parts) {
        till.refund(*part).unwrap();
        assert_eq!(till.answer(Operation::Refund { number }, approved()), ["refunded"]);
    }
    till
}

#[test]
fn a_refund_that_comes_again_is_told_the_order_once_and_can_be_refunded_anew() {
    // A part, and all of it: the second had no way out before.
    for (part, stage) in [(40_000, Stage::PartiallyRefunded), (100_000, Stage::Refunded)] {
        let mut till = gone_back(&[part]);
        assert_eq!(till.payment.stage(), stage);
        assert_eq!(reversed(&mut till, 1), ["refund_reversed"]);
        assert!(till.asks.contains(&PaymentAsk::OrderRefundReversed { amount: Amount(part) }));
        assert_eq!((till.payment.state, till.payment.stage()), (PaymentState::Paid, Stage::RefundReversed));
        assert_eq!((till.payment.refunded(), till.payment.refundable()), (Amount(0), Amount(100_000)));
        assert!(reversed(&mut till, 1).is_empty(), "once");
        assert_eq!(till.refund(part).unwrap(), ["refund_requested"]);
        assert_eq!(till.called(), [till.key("refund:2")], "under a new key");
        assert_eq!(till.answer(Operation::Refund { number: 2 }, approved()), ["refunded"]);
        assert_eq!(till.payment.stage(), stage);
    }
}

#[test]
fn several_refunds_come_again_each_by_its_number() {
    let mut till = gone_back(&[40_000, 60_000]);
    assert_eq!(reversed(&mut till, 2), ["refund_reversed"]);
    assert_eq!(reversed(&mut till, 1), ["refund_reversed"]);
    assert_eq!(till.payment.refundable(), Amount(100_000));
    let unknown = till.run(PaymentCommand::Notice(Notice::RefundReversed { number: 3 }));
    assert_eq!(unknown.unwrap_err().code(), "not_found");
}

#[test]
fn what_went_back_by_itself_and_comes_again_is_for_an_operator_and_not_for_the_order() {
    let mut till = Till::with(Method::Card);
    till.answer(charge(), declined());
    assert_eq!(till.answer(charge(), approved()), ["late_success", "paid", "refund_requested"]);
    till.answer(Operation::Refund { number: 1 }, approved());
    assert_eq!(till.payment.stage(), Stage::RefundedAutomatically);
    assert_eq!(reversed(&mut till, 1), ["refund_reversed", "given_up"]);
    assert!(!till.asks.iter().any(|ask| matches!(ask, PaymentAsk::OrderRefundReversed { .. })));
    assert!(till.payment.is_given_up());
    assert_eq!(till.run(PaymentCommand::Resume).unwrap(), ["resumed", "refund_requested"]);
    till.answer(Operation::Refund { number: 2 }, approved());
    assert_eq!((till.payment.stage(), till.payment.is_given_up()), (Stage::RefundedAutomatically, false));
}

#[test]
fn only_a_cards_gateway_has_anything_to_tell() {
    for method in [Method::Wallet, Method::External] {
        let mut till = Till::paid(method);
        till.refund(40_000).unwrap();
        let told = till.run(PaymentCommand::Notice(Notice::RefundReversed { number: 1 }));
        assert_eq!(told.unwrap_err().code(), "order_state_invalid");
        assert_eq!(till.run(PaymentCommand::Notice(Notice::Settled)).unwrap_err().code(), "order_state_invalid");
    }
}
