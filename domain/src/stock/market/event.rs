//! What happened in a market.

use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use super::claim::{ClaimFill, NewClaim};
use super::party::BidPayment;
use super::rules::MarketRules;
use super::serials::Serial;
use crate::book::BookEvent;
use crate::stock::ReleaseReason;
use crate::{Amount, BookOrderId, CustomerId, OrderId, Quantity, Timestamp, codec};

/// One fact about a market. Numbers are never reused; a new field is optional.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "the fields are the values that the variant's sentence names")]
pub enum MarketEvent {
    /// The first offer or bid is about to come in: the rules of the book from now on.
    #[n(0)]
    Opened(#[n(0)] MarketRules),
    /// Somebody offers. What the book makes of it follows.
    #[n(1)]
    Offered {
        #[n(0)]
        id: BookOrderId,
        #[n(1)]
        seller: CustomerId,
        #[n(2)]
        quantity: Quantity,
        #[n(3)]
        unit_price: Amount,
        #[n(4)]
        body_digest: u64,
        #[n(5)]
        at: Timestamp,
        #[n(6)]
        expires_at: Option<Timestamp>,
        /// The serial numbers of the units.
        #[n(7)]
        serials: Option<Box<Vec<Serial>>>,
    },
    /// Somebody bids. What the book makes of it follows.
    #[n(2)]
    Bid {
        #[n(0)]
        id: BookOrderId,
        #[n(1)]
        customer: CustomerId,
        #[n(2)]
        quantity: Quantity,
        #[n(3)]
        limit_price: Amount,
        #[n(4)]
        payment: BidPayment,
        #[n(5)]
        body_digest: u64,
        #[n(6)]
        at: Timestamp,
        #[n(7)]
        expires_at: Option<Timestamp>,
        #[n(8)]
        seller: Option<CustomerId>,
    },
    /// What happened in the book; the first has this number, and each next one more.
    #[n(3)]
    Traded {
        #[n(0)]
        first: u64,
        #[n(1)]
        events: Vec<BookEvent<BookOrderId>>,
    },
    /// Units of offers are an order's now.
    #[n(4)]
    Claimed {
        #[n(0)]
        order: OrderId,
        #[cbor(n(1), with = "codec::list")]
        claims: SmallVec<[NewClaim; 1]>,
        /// The payment was secured in the same turn.
        #[n(2)]
        settled: bool,
        /// Known only for a SKU with a limit per customer.
        #[n(3)]
        buyer: Option<CustomerId>,
        /// The order's own record lies in another partition and may not exist yet.
        #[n(4)]
        tentative: bool,
        /// The bid that the order comes from.
        #[n(5)]
        bid: Option<BookOrderId>,
    },
    /// The order's record of tentative claims exists.
    #[n(5)]
    ClaimsConfirmed {
        #[n(0)]
        order: OrderId,
    },
    /// All claims of the order are paid.
    #[n(6)]
    ClaimsSettled {
        #[n(0)]
        order: OrderId,
    },
    /// Units of a claim went back.
    #[n(7)]
    ClaimReleased {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        claim: u32,
        #[cbor(n(2), with = "codec::list")]
        fills: SmallVec<[ClaimFill; 1]>,
        #[n(3)]
        reason: ReleaseReason,
    },
    /// Units of a claim were shipped: they are sold.
    #[n(8)]
    ClaimShipped {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        claim: u32,
        #[cbor(n(2), with = "codec::list")]
        fills: SmallVec<[ClaimFill; 1]>,
        /// The serial numbers of the units.
        #[n(3)]
        serials: Option<Box<Vec<Serial>>>,
    },
    /// Sold units came back to their seller.
    #[n(9)]
    ClaimReturned {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        claim: u32,
        #[n(2)]
        quantity: Quantity,
        /// Given back from this customer's limit.
        #[n(3)]
        buyer: Option<CustomerId>,
    },
    /// Offers and bids that were over are forgotten: their ids are too old to be used again.
    #[n(10)]
    Forgotten {
        #[n(0)]
        ids: Vec<BookOrderId>,
    },
}

impl MarketEvent {
    /// The public name of the movement.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Opened(_) => "market_opened",
            Self::Offered { .. } => "offered",
            Self::Bid { .. } => "bid",
            Self::Traded { .. } => "traded",
            Self::Claimed { settled: false, .. } => "claimed",
            Self::Claimed { settled: true, .. } => "claim_allocated",
            Self::ClaimsConfirmed { .. } => "claims_confirmed",
            Self::ClaimsSettled { .. } => "claims_settled",
            Self::ClaimReleased { .. } => "claim_released",
            Self::ClaimShipped { .. } => "claim_shipped",
            Self::ClaimReturned { .. } => "claim_returned",
            Self::Forgotten { .. } => "market_ids_forgotten",
        }
    }
}
