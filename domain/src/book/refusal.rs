//! Why a book says no. A refused command changed nothing and emitted nothing.

use super::Price;
use crate::Quantity;

/// Why a command was refused. Where several apply, the first in this list is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message is its documentation; the fields are the values in it")]
pub enum BookRefusal {
    #[error("no such order stands in the book")]
    OrderUnknown,
    #[error("no such fill is held")]
    FillUnknown,
    #[error("an order of the book has this id")]
    IdTaken,
    #[error("a quantity is from 1 to {max}")]
    QuantityInvalid { max: Quantity },
    #[error("quantities are multiples of the lot, {lot}")]
    LotInvalid { lot: Quantity },
    #[error("a price is from 0 to {max}")]
    PriceInvalid { max: Price },
    #[error("prices are multiples of the tick, {tick}")]
    TickInvalid { tick: Price },
    #[error("prices are from {low} to {high}")]
    PriceOutOfBand { low: Price, high: Price },
    #[error("only {limit} units are there to take")]
    QuantityTooLarge { limit: Quantity },
    #[error("these terms do not go together: {why}")]
    TermsInvalid { why: &'static str },
    #[error("its time has already passed")]
    AlreadyExpired,
    #[error("immediate orders wait until the auction is over")]
    AuctionOpen,
    #[error("no auction is open")]
    NoAuction,
    #[error("it would trade at once")]
    WouldTrade,
    #[error("only {available} of the wanted units can be had")]
    Unfillable { available: Quantity },
    #[error("the book is full: {limit} orders")]
    BookFull { limit: usize },
}

impl BookRefusal {
    /// The stable name of the refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OrderUnknown => "order_unknown",
            Self::FillUnknown => "fill_unknown",
            Self::IdTaken => "id_taken",
            Self::QuantityInvalid { .. } => "quantity_invalid",
            Self::LotInvalid { .. } => "lot_invalid",
            Self::PriceInvalid { .. } => "price_invalid",
            Self::TickInvalid { .. } => "tick_invalid",
            Self::PriceOutOfBand { .. } => "price_out_of_band",
            Self::QuantityTooLarge { .. } => "quantity_too_large",
            Self::TermsInvalid { .. } => "terms_invalid",
            Self::AlreadyExpired => "already_expired",
            Self::AuctionOpen => "auction_open",
            Self::NoAuction => "no_auction",
            Self::WouldTrade => "would_trade",
            Self::Unfillable { .. } => "unfillable",
            Self::BookFull { .. } => "book_full",
        }
    }
}
