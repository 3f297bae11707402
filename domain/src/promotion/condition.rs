//! Conditions of a promotion: what must be true of the cart, the buyer and the moment.
//!
//! All of them look at the cart at its list prices, before any discount; so whether a rule applies never depends on
//! another rule.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::names::Label;
use super::serial;
use crate::payment::Method;
use crate::{Amount, Quantity, SkuId, Timestamp};

/// Which lines of a cart are meant: those that are in every list that is not empty, and in no exception.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// One of these SKUs.
    #[n(0)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sku: Vec<SkuId>,
    /// Of one of these categories.
    #[n(1)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub category: Vec<Label>,
    /// Of one of these brands.
    #[n(2)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brand: Vec<Label>,
    /// None of these SKUs.
    #[n(3)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except_sku: Vec<SkuId>,
    /// Of none of these categories.
    #[n(4)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except_category: Vec<Label>,
    /// Of none of these brands.
    #[n(5)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except_brand: Vec<Label>,
}

impl Scope {
    /// Every line.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Whether every line is meant.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// How much of the goods a cart has, at list prices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subtotal {
    /// Not less.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Amount>,
    /// Not more.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Amount>,
    /// Of which lines.
    #[n(2)]
    #[serde(skip_serializing_if = "Scope::is_everything")]
    pub of: Scope,
}

/// How many units a cart has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Units {
    /// Not less.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Quantity>,
    /// Not more.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Quantity>,
    /// Of which lines.
    #[n(2)]
    #[serde(skip_serializing_if = "Scope::is_everything")]
    pub of: Scope,
}

/// Which of a customer's orders: the first is 1.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderNumber {
    /// From this one on.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Up to this one.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Only the multiples of this.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the days are their names")]
pub enum Weekday {
    #[n(0)]
    Mon,
    #[n(1)]
    Tue,
    #[n(2)]
    Wed,
    #[n(3)]
    Thu,
    #[n(4)]
    Fri,
    #[n(5)]
    Sat,
    #[n(6)]
    Sun,
}

/// Hours of the week, in the shop's time; hours that end before they begin run over midnight.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// On these days; none: every day.
    #[n(0)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
    /// From this minute of the day on.
    #[n(1)]
    #[serde(with = "serial::minute")]
    pub from: u16,
    /// Before this minute of the day.
    #[n(2)]
    #[serde(with = "serial::minute")]
    pub until: u16,
}

impl Weekly {
    /// Whether a minute of a weekday (Monday is 0) is within.
    pub fn contains(&self, weekday: usize, minute: u16) -> bool {
        let on = |day: usize| self.days.is_empty() || self.days.iter().any(|named| *named as usize == day);
        if self.from < self.until {
            return on(weekday) && (self.from..self.until).contains(&minute);
        }
        (on(weekday) && minute >= self.from) || (on((weekday + 6) % 7) && minute < self.until)
    }
}

/// A time from and until.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// From here on.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before this.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Window {
    /// Whether a time is within.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| now >= from) && self.until.is_none_or(|until| now < until)
    }

    /// Whether it is always.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

/// What must be true.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// Each of these.
    #[n(0)]
    All(#[n(0)] Vec<Condition>),
    /// At least one of these.
    #[n(1)]
    Any(#[n(0)] Vec<Condition>),
    /// The contrary.
    #[n(2)]
    Not(#[n(0)] Box<Condition>),
    /// What the goods come to.
    #[n(3)]
    Subtotal(#[n(0)] Subtotal),
    /// How many units.
    #[n(4)]
    Quantity(#[n(0)] Units),
    /// A line has one of these SKUs.
    #[n(5)]
    Sku(#[n(0)] Vec<SkuId>),
    /// A line is of one of these categories.
    #[n(6)]
    Category(#[n(0)] Vec<Label>),
    /// A line is of one of these brands.
    #[n(7)]
    Brand(#[n(0)] Vec<Label>),
    /// Every line is meant by this.
    #[n(8)]
    Only(#[n(0)] Scope),
    /// The customer's tier.
    #[n(9)]
    Tier(#[n(0)] Vec<Label>),
    /// Where the buyer is.
    #[n(10)]
    Region(#[n(0)] Vec<Label>),
    /// Through what the order comes.
    #[n(11)]
    Channel(#[n(0)] Vec<Label>),
    /// How it is paid: each of its payments is by one of these; a part by another method is too much.
    #[n(12)]
    Payment(#[n(0)] Vec<Method>),
    /// Whether the customer is new, as the caller says.
    #[n(13)]
    NewCustomer(#[n(0)] bool),
    /// Which of the customer's orders it is.
    #[n(14)]
    OrderNumber(#[n(0)] OrderNumber),
    /// When.
    #[n(15)]
    Window(#[n(0)] Window),
    /// In which hours of the week.
    #[n(16)]
    Weekly(#[n(0)] Weekly),
    /// A coupon of one of these batches is presented; unlike a promotion's own `coupon` it is not used up.
    #[n(17)]
    Coupon(#[n(0)] Vec<Label>),
}
