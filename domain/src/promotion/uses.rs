//! Uses as a scarce resource: how often a promotion or a coupon may be used, by whom, and for how much money.
//!
//! Two-phase like stock: an order *holds* its use before it is accepted, and settles or releases it exactly once. One
//! writer owns the state, so that held and settled uses together never exceed the limit, whatever happens at once.
//!
//! ```text
//!   Define ─▶ limits        Hold ─▶ held ─▶ Settle ─▶ settled ─▶ GiveBack ─▶ free
//!                                     └───▶ Release ─▶ free
//! ```
//!
//! Everything but holding is one-way and repeatable: what was done already, or was never held, changes nothing.
//!
//! Only what is held is known by order. What is used is counted, so that a campaign of millions of uses is as small as one
//! of ten: whoever gives a use back says what it was ([`Use`]), because its order remembers, and an order gives back once.
//! Where it asks from another partition, its step is remembered until the order has heard that it is done ([`Used`]).
//!
//! Limits may be changed at any time; what is taken beyond a lowered limit stays, and nothing more is given. A promotion
//! that is retired gives nothing more either: uses that are held go on to be settled, released and given back.

mod state;

use minicbor::{Decode, Encode};

pub use self::state::{Taken, Used, UsesState};
use super::cart::Unavailable;
use super::check::{self, PromotionError};
use super::condition::Window;
use super::names::{CouponCode, Label, PromotionId};
use super::rule::{Limits, Promotion};
use crate::entity::EntityKey;
use crate::mistake::{Mistake, made};
use crate::refusal::Excess;
use crate::{Amount, Currency, CustomerId, OrderId, Refusal, Timestamp};

/// Whose uses these are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Subject {
    /// A promotion's.
    #[n(0)]
    Promotion(#[n(0)] PromotionId),
    /// A coupon's.
    #[n(1)]
    Coupon(#[n(0)] CouponCode),
}

impl Subject {
    /// Its name, without saying whose it is.
    pub fn name(&self) -> &str {
        match self {
            Self::Promotion(id) => id.as_str(),
            Self::Coupon(code) => code.as_str(),
        }
    }
}

/// What an owner allows.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Terms {
    /// How often, by whom, how much.
    #[n(0)]
    pub limits: Limits,
    /// In what the budget is counted; needed where there is one.
    #[n(1)]
    pub currency: Option<Currency>,
    /// When it may be held.
    #[n(2)]
    pub window: Window,
    /// The batch of a coupon: promotions ask for batches.
    #[n(3)]
    pub batch: Option<Label>,
    /// Called back, or retired: nothing more is given.
    #[n(4)]
    pub revoked: bool,
}

impl Terms {
    /// A promotion's limits; when it may be used its own window says.
    pub fn of_promotion(limits: Limits, currency: Option<Currency>) -> Self {
        Self { limits, currency, window: Window::default(), batch: None, revoked: false }
    }

    /// A coupon of a batch that may be used so often; once, when it is single-use.
    pub fn of_coupon(batch: Label, uses: Option<u64>) -> Self {
        let limits = Limits { uses, ..Limits::default() };
        Self { limits, currency: None, window: Window::default(), batch: Some(batch), revoked: false }
    }
}

/// What an order has of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Use {
    /// Of the budget.
    #[n(0)]
    pub amount: Amount,
    /// Whom it is counted for.
    #[n(1)]
    pub customer: Option<CustomerId>,
    /// In which try to place the order: what belongs to an earlier one is not taken for a later one's.
    #[n(2)]
    pub round: u64,
}

