//! What sellers and bidders ask for, and what is shown of it.

use super::*;

#[test]
fn a_bid_takes_offers_and_the_house_and_each_fill_is_an_order() {
    let mut shop = Shop::new("10", 2);
    shop.offer(1, "bob", 1, "9").unwrap();
    shop.bid(5, "dora", 5, "10").unwrap();
    assert_eq!(shop.bought(), [["1@9 bob", "2@10 house"]]);
    assert_eq!(shop.account(5), [2, 1, 2, 0], "what it has of the house has left the book");
    shop.run(&receive(1)).unwrap();
    assert_eq!(shop.bought()[1], ["1@10 house"], "a restock goes to who waits");
    shop.offer(2, "eve", 4, "8").unwrap();
    assert_eq!(shop.bought()[2], ["1@10 eve"], "who comes later trades at the price of who waits");
    assert_eq!(shop.account(2), [3, 1, 0, 0]);
    let orders: std::collections::BTreeSet<_> = shop.bought.iter().map(|bought| bought.order).collect();
    assert_eq!(orders.len(), 3);
}

#[test]
fn who_waits_for_the_house_comes_before_every_bid() {
    let mut shop = Shop::new("10", 0);
    let backorders = Definition { backorder_max: Some(10), ..Definition::new("mug", eur("10")) };
    shop.run(&StockCommand::Define(Box::new(backorders))).unwrap();
    shop.bid(1, "dora", 2, "50").unwrap();
    let wait = HoldMode { partial: false, backorder: true };
    let hold = StockCommand::Hold {
        order: order(1),
        quantity: 2,
        mode: wait,
        settled: false,
        buyer: None,
        tentative: false,
        context: None,
        taking: None,
    };
    shop.run(&hold).unwrap();
    shop.run(&receive(3)).unwrap();
    assert_eq!(shop.stock.commitments[&order(1)].units(), (2, 0));
    assert_eq!(shop.bought(), [["1@10 house"]]);
}

#[test]
fn ids_are_used_once() {
    let mut shop = Shop::new("10", 0);
    shop.offer(1, "bob", 3, "9").unwrap();
    assert!(shop.offer(1, "bob", 3, "9").unwrap().events.is_empty(), "the same again is the same thing");
    let other = NewOffer { body_digest: 99, ..offer(1, "bob", 4, "9") };
    let refused = shop.run(&StockCommand::Market(Box::new(MarketCommand::Offer(other))));
    assert_eq!(refused.unwrap_err().code(), "id_conflict");
}

#[test]
fn ids_that_are_over_are_forgotten_when_they_are_too_old_to_be_used_again() {
    let mut shop = Shop::new("10", 0);
    shop.offer(1, "bob", 1, "9").unwrap();
    shop.run(&StockCommand::Market(Box::new(MarketCommand::WithdrawAll { side: None, owner: None }))).unwrap();
    assert!(shop.stock.market().unwrap().party(id(1)).is_some());
    shop.now = START.plus_seconds(PARTY_RETENTION_SECONDS + 1);
    shop.offer(2, "eve", 1, "9").unwrap();
    assert!(shop.stock.market().unwrap().party(id(1)).is_none());
    assert_eq!(shop.stock.market().unwrap().owners.len(), 1);
}

