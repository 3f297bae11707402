//! A market by itself: examples of each rule, and random histories against what must always hold.

use proptest::prelude::*;
use smallvec::SmallVec;

use super::*;
use crate::book::TimeInForce;
use crate::stock::{
    Definition, Disposition, Distances, HoldMode, ReleaseReason, Setting, SkuStatus, Stock, StockCommand, StockEvent,
    decide,
};
use crate::{Amount, Location, Money, Refusal, SkuId, Timestamp};

mod hostile;

const START: Timestamp = Timestamp(1_700_000_000_000_000);
const ALL: HoldMode = HoldMode { partial: false, backorder: false };
const PART: HoldMode = HoldMode { partial: true, backorder: false };

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

fn name(text: &str) -> CustomerId {
    CustomerId::new(text).unwrap()
}

fn id(n: u128) -> BookOrderId {
    BookOrderId::new(START, n)
}

fn order(n: u128) -> OrderId {
    OrderId::new(START, 1_000_000 + n)
}

/// A SKU, every event it made, and what is bought by whom.
struct Shop {
    stock: Stock,
    replayed: Stock,
    bought: Vec<Bought>,
    now: Timestamp,
}

impl Shop {
    fn new(price: &str, units: Quantity) -> Self {
        let sku = SkuId::new("MUG").unwrap();
        let mut shop =
            Self { stock: Stock::new(sku.clone()), replayed: Stock::new(sku), bought: Vec::new(), now: START };
        shop.run(&StockCommand::Define(Box::new(Definition::new("mug", eur(price))))).unwrap();
        if units > 0 {
            shop.run(&receive(units)).unwrap();
        }
        shop
    }

    fn setting(&self) -> Setting<'static> {
        Setting { now: self.now, distances: Distances::NONE }
    }

    /// Decides, takes in and trades, as a partition does; replays what was recorded beside it.
    fn run(&mut self, command: &StockCommand) -> Result<Trade, Refusal> {
        let mut events = Vec::new();
        decide(&self.stock, command, self.now, &mut events)?;
        events.iter().for_each(|event| self.stock.apply(event));
        let before = self.stock.clone();
        let trading = Trading { setting: self.setting(), route: 0, settled: false };
        let traded = self.stock.trade(command, &trading);
        if traded.is_err() {
            assert_eq!(self.stock, before, "a refusal changes nothing");
        }
        let trade = traded?;
        events.extend(trade.events.iter().cloned());
        for event in &events {
            let bytes = minicbor::to_vec(event).unwrap();
            let read: StockEvent = minicbor::decode(&bytes).unwrap();
            assert_eq!(read, *event);
            self.replayed.apply(&read);
        }
        self.stock.check();
        assert_eq!(self.replayed, self.stock, "what was recorded rebuilds what is live");
        self.bought.extend(trade.bought.iter().cloned());
        Ok(trade)
    }

    fn offer(&mut self, n: u128, seller: &str, quantity: Quantity, price: &str) -> Result<Trade, Refusal> {
        self.run(&StockCommand::Market(Box::new(MarketCommand::Offer(offer(n, seller, quantity, price)))))
    }

    fn bid(&mut self, n: u128, customer: &str, quantity: Quantity, price: &str) -> Result<Trade, Refusal> {
        self.run(&StockCommand::Market(Box::new(MarketCommand::Bid(bid(n, customer, quantity, price)))))
    }

    /// An order's lines are planned, then taken; what they got as `units@price seller`.
    fn take(
        &mut self,
        n: u128,
        lines: &[MarketDemand],
        plain: Quantity,
        mode: HoldMode,
    ) -> Result<Vec<String>, Refusal> {
        let customer = name("carl");
        let wish = MarketWish { order: order(n), customer: Some(&customer), plain, lines, mode, context: None };
        let plan = self.stock.plan_market(&self.setting(), &wish)?;
        let taking =
            Taking { lines: lines.to_vec(), customer: Some(customer.clone()), units: plan.units(), house: plan.house };
        let hold = StockCommand::Hold {
            order: order(n),
            quantity: plain,
            mode,
            settled: false,
            buyer: Some(customer),
            tentative: false,
            context: None,
            taking: Some(Box::new(taking)),
        };
        let trade = self.run(&hold)?;
        let of_offers =
            |fills: &[MarketFill]| fills.iter().filter(|fill| fill.seller.is_some()).cloned().collect::<Vec<_>>();
        assert_eq!(of_offers(&trade.fills), of_offers(&plan.fills), "what was planned is what was got");
        Ok(plan.fills.iter().map(text_of).collect())
    }

    fn party(&self, n: u128) -> &Party {
        self.stock.market().unwrap().party(id(n)).unwrap()
    }

    /// Open, held, sold and withdrawn units of an offer or bid.
    fn account(&self, n: u128) -> [Quantity; 4] {
        let party = self.party(n);
        [party.open, party.held, party.sold, party.withdrawn()]
    }

    fn bought(&self) -> Vec<Vec<String>> {
        let line = |line: &BoughtLine| {
            let seller = line.seller.as_ref().map_or("house", |seller| seller.as_str());
            format!("{}@{} {seller}", line.quantity, line.unit_price.0 / 10_000)
        };
        self.bought.iter().map(|bought| bought.lines.iter().map(line).collect()).collect()
    }
}

