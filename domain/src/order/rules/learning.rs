//! What an order does with what its payments, its SKUs and the clock tell it.

use super::{CANCEL, Desk, START, amount, cancel, line, sku};
use crate::Timestamp;
use crate::order::{OrderCommand, OrderStatus, Outcome, news_of_stock};
use crate::payment::{Method, PaymentCommand, PaymentState};
use crate::stock::{Pick, ReleaseReason, StockCommand, StockEvent};

const DEADLINE: OrderCommand = OrderCommand::DeadlineReached;

#[test]
fn wallet_money_beside_a_card_is_spent_only_when_the_card_has_paid() {
    let mut desk = Desk::with(&[line("sku", "10.00", 1, 0)], &[(Method::Wallet, "3.00"), (Method::Card, "7.00")]);
    assert_eq!(desk.secure(1), ["payment_secured"]);
    assert!(matches!(&desk.asks[..], [super::OrderAsk::Payment(id, PaymentCommand::Secure)] if *id == desk.id(0)));
    desk.secure(0);
    assert!(desk.order.secured);
    assert!(matches!(desk.stock_asks()[..], [StockCommand::Settle { .. }]));
}

#[test]
fn a_declined_card_ends_an_order_that_is_being_placed_and_frees_the_wallet() {
    let mut desk = Desk::with(&[line("sku", "10.00", 1, 0)], &[(Method::Wallet, "3.00"), (Method::Card, "7.00")]);
    assert_eq!(desk.fail(1), ["payment_failed", "refused"]);
    assert_eq!(desk.abandoned(), [0]);
    assert!(matches!(desk.stock_asks()[..], [StockCommand::ReleaseAll { .. }]));
    assert_eq!(desk.fail(0), ["payment_failed"], "what was abandoned ends quietly");
}

#[test]
fn nothing_is_released_before_every_open_charge_is_undone() {
    let cards = [(Method::Card, "4.00"), (Method::Card, "6.00")];
    let mut placing = Desk::with(&[line("sku", "10.00", 1, 0)], &cards);
    assert_eq!(placing.fail(0), ["payment_failed"]);
    assert_eq!((placing.abandoned(), placing.stock_asks()), (vec![1], vec![]));
    assert_eq!(placing.fail(1), ["payment_failed", "refused"]);
    assert_eq!(placing.stock_asks().len(), 1);

    let mut cancelled = Desk::with(&[line("sku", "10.00", 1, 0)], &cards);
    assert_eq!(cancelled.run(CANCEL).unwrap(), ["cancel_requested"]);
    assert_eq!((cancelled.abandoned(), cancelled.stock_asks()), (vec![0, 1], vec![]));
    assert!(cancelled.run(CANCEL).unwrap().is_empty(), "once is enough");
    assert_eq!(cancelled.fail(0), ["payment_failed"]);
    assert_eq!(cancelled.fail(1), ["payment_failed", "cancelled"]);
    assert_eq!(cancelled.order.outcome, Outcome::Cancelled);
}

/// What is secured already must not turn the decline of the rest into an order that stays.
#[test]
fn a_declined_card_refuses_the_order_whatever_else_was_paid_for_it() {
    for first in [Method::External, Method::Card, Method::Wallet] {
        let mut desk = Desk::with(&[line("sku", "10.00", 1, 0)], &[(first, "4.00"), (Method::Card, "6.00")]);
        desk.secure(0);
        assert_eq!(desk.fail(1), ["payment_failed", "refused", "refund_started"], "{first:?}");
        assert_eq!(desk.refunds(), [(0, amount("4.00"))]);
        assert!(matches!(desk.stock_asks()[..], [StockCommand::ReleaseAll { .. }]));
    }
}

