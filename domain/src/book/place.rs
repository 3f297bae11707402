//! A new order comes in.

use super::command::{Place, Source, TimeInForce};
use super::config::{Allocation, Context};
use super::entry::NONE;
use super::event::{BookEvent, EndReason, Terms};
use super::ladder::rank;
use super::probe::Probe;
use super::refusal::BookRefusal;
use super::state::Book;
use super::take::{HouseLeft, Taker};
use super::view::PreviewFill;
use super::{BOOK_QUANTITY_MAX, Key, ORDERS_MAX, PRICE_MAX, Price, Side};
use crate::Quantity;

/// What was found before anything changed.
struct Prospect<K> {
    taker: Taker<K>,
    rests: bool,
    /// It takes nothing now: its minimum is not there, or it stands behind one that waits.
    waits: bool,
}

impl<K: Key> Book<K> {
    #[inline]
    pub(super) fn place(
        &mut self,
        place: &Place<K>,
        context: &Context,
        events: &mut Vec<BookEvent<K>>,
    ) -> Result<(), BookRefusal> {
        let mut house = HouseLeft::new(context, self.config.lot);
        let Prospect { mut taker, rests, waits } = self.prospect(place, context, &house)?;
        if rests {
            let ordinal = self.ordinal_last + 1;
            let plain = place.is_plain() && place.self_trade.is_none();
            let (terms, flags) = if plain { (Terms::default(), 0) } else { place.terms() };
            let &Place { id, owner, side, quantity, .. } = place;
            // Only an order with a price rests.
            let price = place.price.unwrap_or_default();
            taker.slot = self.insert(id, owner, side, price, quantity, ordinal, (&terms, flags));
            events.push(BookEvent::Placed { id, owner, side, price, quantity, ordinal, terms });
        }
        if !waits {
            self.take(&mut taker, &mut house, events);
        }
        if !taker.ended {
            if rests {
                self.tidy(taker.slot);
            } else if taker.remaining > 0 {
                let reason = EndReason::Immediate;
                events.push(BookEvent::Ended { id: place.id, quantity: taker.remaining, reason });
            }
        }
        self.uncross(&mut house, events);
        Ok(())
    }

    /// Every rule a new order must pass, in the order of the refusals.
    #[inline(always)]
    fn prospect(&self, place: &Place<K>, context: &Context, house: &HouseLeft) -> Result<Prospect<K>, BookRefusal> {
        if self.find(place.id).is_some() {
            return Err(BookRefusal::IdTaken);
        }
        self.check_quantity(place.quantity)?;
        if let Some(price) = place.price {
            if !place.is_plain() {
                self.check_lots(place)?;
            }
            self.check_price(price)?;
        } else {
            self.check_lots(place)?;
        }
        if !place.is_plain() {
            self.check_terms(place, context)?;
        }
        let rests = matches!(place.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd(_));
        if self.auction && !rests {
            return Err(BookRefusal::AuctionOpen);
        }
        let taker = self.taker(place);
        let own_rank = place.price.map_or(i64::MAX, |price| rank(place.side, price));
        let blocked = self.is_behind_blocked(place.side, own_rank, NONE, house);
        let mut waits = self.auction || blocked;
        let all = place.time_in_force == TimeInForce::Fok;
        if !self.auction && (all || place.minimum > 1 || place.post_only) {
            let probe = if blocked { Probe::default() } else { self.probe(&taker, house) };
            if place.post_only && probe.acts {
                return Err(BookRefusal::WouldTrade);
            }
            let enough = probe.traded >= if all { place.quantity } else { place.minimum };
            if !rests && !enough {
                return Err(BookRefusal::Unfillable { available: probe.traded });
            }
            waits |= !enough;
        }
        if rests && self.index.len() >= ORDERS_MAX {
            return Err(BookRefusal::BookFull { limit: ORDERS_MAX });
        }
        Ok(Prospect { taker, rests, waits })
    }

    #[inline(always)]
    fn taker(&self, place: &Place<K>) -> Taker<K> {
        let limit = match (place.price, self.config.band, place.side) {
            (Some(price), ..) => rank(place.side.opposite(), price),
            (None, None, _) => i64::MIN,
            (None, Some(band), Side::Demand) => rank(Side::Supply, band.high),
            (None, Some(band), Side::Supply) => rank(Side::Demand, band.low),
        };
        Taker {
            id: place.id,
            owner: place.owner,
            side: place.side,
            limit,
            remaining: place.quantity,
            source: place.source,
            self_trade: place.self_trade.unwrap_or(self.config.self_trade),
            slot: NONE,
            ended: false,
        }
    }

