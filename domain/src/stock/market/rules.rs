//! What prices and quantities a market takes: the part of a SKU's definition that is about its book.

use minicbor::{Decode, Encode};

use crate::book::{Band, BookConfig, PRICE_MAX, SelfTrade};
use crate::{Amount, Quantity, Refusal};

/// The rules of a SKU's book. All but the band are fixed from the first offer or bid on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct MarketRules {
    /// Prices are multiples of it.
    #[n(0)]
    pub tick: Amount,
    /// Quantities of offers, bids and lines that take from the book are multiples of it.
    #[n(1)]
    pub lot: Quantity,
    /// Lowest and highest price of offers and bids to come.
    #[n(2)]
    pub band: Option<(Amount, Amount)>,
    /// What happens when somebody would buy from himself.
    #[n(3)]
    pub self_trade: SelfTrade,
    /// What the house keeps of a seller's sale, in hundredths of a percent. It holds for orders to come.
    #[cbor(n(4), skip_if = "crate::codec::is_nought")]
    pub commission_bps: u32,
}

/// The whole of a sale, in hundredths of a percent.
pub const COMMISSION_MAX: u32 = 10_000;

impl Default for MarketRules {
    fn default() -> Self {
        Self { tick: Amount(1), lot: 1, band: None, self_trade: SelfTrade::CancelNewest, commission_bps: 0 }
    }
}

impl MarketRules {
    pub(super) fn book_band(&self) -> Option<Band> {
        self.band.map(|(low, high)| Band { low: low.0, high: high.0 })
    }

    pub(super) fn book_config(&self) -> BookConfig {
        BookConfig {
            tick: self.tick.0,
            lot: self.lot,
            band: self.book_band(),
            self_trade: self.self_trade,
            ..BookConfig::default()
        }
    }

    /// Refuses rules that make no sense.
    pub fn check(&self) -> Result<(), Refusal> {
        let invalid = |why: &str| Err(Refusal::BodyInvalid { field: "market", why: why.into() });
        if self.tick.0 < 1 || self.tick.0 > PRICE_MAX {
            return invalid("`tick` is a positive amount");
        }
        if self.lot < 1 || self.lot > crate::QUANTITY_MAX {
            return invalid("`lot` is from 1 to 1,000,000,000");
        }
        if self.commission_bps > COMMISSION_MAX {
            return invalid("`commission_bps` is from 0 to 10,000 hundredths of a percent");
        }
        match self.band {
            Some((low, high)) if low.0 < 0 || high.0 < low.0 || high.0 > PRICE_MAX => {
                invalid("`band` goes from a lowest price to a highest that is not below it")
            }
            _ => Ok(()),
        }
    }
}
