//! What a SKU is: the part that `PUT /skus/{sku}` replaces.

use compact_str::CompactString;
use minicbor::{Decode, Encode};

use super::admission::Admission;
use super::market::MarketRules;
use super::sourcing::SourcingPlan;
use crate::{Money, Quantity, SkuId, codec};

/// Whether a SKU takes new demand. Holds and allocations are honoured in every status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum SkuStatus {
    /// Sells.
    #[default]
    #[n(0)]
    Active,
    /// Takes no new demand for now.
    #[n(1)]
    Paused,
    /// Takes no new demand ever again.
    #[n(2)]
    Discontinued,
}

impl SkuStatus {
    /// Every status with its public name.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Active, "active"), (Self::Paused, "paused"), (Self::Discontinued, "discontinued")];

    /// The public name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// A component of a kit.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct KitPart {
    /// What.
    #[n(0)]
    pub sku: SkuId,
    /// Units of it in one kit.
    #[n(1)]
    pub quantity: Quantity,
}

/// The definition of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Definition {
    /// What people call it.
    #[cbor(n(0), with = "codec::text")]
    pub name: CompactString,
    /// List price of one unit.
    #[n(1)]
    pub price: Money,
    /// Whether it sells.
    #[n(2)]
    pub status: SkuStatus,
    /// For promotions and lists.
    #[cbor(n(3), with = "codec::optional_text")]
    pub category: Option<CompactString>,
    /// For promotions and lists.
    #[cbor(n(4), with = "codec::optional_text")]
    pub brand: Option<CompactString>,
    /// The most units one customer may hold, have allocated and have been shipped together.
    #[n(5)]
    pub limit_per_customer: Option<Quantity>,
    /// How long an unpaid order keeps its stock.
    #[n(6)]
    pub hold_ttl_seconds: u32,
    /// The most units that may be on backorder; none: the SKU takes no backorders.
    #[n(7)]
    pub backorder_max: Option<Quantity>,
    /// Units per location that are never sold.
    #[n(8)]
    pub safety_level: Quantity,
    /// From which locations it is sent; none: from wherever the lot lies that expires first.
    #[n(9)]
    pub sourcing: Option<Box<SourcingPlan>>,
    /// What it has not on hand it sells only against announced stock: a pre-order.
    #[cbor(n(10), skip_if = "codec::is_false")]
    pub preorder: bool,
    /// Who is let in when stock is short; none: first come, first served.
    #[n(11)]
    pub admission: Option<Box<Admission>>,
    /// What it consists of; a kit has no stock and no book of its own.
    #[n(12)]
    pub kit: Option<Box<Vec<KitPart>>>,
    /// What prices and quantities its book takes; none: any.
    #[n(13)]
    pub market: Option<Box<MarketRules>>,
    /// When no more than so many units are available, that is a fact of its own; none: it is not.
    #[n(14)]
    pub low_stock_level: Option<Quantity>,
}

impl Definition {
    /// How long a hold lasts when the SKU does not say.
    pub const HOLD_TTL_SECONDS_DEFAULT: u32 = 900;

    /// An active SKU with a name and a price and every default.
    pub fn new(name: impl AsRef<str>, price: Money) -> Self {
        Self {
            name: CompactString::new(name),
            price,
            status: SkuStatus::Active,
            category: None,
            brand: None,
            limit_per_customer: None,
            hold_ttl_seconds: Self::HOLD_TTL_SECONDS_DEFAULT,
            backorder_max: None,
            safety_level: 0,
            sourcing: None,
            preorder: false,
            admission: None,
            kit: None,
            market: None,
            low_stock_level: None,
        }
    }
}
