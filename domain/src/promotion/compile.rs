//! A rule set: promotions checked, put in their order, and indexed by the names that they need.
//!
//! A rule that needs a coupon, a SKU, a brand, a category, a tier, a region or a channel is looked at only when the
//! cart has one of the names it needs; of several needs the one that fewest carts meet is taken. Rules that need none
//! are looked at always. A set is immutable: whoever changes a promotion compiles a new one and swaps the `Arc`.

use super::check::{self, PromotionError};
use super::deal::Deal;
use super::facts::{Facts, KINDS, Kind, UNKNOWN};
use super::intern::Interner;
use super::names::PromotionId;
use super::pricing::Reason;
use super::rule::{Basis, Lane, Pick, Promotion};
use super::test::{Names, Test, labels};
use crate::Currency;
use rustc_hash::FxHashMap;

/// A promotion in numbers.
pub(super) struct Rule {
    pub from: i64,
    pub until: i64,
    pub currency: Option<Currency>,
    pub needs_customer: bool,
    pub coupon: Names,
    pub tests: Box<[Test]>,
    pub lane: u32,
    pub exclusive: Box<[u32]>,
    pub basis: Basis,
    pub cap: i64,
    pub stop: bool,
    pub limited: bool,
    pub deal: Deal,
}

/// Promotions, ready to price carts.
pub struct RuleSet {
    version: u64,
    lanes: Vec<Lane>,
    /// By lane, priority and id: a rule's place says who comes first among equals.
    promotions: Vec<Promotion>,
    pub(super) rules: Vec<Rule>,
    names: Interner,
    /// For each kind and name the rules that need it.
    needing: [Box<[Box<[u32]>]>; KINDS],
    /// A bit for each rule that is looked at always.
    always: Box<[u64]>,
}

impl RuleSet {
    /// No promotions.
    pub fn empty() -> Self {
        Self::compile(Vec::new(), 0).expect("nothing is wrong with nothing")
    }

    /// Compiles promotions for the [standard lanes](Lane::standard).
    pub fn compile(promotions: Vec<Promotion>, version: u64) -> Result<Self, PromotionError> {
        Self::compile_in(Lane::standard(), promotions, version)
    }

    /// Compiles promotions for these lanes, which come in this order. The order of the promotions means nothing.
    pub fn compile_in(lanes: Vec<Lane>, promotions: Vec<Promotion>, version: u64) -> Result<Self, PromotionError> {
        check::lanes(&lanes)?;
        let lane_of: FxHashMap<&str, u32> = lanes.iter().zip(0..).map(|(lane, at)| (lane.name.as_str(), at)).collect();
        let mut placed = Vec::with_capacity(promotions.len());
        for promotion in promotions {
            check::promotion(&promotion)?;
            let lane = *lane_of.get(promotion.lane.as_str()).ok_or_else(|| check::unknown_lane(&promotion, &lanes))?;
            placed.push((lane, promotion));
        }
        placed.sort_by(|(a_lane, a), (b_lane, b)| {
            (a_lane, std::cmp::Reverse(a.priority), &a.id).cmp(&(b_lane, std::cmp::Reverse(b.priority), &b.id))
        });
        check::distinct(placed.iter().map(|(_, promotion)| promotion))?;
        let (mut names, mut sets) = (Interner::default(), FxHashMap::default());
        let rules: Vec<Rule> =
            placed.iter().map(|(lane, promotion)| compile(promotion, *lane, &mut names, &mut sets)).collect();
        let (needing, always) = index(&rules, &names);
        let promotions = placed.into_iter().map(|(_, promotion)| promotion).collect();
        Ok(Self { version, lanes, promotions, rules, names, needing, always })
    }

    /// Which version this is.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The promotions in the order of their places.
    pub fn promotions(&self) -> &[Promotion] {
        &self.promotions
    }

    /// The promotion at a place.
    pub fn promotion(&self, rule: u32) -> &Promotion {
        &self.promotions[rule as usize]
    }

    /// The promotion of an id.
    pub fn find(&self, id: &PromotionId) -> Option<&Promotion> {
        self.promotions.iter().find(|promotion| promotion.id == *id)
    }

