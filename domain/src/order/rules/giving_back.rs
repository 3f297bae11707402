//! Cancelling, returning and refunding: whose units, how much money, which payment.

use super::{CANCEL, Desk, amount, cancel, eur, line};
use crate::ledger::{LedgerAccount, of_order};
use crate::order::{OrderCommand, OrderEvent, RefundChoice};
use crate::payment::{Method, PaymentState};
use crate::stock::{Disposition, StockCommand};
use crate::{Amount, Quantity};

fn give_back(line: u32, units: Quantity, refund: RefundChoice) -> OrderCommand {
    OrderCommand::Return { lines: vec![(line, units, Disposition::Restock)], refund }
}

fn goodwill(text: &str) -> OrderCommand {
    OrderCommand::RefundAmount { amount: eur(text), reason: "sorry".into() }
}

#[test]
fn each_unit_gives_back_its_floor_share_and_all_of_them_the_whole() {
    let mut desk = Desk::paid("3.3333", 3, "10.00");
    desk.ship();
    let mut got = Vec::new();
    for _ in 0..3 {
        desk.run(give_back(0, 1, RefundChoice::Auto)).unwrap();
        got.push(desk.refunds()[0].1);
        desk.end_refund(0, true);
    }
    assert_eq!(got, ["3.33", "3.33", "3.34"].map(amount));
    assert_eq!(desk.order.payments[0].state, PaymentState::Refunded);
}

#[test]
fn shares_go_on_from_what_was_cancelled_before() {
    let mut desk = Desk::paid("3.3333", 3, "10.00");
    desk.run(cancel(&[(0, 1)])).unwrap();
    assert_eq!(desk.refunds(), [(0, amount("3.33"))]);
    desk.end_refund(0, true);
    desk.ship();
    desk.run(give_back(0, 2, RefundChoice::Auto)).unwrap();
    assert_eq!(desk.refunds(), [(0, amount("6.67"))]);
}

#[test]
fn a_refund_goes_to_the_card_first_then_to_wallet_external_and_account() {
    let methods = [Method::Account, Method::External, Method::Wallet, Method::Card];
    let mut desk = Desk::with(&[line("sku", "4.00", 1, 0)], &methods.map(|method| (method, "1.00")));
    (0..4).for_each(|number| drop(desk.secure(number)));
    desk.run(goodwill("2.50")).unwrap();
    assert_eq!(desk.refunds(), [(3, amount("1.00")), (2, amount("1.00")), (1, amount("0.50"))]);
}

#[test]
fn what_was_given_away_before_is_not_given_back_again() {
    let mut desk = Desk::paid("10.00", 2, "20.00");
    desk.ship();
    desk.run(goodwill("15.00")).unwrap();
    desk.end_refund(0, true);
    desk.run(give_back(0, 1, RefundChoice::Auto)).unwrap();
    assert_eq!(desk.refunds(), [(0, amount("5.00"))]);
    desk.end_refund(0, true);
    desk.run(give_back(0, 1, RefundChoice::Auto)).unwrap();
    assert_eq!(desk.refunds(), []);
    assert_eq!((desk.order.total(), desk.order.kept, desk.order.owed_back()), (Amount(0), Amount(0), Amount(0)));
}

#[test]
fn what_was_kept_of_a_return_stays_kept_when_more_is_cancelled() {
    let mut desk = Desk::with(&[line("a", "10.00", 1, 0), line("b", "7.00", 1, 0)], &[(Method::External, "17.00")]);
    desk.secure(0);
    desk.run(OrderCommand::Ship { lines: Some(vec![(0, 1)]), tracking: None }).unwrap();
    desk.run(give_back(0, 1, RefundChoice::Nothing)).unwrap();
    assert_eq!(desk.order.kept, amount("10.00"));
    desk.run(cancel(&[(1, 1)])).unwrap();
    assert_eq!(desk.refunds(), [(0, amount("7.00"))]);
}

#[test]
fn a_failed_refund_can_be_tried_again_and_is_no_gift() {
    let mut desk = Desk::with(&[line("sku", "10.00", 2, 0)], &[(Method::Card, "20.00")]);
    desk.secure(0);
    desk.ship();
    desk.run(give_back(0, 1, RefundChoice::Auto)).unwrap();
    desk.end_refund(0, false);
    assert_eq!(desk.order.owed_back(), amount("10.00"));
    let before = desk.order.clone();
    let granted = OrderEvent::RefundGranted { amount: amount("12.00"), reason: "again".into() };
    let mut after = before.clone();
    after.apply(&granted);
    let given: i128 = of_order(Some(&before), &granted, &after)
        .accounts
        .iter()
        .filter(|posting| posting.account == LedgerAccount::Goodwill)
        .map(|posting| posting.amount)
        .sum();
    assert_eq!(given, 20_000, "ten of the twelve were owed, two are given away");
    desk.run(goodwill("12.00")).unwrap();
    assert_eq!((desk.order.owed_back(), desk.order.kept), (Amount(0), amount("-2.00")));
}

