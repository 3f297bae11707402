//! Waiting lists, shares of a restock, lotteries.

use super::*;
use crate::stock::{Admission, Lottery};

const SEED: [u8; 32] = [42; 32];

fn admitted(admission: Admission) -> Definition {
    Definition { admission: Some(Box::new(admission)), backorder_max: None, ..definition() }
}

fn waiting_list() -> Shelf {
    let mut shelf = Shelf::of(admitted(Admission::WaitingList { offer_seconds: 600 }));
    shelf.run(receive("main", None, None, 2)).unwrap();
    shelf
}

fn lottery(refuse_losers: bool) -> Lottery {
    let (opens_at, closes_at) = (Timestamp(2 * DAY), Timestamp(3 * DAY));
    Lottery { opens_at, closes_at, seed_commitment: Lottery::commitment_to(&SEED), refuse_losers }
}

#[test]
fn a_freed_hold_is_offered_whole_to_the_next_in_line_and_newcomers_stand_behind() {
    let mut shelf = waiting_list();
    shelf.run(hold(1, 2, ALL)).unwrap();
    shelf.run(hold(2, 2, ALL)).unwrap();
    shelf.run(hold(3, 1, ALL)).unwrap();
    assert_eq!([1, 2, 3].map(|n| shelf.of_order(n)), [(2, 0, 0), (0, 0, 2), (0, 0, 1)]);
    shelf.run(receive("main", None, None, 1)).unwrap();
    assert_eq!(shelf.of_order(3), (0, 0, 1), "the head of the line is not skipped");
    assert_eq!(shelf.code(hold(4, 1, PARTIAL)), "stock_exhausted", "nor overtaken");
    assert_eq!(shelf.run(release(1)).unwrap(), ["released", "backorder_filled", "backorder_filled"]);
    assert_eq!([2, 3].map(|n| shelf.of_order(n)), [(2, 0, 0), (1, 0, 0)]);
    assert_eq!(shelf.stock.offer_seconds(), 600);
}

#[test]
fn who_waits_holds_nothing_and_the_line_is_as_long_as_it_may_be() {
    let mut shelf =
        Shelf::of(Definition { backorder_max: Some(3), ..admitted(Admission::WaitingList { offer_seconds: 1 }) });
    shelf.run(receive("main", None, None, 2)).unwrap();
    shelf.run(hold(1, 3, WAIT)).unwrap();
    assert_eq!((shelf.of_order(1), shelf.stock.available(shelf.now)), ((0, 0, 3), 2), "no part is taken");
    assert_eq!(shelf.code(hold(2, 1, ALL)), "stock_exhausted", "three may wait");
    shelf.run(release(1)).unwrap();
    shelf.run(hold(2, 5, PARTIAL)).unwrap();
    assert_eq!(shelf.of_order(2), (2, 0, 0), "a partial order takes what there is and does not wait");
}

#[test]
fn the_rule_of_a_line_stays_while_somebody_stands_in_it() {
    let mut shelf = waiting_list();
    shelf.run(hold(1, 3, ALL)).unwrap();
    assert_eq!(shelf.code(C::Define(Box::new(definition()))), "body_invalid");
    let longer = admitted(Admission::WaitingList { offer_seconds: 900 });
    assert_eq!(shelf.run(C::Define(Box::new(longer))).unwrap(), ["defined"]);
    shelf.run(release(1)).unwrap();
    shelf.run(C::Define(Box::new(definition()))).unwrap();
    assert_eq!(shelf.code(C::Define(Box::new(admitted(Admission::WaitingList { offer_seconds: 0 })))), "body_invalid");
}

#[test]
fn a_restock_is_shared_pro_rata_among_all_who_wait() {
    let mut shelf = Shelf::of(Definition { backorder_max: Some(100), ..admitted(Admission::ProRata) });
    for (n, quantity) in [(1, 50), (2, 30), (3, 20)] {
        shelf.run(hold(n, quantity, WAIT)).unwrap();
    }
    shelf.run(receive("main", None, None, 7)).unwrap();
    assert_eq!([1, 2, 3].map(|n| shelf.of_order(n)), [(4, 0, 46), (2, 0, 28), (1, 0, 19)]);
    shelf.run(receive("main", None, None, 93)).unwrap();
    assert_eq!([1, 2, 3].map(|n| shelf.of_order(n).2), [0, 0, 0]);
    shelf.run(C::Announce { quantity: 5, available_from: None, reference: None }).unwrap();
    shelf.run(hold(4, 3, WAIT)).unwrap();
    assert!(shelf.stock.promises().is_empty(), "a part is known when it is there");
}

