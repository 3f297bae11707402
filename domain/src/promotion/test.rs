//! Conditions as they are asked: names are numbers, and a question costs a few comparisons.

use super::condition::{Condition, OrderNumber, Scope, Weekly, Window};
use super::facts::{Facts, Kind, LineFacts};
use super::intern::Interner;
use super::names::Label;
use crate::SkuId;

/// A few names, sorted.
pub(super) type Names = Box<[u32]>;

/// Whether one of few names is meant.
fn has(names: &[u32], name: u32) -> bool {
    if names.len() <= 8 { names.contains(&name) } else { names.binary_search(&name).is_ok() }
}

/// How a scope is asked. Nearly all name one thing, and thousands of them are asked about every cart.
#[derive(Clone, Copy)]
enum Form {
    Everything,
    /// One name of this kind.
    One(u8, u32),
    Lists,
}

/// A [`Scope`] in numbers.
pub(super) struct Lines {
    form: Form,
    /// By SKU, brand, category; empty: any.
    pub among: [Names; 3],
    except: [Names; 3],
}

impl Lines {
    /// Whether a line is meant.
    #[inline]
    pub fn mean(&self, line: &LineFacts) -> bool {
        match self.form {
            Form::Everything => true,
            Form::One(kind, name) => line.names[kind as usize] == name,
            Form::Lists => self.lists_mean(line),
        }
    }

    fn lists_mean(&self, line: &LineFacts) -> bool {
        self.among.iter().zip(line.names).all(|(among, name)| among.is_empty() || has(among, name))
            && self.except.iter().zip(line.names).all(|(except, name)| !has(except, name))
    }

    /// Whether every line is meant, whatever it is.
    pub fn is_everything(&self) -> bool {
        matches!(self.form, Form::Everything)
    }

    /// What the lines that are meant come to at list prices.
    fn subtotal(&self, facts: &Facts<'_>) -> i64 {
        match self.form {
            Form::Everything => facts.subtotal,
            _ => self.of(facts).map(|(_, line)| line.gross).sum(),
        }
    }

    /// The lines that are meant, with their places.
    pub fn of<'a>(&'a self, facts: &'a Facts<'_>) -> impl Iterator<Item = (usize, &'a LineFacts)> {
        facts.lines.iter().enumerate().filter(|(_, line)| self.mean(line))
    }

    pub fn compile(scope: &Scope, names: &mut Interner) -> Self {
        let among = [
            skus(&scope.sku, names),
            labels(Kind::Brand, &scope.brand, names),
            labels(Kind::Category, &scope.category, names),
        ];
        let except = [
            skus(&scope.except_sku, names),
            labels(Kind::Brand, &scope.except_brand, names),
            labels(Kind::Category, &scope.except_category, names),
        ];
        let mut named = (0..).zip(&among).filter(|(_, names)| !names.is_empty());
        let form = match (named.next(), named.next(), except.iter().all(|names| names.is_empty())) {
            (None, None, true) => Form::Everything,
            (Some((kind, of)), None, true) if of.len() == 1 => Form::One(kind, of[0]),
            _ => Form::Lists,
        };
        Self { form, among, except }
    }
}

/// A [`Condition`] in numbers.
pub(super) enum Test {
    All(Box<[Test]>),
    Any(Box<[Test]>),
    Not(Box<Test>),
    Subtotal {
        at_least: i64,
        at_most: i64,
        of: Box<Lines>,
    },
    Quantity {
        at_least: u64,
        at_most: u64,
        of: Box<Lines>,
    },
    Goods(Kind, Names),
    Only(Box<Lines>),
    Buyer(Kind, Names),
    /// A bit for each method.
    Payment(u8),
    NewCustomer(bool),
    OrderNumber(OrderNumber),
    Window(Window),
    Weekly(Weekly),
    Coupon(Names),
}