    /// The lanes in their order.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    pub(super) fn pick(&self, lane: u32) -> Pick {
        self.lanes[lane as usize].pick
    }

    pub(super) fn name(&self, kind: Kind, text: &str) -> u32 {
        self.names.find(kind, text)
    }

    /// A bit for each rule that could be about this cart.
    pub(super) fn candidates(&self, facts: &Facts<'_>) -> Vec<u64> {
        let mut bits = self.always.to_vec();
        let mut mark = |kind: Kind, name: u32| {
            if name != UNKNOWN {
                for rule in &self.needing[kind as usize][name as usize] {
                    bits[*rule as usize / 64] |= 1 << (rule % 64);
                }
            }
        };
        for line in &facts.lines {
            for (kind, name) in [Kind::Sku, Kind::Brand, Kind::Category].into_iter().zip(line.names) {
                mark(kind, name);
            }
        }
        for (kind, name) in [Kind::Tier, Kind::Region, Kind::Channel].into_iter().zip(facts.buyer) {
            mark(kind, name);
        }
        facts.coupons.iter().for_each(|name| mark(Kind::Coupon, *name));
        bits
    }

    /// Whether a rule's conditions are true of a cart, or the first that is not.
    pub(super) fn eligible(&self, at: u32, facts: &Facts<'_>) -> Result<(), Reason> {
        let rule = &self.rules[at as usize];
        if rule.currency.is_some_and(|currency| currency != facts.cart.currency) {
            return Err(Reason::Currency);
        }
        if facts.context.now.0 < rule.from {
            return Err(Reason::NotYet);
        }
        if facts.context.now.0 >= rule.until {
            return Err(Reason::Over);
        }
        if !rule.coupon.is_empty() && !facts.coupons.iter().any(|name| rule.coupon.contains(name)) {
            return Err(Reason::CouponNeeded);
        }
        if let Some(failed) = rule.tests.iter().position(|test| !test.holds(facts)) {
            return Err(Reason::Condition(failed as u32));
        }
        if rule.needs_customer && facts.context.customer.is_none() {
            return Err(Reason::CustomerNeeded);
        }
        if !facts.context.unavailable.is_empty() {
            let id = &self.promotions[at as usize].id;
            if let Some((_, why)) = facts.context.unavailable.iter().find(|(named, _)| named == id) {
                return Err(Reason::Unavailable(*why));
            }
        }
        Ok(())
    }
}

fn compile(promotion: &Promotion, lane: u32, names: &mut Interner, sets: &mut FxHashMap<String, u32>) -> Rule {
    let mut set = |name: &str| {
        let next = sets.len() as u32;
        *sets.entry(name.to_owned()).or_insert(next)
    };
    Rule {
        from: promotion.window.from.map_or(i64::MIN, |from| from.0),
        until: promotion.window.until.map_or(i64::MAX, |until| until.0),
        currency: promotion.currency,
        needs_customer: promotion.limits.per_customer.is_some(),
        exclusive: promotion.exclusive.iter().map(|name| set(name.as_str())).collect(),
        coupon: labels(Kind::Coupon, &promotion.coupon, names),
        tests: promotion.when.iter().map(|condition| Test::compile(condition, names)).collect(),
        lane,
        basis: promotion.basis,
        cap: promotion.cap.map_or(i64::MAX, |cap| cap.0),
        stop: promotion.stop,
        limited: !promotion.limits.is_unlimited(),
        deal: Deal::compile(&promotion.then, names),
    }
}

/// The fewer carts have a name of a kind, the better it is to be looked up by it.
fn rarity(kind: Kind) -> usize {
    match kind {
        Kind::Coupon => 0,
        Kind::Sku => 1,
        Kind::Brand => 2,
        Kind::Category => 3,
        Kind::Tier | Kind::Region | Kind::Channel => 4,
    }
}

/// The names of which a cart must have one.
fn needs(rule: &Rule) -> Option<(Kind, &Names)> {
    let coupon = (!rule.coupon.is_empty()).then_some((Kind::Coupon, &rule.coupon));
    let goods = rule.deal.scope().into_iter().flat_map(|of| {
        let kinds = [Kind::Sku, Kind::Brand, Kind::Category];
        kinds.into_iter().zip(&of.among).filter(|(_, names)| !names.is_empty())
    });
    let conditions = rule.tests.iter().filter_map(Test::needs);
    coupon.into_iter().chain(goods).chain(conditions).min_by_key(|(kind, names)| (rarity(*kind), names.len()))
}

type Postings = [Box<[Box<[u32]>]>; KINDS];

fn index(rules: &[Rule], names: &Interner) -> (Postings, Box<[u64]>) {
    const ALL: [Kind; KINDS] =
        [Kind::Sku, Kind::Brand, Kind::Category, Kind::Coupon, Kind::Tier, Kind::Region, Kind::Channel];
    let mut needing = ALL.map(|kind| vec![Vec::new(); names.count(kind)]);
    let mut always = vec![0u64; rules.len().div_ceil(64)];
    for (at, rule) in rules.iter().enumerate() {
        match needs(rule) {
            Some((kind, of)) => of.iter().for_each(|name| needing[kind as usize][*name as usize].push(at as u32)),
            None => always[at / 64] |= 1 << (at % 64),
        }
    }
    (needing.map(|lists| lists.into_iter().map(Vec::into_boxed_slice).collect()), always.into())
}
