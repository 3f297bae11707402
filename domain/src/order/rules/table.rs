//! Every status with every act: what the table says is what is decided.

use super::{Desk, line};
use crate::order::table::{Act, TABLE, Verdict, markdown, verdict};
use crate::order::{OrderCommand, OrderStatus, RefundChoice};
use crate::payment::Method;
use crate::stock::Disposition;

/// Orders in this status, each with a word on how it came there.
fn in_status(status: OrderStatus) -> Vec<(&'static str, Desk)> {
    use OrderStatus as S;
    let external = |text| [(Method::External, text)];
    let two = || Desk::with(&[line("a", "1.00", 2, 0)], &external("2.00"));
    let paid = || {
        let mut desk = two();
        desk.secure(0);
        desk
    };
    let shipped = |units| {
        let mut desk = paid();
        desk.run(OrderCommand::Ship { lines: Some(vec![(0, units)]), tracking: None }).unwrap();
        desk
    };
    let after = |mut desk: Desk, command| {
        desk.run(command).unwrap();
        desk
    };
    let back =
        |units| OrderCommand::Return { lines: vec![(0, units, Disposition::Restock)], refund: RefundChoice::Nothing };
    let unpaid = || Desk::with(&[line("a", "1.00", 2, 0)], &[]);
    let waiting = {
        let mut desk = Desk::with(&[line("a", "1.00", 0, 2)], &[]);
        desk.order.waiting = true;
        desk
    };
    let mut backordered = Desk::with(&[line("a", "1.00", 0, 2)], &external("2.00"));
    backordered.secure(0);
    let mut expired = unpaid();
    expired.now = expired.order.hold_expires_at;
    match status {
        S::Waiting => vec![("entry", waiting)],
        S::Created => vec![("a payment is under way", two())],
        S::AwaitingPayment => vec![("no payment", unpaid())],
        S::Backordered => vec![("all of it waits", backordered)],
        S::Paid => vec![("paid", paid())],
        S::PartiallyShipped => vec![("one of two", shipped(1))],
        S::Shipped => vec![("both", shipped(2))],
        S::Delivered => vec![("arrived", after(shipped(2), OrderCommand::Deliver))],
        S::Completed => vec![("closed", after(shipped(2), OrderCommand::Complete))],
        S::PartiallyReturned => {
            vec![("one of two", after(shipped(2), back(1))), ("the one that was shipped", after(shipped(1), back(1)))]
        }
        S::Returned => vec![("both", after(shipped(2), back(2)))],
        S::Cancelled => vec![("unpaid", after(unpaid(), super::CANCEL)), ("paid", after(paid(), super::CANCEL))],
        S::Expired => vec![("nobody paid", after(expired, OrderCommand::DeadlineReached))],
    }
}

/// Ways to do it.
fn commands(act: Act) -> Vec<OrderCommand> {
    let one = || vec![(0, 1)];
    match act {
        Act::Pay | Act::Edit => Vec::new(),
        Act::Extend => vec![OrderCommand::Extend { seconds: 60 }],
        Act::Cancel => vec![OrderCommand::Cancel { lines: None }],
        Act::CancelLines => vec![OrderCommand::Cancel { lines: Some(vec![(0, Some(1))]) }],
        Act::Ship => vec![
            OrderCommand::Ship { lines: None, tracking: None },
            OrderCommand::Ship { lines: Some(one()), tracking: None },
        ],
        Act::Deliver => vec![OrderCommand::Deliver],
        Act::Return => {
            let lines = vec![(0, 1, Disposition::Restock)];
            vec![OrderCommand::Return { lines, refund: RefundChoice::Nothing }]
        }
        Act::Refund => vec![OrderCommand::RefundLines { lines: one(), reason: "late".into() }],
        Act::Complete => vec![OrderCommand::Complete],
    }
}

/// Whether it is done, or the code with which it is refused.
fn outcomes(desk: &mut Desk, act: Act) -> Vec<Result<(), &'static str>> {
    if act == Act::Edit {
        return vec![desk.order.check_editable(desk.now).map_err(|refusal| refusal.code())];
    }
    if act == Act::Pay {
        return vec![desk.order.check_payable(desk.now).map(|_| ()).map_err(|refusal| refusal.code())];
    }
    let before = (desk.order.clone(), desk.now);
    let outcome = |command: OrderCommand| {
        (desk.order, desk.now) = before.clone();
        desk.run(command).map(|_| ()).map_err(|refusal| refusal.code())
    };
    commands(act).into_iter().map(outcome).collect()
}

#[test]
fn every_status_with_every_act_comes_to_what_the_table_says() {
    let mut seen = 0;
    for status in OrderStatus::ALL {
        for (act, name) in Act::ALL {
            for (how, mut desk) in in_status(*status) {
                assert_eq!(desk.order.status(), *status, "{how}");
                for outcome in outcomes(&mut desk, act) {
                    let expected = match verdict(*status, act) {
                        Verdict::Yes => Some(Ok(())),
                        Verdict::If => None,
                        Verdict::State => Some(Err("order_state_invalid")),
                        Verdict::Paid => Some(Err("already_paid")),
                        Verdict::Expired => Some(Err("hold_expired")),
                    };
                    let place = format!("{name} of an order that is {} ({how}): {outcome:?}", status.name());
                    assert!(expected.is_none_or(|expected| expected == outcome), "{place}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= OrderStatus::ALL.len() * Act::ALL.len());
}

#[test]
fn what_depends_is_done_for_some_and_refused_for_others() {
    // Where the table says that it depends, it can be done.
    for (status, act) in [
        (OrderStatus::Waiting, Act::CancelLines),
        (OrderStatus::AwaitingPayment, Act::CancelLines),
        (OrderStatus::AwaitingPayment, Act::Extend),
        (OrderStatus::AwaitingPayment, Act::Edit),
        (OrderStatus::Paid, Act::Ship),
        (OrderStatus::Paid, Act::Refund),
        (OrderStatus::PartiallyShipped, Act::CancelLines),
        (OrderStatus::PartiallyShipped, Act::Return),
        (OrderStatus::Shipped, Act::Return),
        (OrderStatus::Completed, Act::Refund),
        (OrderStatus::PartiallyReturned, Act::Ship),
        (OrderStatus::PartiallyReturned, Act::Deliver),
        (OrderStatus::PartiallyReturned, Act::Complete),
    ] {
        assert_eq!(verdict(status, act), Verdict::If);
        let done =
            in_status(status).into_iter().any(|(_, mut desk)| outcomes(&mut desk, act).iter().any(Result::is_ok));
        assert!(done, "{act:?} of an order that is {}", status.name());
    }
    // And what names too much is refused.
    let mut desk = in_status(OrderStatus::Shipped).remove(0).1;
    let too_many = OrderCommand::Return { lines: vec![(0, 3, Disposition::Restock)], refund: RefundChoice::Auto };
    assert_eq!(desk.code(too_many), "order_state_invalid");
    let none = OrderCommand::Return { lines: vec![], refund: RefundChoice::Auto };
    assert_eq!(desk.code(none), "body_invalid");
}

#[test]
fn the_table_has_every_status_once_and_is_the_page_in_the_documentation() {
    assert_eq!(TABLE.len(), OrderStatus::ALL.len());
    assert!(OrderStatus::ALL.iter().all(|status| TABLE.iter().filter(|(row, _)| row == status).count() == 1));
    let page = include_str!("../../../../docs/order-states.md");
    let table: String = page.lines().filter(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect();
    assert_eq!(table, markdown(), "docs/order-states.md holds the table of domain/src/order/table.rs");
}
