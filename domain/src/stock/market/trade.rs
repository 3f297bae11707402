//! What a command does to the market, carried out on the live book.
//!
//! Everything that can refuse is asked before: an order's lines by [`Stock::plan_market`], an offer or bid by the book
//! itself, which changes nothing when it refuses. So a trade that has begun ends.

use smallvec::SmallVec;

use super::claim::{ClaimFill, NewClaim};
use super::command::{MarketCommand, NewBid, NewOffer};
use super::event::MarketEvent;
use super::party::BidPayment;
use super::preview::{MarketDemand, MarketFill, place_of};
use super::{Market, PARTY_RETENTION_SECONDS};
use crate::book::{
    BookCommand, BookEvent, BookRefusal, Context, FillId, House, Maker, Matcher, Owner, Place, Side, Source,
    TimeInForce,
};
use crate::refusal::Shortage;
use crate::stock::definition::SkuStatus;
use crate::stock::pick::{self, Source as StockSource};
use crate::stock::state::Rare;
use crate::stock::{ReleaseReason, Setting, Stock, StockCommand, StockEvent};
use crate::{Amount, BookOrderId, CustomerId, Money, OrderId, Quantity, Refusal, SkuId, Timestamp, check_quantity};

/// How many forgotten ids one command clears away.
const FORGET_MAX: usize = 16;

/// What a trade may know beside the SKU's own state.
#[derive(Debug, Clone, Copy)]
pub struct Trading<'a> {
    /// When, and how far locations are from regions.
    pub setting: Setting<'a>,
    /// Partition in which orders are made that come from bids: that of the SKU.
    pub route: u16,
    /// The payment of an order's lines was secured in the same turn.
    pub settled: bool,
}

/// What an order's lines take, once its plan was accepted by all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// The lines.
    pub lines: Vec<MarketDemand>,
    /// Who buys.
    pub customer: Option<CustomerId>,
    /// All units that the plan has for them.
    pub units: Quantity,
    /// Of these, units of the house; they are held already.
    pub house: Quantity,
}

/// A line of an order that comes from a bid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoughtLine {
    /// Units.
    pub quantity: Quantity,
    /// Price of one.
    pub unit_price: Amount,
    /// Whose units; nobody's: the house's.
    pub seller: Option<CustomerId>,
    /// Of offers: the number among the order's claims of the SKU.
    pub claim: Option<u32>,
}

/// Units that a bid has got: an order with a payment deadline of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    /// The order to be made.
    pub order: OrderId,
    /// Of which SKU.
    pub sku: SkuId,
    /// The bid.
    pub bid: BookOrderId,
    /// Who buys.
    pub customer: CustomerId,
    /// How it is paid.
    pub payment: BidPayment,
    /// What, the cheapest first.
    pub lines: Vec<BoughtLine>,
    /// In what.
    pub currency: crate::Currency,
    /// How long it keeps its units unpaid.
    pub hold_ttl_seconds: u32,
}

/// What has happened; the state has it already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trade {
    /// To be recorded, in this order.
    pub events: Vec<StockEvent>,
    /// Orders to be made.
    pub bought: Vec<Bought>,
    /// What the lines of an order got.
    pub fills: Vec<MarketFill>,
    /// Bids whose open units or price may have changed: what is set aside for them may be too much.
    pub bids: Vec<BookOrderId>,
}

/// A step of a trade that an order's command implies.
type Events = Vec<BookEvent<BookOrderId>>;

