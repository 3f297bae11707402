//! When the money is taken: with the order, with the last of its units, or when goods are sent.

use super::{CANCEL, Desk, START, amount, cancel, eur, fill, line, sku};
use crate::order::{
    ChargeTime, Deferred, Demand, NewOrder, OrderAsk, OrderCommand, OrderEvent, OrderStatus, PlannedPayment, Tender,
    demand, place,
};
use crate::payment::{Method, PaymentCommand};
use crate::stock::StockCommand;
use crate::{CustomerId, OrderId, Quantity};

fn card() -> Tender {
    Tender { credential: Some("tok".into()), ..Tender::by(Method::Card) }
}

fn wanted(charge: ChargeTime, payments: &[Tender]) -> (NewOrder, Demand) {
    let mut order = NewOrder::one(OrderId::new(START, 1), sku("a"), 3);
    order.customer = Some(CustomerId::new("ann").unwrap());
    order.charge = charge;
    order.payments.extend(payments.iter().cloned());
    let demand = demand(&order).unwrap();
    (order, demand)
}

/// What is recorded of an order of three at 2.00: the payments that start, and those that start later.
fn placed(charge: ChargeTime, payments: &[Tender], waits: Quantity) -> (Vec<PlannedPayment>, Option<Box<Deferred>>) {
    let (order, demand) = wanted(charge, payments);
    let placement = place(&order, &demand, &[fill("2.00", 3 - waits, waits)], &[], START).unwrap();
    let OrderEvent::Placed { payments, deferred, .. } = *placement.placed else { panic!("placed") };
    (payments.to_vec(), deferred)
}

#[test]
fn at_fill_starts_no_payment_while_units_wait_and_all_of_them_when_none_does() {
    let (now, later) = placed(ChargeTime::AtFill, &[card()], 1);
    let deferred = later.expect("it is paid later");
    assert!(now.is_empty() && deferred.tenders == [card()] && deferred.hold_seconds == 900);
    let (now, later) = placed(ChargeTime::AtFill, &[card()], 0);
    assert!(now.len() == 1 && later.is_none(), "nothing waits: it is an order like any other");
}

#[test]
fn payments_that_will_not_do_are_refused_when_the_order_is_placed_and_not_when_they_come_due() {
    let part = Tender { amount: Some(eur("1.00")), ..card() };
    let nameless = Tender::by(Method::Card);
    let cases: [(ChargeTime, &[Tender]); 4] = [
        (ChargeTime::AtFill, &[]),
        (ChargeTime::AtFill, &[part]),
        (ChargeTime::AtFill, &[nameless]),
        (ChargeTime::AtShip, &[Tender::by(Method::Wallet)]),
    ];
    for (charge, payments) in cases {
        let (order, demand) = wanted(charge, payments);
        let refusal = place(&order, &demand, &[fill("2.00", 2, 1)], &[], START).unwrap_err();
        assert_eq!(refusal.code(), "body_invalid", "{charge:?} {payments:?}");
    }
}

#[test]
fn at_ship_only_sets_a_cards_money_aside() {
    let (order, demand) = wanted(ChargeTime::AtShip, &[card()]);
    let placement = place(&order, &demand, &[fill("2.00", 3, 0)], &[], START).unwrap();
    assert_eq!(placement.plan.captures_later.as_slice(), [true]);
}

/// An order of which one unit waits, to be charged when it has come.
fn deferred() -> Desk {
    let mut desk = Desk::with(&[line("a", "2.00", 2, 1)], &[]);
    desk.order.deferred = Some(Box::new(Deferred { tenders: vec![card()], hold_seconds: 600, due: false }));
    desk
}

fn filled(quantity: Quantity) -> OrderCommand {
    OrderCommand::BackorderFilled { sku: sku("a"), quantity, offer_seconds: 60 }
}

fn charged(desk: &Desk) -> bool {
    desk.asks.iter().any(|ask| matches!(ask, OrderAsk::Charge(tenders) if *tenders == [card()]))
}