#[test]
fn offers_and_bids_that_make_no_sense_are_refused_by_name_and_leave_no_market_behind() {
    let mut shop = Shop::new("10", 0);
    let cases = [
        (offer(1, "bob", 0, "9"), "quantity_invalid"),
        (offer(1, "bob", 1, "-9"), "money_invalid"),
        (NewOffer { unit_price: Money::parse("9 USD").unwrap(), ..offer(1, "bob", 1, "9") }, "currency_mismatch"),
        (NewOffer { time_in_force: TimeInForce::Ioc, ..offer(1, "bob", 1, "9") }, "body_invalid"),
        (NewOffer { time_in_force: TimeInForce::Gtd(START), ..offer(1, "bob", 1, "9") }, "body_invalid"),
        (NewOffer { minimum: 2, ..offer(1, "bob", 1, "9") }, "body_invalid"),
    ];
    for (offer, code) in cases {
        let refused = shop.run(&StockCommand::Market(Box::new(MarketCommand::Offer(offer))));
        assert_eq!(refused.unwrap_err().code(), code);
        assert!(shop.stock.rare.is_none());
    }
    let unknown = MarketCommand::Withdraw { id: id(9), side: Side::Supply };
    assert_eq!(shop.run(&StockCommand::Market(Box::new(unknown))).unwrap_err().code(), "not_found");
    shop.bid(3, "dora", 1, "9").unwrap();
    let post_only = NewOffer { post_only: true, ..offer(4, "bob", 1, "9") };
    let refused = shop.run(&StockCommand::Market(Box::new(MarketCommand::Offer(post_only)))).unwrap_err();
    assert_eq!(refused.code(), "would_trade");
}

#[test]
fn a_book_shows_its_levels_and_each_offer_and_bid_to_whom_it_belongs() {
    let undefined = Stock::new(SkuId::new("MUG").unwrap());
    let mut shop = Shop::new("10", 2);
    assert!(undefined.book_levels(&shop.setting(), 5).is_none());
    let levels = shop.stock.book_levels(&shop.setting(), 5).unwrap();
    assert_eq!((levels.sequence, levels.offers.len(), levels.bids.len()), (0, 0, 0));
    assert_eq!(levels.house, Some((eur("10").amount, 2)));

    for (n, seller, quantity, price) in
        [(1, "bob", 3, "12"), (2, "eve", 1, "11"), (3, "bob", 2, "11"), (4, "eve", 9, "13")]
    {
        shop.offer(n, seller, quantity, price).unwrap();
    }
    shop.bid(5, "dora", 2, "9").unwrap();
    let levels = shop.stock.book_levels(&shop.setting(), 2).unwrap();
    let prices: Vec<_> = levels.offers.iter().map(|level| level.price / 10_000).collect();
    assert_eq!((prices, levels.bids.len()), (vec![11, 12], 1), "the cheapest two");
    assert!(levels.sequence > 0 && levels.currency == eur("1").currency);

    let views = |owner: Option<&str>, after: Option<u128>, limit| -> Vec<u128> {
        let owner = owner.map(name);
        let found = shop.stock.party_views(Side::Supply, owner.as_ref(), after.map(id), limit);
        found.iter().map(|view| (1..9).find(|n| id(*n) == view.id).unwrap()).collect()
    };
    assert_eq!(views(None, None, 9), [2, 3, 1, 4], "the cheapest first, then who came first");
    assert_eq!(views(None, Some(3), 9), [1, 4]);
    assert_eq!(views(None, None, 3), [2, 3, 1]);
    assert_eq!(views(Some("bob"), None, 9), [3, 1]);
    assert_eq!(views(Some("bob"), Some(2), 1), [3]);
    assert_eq!(views(None, Some(5), 9), [], "nothing follows what does not stand there");

    let view = shop.stock.party_view(id(3), Side::Supply).unwrap();
    assert_eq!((view.id, view.price, view.party.open), (id(3), eur("11"), 2));
    assert_eq!(shop.stock.party_view(id(3), Side::Demand), None, "it is an offer");
    assert_eq!(shop.stock.party_view(id(8), Side::Supply), None);
    assert!(shop.stock.party_view(id(5), Side::Demand).is_some());

    let market = shop.stock.market().unwrap();
    assert_eq!(market.made_by(Side::Supply, 4), Some(id(3)), "the request of the third offer");
    assert_eq!((market.made_by(Side::Demand, 4), market.made_by(Side::Demand, 6)), (None, Some(id(5))));
    assert_eq!((market.offered(), market.has_bids()), (15, true));
}