/// What happened to uses.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "the fields are the values that the variant's sentence names")]
pub enum UsesEvent {
    /// The owner said what is allowed.
    #[n(0)]
    Defined {
        #[n(0)]
        terms: Terms,
    },
    /// An order set a use aside.
    #[n(1)]
    Held {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        taken: Use,
    },
    /// The order was paid: the use is used. How it was told before uses were only counted.
    #[n(2)]
    Settled {
        #[n(0)]
        order: OrderId,
    },
    /// The order ended unpaid: the use is free again.
    #[n(3)]
    Released {
        #[n(0)]
        order: OrderId,
    },
    /// A paid order was undone: the use is free again. How it was told before uses were only counted.
    #[n(4)]
    GivenBack {
        #[n(0)]
        order: OrderId,
    },
    /// A promotion is what it is from now on; its limits are what is allowed.
    #[n(5)]
    Promoted {
        #[n(0)]
        promotion: Box<Promotion>,
    },
    /// A promotion prices nothing from now on; what orders have of it they keep.
    #[n(6)]
    Retired,
    /// The order was paid: the use is used, and counted from here on.
    #[n(7)]
    Used {
        #[n(0)]
        order: OrderId,
    },
    /// A paid order was undone: what it had used is free again.
    #[n(8)]
    Returned {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        taken: Use,
        /// The step of the order that asked for it, where that is of another partition.
        #[n(2)]
        step: Option<u32>,
    },
    /// The order has heard that this step of it is done, and asks no more.
    #[n(9)]
    Heard {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        step: u32,
    },
    /// Held and used in one step, by an order that is paid at once.
    #[n(10)]
    Taken {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        taken: Use,
    },
}

impl UsesEvent {
    /// The same for an order that is paid in the very turn in which it holds the use.
    #[must_use]
    pub fn used_at_once(self) -> Self {
        match self {
            Self::Held { order, taken } => Self::Taken { order, taken },
            other => other,
        }
    }

    /// The public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Defined { .. } => "defined",
            Self::Held { .. } => "held",
            Self::Settled { .. } | Self::Used { .. } => "settled",
            Self::Released { .. } => "released",
            Self::GivenBack { .. } | Self::Returned { .. } => "given_back",
            Self::Heard { .. } => "heard",
            Self::Taken { .. } => "taken",
            Self::Promoted { .. } => "promoted",
            Self::Retired => "retired",
        }
    }
}

/// What the owner of uses can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the events")]
pub enum UsesCommand {
    Define {
        terms: Terms,
    },
    /// Its version is counted here.
    Promote {
        promotion: Box<Promotion>,
    },
    /// Until it is promoted again.
    Retire,
    Hold {
        order: OrderId,
        amount: Amount,
        currency: Currency,
        customer: Option<CustomerId>,
        round: u64,
    },
    Settle {
        order: OrderId,
    },
    /// Only what was held in this round.
    Release {
        order: OrderId,
        round: u64,
    },
    /// The order was paid and is undone.
    GiveBack {
        order: OrderId,
        /// What it used, as it remembers.
        taken: Option<Use>,
        /// The number of its step, where it is of another partition.
        step: Option<u32>,
    },
    /// The order asks for this step no more.
    Heard {
        order: OrderId,
        step: u32,
    },
}

/// Decides a command; the events go to `out`.
pub fn decide(
    state: &UsesState,
    command: &UsesCommand,
    now: Timestamp,
    out: &mut Vec<UsesEvent>,
) -> Result<(), Refusal> {
    match command {
        UsesCommand::Define { terms } => {
            check_terms(state, terms)?;
            if state.terms.as_ref() != Some(terms) {
                out.push(UsesEvent::Defined { terms: terms.clone() });
            }
        }
        UsesCommand::Promote { promotion } => promote(state, promotion, out)?,
        UsesCommand::Retire => retire(state, out)?,
        UsesCommand::Hold { order, amount, currency, customer, round } => {
            if state.settled.contains_key(order) {
                return Ok(());
            }
            if state.held.get(order).is_some_and(|before| before.round >= *round) {
                return Ok(());
            }
            let taken = Use { amount: *amount, customer: customer.clone(), round: *round };
            hold_anew(state, *order, taken, *currency, now, out)?;
        }
        UsesCommand::Settle { order } if state.held.contains_key(order) => {
            out.push(UsesEvent::Used { order: *order });
        }
        UsesCommand::Release { order, round } if state.held.get(order).is_some_and(|held| held.round == *round) => {
            out.push(UsesEvent::Released { order: *order });
        }
        UsesCommand::GiveBack { order, taken, step } => {
            let known = state.settled.get(order).or(taken.as_ref());
            if let Some(taken) = known.filter(|taken| state.can_return(*order, taken, *step)) {
                out.push(UsesEvent::Returned { order: *order, taken: taken.clone(), step: *step });
            }
        }
        UsesCommand::Heard { order, step } if state.returned_by(*order) == Some(*step) => {
            out.push(UsesEvent::Heard { order: *order, step: *step });
        }
        UsesCommand::Settle { .. } | UsesCommand::Release { .. } | UsesCommand::Heard { .. } => {}
    }
    Ok(())
}

