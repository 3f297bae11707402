//! What a book is like, and what surrounds a command.

use minicbor::{Decode, Encode};

use super::Price;
use super::command::SelfTrade;
use crate::{Quantity, Timestamp};

/// When a fill is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum FillMode {
    /// A fill is a hold until it is settled or released.
    #[n(0)]
    #[default]
    Hold,
    /// A fill is a sale at once: a bare exchange.
    #[n(1)]
    Immediate,
}

/// Who is served first at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Allocation {
    /// The oldest.
    #[n(0)]
    #[default]
    PriceTime,
    /// All in proportion to their open units; units left over go one lot each to the largest remainders, the older
    /// first among equals.
    #[n(1)]
    ProRata,
}

/// What happens when the next in line cannot be filled because its minimum quantity is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum UnfillableHead {
    /// It is passed over and keeps its place.
    #[n(0)]
    #[default]
    Skip,
    /// Everybody behind it waits.
    #[n(1)]
    Block,
}

/// Lowest and highest price an order may name; a market order trades up to its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Band {
    /// Lowest.
    #[n(0)]
    pub low: Price,
    /// Highest.
    #[n(1)]
    pub high: Price,
}

/// The rules of one book; all but the band are fixed for its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct BookConfig {
    /// Prices are multiples of it; at least 1.
    #[n(0)]
    pub tick: Price,
    /// Quantities are multiples of it; at least 1.
    #[n(1)]
    pub lot: Quantity,
    /// Price limits, if any.
    #[n(2)]
    pub band: Option<Band>,
    /// When a fill is final.
    #[n(3)]
    pub fills: FillMode,
    /// Who is served first at one price.
    #[n(4)]
    pub allocation: Allocation,
    /// Whether an unfillable order blocks those behind it.
    #[n(5)]
    pub unfillable_head: UnfillableHead,
    /// What an order does that meets its owner's, unless it says otherwise.
    #[n(6)]
    pub self_trade: SelfTrade,
}

impl Default for BookConfig {
    fn default() -> Self {
        Self {
            tick: 1,
            lot: 1,
            band: None,
            fills: FillMode::Hold,
            allocation: Allocation::PriceTime,
            unfillable_head: UnfillableHead::Skip,
            self_trade: SelfTrade::Allow,
        }
    }
}

impl BookConfig {
    /// A bare exchange: fills are final.
    #[must_use]
    pub fn exchange() -> Self {
        Self { fills: FillMode::Immediate, ..Self::default() }
    }
}

/// The shop's own stock, as it is before the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct House {
    /// Its list price.
    pub price: Price,
    /// Units that may be filled; units that the command itself gives back to the house come on top.
    pub available: Quantity,
}

/// What a command is decided on besides the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Context {
    /// Engine time.
    pub now: Timestamp,
    /// The shop's own stock, if it sells.
    pub house: Option<House>,
}