/// The gateway took longer than the caller waited: he was told that the order stands, and so it does.
#[test]
fn a_card_that_is_declined_after_the_order_was_accepted_leaves_it_awaiting_another_payment() {
    let mut desk = Desk::with(&[line("sku", "10.00", 1, 0)], &[(Method::Wallet, "3.00"), (Method::Card, "7.00")]);
    assert_eq!(desk.run(OrderCommand::Accept).unwrap(), ["accepted"]);
    assert!(desk.run(OrderCommand::Accept).unwrap().is_empty(), "once is enough");
    assert_eq!(desk.order.status(), OrderStatus::Created);
    assert_eq!(desk.fail(1), ["payment_failed"]);
    assert_eq!(
        (desk.abandoned(), desk.stock_asks()),
        (vec![0], vec![]),
        "what the wallet held beside it is free again"
    );
    desk.fail(0);
    assert_eq!(desk.order.status(), OrderStatus::AwaitingPayment);
    assert_eq!(desk.order.check_payable(START).unwrap().amount, amount("10.00"));
    desk.now = START.plus_seconds(900);
    assert_eq!(desk.run(DEADLINE).unwrap(), ["expired"]);
}

#[test]
fn an_order_without_an_open_charge_has_nothing_to_accept() {
    for payments in [&[][..], &[(Method::External, "10.00")], &[(Method::Wallet, "10.00")]] {
        let mut desk = Desk::with(&[line("sku", "10.00", 1, 0)], payments);
        assert!(desk.run(OrderCommand::Accept).unwrap().is_empty(), "{payments:?}");
    }
    let mut paid = Desk::with(&[line("sku", "10.00", 1, 0)], &[(Method::Card, "10.00")]);
    paid.secure(0);
    assert!(paid.run(OrderCommand::Accept).unwrap().is_empty());
}

#[test]
fn money_that_comes_after_the_end_goes_back() {
    let mut desk = Desk::with(&[line("sku", "10.00", 1, 0)], &[(Method::External, "4.00"), (Method::Wallet, "6.00")]);
    desk.secure(0);
    assert_eq!(desk.run(CANCEL).unwrap(), ["cancelled", "refund_started"]);
    assert_eq!((desk.refunds(), desk.abandoned()), (vec![(0, amount("4.00"))], vec![1]));
    assert_eq!(desk.secure(1), ["payment_secured", "refund_started"]);
    assert_eq!(desk.refunds(), [(1, amount("6.00"))]);
    assert!(!desk.order.secured, "an order that is over is not paid");
}

#[test]
fn hearing_the_same_twice_is_hearing_it_once() {
    let mut desk = Desk::with(&[line("sku", "10.00", 2, 0)], &[(Method::Card, "20.00")]);
    desk.secure(0);
    assert!(desk.secure(0).is_empty());
    assert!(desk.fail(0).is_empty(), "what is paid cannot fail");
    desk.run(cancel(&[(0, 1)])).unwrap();
    let (payment, back) = (desk.id(0), amount("10.00"));
    let refunded = OrderCommand::PaymentRefunded { payment, amount: back, done: true };
    assert_eq!(desk.run(refunded.clone()).unwrap(), ["refunded"]);
    assert!(desk.run(refunded).unwrap().is_empty());
    assert_eq!(desk.order.payments[0].refunded, back);
    let strange = OrderCommand::PaymentPaid { payment: crate::order::Order::payment_id(desk.order.id, 9, 9, START) };
    assert_eq!(desk.code(strange), "not_found");
}

