//! Lines of a shop's orders that buy from the book.

use super::*;

#[test]
fn a_line_that_buys_from_anybody_takes_the_cheapest_first_and_the_house_before_equals() {
    let mut shop = Shop::new("10", 2);
    shop.offer(1, "bob", 3, "10").unwrap();
    shop.offer(2, "eve", 1, "8").unwrap();
    assert_eq!(shop.take(1, &[any(0, 5, "10")], 0, ALL).unwrap(), ["1@8 eve", "2@10 house", "2@10 bob"]);
    assert_eq!(shop.account(1), [1, 2, 0, 0]);
    assert_eq!(shop.stock.levels(START).totals.held, 2);
}

#[test]
fn a_line_that_names_a_seller_buys_from_nobody_else() {
    let mut shop = Shop::new("10", 9);
    shop.offer(1, "bob", 3, "12").unwrap();
    shop.offer(2, "eve", 5, "8").unwrap();
    assert_eq!(shop.take(1, &[from(0, 2, "bob")], 0, ALL).unwrap(), ["2@12 bob"]);
    let refused = shop.take(2, &[from(0, 2, "bob")], 0, ALL).unwrap_err();
    let Refusal::StockExhausted { items, .. } = refused else { panic!("{refused}") };
    assert_eq!((items[0].requested, items[0].available), (2, 1));
    assert_eq!(shop.take(3, &[from(0, 2, "bob")], 0, PART).unwrap(), ["1@12 bob"]);
    assert_eq!(shop.take(4, &[from(0, 1, "nobody")], 0, ALL).unwrap_err().code(), "stock_exhausted");
}

#[test]
fn plain_lines_come_before_lines_that_take_from_the_book_and_several_lines_take_in_turn() {
    let mut shop = Shop::new("10", 3);
    shop.offer(1, "bob", 4, "11").unwrap();
    let got = shop.take(1, &[any(1, 2, "20"), any(2, 2, "20")], 2, ALL).unwrap();
    assert_eq!(got, ["1@10 house", "1@11 bob", "2@11 bob"]);
    assert_eq!(shop.stock.levels(START).totals.held, 3);
    assert_eq!(shop.account(1), [1, 3, 0, 0]);
}

#[test]
fn nobody_buys_from_himself() {
    let mut shop = Shop::new("10", 0);
    shop.offer(1, "carl", 4, "9").unwrap();
    shop.offer(2, "bob", 4, "11").unwrap();
    assert_eq!(shop.take(1, &[any(0, 1, "20")], 0, ALL).unwrap_err().code(), "stock_exhausted");
}

#[test]
fn what_is_not_paid_regains_its_price_and_time_and_goes_to_who_waits() {
    let mut shop = Shop::new("10", 0);
    shop.offer(1, "bob", 2, "9").unwrap();
    shop.offer(2, "eve", 2, "9").unwrap();
    shop.take(1, &[any(0, 2, "9")], 0, ALL).unwrap();
    let reason = ReleaseReason::Expired;
    shop.run(&StockCommand::ReleaseAll { order: order(1), reason }).unwrap();
    assert_eq!(shop.account(1), [2, 0, 0, 0]);
    assert_eq!(shop.take(2, &[any(0, 1, "9")], 0, ALL).unwrap(), ["1@9 bob"], "bob was there first");
    shop.take(3, &[any(0, 3, "9")], 0, ALL).unwrap();
    shop.bid(7, "dora", 2, "9").unwrap();
    assert!(shop.bought.is_empty(), "nothing is left");
    shop.run(&StockCommand::ReleaseAll { order: order(2), reason }).unwrap();
    assert_eq!(shop.bought(), [["1@9 bob"]], "the freed unit goes to the bid that waits");
    assert_eq!(shop.account(7), [1, 1, 0, 0]);
}

