//! How an order comes in.

use super::*;
use BookCommand::Place as Command;

#[test]
fn a_taker_trades_at_the_makers_price_best_first_then_oldest_first() {
    let mut scene = Scene::exchange();
    scene.given([offer(1, 2, 101), offer(2, 3, 100), offer(3, 1, 100)]);
    assert_eq!(scene.deals(Command(bid(9, 5, 101))), [(2, 9, 100, 3), (3, 9, 100, 1), (1, 9, 101, 1)]);
    assert_eq!(scene.line(Side::Supply), [(1, 1)]);
}

#[test]
fn what_each_time_in_force_does_with_what_it_does_not_get() {
    use TimeInForce::{Fok, Gtc, Gtd, Ioc};
    let unfillable = Err(BookRefusal::Unfillable { available: 3 });
    for (time_in_force, quantity, traded, rests) in [
        (Gtc, 5, Ok(3), 2),
        (Gtd(Timestamp(11)), 5, Ok(3), 2),
        (Gtd(Timestamp(10)), 5, Err(BookRefusal::AlreadyExpired), 0),
        (Ioc, 5, Ok(3), 0),
        (Fok, 5, unfillable, 0),
        (Fok, 3, Ok(3), 0),
    ] {
        let mut scene = Scene::exchange();
        scene.given([offer(1, 3, 100)]);
        let outcome = scene.place(Place { time_in_force, ..bid(2, quantity, 100) });
        let sum = outcome.as_ref().map(|events| deals(events).iter().map(|deal| deal.3).sum()).map_err(|e| *e);
        assert_eq!(sum, traded, "{time_in_force:?} of {quantity}");
        assert_eq!(scene.line(Side::Demand).iter().map(|order| order.1).sum::<u64>(), rests, "{time_in_force:?}");
        if time_in_force == Ioc {
            let ended = BookEvent::Ended { id: 2, quantity: 2, reason: EndReason::Immediate };
            assert_eq!(outcome.unwrap().last(), Some(&ended));
        }
    }
}

#[test]
fn an_order_of_one_unit_is_killed_when_there_is_none() {
    let killed = Place { time_in_force: TimeInForce::Fok, ..bid(1, 1, 100) };
    assert_eq!(Scene::shop().place(killed), Err(BookRefusal::Unfillable { available: 0 }));
}

#[test]
fn a_market_order_takes_at_any_price_within_the_band() {
    for (band, wanted) in [(None, 3), (Some(Band { low: 90, high: 110 }), 2)] {
        let mut scene = Scene::exchange();
        scene.given([offer(1, 1, 100), offer(2, 1, 110), offer(3, 1, 500)]);
        scene.run(BookCommand::SetBand { band }).unwrap();
        assert_eq!(scene.deals(Command(Place::market(9, Side::Demand, 5))).len(), wanted, "{band:?}");
    }
}

#[test]
fn a_post_only_order_is_refused_if_it_would_trade_and_rests_otherwise() {
    let mut scene = Scene::exchange();
    scene.given([offer(1, 1, 100)]);
    assert_eq!(scene.place(Place { post_only: true, ..bid(2, 1, 100) }), Err(BookRefusal::WouldTrade));
    scene.given([Place { post_only: true, ..bid(2, 1, 99) }]);
    let amended = scene.run(BookCommand::Amend { id: 2, price: Some(100), quantity: None });
    assert_eq!(amended, Err(BookRefusal::WouldTrade));
}

