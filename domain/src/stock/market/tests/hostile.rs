//! What callers should not ask for, and do.

use super::*;
use crate::stock::market::MarketRules;

fn amend(n: u128, side: Side, price: Option<Money>, quantity: Option<Quantity>) -> StockCommand {
    StockCommand::Market(Box::new(MarketCommand::Amend { id: id(n), side, price, quantity }))
}

fn withdraw(n: u128, side: Side) -> StockCommand {
    StockCommand::Market(Box::new(MarketCommand::Withdraw { id: id(n), side }))
}

fn code<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> &'static str {
    outcome.unwrap_err().code()
}

#[test]
fn what_all_units_cost_together_can_be_counted() {
    let mut shop = Shop::new("10", 0);
    // 9e15 minor quarters of a cent each: one can be counted, a thousand of them cannot.
    let dear = "900000000000";
    assert_eq!(code(shop.offer(1, "bob", 1025, dear)), "money_invalid");
    assert_eq!(code(shop.bid(2, "dora", 1025, dear)), "money_invalid");
    shop.offer(1, "bob", 1, dear).unwrap();
    assert_eq!(code(shop.run(&amend(1, Side::Supply, None, Some(1025)))), "money_invalid");
    shop.bid(2, "dora", 1_000_000, "5").unwrap();
    assert_eq!(code(shop.run(&amend(2, Side::Demand, Some(eur("800000000000")), None))), "money_invalid");
    assert_eq!(shop.account(2), [1_000_000, 0, 0, 0]);
}

#[test]
fn the_order_of_a_fill_is_named_by_its_sku_and_by_nobodys_choice() {
    let sku = |name: &str| SkuId::new(name).unwrap();
    let of = |name: &str, bid, fill| OrderId::of_bid(&sku(name), bid, fill, START, 3);
    assert_ne!(of("A", id(1), 1), of("B", id(1), 1), "the same bid id is used for two SKUs");
    // Names that were mixed by exclusive or met each other here.
    let other = BookOrderId::from_bytes((u128::from_be_bytes(id(1).to_bytes()) ^ 3 << 40).to_be_bytes());
    assert_ne!(of("A", id(1), 1), of("A", other, 2));
    assert_eq!(of("A", id(1), 1).route(), 3);
    assert_ne!(crate::PaymentId::of_bid(&sku("A"), id(1)), crate::PaymentId::of_bid(&sku("B"), id(1)));
}

#[test]
fn the_id_of_a_remembered_bid_is_no_order_and_that_of_an_order_no_offer() {
    let mut shop = Shop::new("10", 0);
    shop.bid(1, "dora", 2, "1").unwrap();
    shop.run(&withdraw(1, Side::Demand)).unwrap();
    shop.offer(2, "bob", 3, "9").unwrap();
    let lines = [any(0, 1, "9")];
    let of = |order| MarketWish { order, customer: None, plain: 0, lines: &lines, mode: ALL, context: None };
    assert_eq!(code(shop.stock.plan_market(&shop.setting(), &of(id(1).into()))), "id_conflict");
    shop.take(5, &lines, 0, ALL).unwrap();
    let claimed = NewOffer { id: order(5).into(), ..offer(0, "eve", 1, "9") };
    assert_eq!(code(shop.run(&StockCommand::Market(Box::new(MarketCommand::Offer(claimed))))), "id_conflict");
    let claimed = NewBid { id: order(5).into(), ..bid(0, "eve", 1, "9") };
    assert_eq!(code(shop.run(&StockCommand::Market(Box::new(MarketCommand::Bid(claimed))))), "id_conflict");
}

#[test]
fn a_claim_of_whole_lots_is_shipped_and_cancelled_in_any_part() {
    let mut shop = Shop::new("10", 0);
    let rules = MarketRules { lot: 10, ..MarketRules::default() };
    let lots = Definition { market: Some(Box::new(rules)), ..Definition::new("mug", eur("10")) };
    shop.run(&StockCommand::Define(Box::new(lots))).unwrap();
    assert_eq!(code(shop.offer(1, "bob", 15, "9")), "body_invalid");
    shop.offer(1, "bob", 30, "9").unwrap();
    shop.take(1, &[any(0, 20, "9")], 0, ALL).unwrap();
    let reason = ReleaseReason::Cancelled;
    shop.run(&StockCommand::ReleaseClaim { order: order(1), claim: 0, quantity: 4, reason }).unwrap();
    shop.run(&StockCommand::Settle { order: order(1) }).unwrap();
    shop.run(&StockCommand::ShipClaim { order: order(1), claim: 0, quantity: 3 }).unwrap();
    assert_eq!(shop.account(1), [14, 13, 3, 0]);
    shop.take(2, &[any(0, 10, "9")], 0, ALL).unwrap();
    assert_eq!(shop.account(1), [4, 23, 3, 0], "part of a lot stands like all else");
    let got = shop.take(3, &[any(0, 10, "9")], 0, PART).unwrap();
    assert_eq!(got, ["4@9 bob"]);
}