impl Stock {
    /// Carries out what a command means for the market, after its events for the house were applied. Only a command of a
    /// seller or bidder can be refused, and then nothing has changed.
    pub fn trade(&mut self, command: &StockCommand, trading: &Trading<'_>) -> Result<Trade, Refusal> {
        let mut trade = Trade::default();
        if self.market().is_none() && !matches!(command, StockCommand::Market(_)) {
            return Ok(trade);
        }
        use StockCommand as C;
        match command {
            C::Market(command) => {
                let is_new = self.market().is_none();
                if let Err(refusal) = self.trade_for_party(command, trading, &mut trade) {
                    if is_new {
                        // It was opened for this one.
                        self.close_market();
                    }
                    return Err(refusal);
                }
            }
            C::Hold { order, buyer, tentative, taking: Some(taking), .. } => {
                self.take_lines(*order, taking, buyer.as_ref(), *tentative, trading, &mut trade);
            }
            C::Confirm { order } => self.confirm_claims(*order, &mut trade),
            C::Settle { order } => self.settle_claims(*order, &mut trade),
            C::ReleaseAll { order, reason } => self.release_all_claims(*order, *reason, trading, &mut trade),
            C::ReleaseClaim { order, claim, quantity, reason } => {
                self.release_claim(*order, *claim, *quantity, *reason, trading, &mut trade);
            }
            C::ShipClaim { order, claim, quantity } => self.ship_claim(*order, *claim, *quantity, trading, &mut trade),
            C::ReturnClaim { order, claim, quantity, buyer } => {
                let (order, claim, quantity, buyer) = (*order, *claim, *quantity, buyer.clone());
                self.record(MarketEvent::ClaimReturned { order, claim, quantity, buyer }, &mut trade);
            }
            C::ExpireLots => self.execute_freely(&BookCommand::Expire, trading, &mut trade),
            C::Define(_) => self.trade_after_definition(trading, &mut trade),
            _ => {}
        }
        // The house may have more than before, or ask less.
        if self.market().is_some_and(Market::has_bids) && self.house(&trading.setting).is_some() {
            self.execute_freely(&BookCommand::HouseChanged, trading, &mut trade);
        }
        self.forget_old(trading.setting.now, &mut trade);
        trade.bids.sort_unstable();
        trade.bids.dedup();
        Ok(trade)
    }

    /// Takes back the opening of a market in which nothing has happened.
    fn close_market(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        rare.market = None;
        if **rare == Rare::default() {
            self.rare = None;
        }
    }

    fn live(&mut self) -> &mut Market {
        self.rare.as_mut().and_then(|rare| rare.market.as_mut()).expect("the SKU has a market")
    }

    fn record(&mut self, event: MarketEvent, trade: &mut Trade) {
        let event = StockEvent::Market(Box::new(event));
        self.apply_live(&event);
        trade.events.push(event);
    }

    /// A definition may close the book, or give it another band.
    fn trade_after_definition(&mut self, trading: &Trading<'_>, trade: &mut Trade) {
        let Some(definition) = &self.definition else { return };
        let band = definition.market.as_deref().and_then(|rules| rules.book_band());
        let closes = definition.status == SkuStatus::Discontinued;
        if self.live().book.config().band != band {
            self.execute_freely(&BookCommand::SetBand { band }, trading, trade);
        }
        if closes {
            self.execute_freely(&BookCommand::CancelAll { owner: None, side: None }, trading, trade);
        }
    }

    fn trade_for_party(
        &mut self,
        command: &MarketCommand,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) -> Result<(), Refusal> {
        match command {
            MarketCommand::Offer(offer) => self.offer(offer, trading, trade),
            MarketCommand::Bid(bid) => self.bid(bid, trading, trade),
            MarketCommand::Amend { id, side, price, quantity } => {
                self.check_party(*id, *side)?;
                if let Some(price) = price {
                    self.check_price(*price)?;
                }
                quantity.map_or(Ok(()), check_quantity)?;
                let price = price.map(|money| money.amount.0);
                self.execute_for(*id, &BookCommand::Amend { id: *id, price, quantity: *quantity }, trading, trade)
            }
            MarketCommand::Withdraw { id, side } => {
                if self.check_party(*id, *side)? == 0 {
                    // What is over stays as it is; a repeated withdrawal is harmless.
                    return Ok(());
                }
                self.execute_for(*id, &BookCommand::Cancel { id: *id }, trading, trade)
            }
            MarketCommand::WithdrawAll { side, owner } => {
                let Some(market) = self.market() else { return Ok(()) };
                let number = owner.as_ref().map(|name| market.owner(name));
                if number == Some(Owner::NOBODY) {
                    return Ok(());
                }
                self.execute_freely(&BookCommand::CancelAll { owner: number, side: *side }, trading, trade);
                Ok(())
            }
        }
    }

    /// The open units of an offer or bid; refuses one that is not known.
    fn check_party(&self, id: BookOrderId, side: Side) -> Result<Quantity, Refusal> {
        let party = self.market().and_then(|market| market.party(id)).filter(|party| party.side == side);
        let what = if side == Side::Supply { "offer" } else { "bid" };
        party.map(|party| party.open).ok_or_else(|| Refusal::NotFound { what: format!("{what} {id}") })
    }

    fn check_price(&self, price: Money) -> Result<(), Refusal> {
        let definition = self.check_market()?;
        if price.currency != definition.price.currency {
            let (wanted, found) = (definition.price.currency.to_string(), price.currency.to_string());
            return Err(Refusal::CurrencyMismatch { wanted, found });
        }
        if price.amount.0 <= 0 {
            return Err(Refusal::MoneyInvalid { why: "a price is positive".into() });
        }
        Ok(())
    }