#[test]
fn units_of_an_offer_that_was_withdrawn_meanwhile_go_back_to_nobody() {
    let mut shop = Shop::new("10", 0);
    shop.offer(1, "bob", 3, "9").unwrap();
    shop.take(1, &[any(0, 2, "9")], 0, ALL).unwrap();
    let withdraw = MarketCommand::Withdraw { id: id(1), side: Side::Supply };
    shop.run(&StockCommand::Market(Box::new(withdraw.clone()))).unwrap();
    assert_eq!(shop.account(1), [0, 2, 0, 1], "what is held stays held");
    let reason = ReleaseReason::Cancelled;
    shop.run(&StockCommand::ReleaseClaim { order: order(1), claim: 0, quantity: 1, reason }).unwrap();
    assert_eq!(shop.account(1), [0, 1, 0, 2]);
    shop.run(&StockCommand::Settle { order: order(1) }).unwrap();
    shop.run(&StockCommand::ShipClaim { order: order(1), claim: 0, quantity: 1 }).unwrap();
    assert_eq!(shop.account(1), [0, 0, 1, 2]);
    assert!(shop.run(&StockCommand::Market(Box::new(withdraw))).unwrap().events.is_empty(), "repeated: harmless");
}

/// A shop whose book has these rules.
fn with_rules(rules: MarketRules) -> Shop {
    let mut shop = Shop::new("10", 0);
    let definition = Definition { market: Some(Box::new(rules)), ..Definition::new("mug", eur("10")) };
    shop.run(&StockCommand::Define(Box::new(definition))).unwrap();
    shop
}

#[test]
fn a_line_that_makes_no_sense_is_refused_before_anything_is_planned() {
    let rules = MarketRules { lot: 2, ..MarketRules::default() };
    let priced = |text: &str| MarketDemand { max_unit_price: Some(Money::parse(text).unwrap()), ..any(0, 2, "9") };
    for (line, code) in [
        (any(0, 0, "9"), Some("quantity_invalid")),
        (any(0, 3, "9"), Some("body_invalid")),
        (MarketDemand { max_unit_price: None, ..any(0, 2, "9") }, Some("body_invalid")),
        (from(0, 2, "bob"), None),
        (priced("9 USD"), Some("currency_mismatch")),
        (priced("-1 EUR"), Some("money_invalid")),
        (priced("9 EUR"), None),
    ] {
        let mut shop = with_rules(rules);
        shop.offer(1, "bob", 4, "9").unwrap();
        let refused = shop.take(1, std::slice::from_ref(&line), 0, ALL).err().map(|refusal| refusal.code());
        assert_eq!(refused, code, "{line:?}");
    }
}

/// A buyer's highest price need be no price of the book: it counts as the next that is one.
#[test]
fn a_highest_price_is_cut_to_the_tick_and_to_the_band() {
    let rules = MarketRules {
        tick: eur("2").amount,
        band: Some((eur("4").amount, eur("12").amount)),
        ..MarketRules::default()
    };
    let offered = || {
        let mut shop = with_rules(rules);
        [(1, "4"), (2, "8"), (3, "12")]
            .into_iter()
            .for_each(|(n, price)| drop(shop.offer(n, "bob", 1, price).unwrap()));
        shop
    };
    for (max, got) in
        [("3.99", None), ("4", Some(1)), ("7.99", Some(1)), ("9", Some(2)), ("12", Some(3)), ("99", Some(3))]
    {
        let plan = offered().take(1, &[any(0, 3, max)], 0, PART);
        assert_eq!(plan.ok().map(|fills| fills.len()), got, "{max}");
    }
    for (price, code) in
        [("3", "money_invalid"), ("5", "money_invalid"), ("2", "money_invalid"), ("14", "money_invalid")]
    {
        let refused = with_rules(rules).offer(9, "bob", 1, price).map(|_| ()).unwrap_err();
        assert_eq!(refused.code(), code, "{price} is off the tick or beyond the band");
    }
    let plan = offered().take(1, &[from(0, 3, "bob")], 0, ALL).unwrap();
    assert_eq!(plan, ["1@4 bob", "1@8 bob", "1@12 bob"], "who names no price pays any");
}