fn text_of(fill: &MarketFill) -> String {
    let seller = fill.seller.as_ref().map_or("house", |seller| seller.as_str());
    format!("{}@{} {seller}", fill.quantity, fill.unit_price.0 / 10_000)
}

fn receive(quantity: Quantity) -> StockCommand {
    let location = Location::main();
    StockCommand::Receive { location, lot: None, expires_at: None, quantity, unit_cost: None }
}

fn offer(n: u128, seller: &str, quantity: Quantity, price: &str) -> NewOffer {
    NewOffer {
        id: id(n),
        seller: name(seller),
        quantity,
        unit_price: eur(price),
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        minimum: 0,
        displayed: None,
        serials: Vec::new(),
        body_digest: n as u64 + 1,
    }
}

fn bid(n: u128, customer: &str, quantity: Quantity, price: &str) -> NewBid {
    NewBid {
        id: id(n),
        customer: name(customer),
        quantity,
        limit_price: eur(price),
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        minimum: 0,
        seller: None,
        payment: BidPayment::Wallet,
        body_digest: n as u64 + 1,
    }
}

fn any(line: u32, quantity: Quantity, max: &str) -> MarketDemand {
    MarketDemand { line, quantity, seller: Seller::Any, max_unit_price: Some(eur(max)) }
}

fn from(line: u32, quantity: Quantity, seller: &str) -> MarketDemand {
    MarketDemand { line, quantity, seller: Seller::Named(name(seller)), max_unit_price: None }
}

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