    /// Refuses an id that was used with another request; says whether it was used with this one.
    fn is_repeated(&self, id: BookOrderId, body_digest: u64) -> Result<bool, Refusal> {
        match self.market().and_then(|market| market.party(id)) {
            Some(party) if party.body_digest == body_digest && body_digest != 0 => Ok(true),
            Some(_) => Err(Refusal::IdConflict { id: id.to_string() }),
            None => Ok(false),
        }
    }

    fn offer(&mut self, offer: &NewOffer, trading: &Trading<'_>, trade: &mut Trade) -> Result<(), Refusal> {
        if self.is_repeated(offer.id, offer.body_digest)? {
            return Ok(());
        }
        self.check_price(offer.unit_price)?;
        check_quantity(offer.quantity)?;
        if matches!(offer.time_in_force, TimeInForce::Ioc | TimeInForce::Fok) {
            return Err(invalid("time_in_force", "an offer stands: `gtc` or `gtd`"));
        }
        let event = MarketEvent::Offered {
            id: offer.id,
            seller: offer.seller.clone(),
            quantity: offer.quantity,
            unit_price: offer.unit_price.amount,
            body_digest: offer.body_digest,
            at: trading.setting.now,
            expires_at: expiry(offer.time_in_force),
        };
        let place = Place {
            time_in_force: offer.time_in_force,
            post_only: offer.post_only,
            minimum: offer.minimum,
            displayed: offer.displayed,
            ..Place::limit(offer.id, Side::Supply, offer.unit_price.amount.0, offer.quantity)
        };
        self.enter(&offer.seller, None, place, event, trading, trade)
    }

    fn bid(&mut self, bid: &NewBid, trading: &Trading<'_>, trade: &mut Trade) -> Result<(), Refusal> {
        if self.is_repeated(bid.id, bid.body_digest)? {
            return Ok(());
        }
        self.check_price(bid.limit_price)?;
        check_quantity(bid.quantity)?;
        self.check_bid_limit(bid)?;
        let event = MarketEvent::Bid {
            id: bid.id,
            customer: bid.customer.clone(),
            quantity: bid.quantity,
            limit_price: bid.limit_price.amount,
            payment: bid.payment.clone(),
            body_digest: bid.body_digest,
            at: trading.setting.now,
            expires_at: expiry(bid.time_in_force),
            seller: bid.seller.clone(),
        };
        let place = Place {
            time_in_force: bid.time_in_force,
            post_only: bid.post_only,
            minimum: bid.minimum,
            ..Place::limit(bid.id, Side::Demand, bid.limit_price.amount.0, bid.quantity)
        };
        self.enter(&bid.customer, bid.seller.as_ref(), place, event, trading, trade)
    }

    /// What a customer bids for counts against the limit like what he has.
    fn check_bid_limit(&self, bid: &NewBid) -> Result<(), Refusal> {
        let Some(limit) = self.definition.as_ref().and_then(|definition| definition.limit_per_customer) else {
            return Ok(());
        };
        let bids = self.market().into_iter().flat_map(|market| market.standing(Side::Demand));
        let open: Quantity = bids.filter(|party| party.owner == bid.customer).map(|party| party.open).sum();
        let taken = open + self.taken.get(&bid.customer).copied().unwrap_or(0);
        if taken + bid.quantity > limit {
            return Err(Refusal::LimitExceeded { sku: self.sku.clone(), limit, taken });
        }
        Ok(())
    }

    /// A new offer or bid goes to the book, and is recorded if the book takes it.
    fn enter(
        &mut self,
        name: &CustomerId,
        seller: Option<&CustomerId>,
        place: Place<BookOrderId>,
        event: MarketEvent,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) -> Result<(), Refusal> {
        if self.market().is_none() {
            let rules = self.definition.as_ref().and_then(|definition| definition.market.as_deref().copied());
            self.record(MarketEvent::Opened(rules.unwrap_or_default()), trade);
        }
        // Names get their numbers with the event; the book must know them before.
        let market = self.live();
        let next = market.last_owner + 1;
        let number = |name: &CustomerId, next: u32| match market.owner(name) {
            Owner::NOBODY => Owner(next),
            known => known,
        };
        let owner = number(name, next);
        let source = match seller {
            None => Source::Anyone,
            Some(seller) if seller == name => Source::Seller(owner),
            Some(seller) => Source::Seller(number(seller, next + u32::from(owner == Owner(next)))),
        };
        let place = Place { owner, source, ..place };
        let mut events = Events::new();
        let context = self.context(trading);
        let quantity = place.quantity;
        let executed = self.live().book.execute(&BookCommand::Place(place), &context, &mut events);
        executed.map_err(|refusal| refuse(&refusal, self, quantity))?;
        self.record(event, trade);
        self.finish(events, None, trading, trade);
        Ok(())
    }