#[test]
fn what_an_offer_or_bid_wishes_is_what_stands_in_the_book() {
    let mut shop = Shop::new("10", 0);
    let place = |command: MarketCommand, shop: &mut Shop| shop.run(&StockCommand::Market(Box::new(command)));
    place(MarketCommand::Offer(NewOffer { displayed: Some(2), ..offer(1, "bob", 5, "9") }), &mut shop).unwrap();
    let levels = shop.stock.book_levels(&shop.setting(), 5).unwrap();
    assert_eq!(levels.offers[0].quantity, 2, "so much of it is shown");
    let fok = NewBid { time_in_force: TimeInForce::Fok, ..bid(2, "dora", 6, "9") };
    assert_eq!(place(MarketCommand::Bid(fok), &mut shop).unwrap_err().code(), "stock_exhausted");
    assert_eq!(shop.account(1)[1], 0, "all of it or nothing");
    let whole = NewBid { minimum: 6, ..bid(3, "dora", 7, "9") };
    place(MarketCommand::Bid(whole), &mut shop).unwrap();
    assert_eq!(shop.account(1)[1], 0, "less than its minimum is not for sale to it");
    place(MarketCommand::Bid(NewBid { time_in_force: TimeInForce::Ioc, ..bid(4, "dora", 2, "9") }), &mut shop).unwrap();
    assert_eq!(shop.account(1)[..2], [3, 2]);
    assert_eq!(shop.account(4)[0], 0, "it does not stand");
}

#[test]
fn a_paused_sku_takes_no_offers_and_a_discontinued_one_closes_its_book() {
    let mut shop = Shop::new("10", 0);
    shop.offer(1, "bob", 3, "9").unwrap();
    shop.take(1, &[any(0, 1, "9")], 0, ALL).unwrap();
    let paused = Definition { status: SkuStatus::Paused, ..Definition::new("mug", eur("10")) };
    shop.run(&StockCommand::Define(Box::new(paused))).unwrap();
    assert_eq!(shop.offer(2, "bob", 3, "9").unwrap_err().code(), "sku_not_sellable");
    assert_eq!(shop.take(2, &[any(0, 1, "9")], 0, ALL).unwrap_err().code(), "sku_not_sellable");
    let over = Definition { status: SkuStatus::Discontinued, ..Definition::new("mug", eur("10")) };
    shop.run(&StockCommand::Define(Box::new(over))).unwrap();
    assert_eq!(shop.account(1), [0, 1, 0, 2], "holds are honoured");
}

#[test]
fn bids_and_claims_count_against_the_limit_per_customer() {
    let mut shop = Shop::new("10", 0);
    let limited = Definition { limit_per_customer: Some(3), ..Definition::new("mug", eur("10")) };
    shop.run(&StockCommand::Define(Box::new(limited))).unwrap();
    shop.offer(1, "bob", 9, "9").unwrap();
    shop.bid(2, "dora", 2, "5").unwrap();
    assert_eq!(shop.bid(3, "dora", 2, "5").unwrap_err().code(), "limit_exceeded");
    shop.take(1, &[any(0, 2, "9")], 0, ALL).unwrap();
    assert_eq!(shop.take(2, &[any(0, 2, "9")], 0, ALL).unwrap_err().code(), "limit_exceeded");
    shop.run(&StockCommand::ReleaseAll { order: order(1), reason: ReleaseReason::Expired }).unwrap();
    shop.take(3, &[any(0, 3, "9")], 0, ALL).unwrap();
    shop.run(&StockCommand::Settle { order: order(3) }).unwrap();
    shop.run(&StockCommand::ShipClaim { order: order(3), claim: 0, quantity: 3 }).unwrap();
    assert_eq!(shop.take(4, &[any(0, 1, "9")], 0, ALL).unwrap_err().code(), "limit_exceeded", "shipped ones count");
    let buyer = Some(name("carl"));
    shop.run(&StockCommand::ReturnClaim { order: order(3), claim: 0, quantity: 1, buyer }).unwrap();
    shop.take(5, &[any(0, 1, "9")], 0, ALL).unwrap();
}
