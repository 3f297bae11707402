//! What the book does, and what its fills become: claims of the order that takes, orders of the bids that got something.

use smallvec::SmallVec;

use super::claim::{ClaimFill, NewClaim};
use super::event::MarketEvent;
use super::preview::{MarketFill, place_of};
use super::trade::{Bought, BoughtLine, Taking, Trade, Trading, refuse};
use crate::book::{BookCommand, BookEvent, Context, FillId, House, Maker, Matcher, Side};
use crate::stock::pick::{self, Source as StockSource};
use crate::stock::{Stock, StockEvent};
use crate::{Amount, BookOrderId, CustomerId, OrderId, Quantity, Refusal};

/// The most fills of one order that comes of a bid; what it gets beyond them is another order.
const BOUGHT_FILLS_MAX: usize = 1000;

/// What a book has done with one command.
type Events = Vec<BookEvent<BookOrderId>>;

impl Stock {
    pub(super) fn context(&self, trading: &Trading<'_>) -> Context {
        Context { now: trading.setting.now, house: self.house(&trading.setting) }
    }

    /// Lets the book carry a command out that it may refuse.
    pub(super) fn execute_for(
        &mut self,
        id: BookOrderId,
        command: &BookCommand<BookOrderId>,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) -> Result<(), Refusal> {
        let (mut events, context) = (Events::new(), self.context(trading));
        let executed = self.live().book.execute(command, &context, &mut events);
        executed.map_err(|refusal| refuse(&refusal, self, 0))?;
        trade.bids.push(id);
        self.finish(events, None, trading, trade);
        Ok(())
    }

    /// Lets the book carry a command out that it cannot refuse.
    pub(super) fn execute_freely(
        &mut self,
        command: &BookCommand<BookOrderId>,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) {
        let (mut events, context) = (Events::new(), self.context(trading));
        let executed = self.live().book.execute(command, &context, &mut events);
        executed.unwrap_or_else(|refusal| panic!("the book refused {command:?}: {refusal}"));
        self.finish(events, None, trading, trade);
    }

    /// Records what the book has done, and makes of its fills what they become: claims of the order that takes, orders
    /// of the bids that got something.
    pub(super) fn finish(
        &mut self,
        mut events: Events,
        taker: Option<OrderId>,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) -> Vec<Fill> {
        if events.is_empty() {
            return Vec::new();
        }
        let fills: Vec<Fill> = events.iter().filter_map(Fill::of).collect();
        // The house keeps its own counters: what it gives has left the book.
        for fill in fills.iter().filter(|fill| fill.supply == Maker::House) {
            let settle = BookCommand::Settle { fill: fill.fill, quantity: fill.quantity };
            let context = Context { now: trading.setting.now, house: None };
            self.live().book.execute(&settle, &context, &mut events).expect("a new fill is held");
        }
        for event in &events {
            trade.bids.extend(event_orders(event));
        }
        let first = self.live().book.sequence() + 1 - events.len() as u64;
        self.record(MarketEvent::Traded { first, events }, trade);
        let taker = taker.map(BookOrderId::from);
        let (own, of_bids): (Vec<Fill>, Vec<Fill>) = fills.into_iter().partition(|fill| Some(fill.demand) == taker);
        for (bid, fills) in by_bid(of_bids) {
            for fills in fills.chunks(BOUGHT_FILLS_MAX) {
                self.buy(bid, fills, trading, trade);
            }
        }
        let bids = std::mem::take(&mut trade.bids);
        let market = self.live();
        let is_bid = |id: &BookOrderId| market.party(*id).is_some_and(|party| party.side == Side::Demand);
        trade.bids = bids.into_iter().filter(is_bid).collect();
        own
    }

    fn seller_of(&self, supply: Maker<BookOrderId>) -> Option<CustomerId> {
        match supply {
            Maker::House => None,
            Maker::Order(id) => {
                let party = self.market().and_then(|market| market.party(id)).expect("an offer that sold is known");
                Some(party.owner.clone())
            }
        }
    }

    /// Fills by seller and price, in the order of the fills.
    fn group(&self, fills: &[Fill]) -> Vec<(Option<CustomerId>, Amount, SmallVec<[ClaimFill; 1]>)> {
        let mut groups: Vec<(Option<CustomerId>, Amount, SmallVec<[ClaimFill; 1]>)> = Vec::new();
        for fill in fills {
            let (seller, price) = (self.seller_of(fill.supply), Amount(fill.price));
            let row = ClaimFill { fill: fill.fill, quantity: fill.quantity };
            match groups.iter_mut().find(|(known, at, _)| *known == seller && *at == price) {
                Some((_, _, fills)) => fills.push(row),
                None => groups.push((seller, price, SmallVec::from_iter([row]))),
            }
        }
        groups
    }

    /// What one line of an order got.
    fn give_line(&self, line: u32, fills: &[Fill], claims: &mut SmallVec<[NewClaim; 1]>, trade: &mut Trade) {
        for (seller, unit_price, fills) in self.group(fills) {
            let quantity = fills.iter().map(|fill| fill.quantity).sum();
            let claim = seller.is_some().then_some(claims.len() as u32);
            if let (Some(seller), Some(number)) = (&seller, claim) {
                claims.push(NewClaim { number, seller: seller.clone(), unit_price, fills, line });
            }
            trade.fills.push(MarketFill { line, quantity, unit_price, seller, claim });
        }
    }

