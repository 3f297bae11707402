//! A card that failed is tried again, while the order's units are still held.

use super::*;
use crate::order::retry;
use crate::payment::PaymentState;

/// An order that was accepted before its card was declined.
fn declined(lines: &[PlacedLine], payments: &[(Method, &str)]) -> Desk {
    let mut desk = Desk::with(lines, payments);
    desk.run(OrderCommand::Accept).unwrap();
    desk.fail(0);
    desk
}

fn try_again(desk: &mut Desk, number: usize) -> Result<Vec<&'static str>, Refusal> {
    let events = retry(&desk.order, desk.id(number), desk.now)?;
    events.iter().for_each(|event| desk.order.apply(event));
    Ok(events.iter().map(OrderEvent::name).collect())
}

#[test]
fn a_card_that_failed_is_tried_again_as_a_new_payment_and_the_hold_has_its_time_anew() {
    let mut desk = declined(&[line("sku", "10.00", 1, 0)], &[(Method::Card, "10.00")]);
    desk.now = START.plus_seconds(800);
    assert_eq!(try_again(&mut desk, 0).unwrap(), ["extended", "payments_started"]);
    assert_eq!(desk.order.hold_expires_at, START.plus_seconds(1_700));
    let [failed, again] = &desk.order.payments[..] else { panic!("two payments") };
    assert_eq!((failed.state, again.state), (PaymentState::Failed, PaymentState::Pending));
    assert_ne!(failed.id, again.id, "so its keys are new");
    assert_eq!(try_again(&mut desk, 0).unwrap_err().code(), "order_state_invalid", "one after the other");
    desk.fail(1);
    desk.now = START.plus_seconds(1_699);
    assert_eq!(try_again(&mut desk, 1).unwrap(), ["extended", "payments_started"]);
    assert_eq!(desk.order.hold_expires_at, START.plus_seconds(2_599), "its time, and no more");
    desk.secure(2);
    assert!(desk.order.secured);
}

#[test]
fn a_hold_that_was_extended_further_does_not_end_earlier() {
    let mut desk = declined(&[line("sku", "10.00", 1, 0)], &[(Method::Card, "10.00")]);
    desk.run(OrderCommand::Extend { seconds: 7_200 }).unwrap();
    assert_eq!(try_again(&mut desk, 0).unwrap(), ["payments_started"]);
    assert_eq!(desk.order.hold_expires_at, START.plus_seconds(8_100));
}

#[test]
fn what_cannot_be_tried_again_is_refused_by_name() {
    let card = [(Method::Card, "20.00")];
    let two = [line("sku", "10.00", 2, 0)];
    let mut late = declined(&two, &card);
    late.now = START.plus_seconds(900);
    assert_eq!(try_again(&mut late, 0).unwrap_err().code(), "hold_expired", "its units are not held any more");
    let mut less = declined(&two, &card);
    less.run(cancel(&[(0, 1)])).unwrap();
    assert_eq!(try_again(&mut less, 0).unwrap_err().code(), "money_invalid", "ten are due by now");
    let mut over = declined(&two, &card);
    over.run(CANCEL).unwrap();
    assert_eq!(try_again(&mut over, 0).unwrap_err().code(), "order_state_invalid");
    let mut paid = Desk::with(&two, &card);
    paid.secure(0);
    assert_eq!(try_again(&mut paid, 0).unwrap_err().code(), "already_paid");
    let stranger = PaymentId::of_order(paid.order.id, 9, START);
    assert_eq!(retry(&paid.order, stranger, START).unwrap_err().code(), "not_found");
}
