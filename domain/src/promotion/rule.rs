//! A promotion as data: one declaration gives its YAML, its JSON and its bytes in the journal.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::condition::{Condition, Window};
use super::names::{Label, PromotionId};
use crate::{Amount, Currency};

/// Which price a discount is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The list price: discounts of several lanes add up.
    #[default]
    #[n(0)]
    List,
    /// What earlier lanes have left of it.
    #[n(1)]
    Net,
}

impl Basis {
    fn is_list(&self) -> bool {
        *self == Self::List
    }
}

/// What an owner lets a promotion give away altogether; held and settled by its [`uses`](super::uses).
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Orders.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u64>,
    /// Orders of one customer.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_customer: Option<u64>,
    /// Money.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Amount>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// A promotion.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// Its id.
    #[n(0)]
    pub id: PromotionId,
    /// Counts its changes.
    #[n(1)]
    #[serde(default)]
    pub version: u64,
    /// What people call it; its sentences begin with it.
    #[n(2)]
    pub name: Label,
    /// The higher comes first among equals, and always where a lane picks the first.
    #[n(3)]
    #[serde(default)]
    pub priority: i32,
    /// Where it competes.
    #[n(4)]
    pub lane: Label,
    /// Of each of these sets one promotion applies to an order.
    #[n(5)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusive: Vec<Label>,
    /// When.
    #[n(6)]
    #[serde(default, skip_serializing_if = "Window::is_open")]
    pub window: Window,
    /// Of these batches a coupon must be presented, and is used up; none: no coupon is needed.
    #[n(7)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coupon: Vec<Label>,
    /// The currency of its amounts; needed when it has any.
    #[n(8)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// What must be true: all of it.
    #[n(9)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
    /// What it does.
    #[n(10)]
    pub then: Action,
    /// Which price it is taken of.
    #[n(11)]
    #[serde(default, skip_serializing_if = "Basis::is_list")]
    pub basis: Basis,
    /// The most it takes off one order.
    #[n(12)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Amount>,
    /// The most it gives away.
    #[n(13)]
    #[serde(default, skip_serializing_if = "Limits::is_unlimited")]
    pub limits: Limits,
    /// Once it applied, no other promotion that comes after it does.
    #[n(14)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
    /// What to say instead of the reason when a condition refuses it.
    #[n(15)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Label>,
}

/// How a lane chooses among the promotions that would discount the same line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The one that takes most off; among equals the one with the higher priority.
    #[n(0)]
    Best,
    /// The one with the highest priority.
    #[n(1)]
    First,
}

/// A lane: in it a line, a charge and the place of a gift are each given to one promotion; lanes add up, and come in
/// their order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// Its name.
    #[n(0)]
    pub name: Label,
    /// How it chooses.
    #[n(1)]
    pub pick: Pick,
}

impl Lane {
    /// The lanes of a shop that declares none: goods, order, coupon, shipping, gift; each takes the best.
    pub fn standard() -> Vec<Self> {
        let lane = |name| Self { name: Label::new(name).expect("a label"), pick: Pick::Best };
        ["goods", "order", "coupon", "shipping", "gift"].map(lane).to_vec()
    }
}
