//! Conditions and scopes in words: noun phrases that "it needs …" can be put before.

use super::civil;
use super::condition::{Condition, OrderNumber, Scope, Subtotal, Units, Weekly, Window};
use crate::{Amount, Currency};

/// How many names a sentence lists before it counts the rest.
const NAMES_MAX: usize = 6;

/// `a, b or c`.
pub(super) fn either<T: ToString>(names: &[T]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES_MAX).map(T::to_string).collect();
    match (&shown[..], names.len() - shown.len()) {
        ([], _) => "nothing".to_owned(),
        ([only], 0) => only.clone(),
        ([start @ .., last], 0) => format!("{} or {last}", start.join(", ")),
        (shown, more) => format!("{} or {more} more", shown.join(", ")),
    }
}

/// `50.00 EUR`, or `50.00` where a rule has no currency.
pub(super) fn money(amount: Amount, currency: Option<Currency>) -> String {
    currency.map_or_else(|| amount.to_string(), |currency| format!("{amount} {currency}"))
}

/// Lines that are meant: `goods of category books by Acme, but not SKU-1`.
pub(super) fn scope(scope: &Scope) -> String {
    let part = |before: &str, names: &[String]| (!names.is_empty()).then(|| format!("{before} {}", either(names)));
    let labels = |of: &[super::names::Label]| of.iter().map(ToString::to_string).collect::<Vec<_>>();
    let skus = |of: &[crate::SkuId]| of.iter().map(ToString::to_string).collect::<Vec<_>>();
    let among = [
        part(" that are", &skus(&scope.sku)),
        part(" of category", &labels(&scope.category)),
        part(" by", &labels(&scope.brand)),
    ];
    let except = [
        part(", but not", &skus(&scope.except_sku)),
        part(", but not of category", &labels(&scope.except_category)),
        part(", but not by", &labels(&scope.except_brand)),
    ];
    let text: String = among.into_iter().chain(except).flatten().collect();
    format!("goods{text}")
}

/// `3 units of goods by Acme`.
pub(super) fn units_of(units: u64, of: &Scope) -> String {
    format!("{units} {} of {}", if units == 1 { "unit" } else { "units" }, scope(of))
}

fn range<T: ToString + PartialEq>(least: Option<T>, most: Option<T>) -> String {
    match (least, most) {
        (Some(least), Some(most)) if least == most => format!("exactly {}", least.to_string()),
        (Some(least), Some(most)) => format!("{} to {}", least.to_string(), most.to_string()),
        (Some(least), None) => format!("at least {}", least.to_string()),
        (None, Some(most)) => format!("at most {}", most.to_string()),
        (None, None) => "any number".to_owned(),
    }
}

fn subtotal(range_of: &Subtotal, currency: Option<Currency>) -> String {
    let text = |amount: Option<Amount>| amount.map(|amount| money(amount, currency));
    format!("{} for {}", scope(&range_of.of), range(text(range_of.at_least), text(range_of.at_most)))
}

fn units(range_of: &Units) -> String {
    format!("{} units of {}", range(range_of.at_least, range_of.at_most), scope(&range_of.of))
}

fn order_number(number: &OrderNumber) -> String {
    if (number.from.unwrap_or(1), number.to, number.every) == (1, Some(1), None) {
        return "the customer's first order".to_owned();
    }
    let mut text = "the customer's order".to_owned();
    match (number.from, number.to) {
        (None, None) => {}
        (Some(from), Some(to)) if from == to => text += &format!(" number {from}"),
        (from, to) => text += &format!(" number {}", range(from, to)),
    }
    number.every.into_iter().for_each(|every| text += &format!(", every {every}th"));
    text
}

fn window(window: &Window) -> String {
    match (window.from, window.until) {
        (Some(from), Some(until)) => format!("a time from {} until {}", civil::print(from), civil::print(until)),
        (Some(from), None) => format!("a time from {}", civil::print(from)),
        (None, Some(until)) => format!("a time until {}", civil::print(until)),
        (None, None) => "any time".to_owned(),
    }
}

fn weekly(weekly: &Weekly) -> String {
    let days = match &weekly.days[..] {
        [] => "every day".to_owned(),
        days => either(&days.iter().map(|day| format!("{day:?}")).collect::<Vec<_>>()),
    };
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("the hours from {} until {} on {days}", time(weekly.from), time(weekly.until))
}

/// A condition in words.
pub(super) fn condition(of: &Condition, currency: Option<Currency>) -> String {
    let each =
        |of: &[Condition], word: &str| of.iter().map(|of| condition(of, currency)).collect::<Vec<_>>().join(word);
    match of {
        Condition::All(of) => each(of, " and "),
        Condition::Any(of) => each(of, ", or "),
        Condition::Not(contrary) => format!("anything but {}", condition(contrary, currency)),
        Condition::Subtotal(of) => subtotal(of, currency),
        Condition::Quantity(of) => units(of),
        Condition::Sku(of) => format!("goods that are {}", either(of)),
        Condition::Category(of) => format!("goods of category {}", either(of)),
        Condition::Brand(of) => format!("goods by {}", either(of)),
        Condition::Only(of) => format!("only {}", scope(of)),
        Condition::Tier(of) => format!("a customer of tier {}", either(of)),
        Condition::Region(of) => format!("a buyer in {}", either(of)),
        Condition::Channel(of) => format!("an order through {}", either(of)),
        Condition::Payment(of) => {
            format!("payment by {}", either(&of.iter().map(|method| method.name()).collect::<Vec<_>>()))
        }
        Condition::NewCustomer(true) => "a new customer".to_owned(),
        Condition::NewCustomer(false) => "a customer who is not new".to_owned(),
        Condition::OrderNumber(number) => order_number(number),
        Condition::Window(of) => window(of),
        Condition::Weekly(of) => weekly(of),
        Condition::Coupon(of) => format!("a coupon of {}", either(of)),
    }
}
