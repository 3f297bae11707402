//! The orders of a book, packed: one cache line of what every match touches, and two side tables for the rest.

use minicbor::{Decode, Encode};

use super::command::{Owner, Source};
use super::event::Terms;
use super::{Price, Side};
use crate::Quantity;

/// No slot, no level.
pub(super) const NONE: u32 = u32::MAX;

/// It has an entry in the table of terms.
pub(super) const TERMS: u8 = 1;
/// Its minimum quantity binds still.
pub(super) const UNMET: u8 = 2;
/// It takes from some sources only.
pub(super) const RESTRICTED: u8 = 4;
/// It shows a part only.
pub(super) const ICEBERG: u8 = 8;
/// Flags with which an order may not be the next to trade although it is the first in line.
pub(super) const PARTICULAR: u8 = UNMET | RESTRICTED;

/// What a match touches of an order: one cache line, and never parts of two.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(super) struct Entry<K> {
    pub id: K,
    pub ordinal: u64,
    pub price: Price,
    /// Open units; of an iceberg what it shows.
    pub open: Quantity,
    pub prev: u32,
    pub next: u32,
    /// Its level while it stands in line, else `NONE`.
    pub level: u32,
    pub owner: Owner,
    pub side: Side,
    pub flags: u8,
}

/// Where an order's units are. `offered = open + reserve + held + sold + withdrawn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Account {
    /// All units it ever brought.
    #[n(0)]
    pub offered: Quantity,
    /// In fills that are neither settled nor released.
    #[n(1)]
    pub held: Quantity,
    /// Sold.
    #[n(2)]
    pub sold: Quantity,
    /// Taken back, expired, or lost with the other side of a fill.
    #[n(3)]
    pub withdrawn: Quantity,
    /// Of the held ones, those that will be withdrawn instead of coming back.
    #[n(4)]
    pub owed: Quantity,
}

/// What few orders have.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cold {
    pub terms: Terms,
    /// Units behind what an iceberg shows.
    pub reserve: Quantity,
}

impl Terms {
    /// The flags of an order with these terms.
    pub(super) fn flags(&self) -> u8 {
        let mut flags = 0;
        if *self != Self::default() {
            flags |= TERMS;
        }
        if self.minimum > 1 {
            flags |= UNMET;
        }
        if self.source != Source::Anyone {
            flags |= RESTRICTED;
        }
        if self.displayed.is_some() {
            flags |= ICEBERG;
        }
        flags
    }
}

impl Source {
    /// True if demand with this source takes offers of the seller.
    #[inline]
    pub(super) fn allows(self, seller: Owner) -> bool {
        match self {
            Self::Anyone => true,
            Self::House => false,
            Self::Seller(wanted) => wanted.same(seller),
        }
    }

    /// True if demand with this source takes from the house.
    #[inline]
    pub(super) const fn allows_house(self) -> bool {
        !matches!(self, Self::Seller(_))
    }
}
