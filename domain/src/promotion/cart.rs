//! What is priced: the goods at their list prices, and who buys them, when and how.

use compact_str::CompactString;
use smallvec::SmallVec;

use super::names::{CouponCode, Label, PromotionId};
use crate::order::Charge;
use crate::payment::Method;
use crate::{Amount, Currency, CustomerId, Quantity, SkuId, Timestamp};

/// A line of a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartLine {
    /// What.
    pub sku: SkuId,
    /// Its category.
    pub category: Option<CompactString>,
    /// Its brand.
    pub brand: Option<CompactString>,
    /// How many units.
    pub quantity: Quantity,
    /// What one costs before any discount.
    pub unit_price: Amount,
}

/// A cart: lines of one SKU stay lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// Of all its money.
    pub currency: Currency,
    /// The goods.
    pub lines: Vec<CartLine>,
    /// What comes on top.
    pub charges: SmallVec<[Charge; 1]>,
}

/// A coupon that the buyer presents and its owner knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedCoupon {
    /// The code.
    pub code: CouponCode,
    /// The batch it is of; promotions name batches.
    pub batch: Label,
}

/// Why the owner of a promotion's uses does not give one: what a hold was refused with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// All uses are taken.
    Exhausted,
    /// The customer has had his.
    CustomerLimit,
    /// The budget does not suffice.
    Budget,
}

impl std::fmt::Display for Unavailable {
    /// What is limited.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Exhausted => "number of uses",
            Self::CustomerLimit => "number of uses by one customer",
            Self::Budget => "budget",
        })
    }
}

/// Who buys, when and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CartContext {
    /// Now.
    pub now: Timestamp,
    /// Minutes east of UTC of the shop's clock now, for hours of the week.
    pub utc_offset_minutes: i16,
    /// Who; guests are nobody.
    pub customer: Option<CustomerId>,
    /// Whether the caller calls the customer new.
    pub new_customer: bool,
    /// How many orders the customer has made before; unknown for guests.
    pub orders_before: Option<u64>,
    /// The customer's tier.
    pub tier: Option<CompactString>,
    /// Where the buyer is.
    pub region: Option<CompactString>,
    /// Through what the order comes.
    pub channel: Option<CompactString>,
    /// How it will be paid: the method of each tender; none while nobody knows.
    pub payments: SmallVec<[Method; 2]>,
    /// Coupons presented.
    pub coupons: SmallVec<[PresentedCoupon; 1]>,
    /// Promotions whose owners have refused a use: price again with them named here, and what comes next in their
    /// lanes takes their place.
    pub unavailable: Vec<(PromotionId, Unavailable)>,
}
