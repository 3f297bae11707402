//! What makes no sense in a promotion, said with the place where it stands.

use super::action::{Action, Percent};
use super::condition::{Condition, Scope};
use super::names::PromotionId;
use super::rule::{Lane, Promotion};
use crate::{Amount, Currency, QUANTITY_MAX, Quantity};

/// The most names, steps, parts or conditions of one list.
const LIST_MAX: usize = 10_000;
/// How deep conditions may stand in conditions.
const DEPTH_MAX: usize = 8;
/// No amount of a promotion is larger, so that sums of them can be counted.
const AMOUNT_MAX: i64 = i64::MAX / 1024;

/// Why a promotion is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromotionError {
    /// Something in it makes no sense.
    #[error("promotion {promotion}: `{path}`: {why}")]
    Invalid {
        /// Which.
        promotion: PromotionId,
        /// Where in it.
        path: String,
        /// Why.
        why: String,
    },
    /// Two have one id.
    #[error("promotion {promotion} is there twice: ids are unique")]
    Duplicate {
        /// Which.
        promotion: PromotionId,
    },
    /// The lanes make no sense.
    #[error("lane {lane} is there twice: names of lanes are unique")]
    DuplicateLane {
        /// Which.
        lane: String,
    },
}

/// A place and what is wrong there.
type Wrong = (String, String);
type Outcome = Result<(), Wrong>;

fn wrong<T>(path: impl Into<String>, why: impl Into<String>) -> Result<T, Wrong> {
    Err((path.into(), why.into()))
}

pub(super) fn lanes(lanes: &[Lane]) -> Result<(), PromotionError> {
    for (at, lane) in lanes.iter().enumerate() {
        if lanes[..at].iter().any(|before| before.name == lane.name) {
            return Err(PromotionError::DuplicateLane { lane: lane.name.to_string() });
        }
    }
    Ok(())
}

pub(super) fn unknown_lane(promotion: &Promotion, lanes: &[Lane]) -> PromotionError {
    let names: Vec<&str> = lanes.iter().map(|lane| lane.name.as_str()).collect();
    let why = format!("`{}` is no lane: use one of {}", promotion.lane, names.join(", "));
    PromotionError::Invalid { promotion: promotion.id.clone(), path: "lane".to_owned(), why }
}

/// Refuses an id that is there twice; promotions of one id need not stand together, as they may be in several lanes.
pub(super) fn distinct<'a>(promotions: impl Iterator<Item = &'a Promotion>) -> Result<(), PromotionError> {
    let mut seen = rustc_hash::FxHashSet::default();
    for promotion in promotions {
        if !seen.insert(&promotion.id) {
            return Err(PromotionError::Duplicate { promotion: promotion.id.clone() });
        }
    }
    Ok(())
}

/// Checks a promotion by itself; the lane is checked against those of the rule set when it is compiled.
pub fn promotion(promotion: &Promotion) -> Result<(), PromotionError> {
    Check { currency: promotion.currency }.promotion(promotion).map_err(|(path, why)| PromotionError::Invalid {
        promotion: promotion.id.clone(),
        path,
        why,
    })
}

/// Whether it has amounts and names no currency.
pub fn lacks_currency(of: &Promotion) -> bool {
    matches!(promotion(of), Err(PromotionError::Invalid { path, .. }) if path == "currency")
}

struct Check {
    currency: Option<Currency>,
}

impl Check {
    fn promotion(&self, promotion: &Promotion) -> Outcome {
        if let (Some(from), Some(until)) = (promotion.window.from, promotion.window.until)
            && from >= until
        {
            return wrong("window", "`until` comes after `from`");
        }
        for (at, condition) in promotion.when.iter().enumerate() {
            self.condition(&format!("when[{at}]"), condition, 0)?;
        }
        self.action(&promotion.then)?;
        if let Some(cap) = promotion.cap {
            self.amount("cap", cap)?;
        }
        if let Some(budget) = promotion.limits.budget {
            self.amount("limits.budget", budget)?;
        }
        let counted = [("limits.uses", promotion.limits.uses), ("limits.per_customer", promotion.limits.per_customer)];
        for (path, limit) in counted {
            if limit == Some(0) {
                return wrong(path, "a limit is at least 1");
            }
        }
        Ok(())
    }

