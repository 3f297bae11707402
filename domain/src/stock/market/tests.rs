//! A market by itself: a shop with one SKU. In rooms of their own: what lines buy, offers and bids, serial numbers, what
//! callers should not ask for, random histories.

use super::*;
use crate::book::TimeInForce;
use crate::stock::{
    Definition, Disposition, Distances, HoldMode, ReleaseReason, Setting, SkuStatus, Stock, StockCommand, StockEvent,
    decide,
};
use crate::{Amount, Location, Money, Refusal, SkuId, Timestamp};

mod histories;
mod hostile;
mod lines;
mod offers_and_bids;
mod serials;

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
