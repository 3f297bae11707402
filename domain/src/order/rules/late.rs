//! What becomes of money whose charge was being undone and had gone through.

use super::{CANCEL, Desk, line};
use crate::order::{LatePayment, OrderAsk, OrderCommand};
use crate::payment::{Method, PaymentCommand};

/// An order of two units, of which so many wait, that a card pays.
fn unpaid(waits: u64) -> Desk {
    Desk::with(&[line("a", "5.00", 2 - waits, waits)], &[(Method::Card, "10.00")])
}

/// Whether it takes late money; if not, it has it given back and nothing else happens.
fn takes(desk: &mut Desk, policy: LatePayment) -> bool {
    let payment = desk.id(0);
    let events = desk.run(OrderCommand::PaymentPaidLate { payment, policy }).unwrap();
    let gives_back = desk.asks == [OrderAsk::Payment(payment, PaymentCommand::GiveBack)];
    assert_eq!(gives_back, events.is_empty(), "{events:?}");
    !gives_back
}

#[test]
fn late_money_is_taken_or_goes_back_as_the_shop_says() {
    use LatePayment::{Backorder, Reacquire, Refund};
    for (policy, waits, is_taken) in [
        (Refund, 0, false),
        (Refund, 1, false),
        (Reacquire, 0, true),
        (Reacquire, 1, false),
        (Backorder, 0, true),
        (Backorder, 1, true),
    ] {
        let mut desk = unpaid(waits);
        assert_eq!(takes(&mut desk, policy), is_taken, "{policy:?}, {waits} wait");
        assert_eq!(desk.order.secured, is_taken);
        assert_eq!(desk.stock_asks().is_empty(), !is_taken, "its units are settled: they were held all the time");
    }
}

/// Found by random days in the shop: what the order had taken went back, and the order stayed paid.
#[test]
fn late_money_that_is_told_twice_is_taken_once_and_does_not_go_back() {
    let mut desk = unpaid(0);
    assert!(takes(&mut desk, LatePayment::Reacquire));
    let again = OrderCommand::PaymentPaidLate { payment: desk.id(0), policy: LatePayment::Reacquire };
    assert!(desk.run(again).unwrap().is_empty() && desk.asks.is_empty());
    assert!(desk.order.secured);
}

#[test]
fn who_has_cancelled_or_was_refused_another_payment_gets_late_money_back() {
    let mut cancelled = unpaid(0);
    assert_eq!(cancelled.run(CANCEL).unwrap(), ["cancel_requested"]);
    assert!(!takes(&mut cancelled, LatePayment::Backorder));
    let mut refused = Desk::with(&[line("a", "5.00", 2, 0)], &[(Method::Card, "4.00"), (Method::Card, "6.00")]);
    refused.order.placing = true;
    refused.fail(1);
    assert!(!takes(&mut refused, LatePayment::Backorder));
    let mut over = unpaid(0);
    over.fail(0);
    assert!(!takes(&mut over, LatePayment::Backorder), "it is over");
}

/// Found by a reviewer: the second time, an order that it had just paid had its money given back.
#[test]
fn late_money_that_is_heard_of_twice_pays_once_and_stays() {
    for policy in [LatePayment::Reacquire, LatePayment::Backorder] {
        let mut desk = unpaid(0);
        assert!(takes(&mut desk, policy));
        let payment = desk.id(0);
        assert!(desk.run(OrderCommand::PaymentPaidLate { payment, policy }).unwrap().is_empty());
        assert!(desk.asks.is_empty(), "{policy:?}: {:?}", desk.asks);
        assert!(desk.order.secured);
    }
}

#[test]
fn an_order_that_takes_late_money_spends_what_its_wallet_held_beside() {
    let mut desk = Desk::with(&[line("a", "5.00", 2, 0)], &[(Method::Card, "4.00"), (Method::Wallet, "6.00")]);
    assert!(takes(&mut desk, LatePayment::Reacquire));
    assert!(!desk.order.secured);
    assert_eq!(desk.asks, [OrderAsk::Payment(desk.id(1), PaymentCommand::Secure)]);
}