#[test]
fn an_unpaid_order_expires_at_its_deadline_but_not_while_a_payment_is_under_way() {
    let late = START.plus_seconds(900);
    let mut unpaid = Desk::with(&[line("sku", "1.00", 1, 1)], &[]);
    assert!(unpaid.run(DEADLINE).unwrap().is_empty(), "it is not time yet");
    unpaid.now = late;
    assert_eq!(unpaid.run(DEADLINE).unwrap(), ["expired"]);
    assert!(matches!(unpaid.stock_asks()[..], [StockCommand::ReleaseAll { .. }]));
    assert!(unpaid.run(DEADLINE).unwrap().is_empty());

    let mut pinned = Desk::with(&[line("sku", "1.00", 1, 0)], &[(Method::Wallet, "1.00")]);
    pinned.now = late;
    assert_eq!(pinned.order.next_due(), None);
    assert!(pinned.run(DEADLINE).unwrap().is_empty());
    assert_eq!(pinned.fail(0), ["payment_failed", "expired"], "its time had come meanwhile");

    let mut paid = Desk::paid("1.00", 1, "1.00");
    paid.now = late;
    assert!(paid.run(DEADLINE).unwrap().is_empty());
}

#[test]
fn a_part_payment_goes_back_when_its_order_expires() {
    let mut desk = Desk::with(&[line("sku", "10.00", 1, 0)], &[(Method::External, "4.00")]);
    desk.secure(0);
    desk.now = START.plus_seconds(900);
    assert_eq!(desk.run(DEADLINE).unwrap(), ["expired", "refund_started"]);
    assert_eq!(desk.refunds(), [(0, amount("4.00"))]);
}

#[test]
fn a_hold_is_extended_within_a_week_and_only_while_it_waits_for_money() {
    let extend = |seconds| OrderCommand::Extend { seconds };
    let mut desk = Desk::with(&[line("sku", "1.00", 1, 0)], &[]);
    assert_eq!(desk.code(extend(0)), "body_invalid");
    assert_eq!(desk.code(extend(u32::MAX)), "body_invalid");
    desk.run(extend(100)).unwrap();
    assert_eq!(desk.order.hold_expires_at, START.plus_seconds(1000));
    desk.now = START.plus_seconds(1000);
    assert_eq!(desk.code(extend(100)), "hold_expired");
    desk.run(DEADLINE).unwrap();
    assert_eq!(desk.code(extend(100)), "hold_expired");
    assert_eq!(Desk::paid("1.00", 1, "1.00").code(extend(100)), "already_paid");
}

#[test]
fn what_can_be_paid_is_what_is_due_and_in_time() {
    let code = |desk: &Desk, now: Timestamp| desk.order.check_payable(now).map_err(|refusal| refusal.code());
    let open = Desk::with(&[line("sku", "5.00", 1, 0)], &[]);
    assert_eq!(code(&open, START), Ok(super::eur("5.00")));
    assert_eq!(code(&open, open.order.hold_expires_at), Err("hold_expired"));
    let pinned = Desk::with(&[line("sku", "5.00", 1, 0)], &[(Method::Card, "5.00")]);
    assert_eq!(code(&pinned, START), Err("order_state_invalid"));
    assert_eq!(code(&Desk::paid("5.00", 1, "5.00"), START), Err("already_paid"));
    let mut over = Desk::with(&[line("sku", "5.00", 1, 0)], &[]);
    over.run(CANCEL).unwrap();
    assert_eq!(code(&over, START), Err("order_state_invalid"));
}

#[test]
fn a_filled_backorder_of_a_paid_order_is_settled_and_of_an_unpaid_one_held() {
    let filled = OrderCommand::BackorderFilled { sku: sku("sku"), quantity: 3, offer_seconds: 60 };
    let lines = [line("sku", "1.00", 0, 2), line("sku", "1.00", 1, 2)];
    let mut unpaid = Desk::with(&lines, &[]);
    unpaid.run(filled.clone()).unwrap();
    assert_eq!(unpaid.order.lines.iter().map(|line| line.filled).collect::<Vec<_>>(), [2, 2]);
    assert!(unpaid.asks.is_empty());
    let mut paid = Desk::with(&lines, &[(Method::External, "5.00")]);
    paid.secure(0);
    assert_eq!(paid.order.status().name(), "paid");
    paid.run(filled).unwrap();
    assert!(matches!(paid.stock_asks()[..], [StockCommand::Settle { .. }]));
}

