//! What an order knows of where its payments stand, and whose turn it is.

use super::{CANCEL, Desk, START, amount, line};
use crate::order::{OrderCommand, OrderStatus};
use crate::payment::gateway::ActionKind;
use crate::payment::{Method, NextAction, PaymentState, Stage};

fn stands(desk: &Desk, number: usize, stage: Stage) -> OrderCommand {
    OrderCommand::PaymentStands { payment: desk.id(number), stage, next_action: None }
}

fn asks(desk: &Desk, number: usize, stage: Stage, kind: ActionKind) -> OrderCommand {
    let next_action = Some(NextAction { kind, next: "https://bank.example/3ds".into() });
    OrderCommand::PaymentStands { payment: desk.id(number), stage, next_action }
}

fn by_card() -> Desk {
    let mut desk = Desk::with(&[line("sku", "10.00", 1, 0)], &[(Method::Card, "10.00")]);
    desk.run(OrderCommand::Accept).unwrap();
    desk
}

#[test]
fn an_order_awaits_payment_while_the_buyer_must_prove_who_they_are_and_not_before_or_after() {
    let mut desk = by_card();
    assert_eq!(desk.order.status(), OrderStatus::Created);
    let must_act = asks(&desk, 0, Stage::AuthenticationPending, ActionKind::Authentication);
    assert_eq!(desk.run(must_act.clone()).unwrap(), ["payment_stands"]);
    assert_eq!(desk.order.status(), OrderStatus::AwaitingPayment);
    assert_eq!(desk.order.payments[0].next_action.as_deref().unwrap().kind, ActionKind::Authentication);
    assert!(desk.run(must_act).unwrap().is_empty(), "it is told again");

    let acted = stands(&desk, 0, Stage::AuthenticationDone);
    assert_eq!(desk.run(acted.clone()).unwrap(), ["payment_stands"]);
    assert_eq!((desk.order.status(), &desk.order.payments[0].next_action), (OrderStatus::Created, &None));
    assert!(desk.run(acted).unwrap().is_empty(), "it is told again");
    desk.secure(0);
    assert_eq!((desk.order.status(), desk.order.payments[0].stage()), (OrderStatus::Paid, Stage::Captured));
}

#[test]
fn it_is_the_buyers_turn_for_every_action_but_a_review() {
    for (stage, kind, status) in [
        (Stage::AuthenticationPending, ActionKind::Authentication, OrderStatus::AwaitingPayment),
        (Stage::MethodAwaited, ActionKind::Method, OrderStatus::AwaitingPayment),
        (Stage::DeviceDataAwaited, ActionKind::DeviceData, OrderStatus::AwaitingPayment),
        (Stage::ManualReview, ActionKind::Review, OrderStatus::Created),
    ] {
        let mut desk = by_card();
        let told = asks(&desk, 0, stage, kind);
        desk.run(told).unwrap();
        assert_eq!(desk.order.status(), status, "{stage:?}");
    }
}

/// The buyer must act, but a payment is under way: its units stay, and nothing is paid a second time.
#[test]
fn an_order_whose_buyer_must_act_is_not_paid_edited_or_expired_but_extended_and_cancelled() {
    let mut desk = by_card();
    let must_act = asks(&desk, 0, Stage::AuthenticationPending, ActionKind::Authentication);
    desk.run(must_act).unwrap();
    assert_eq!(desk.order.check_payable(START).unwrap_err().code(), "order_state_invalid");
    assert_eq!(desk.order.check_editable(START).unwrap_err().code(), "order_state_invalid");
    assert_eq!(desk.code(OrderCommand::Ship { lines: None, tracking: None }), "order_state_invalid");
    assert_eq!(desk.code(super::cancel(&[(0, 1)])), "order_state_invalid");
    assert_eq!(desk.run(OrderCommand::Extend { seconds: 60 }).unwrap(), ["extended"]);
    desk.now = START.plus_seconds(10_000);
    assert!(desk.run(OrderCommand::DeadlineReached).unwrap().is_empty(), "it is pinned");
    assert_eq!(desk.run(CANCEL).unwrap(), ["cancel_requested"]);
    assert_eq!(desk.abandoned(), [0]);
    let undone = stands(&desk, 0, Stage::Unresolved);
    desk.run(undone).unwrap();
    assert_eq!(desk.order.status(), OrderStatus::Created, "nothing is asked of the buyer any more");
    assert_eq!(desk.fail(0), ["payment_failed", "cancelled"]);
}

/// What follows from what the order is told anyway costs no record.
#[test]
fn a_payment_that_goes_the_plain_way_tells_nothing_new() {
    let wallet = [(Method::Wallet, "3.00"), (Method::Card, "7.00")];
    let mut desk = Desk::with(&[line("sku", "10.00", 1, 0)], &wallet);
    let plain = |desk: &mut Desk, number: usize, stage: Stage| {
        assert_eq!(desk.order.payments[number].stage(), stage);
        let told = stands(desk, number, stage);
        assert!(desk.run(told).unwrap().is_empty(), "{stage:?}");
    };
    plain(&mut desk, 0, Stage::Authorized);
    plain(&mut desk, 1, Stage::Authorizing);
    desk.secure(1);
    desk.secure(0);
    plain(&mut desk, 1, Stage::Captured);
    desk.run(OrderCommand::RefundAmount { amount: super::eur("8.00"), reason: "late".into() }).unwrap();
    plain(&mut desk, 1, Stage::RefundRequested);
    desk.end_refund(1, true);
    plain(&mut desk, 1, Stage::Refunded);
    desk.end_refund(0, true);
    plain(&mut desk, 0, Stage::PartiallyRefunded);

    let mut declined = by_card();
    declined.fail(0);
    plain(&mut declined, 0, Stage::Declined);
}

/// It changes what is shown, not whether the order is paid: that is told by itself.
#[test]
fn where_a_payment_stands_settles_nothing() {
    let mut desk = by_card();
    let taken = stands(&desk, 0, Stage::PartiallyCaptured);
    desk.run(taken).unwrap();
    assert_eq!(desk.order.payments[0].state, PaymentState::Pending);
    assert_eq!((desk.order.paid(), desk.order.status()), (amount("0.00"), OrderStatus::Created));
    assert!(desk.asks.is_empty());
}