#[test]
fn a_lottery_takes_entries_in_its_window_only_and_sells_nothing_before_its_draw() {
    let mut shelf = Shelf::of(admitted(Admission::Lottery(lottery(false))));
    shelf.run(receive("main", None, None, 2)).unwrap();
    assert_eq!(shelf.code(hold(1, 1, ALL)), "sku_not_sellable");
    shelf.now = Timestamp(2 * DAY);
    shelf.run(hold(1, 1, ALL)).unwrap();
    assert_eq!((shelf.of_order(1), shelf.stock.available(shelf.now)), ((0, 0, 1), 2));
    assert_eq!(shelf.code(C::Draw { seed: SEED }), "order_state_invalid", "the seed stays secret");
    shelf.now = Timestamp(3 * DAY);
    assert_eq!(shelf.code(hold(2, 1, ALL)), "sku_not_sellable");
    assert_eq!(shelf.code(C::Draw { seed: [1; 32] }), "body_invalid", "it is not the seed that was committed to");
    assert_eq!(shelf.run(C::Draw { seed: SEED }).unwrap(), ["drawn", "backorder_filled"]);
    assert_eq!(shelf.code(C::Draw { seed: SEED }), "order_state_invalid", "it is drawn once");
    shelf.run(hold(2, 1, ALL)).unwrap();
    assert_eq!(shelf.of_order(2), (1, 0, 0), "what nobody won is sold");
    assert_eq!(Shelf::with(1).code(C::Draw { seed: SEED }), "order_state_invalid");
}

#[test]
fn a_draw_serves_entries_by_their_tickets_and_losers_wait_in_that_order_or_are_turned_away() {
    for refuse_losers in [false, true] {
        let mut shelf = Shelf::of(admitted(Admission::Lottery(lottery(refuse_losers))));
        shelf.run(receive("main", None, None, 3)).unwrap();
        shelf.now = Timestamp(2 * DAY);
        for n in 1..=10 {
            shelf.run(hold(n, 1, ALL)).unwrap();
        }
        shelf.now = Timestamp(3 * DAY);
        shelf.run(C::Draw { seed: SEED }).unwrap();
        // Anybody can draw again from what the journal says.
        let mut drawn: Vec<u128> = (1..=10).collect();
        drawn.sort_by_key(|n| *blake3::keyed_hash(&SEED, &order(*n).to_bytes()).as_bytes());
        assert_ne!(drawn, (1..=10).collect::<Vec<_>>(), "a draw is not the order of arrival");
        let (winners, losers) = drawn.split_at(3);
        assert!(winners.iter().all(|n| shelf.of_order(*n) == (1, 0, 0)));
        if refuse_losers {
            assert!(losers.iter().all(|n| shelf.of_order(*n) == (0, 0, 0)));
            assert!(shelf.stock.backorders.is_empty());
        } else {
            let waiting: Vec<_> = shelf.stock.backorders.iter().map(|backorder| backorder.order).collect();
            assert_eq!(waiting, losers.iter().map(|n| order(*n)).collect::<Vec<_>>());
            shelf.run(release(winners[1])).unwrap();
            assert_eq!(shelf.of_order(losers[0]), (1, 0, 0), "who did not pay makes room for the next ticket");
        }
    }
}

#[test]
fn a_shortfall_before_the_draw_is_no_entry() {
    let mut shelf = Shelf::with(1);
    shelf.run(hold(1, 1, ALL)).unwrap();
    shelf.run(C::Define(Box::new(admitted(Admission::Lottery(lottery(true)))))).unwrap();
    shelf.now = Timestamp(2 * DAY);
    shelf.run(hold(2, 1, ALL)).unwrap();
    shelf.run(adjust("main", -1, true)).unwrap();
    shelf.now = Timestamp(3 * DAY);
    assert_eq!(shelf.run(C::Draw { seed: SEED }).unwrap(), ["drawn", "not_drawn"]);
    assert_eq!((shelf.of_order(1), shelf.of_order(2)), ((0, 0, 1), (0, 0, 0)), "an old order keeps its place in line");
}

#[test]
fn what_no_longer_sells_refuses_new_demand_and_honours_what_it_promised() {
    for status in [SkuStatus::Paused, SkuStatus::Discontinued] {
        let mut shelf = Shelf::with(3);
        shelf.run(hold(1, 2, ALL)).unwrap();
        shelf.run(hold(2, 1, ALL)).unwrap();
        shelf.run(hold(3, 2, WAIT)).unwrap();
        shelf.run(C::Define(Box::new(Definition { status, ..definition() }))).unwrap();
        for mode in [ALL, PARTIAL, WAIT] {
            assert_eq!(shelf.code(hold(4, 1, mode)), "sku_not_sellable");
        }
        shelf.run(C::Settle { order: order(1) }).unwrap();
        shelf.run(C::Ship { order: order(1), quantity: 2 }).unwrap();
        shelf.run(release(2)).unwrap();
        shelf.run(receive("main", None, None, 1)).unwrap();
        assert_eq!(shelf.of_order(3), (2, 0, 0), "who waited is served");
        shelf.run(C::Define(Box::new(definition()))).unwrap();
        shelf.run(hold(4, 1, WAIT)).unwrap();
    }
}
