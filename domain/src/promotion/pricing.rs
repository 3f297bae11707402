//! What pricing answers: the price of every line, and why.

use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use super::cart::Unavailable;
use super::names::{CouponCode, Label, PromotionId};
use crate::{Amount, Currency, Quantity, SkuId};

/// What a discount is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Target {
    /// A line of the cart.
    #[n(0)]
    Line(#[n(0)] u32),
    /// A charge of the cart.
    #[n(1)]
    Charge(#[n(0)] u32),
}

/// What one promotion takes off one line or charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discount {
    /// The promotion's place in the rule set.
    pub rule: u32,
    /// Off what.
    pub target: Target,
    /// How much; more than nothing, in whole minor units.
    pub amount: Amount,
}

/// A line or a charge, priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priced {
    /// At list price.
    pub gross: Amount,
    /// All that is taken off.
    pub discount: Amount,
}

impl Priced {
    /// What it costs.
    pub fn net(&self) -> Amount {
        Amount(self.gross.0 - self.discount.0)
    }
}

/// A gift to hold stock for and to send along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedGift {
    /// Who grants it.
    pub promotion: PromotionId,
    /// What.
    pub sku: SkuId,
    /// How many.
    pub quantity: Quantity,
}

/// A use of a promotion that limits its uses, its customers' uses or its budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionUse {
    /// Of which.
    pub promotion: PromotionId,
    /// What it takes of the budget.
    pub amount: Amount,
}

/// A use of a coupon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CouponUse {
    /// Its code.
    pub code: CouponCode,
    /// Its batch.
    pub batch: Label,
}

/// What the order must hold before this price is its price.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uses {
    /// One use of each, and so much of its budget.
    pub promotions: SmallVec<[PromotionUse; 1]>,
    /// One use of each.
    pub coupons: SmallVec<[CouponUse; 1]>,
    /// Stock.
    pub gifts: Vec<GrantedGift>,
}

/// Why a promotion does not apply. A rule's place is that in the rule set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is in another currency.
    Currency,
    /// It has not begun.
    NotYet,
    /// It is over.
    Over,
    /// No coupon of its batches is presented.
    CouponNeeded,
    /// It counts uses by customer, and there is none.
    CustomerNeeded,
    /// Its owner has refused a use.
    Unavailable(Unavailable),
    /// The condition at this place of `when` is not true.
    Condition(u32),
    /// Nothing it is about is in the cart.
    NothingInScope,
    /// No step is reached.
    BelowTier,
    /// Too few units.
    TooFewUnits,
    /// The price is as low already.
    NothingOff,
    /// In its lane this one was chosen.
    Taken(u32),
    /// This one is of the same exclusion set.
    Excluded(u32),
    /// This one lets no other follow.
    Stopped(u32),
}

/// What became of a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It takes so much off, or gives its gift.
    Applied(Amount),
    /// It does not apply.
    Refused(Reason),
}

/// A rule that was looked at, by its place in the rule set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Considered {
    /// Which.
    pub rule: u32,
    /// What became of it.
    pub verdict: Verdict,
}

/// A cart, priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pricing {
    /// Which version of the rules priced it.
    pub version: u64,
    /// Of all its money.
    pub currency: Currency,
    /// The cart's lines in their order.
    pub lines: SmallVec<[Priced; 4]>,
    /// The cart's charges in their order.
    pub charges: Vec<Priced>,
    /// Who took what off, in the order in which it was taken.
    pub discounts: SmallVec<[Discount; 2]>,
    /// What has to be held.
    pub uses: Uses,
    /// What became of the rules that could be about this cart; [`RuleSet::explain`](super::RuleSet::explain) speaks of
    /// all.
    pub considered: Vec<Considered>,
}

fn sum(amounts: impl Iterator<Item = Amount>) -> Amount {
    Amount(amounts.map(|amount| amount.0).sum())
}

impl Pricing {
    /// What the goods come to at list prices.
    pub fn subtotal(&self) -> Amount {
        sum(self.lines.iter().map(|line| line.gross))
    }

    /// All that is taken off, charges included.
    pub fn discount(&self) -> Amount {
        sum(self.discounts.iter().map(|discount| discount.amount))
    }

    /// What is to be paid.
    pub fn total(&self) -> Amount {
        sum(self.lines.iter().chain(&self.charges).map(Priced::net))
    }

    /// Who took what off a line or a charge.
    pub fn discounts_of(&self, target: Target) -> impl Iterator<Item = &Discount> {
        self.discounts.iter().filter(move |discount| discount.target == target)
    }
}

/// A rule, its code and its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Which promotion.
    pub promotion: PromotionId,
    /// Its version.
    pub version: u64,
    /// 200: it applies; 403: it does not.
    pub code: u16,
    /// What it takes off.
    pub amount: Amount,
    /// Why, for people.
    pub sentence: String,
}