    #[inline]
    pub(super) fn check_quantity(&self, quantity: Quantity) -> Result<(), BookRefusal> {
        check_units(quantity)?;
        self.check_lot(quantity)
    }

    #[inline]
    fn check_lot(&self, quantity: Quantity) -> Result<(), BookRefusal> {
        let lot = self.config.lot;
        // Most books trade single units; a division costs more than all else here.
        if lot > 1 && !quantity.is_multiple_of(lot) { Err(BookRefusal::LotInvalid { lot }) } else { Ok(()) }
    }

    fn check_lots(&self, place: &Place<K>) -> Result<(), BookRefusal> {
        // One unit is no wish.
        self.check_lot(if place.minimum > 1 { place.minimum } else { 0 })?;
        self.check_lot(place.displayed.unwrap_or(0))
    }

    #[inline]
    pub(super) fn check_price(&self, price: Price) -> Result<(), BookRefusal> {
        if !(0..=PRICE_MAX).contains(&price) {
            return Err(BookRefusal::PriceInvalid { max: PRICE_MAX });
        }
        let tick = self.config.tick;
        if tick > 1 && price % tick != 0 {
            return Err(BookRefusal::TickInvalid { tick });
        }
        match self.config.band {
            Some(band) if price < band.low || price > band.high => {
                Err(BookRefusal::PriceOutOfBand { low: band.low, high: band.high })
            }
            _ => Ok(()),
        }
    }

    fn check_terms(&self, place: &Place<K>, context: &Context) -> Result<(), BookRefusal> {
        let immediate = matches!(place.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        let iceberg = place.displayed.is_some();
        let pro_rata = self.config.allocation == Allocation::ProRata;
        for (wrong, why) in [
            (place.price.is_none() && !immediate, "a market order is immediate"),
            (place.post_only && immediate, "a post-only order rests"),
            (place.post_only && place.minimum > 1, "a post-only order has no minimum"),
            (place.side == Side::Supply && place.source != Source::Anyone, "only demand names a source"),
            (place.minimum > place.quantity, "the minimum is above the quantity"),
            (place.displayed == Some(0), "an iceberg shows something"),
            (iceberg && immediate, "an iceberg rests"),
            (iceberg && place.minimum > 1, "an iceberg has no minimum"),
            (pro_rata && !immediate && place.minimum > 1, "nobody waits for a minimum where all share"),
        ] {
            if wrong {
                return Err(BookRefusal::TermsInvalid { why });
            }
        }
        match place.time_in_force {
            TimeInForce::Gtd(time) if time <= context.now => Err(BookRefusal::AlreadyExpired),
            _ => Ok(()),
        }
    }

    /// The fills that placing the order would make.
    pub(super) fn preview_place(
        &self,
        place: &Place<K>,
        context: &Context,
    ) -> Result<Vec<PreviewFill<K>>, BookRefusal> {
        let house = HouseLeft::new(context, self.config.lot);
        let prospect = self.prospect(place, context, &house)?;
        let mut fills = Vec::new();
        if !prospect.waits {
            self.probe_telling(&prospect.taker, &house, &mut |fill| fills.push(fill));
        }
        Ok(fills)
    }
}

impl<K> Place<K> {
    /// True for what nearly all orders are: a price, and no wishes.
    #[inline]
    fn is_plain(&self) -> bool {
        self.price.is_some()
            && self.minimum <= 1
            && !self.post_only
            && self.source == Source::Anyone
            && self.displayed.is_none()
            && !matches!(self.time_in_force, TimeInForce::Gtd(_))
    }

    /// Its wishes, and the flags they make.
    #[cold]
    fn terms(&self) -> (Terms, u8) {
        let terms = Terms {
            expires_at: match self.time_in_force {
                TimeInForce::Gtd(time) => Some(time),
                _ => None,
            },
            minimum: if self.minimum > 1 { self.minimum } else { 0 },
            source: self.source,
            displayed: self.displayed,
            post_only: self.post_only,
            self_trade: self.self_trade,
        };
        (terms, terms.flags())
    }
}

/// Refuses what is no number of units.
#[inline]
pub(super) const fn check_units(quantity: Quantity) -> Result<(), BookRefusal> {
    if quantity == 0 || quantity > BOOK_QUANTITY_MAX {
        return Err(BookRefusal::QuantityInvalid { max: BOOK_QUANTITY_MAX });
    }
    Ok(())
}
