//! Pro rata, icebergs, auctions, market data.

use super::*;
use BookCommand::Place as Command;

#[test]
fn pro_rata_shares_a_level_in_proportion_and_goes_to_the_next_when_it_is_used_up() {
    let mut scene = Scene::new(BookConfig { allocation: Allocation::ProRata, ..BookConfig::exchange() });
    scene.given([offer(1, 6, 100), offer(2, 3, 100), offer(3, 1, 100), offer(4, 9, 101)]);
    assert_eq!(scene.deals(Command(now(bid(8, 5, 101)))), [(1, 8, 100, 3), (2, 8, 100, 2)]);
    let rest = [(1, 9, 100, 3), (2, 9, 100, 1), (3, 9, 100, 1), (4, 9, 101, 2)];
    assert_eq!(scene.deals(Command(now(bid(9, 7, 101)))), rest);
}

#[test]
fn pro_rata_shares_among_others_before_a_taker_that_met_its_owner_ends() {
    let config =
        BookConfig { allocation: Allocation::ProRata, self_trade: SelfTrade::CancelNewest, ..BookConfig::exchange() };
    let mut scene = Scene::new(config);
    scene.given([of(7, offer(1, 5, 100)), of(8, offer(2, 2, 100)), of(8, offer(3, 9, 101))]);
    let events = scene.place(of(7, bid(9, 4, 101))).unwrap();
    assert_eq!(deals(&events), [(2, 9, 100, 2)]);
    assert_eq!(events.last(), Some(&BookEvent::Ended { id: 9, quantity: 2, reason: EndReason::SelfTrade }));
    assert_eq!(scene.line(Side::Supply), [(1, 5), (3, 9)]);
}

#[test]
fn nobody_waits_for_a_minimum_where_all_share() {
    let mut scene = Scene::new(BookConfig { allocation: Allocation::ProRata, ..BookConfig::exchange() });
    let refusal = BookRefusal::TermsInvalid { why: "nobody waits for a minimum where all share" };
    assert_eq!(scene.place(Place { minimum: 2, ..bid(1, 5, 100) }), Err(refusal));
}

#[test]
fn an_iceberg_shows_a_slice_and_the_next_one_goes_behind_the_others() {
    let mut scene = Scene::exchange();
    scene.given([Place { displayed: Some(2), ..offer(1, 5, 100) }, offer(2, 3, 100)]);
    assert_eq!(scene.book.best(Side::Supply), Some(LevelDepth { price: 100, quantity: 5, orders: 2 }));
    assert_eq!(scene.deals(Command(now(bid(8, 3, 100)))), [(1, 8, 100, 2), (2, 8, 100, 1)]);
    assert_eq!(scene.line(Side::Supply), [(2, 2), (1, 2)]);
    let all = [(2, 9, 100, 2), (1, 9, 100, 2), (1, 9, 100, 1)];
    let killed = Place { time_in_force: TimeInForce::Fok, ..bid(9, 5, 100) };
    assert_eq!(scene.deals(Command(killed)), all, "what it hides can be had too");
    assert_eq!(scene.book.order(1), None);
}

#[test]
fn units_that_come_back_to_an_iceberg_go_behind_its_slice() {
    let mut scene = Scene::shop();
    scene.given([Place { displayed: Some(2), ..offer(1, 5, 100) }, now(bid(8, 1, 100))]);
    scene.run(BookCommand::Release { fill: FillId(1), quantity: 1, returns: Side::Supply }).unwrap();
    let order = scene.book.order(1).unwrap();
    assert_eq!((order.open, order.reserve), (1, 4));
}

#[test]
fn an_auction_clears_at_the_largest_volume_then_least_imbalance_then_nearest_then_lowest() {
    type Case = (&'static str, Vec<Place<u64>>, Price, Option<Price>, Quantity, i64);
    let cases: Vec<Case> = vec![
        ("volume", vec![bid(1, 10, 105), bid(2, 5, 102), offer(3, 8, 101), offer(4, 9, 103)], 100, Some(103), 10, -7),
        ("imbalance", vec![bid(1, 10, 100), bid(2, 5, 110), offer(3, 5, 100), offer(4, 10, 110)], 100, Some(101), 5, 0),
        ("nearest", vec![bid(1, 5, 110), offer(2, 5, 100)], 107, Some(107), 5, 0),
        ("nearest from below", vec![bid(1, 5, 110), offer(2, 5, 100)], 90, Some(100), 5, 0),
        ("nothing trades", vec![bid(1, 5, 90), offer(2, 5, 100)], 95, None, 0, 0),
    ];
    for (name, places, reference, price, quantity, imbalance) in cases {
        let mut scene = Scene::exchange();
        scene.run(BookCommand::OpenAuction).unwrap();
        scene.given(places);
        assert_eq!(scene.place(now(bid(99, 1, 100))), Err(BookRefusal::AuctionOpen));
        let events = scene.run(BookCommand::Uncross { reference }).unwrap();
        assert_eq!(events[0], BookEvent::Uncrossed { price, quantity, imbalance }, "{name}");
        let deals = deals(&events);
        assert_eq!(deals.iter().map(|deal| deal.3).sum::<u64>(), quantity, "{name}");
        assert!(deals.iter().all(|deal| Some(deal.2) == price), "{name}: one price for all");
    }
}

#[test]
fn an_auction_fills_by_priority_and_the_house_takes_part_before_offers_of_its_price() {
    let mut scene = Scene::shop();
    scene.run(BookCommand::OpenAuction).unwrap();
    assert_eq!(scene.run(BookCommand::OpenAuction), Err(BookRefusal::AuctionOpen));
    scene.given([offer(1, 5, 100), bid(2, 2, 100), bid(3, 4, 105), bid(4, 1, 99)]);
    scene.house(100, 3);
    let deals = scene.deals(BookCommand::Uncross { reference: 100 });
    assert_eq!(deals, [(0, 3, 100, 3), (1, 3, 100, 1), (1, 2, 100, 2)]);
    assert_eq!((scene.line(Side::Supply), scene.line(Side::Demand)), (vec![(1, 2)], vec![(4, 1)]));
}

#[test]
fn a_snapshot_and_the_increments_after_it_give_the_depth() {
    let mut scene = Scene::exchange();
    scene.given([offer(1, 5, 100), bid(2, 5, 90)]);
    scene.book.watch(true);
    let snapshot = scene.book.market_snapshot();
    let mut levels: std::collections::BTreeMap<_, _> =
        snapshot.supply.iter().map(|level| (level.price, *level)).collect();
    let mut sequence = snapshot.sequence;
    scene.given([offer(3, 1, 101), offer(4, 2, 100), now(bid(5, 6, 101))]);
    scene.run(BookCommand::Cancel { id: 3 }).unwrap();
    let mut changes = Vec::new();
    scene.book.take_changes(&mut changes);
    for change in changes.iter().filter(|change| change.side == Side::Supply) {
        sequence += 1;
        assert_eq!(change.sequence, sequence, "no increment is missing");
        if change.level.orders == 0 {
            levels.remove(&change.level.price);
        } else {
            levels.insert(change.level.price, change.level);
        }
    }
    assert_eq!(levels.into_values().collect::<Vec<_>>(), scene.book.depth(Side::Supply, 9));
    assert_eq!(scene.book.market_snapshot().sequence, sequence);
}
