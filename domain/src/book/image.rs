//! The book as a value: what a snapshot writes down, and what two books are compared by.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use super::command::Owner;
use super::config::{BookConfig, FillMode};
use super::entry::{Account, Cold, NONE, UNMET};
use super::event::{FillId, Maker, Terms};
use super::ladder::rank;
use super::state::{Book, Hold};
use super::{BOOK_QUANTITY_MAX, Key, ORDERS_MAX, PRICE_MAX, Price, Side};
use crate::Quantity;

/// An order that stands or has held units.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "the fields are those of the event that placed it, and its account")]
pub struct OrderImage<K> {
    #[n(0)]
    pub id: K,
    #[n(1)]
    pub owner: Owner,
    #[n(2)]
    pub side: Side,
    #[n(3)]
    pub price: Price,
    #[n(4)]
    pub ordinal: u64,
    #[n(5)]
    pub open: Quantity,
    #[n(6)]
    pub reserve: Quantity,
    #[n(7)]
    pub account: Account,
    #[n(8)]
    pub terms: Terms,
    /// Its minimum binds still.
    #[n(9)]
    pub unmet: bool,
}

/// A fill with held units.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "the fields are those of the event that made it")]
pub struct HoldImage<K> {
    #[n(0)]
    pub fill: FillId,
    #[n(1)]
    pub supply: Maker<K>,
    #[n(2)]
    pub demand: K,
    #[n(3)]
    pub price: Price,
    #[n(4)]
    pub held: Quantity,
    /// The supply is an order of the image; an id alone would not tell, as that of an immediate order may be used again.
    #[n(5)]
    pub supply_stands: bool,
    /// The demand is an order of the image.
    #[n(6)]
    pub demand_stands: bool,
}

/// A whole book. Equal books have equal images, however they came to be.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BookImage<K> {
    /// The rules.
    #[n(0)]
    pub config: BookConfig,
    /// Events so far.
    #[n(1)]
    pub sequence: u64,
    /// The last place in line that was given.
    #[n(2)]
    pub ordinal_last: u64,
    /// The last fill.
    #[n(3)]
    pub fill_last: u64,
    /// An auction is open.
    #[n(4)]
    pub auction: bool,
    /// Orders by side (supply first) and priority.
    #[n(5)]
    pub orders: Vec<OrderImage<K>>,
    /// Held fills by number.
    #[n(6)]
    pub holds: Vec<HoldImage<K>>,
}

/// An image that no book could have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the image of a book: {what}")]
pub struct ImageInvalid {
    /// What is wrong.
    pub what: &'static str,
}

impl<K: Key> Book<K> {
    /// The book as a value.
    #[must_use]
    pub fn image(&self) -> BookImage<K> {
        let live = (0..self.entries.len() as u32).filter(|&slot| self.lives(slot));
        let mut orders: Vec<_> = live.map(|slot| self.order_image(slot)).collect();
        orders.sort_by_key(|order| (order.side, -rank(order.side, order.price), order.ordinal));
        let mut holds: Vec<_> = self.holds.iter().map(|(&fill, hold)| hold.image(FillId(fill))).collect();
        holds.sort_by_key(|hold| hold.fill);
        BookImage {
            config: self.config,
            sequence: self.sequence,
            ordinal_last: self.ordinal_last,
            fill_last: self.fill_last,
            auction: self.auction,
            orders,
            holds,
        }
    }

    fn order_image(&self, slot: u32) -> OrderImage<K> {
        let entry = self.entry(slot);
        OrderImage {
            id: entry.id,
            owner: entry.owner,
            side: entry.side,
            price: entry.price,
            ordinal: entry.ordinal,
            open: entry.open,
            reserve: self.reserve(slot),
            account: self.account(slot),
            terms: self.terms(slot),
            unmet: entry.flags & UNMET != 0,
        }
    }

    /// The book again.
    ///
    /// # Errors
    /// [`ImageInvalid`] if no book could have made the image.
    pub fn from_image(image: &BookImage<K>) -> Result<Self, ImageInvalid> {
        let mut book = Self::new(image.config);
        ensure(image.orders.len() <= ORDERS_MAX, "too many orders")?;
        for order in &image.orders {
            book.restore_order(order, image.ordinal_last)?;
        }
        for hold in &image.holds {
            book.restore_hold(hold, image.fill_last)?;
        }
        let mut held = vec![0_u128; image.orders.len()];
        for hold in book.holds.values() {
            for slot in hold.slots.into_iter().filter(|&slot| slot != NONE) {
                held[slot as usize] += u128::from(hold.held);
            }
        }
        let accounted = image.orders.iter().map(|order| u128::from(order.account.held));
        ensure(accounted.eq(held), "held units without their fills")?;
        (book.sequence, book.ordinal_last, book.fill_last) = (image.sequence, image.ordinal_last, image.fill_last);
        book.auction = image.auction;
        Ok(book)
    }

