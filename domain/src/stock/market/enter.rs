//! Offers and bids come in, are amended, and are withdrawn.

use super::command::{MarketCommand, NewBid, NewOffer};
use super::event::MarketEvent;
use super::serials::Serials;
use super::trade::{Trade, Trading, refuse};
use crate::book::{BookCommand, Matcher, Owner, Place, Side, Source, TimeInForce};
use crate::stock::Stock;
use crate::{BookOrderId, CustomerId, Money, Quantity, Refusal, Timestamp, check_quantity};

impl Stock {
    pub(super) fn trade_for_party(
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
                self.check_numbered(*id, *quantity)?;
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

    /// Units with serial numbers cannot become more.
    fn check_numbered(&self, id: BookOrderId, quantity: Option<Quantity>) -> Result<(), Refusal> {
        let party = self.market().and_then(|market| market.party(id));
        match party.zip(quantity) {
            Some((party, quantity)) if party.serials.is_some() && quantity > party.open => {
                Err(invalid("quantity", "new units of an offer with serial numbers are another offer"))
            }
            _ => Ok(()),
        }
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
        if !offer.serials.is_empty() {
            Serials::check(&offer.serials, offer.quantity)?;
        }
        let event = MarketEvent::Offered {
            id: offer.id,
            seller: offer.seller.clone(),
            quantity: offer.quantity,
            unit_price: offer.unit_price.amount,
            body_digest: offer.body_digest,
            at: trading.setting.now,
            expires_at: expiry(offer.time_in_force),
            serials: (!offer.serials.is_empty()).then(|| Box::new(offer.serials.clone())),
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
        let mut events = Vec::new();
        let context = self.context(trading);
        let quantity = place.quantity;
        let executed = self.live().book.execute(&BookCommand::Place(place), &context, &mut events);
        executed.map_err(|refusal| refuse(&refusal, self, quantity))?;
        self.record(event, trade);
        self.finish(events, None, trading, trade);
        Ok(())
    }
}

const fn expiry(time_in_force: TimeInForce) -> Option<Timestamp> {
    match time_in_force {
        TimeInForce::Gtd(at) => Some(at),
        _ => None,
    }
}

fn invalid(field: &'static str, why: &str) -> Refusal {
    Refusal::BodyInvalid { field, why: why.into() }
}