    pub(super) fn take_lines(
        &mut self,
        order: OrderId,
        taking: &Taking,
        buyer: Option<&CustomerId>,
        tentative: bool,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) {
        let mut claims = SmallVec::new();
        let mut house_left = taking.house;
        let price = self.definition.as_ref().map_or(0, |definition| definition.price.amount.0);
        for line in &taking.lines {
            let market = self.market();
            let book = &market.expect("the SKU has a market").book;
            let Some(place) = place_of(market, book, order, taking.customer.as_ref(), line) else { continue };
            let house = (house_left > 0).then_some(House { price, available: house_left });
            let context = Context { now: trading.setting.now, house };
            let mut events = Events::new();
            let executed = self.live().book.execute(&BookCommand::Place(place), &context, &mut events);
            executed.unwrap_or_else(|refusal| panic!("the book refused what was planned: {refusal}"));
            let from_house = events.iter().filter_map(Fill::of).filter(|fill| fill.supply == Maker::House);
            house_left -= from_house.map(|fill| fill.quantity).sum::<Quantity>();
            let fills = self.finish(events, Some(order), trading, trade);
            self.give_line(line.line, &fills, &mut claims, trade);
        }
        if !claims.is_empty() {
            let buyer = self.definition.as_ref().and_then(|d| d.limit_per_customer).and(buyer.cloned());
            let (settled, bid) = (trading.settled, None);
            self.record(MarketEvent::Claimed { order, claims, settled, buyer, tentative, bid }, trade);
        }
    }

    /// A bid has got something: units of the house are held, units of offers claimed, for an order to be made.
    fn buy(&mut self, bid: BookOrderId, fills: &[Fill], trading: &Trading<'_>, trade: &mut Trade) {
        let party = self.market().and_then(|market| market.party(bid)).expect("a bid that got something is known");
        let (customer, payment) = (party.owner.clone(), party.payment.clone().expect("a bid says how it pays"));
        let definition = self.definition.as_deref().expect("a SKU with a market is defined");
        let (currency, hold_ttl_seconds) = (definition.price.currency, definition.hold_ttl_seconds);
        let commission_bps = definition.market.as_deref().map_or(0, |rules| rules.commission_bps);
        let buyer = definition.limit_per_customer.map(|_| customer.clone());
        let order = OrderId::of_bid(&self.sku, bid, fills[0].fill.0, trading.setting.now, trading.route);
        let (mut lines, mut claims, mut house) = (Vec::new(), SmallVec::new(), 0);
        for (seller, unit_price, fills) in self.group(fills) {
            let quantity: Quantity = fills.iter().map(|fill| fill.quantity).sum();
            let claim = seller.is_some().then_some(claims.len() as u32);
            match (&seller, claim) {
                (Some(seller), Some(number)) => {
                    claims.push(NewClaim { number, seller: seller.clone(), unit_price, fills, line: 0 });
                }
                _ => house += quantity,
            }
            lines.push(BoughtLine { quantity, unit_price, seller, claim });
        }
        if house > 0 {
            let source = StockSource::of(definition, None, trading.setting.distances);
            let picks = pick::pick(&self.bins, &source, trading.setting.now, house);
            let held = StockEvent::Held {
                order,
                picks,
                backordered: 0,
                settled: false,
                buyer: buyer.clone(),
                tentative: false,
                context: None,
            };
            self.apply_live(&held);
            trade.events.push(held);
        }
        if !claims.is_empty() {
            let (settled, tentative, bid) = (false, false, Some(bid));
            self.record(MarketEvent::Claimed { order, claims, settled, buyer, tentative, bid }, trade);
        }
        let sku = self.sku.clone();
        trade.bought.push(Bought {
            order,
            sku,
            bid,
            customer,
            payment,
            lines,
            currency,
            hold_ttl_seconds,
            commission_bps,
        });
    }
}

/// A fill, by side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill {
    fill: FillId,
    supply: Maker<BookOrderId>,
    demand: BookOrderId,
    price: i64,
    quantity: Quantity,
}

impl Fill {
    fn of(event: &BookEvent<BookOrderId>) -> Option<Self> {
        let BookEvent::Filled { fill, maker, taker, side, price, quantity } = *event else { return None };
        let (supply, demand) = match (side, maker) {
            (Side::Demand, maker) => (maker, taker),
            (Side::Supply, Maker::Order(maker)) => (Maker::Order(taker), maker),
            (Side::Supply, Maker::House) => unreachable!("the house does not buy"),
        };
        Some(Self { fill, supply, demand, price, quantity })
    }
}

/// Fills by bid, in the order in which each got its first.
fn by_bid(fills: Vec<Fill>) -> Vec<(BookOrderId, Vec<Fill>)> {
    let mut bids: Vec<(BookOrderId, Vec<Fill>)> = Vec::new();
    for fill in fills {
        match bids.iter_mut().find(|(bid, _)| *bid == fill.demand) {
            Some((_, fills)) => fills.push(fill),
            None => bids.push((fill.demand, vec![fill])),
        }
    }
    bids
}

/// The orders of the book that an event changes.
fn event_orders(event: &BookEvent<BookOrderId>) -> SmallVec<[BookOrderId; 2]> {
    match *event {
        BookEvent::Filled { maker, taker, .. } => match maker {
            Maker::Order(maker) => SmallVec::from_iter([taker, maker]),
            Maker::House => SmallVec::from_iter([taker]),
        },
        BookEvent::Ended { id, .. }
        | BookEvent::Reduced { id, .. }
        | BookEvent::Amended { id, .. }
        | BookEvent::Placed { id, .. } => SmallVec::from_iter([id]),
        _ => SmallVec::new(),
    }
}
