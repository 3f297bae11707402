//! Actions as they are offered: each gives bids, and a lane chooses among the bids.
//!
//! A bid is for slots: lines first, then charges, then the place of a gift. Discounts off each line are a bid for each
//! line, so that a better promotion can have one of them; everything else is one bid for all the slots it touches.

mod units;

use smallvec::SmallVec;

use super::action::Action;
use super::compile::Rule;
use super::facts::{Facts, LineFacts};
use super::intern::Interner;
use super::pricing::Reason;
use super::rule::Basis;
use super::test::Lines;
use crate::order::ChargeKind;
use crate::stock::largest_remainder;
use crate::{Amount, Quantity};

/// How much off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rate {
    /// Hundredths of a per cent.
    Percent(u32),
    Amount(i64),
}

impl Rate {
    fn new(amount: Option<Amount>, percent: Option<super::action::Percent>) -> Self {
        match (amount, percent) {
            (Some(amount), _) => Self::Amount(amount.0),
            (None, percent) => Self::Percent(percent.map_or(10_000, |percent| percent.0)),
        }
    }

    /// Off a base, in whole minor units, half up.
    fn off(self, base: i64, unit: i64) -> i64 {
        match self {
            Self::Percent(hundredths) => round(base, i64::from(hundredths), 10_000, unit),
            Self::Amount(amount) => amount.min(base),
        }
    }
}

/// `value * times / parts` in whole `unit`s, half up. Nearly always it fits 64 bits, where dividing is many times
/// faster.
fn round(value: i64, times: i64, parts: i64, unit: i64) -> i64 {
    let step = parts * unit;
    if let Some(sum) = value.checked_mul(times).and_then(|product| product.checked_add(step / 2)) {
        return sum.div_euclid(step) * unit;
    }
    let sum = i128::from(value) * i128::from(times) + i128::from(step / 2);
    i64::try_from(sum.div_euclid(i128::from(step)) * i128::from(unit)).unwrap_or(i64::MAX)
}

/// A step of the tiers, highest first.
pub(super) struct Step {
    pub spend: Option<i64>,
    pub units: Option<Quantity>,
    rate: Rate,
}

/// An [`Action`] in numbers.
pub(super) enum Deal {
    Order { rate: Rate, of: Lines },
    Line { rate: Rate, of: Lines },
    Unit { rate: Rate, of: Lines },
    Charge { rate: Rate, kind: ChargeKind },
    Tiers { steps: Box<[Step]>, of: Lines },
    BuyGet { buy: Quantity, get: Quantity, rate: Rate, of: Lines, get_of: Option<Box<Lines>>, times: Quantity },
    Gift,
    UnitPrice { unit: i64, of: Lines },
    Bundle { parts: Box<[(Quantity, Lines)]>, price: i64, times: Quantity },
}

impl Deal {
    pub fn compile(action: &Action, names: &mut Interner) -> Self {
        match action {
            Action::Order(off) => {
                Self::Order { rate: Rate::new(off.amount, off.percent), of: Lines::compile(&off.of, names) }
            }
            Action::Line(off) => {
                Self::Line { rate: Rate::new(off.amount, off.percent), of: Lines::compile(&off.of, names) }
            }
            Action::Unit(off) => {
                Self::Unit { rate: Rate::new(off.amount, off.percent), of: Lines::compile(&off.of, names) }
            }
            Action::Charge(off) => Self::Charge { rate: Rate::new(off.amount, off.percent), kind: off.kind },
            Action::Tiers(tiers) => {
                let step = |tier: &super::action::Tier| Step {
                    spend: tier.spend.map(|spend| spend.0),
                    units: tier.units,
                    rate: Rate::new(tier.amount, tier.percent),
                };
                let mut steps: Vec<Step> = tiers.steps.iter().map(step).collect();
                steps.sort_by_key(|step| std::cmp::Reverse((step.spend, step.units)));
                Self::Tiers { steps: steps.into(), of: Lines::compile(&tiers.of, names) }
            }
            Action::Nth(nth) => Self::BuyGet {
                buy: nth.n - 1,
                get: 1,
                rate: Rate::new(nth.amount, nth.percent),
                of: Lines::compile(&nth.of, names),
                get_of: None,
                times: nth.times.unwrap_or(Quantity::MAX),
            },
            Action::BuyGet(deal) => Self::BuyGet {
                buy: deal.buy,
                get: deal.get,
                rate: Rate::new(None, deal.percent),
                of: Lines::compile(&deal.of, names),
                get_of: deal.get_of.as_ref().map(|of| Box::new(Lines::compile(of, names))),
                times: deal.times.unwrap_or(Quantity::MAX),
            },
            Action::Gift(_) => Self::Gift,
            Action::UnitPrice(price) => Self::UnitPrice { unit: price.unit.0, of: Lines::compile(&price.of, names) },
            Action::Bundle(bundle) => Self::Bundle {
                parts: bundle.parts.iter().map(|part| (part.quantity, Lines::compile(&part.of, names))).collect(),
                price: bundle.price.0,
                times: bundle.times.unwrap_or(Quantity::MAX),
            },
        }
    }

