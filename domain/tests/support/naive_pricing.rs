//! A slow, obvious pricing: every rule is asked, names are compared as texts, units are laid out one by one. It shares
//! no code with the fast one but the data, and is held against it in tests and measured beside it in the bench.

use std::collections::{BTreeMap, BTreeSet};

use stockade_domain::payment::Method;
use stockade_domain::promotion::action::{Action, Percent};
use stockade_domain::promotion::condition::Condition;
use stockade_domain::promotion::rule::{Basis, Pick};
use stockade_domain::promotion::{Cart, CartContext, CartLine, Lane, Promotion, PromotionId, Scope};
use stockade_domain::{Amount, Timestamp};

/// What a rule takes off, or that it does not apply.
pub type Outcomes = BTreeMap<PromotionId, Option<i64>>;

/// A cart, priced slowly.
#[derive(Debug, PartialEq, Eq)]
pub struct NaivePricing {
    /// Off each line.
    pub lines: Vec<i64>,
    /// Off each charge.
    pub charges: Vec<i64>,
    /// Every rule: what it takes off, or nothing if it does not apply.
    pub outcomes: Outcomes,
    /// Who gives what.
    pub gifts: Vec<(PromotionId, String, u64)>,
}

struct Bid<'a> {
    rule: &'a Promotion,
    amount: i64,
    /// Slot and amount; slots are lines, then charges, then one for gifts.
    slots: Vec<(usize, i64)>,
}

/// Prices a cart by asking every promotion.
pub fn price(lanes: &[Lane], promotions: &[Promotion], cart: &Cart, context: &CartContext) -> NaivePricing {
    let minor = cart.currency.minor_unit();
    let mut left: Vec<i64> = cart.lines.iter().map(|line| gross(line, minor)).collect();
    left.extend(cart.charges.iter().map(|charge| charge.money.amount.0));
    left.push(0);
    let start = left.clone();
    let mut outcomes: Outcomes = promotions.iter().map(|rule| (rule.id.clone(), None)).collect();
    let mut gifts = Vec::new();
    let mut sets: BTreeMap<String, PromotionId> = BTreeMap::new();
    let mut stopped: Option<PromotionId> = None;
    for lane in lanes {
        let mut rules: Vec<&Promotion> =
            promotions.iter().filter(|rule| rule.lane == lane.name && applies(rule, cart, context)).collect();
        rules.sort_by(|a, b| b.priority.cmp(&a.priority).then(a.id.cmp(&b.id)));
        let shop = Shop { cart, minor, left: &left };
        let mut bids: Vec<Bid<'_>> = rules.iter().flat_map(|rule| shop.bids(rule)).collect();
        if lane.pick == Pick::Best {
            bids.sort_by_key(|bid| std::cmp::Reverse(bid.amount));
        }
        let mut taken = BTreeSet::new();
        for bid in bids {
            let id = &bid.rule.id;
            let stopped_by_other = stopped.as_ref().is_some_and(|by| by != id);
            let excluded =
                bid.rule.exclusive.iter().any(|set| sets.get(set.as_str()).is_some_and(|holder| holder != id));
            if stopped_by_other || excluded || bid.slots.iter().any(|(slot, _)| taken.contains(slot)) {
                continue;
            }
            for (slot, amount) in &bid.slots {
                taken.insert(*slot);
                left[*slot] -= amount;
            }
            let sum = outcomes.get_mut(id).expect("every rule has an outcome");
            *sum = Some(sum.unwrap_or(0) + bid.amount);
            if let Action::Gift(gift) = &bid.rule.then {
                gifts.push((id.clone(), gift.sku.to_string(), gift.quantity));
            }
            for set in &bid.rule.exclusive {
                sets.insert(set.to_string(), id.clone());
            }
            if bid.rule.stop {
                stopped = Some(id.clone());
            }
        }
    }
    let off: Vec<i64> = start.iter().zip(&left).map(|(before, after)| before - after).collect();
    let (lines, rest) = off.split_at(cart.lines.len());
    NaivePricing { lines: lines.to_vec(), charges: rest[..cart.charges.len()].to_vec(), outcomes, gifts }
}

