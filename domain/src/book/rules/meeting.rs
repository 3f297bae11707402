//! Who may meet whom: owners, the house, named sellers.

use super::*;
use BookCommand::Place as Command;

#[test]
fn each_rule_for_orders_of_one_owner_does_what_it_says() {
    let ended = |id, quantity| BookEvent::Ended { id, quantity, reason: EndReason::SelfTrade };
    let reduced = |id, quantity| BookEvent::Reduced { id, quantity, reason: EndReason::SelfTrade };
    for (self_trade, avoided, line) in [
        (SelfTrade::CancelNewest, vec![ended(9, 5)], vec![(1, 3), (2, 4)]),
        (SelfTrade::CancelOldest, vec![ended(1, 3)], vec![]),
        (SelfTrade::CancelBoth, vec![ended(1, 3), ended(9, 5)], vec![(2, 4)]),
        (SelfTrade::Decrement, vec![ended(1, 3), reduced(9, 3)], vec![(2, 2)]),
    ] {
        let mut scene = Scene::new(BookConfig { self_trade, ..BookConfig::exchange() });
        scene.given([of(7, offer(1, 3, 100)), of(8, offer(2, 4, 100))]);
        let events = scene.place(of(7, now(bid(9, 5, 100)))).unwrap();
        let told: Vec<_> = events
            .into_iter()
            .filter(|event| {
                matches!(event, BookEvent::Ended { reason: EndReason::SelfTrade, .. } | BookEvent::Reduced { .. })
            })
            .collect();
        assert_eq!(told, avoided, "{self_trade:?}");
        assert_eq!(scene.line(Side::Supply), line, "{self_trade:?}");
    }
}

#[test]
fn an_orders_own_rule_comes_before_the_books_and_nobody_is_not_the_same_as_nobody() {
    let config = BookConfig { self_trade: SelfTrade::CancelNewest, ..BookConfig::exchange() };
    for (owner, own, traded) in [(7, None, 0), (7, Some(SelfTrade::Allow), 1), (0, None, 1), (8, None, 1)] {
        let mut scene = Scene::new(config);
        scene.given([of(if owner == 0 { 0 } else { 7 }, offer(1, 1, 100))]);
        let deals = scene.deals(Command(Place { self_trade: own, ..of(owner, bid(2, 1, 100)) }));
        assert_eq!(deals.len(), traded, "{owner} {own:?}");
    }
}

#[test]
fn fill_or_kill_does_not_count_what_its_owner_offers() {
    for self_trade in [SelfTrade::CancelNewest, SelfTrade::CancelOldest, SelfTrade::CancelBoth, SelfTrade::Decrement] {
        let mut scene = Scene::new(BookConfig { self_trade, ..BookConfig::exchange() });
        scene.given([of(8, offer(1, 1, 100)), of(7, offer(2, 5, 100))]);
        let killed = Place { time_in_force: TimeInForce::Fok, ..of(7, bid(3, 2, 100)) };
        assert_eq!(scene.place(killed), Err(BookRefusal::Unfillable { available: 1 }), "{self_trade:?}");
    }
}

#[test]
fn the_house_comes_before_every_offer_of_its_price_and_after_better_ones() {
    let mut scene = Scene::shop();
    scene.house(100, 3).given([offer(1, 1, 99), offer(2, 9, 100)]);
    assert_eq!(scene.deals(Command(now(bid(9, 5, 100)))), [(1, 9, 99, 1), (0, 9, 100, 3), (2, 9, 100, 1)]);
}

#[test]
fn of_the_house_only_whole_lots_are_taken() {
    let mut scene = Scene::new(BookConfig { lot: 4, ..BookConfig::default() });
    scene.house(100, 7);
    assert_eq!(scene.deals(Command(now(bid(1, 8, 100)))), [(0, 1, 100, 4)]);
}

#[test]
fn waiting_demand_takes_of_the_house_in_priority_order_when_it_changes() {
    let mut scene = Scene::shop();
    scene.given([bid(1, 2, 100), bid(2, 2, 101), bid(3, 2, 99)]);
    scene.house(100, 3);
    assert_eq!(scene.deals(BookCommand::HouseChanged), [(0, 2, 100, 2), (0, 1, 100, 1)]);
}

#[test]
fn a_source_says_whose_supply_is_taken() {
    for (source, wanted) in [
        (Source::Anyone, vec![(1, 9, 99, 1), (0, 9, 100, 1), (2, 9, 100, 1), (3, 9, 101, 1)]),
        (Source::House, vec![(0, 9, 100, 1)]),
        (Source::Seller(Owner(8)), vec![(2, 9, 100, 1)]),
        (Source::Seller(Owner(6)), vec![]),
    ] {
        let mut scene = Scene::shop();
        scene.house(100, 1).given([of(7, offer(1, 1, 99)), of(8, offer(2, 1, 100)), of(7, offer(3, 1, 101))]);
        let taker = now(Place { source, ..bid(9, 4, 101) });
        assert_eq!(scene.deals(Command(taker)), wanted, "{source:?}");
    }
}

#[test]
fn a_backorder_for_the_house_lets_offers_pass_to_those_behind_it() {
    let mut scene = Scene::shop();
    scene.given([Place { source: Source::House, ..bid(1, 5, 100) }, bid(2, 1, 100)]);
    assert_eq!(scene.deals(Command(of(7, offer(3, 3, 100)))), [(2, 3, 100, 1)]);
    assert_eq!(scene.line(Side::Supply), [(3, 2)], "crossed by one who cannot take it");
    scene.house(100, 1);
    assert_eq!(scene.deals(BookCommand::HouseChanged), [(0, 1, 100, 1)]);
}
