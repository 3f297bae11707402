//! Offers and bids come in, are amended, and are withdrawn.

use super::command::{MarketCommand, NewBid, NewOffer};
use super::event::MarketEvent;
use super::serials::Serials;
use super::trade::{Trade, Trading, refuse};
use crate::book::{BookCommand, Matcher, Owner, Place, Side, Source, TimeInForce};
use crate::order::TOTAL_MAX;
use crate::stock::Stock;
use crate::{BookOrderId, CustomerId, Money, Quantity, Refusal, Timestamp, check_quantity};

/// The most offers and bids that a market knows: those that stand, and those remembered for a day.
const PARTIES_MAX: usize = 1 << 17;
/// The most serial numbers of the offers that stand.
const SERIALS_MAX: usize = 250_000;
/// The most of a side that stand and wish for a seller or a minimum.
const WISHES_MAX: u32 = 1000;

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
                let open = self.check_party(*id, *side)?;
                quantity.map_or(Ok(()), check_quantity)?;
                if price.is_some() || quantity.is_some_and(|quantity| quantity > open) {
                    // Only to ask for less, or to offer less, is free in a market that takes nothing new.
                    self.check_amended(*id, *price, *quantity)?;
                }
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

    /// Refuses another price, or more units, that a new offer or bid could not have either.
    fn check_amended(&self, id: BookOrderId, price: Option<Money>, quantity: Option<Quantity>) -> Result<(), Refusal> {
        let definition = self.check_market()?;
        let party = self.market().and_then(|market| market.party(id)).expect("it was found");
        let price = price.unwrap_or(Money::new(party.price, definition.price.currency));
        let more = quantity.unwrap_or(party.open).saturating_sub(party.open);
        self.check_worth(price, party.open + more)?;
        if more > 0 && party.serials.is_some() {
            return Err(invalid("quantity", "new units of an offer with serial numbers are another offer"));
        }
        match party.side {
            Side::Demand => self.check_limit(&party.owner, more),
            Side::Supply => Ok(()),
        }
    }

    /// Refuses prices that are none in this market, and more than can be counted: orders are made of it, in parts or as
    /// a whole.
    fn check_worth(&self, price: Money, quantity: Quantity) -> Result<(), Refusal> {
        let definition = self.check_market()?;
        if price.currency != definition.price.currency {
            let (wanted, found) = (definition.price.currency.to_string(), price.currency.to_string());
            return Err(Refusal::CurrencyMismatch { wanted, found });
        }
        if price.amount.0 <= 0 {
            return Err(Refusal::MoneyInvalid { why: "a price is positive".into() });
        }
        match price.amount.checked_times(quantity) {
            Some(worth) if worth.0 <= TOTAL_MAX => Ok(()),
            _ => Err(Refusal::MoneyInvalid { why: "all units together cost more than can be counted".into() }),
        }
    }

    /// Refuses an id that was used with another request, or by an order that has something of the offers; says whether
    /// it was used with this one.
    fn is_repeated(&self, id: BookOrderId, body_digest: u64) -> Result<bool, Refusal> {
        match self.market().and_then(|market| market.party(id)) {
            Some(party) if party.body_digest == body_digest && body_digest != 0 => Ok(true),
            Some(_) => Err(Refusal::IdConflict { id: id.to_string() }),
            None if self.market().is_some_and(|market| market.claims_of(id.into()).is_some()) => {
                Err(Refusal::IdConflict { id: id.to_string() })
            }
            None => Ok(false),
        }
    }

    fn offer(&mut self, offer: &NewOffer, trading: &Trading<'_>, trade: &mut Trade) -> Result<(), Refusal> {
        if self.is_repeated(offer.id, offer.body_digest)? {
            return Ok(());
        }
        check_quantity(offer.quantity)?;
        self.check_worth(offer.unit_price, offer.quantity)?;
        self.check_room(offer.serials.len())?;
        if offer.minimum > 1 {
            self.check_wishes(Side::Supply)?;
        }
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
        check_quantity(bid.quantity)?;
        self.check_worth(bid.limit_price, bid.quantity)?;
        self.check_limit(&bid.customer, bid.quantity)?;
        self.check_room(0)?;
        if bid.seller.is_some() || bid.minimum > 1 {
            self.check_wishes(Side::Demand)?;
        }
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
    fn check_limit(&self, customer: &CustomerId, more: Quantity) -> Result<(), Refusal> {
        match self.definition.as_ref().and_then(|definition| definition.limit_per_customer) {
            Some(limit) => self.check_taken(limit, customer, more),
            None => Ok(()),
        }
    }

    /// A market is one actor's state: it has bounds.
    fn check_room(&self, serials: usize) -> Result<(), Refusal> {
        let Some(market) = self.market() else { return Ok(()) };
        let full = |why: String| Err(Refusal::BookRefused { code: "book_full", why });
        if market.parties.len() >= PARTIES_MAX {
            return full(format!("a market knows at most {PARTIES_MAX} offers and bids of a day"));
        }
        let known: usize = if serials == 0 { 0 } else { market.serial_numbers() };
        if known + serials > SERIALS_MAX {
            return full(format!("the offers that stand have at most {SERIALS_MAX} serial numbers"));
        }
        Ok(())
    }

    /// Those that not everybody may meet are looked at one by one.
    fn check_wishes(&self, side: Side) -> Result<(), Refusal> {
        if self.market().is_some_and(|market| market.book.particular(side) >= WISHES_MAX) {
            let why = format!("at most {WISHES_MAX} of a side stand with a seller or a minimum");
            return Err(Refusal::BookRefused { code: "book_full", why });
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
