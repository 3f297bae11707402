//! What happened in a book: complete facts, enough to rebuild it.

use minicbor::{Decode, Encode};

use super::command::{Owner, SelfTrade, Source};
use super::config::Band;
use super::{Price, Side};
use crate::{Quantity, Timestamp};

/// The number of a fill: 1, 2, 3, ... in one book, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct FillId(#[n(0)] pub u64);

/// Who was there first in a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub enum Maker<K> {
    /// The shop's own stock.
    #[n(0)]
    House,
    /// A resting order.
    #[n(1)]
    Order(#[n(0)] K),
}

/// Why units left the book without a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum EndReason {
    /// Its owner asked.
    #[n(0)]
    Cancelled,
    /// Its time has come.
    #[n(1)]
    Expired,
    /// An immediate order does not wait.
    #[n(2)]
    Immediate,
    /// It would have traded with its own owner.
    #[n(3)]
    SelfTrade,
}

/// The wishes of an order beyond price and quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Terms {
    /// When it ends by itself.
    #[n(0)]
    pub expires_at: Option<Timestamp>,
    /// Units of its first execution; 0 or 1 for no such wish.
    #[n(1)]
    pub minimum: Quantity,
    /// Whose supply it takes.
    #[n(2)]
    pub source: Source,
    /// What an iceberg shows at a time.
    #[n(3)]
    pub displayed: Option<Quantity>,
    /// It never takes, also when it is amended.
    #[n(4)]
    pub post_only: bool,
    /// Overrides the book's rule.
    #[n(5)]
    pub self_trade: Option<SelfTrade>,
}

/// One fact about a book. Numbers are never reused; a new field is optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "the fields are the field's standard terms; each variant says what it means")]
pub enum BookEvent<K> {
    /// An order that may rest came in. Its fills, if any, follow; what they leave open rests.
    #[n(0)]
    Placed {
        #[n(0)]
        id: K,
        #[n(1)]
        owner: Owner,
        #[n(2)]
        side: Side,
        #[n(3)]
        price: Price,
        #[n(4)]
        quantity: Quantity,
        /// Its place in line at its price.
        #[n(5)]
        ordinal: u64,
        #[n(6)]
        terms: Terms,
    },
    /// A taker met a maker, at the maker's price (in an auction: at the clearing price).
    #[n(1)]
    Filled {
        #[n(0)]
        fill: FillId,
        #[n(1)]
        maker: Maker<K>,
        #[n(2)]
        taker: K,
        /// The taker's side.
        #[n(3)]
        side: Side,
        #[n(4)]
        price: Price,
        #[n(5)]
        quantity: Quantity,
    },
    /// All that stood of an order ended; for an immediate order, what it did not get.
    #[n(2)]
    Ended {
        #[n(0)]
        id: K,
        /// Open units that ended.
        #[n(1)]
        quantity: Quantity,
        #[n(2)]
        reason: EndReason,
    },
    /// Units were taken from an order that stands on in its place. For an immediate order only with the reason
    /// `SelfTrade`.
    #[n(3)]
    Reduced {
        #[n(0)]
        id: K,
        #[n(1)]
        quantity: Quantity,
        #[n(2)]
        reason: EndReason,
    },
    /// An order stands at a new price or with more units, at the end of the line; its fills, if any, follow.
    #[n(4)]
    Amended {
        #[n(0)]
        id: K,
        #[n(1)]
        price: Price,
        /// Its open units.
        #[n(2)]
        quantity: Quantity,
        #[n(3)]
        ordinal: u64,
    },
    /// An iceberg shows its next slice, at the end of the line.
    #[n(5)]
    Refreshed {
        #[n(0)]
        id: K,
        #[n(1)]
        quantity: Quantity,
        #[n(2)]
        ordinal: u64,
    },
    /// Held units were sold.
    #[n(6)]
    Settled {
        #[n(0)]
        fill: FillId,
        #[n(1)]
        quantity: Quantity,
    },
    /// Held units went back.
    #[n(7)]
    Released {
        #[n(0)]
        fill: FillId,
        #[n(1)]
        quantity: Quantity,
        #[n(2)]
        returns: Side,
        /// Units that are open again; the others followed what became of their order. For the house: all.
        #[n(3)]
        reopened: Quantity,
    },
    /// New price limits.
    #[n(8)]
    BandSet {
        #[n(0)]
        band: Option<Band>,
    },
    /// Orders gather without trading.
    #[n(9)]
    AuctionOpened,
    /// The auction's outcome, before its fills: price and volume, or none if nothing trades; and what stays
    /// unfilled at that price (positive: demand).
    #[n(10)]
    Uncrossed {
        #[n(0)]
        price: Option<Price>,
        #[n(1)]
        quantity: Quantity,
        #[n(2)]
        imbalance: i64,
    },
}
