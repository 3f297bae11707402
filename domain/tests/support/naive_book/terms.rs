//! What a new order must be like.

use stockade_domain::Quantity;
use stockade_domain::book::{
    Allocation, BOOK_QUANTITY_MAX, BookRefusal, Context, Key, PRICE_MAX, Place, Price, Side, Source, Terms, TimeInForce,
};

use super::state::NaiveBook;
use super::walk::Taker;

pub(super) fn is_immediate(place: TimeInForce) -> bool {
    matches!(place, TimeInForce::Ioc | TimeInForce::Fok)
}

impl<K: Key> NaiveBook<K> {
    pub(super) fn check_quantity(&self, quantity: Quantity) -> Result<(), BookRefusal> {
        if quantity == 0 || quantity > BOOK_QUANTITY_MAX {
            return Err(BookRefusal::QuantityInvalid { max: BOOK_QUANTITY_MAX });
        }
        Ok(())
    }

    pub(super) fn check_lot(&self, quantity: Quantity) -> Result<(), BookRefusal> {
        let lot = self.config.lot;
        if quantity.is_multiple_of(lot) { Ok(()) } else { Err(BookRefusal::LotInvalid { lot }) }
    }

    pub(super) fn check_price(&self, price: Price) -> Result<(), BookRefusal> {
        if !(0..=PRICE_MAX).contains(&price) {
            return Err(BookRefusal::PriceInvalid { max: PRICE_MAX });
        }
        if price % self.config.tick != 0 {
            return Err(BookRefusal::TickInvalid { tick: self.config.tick });
        }
        match self.config.band {
            Some(band) if price < band.low || price > band.high => {
                Err(BookRefusal::PriceOutOfBand { low: band.low, high: band.high })
            }
            _ => Ok(()),
        }
    }

    /// Refuses what may not even be tried, in the order of the refusals.
    pub(super) fn check_place(&self, place: &Place<K>, context: &Context) -> Result<(), BookRefusal> {
        if self.find(place.id).is_some() {
            return Err(BookRefusal::IdTaken);
        }
        self.check_quantity(place.quantity)?;
        self.check_lot(place.quantity)?;
        if place.minimum > 1 {
            self.check_lot(place.minimum)?;
        }
        self.check_lot(place.displayed.unwrap_or(0))?;
        if let Some(price) = place.price {
            self.check_price(price)?;
        }
        if let Some(why) = self.misfit(place) {
            return Err(BookRefusal::TermsInvalid { why });
        }
        if matches!(place.time_in_force, TimeInForce::Gtd(at) if at <= context.now) {
            return Err(BookRefusal::AlreadyExpired);
        }
        if self.in_auction && is_immediate(place.time_in_force) {
            return Err(BookRefusal::AuctionOpen);
        }
        Ok(())
    }

    /// What of its terms does not go together.
    fn misfit(&self, place: &Place<K>) -> Option<&'static str> {
        let immediate = is_immediate(place.time_in_force);
        let wants_a_minimum = place.minimum > 1;
        let misfits = [
            ("a market order does not wait", place.price.is_none() && !immediate),
            ("an immediate order takes", place.post_only && immediate),
            ("what takes nothing takes no minimum", place.post_only && wants_a_minimum),
            ("supply has no source", place.source != Source::Anyone && place.side == Side::Supply),
            ("a minimum above the quantity", place.minimum > place.quantity),
            ("an iceberg shows something", place.displayed == Some(0)),
            ("an immediate order shows nothing", place.displayed.is_some() && immediate),
            ("an iceberg has no minimum", place.displayed.is_some() && wants_a_minimum),
            (
                "where all share nobody waits for a minimum",
                self.config.allocation == Allocation::ProRata && !immediate && wants_a_minimum,
            ),
        ];
        misfits.into_iter().find(|(_, misfit)| *misfit).map(|(why, _)| why)
    }

    /// The order as a taker. A market order trades up to the edge of the band.
    pub(super) fn new_taker(&self, place: &Place<K>) -> Taker<K> {
        let edge = self.config.band.map(|band| match place.side {
            Side::Supply => band.low,
            Side::Demand => band.high,
        });
        let least = match place.time_in_force {
            TimeInForce::Fok => place.quantity,
            _ => place.minimum.max(1),
        };
        Taker {
            id: place.id,
            owner: place.owner,
            side: place.side,
            limit: place.price.or(edge),
            stands_at: place.price,
            left: place.quantity,
            least,
            has_wish: place.minimum > 1,
            source: place.source,
            self_trade: self.self_trade(place.self_trade),
            ordinal: u64::MAX,
        }
    }
}

pub(super) fn terms_of<K>(place: &Place<K>) -> Terms {
    Terms {
        expires_at: match place.time_in_force {
            TimeInForce::Gtd(at) => Some(at),
            _ => None,
        },
        minimum: if place.minimum > 1 { place.minimum } else { 0 },
        source: place.source,
        displayed: place.displayed,
        post_only: place.post_only,
        self_trade: place.self_trade,
    }
}