#[test]
fn an_order_that_waits_to_be_charged_has_no_deadline_until_its_last_unit_is_there() {
    let mut desk = deferred();
    assert_eq!((desk.order.status(), desk.order.deadline()), (OrderStatus::Created, None));
    desk.now = START.plus_seconds(5000);
    assert!(desk.run(OrderCommand::DeadlineReached).unwrap().is_empty(), "nothing of it lapses");
    assert_eq!(desk.order.check_payable(desk.now).unwrap_err().code(), "order_state_invalid");
    assert_eq!(desk.run(filled(1)).unwrap(), ["backorder_filled", "charge_due"]);
    assert!(charged(&desk));
    assert_eq!(desk.order.deadline(), Some(desk.now.plus_seconds(600)));
    assert_eq!(desk.order.status(), OrderStatus::AwaitingPayment);
    assert_eq!(desk.order.charge_due(), Some(&[card()][..]), "until they have started");
    desk.now = desk.now.plus_seconds(600);
    assert_eq!(desk.run(OrderCommand::DeadlineReached).unwrap(), ["expired"], "the payment never came");
}

#[test]
fn giving_up_the_units_that_wait_makes_the_rest_due_and_giving_up_all_of_it_nothing() {
    let mut desk = deferred();
    assert_eq!(desk.run(cancel(&[(0, 1)])).unwrap(), ["cancelled", "charge_due"]);
    assert!(charged(&desk));
    let mut desk = deferred();
    assert_eq!(desk.run(CANCEL).unwrap(), ["cancelled"]);
    assert!(!charged(&desk) && desk.order.deferred.is_none());
}

/// An order of two by card, whose money is set aside.
fn set_aside() -> Desk {
    Desk::with(&[line("a", "2.00", 2, 0)], &[(Method::Card, "4.00")])
}

fn ship(units: Quantity) -> OrderCommand {
    OrderCommand::Ship { lines: Some(vec![(0, units)]), tracking: Some("T-1".into()) }
}

#[test]
fn goods_whose_money_is_set_aside_are_sent_once_it_is_captured() {
    let mut desk = set_aside();
    assert_eq!(desk.run(ship(1)).unwrap(), ["ship_requested"]);
    assert!(matches!(&desk.asks[..], [OrderAsk::Payment(id, PaymentCommand::CaptureSetAside)] if *id == desk.id(0)));
    assert_eq!(desk.code(ship(1)), "order_state_invalid", "one shipment at a time");
    assert_eq!(desk.secure(0), ["payment_secured", "shipped"]);
    let stock = desk.stock_asks();
    assert!(matches!(stock[..], [StockCommand::Settle { .. }, StockCommand::Ship { quantity: 1, .. }]), "{stock:?}");
    assert_eq!((desk.order.status(), desk.order.tracking.as_deref()), (OrderStatus::PartiallyShipped, Some("T-1")));
    assert_eq!(desk.run(ship(1)).unwrap(), ["shipped"], "the rest is paid");
}

#[test]
fn a_capture_that_fails_sends_nothing_and_can_be_tried_again() {
    let mut desk = set_aside();
    desk.run(ship(2)).unwrap();
    let (payment, reason) = (desk.id(0), "gone".into());
    assert_eq!(desk.run(OrderCommand::CaptureFailed { payment, reason }).unwrap(), ["shipment_dropped"]);
    assert_eq!((desk.order.status(), desk.order.lines[0].shipped), (OrderStatus::Created, 0));
    assert_eq!(desk.run(ship(2)).unwrap(), ["ship_requested"]);
    desk.fail(0);
    assert!(desk.order.shipment.is_none(), "what is declined is not sent");
    assert_eq!(desk.order.paid(), amount("0.00"));
}

#[test]
fn a_shipment_that_was_lost_or_cancelled_while_its_money_came_is_dropped() {
    let mut desk = set_aside();
    desk.run(ship(2)).unwrap();
    desk.run(OrderCommand::Displaced { sku: sku("a"), quantity: 1 }).unwrap();
    assert_eq!(desk.secure(0), ["payment_secured", "shipped"]);
    assert_eq!(desk.order.lines[0].shipped, 1, "what is there is sent");
    let mut desk = set_aside();
    desk.run(ship(2)).unwrap();
    desk.run(CANCEL).unwrap();
    assert_eq!(desk.secure(0), ["payment_secured", "shipment_dropped"]);
}