/// `value / parts` ten-thousandths in whole minor units, half up.
fn rounded(value: i128, parts: i128, minor: i64) -> i64 {
    let step = parts * i128::from(minor);
    ((2 * value + step).div_euclid(2 * step) * i128::from(minor)) as i64
}

fn gross(line: &CartLine, minor: i64) -> i64 {
    rounded(i128::from(line.unit_price.0) * i128::from(line.quantity), 1, minor)
}

fn among<T: ToString>(names: &[T], name: Option<&str>) -> bool {
    name.is_some_and(|name| names.iter().any(|known| known.to_string() == name))
}

fn means(scope: &Scope, line: &CartLine) -> bool {
    let (sku, category, brand) = (Some(line.sku.as_str()), line.category.as_deref(), line.brand.as_deref());
    (scope.sku.is_empty() || among(&scope.sku, sku))
        && (scope.category.is_empty() || among(&scope.category, category))
        && (scope.brand.is_empty() || among(&scope.brand, brand))
        && !among(&scope.except_sku, sku)
        && !among(&scope.except_category, category)
        && !among(&scope.except_brand, brand)
}

fn applies(rule: &Promotion, cart: &Cart, context: &CartContext) -> bool {
    let coupon = rule.coupon.is_empty() || context.coupons.iter().any(|it| rule.coupon.contains(&it.batch));
    let customer = rule.limits.per_customer.is_none() || context.customer.is_some();
    rule.currency.is_none_or(|currency| currency == cart.currency)
        && rule.window.from.is_none_or(|from| from <= context.now)
        && rule.window.until.is_none_or(|until| context.now < until)
        && coupon
        && customer
        && !context.unavailable.iter().any(|(id, _)| *id == rule.id)
        && rule.when.iter().all(|condition| holds(condition, cart, context))
}

/// Monday is 0; minutes since midnight.
fn weekday_and_minute(now: Timestamp, offset: i16) -> (i64, i64) {
    let minutes = now.0.div_euclid(60_000_000) + i64::from(offset);
    ((minutes.div_euclid(1_440) + 3).rem_euclid(7), minutes.rem_euclid(1_440))
}

fn holds(condition: &Condition, cart: &Cart, context: &CartContext) -> bool {
    let minor = cart.currency.minor_unit();
    let of = |scope: &Scope| cart.lines.iter().filter(|line| means(scope, line)).collect::<Vec<_>>();
    match condition {
        Condition::All(of) => of.iter().all(|condition| holds(condition, cart, context)),
        Condition::Any(of) => of.iter().any(|condition| holds(condition, cart, context)),
        Condition::Not(contrary) => !holds(contrary, cart, context),
        Condition::Subtotal(range) => {
            let sum = Amount(of(&range.of).iter().map(|line| gross(line, minor)).sum());
            range.at_least.is_none_or(|least| sum >= least) && range.at_most.is_none_or(|most| sum <= most)
        }
        Condition::Quantity(range) => {
            let sum: u64 = of(&range.of).iter().map(|line| line.quantity).sum();
            range.at_least.is_none_or(|least| sum >= least) && range.at_most.is_none_or(|most| sum <= most)
        }
        Condition::Sku(names) => cart.lines.iter().any(|line| among(names, Some(line.sku.as_str()))),
        Condition::Category(names) => cart.lines.iter().any(|line| among(names, line.category.as_deref())),
        Condition::Brand(names) => cart.lines.iter().any(|line| among(names, line.brand.as_deref())),
        Condition::Only(scope) => cart.lines.iter().all(|line| means(scope, line)),
        Condition::Tier(names) => among(names, context.tier.as_deref()),
        Condition::Region(names) => among(names, context.region.as_deref()),
        Condition::Channel(names) => among(names, context.channel.as_deref()),
        Condition::Payment(methods) => {
            let is_meant = |method: &Method| methods.contains(method);
            !context.payments.is_empty() && context.payments.iter().all(is_meant)
        }
        Condition::NewCustomer(wanted) => context.new_customer == *wanted,
        Condition::OrderNumber(wanted) => match context.orders_before {
            None => false,
            Some(before) => {
                let number = before + 1;
                let range = wanted.from.unwrap_or(1)..=wanted.to.unwrap_or(u64::MAX);
                range.contains(&number) && number % wanted.every.unwrap_or(1) == 0
            }
        },
        Condition::Window(window) => {
            window.from.is_none_or(|from| from <= context.now) && window.until.is_none_or(|until| context.now < until)
        }
        Condition::Weekly(weekly) => {
            // Walks back to the minute at which the hours began, a day at most.
            let (today, minute) = weekday_and_minute(context.now, context.utc_offset_minutes);
            let length = match i64::from(weekly.until) - i64::from(weekly.from) {
                length if length > 0 => length,
                length => length + 1_440,
            };
            (0..2).any(|days_ago| {
                let day = (today - days_ago).rem_euclid(7);
                let since = minute + days_ago * 1_440 - i64::from(weekly.from);
                let on = weekly.days.is_empty() || weekly.days.iter().any(|named| *named as i64 == day);
                on && (0..length).contains(&since)
            })
        }
        Condition::Coupon(names) => context.coupons.iter().any(|coupon| names.contains(&coupon.batch)),
    }
}