    /// More than nothing, in whole minor units of the promotion's currency.
    fn amount(&self, path: &str, amount: Amount) -> Outcome {
        let Some(currency) = self.currency else {
            return wrong("currency", format!("`{path}` is money: name its currency"));
        };
        if amount.0 <= 0 || amount.0 > AMOUNT_MAX || !amount.is_rounded(currency) {
            return wrong(path, format!("`{amount}` is not a positive amount in whole minor units of {currency}"));
        }
        Ok(())
    }

    /// Nothing or more, in whole minor units.
    fn bound(&self, path: &str, amount: Option<Amount>) -> Outcome {
        match amount {
            None | Some(Amount(0)) => Ok(()),
            Some(amount) => self.amount(path, amount),
        }
    }

    fn rate(&self, path: &str, amount: Option<Amount>, percent: Option<Percent>) -> Outcome {
        match (amount, percent) {
            (Some(amount), None) => self.amount(&format!("{path}.amount"), amount),
            (None, Some(percent)) => percentage(path, percent),
            _ => wrong(path, "name either an `amount` or a `percent`"),
        }
    }

    fn condition(&self, path: &str, condition: &Condition, depth: usize) -> Outcome {
        if depth > DEPTH_MAX {
            return wrong(path, format!("conditions stand in one another at most {DEPTH_MAX} deep"));
        }
        match condition {
            Condition::All(of) | Condition::Any(of) => {
                list(path, of)?;
                let word = if matches!(condition, Condition::All(_)) { "all" } else { "any" };
                (0..).zip(of).try_for_each(|(at, of)| self.condition(&format!("{path}.{word}[{at}]"), of, depth + 1))
            }
            Condition::Not(of) => self.condition(&format!("{path}.not"), of, depth + 1),
            Condition::Subtotal(of) => {
                self.bound(&format!("{path}.subtotal.at_least"), of.at_least)?;
                self.bound(&format!("{path}.subtotal.at_most"), of.at_most)?;
                ordered(&format!("{path}.subtotal"), of.at_least, of.at_most)?;
                scope(&format!("{path}.subtotal.of"), &of.of)
            }
            Condition::Quantity(of) => {
                ordered(&format!("{path}.quantity"), of.at_least, of.at_most)?;
                scope(&format!("{path}.quantity.of"), &of.of)
            }
            Condition::OrderNumber(of) => {
                if of.every == Some(0) || of.from == Some(0) || of.to == Some(0) {
                    return wrong(path, "orders are counted from 1");
                }
                match (of.from, of.to, of.every) {
                    (None, None, None) => wrong(path, "name `from`, `to` or `every`"),
                    (Some(from), Some(to), _) if from > to => wrong(path, "`to` is not before `from`"),
                    _ => Ok(()),
                }
            }
            Condition::Window(of) => ordered(&format!("{path}.window"), of.from, of.until),
            Condition::Only(of) => scope(&format!("{path}.only"), of),
            Condition::Sku(of) => list(path, of),
            Condition::Category(of)
            | Condition::Brand(of)
            | Condition::Tier(of)
            | Condition::Region(of)
            | Condition::Channel(of)
            | Condition::Coupon(of) => list(path, of),
            Condition::Payment(of) => list(path, of),
            // Journal bytes are trusted, but hours of the day end at midnight.
            Condition::Weekly(of) if of.from > 1_440 || of.until > 1_440 => wrong(path, "a day has 24 hours"),
            Condition::NewCustomer(_) | Condition::Weekly(_) => Ok(()),
        }
    }

    fn action(&self, action: &Action) -> Outcome {
        match action {
            Action::Order(off) => self.off("then.order", off),
            Action::Line(off) => self.off("then.line", off),
            Action::Unit(off) => self.off("then.unit", off),
            Action::Charge(off) => self.rate("then.charge", off.amount, off.percent),
            Action::Tiers(tiers) => self.tiers(tiers),
            Action::Nth(nth) => {
                self.rate("then.nth", nth.amount, nth.percent)?;
                if nth.n < 2 {
                    return wrong("then.nth.n", "every second unit at most");
                }
                units("then.nth.n", nth.n)?;
                times("then.nth.times", nth.times)?;
                scope("then.nth.of", &nth.of)
            }
            Action::BuyGet(deal) => {
                units("then.buy_get.buy", deal.buy)?;
                units("then.buy_get.get", deal.get)?;
                times("then.buy_get.times", deal.times)?;
                deal.percent.map_or(Ok(()), |percent| percentage("then.buy_get", percent))?;
                scope("then.buy_get.of", &deal.of)?;
                deal.get_of.as_ref().map_or(Ok(()), |of| scope("then.buy_get.get_of", of))
            }
            Action::Gift(gift) => units("then.gift.quantity", gift.quantity),
            Action::UnitPrice(price) => {
                self.price("then.unit_price.unit", price.unit)?;
                scope("then.unit_price.of", &price.of)
            }
            Action::Bundle(bundle) => self.bundle(bundle),
        }
    }