    /// The lines of which a cart must have one.
    pub fn scope(&self) -> Option<&Lines> {
        match self {
            Self::Order { of, .. }
            | Self::Line { of, .. }
            | Self::Unit { of, .. }
            | Self::Tiers { of, .. }
            | Self::BuyGet { of, .. }
            | Self::UnitPrice { of, .. } => Some(of),
            Self::Bundle { parts, .. } => parts.first().map(|(_, of)| of),
            Self::Charge { .. } | Self::Gift => None,
        }
    }
}

/// So much off a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub slot: u32,
    pub amount: i64,
}

/// A rule wants these slots, all or none. Its shares are claims, each the most that it may take there, until it wins:
/// most bids lose, and sharing exactly is the dearest step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bid {
    pub rule: u32,
    /// The rule's place among those considered.
    pub considered: u32,
    pub amount: i64,
    from: u32,
    to: u32,
}

/// What the rules of a lane bid.
#[derive(Default)]
pub(super) struct Bids {
    shares: SmallVec<[Share; 8]>,
    pub bids: SmallVec<[Bid; 4]>,
    /// The claims of bids for all lines: they are the same, and one of them wins at most.
    everything: Option<Claims>,
}

/// What a bid claims: a range of the shares, and what it comes to.
#[derive(Clone, Copy)]
struct Claims {
    from: u32,
    to: u32,
    sum: i64,
}

/// Who bids: a rule and its place among those considered.
#[derive(Clone, Copy)]
pub(super) struct Bidder {
    pub rule: u32,
    pub considered: u32,
}

/// A lane as it begins: what earlier lanes have left of each slot.
pub(super) struct Floor<'a, 'c> {
    pub facts: &'a Facts<'c>,
    pub left: &'a [i64],
}

impl Floor<'_, '_> {
    /// The slot of gifts.
    fn gift(&self) -> u32 {
        self.left.len() as u32 - 1
    }

    fn line_base(&self, basis: Basis, slot: usize, line: &LineFacts) -> i64 {
        match basis {
            Basis::List => line.gross,
            Basis::Net => self.left[slot],
        }
    }

    /// What some units of a line come to.
    fn units_base(&self, basis: Basis, slot: usize, line: &LineFacts, units: Quantity) -> i64 {
        match basis {
            Basis::List => self.times(line.unit_price, units),
            Basis::Net => {
                let unit = i128::from(self.facts.unit);
                let part = i128::from(self.left[slot]) * i128::from(units) / i128::from(line.quantity);
                (part / unit * unit) as i64
            }
        }
    }

    /// What comes off some units of a line, each by the rate.
    fn units_off(&self, basis: Basis, slot: usize, line: &LineFacts, units: Quantity, rate: Rate) -> i64 {
        let off = match rate {
            Rate::Percent(_) => rate.off(self.units_base(basis, slot, line, units), self.facts.unit),
            Rate::Amount(amount) => self.times(amount.min(line.unit_price), units),
        };
        off.min(self.left[slot])
    }