#[test]
fn whoever_gets_a_unit_gets_its_serial_number() {
    let mut shop = Shop::new("10", 0);
    let serials: Vec<Serial> = ["s1", "s2", "s3", "s4"].map(|text| Serial::new(text).unwrap()).into();
    let numbered = |serials: &[Serial]| {
        let offer = NewOffer { serials: serials.to_vec(), ..offer(1, "bob", 4, "9") };
        StockCommand::Market(Box::new(MarketCommand::Offer(offer)))
    };
    assert_eq!(shop.run(&numbered(&serials[..3])).unwrap_err().code(), "body_invalid");
    let twice = [serials[0].clone(), serials[1].clone(), serials[2].clone(), serials[1].clone()];
    assert_eq!(shop.run(&numbered(&twice)).unwrap_err().code(), "body_invalid");
    shop.run(&numbered(&serials)).unwrap();
    shop.take(1, &[any(0, 3, "9")], 0, ALL).unwrap();
    let of_order = |shop: &Shop, quantity| {
        let market = shop.stock.market().unwrap();
        let names = market.serials_of(market.claims_of(order(1)).unwrap().get(0).unwrap(), quantity);
        names.iter().map(|serial| serial.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of_order(&shop, 3), ["s1", "s2", "s3"]);
    let reason = ReleaseReason::Cancelled;
    shop.run(&StockCommand::ReleaseClaim { order: order(1), claim: 0, quantity: 1, reason }).unwrap();
    assert_eq!(of_order(&shop, 9), ["s1", "s2"], "what goes back goes from the end");
    shop.run(&StockCommand::Settle { order: order(1) }).unwrap();
    let trade = shop.run(&StockCommand::ShipClaim { order: order(1), claim: 0, quantity: 1 }).unwrap();
    let shipped = trade.events.iter().find_map(|event| match event {
        StockEvent::Market(event) => match &**event {
            MarketEvent::ClaimShipped { serials, .. } => serials.clone(),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(shipped.map(|names| names.to_vec()), Some(vec![serials[0].clone()]));
    let open: Vec<_> = shop.party(1).serials.as_ref().unwrap().open().map(Serial::as_str).collect();
    assert_eq!(open, ["s3", "s4"]);
    let amend = |quantity| {
        let quantity = Some(quantity);
        StockCommand::Market(Box::new(MarketCommand::Amend { id: id(1), side: Side::Supply, price: None, quantity }))
    };
    assert_eq!(shop.run(&amend(3)).unwrap_err().code(), "body_invalid");
    shop.run(&amend(1)).unwrap();
    assert_eq!(shop.party(1).serials.as_ref().unwrap().open().map(Serial::as_str).collect::<Vec<_>>(), ["s3"]);
}

#[derive(Debug, Clone)]
enum Act {
    Offer(usize, Quantity, i64),
    Bid(usize, Quantity, i64),
    Take(SmallVec<[(Option<usize>, Quantity, i64); 2]>, Quantity, bool),
    Amend(usize, Option<i64>, Option<Quantity>),
    Withdraw(usize),
    WithdrawAll(usize),
    Settle(usize),
    Release(usize, Quantity),
    ReleaseAll(usize),
    Ship(usize, Quantity),
    Receive(Quantity),
    Price(i64),
    Return(Quantity),
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..4usize;
    let few = 1..6u64;
    let price = 5..12i64;
    let line = (proptest::option::of(0..4usize), 1..6u64, 5..12i64);
    prop_oneof![
        4 => (who.clone(), few.clone(), price.clone()).prop_map(|(w, q, p)| Act::Offer(w, q, p)),
        4 => (who.clone(), few.clone(), price.clone()).prop_map(|(w, q, p)| Act::Bid(w, q, p)),
        4 => (proptest::collection::vec(line, 1..3), 0..3u64, proptest::bool::ANY)
            .prop_map(|(lines, plain, partial)| Act::Take(lines.into(), plain, partial)),
        2 => (0..40usize, proptest::option::of(price.clone()), proptest::option::of(few.clone()))
            .prop_map(|(n, p, q)| Act::Amend(n, p, q)),
        1 => (0..40usize).prop_map(Act::Withdraw),
        1 => who.prop_map(Act::WithdrawAll),
        2 => (0..40usize).prop_map(Act::Settle),
        2 => ((0..40usize), few.clone()).prop_map(|(n, q)| Act::Release(n, q)),
        2 => (0..40usize).prop_map(Act::ReleaseAll),
        2 => ((0..40usize), few.clone()).prop_map(|(n, q)| Act::Ship(n, q)),
        2 => few.clone().prop_map(Act::Receive),
        1 => price.prop_map(Act::Price),
        1 => few.prop_map(Act::Return),
    ]
}

const NAMES: [&str; 4] = ["bob", "carl", "dora", "eve"];

/// The order that the n-th act was about: one of a shop's, or one that came of a bid.
fn pick_order(shop: &Shop, n: usize) -> OrderId {
    match shop.bought.get(n) {
        Some(bought) => bought.order,
        None => order(n as u128),
    }
}

fn run_act(shop: &mut Shop, n: u128, act: &Act) {
    let major = |price: i64| Money::new(Amount(price * 10_000), eur("1").currency);
    let market = |command| StockCommand::Market(Box::new(command));
    let command = match act.clone() {
        Act::Offer(who, quantity, price) => {
            // Every other offer has serial numbers.
            let numbers = if n.is_multiple_of(2) { quantity } else { 0 };
            let serials = (0..numbers).map(|unit| Serial::new(&format!("{n}-{unit}")).unwrap()).collect();
            let unit_price = major(price);
            market(MarketCommand::Offer(NewOffer { unit_price, serials, ..offer(n, NAMES[who], quantity, "1") }))
        }
        Act::Bid(who, quantity, price) => {
            market(MarketCommand::Bid(NewBid { limit_price: major(price), ..bid(n, NAMES[who], quantity, "1") }))
        }
        Act::Take(lines, plain, partial) => {
            let lines: Vec<_> = lines
                .iter()
                .enumerate()
                .map(|(index, (seller, quantity, max))| MarketDemand {
                    line: index as u32,
                    quantity: *quantity,
                    seller: seller.map_or(Seller::Any, |who| Seller::Named(name(NAMES[who]))),
                    max_unit_price: Some(major(*max)),
                })
                .collect();
            let _ = shop.take(n, &lines, plain, if partial { PART } else { ALL });
            return;
        }
        Act::Amend(target, price, quantity) => {
            let Some(side) = side_of(shop, target) else { return };
            let (id, price) = (id(target as u128), price.map(major));
            market(MarketCommand::Amend { id, side, price, quantity })
        }
        Act::Withdraw(target) => {
            let Some(side) = side_of(shop, target) else { return };
            market(MarketCommand::Withdraw { id: id(target as u128), side })
        }
        Act::WithdrawAll(who) => market(MarketCommand::WithdrawAll { side: None, owner: Some(name(NAMES[who])) }),
        Act::Settle(n) => StockCommand::Settle { order: pick_order(shop, n) },
        Act::Release(n, quantity) => {
            let reason = ReleaseReason::Cancelled;
            StockCommand::ReleaseClaim { order: pick_order(shop, n), claim: 0, quantity, reason }
        }
        Act::ReleaseAll(n) => StockCommand::ReleaseAll { order: pick_order(shop, n), reason: ReleaseReason::Expired },
        Act::Ship(n, quantity) => StockCommand::ShipClaim { order: pick_order(shop, n), claim: 0, quantity },
        Act::Receive(quantity) => receive(quantity),
        Act::Price(price) => StockCommand::Define(Box::new(Definition::new("mug", major(price)))),
        Act::Return(quantity) => StockCommand::Return {
            order: None,
            location: None,
            lot: None,
            quantity,
            disposition: Disposition::Restock,
            buyer: None,
        },
    };
    let _ = shop.run(&command);
}

fn side_of(shop: &Shop, target: usize) -> Option<Side> {
    shop.stock.market()?.party(id(target as u128)).map(|party| party.side)
}

/// Nobody who could be served waits: whatever is to be had costs more than anybody pays for it, or belongs to himself.
fn check_nothing_is_left_undone(shop: &Shop) {
    let Some(market) = shop.stock.market() else { return };
    let house = shop.stock.house(&shop.setting());
    for bid in market.standing(Side::Demand) {
        assert!(house.is_none_or(|house| house.price > bid.price.0), "the house could serve {bid:?}");
        let could = |offer: &&Party| offer.price <= bid.price && offer.owner != bid.owner;
        assert_eq!(market.standing(Side::Supply).find(could), None, "an offer could serve {bid:?}");
    }
}

proptest! {
    #[test]
    fn a_market_adds_up_replays_and_leaves_nobody_waiting_who_could_be_served(
        acts in proptest::collection::vec(act(), 1..60),
    ) {
        let mut shop = Shop::new("9", 3);
        for (n, act) in acts.iter().enumerate() {
            run_act(&mut shop, n as u128, act);
            check_nothing_is_left_undone(&shop);
        }
        let bytes = minicbor::to_vec(&shop.stock).unwrap();
        let read: Stock = minicbor::decode(&bytes).unwrap();
        prop_assert_eq!(&read, &shop.stock);
        prop_assert_eq!(minicbor::to_vec(&read).unwrap(), bytes);
    }
}
