//! What sellers and bidders can ask of a market.

use super::party::BidPayment;
use super::serials::Serial;
use crate::book::{Side, TimeInForce};
use crate::{BookOrderId, CustomerId, Money, Quantity};

/// A new offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOffer {
    /// Its id; the idempotency key of the command.
    pub id: BookOrderId,
    /// Who sells.
    pub seller: CustomerId,
    /// Units.
    pub quantity: Quantity,
    /// What one costs, at least.
    pub unit_price: Money,
    /// How long it stands.
    pub time_in_force: TimeInForce,
    /// Refused if it would be sold at once.
    pub post_only: bool,
    /// The first sale is of at least this many units; 0 or 1 for no such wish.
    pub minimum: Quantity,
    /// Shows at most this many units at a time.
    pub displayed: Option<Quantity>,
    /// One serial number for each unit, or none at all.
    pub serials: Vec<Serial>,
    /// A digest of the request: the same id with another digest is a conflict.
    pub body_digest: u64,
}

/// A new bid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBid {
    /// Its id; the idempotency key of the command.
    pub id: BookOrderId,
    /// Who buys.
    pub customer: CustomerId,
    /// Units.
    pub quantity: Quantity,
    /// What one may cost, at most.
    pub limit_price: Money,
    /// How long it stands.
    pub time_in_force: TimeInForce,
    /// Refused if it would buy at once.
    pub post_only: bool,
    /// The first fill is of at least this many units; 0 or 1 for no such wish.
    pub minimum: Quantity,
    /// Buys from this seller only.
    pub seller: Option<CustomerId>,
    /// How it pays for what it gets.
    pub payment: BidPayment,
    /// A digest of the request: the same id with another digest is a conflict.
    pub body_digest: u64,
}

/// A command to a market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarketCommand {
    /// Somebody sells.
    Offer(NewOffer),
    /// Somebody buys.
    Bid(NewBid),
    /// Another price, another number of open units, or both. Fewer units at the same price keep their place in line,
    /// anything else goes to its end.
    Amend {
        /// Which.
        id: BookOrderId,
        /// An offer or a bid.
        side: Side,
        /// The new price.
        price: Option<Money>,
        /// The new number of open units.
        quantity: Option<Quantity>,
    },
    /// What stands of it ends; units of its fills stay held.
    Withdraw {
        /// Which.
        id: BookOrderId,
        /// An offer or a bid.
        side: Side,
    },
    /// Everything that stands ends: of a side, of an owner, or of both.
    WithdrawAll {
        /// Offers or bids.
        side: Option<Side>,
        /// Whose.
        owner: Option<CustomerId>,
    },
}