    fn times(&self, amount: i64, units: Quantity) -> i64 {
        round(amount, i64::try_from(units).unwrap_or(i64::MAX), 1, self.facts.unit)
    }
}

impl Bids {
    /// Lets a rule bid, or says why it has nothing to offer.
    pub fn offer(&mut self, at: Bidder, rule: &Rule, floor: &Floor<'_, '_>) -> Result<(), Reason> {
        let first = self.shares.len();
        let basis = rule.basis;
        match &rule.deal {
            Deal::Line { rate, of } => {
                let off = |slot, line: &LineFacts| rate.off(floor.line_base(basis, slot, line), floor.facts.unit);
                self.each_line(at, rule, floor, of, off)
            }
            Deal::Unit { rate, of } => {
                let off = |slot, line: &LineFacts| {
                    let one = match basis {
                        Basis::List => line.unit_price,
                        Basis::Net => floor.left[slot] / line.quantity as i64,
                    };
                    floor.times(rate.off(one, floor.facts.unit), line.quantity)
                };
                self.each_line(at, rule, floor, of, off)
            }
            Deal::UnitPrice { unit, of } => {
                let off =
                    |slot, line: &LineFacts| floor.line_base(basis, slot, line) - floor.times(*unit, line.quantity);
                self.each_line(at, rule, floor, of, off)
            }
            Deal::Order { rate, of } => {
                let (claims, base, _) = self.claim_lines(floor, basis, of)?;
                self.bid(at, rule, claims, rate.off(base, floor.facts.unit))
            }
            Deal::Tiers { steps, of } => {
                let (claims, base, units) = self.claim_lines(floor, basis, of)?;
                let reached = |step: &&Step| {
                    step.spend.is_none_or(|spend| base >= spend) && step.units.is_none_or(|least| units >= least)
                };
                let step = steps.iter().find(reached).ok_or(Reason::BelowTier)?;
                self.bid(at, rule, claims, step.rate.off(base, floor.facts.unit))
            }
            Deal::Charge { rate, kind } => {
                let base = self.claim_charges(floor, basis, *kind)?;
                self.bid(at, rule, self.since(first), rate.off(base, floor.facts.unit))
            }
            Deal::BuyGet { buy, get, rate, of, get_of: None, times } => {
                let off = self.buy_get(floor, basis, (*buy, *get, *times), *rate, of)?;
                self.bid(at, rule, self.since(first), off)
            }
            Deal::BuyGet { buy, get, rate, of, get_of: Some(get_of), times } => {
                let off = self.buy_get_other(floor, basis, (*buy, *get, *times), *rate, [of, get_of])?;
                self.bid(at, rule, self.since(first), off)
            }
            Deal::Bundle { parts, price, times } => {
                let off = self.bundle(floor, basis, parts, *price, *times)?;
                self.bid(at, rule, self.since(first), off)
            }
            Deal::Gift => {
                self.shares.push(Share { slot: floor.gift(), amount: 0 });
                self.push(at, self.since(first), 0);
                Ok(())
            }
        }
    }

    fn push(&mut self, at: Bidder, claims: Claims, amount: i64) {
        let (Bidder { rule, considered }, Claims { from, to, .. }) = (at, claims);
        self.bids.push(Bid { rule, considered, amount, from, to });
    }

    /// Bids for each line by itself; with a cap they are one bid, because the cap is for all of them.
    fn each_line(
        &mut self,
        at: Bidder,
        rule: &Rule,
        floor: &Floor<'_, '_>,
        of: &Lines,
        off: impl Fn(usize, &LineFacts) -> i64,
    ) -> Result<(), Reason> {
        let first = self.shares.len();
        let (mut meant, mut sum) = (false, 0);
        for (slot, line) in of.of(floor.facts) {
            meant = true;
            let amount = off(slot, line).min(floor.left[slot]);
            if amount > 0 {
                sum += amount;
                self.shares.push(Share { slot: slot as u32, amount });
                if rule.cap == i64::MAX {
                    self.push(at, self.since(self.shares.len() - 1), amount);
                }
            }
        }
        match (meant, sum) {
            (false, _) => Err(Reason::NothingInScope),
            (true, 0) => Err(Reason::NothingOff),
            _ if rule.cap == i64::MAX => Ok(()),
            _ => self.bid(at, rule, self.since(first), sum),
        }
    }

