//! The overall status and the three axes, for every stage of an order's life.

use super::{CANCEL, Desk, line};
use crate::order::{FulfillmentStatus, OrderCommand, OrderStatus, RefundChoice, ReturnStatus, note};
use crate::payment::{Method, PaymentState};
use crate::stock::Disposition;

type Axes = (&'static str, &'static str, &'static str, &'static str);

fn axes(desk: &Desk) -> Axes {
    let order = &desk.order;
    let note = note::of_order(order, true);
    assert_eq!(note & note::PLACED, note::PLACED);
    let refused = order.outcome == crate::order::Outcome::Refused;
    assert_eq!(note::status(note), (!refused).then_some(order.status()), "the note says the same");
    (
        order.status().name(),
        order.payment_status().name(),
        order.fulfillment_status().name(),
        order.return_status().name(),
    )
}

fn ship(line: u32) -> OrderCommand {
    OrderCommand::Ship { lines: Some(vec![(line, 1)]), tracking: Some("T1".into()) }
}

fn take_back(line: u32) -> OrderCommand {
    OrderCommand::Return { lines: vec![(line, 1, Disposition::Restock)], refund: RefundChoice::Auto }
}

#[test]
fn a_whole_life_passes_through_the_statuses_in_order() {
    let mut desk = Desk::with(&[line("a", "1.00", 1, 0), line("b", "1.00", 1, 0)], &[(Method::External, "2.00")]);
    assert_eq!(axes(&desk), ("created", "pending", "unfulfilled", "none"));
    desk.secure(0);
    assert_eq!(axes(&desk), ("paid", "paid", "unfulfilled", "none"));
    assert_eq!(desk.code(OrderCommand::Deliver), "order_state_invalid");
    desk.run(ship(0)).unwrap();
    assert_eq!(axes(&desk), ("partially_shipped", "paid", "partial", "none"));
    desk.run(ship(1)).unwrap();
    assert_eq!(axes(&desk), ("shipped", "paid", "fulfilled", "none"));
    assert_eq!(desk.code(ship(1)), "order_state_invalid");
    assert_eq!(desk.code(OrderCommand::Ship { lines: None, tracking: None }), "order_state_invalid");
    assert_eq!(desk.run(OrderCommand::Deliver).unwrap(), ["delivered"]);
    assert!(desk.run(OrderCommand::Deliver).unwrap().is_empty());
    assert_eq!(axes(&desk), ("delivered", "paid", "fulfilled", "none"));
    desk.run(take_back(0)).unwrap();
    assert_eq!(axes(&desk), ("partially_returned", "refunding", "fulfilled", "partial"));
    desk.end_refund(0, true);
    assert_eq!(axes(&desk), ("partially_returned", "paid", "fulfilled", "partial"));
    desk.run(take_back(1)).unwrap();
    desk.end_refund(0, true);
    assert_eq!(axes(&desk), ("returned", "refunded", "fulfilled", "returned"));
    assert_eq!(desk.order.tracking.as_deref(), Some("T1"));
}

#[test]
fn every_other_stage_has_its_status() {
    let one = |payments: &[(Method, &str)], then: &dyn Fn(&mut Desk)| {
        let mut desk = Desk::with(&[line("a", "1.00", 1, 0)], payments);
        then(&mut desk);
        desk
    };
    let run = |desk: &mut Desk, command| drop(desk.run(command).unwrap());
    let pay = |desk: &mut Desk| drop(desk.secure(0));
    let fail = |desk: &mut Desk| drop(desk.fail(0));
    let mut waits = Desk::with(&[line("a", "1.00", 0, 1)], &[(Method::External, "1.00")]);
    waits.secure(0);
    let external = |text| [(Method::External, text)];
    let expire = |desk: &mut Desk| {
        desk.now = desk.order.hold_expires_at;
        run(desk, OrderCommand::DeadlineReached);
    };
    let pay_then_cancel = |desk: &mut Desk| {
        pay(desk);
        run(desk, CANCEL);
    };
    let cases: [(&str, Desk, [&str; 2]); 8] = [
        ("without payment", one(&[], &|_| ()), ["awaiting_payment", "pending"]),
        ("paid in part", one(&external("0.40"), &pay), ["awaiting_payment", "pending"]),
        ("a payment failed later", one(&[(Method::Wallet, "1.00")], &fail), ["awaiting_payment", "failed"]),
        ("paid, all of it waits", waits, ["backordered", "paid"]),
        ("cancelled unpaid", one(&[], &|desk| run(desk, CANCEL)), ["cancelled", "failed"]),
        ("cancelled, its money on the way", one(&external("1.00"), &pay_then_cancel), ["cancelled", "refunding"]),
        ("expired", one(&[], &expire), ["expired", "failed"]),
        ("refused", one(&[(Method::Card, "1.00")], &fail), ["cancelled", "failed"]),
    ];
    for (stage, desk, [status, payment]) in cases {
        assert_eq!(axes(&desk), (status, payment, "unfulfilled", "none"), "{stage}");
    }
}

#[test]
fn every_status_is_found_by_its_name() {
    let by_name = |name: &str| OrderStatus::from_name(name);
    assert!(OrderStatus::ALL.iter().all(|status| by_name(status.name()) == Some(*status)));
    assert!(FulfillmentStatus::ALL.iter().all(|s| FulfillmentStatus::from_name(s.name()) == Some(*s)));
    assert!(ReturnStatus::ALL.iter().all(|s| ReturnStatus::from_name(s.name()) == Some(*s)));
    assert_eq!(by_name("lost"), None);
    let states: std::collections::BTreeSet<_> = PaymentState::ALL.iter().map(|state| state.name()).collect();
    assert_eq!(states.len(), 5);
}