#[test]
fn serial_numbers_are_forgotten_with_the_last_unit_and_bounded_while_they_stand() {
    let mut shop = Shop::new("10", 0);
    let numbered = |n: u128, units: usize| {
        let serials = (0..units).map(|unit| Serial::new(&format!("{n}-{unit}")).unwrap()).collect();
        let offer = NewOffer { serials, ..offer(n, "bob", units as u64, "9") };
        StockCommand::Market(Box::new(MarketCommand::Offer(offer)))
    };
    for n in 1..=25 {
        shop.run(&numbered(n, 10_000)).unwrap();
    }
    assert_eq!(code(shop.run(&numbered(26, 1))), "book_full");
    shop.run(&withdraw(1, Side::Supply)).unwrap();
    assert!(shop.party(1).serials.is_none());
    shop.run(&numbered(26, 10_000)).unwrap();
}

#[test]
fn bids_that_only_some_may_fill_are_bounded() {
    let mut shop = Shop::new("10", 0);
    let choosy = |n: u128| {
        let bid = NewBid { seller: Some(name("nobody")), ..bid(n, "dora", 1, "9") };
        StockCommand::Market(Box::new(MarketCommand::Bid(bid)))
    };
    // Nothing is at hand to compare: only the bound is asked about.
    let trading = Trading { setting: shop.setting(), route: 0, settled: false };
    for n in 1..=1000 {
        shop.stock.trade(&choosy(n), &trading).unwrap();
    }
    assert_eq!(code(shop.stock.trade(&choosy(1001), &trading)), "book_full");
    let anybody = StockCommand::Market(Box::new(MarketCommand::Bid(bid(1002, "dora", 1, "9"))));
    shop.stock.trade(&anybody, &trading).unwrap();
}

#[test]
fn a_limit_per_customer_is_not_passed_by_amending_a_bid_or_buying_beside_it() {
    let mut shop = Shop::new("10", 0);
    let limited = Definition { limit_per_customer: Some(2), ..Definition::new("mug", eur("10")) };
    shop.run(&StockCommand::Define(Box::new(limited))).unwrap();
    shop.offer(1, "bob", 9, "9").unwrap();
    shop.bid(2, "carl", 1, "5").unwrap();
    assert_eq!(code(shop.run(&amend(2, Side::Demand, None, Some(3)))), "limit_exceeded");
    assert_eq!(code(shop.take(1, &[any(0, 2, "9")], 0, ALL)), "limit_exceeded", "what he bids for counts");
    shop.take(2, &[any(0, 1, "9")], 0, ALL).unwrap();
    assert_eq!(code(shop.run(&amend(2, Side::Demand, None, Some(2)))), "limit_exceeded");
    shop.run(&amend(2, Side::Demand, Some(eur("9")), None)).unwrap();
    assert_eq!(shop.bought(), [["1@9 bob"]]);
}

#[test]
fn in_a_paused_market_bids_and_offers_are_only_lowered() {
    let mut shop = Shop::new("10", 0);
    shop.offer(1, "bob", 3, "9").unwrap();
    shop.bid(2, "dora", 2, "5").unwrap();
    let paused = Definition { status: SkuStatus::Paused, ..Definition::new("mug", eur("10")) };
    shop.run(&StockCommand::Define(Box::new(paused))).unwrap();
    for (n, side) in [(1, Side::Supply), (2, Side::Demand)] {
        assert_eq!(code(shop.run(&amend(n, side, None, Some(4)))), "sku_not_sellable");
        assert_eq!(code(shop.run(&amend(n, side, Some(eur("9")), None))), "sku_not_sellable");
        shop.run(&amend(n, side, None, Some(1))).unwrap();
        shop.run(&withdraw(n, side)).unwrap();
    }
}

#[test]
fn a_reserve_covers_every_unit_rounded_by_itself() {
    let eur = eur("1").currency;
    // Half a cent: each unit may become an order of its own, which costs a cent.
    assert_eq!(Party::reserve(Amount(50), 2, eur), Some(Amount(200)));
    assert_eq!(Party::reserve(Amount(100), 2, eur), Some(Amount(200)));
    assert_eq!(Party::reserve(Amount(i64::MAX), 2, eur), None);
}