/// Seed 100: a shortfall took what was shipped and what was not, and all of it was filled again before the order heard.
#[test]
fn units_that_were_filled_again_for_what_was_shipped_short_go_back() {
    let mut desk = Desk::paid("1.00", 4, "4.00");
    desk.run(OrderCommand::Ship { lines: Some(vec![(0, 1)]), tracking: None }).unwrap();
    desk.asks.clear();
    let (held, kept, waiting) = (4, 4, 0);
    let news = OrderCommand::StockIs { sku: sku("sku"), held, kept, waiting, offer_seconds: 60 };
    desk.run(news).unwrap();
    let [StockCommand::Release { filled: 1, backordered: 0, .. }, StockCommand::Settle { .. }] = desk.stock_asks()[..]
    else {
        panic!("{:?}", desk.asks);
    };
}

#[test]
fn units_that_arrive_after_they_were_given_up_go_on_to_the_next() {
    let mut desk = Desk::with(&[line("sku", "1.00", 1, 2)], &[]);
    desk.run(cancel(&[(0, 2)])).unwrap();
    let filled = OrderCommand::BackorderFilled { sku: sku("sku"), quantity: 2, offer_seconds: 60 };
    assert!(desk.run(filled).unwrap().is_empty());
    assert!(matches!(desk.stock_asks()[..], [StockCommand::Release { filled: 2, backordered: 0, .. }]));
}

#[test]
fn units_that_are_displaced_after_they_were_given_up_wait_for_nobody() {
    let mut desk = Desk::with(&[line("sku", "1.00", 3, 0)], &[]);
    desk.run(cancel(&[(0, 2)])).unwrap();
    let displaced = OrderCommand::Displaced { sku: sku("sku"), quantity: 3 };
    assert_eq!(desk.run(displaced).unwrap(), ["oversold"]);
    assert!(matches!(desk.stock_asks()[..], [StockCommand::Release { filled: 0, backordered: 2, .. }]));
    assert_eq!((desk.order.lines[0].filled, desk.order.lines[0].backordered), (0, 1));
}