/// Holds a use for an order. What it has held so far is not this one's: it is free again first.
pub fn hold_anew(
    state: &UsesState,
    order: OrderId,
    taken: Use,
    currency: Currency,
    now: Timestamp,
    out: &mut Vec<UsesEvent>,
) -> Result<(), Refusal> {
    let before = state.held.get(&order);
    check_hold(state, before, &taken, currency, now)?;
    out.extend(before.map(|_| UsesEvent::Released { order }));
    out.push(UsesEvent::Held { order, taken });
    Ok(())
}

/// A promotion as it was is no change; another one, and one that was retired, counts its versions up.
fn promote(state: &UsesState, promotion: &Promotion, out: &mut Vec<UsesEvent>) -> Result<(), Refusal> {
    let wrong = |error: PromotionError| Refusal::BodyInvalid { field: "promotion", why: error.to_string() };
    check::promotion(promotion).map_err(wrong)?;
    let version = state.promotion.as_ref().map_or(0, |before| before.version);
    let same = |before: &Promotion| Promotion { version, ..promotion.clone() } == *before;
    if !state.is_retired() && state.promotion.as_deref().is_some_and(same) {
        return Ok(());
    }
    check_terms(state, &Terms::of_promotion(promotion.limits.clone(), promotion.currency))?;
    out.push(UsesEvent::Promoted { promotion: Box::new(Promotion { version: version + 1, ..promotion.clone() }) });
    Ok(())
}

/// What is retired already stays so.
fn retire(state: &UsesState, out: &mut Vec<UsesEvent>) -> Result<(), Refusal> {
    if state.promotion.is_none() {
        return Err(Refusal::NotFound { what: EntityKey::Uses(state.subject.clone()).to_string() });
    }
    if !state.is_retired() {
        out.push(UsesEvent::Retired);
    }
    Ok(())
}