#[test]
fn a_refund_that_failed_when_its_order_ended_can_be_tried_again() {
    let mut desk = Desk::with(&[line("sku", "10.00", 1, 0)], &[(Method::Card, "10.00")]);
    desk.secure(0);
    assert_eq!(desk.run(CANCEL).unwrap(), ["cancelled", "refund_started"]);
    assert_eq!(desk.code(goodwill("10.00")), "order_state_invalid", "it is under way");
    desk.end_refund(0, false);
    assert_eq!(desk.code(goodwill("10.01")), "money_invalid");
    assert_eq!(desk.run(goodwill("10.00")).unwrap(), ["refund_granted", "refund_started"]);
    desk.end_refund(0, true);
    assert_eq!(desk.code(goodwill("0.01")), "order_state_invalid", "its money went back");
    assert_eq!(desk.order.payment_status(), PaymentState::Refunded);
}

#[test]
fn a_return_while_its_refund_cannot_start_leaves_nothing_behind() {
    let mut desk = Desk::with(&[line("sku", "10.00", 2, 0)], &[(Method::Card, "20.00")]);
    desk.secure(0);
    desk.ship();
    desk.run(give_back(0, 1, RefundChoice::Auto)).unwrap();
    let before = desk.order.clone();
    assert_eq!(desk.code(give_back(0, 1, RefundChoice::Auto)), "order_state_invalid");
    assert_eq!(desk.code(goodwill("1.00")), "order_state_invalid");
    assert_eq!(desk.order, before);
}

#[test]
fn a_refund_that_makes_no_sense_is_refused_by_name() {
    let mut desk = Desk::with(&[line("sku", "10.00", 2, 0)], &[(Method::External, "20.00")]);
    assert_eq!(desk.code(goodwill("1.00")), "order_state_invalid", "nothing is paid");
    desk.secure(0);
    let dollars = crate::Money::parse("1.00 USD").unwrap();
    for (command, code) in [
        (OrderCommand::RefundAmount { amount: dollars, reason: "x".into() }, "currency_mismatch"),
        (goodwill("0.00"), "money_invalid"),
        (goodwill("-1.00"), "money_invalid"),
        (goodwill("0.001"), "money_invalid"),
        (goodwill("20.01"), "money_invalid"),
        (OrderCommand::RefundLines { lines: vec![(0, 3)], reason: "x".into() }, "body_invalid"),
        (OrderCommand::RefundLines { lines: vec![(1, 1)], reason: "x".into() }, "body_invalid"),
        (OrderCommand::RefundLines { lines: vec![(0, 0)], reason: "x".into() }, "quantity_invalid"),
        (give_back(0, 1, RefundChoice::Auto), "order_state_invalid"),
        (OrderCommand::Return { lines: vec![], refund: RefundChoice::Auto }, "order_state_invalid"),
    ] {
        assert_eq!(desk.code(command.clone()), code, "{command:?}");
    }
    desk.run(OrderCommand::RefundLines { lines: vec![(0, 1)], reason: "late".into() }).unwrap();
    assert_eq!(desk.refunds(), [(0, amount("10.00"))]);
}

#[test]
fn a_cancelled_line_gives_up_what_waits_before_what_is_filled() {
    let mut desk = Desk::with(&[line("sku", "1.00", 3, 2), line("sku", "1.00", 1, 0)], &[]);
    desk.run(cancel(&[(0, 3), (1, 1)])).unwrap();
    let [StockCommand::Release { filled, backordered, .. }] = desk.stock_asks()[..] else { panic!("{:?}", desk.asks) };
    assert_eq!((filled, backordered), (2, 2), "both lines are of one SKU");
    assert_eq!((desk.order.lines[0].filled, desk.order.lines[0].backordered), (2, 0));
}

#[test]
fn cancelling_the_last_units_cancels_the_order() {
    let mut desk = Desk::with(&[line("a", "1.00", 1, 0), line("b", "1.00", 0, 1)], &[]);
    desk.run(cancel(&[(0, 1)])).unwrap();
    assert_eq!(desk.run(cancel(&[(1, 1)])).unwrap(), ["cancelled"]);
    assert_eq!(desk.order.status().name(), "cancelled");
    assert_eq!(desk.code(CANCEL), "order_state_invalid", "it is over already");
}

#[test]
fn a_cancel_that_makes_no_sense_is_refused_by_name() {
    let mut desk = Desk::paid("1.00", 3, "3.00");
    desk.run(OrderCommand::Ship { lines: Some(vec![(0, 1)]), tracking: None }).unwrap();
    for (command, code) in [
        (CANCEL, "order_state_invalid"),
        (cancel(&[(0, 3)]), "order_state_invalid"),
        (cancel(&[(0, 1), (0, 2)]), "order_state_invalid"),
        (cancel(&[(0, 0)]), "quantity_invalid"),
        (cancel(&[(7, 1)]), "body_invalid"),
        (cancel(&[]), "body_invalid"),
    ] {
        assert_eq!(desk.code(command.clone()), code, "{command:?}");
    }
}

#[test]
fn an_order_paid_in_part_is_paid_when_the_rest_is_cancelled_and_the_excess_goes_back() {
    let mut desk = Desk::with(&[line("a", "10.00", 1, 0), line("b", "7.00", 1, 0)], &[(Method::External, "12.00")]);
    desk.secure(0);
    assert!(!desk.order.secured);
    desk.run(cancel(&[(1, 1)])).unwrap();
    assert!(desk.order.secured);
    assert_eq!(desk.refunds(), [(0, amount("2.00"))]);
    assert!(desk.stock_asks().iter().any(|command| matches!(command, StockCommand::Settle { .. })));
}
