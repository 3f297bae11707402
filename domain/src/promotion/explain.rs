//! Why a promotion applies or not, in a sentence; made only for those who ask.

use super::action::{Action, Tiers};
use super::cart::{Cart, CartContext, Unavailable};
use super::civil;
use super::compile::RuleSet;
use super::condition::{Condition, Scope};
use super::facts::Facts;
use super::phrase::{self, either, money};
use super::pricing::{Explanation, Pricing, Reason, Verdict};
use super::rule::Promotion;
use crate::{Amount, Currency, Money, Refusal};

impl RuleSet {
    /// What became of every promotion, in the order of their places. The cart and its context are those that were
    /// priced, by this set.
    pub fn explain(&self, pricing: &Pricing, cart: &Cart, context: &CartContext) -> Result<Vec<Explanation>, Refusal> {
        let facts = Facts::new(self, cart, context)?;
        let mut considered = pricing.considered.iter().peekable();
        let verdicts = (0..self.promotions().len() as u32).map(|rule| {
            match considered.next_if(|considered| considered.rule == rule) {
                Some(considered) => considered.verdict,
                // Nobody looked at it, because nothing it needs is in the cart: the first reason is as good as its own.
                None => Verdict::Refused(self.eligible(rule, &facts).err().unwrap_or(Reason::NothingInScope)),
            }
        });
        let verdicts: Vec<Verdict> = verdicts.collect();
        Ok((0..).zip(verdicts).map(|(rule, verdict)| self.explanation(rule, verdict, cart.currency)).collect())
    }

    /// A verdict on the rule at a place, with its code and its sentence, for a cart in this currency.
    pub fn explanation(&self, rule: u32, verdict: Verdict, currency: Currency) -> Explanation {
        let promotion = self.promotion(rule);
        let (code, amount, text) = match verdict {
            Verdict::Applied(amount) => (200, amount, applied(promotion, Money::new(amount, currency))),
            Verdict::Refused(reason) => (403, Amount::ZERO, self.refused(promotion, reason)),
        };
        let sentence = format!("{}: {text}", promotion.name);
        Explanation { promotion: promotion.id.clone(), version: promotion.version, code, amount, sentence }
    }

    fn refused(&self, promotion: &Promotion, reason: Reason) -> String {
        let other = |rule: u32| &self.promotion(rule).name;
        match reason {
            Reason::Currency => match promotion.currency {
                Some(currency) => format!("it is for carts in {currency}"),
                None => "it is for another currency".to_owned(),
            },
            Reason::NotYet => {
                format!("it begins on {}", promotion.window.from.map(civil::print).unwrap_or_default())
            }
            Reason::Over => format!("it ended on {}", promotion.window.until.map(civil::print).unwrap_or_default()),
            Reason::CouponNeeded => format!("it needs a coupon of {}", either(&promotion.coupon)),
            Reason::CustomerNeeded => "it needs a customer, because each may use it so often only".to_owned(),
            Reason::Unavailable(Unavailable::Exhausted) => "it is used up".to_owned(),
            Reason::Unavailable(Unavailable::CustomerLimit) => {
                "this customer has used it as often as one may".to_owned()
            }
            Reason::Unavailable(Unavailable::Budget) => "what is left of its budget does not suffice".to_owned(),
            Reason::Condition(at) => match (&promotion.refusal, &promotion.when[at as usize]) {
                (Some(text), _) => text.to_string(),
                (None, Condition::Not(contrary)) => {
                    format!("it is not for {}", phrase::condition(contrary, promotion.currency))
                }
                (None, condition) => format!("it needs {}", phrase::condition(condition, promotion.currency)),
            },
            Reason::NothingInScope => match &promotion.then {
                Action::Charge(off) => format!("the cart has no charge for {}", off.kind.name()),
                action => format!("it needs {}", scopes(action)),
            },
            Reason::BelowTier => match &promotion.then {
                Action::Tiers(tiers) => format!("it begins with {}", lowest(tiers, promotion)),
                _ => "no step of it is reached".to_owned(),
            },
            Reason::TooFewUnits => format!("it needs {}", enough(&promotion.then)),
            Reason::NothingOff => "it makes nothing cheaper".to_owned(),
            Reason::Taken(rule) => format!("`{}` is given instead", other(rule)),
            Reason::Excluded(rule) => format!("it does not go together with `{}`", other(rule)),
            Reason::Stopped(rule) => format!("nothing goes together with `{}`", other(rule)),
        }
    }
}

fn applied(promotion: &Promotion, money: Money) -> String {
    match &promotion.then {
        Action::Gift(gift) => format!("{} x {} as a gift", gift.quantity, gift.sku),
        _ => format!("{money} off"),
    }
}

/// What an action is about.
fn scopes(action: &Action) -> String {
    match action {
        Action::Order(off) | Action::Line(off) | Action::Unit(off) => phrase::scope(&off.of),
        Action::Tiers(tiers) => phrase::scope(&tiers.of),
        Action::Nth(nth) => phrase::scope(&nth.of),
        Action::BuyGet(deal) => match &deal.get_of {
            Some(get_of) => format!("{}, and {}", phrase::scope(&deal.of), phrase::scope(get_of)),
            None => phrase::scope(&deal.of),
        },
        Action::UnitPrice(price) => phrase::scope(&price.of),
        Action::Bundle(bundle) => {
            let parts: Vec<String> = bundle.parts.iter().map(|part| phrase::scope(&part.of)).collect();
            parts.join(", and ")
        }
        Action::Charge(_) | Action::Gift(_) => phrase::scope(&Scope::everything()),
    }
}

/// How many units an action is about.
fn enough(action: &Action) -> String {
    let units = phrase::units_of;
    match action {
        Action::Nth(nth) => units(nth.n, &nth.of),
        Action::BuyGet(deal) if deal.get_of.is_none() => units(deal.buy + deal.get, &deal.of),
        Action::BuyGet(deal) => units(deal.buy, &deal.of),
        Action::Bundle(bundle) => {
            let parts: Vec<String> = bundle.parts.iter().map(|part| units(part.quantity, &part.of)).collect();
            parts.join(", and ")
        }
        action => scopes(action),
    }
}

fn lowest(tiers: &Tiers, promotion: &Promotion) -> String {
    let step = tiers.steps.iter().min_by_key(|step| (step.spend, step.units));
    match step.map(|step| (step.spend, step.units)) {
        Some((Some(spend), _)) => format!("{} for {}", phrase::scope(&tiers.of), money(spend, promotion.currency)),
        Some((None, Some(units))) => phrase::units_of(units, &tiers.of),
        _ => "its first step".to_owned(),
    }
}

#[cfg(test)]
#[path = "explain_rules.rs"]
mod rules;