    fn restore_order(&mut self, order: &OrderImage<K>, ordinal_last: u64) -> Result<(), ImageInvalid> {
        let Account { offered, held, sold, withdrawn, owed } = order.account;
        let sum = [order.open, order.reserve, held, sold, withdrawn].into_iter().map(u128::from).sum::<u128>();
        ensure(self.find(order.id).is_none(), "two orders have one id")?;
        ensure((0..=PRICE_MAX).contains(&order.price), "a price out of range")?;
        ensure(order.ordinal <= ordinal_last, "an ordinal from the future")?;
        ensure(order.open > 0 || (held > 0 && order.reserve == 0), "an order of which nothing is left")?;
        ensure(order.open.max(order.reserve) <= BOOK_QUANTITY_MAX << 8, "a quantity out of range")?;
        ensure(order.reserve == 0 || order.terms.displayed.is_some(), "a reserve without an iceberg")?;
        ensure(!order.unmet || order.terms.minimum > 1, "an unmet minimum without a minimum")?;
        ensure(owed <= held, "more is owed than held")?;
        if self.config.fills == FillMode::Hold {
            ensure(sum == u128::from(offered), "an account that does not add up")?;
        }
        let (id, owner, side, price) = (order.id, order.owner, order.side, order.price);
        let slot = self.insert(id, owner, side, price, order.open, order.ordinal, (&order.terms, order.terms.flags()));
        if !order.unmet {
            self.entries[slot as usize].flags &= !UNMET;
        }
        if let Some(cold) = self.cold.get_mut(&slot) {
            *cold = Cold { terms: order.terms, reserve: order.reserve };
            self.entries[slot as usize].open = order.open;
        }
        if let Some(account) = self.accounts.get_mut(slot as usize) {
            *account = order.account;
        }
        if let Some(time) = order.terms.expires_at
            && self.standing(slot) == 0
        {
            self.due.remove(&(time, order.id));
        }
        if order.open > 0 {
            self.link(slot);
        }
        Ok(())
    }

    fn restore_hold(&mut self, hold: &HoldImage<K>, fill_last: u64) -> Result<(), ImageInvalid> {
        ensure(self.config.fills == FillMode::Hold, "held fills in a bare exchange")?;
        ensure(hold.held > 0 && hold.fill.0 <= fill_last, "a fill that holds nothing or comes from the future")?;
        ensure(!self.holds.contains_key(&hold.fill.0), "two fills have one number")?;
        let mut slots = [NONE; 2];
        let parties = [(hold.supply, hold.supply_stands), (Maker::Order(hold.demand), hold.demand_stands)];
        for (side, (party, _)) in [Side::Supply, Side::Demand].into_iter().zip(parties).filter(|(_, party)| party.1) {
            let Maker::Order(id) = party else { return Err(ImageInvalid { what: "the house is no order" }) };
            let slot = self.find(id).filter(|&slot| self.entry(slot).side == side);
            slots[side as usize] = slot.ok_or(ImageInvalid { what: "a fill of an order that is not there" })?;
        }
        let &HoldImage { fill, supply, demand, price, held, .. } = hold;
        self.remember(fill, Hold { supply, demand, price, held, slots });
        Ok(())
    }
}

impl<K: Copy> Hold<K> {
    fn image(&self, fill: FillId) -> HoldImage<K> {
        HoldImage {
            fill,
            supply: self.supply,
            demand: self.demand,
            price: self.price,
            held: self.held,
            supply_stands: self.slots[Side::Supply as usize] != NONE,
            demand_stands: self.slots[Side::Demand as usize] != NONE,
        }
    }
}

fn ensure(holds: bool, what: &'static str) -> Result<(), ImageInvalid> {
    if holds { Ok(()) } else { Err(ImageInvalid { what }) }
}

impl<C, K: Key + Encode<C>> Encode<C> for Book<K> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.image().encode(e, ctx)
    }
}

impl<'b, C, K: Key + Decode<'b, C>> Decode<'b, C> for Book<K> {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        let image = BookImage::decode(d, ctx)?;
        Self::from_image(&image).map_err(|invalid| DecodeError::message(invalid.what))
    }
}