/// An amount, or a percentage of a base.
fn off(amount: Option<Amount>, percent: Option<Percent>, base: i64, minor: i64) -> i64 {
    match amount {
        Some(amount) => amount.0.min(base),
        None => {
            let hundredths = percent.map_or(10_000, |percent| percent.0);
            rounded(i128::from(base) * i128::from(hundredths), 10_000, minor)
        }
    }
}

struct Shop<'a> {
    cart: &'a Cart,
    minor: i64,
    left: &'a [i64],
}

impl Shop<'_> {
    fn lines(&self, scope: &Scope) -> Vec<(usize, &CartLine)> {
        self.cart.lines.iter().enumerate().filter(|(_, line)| means(scope, line)).collect()
    }

    fn base(&self, basis: Basis, slot: usize) -> i64 {
        match basis {
            Basis::List => gross(&self.cart.lines[slot], self.minor),
            Basis::Net => self.left[slot],
        }
    }

    fn units_base(&self, basis: Basis, slot: usize, units: u64) -> i64 {
        let line = &self.cart.lines[slot];
        match basis {
            Basis::List => rounded(i128::from(line.unit_price.0) * i128::from(units), 1, self.minor),
            Basis::Net => self.left[slot] / self.minor * units as i64 / line.quantity as i64 * self.minor,
        }
    }

    fn bids<'a>(&self, rule: &'a Promotion) -> Vec<Bid<'a>> {
        let each = |scope: &Scope, off: &dyn Fn(usize, &CartLine) -> i64| {
            let lines = self.lines(scope).into_iter();
            let slots: Vec<(usize, i64)> = lines
                .map(|(slot, line)| (slot, off(slot, line).min(self.left[slot])))
                .filter(|(_, off)| *off > 0)
                .collect();
            match rule.cap {
                Some(_) => self.whole(rule, slots.iter().map(|(_, off)| off).sum(), slots),
                None => {
                    slots.into_iter().map(|(slot, amount)| Bid { rule, amount, slots: vec![(slot, amount)] }).collect()
                }
            }
        };
        let minor = self.minor;
        match &rule.then {
            Action::Line(to) => each(&to.of, &|slot, _| off(to.amount, to.percent, self.base(rule.basis, slot), minor)),
            Action::Unit(to) => each(&to.of, &|slot, line| {
                let one = match rule.basis {
                    Basis::List => line.unit_price.0,
                    Basis::Net => self.left[slot] / line.quantity as i64,
                };
                let of_one = off(to.amount, to.percent, one, minor);
                rounded(i128::from(of_one) * i128::from(line.quantity), 1, minor)
            }),
            Action::UnitPrice(price) => each(&price.of, &|slot, line| {
                let fixed = rounded(i128::from(price.unit.0) * i128::from(line.quantity), 1, minor);
                self.base(rule.basis, slot) - fixed
            }),
            Action::Order(to) => {
                let lines = self.lines(&to.of);
                let base = lines.iter().map(|(slot, _)| self.base(rule.basis, *slot)).sum();
                self.whole(
                    rule,
                    off(to.amount, to.percent, base, minor),
                    self.claims(lines.iter().map(|(slot, _)| *slot)),
                )
            }
            Action::Tiers(tiers) => {
                let lines = self.lines(&tiers.of);
                let base: i64 = lines.iter().map(|(slot, _)| self.base(rule.basis, *slot)).sum();
                let units: u64 = lines.iter().map(|(_, line)| line.quantity).sum();
                let reached = tiers.steps.iter().filter(|step| {
                    !lines.is_empty()
                        && step.spend.map_or(step.units.is_some_and(|least| units >= least), |spend| base >= spend.0)
                });
                let Some(step) = reached.max_by_key(|step| (step.spend, step.units)) else { return Vec::new() };
                self.whole(
                    rule,
                    off(step.amount, step.percent, base, minor),
                    self.claims(lines.iter().map(|(slot, _)| *slot)),
                )
            }
            Action::Charge(to) => {
                let charges: Vec<usize> =
                    (0..self.cart.charges.len()).filter(|at| self.cart.charges[*at].kind == to.kind).collect();
                let lines = self.cart.lines.len();
                let base = charges.iter().map(|at| match rule.basis {
                    Basis::List => self.cart.charges[*at].money.amount.0,
                    Basis::Net => self.left[lines + at],
                });
                let amount = off(to.amount, to.percent, base.sum(), minor);
                self.whole(rule, amount, self.claims(charges.iter().map(|at| lines + at)))
            }
            Action::Nth(nth) => {
                let cheaper = self.every(&nth.of, nth.n - 1, 1, nth.times);
                self.units_off(rule, cheaper, nth.amount, nth.percent)
            }
            Action::BuyGet(deal) => match &deal.get_of {
                None => {
                    let cheaper = self.every(&deal.of, deal.buy, deal.get, deal.times);
                    self.units_off(rule, cheaper, None, deal.percent)
                }
                Some(get_of) => {
                    let bought: u64 = self.lines(&deal.of).iter().map(|(_, line)| line.quantity).sum();
                    let times = (bought / deal.buy).min(deal.times.unwrap_or(u64::MAX));
                    let mut pool = self.units(get_of, |line| !means(&deal.of, line));
                    if times == 0 || pool.is_empty() {
                        return Vec::new();
                    }
                    pool.reverse();
                    pool.sort_by_key(|slot| (self.cart.lines[*slot].unit_price, *slot));
                    let mut touched: BTreeMap<usize, u64> =
                        self.lines(&deal.of).iter().map(|(slot, _)| (*slot, 0)).collect();
                    for slot in pool.into_iter().take((times * deal.get) as usize) {
                        *touched.entry(slot).or_default() += 1;
                    }
                    self.units_off(rule, touched, None, deal.percent)
                }
            },
            Action::Gift(_) => vec![Bid { rule, amount: 0, slots: vec![(self.left.len() - 1, 0)] }],
            Action::Bundle(bundle) => {
                let first_part = |line: &CartLine| bundle.parts.iter().position(|part| means(&part.of, line));
                let pools: Vec<Vec<usize>> = (0..bundle.parts.len())
                    .map(|part| self.units(&Scope::everything(), |line| first_part(line) == Some(part)))
                    .collect();
                let fit = pools.iter().zip(&bundle.parts).map(|(pool, part)| pool.len() as u64 / part.quantity);
                let bundles = fit.min().unwrap_or(0).min(bundle.times.unwrap_or(u64::MAX));
                let mut used: BTreeMap<usize, u64> = BTreeMap::new();
                for (pool, part) in pools.iter().zip(&bundle.parts) {
                    for slot in pool.iter().take((part.quantity * bundles) as usize) {
                        *used.entry(*slot).or_default() += 1;
                    }
                }
                let bases: Vec<(usize, i64)> =
                    used.into_iter().map(|(slot, units)| (slot, self.units_base(rule.basis, slot, units))).collect();
                let price = rounded(i128::from(bundle.price.0) * i128::from(bundles), 1, minor);
                let less = bases.iter().map(|(_, base)| base).sum::<i64>() - price;
                // Remainders that are equal go to the part that comes first, its dearest line first.
                let mut order: Vec<usize> = Vec::new();
                pools.iter().flatten().for_each(|slot| {
                    if !order.contains(slot) {
                        order.push(*slot)
                    }
                });
                let claim = |slot: &usize| {
                    bases.iter().find(|(of, _)| of == slot).map(|(_, base)| (*slot, (*base).min(self.left[*slot])))
                };
                self.whole(rule, less, order.iter().filter_map(claim).collect())
            }
        }
    }

    /// The units of lines, the dearest first, each as the slot of its line.
    fn units(&self, scope: &Scope, also: impl Fn(&CartLine) -> bool) -> Vec<usize> {
        let mut lines: Vec<(usize, &CartLine)> = self.lines(scope).into_iter().filter(|(_, line)| also(line)).collect();
        lines.sort_by(|a, b| b.1.unit_price.cmp(&a.1.unit_price).then(a.0.cmp(&b.0)));
        lines.iter().flat_map(|(slot, line)| (0..line.quantity).map(|_| *slot)).collect()
    }

    /// Lines with how many of their units are cheaper, when of `buy + get` units the last `get` are.
    fn every(&self, scope: &Scope, buy: u64, get: u64, times: Option<u64>) -> BTreeMap<usize, u64> {
        let pool = self.units(scope, |_| true);
        let mut cheaper = BTreeMap::new();
        for group in pool.chunks_exact((buy + get) as usize).take(times.unwrap_or(u64::MAX).min(1_000_000) as usize) {
            for (place, slot) in group.iter().enumerate() {
                *cheaper.entry(*slot).or_default() += u64::from(place as u64 >= buy);
            }
        }
        cheaper
    }

    fn units_off<'a>(
        &self,
        rule: &'a Promotion,
        cheaper: BTreeMap<usize, u64>,
        amount: Option<Amount>,
        percent: Option<Percent>,
    ) -> Vec<Bid<'a>> {
        let mut slots: Vec<(usize, i64)> = cheaper
            .into_iter()
            .map(|(slot, units)| {
                let line = &self.cart.lines[slot];
                let less = match amount {
                    Some(amount) => {
                        rounded(i128::from(amount.0.min(line.unit_price.0)) * i128::from(units), 1, self.minor)
                    }
                    None => off(None, percent, self.units_base(rule.basis, slot, units), self.minor),
                };
                (slot, less.min(self.left[slot]))
            })
            .collect();
        // Equal remainders of a cap go to the dearest first, and to other goods after those that are bought.
        let other = |slot: usize| match &rule.then {
            Action::BuyGet(deal) => deal.get_of.is_some() && !means(&deal.of, &self.cart.lines[slot]),
            _ => false,
        };
        let price = |slot: usize| self.cart.lines[slot].unit_price.0;
        slots.sort_by_key(|(slot, _)| (other(*slot), if other(*slot) { price(*slot) } else { -price(*slot) }, *slot));
        self.whole(rule, slots.iter().map(|(_, less)| less).sum(), slots)
    }

    fn claims(&self, slots: impl Iterator<Item = usize>) -> Vec<(usize, i64)> {
        slots.map(|slot| (slot, self.left[slot])).filter(|(_, left)| *left > 0).collect()
    }

    /// One bid: the amount shared in proportion to the claims, a minor unit at a time to whom most is missing.
    fn whole<'a>(&self, rule: &'a Promotion, amount: i64, claims: Vec<(usize, i64)>) -> Vec<Bid<'a>> {
        let sum: i64 = claims.iter().map(|(_, claim)| claim).sum();
        let amount = amount.min(sum).min(rule.cap.map_or(i64::MAX, |cap| cap.0));
        if amount <= 0 {
            return Vec::new();
        }
        let minors = i128::from(amount / self.minor);
        let exact = |claim: i64| minors * i128::from(claim);
        let mut slots: Vec<(usize, i64)> =
            claims.iter().map(|(slot, claim)| (*slot, (exact(*claim) / i128::from(sum)) as i64)).collect();
        let given: i64 = slots.iter().map(|(_, share)| share).sum();
        let mut by_remainder: Vec<usize> = (0..claims.len()).collect();
        by_remainder
            .sort_by(|a, b| (exact(claims[*b].1) % i128::from(sum)).cmp(&(exact(claims[*a].1) % i128::from(sum))));
        for at in by_remainder.into_iter().take((minors as i64 - given) as usize) {
            slots[at].1 += 1;
        }
        let slots: Vec<(usize, i64)> = slots.into_iter().map(|(slot, share)| (slot, share * self.minor)).collect();
        vec![Bid { rule, amount, slots }]
    }
}