    fn off(&self, path: &str, off: &super::action::Off) -> Outcome {
        self.rate(path, off.amount, off.percent)?;
        scope(&format!("{path}.of"), &off.of)
    }

    fn tiers(&self, tiers: &super::action::Tiers) -> Outcome {
        list("then.tiers.steps", &tiers.steps)?;
        let by_spend = tiers.steps[0].spend.is_some();
        for (at, step) in tiers.steps.iter().enumerate() {
            let path = format!("then.tiers.steps[{at}]");
            match (step.spend, step.units) {
                (Some(spend), None) if by_spend => self.amount(&format!("{path}.spend"), spend)?,
                (None, Some(least)) if !by_spend => units(&format!("{path}.units"), least)?,
                _ => return wrong(path, "name `spend` in every step or `units` in every step"),
            }
            self.rate(&path, step.amount, step.percent)?;
            if tiers.steps[..at].iter().any(|other| (other.spend, other.units) == (step.spend, step.units)) {
                return wrong(path, "another step begins there too");
            }
        }
        scope("then.tiers.of", &tiers.of)
    }

    fn bundle(&self, bundle: &super::action::Bundle) -> Outcome {
        list("then.bundle.parts", &bundle.parts)?;
        for (at, part) in bundle.parts.iter().enumerate() {
            units(&format!("then.bundle.parts[{at}].quantity"), part.quantity)?;
            scope(&format!("then.bundle.parts[{at}].of"), &part.of)?;
        }
        times("then.bundle.times", bundle.times)?;
        self.price("then.bundle.price", bundle.price)
    }

    /// A price may be nothing, and has up to four decimals.
    fn price(&self, path: &str, price: Amount) -> Outcome {
        match self.currency {
            None => wrong("currency", format!("`{path}` is money: name its currency")),
            Some(_) if price.0 < 0 || price.0 > AMOUNT_MAX => {
                wrong(path, "a price is not negative, and can be counted")
            }
            Some(_) => Ok(()),
        }
    }
}

fn percentage(path: &str, percent: Percent) -> Outcome {
    match percent.0 {
        1..=10_000 => Ok(()),
        _ => wrong(format!("{path}.percent"), "a percentage is from 0.01 to 100"),
    }
}

fn list<T>(path: &str, of: &[T]) -> Outcome {
    match of.len() {
        0 => wrong(path, "the list is empty"),
        length if length > LIST_MAX => wrong(path, format!("a list has at most {LIST_MAX} entries")),
        _ => Ok(()),
    }
}

fn scope(path: &str, scope: &Scope) -> Outcome {
    let lengths = [scope.category.len(), scope.brand.len(), scope.except_category.len(), scope.except_brand.len()];
    let longest = lengths.into_iter().chain([scope.sku.len(), scope.except_sku.len()]).max();
    match longest {
        Some(length) if length > LIST_MAX => wrong(path, format!("a list has at most {LIST_MAX} entries")),
        _ => Ok(()),
    }
}

fn ordered<T: PartialOrd>(path: &str, least: Option<T>, most: Option<T>) -> Outcome {
    match (least, most) {
        (None, None) => wrong(path, "name one end at least"),
        (Some(least), Some(most)) if least > most => wrong(path, "it ends before it begins"),
        _ => Ok(()),
    }
}

fn units(path: &str, units: Quantity) -> Outcome {
    match units {
        1..=QUANTITY_MAX => Ok(()),
        _ => wrong(path, "a quantity is a whole number from 1 to 1,000,000,000"),
    }
}

fn times(path: &str, times: Option<Quantity>) -> Outcome {
    times.map_or(Ok(()), |times| units(path, times))
}

#[cfg(test)]
#[path = "check_rules.rs"]
mod rules;