    /// Claims what is left of the lines; gives the claims, what the lines come to and how many units they are.
    fn claim_lines(
        &mut self,
        floor: &Floor<'_, '_>,
        basis: Basis,
        of: &Lines,
    ) -> Result<(Claims, i64, Quantity), Reason> {
        let known = if of.is_everything() { self.everything } else { None };
        if let Some(claims) = known {
            let base = if basis == Basis::List { floor.facts.subtotal } else { claims.sum };
            return Ok((claims, base, floor.facts.units));
        }
        let from = self.shares.len();
        let (mut meant, mut base, mut units) = (false, 0, 0);
        for (slot, line) in of.of(floor.facts) {
            meant = true;
            base += floor.line_base(basis, slot, line);
            units += line.quantity;
            if floor.left[slot] > 0 {
                self.shares.push(Share { slot: slot as u32, amount: floor.left[slot] });
            }
        }
        if !meant {
            return Err(Reason::NothingInScope);
        }
        let claims = self.since(from);
        if of.is_everything() {
            self.everything = Some(claims);
        }
        Ok((claims, base, units))
    }

    /// The claims since then.
    fn since(&self, from: usize) -> Claims {
        let sum = self.shares[from..].iter().map(|share| share.amount).sum();
        Claims { from: from as u32, to: self.shares.len() as u32, sum }
    }

    fn claim_charges(&mut self, floor: &Floor<'_, '_>, basis: Basis, kind: ChargeKind) -> Result<i64, Reason> {
        let (mut meant, mut base) = (false, 0);
        let lines = floor.facts.lines.len();
        for (at, charge) in floor.facts.cart.charges.iter().enumerate().filter(|(_, charge)| charge.kind == kind) {
            meant = true;
            let left = floor.left[lines + at];
            base += match basis {
                Basis::List => charge.money.amount.0,
                Basis::Net => left,
            };
            if left > 0 {
                self.shares.push(Share { slot: (lines + at) as u32, amount: left });
            }
        }
        if meant { Ok(base) } else { Err(Reason::NothingInScope) }
    }

    /// What a bid claims of each slot.
    pub fn claims(&self, bid: &Bid) -> &[Share] {
        &self.shares[bid.from as usize..bid.to as usize]
    }

    /// Shares the amount of a bid over its claims by largest remainder; no claim is exceeded.
    pub fn share_out(&mut self, bid: &Bid, unit: i64) -> &[Share] {
        let shares = &mut self.shares[bid.from as usize..bid.to as usize];
        let claimed: i64 = shares.iter().map(|share| share.amount).sum();
        if let [share] = shares {
            share.amount = if bid.amount < claimed { bid.amount / unit * unit } else { claimed };
            return shares;
        }
        if bid.amount < claimed {
            let claims: SmallVec<[Quantity; 16]> =
                shares.iter().map(|share| (share.amount / unit) as Quantity).collect();
            let parts = largest_remainder((bid.amount / unit) as Quantity, &claims);
            for (share, part) in shares.iter_mut().zip(parts) {
                share.amount = part as i64 * unit;
            }
        }
        shares
    }

    /// Bids an amount for the claims; neither they nor the cap are exceeded.
    fn bid(&mut self, at: Bidder, rule: &Rule, claims: Claims, amount: i64) -> Result<(), Reason> {
        match amount.min(rule.cap).min(claims.sum) {
            amount if amount > 0 => {
                self.push(at, claims, amount);
                Ok(())
            }
            _ => Err(Reason::NothingOff),
        }
    }

    /// Begins a lane.
    pub fn clear(&mut self) {
        self.shares.clear();
        self.bids.clear();
        self.everything = None;
    }
}