#[test]
fn an_order_that_breaks_a_rule_is_refused_by_the_first_it_breaks() {
    let config = BookConfig { tick: 5, lot: 10, band: Some(Band { low: 50, high: 200 }), ..BookConfig::default() };
    let plain = bid(2, 10, 100);
    let terms = |why| BookRefusal::TermsInvalid { why };
    let post_only = Place { post_only: true, ..plain };
    for (place, refusal) in [
        (Place { id: 1, ..plain }, BookRefusal::IdTaken),
        (Place { quantity: 0, ..plain }, BookRefusal::QuantityInvalid { max: BOOK_QUANTITY_MAX }),
        (Place { quantity: u64::MAX, ..plain }, BookRefusal::QuantityInvalid { max: BOOK_QUANTITY_MAX }),
        (Place { quantity: 15, ..plain }, BookRefusal::LotInvalid { lot: 10 }),
        (Place { minimum: 5, ..plain }, BookRefusal::LotInvalid { lot: 10 }),
        (Place { price: Some(-5), ..plain }, BookRefusal::PriceInvalid { max: PRICE_MAX }),
        (Place { price: Some(i64::MIN), ..plain }, BookRefusal::PriceInvalid { max: PRICE_MAX }),
        (Place { price: Some(101), ..plain }, BookRefusal::TickInvalid { tick: 5 }),
        (Place { price: Some(205), ..plain }, BookRefusal::PriceOutOfBand { low: 50, high: 200 }),
        (Place { price: None, ..plain }, terms("a market order is immediate")),
        (now(post_only), terms("a post-only order rests")),
        (Place { minimum: 10, ..post_only }, terms("a post-only order has no minimum")),
        (Place { side: Side::Supply, source: Source::House, ..plain }, terms("only demand names a source")),
        (Place { minimum: 20, ..plain }, terms("the minimum is above the quantity")),
        (Place { displayed: Some(0), ..plain }, terms("an iceberg shows something")),
        (now(Place { displayed: Some(10), ..plain }), terms("an iceberg rests")),
        (Place { displayed: Some(10), minimum: 10, ..plain }, terms("an iceberg has no minimum")),
    ] {
        let mut scene = Scene::new(config);
        scene.given([offer(1, 10, 150)]);
        assert_eq!(scene.place(place), Err(refusal), "{place:?}");
        assert!(refusal.code().chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'));
    }
}

#[test]
fn a_minimum_waits_until_enough_is_there_and_then_no_longer_binds() {
    let mut scene = Scene::exchange();
    scene.given([offer(1, 2, 100), Place { minimum: 5, ..bid(2, 8, 100) }]);
    assert_eq!(scene.line(Side::Demand), [(2, 8)], "two are too few");
    assert_eq!(scene.deals(Command(offer(3, 2, 100))), [], "four are too few");
    assert_eq!(scene.deals(Command(offer(4, 1, 99))), [(4, 2, 99, 1), (1, 2, 100, 2), (3, 2, 100, 2)]);
    assert_eq!(scene.deals(Command(offer(5, 1, 100))), [(2, 5, 100, 1)], "the rest takes what comes");
}

#[test]
fn who_cannot_be_filled_is_passed_over_or_blocks_those_behind_as_the_book_says() {
    for (unfillable_head, wanted) in [(UnfillableHead::Skip, vec![(2, 9, 100, 3)]), (UnfillableHead::Block, vec![])] {
        let mut scene = Scene::new(BookConfig { unfillable_head, ..BookConfig::exchange() });
        scene.given([Place { minimum: 5, ..bid(1, 5, 100) }, bid(2, 5, 100)]);
        assert_eq!(scene.deals(Command(offer(9, 3, 100))), wanted, "{unfillable_head:?}");
    }
}

#[test]
fn behind_a_blocked_order_a_newcomer_takes_nothing_until_it_is_gone() {
    let mut scene = Scene::new(BookConfig { unfillable_head: UnfillableHead::Block, ..BookConfig::exchange() });
    scene.given([offer(1, 3, 100), Place { minimum: 5, ..bid(2, 5, 100) }]);
    assert_eq!(scene.deals(Command(bid(3, 2, 100))), []);
    let killed = Place { time_in_force: TimeInForce::Fok, ..bid(4, 1, 100) };
    assert_eq!(scene.place(killed), Err(BookRefusal::Unfillable { available: 0 }));
    assert_eq!(scene.deals(Command(now(bid(5, 1, 101)))), [(1, 5, 100, 1)], "a better price stands before it");
    assert_eq!(scene.deals(BookCommand::Cancel { id: 2 }), [(1, 3, 100, 2)]);
}

#[test]
fn a_preview_changes_nothing_and_tells_what_placing_would_fill() {
    let mut scene = Scene::shop();
    scene.house(100, 2).given([offer(1, 2, 99), offer(2, 5, 100)]);
    let taker = now(bid(9, 6, 100));
    let fills = scene.book.preview(&taker, &scene.context).unwrap();
    let told: Vec<_> = fills.iter().map(|fill| (fill.maker, fill.price, fill.quantity)).collect();
    assert_eq!(told, [(Maker::Order(1), 99, 2), (Maker::House, 100, 2), (Maker::Order(2), 100, 2)]);
    assert_eq!(scene.deals(Command(taker)), [(1, 9, 99, 2), (0, 9, 100, 2), (2, 9, 100, 2)]);
}
