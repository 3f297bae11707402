//! An offer or a bid.

use compact_str::CompactString;
use minicbor::{Decode, Encode};

use super::serials::Serials;
use crate::book::Side;
use crate::{Amount, Currency, CustomerId, Quantity, Timestamp, codec};

/// How a bid pays for what it gets.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum BidPayment {
    /// From wallet money that is set aside while the bid stands.
    #[n(0)]
    Wallet,
    /// With a stored credential, charged for each fill.
    #[n(1)]
    Card {
        /// The credential.
        #[cbor(n(0), with = "codec::text")]
        token: CompactString,
    },
}

/// An offer or a bid, while it stands and for a day after.
///
/// `offered = open + held + sold + withdrawn`, where held units are those of fills that are not shipped.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Party {
    /// Supply: an offer; demand: a bid.
    #[n(0)]
    pub side: Side,
    /// The seller, or the customer.
    #[n(1)]
    pub owner: CustomerId,
    /// Lowest price that is asked, or highest that is paid, for one unit.
    #[n(2)]
    pub price: Amount,
    /// All units it ever brought.
    #[n(3)]
    pub offered: Quantity,
    /// Units to be had now, what an iceberg hides included.
    #[n(4)]
    pub open: Quantity,
    /// Units of fills that are neither shipped nor given back.
    #[n(5)]
    pub held: Quantity,
    /// Units shipped; of a bid also those that the house holds for it.
    #[n(6)]
    pub sold: Quantity,
    /// How a bid pays.
    #[n(7)]
    pub payment: Option<BidPayment>,
    /// A digest of the request that made it.
    #[n(8)]
    pub body_digest: u64,
    /// When it came in.
    #[n(9)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[n(10)]
    pub expires_at: Option<Timestamp>,
    /// A bid that buys from this seller only.
    #[n(11)]
    pub seller: Option<CustomerId>,
    /// The serial numbers of an offer's units; forgotten with the last of them.
    #[n(12)]
    pub serials: Option<Box<Serials>>,
    /// Of the held units, those that are paid and wait to be shipped.
    #[n(13)]
    pub allocated: Quantity,
}

impl Party {
    /// Units taken back, expired, or lost with the other side of a fill.
    pub const fn withdrawn(&self) -> Quantity {
        self.offered - self.open - self.held - self.sold
    }

    /// Whether nothing of it stands and nothing is held.
    pub const fn is_over(&self) -> bool {
        self.open == 0 && self.held == 0
    }

    /// What a wallet sets aside for a bid with so many units open: the most they can cost, in whole minor units. Each
    /// unit may become an order of its own, and each order is rounded.
    pub fn reserve(price: Amount, open: Quantity, currency: Currency) -> Option<Amount> {
        let unit = currency.minor_unit();
        Amount(price.0.checked_add(unit - 1)? / unit * unit).checked_times(open)
    }
}
