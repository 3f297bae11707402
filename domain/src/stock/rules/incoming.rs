//! What is promised against incoming stock, and where units come from.

use super::*;
use crate::name::Region;
use crate::stock::{Distances, HoldContext, Setting, SourcingPlan, SourcingStrategy, decide_in};

fn announce(quantity: Quantity, available_from: Option<i64>, reference: Option<&str>) -> C {
    let available_from = available_from.map(Timestamp);
    C::Announce { quantity, available_from, reference: reference.map(Into::into) }
}

fn withdraw(quantity: Quantity, reference: Option<&str>) -> C {
    C::WithdrawAnnouncement { quantity, reference: reference.map(Into::into) }
}

impl Shelf {
    fn promised(&self, n: u128) -> (Quantity, Option<i64>) {
        let promises = self.stock.promises();
        let found = promises.iter().find(|promise| promise.order == order(n));
        found.map_or((0, None), |promise| (promise.quantity, promise.available_from.map(|at| at.0)))
    }
}

fn preorder() -> Shelf {
    Shelf::of(Definition { preorder: true, backorder_max: Some(100), ..definition() })
}

#[test]
fn a_preorder_sells_what_is_coming_and_not_a_unit_more() {
    let mut shelf = preorder();
    assert_eq!(shelf.code(hold(1, 1, WAIT)), "stock_exhausted", "nothing is coming");
    shelf.run(announce(5, None, None)).unwrap();
    shelf.run(hold(1, 3, WAIT)).unwrap();
    assert_eq!(shelf.code(hold(2, 3, WAIT)), "stock_exhausted", "two are left");
    assert_eq!(shelf.code(hold(2, 1, ALL)), "stock_exhausted", "who does not want to wait is not made to");
    shelf.run(hold(2, 2, WAIT)).unwrap();
    assert_eq!((shelf.promised(1).0, shelf.promised(2).0, shelf.stock.unpromised()), (3, 2, 0));
    let part = HoldMode { partial: true, backorder: true };
    assert_eq!(shelf.code(hold(3, 1, part)), "stock_exhausted");
    shelf.run(announce(1, None, None)).unwrap();
    shelf.run(hold(3, 9, part)).unwrap();
    assert_eq!(shelf.of_order(3), (0, 0, 1), "a partial order takes what is still coming");
}

#[test]
fn a_receipt_serves_promises_in_turn_and_what_it_leaves_is_sold_freely() {
    let mut shelf = preorder();
    shelf.run(announce(5, None, None)).unwrap();
    shelf.run(hold(1, 3, WAIT)).unwrap();
    shelf.run(hold(2, 1, WAIT)).unwrap();
    assert_eq!(shelf.run(receive("main", None, None, 2)).unwrap(), ["received", "backorder_filled"]);
    assert_eq!((shelf.of_order(1), shelf.promised(1).0, shelf.promised(2).0), ((2, 0, 1), 1, 1));
    shelf.run(receive("main", None, None, 3)).unwrap();
    assert_eq!((shelf.of_order(1), shelf.of_order(2), shelf.stock.incoming), ((3, 0, 0), (1, 0, 0), 0));
    shelf.run(hold(3, 1, ALL)).unwrap();
}

#[test]
fn promises_carry_the_date_of_the_announcement_that_covers_them() {
    let mut shelf = preorder();
    shelf.run(announce(1, None, None)).unwrap();
    shelf.run(announce(2, Some(9 * DAY), Some("late"))).unwrap();
    shelf.run(announce(2, Some(5 * DAY), Some("early"))).unwrap();
    shelf.run(hold(1, 2, WAIT)).unwrap();
    shelf.run(hold(2, 1, WAIT)).unwrap();
    shelf.run(hold(3, 2, WAIT)).unwrap();
    assert_eq!([1, 2, 3].map(|n| shelf.promised(n).1), [Some(5 * DAY), Some(9 * DAY), None]);
    shelf.run(receive("main", None, None, 2)).unwrap();
    assert_eq!([2, 3].map(|n| shelf.promised(n).1), [Some(9 * DAY), None], "the early ones have come");
    assert_eq!(shelf.stock.announcements().len(), 1);
}

#[test]
fn a_withdrawn_announcement_breaks_the_newest_promises_first_and_says_so() {
    let mut shelf = Shelf::of(definition());
    shelf.run(announce(6, None, None)).unwrap();
    for (n, quantity) in [(1, 3), (2, 2), (3, 4)] {
        shelf.run(hold(n, quantity, WAIT)).unwrap();
    }
    assert_eq!([1, 2, 3].map(|n| shelf.promised(n).0), [3, 2, 1], "the last one waits for more than is coming");
    let mut events = Vec::new();
    decide(&shelf.stock, &withdraw(3, None), shelf.now, &mut events).unwrap();
    let broken = |n, quantity| StockEvent::Unpromised { order: order(n), quantity };
    assert_eq!(events[1..], [broken(3, 1), broken(2, 2)]);
    shelf.run(withdraw(3, None)).unwrap();
    assert_eq!([1, 2, 3].map(|n| shelf.of_order(n).2), [3, 2, 4], "they still wait");
    assert_eq!(shelf.code(withdraw(4, None)), "body_invalid");
    assert_eq!(shelf.code(withdraw(0, None)), "quantity_invalid");
}

