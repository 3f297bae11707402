//! What can be seen of a book.

use super::command::Owner;
use super::event::{FillId, Maker};
use super::{Price, Side};
use crate::Quantity;

/// The open units at one price. An iceberg counts with what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelDepth {
    /// The price.
    pub price: Price,
    /// Open units.
    pub quantity: u128,
    /// Orders.
    pub orders: u32,
}

/// An order with open units, or with units that may come back to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderView<K> {
    /// Its id.
    pub id: K,
    /// Whose it is.
    pub owner: Owner,
    /// Supply or demand.
    pub side: Side,
    /// Its price.
    pub price: Price,
    /// Its place in line at its price.
    pub ordinal: u64,
    /// Units to be had now; of an iceberg what it shows.
    pub open: Quantity,
    /// Units behind what an iceberg shows.
    pub reserve: Quantity,
    /// Units of its fills that are neither settled nor released.
    pub held: Quantity,
}

/// A fill with held units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillView<K> {
    /// Its number.
    pub id: FillId,
    /// The supply: the house or an order (a resting one, or an immediate one that has no place to go back to).
    pub supply: Maker<K>,
    /// The demand.
    pub demand: K,
    /// The price of a unit.
    pub price: Price,
    /// Units still held.
    pub held: Quantity,
}

/// A fill that would be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewFill<K> {
    /// The other party.
    pub maker: Maker<K>,
    /// The price of a unit.
    pub price: Price,
    /// Units.
    pub quantity: Quantity,
}

/// One increment of the market data: what a level is like from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelChange {
    /// One more than that of the increment before.
    pub sequence: u64,
    /// The side.
    pub side: Side,
    /// What the level is like now; no quantity and no orders when it is gone.
    pub level: LevelDepth,
}
