//! What a promotion does to the price.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::condition::Scope;
use crate::order::ChargeKind;
use crate::{Amount, Quantity, SkuId};

/// Hundredths of a per cent, 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Percent(#[n(0)] pub u32);

impl Percent {
    /// All of it.
    pub const WHOLE: Self = Self(10_000);
}

/// An amount or a percentage off some lines; exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Off {
    /// So much.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// This part.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<Percent>,
    /// Of which lines.
    #[n(2)]
    #[serde(skip_serializing_if = "Scope::is_everything")]
    pub of: Scope,
}

/// An amount or a percentage off the charges of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChargeOff {
    /// Of which kind.
    #[n(0)]
    pub kind: ChargeKind,
    /// So much.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// This part.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Percent>,
}

/// A step: who spends so much, or takes so many units, gets so much off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tier {
    /// What the goods come to, at least.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend: Option<Amount>,
    /// How many units, at least.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Quantity>,
    /// So much off.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// This part off.
    #[n(3)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<Percent>,
}

/// Steps of which the highest that is reached counts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiers {
    /// All by `spend` or all by `units`.
    #[n(0)]
    pub steps: Vec<Tier>,
    /// Of which lines.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Scope::is_everything")]
    pub of: Scope,
}

/// Every nth unit, the dearest first, is cheaper.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nth {
    /// Every how manyth.
    #[n(0)]
    pub n: Quantity,
    /// So much off that unit.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// This part off that unit.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Percent>,
    /// Of which lines.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Scope::is_everything")]
    pub of: Scope,
    /// At most so often.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Quantity>,
}

/// Of every `buy + get` units, the dearest first, the last `get` are cheaper; or, with `get_of`, every `buy` units
/// make `get` units of other goods cheaper, the cheapest of these first.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuyGet {
    /// Units to buy.
    #[n(0)]
    pub buy: Quantity,
    /// Units to get.
    #[n(1)]
    pub get: Quantity,
    /// This part off them; all of it when nothing is said.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Percent>,
    /// Which lines are bought.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Scope::is_everything")]
    pub of: Scope,
    /// Which lines are got; the same when nothing is said. A line that is bought is not got.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub get_of: Option<Scope>,
    /// At most so often.
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Quantity>,
}

/// Units of a SKU that come for nothing; the order holds their stock.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gift {
    /// What.
    #[n(0)]
    pub sku: SkuId,
    /// How many.
    #[n(1)]
    pub quantity: Quantity,
}

/// A fixed price of one unit.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitPrice {
    /// What one costs; up to four decimals.
    #[n(0)]
    pub unit: Amount,
    /// Of which lines.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Scope::is_everything")]
    pub of: Scope,
}

/// A part of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundlePart {
    /// How many units.
    #[n(0)]
    pub quantity: Quantity,
    /// Of which lines; a line is of the first part that means it.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Scope::is_everything")]
    pub of: Scope,
}

/// Units that cost a fixed price together, the dearest of each part first.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// What must come together.
    #[n(0)]
    pub parts: Vec<BundlePart>,
    /// What it costs.
    #[n(1)]
    pub price: Amount,
    /// At most so often.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Quantity>,
}

/// What a promotion does.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Off what lines come to together, shared over them.
    #[n(0)]
    Order(#[n(0)] Off),
    /// Off each line.
    #[n(1)]
    Line(#[n(0)] Off),
    /// Off each unit; a percentage is rounded for one unit.
    #[n(2)]
    Unit(#[n(0)] Off),
    /// Off shipping, tax or a fee.
    #[n(3)]
    Charge(#[n(0)] ChargeOff),
    /// The more, the more off.
    #[n(4)]
    Tiers(#[n(0)] Tiers),
    /// Second half price, and its like.
    #[n(5)]
    Nth(#[n(0)] Nth),
    /// Three for two, and its like.
    #[n(6)]
    BuyGet(#[n(0)] BuyGet),
    /// Something on top.
    #[n(7)]
    Gift(#[n(0)] Gift),
    /// A fixed price of each unit.
    #[n(8)]
    UnitPrice(#[n(0)] UnitPrice),
    /// A fixed price of several together.
    #[n(9)]
    Bundle(#[n(0)] Bundle),
}