#[test]
fn a_withdrawal_takes_the_named_announcement_or_else_the_latest() {
    let mut shelf = Shelf::of(definition());
    shelf.run(announce(2, Some(5 * DAY), Some("early"))).unwrap();
    shelf.run(announce(2, Some(9 * DAY), Some("late"))).unwrap();
    shelf.run(announce(1, None, None)).unwrap();
    let open = |shelf: &Shelf| -> Vec<(String, Quantity)> {
        let name = |row: &crate::stock::Announcement| (row.reference.as_deref().unwrap_or("").to_owned(), row.quantity);
        shelf.stock.announcements().iter().map(name).collect()
    };
    shelf.run(withdraw(2, None)).unwrap();
    assert_eq!(
        open(&shelf),
        [("early".into(), 2), ("late".into(), 1)],
        "first the one without a date, then the latest"
    );
    assert_eq!(shelf.code(withdraw(3, Some("early"))), "body_invalid");
    assert_eq!(shelf.code(withdraw(1, Some("unheard of"))), "body_invalid");
    shelf.run(withdraw(2, Some("early"))).unwrap();
    assert_eq!((open(&shelf), shelf.stock.incoming), (vec![("late".into(), 1)], 1));
    shelf.run(withdraw(1, Some("late"))).unwrap();
    assert!(shelf.stock.rare.is_none(), "what is over costs no memory");
}

#[test]
fn a_displaced_order_comes_before_younger_promises_and_breaks_them() {
    let mut shelf = Shelf::with(2);
    shelf.run(hold(1, 2, ALL)).unwrap();
    shelf.run(announce(2, None, None)).unwrap();
    shelf.run(hold(2, 2, WAIT)).unwrap();
    assert_eq!(shelf.run(adjust("main", -2, true)).unwrap(), ["oversold", "adjusted_down", "unpromised"]);
    assert_eq!((shelf.promised(1).0, shelf.promised(2).0), (2, 0));
}

#[test]
fn an_order_that_recorded_a_shipment_before_it_heard_of_a_shortfall_is_shipped_short() {
    let mut shelf = Shelf::with(4);
    shelf.run(hold(1, 4, ALL)).unwrap();
    shelf.run(C::Settle { order: order(1) }).unwrap();
    shelf.run(adjust("main", -3, true)).unwrap();
    let ship = |quantity| C::ShipRecorded { order: order(1), quantity };
    assert_eq!(shelf.run(ship(3)).unwrap(), ["shipped", "shipped_short"]);
    assert_eq!(shelf.of_order(1), (0, 0, 3), "the order itself gives up what it does not wait for");
    assert_eq!(shelf.run(ship(1)).unwrap(), ["shipped_short"]);
}

#[test]
fn units_that_came_after_a_shortfall_and_before_the_shipment_are_shipped() {
    let mut shelf = Shelf::with(4);
    shelf.run(hold(1, 4, ALL)).unwrap();
    shelf.run(C::Settle { order: order(1) }).unwrap();
    shelf.run(adjust("main", -3, true)).unwrap();
    shelf.run(receive("main", None, None, 2)).unwrap();
    assert_eq!(shelf.of_order(1), (2, 1, 1), "they are held: the order has heard of nothing");
    let ship = |quantity| C::ShipRecorded { order: order(1), quantity };
    assert_eq!(shelf.run(ship(4)).unwrap(), ["settled", "shipped", "shipped_short"]);
    assert_eq!(shelf.of_order(1), (0, 0, 1));
}

#[test]
fn a_backorder_is_filled_from_where_its_order_wanted_its_goods() {
    let plan = SourcingPlan { strategy: SourcingStrategy::Nearest, locations: Vec::new() };
    let mut shelf = Shelf::of(Definition { sourcing: Some(Box::new(plan)), ..definition() });
    let north = Region::new("highlands").unwrap();
    let mut distances = Distances::default();
    distances.set(north.clone(), place("north"), 5);
    distances.set(north.clone(), place("main"), 500);
    let run = |shelf: &mut Shelf, command: C| {
        let mut events = Vec::new();
        let setting = Setting { now: shelf.now, distances: &distances };
        decide_in(&shelf.stock, &command, &setting, &mut events).unwrap();
        events.iter().for_each(|event| shelf.stock.apply(event));
        shelf.stock.check();
    };
    run(&mut shelf, receive("main", None, None, 5));
    run(&mut shelf, receive("north", None, None, 2));
    let from = |n, quantity| C::Hold {
        order: order(n),
        quantity,
        mode: WAIT,
        settled: false,
        buyer: None,
        tentative: false,
        context: Some(Box::new(HoldContext { region: Some(north.clone()), sourcing: None })),
        taking: None,
    };
    run(&mut shelf, from(1, 3));
    let picked = |shelf: &Shelf, n| {
        let picks = &shelf.stock.commitments[&order(n)].picks;
        picks.iter().map(|pick| (pick.bin, pick.held)).collect::<Vec<_>>()
    };
    assert_eq!(picked(&shelf, 1), [(1, 2), (0, 1)], "the near shelf first");
    run(&mut shelf, from(2, 7));
    run(&mut shelf, release(1));
    assert_eq!(picked(&shelf, 2), [(0, 5), (1, 2)]);
    run(&mut shelf, from(3, 1));
    run(&mut shelf, C::ReleaseAll { order: order(2), reason: ReleaseReason::Expired });
    assert_eq!(picked(&shelf, 3), [(1, 1)], "also when it had to wait");
}