impl Test {
    pub fn compile(condition: &Condition, names: &mut Interner) -> Self {
        match condition {
            Condition::All(of) => Self::All(of.iter().map(|each| Self::compile(each, names)).collect()),
            Condition::Any(of) => Self::Any(of.iter().map(|each| Self::compile(each, names)).collect()),
            Condition::Not(contrary) => Self::Not(Box::new(Self::compile(contrary, names))),
            Condition::Subtotal(range) => Self::Subtotal {
                at_least: range.at_least.map_or(0, |amount| amount.0),
                at_most: range.at_most.map_or(i64::MAX, |amount| amount.0),
                of: Box::new(Lines::compile(&range.of, names)),
            },
            Condition::Quantity(range) => Self::Quantity {
                at_least: range.at_least.unwrap_or(0),
                at_most: range.at_most.unwrap_or(u64::MAX),
                of: Box::new(Lines::compile(&range.of, names)),
            },
            Condition::Sku(of) => Self::Goods(Kind::Sku, skus(of, names)),
            Condition::Category(of) => Self::Goods(Kind::Category, labels(Kind::Category, of, names)),
            Condition::Brand(of) => Self::Goods(Kind::Brand, labels(Kind::Brand, of, names)),
            Condition::Only(scope) => Self::Only(Box::new(Lines::compile(scope, names))),
            Condition::Tier(of) => Self::Buyer(Kind::Tier, labels(Kind::Tier, of, names)),
            Condition::Region(of) => Self::Buyer(Kind::Region, labels(Kind::Region, of, names)),
            Condition::Channel(of) => Self::Buyer(Kind::Channel, labels(Kind::Channel, of, names)),
            Condition::Payment(of) => Self::Payment(of.iter().fold(0, |bits, method| bits | 1 << *method as u8)),
            Condition::NewCustomer(wanted) => Self::NewCustomer(*wanted),
            Condition::OrderNumber(number) => Self::OrderNumber(number.clone()),
            Condition::Window(window) => Self::Window(*window),
            Condition::Weekly(weekly) => Self::Weekly(weekly.clone()),
            Condition::Coupon(of) => Self::Coupon(labels(Kind::Coupon, of, names)),
        }
    }

    /// Whether it is true of a cart.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::All(of) => of.iter().all(|each| each.holds(facts)),
            Self::Any(of) => of.iter().any(|each| each.holds(facts)),
            Self::Not(contrary) => !contrary.holds(facts),
            Self::Subtotal { at_least, at_most, of } => (*at_least..=*at_most).contains(&of.subtotal(facts)),
            Self::Quantity { at_least, at_most, of } => {
                let sum: u64 = of.of(facts).map(|(_, line)| line.quantity).sum();
                (*at_least..=*at_most).contains(&sum)
            }
            Self::Goods(kind, names) => facts.lines.iter().any(|line| has(names, line.names[*kind as usize])),
            Self::Only(of) => facts.lines.iter().all(|line| of.mean(line)),
            Self::Buyer(kind, names) => has(names, facts.buyer[*kind as usize - Kind::Tier as usize]),
            Self::Payment(bits) => {
                let methods = &facts.context.payments;
                !methods.is_empty() && methods.iter().all(|method| bits >> *method as u8 & 1 == 1)
            }
            Self::NewCustomer(wanted) => facts.context.new_customer == *wanted,
            Self::OrderNumber(wanted) => facts.context.orders_before.is_some_and(|before| {
                let number = before.saturating_add(1);
                wanted.from.is_none_or(|from| number >= from)
                    && wanted.to.is_none_or(|to| number <= to)
                    && wanted.every.is_none_or(|every| number % every == 0)
            }),
            Self::Window(window) => window.contains(facts.context.now),
            Self::Weekly(weekly) => weekly.contains(facts.weekday, facts.minute),
            Self::Coupon(names) => facts.coupons.iter().any(|coupon| has(names, *coupon)),
        }
    }

    /// The names of which a cart must have one for this to be true, as far as that can be told.
    pub fn needs(&self) -> Option<(Kind, &Names)> {
        match self {
            Self::Goods(kind, names) | Self::Buyer(kind, names) => Some((*kind, names)),
            Self::Coupon(names) => Some((Kind::Coupon, names)),
            Self::All(of) => of.iter().find_map(Self::needs),
            _ => None,
        }
    }
}

fn skus(of: &[SkuId], names: &mut Interner) -> Names {
    sorted(of.iter().map(|sku| names.intern(Kind::Sku, sku.as_str())))
}

/// Labels of one kind in numbers.
pub(super) fn labels(kind: Kind, of: &[Label], names: &mut Interner) -> Names {
    sorted(of.iter().map(|label| names.intern(kind, label.as_str())))
}

fn sorted(numbers: impl Iterator<Item = u32>) -> Names {
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.into()
}

#[cfg(test)]
#[path = "test_rules.rs"]
mod rules;