    fn context(&self, trading: &Trading<'_>) -> Context {
        Context { now: trading.setting.now, house: self.house(&trading.setting) }
    }

    /// Lets the book carry a command out that it may refuse.
    fn execute_for(
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
    fn execute_freely(&mut self, command: &BookCommand<BookOrderId>, trading: &Trading<'_>, trade: &mut Trade) {
        let (mut events, context) = (Events::new(), self.context(trading));
        let executed = self.live().book.execute(command, &context, &mut events);
        executed.unwrap_or_else(|refusal| panic!("the book refused {command:?}: {refusal}"));
        self.finish(events, None, trading, trade);
    }

    /// Records what the book has done, and makes of its fills what they become: claims of the order that takes, orders
    /// of the bids that got something.
    fn finish(&mut self, mut events: Events, taker: Option<&Taker<'_>>, trading: &Trading<'_>, trade: &mut Trade) {
        if events.is_empty() {
            return;
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
        let mut rest = Vec::new();
        let mut own = Vec::new();
        for fill in fills {
            match taker {
                Some(taker) if fill.demand == BookOrderId::from(taker.order) => own.push(fill),
                _ => rest.push(fill),
            }
        }
        if let Some(taker) = taker {
            self.give_line(&own, taker, trade);
        }
        for (bid, fills) in by_bid(rest) {
            self.buy(bid, &fills, trading, trade);
        }
        let bids = std::mem::take(&mut trade.bids);
        let market = self.live();
        let is_bid = |id: &BookOrderId| market.party(*id).is_some_and(|party| party.side == Side::Demand);
        trade.bids = bids.into_iter().filter(is_bid).collect();
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

    /// What one line of an order got; its claims are made when all its lines are through.
    fn give_line(&mut self, fills: &[Fill], taker: &Taker<'_>, trade: &mut Trade) {
        let mut claims = trade.fills.iter().filter(|fill| fill.claim.is_some()).count() as u32;
        for (seller, unit_price, fills) in self.group(fills) {
            let quantity = fills.iter().map(|fill| fill.quantity).sum();
            let claim = seller.is_some().then_some(claims);
            claims += u32::from(claim.is_some());
            if let (Some(seller), Some(number)) = (&seller, claim) {
                let seller = seller.clone();
                taker.claims.borrow_mut().push(NewClaim { number, seller, unit_price, fills, line: taker.line });
            }
            trade.fills.push(MarketFill { line: taker.line, quantity, unit_price, seller, claim });
        }
    }

    fn take_lines(
        &mut self,
        order: OrderId,
        taking: &Taking,
        buyer: Option<&CustomerId>,
        tentative: bool,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) {
        let claims = std::cell::RefCell::new(SmallVec::new());
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
            let taker = Taker { order, line: line.line, claims: &claims };
            self.finish(events, Some(&taker), trading, trade);
        }
        let claims = claims.into_inner();
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
        let buyer = definition.limit_per_customer.map(|_| customer.clone());
        let order = OrderId::of_bid(bid, fills[0].fill.0, trading.setting.now, trading.route);
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
        trade.bought.push(Bought { order, sku, bid, customer, payment, lines, currency, hold_ttl_seconds });
    }

    // ---- what orders do with their claims; a repeated message finds nothing to do ----

    fn confirm_claims(&mut self, order: OrderId, trade: &mut Trade) {
        if self.live().claims.get(&order).is_some_and(|claims| claims.tentative) {
            self.record(MarketEvent::ClaimsConfirmed { order }, trade);
        }
    }

    fn settle_claims(&mut self, order: OrderId, trade: &mut Trade) {
        if self.live().claims.get(&order).is_some_and(|claims| claims.units().0 > 0) {
            self.record(MarketEvent::ClaimsSettled { order }, trade);
        }
    }

    fn release_all_claims(&mut self, order: OrderId, reason: ReleaseReason, trading: &Trading<'_>, trade: &mut Trade) {
        let numbers: SmallVec<[u32; 4]> =
            self.live().claims.get(&order).into_iter().flat_map(|claims| &claims.list).map(|c| c.number).collect();
        for number in numbers {
            self.release_claim(order, number, Quantity::MAX, reason, trading, trade);
        }
    }

    fn release_claim(
        &mut self,
        order: OrderId,
        claim: u32,
        quantity: Quantity,
        reason: ReleaseReason,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) {
        let Some(fills) = self.claim_fills(order, claim, quantity) else { return };
        let released = fills.clone();
        self.record(MarketEvent::ClaimReleased { order, claim, fills: released, reason }, trade);
        for ClaimFill { fill, quantity } in fills {
            let back = BookCommand::Release { fill, quantity, returns: Side::Supply };
            self.execute_freely(&back, trading, trade);
        }
    }

    fn ship_claim(&mut self, order: OrderId, claim: u32, quantity: Quantity, trading: &Trading<'_>, trade: &mut Trade) {
        let Some(fills) = self.claim_fills(order, claim, quantity) else { return };
        let shipped = fills.clone();
        self.record(MarketEvent::ClaimShipped { order, claim, fills: shipped }, trade);
        for ClaimFill { fill, quantity } in fills {
            self.execute_freely(&BookCommand::Settle { fill, quantity }, trading, trade);
        }
    }

    fn claim_fills(&mut self, order: OrderId, claim: u32, quantity: Quantity) -> Option<SmallVec<[ClaimFill; 1]>> {
        let fills = self.live().claims.get(&order)?.get(claim)?.take(quantity);
        (!fills.is_empty()).then_some(fills)
    }

    /// Ids that are too old to be used again need not be remembered.
    fn forget_old(&mut self, now: Timestamp, trade: &mut Trade) {
        let Some(market) = self.market() else { return };
        let old = |id: &&BookOrderId| {
            let over = market.party(**id).is_none_or(|party| party.is_over());
            over && id.time().plus_seconds(PARTY_RETENTION_SECONDS) < now
        };
        let ids: Vec<BookOrderId> = market.over.iter().take_while(old).take(FORGET_MAX).copied().collect();
        if !ids.is_empty() {
            self.record(MarketEvent::Forgotten { ids }, trade);
        }
    }
}

/// The line of an order that takes.
struct Taker<'a> {
    order: OrderId,
    line: u32,
    claims: &'a std::cell::RefCell<SmallVec<[NewClaim; 1]>>,
}

/// A fill, by side.
#[derive(Debug, Clone, Copy)]
struct Fill {
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

const fn expiry(time_in_force: TimeInForce) -> Option<Timestamp> {
    match time_in_force {
        TimeInForce::Gtd(at) => Some(at),
        _ => None,
    }
}

/// A book's refusal as callers of the engine know it.
pub(super) fn refuse(refusal: &BookRefusal, stock: &Stock, requested: Quantity) -> Refusal {
    let why = refusal.to_string();
    match refusal {
        BookRefusal::QuantityInvalid { .. } | BookRefusal::QuantityTooLarge { .. } => Refusal::QuantityInvalid,
        BookRefusal::LotInvalid { .. } => Refusal::BodyInvalid { field: "quantity", why },
        BookRefusal::PriceInvalid { .. } | BookRefusal::TickInvalid { .. } | BookRefusal::PriceOutOfBand { .. } => {
            Refusal::MoneyInvalid { why }
        }
        BookRefusal::TermsInvalid { .. } => Refusal::BodyInvalid { field: "time_in_force", why },
        BookRefusal::AlreadyExpired => Refusal::BodyInvalid { field: "expires_at", why },
        BookRefusal::OrderUnknown | BookRefusal::FillUnknown => Refusal::NotFound { what: "what stands of it".into() },
        BookRefusal::IdTaken => Refusal::IdConflict { id: "the order of a book".into() },
        BookRefusal::Unfillable { available } => {
            let items = vec![Shortage { sku: stock.sku.clone(), requested, available: *available }];
            Refusal::StockExhausted { items, as_of: 0 }
        }
        BookRefusal::WouldTrade | BookRefusal::BookFull { .. } | BookRefusal::AuctionOpen | BookRefusal::NoAuction => {
            Refusal::BookRefused { code: refusal.code(), why }
        }
    }
}

fn invalid(field: &'static str, why: &str) -> Refusal {
    Refusal::BodyInvalid { field, why: why.into() }
}