#[test]
fn a_shortfall_takes_from_the_last_lines_first_and_never_what_was_shipped() {
    let mut desk = Desk::with(&[line("sku", "1.00", 2, 0), line("sku", "1.00", 2, 0)], &[(Method::External, "4.00")]);
    desk.secure(0);
    desk.run(OrderCommand::Ship { lines: Some(vec![(1, 1)]), tracking: None }).unwrap();
    desk.run(OrderCommand::Displaced { sku: sku("sku"), quantity: 2 }).unwrap();
    assert_eq!(desk.order.lines.iter().map(|line| line.filled).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(desk.order.payment_status(), PaymentState::Paid);
}

#[test]
fn a_step_owed_by_another_partition_is_done_once() {
    let mut desk = Desk::paid("1.00", 1, "1.00");
    let to = Box::new(crate::entity::RemoteStep::Confirm { sku: sku("sku") });
    desk.order.apply(&crate::order::OrderEvent::StepOwed { step: 0, to });
    assert_eq!((desk.order.owed.len(), desk.order.next_step), (1, 1));
    assert_eq!(desk.run(OrderCommand::StepDone { step: 0, short: None }).unwrap(), ["step_done"]);
    assert!(desk.run(OrderCommand::StepDone { step: 0, short: None }).unwrap().is_empty());
}

/// Found by a reviewer: what a bank sent back stayed with the house, and the order could not give it back a second time.
#[test]
fn money_that_had_gone_back_and_comes_again_is_the_buyers_and_can_be_refunded_anew() {
    let mut desk = Desk::paid("10.00", 1, "10.00");
    assert!(desk.run(CANCEL).unwrap().contains(&"refund_started"));
    desk.end_refund(0, true);
    assert_eq!((desk.order.payments[0].state, desk.order.owed_back().0), (PaymentState::Refunded, 0));
    let payment = desk.id(0);
    let reversed = || OrderCommand::RefundReversed { payment, amount: amount("10.00") };
    assert_eq!(desk.run(reversed()).unwrap(), ["refund_reversed"]);
    assert!(desk.run(reversed()).unwrap().is_empty(), "it has gone back once");
    assert_eq!((desk.order.payments[0].state, desk.order.owed_back()), (PaymentState::Paid, amount("10.00")));
    let again = OrderCommand::RefundAmount { amount: super::eur("10.00"), reason: "another account".into() };
    assert_eq!(desk.run(again).unwrap(), ["refund_granted", "refund_started"]);
    desk.end_refund(0, true);
    assert_eq!((desk.order.payments[0].state, desk.order.kept.0), (PaymentState::Refunded, 0));
}

/// How a SKU of another partition stands to the order: held, kept, waiting.
fn stands(held: u64, kept: u64, waiting: u64) -> OrderCommand {
    OrderCommand::StockIs { sku: sku("sku"), held, kept, waiting, offer_seconds: 60 }
}

#[test]
fn what_a_sku_says_of_how_things_stand_is_what_happened_meanwhile_and_once() {
    let mut desk = Desk::with(&[line("sku", "1.00", 1, 3), line("other", "1.00", 0, 9)], &[]);
    assert!(desk.run(stands(1, 1, 3)).unwrap().is_empty() && desk.asks.is_empty(), "as the order knows it");
    assert_eq!(desk.run(stands(3, 3, 1)).unwrap(), ["backorder_filled"]);
    assert_eq!((desk.order.lines[0].filled, desk.order.lines[0].backordered), (3, 1));
    assert!(desk.run(stands(3, 3, 1)).unwrap().is_empty(), "said again");
    assert_eq!(desk.run(stands(0, 0, 4)).unwrap(), ["oversold"]);
    assert_eq!((desk.order.lines[0].filled, desk.order.lines[0].backordered), (0, 4));
    desk.run(CANCEL).unwrap();
    assert!(desk.run(stands(4, 4, 0)).unwrap().is_empty(), "an order that is over does not listen");
}

#[test]
fn units_that_were_lost_and_filled_again_are_settled_for_an_order_that_is_paid() {
    let settles =
        |desk: &Desk| desk.stock_asks().iter().filter(|ask| matches!(ask, StockCommand::Settle { .. })).count();
    let mut unpaid = Desk::with(&[line("sku", "1.00", 2, 0)], &[]);
    unpaid.run(stands(2, 2, 0)).unwrap();
    assert_eq!(settles(&unpaid), 0, "they are held until it is paid");
    let mut paid = Desk::paid("1.00", 2, "2.00");
    paid.run(stands(0, 2, 0)).unwrap();
    assert_eq!(settles(&paid), 0, "nothing is held any more");
    assert!(paid.run(stands(1, 2, 0)).unwrap().is_empty());
    assert_eq!(settles(&paid), 1);
}

#[test]
fn an_entry_is_offered_what_it_won_or_is_over_when_it_won_nothing() {
    let entry = || {
        let mut desk = Desk::with(&[line("sku", "1.00", 0, 2)], &[]);
        desk.order.waiting = true;
        desk
    };
    let mut won = entry();
    assert!(won.run(stands(0, 0, 2)).unwrap().is_empty(), "it waits still");
    assert_eq!(won.run(stands(2, 2, 0)).unwrap(), ["offered"]);
    assert_eq!((won.order.waiting, won.order.hold_expires_at), (false, START.plus_seconds(60)));
    assert!(won.run(OrderCommand::NotDrawn).unwrap().is_empty(), "it does not wait any more");
    for lost in [stands(0, 0, 0), OrderCommand::NotDrawn] {
        let mut desk = entry();
        assert_eq!(desk.run(lost.clone()).unwrap(), ["cancelled"]);
        assert_eq!(desk.order.outcome, Outcome::Cancelled);
        assert!(desk.run(lost).unwrap().is_empty(), "once");
    }
}

#[test]
fn kits_lose_and_regain_their_components() {
    let kit = |units| crate::order::PlacedLine {
        kit: Some(Box::new(vec![
            crate::stock::KitPart { sku: sku("p"), quantity: 2 },
            crate::stock::KitPart { sku: sku("q"), quantity: 1 },
        ])),
        ..line("k", "9.00", units, 0)
    };
    let mut desk = Desk::with(&[kit(3), line("p", "1.00", 1, 0)], &[(Method::External, "28.00")]);
    desk.secure(0);
    let lose = |quantity| OrderCommand::Displaced { sku: sku("p"), quantity };
    let regain = |quantity| OrderCommand::BackorderFilled { sku: sku("p"), quantity, offer_seconds: 60 };
    let stand = |desk: &Desk| {
        let kits = &desk.order.lines[0];
        (kits.filled, kits.backordered, kits.parts()[0].missing, desk.order.lines[1].filled)
    };
    assert_eq!(desk.run(lose(1)).unwrap(), ["oversold"], "plain units first");
    assert_eq!(stand(&desk), (3, 0, 0, 0));
    assert_eq!(desk.run(lose(3)).unwrap(), ["part_missing"]);
    assert_eq!(stand(&desk), (1, 2, 3, 0), "three of a component are missing: two kits wait");
    assert_eq!(desk.run(lose(9)).unwrap(), ["part_missing"]);
    assert_eq!(stand(&desk), (0, 3, 6, 0));
    assert!(
        matches!(desk.stock_asks()[..], [StockCommand::Release { filled: 0, backordered: 6, .. }]),
        "six were not its"
    );
    assert_eq!(desk.run(regain(3)).unwrap(), ["backorder_filled", "part_missing"], "plain units first");
    assert_eq!(stand(&desk), (1, 2, 4, 1));
    assert!(matches!(desk.stock_asks()[..], [StockCommand::Settle { .. }]), "it is paid");
    assert_eq!(desk.run(regain(5)).unwrap(), ["part_missing"]);
    assert_eq!(stand(&desk), (3, 0, 0, 1));
    let asks = desk.stock_asks();
    assert!(asks.iter().any(|ask| matches!(ask, StockCommand::Release { filled: 1, backordered: 0, .. })), "{asks:?}");
}

#[test]
fn orders_hear_what_concerns_them_and_nothing_else() {
    let id = Desk::with(&[], &[]).order.id;
    let picks =
        |units: &[u64]| units.iter().zip(0..).map(|(quantity, bin)| Pick { bin, quantity: *quantity }).collect();
    let quantity = |units| (id, units);
    let heard = |event: StockEvent| {
        news_of_stock(&sku("sku"), &event, 60).map(|(order, command)| match command {
            OrderCommand::BackorderFilled { quantity, offer_seconds: 60, .. }
            | OrderCommand::Displaced { quantity, .. }
            | OrderCommand::ShippedShort { quantity, .. } => (order, quantity),
            OrderCommand::NotDrawn => (order, 0),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(heard(StockEvent::BackorderFilled { order: id, picks: picks(&[2, 3]) }), Some(quantity(5)));
    assert_eq!(
        heard(StockEvent::Displaced { order: id, held: picks(&[1]), allocated: picks(&[2, 4]) }),
        Some(quantity(7))
    );
    assert_eq!(heard(StockEvent::ShippedShort { order: id, quantity: 3 }), Some(quantity(3)));
    assert_eq!(heard(StockEvent::NotDrawn { order: id, quantity: 4 }), Some(quantity(0)));
    let reason = ReleaseReason::Cancelled;
    assert_eq!(heard(StockEvent::Released { order: id, held: picks(&[1]), allocated: picks(&[]), reason }), None);
}