/// In order of precedence: unknown, called back or out of its time; used up; the customer's limit; the budget.
/// `before`: what the order has held so far, which it gives up for this.
fn check_hold(
    state: &UsesState,
    before: Option<&Use>,
    wanted: &Use,
    currency: Currency,
    now: Timestamp,
) -> Result<(), Refusal> {
    let given_up = before.map_or(Taken::default(), |before| Taken { uses: 1, amount: before.amount });
    let taken =
        Taken { uses: state.taken.uses - given_up.uses, amount: Amount(state.taken.amount.0 - given_up.amount.0) };
    let terms = match &state.terms {
        Some(terms) if !terms.revoked && terms.window.contains(now) => terms,
        Some(terms) if terms.revoked => return Err(not_valid(state, "it was called back")),
        Some(terms) if terms.window.until.is_some_and(|until| now >= until) => {
            return Err(not_valid(state, "it has expired"));
        }
        Some(_) => return Err(not_valid(state, "its time has not come")),
        None => return Err(not_valid(state, "it is not known")),
    };
    if wanted.amount.0 < 0 {
        return Err(Refusal::MoneyInvalid { why: "what a use takes of a budget is not negative".into() });
    }
    if terms.limits.uses.is_some_and(|limit| taken.uses >= limit + u64::from(made(Mistake::UseOnceMore))) {
        return Err(used_up(state, terms));
    }
    if let Some(limit) = terms.limits.per_customer {
        let Some(customer) = &wanted.customer else {
            return Err(Refusal::CustomerRequired { why: "uses are counted by customer" });
        };
        let is_theirs = before.is_some_and(|before| before.customer.as_ref() == Some(customer));
        let taken = state.of_customer(customer) - u64::from(is_theirs);
        if taken >= limit {
            return Err(exceeded(state, Unavailable::CustomerLimit, limit, taken));
        }
    }
    if terms.currency.is_some_and(|kept| kept != currency) {
        let (wanted, found) = (terms.currency.map(|kept| kept.to_string()).unwrap_or_default(), currency.to_string());
        return Err(Refusal::CurrencyMismatch { wanted, found });
    }
    let after = taken.amount.checked_add(wanted.amount);
    let counted = after.ok_or_else(|| Refusal::MoneyInvalid { why: "so much money cannot be counted".into() })?;
    if let Some(budget) = terms.limits.budget.filter(|budget| counted > *budget) {
        return Err(exceeded(state, Unavailable::Budget, budget, taken.amount));
    }
    Ok(())
}

fn check_terms(state: &UsesState, terms: &Terms) -> Result<(), Refusal> {
    let wrong = |why: &str| Err(Refusal::BodyInvalid { field: "limits", why: why.into() });
    if terms.limits.uses == Some(0) || terms.limits.per_customer == Some(0) {
        return wrong("a limit is at least 1");
    }
    let window = terms.window;
    if window.from.is_some_and(|from| window.until.is_some_and(|until| until <= from)) {
        return wrong("`until` comes after `from`");
    }
    match (terms.limits.budget, terms.currency) {
        (Some(_), None) => return wrong("a budget has a currency"),
        (Some(budget), Some(currency)) if budget.0 <= 0 || !budget.is_rounded(currency) => {
            return wrong("a budget is a positive amount in whole minor units");
        }
        _ => {}
    }
    // Money that is taken already cannot be counted in another currency.
    let kept = state.terms.as_ref().and_then(|terms| terms.currency);
    if let (Some(kept), true) = (kept, state.taken.uses > 0)
        && terms.currency != Some(kept)
    {
        let found = terms.currency.map_or_else(|| "none".to_owned(), |currency| currency.to_string());
        return Err(Refusal::CurrencyMismatch { wanted: kept.to_string(), found });
    }
    Ok(())
}

fn exceeded(state: &UsesState, why: Unavailable, limit: impl ToString, taken: impl ToString) -> Refusal {
    let subject = match &state.subject {
        Subject::Promotion(id) => id.to_string(),
        Subject::Coupon(code) => code.to_string(),
    };
    let (limit, taken) = (limit.to_string(), taken.to_string());
    Refusal::UsesExceeded(Box::new(Excess { why, subject, limit, taken }))
}

/// Nothing is given, whatever was taken.
fn not_valid(state: &UsesState, why: &'static str) -> Refusal {
    match &state.subject {
        Subject::Coupon(code) => Refusal::CouponInvalid { code: code.to_string(), why: why.into() },
        Subject::Promotion(_) => exceeded(state, Unavailable::Exhausted, 0, state.taken.uses),
    }
}

fn used_up(state: &UsesState, terms: &Terms) -> Refusal {
    match &state.subject {
        Subject::Coupon(code) => Refusal::CouponExhausted { code: code.to_string() },
        Subject::Promotion(_) => {
            exceeded(state, Unavailable::Exhausted, terms.limits.uses.unwrap_or_default(), state.taken.uses)
        }
    }
}

#[cfg(test)]
#[path = "uses_rules.rs"]
mod rules;
