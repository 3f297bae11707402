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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_that_end_before_they_begin_run_over_midnight_into_the_next_day() {
        let weekly = |days: &[Weekday], from: u16, until: u16| Weekly { days: days.to_vec(), from, until };
        let (mon, tue, wed, sun) = (0, 1, 2, 6);
        let day = weekly(&[Weekday::Tue], 540, 1_020);
        let night = weekly(&[Weekday::Mon], 1_320, 120);
        let late_sunday = weekly(&[Weekday::Sun], 1_320, 120);
        let always = weekly(&[], 0, 1_440);
        let every_night = weekly(&[], 1_320, 120);
        let whole_day = weekly(&[Weekday::Mon], 600, 600);
        for (what, hours, weekday, minute, within) in [
            ("before it opens", &day, tue, 539, false),
            ("it opens", &day, tue, 540, true),
            ("the last minute", &day, tue, 1_019, true),
            ("it has closed", &day, tue, 1_020, false),
            ("another day", &day, wed, 540, false),
            ("the evening", &night, mon, 1_320, true),
            ("too early in the evening", &night, mon, 1_319, false),
            ("after midnight", &night, tue, 119, true),
            ("too late in the night", &night, tue, 120, false),
            ("the night before", &night, mon, 119, false),
            ("the evening after", &night, tue, 1_320, false),
            ("from sunday", &late_sunday, sun, 1_400, true),
            ("into monday", &late_sunday, mon, 60, true),
            ("the first minute", &always, mon, 0, true),
            ("the last one", &always, sun, 1_439, true),
            ("any night", &every_night, wed, 60, true),
            ("no day", &every_night, wed, 720, false),
            ("as long as a day", &whole_day, mon, 600, true),
            ("until the next", &whole_day, tue, 599, true),
            ("and no longer", &whole_day, tue, 600, false),
        ] {
            assert_eq!(hours.contains(weekday, minute), within, "{what}");
        }
    }

    #[test]
    fn a_window_begins_with_its_first_moment_and_ends_before_its_last() {
        let window =
            |from: Option<i64>, until: Option<i64>| Window { from: from.map(Timestamp), until: until.map(Timestamp) };
        for (window, within) in [
            (window(None, None), [true, true, true, true]),
            (window(Some(10), None), [false, true, true, true]),
            (window(None, Some(20)), [true, true, true, false]),
            (window(Some(10), Some(20)), [false, true, true, false]),
        ] {
            assert_eq!([9, 10, 19, 20].map(|now| window.contains(Timestamp(now))), within, "{window:?}");
            assert_eq!(window.is_open(), window == Window { from: None, until: None });
        }
    }

    #[test]
    fn a_scope_that_names_nothing_means_everything() {
        assert!(Scope::everything().is_everything());
        assert!(!Scope { brand: vec![Label::new("acme").unwrap()], ..Scope::default() }.is_everything());
    }
}
