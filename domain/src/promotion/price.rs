//! Pricing a cart: which rules apply, what they take off, and what must be held for it.
//!
//! ```text
//!   cart ──▶ facts ──▶ rules that could be about it ──▶ those whose conditions are true
//!        ──▶ lane by lane: each bids, the lane chooses, a slot goes to one rule ──▶ prices, uses, verdicts
//! ```
//!
//! 1. Conditions look at list prices; so whether a rule is eligible never depends on another one.
//! 2. Lanes come in their order. In a lane every eligible rule bids for what earlier lanes have left. Bids are taken
//!    in turn, the greatest first where the lane picks the best, else by priority; a bid of which a line is already
//!    given to another rule of the lane is passed over. Equal bids are decided by priority, then by id.
//! 3. Once a rule of an exclusion set applies, no other of that set does; once one that stops applies, no other does.

use smallvec::SmallVec;

use super::action::Action;
use super::cart::{Cart, CartContext, PresentedCoupon};
use super::compile::RuleSet;
use super::deal::{Bid, Bidder, Bids, Floor};
use super::facts::{Facts, Kind};
use super::pricing::{
    Considered, CouponUse, Discount, GrantedGift, Priced, Pricing, PromotionUse, Reason, Target, Uses, Verdict,
};
use super::rule::Pick;
use crate::{Amount, Refusal};

/// Prices a cart. It is refused only for what is wrong with the cart itself.
pub fn price(rules: &RuleSet, cart: &Cart, context: &CartContext) -> Result<Box<Pricing>, Refusal> {
    let facts = Facts::new(rules, cart, context)?;
    let mut sale = Sale::new(rules, &facts);
    let eligible = sale.consider();
    let mut rest = &eligible[..];
    while let [(lane, _), ..] = rest {
        let of_lane = rest.iter().take_while(|(of, _)| of == lane).count();
        let (now, later) = rest.split_at(of_lane);
        sale.run_lane(*lane, now);
        rest = later;
    }
    Ok(sale.close(&eligible))
}

/// A rule that is in the running: its lane and its place among those considered.
type Eligible = SmallVec<[(u32, u32); 64]>;

/// Nobody has a slot.
const NOBODY: u32 = u32::MAX;

struct Sale<'a, 'c> {
    rules: &'a RuleSet,
    facts: &'a Facts<'c>,
    considered: Vec<Considered>,
    /// What is left of each slot: lines, charges, the place of gifts.
    left: SmallVec<[i64; 16]>,
    /// Who has a slot in this lane.
    taken: SmallVec<[u32; 16]>,
    discounts: SmallVec<[Discount; 2]>,
    gifts: Vec<GrantedGift>,
    sets: SmallVec<[(u32, u32); 8]>,
    stopped_by: Option<u32>,
    bids: Bids,
}

impl<'a, 'c> Sale<'a, 'c> {
    fn new(rules: &'a RuleSet, facts: &'a Facts<'c>) -> Self {
        let charges = facts.cart.charges.iter().map(|charge| charge.money.amount.0);
        let left: SmallVec<[i64; 16]> = facts.lines.iter().map(|line| line.gross).chain(charges).chain([0]).collect();
        Self {
            rules,
            facts,
            considered: Vec::new(),
            taken: SmallVec::from_elem(NOBODY, left.len()),
            left,
            discounts: SmallVec::new(),
            gifts: Vec::new(),
            sets: SmallVec::new(),
            stopped_by: None,
            bids: Bids::default(),
        }
    }

    /// Looks at every rule that could be about the cart; those that may apply come back, by lane and priority.
    fn consider(&mut self) -> Eligible {
        let candidates = self.rules.candidates(self.facts);
        self.considered.reserve(candidates.iter().map(|word| word.count_ones() as usize).sum());
        let mut eligible = Eligible::new();
        for (at, word) in candidates.iter().enumerate() {
            let mut word = *word;
            while word != 0 {
                let rule = at as u32 * 64 + word.trailing_zeros();
                word &= word - 1;
                let reason = match self.rules.eligible(rule, self.facts) {
                    Ok(()) => {
                        eligible.push((self.rules.rules[rule as usize].lane, self.considered.len() as u32));
                        Reason::NothingOff
                    }
                    Err(reason) => reason,
                };
                self.considered.push(Considered { rule, verdict: Verdict::Refused(reason) });
            }
        }
        eligible
    }

    fn run_lane(&mut self, lane: u32, eligible: &[(u32, u32)]) {
        self.taken.fill(NOBODY);
        let mut bids = std::mem::take(&mut self.bids);
        bids.clear();
        let floor = Floor { facts: self.facts, left: &self.left };
        for (_, at) in eligible {
            let considered = &mut self.considered[*at as usize];
            let bidder = Bidder { rule: considered.rule, considered: *at };
            if let Err(reason) = bids.offer(bidder, &self.rules.rules[bidder.rule as usize], &floor) {
                considered.verdict = Verdict::Refused(reason);
            }
        }
        if self.rules.pick(lane) == Pick::Best {
            // A stable sort: bids of one amount stay in the order of their rules' places and lines.
            bids.bids.sort_by_key(|bid| std::cmp::Reverse(bid.amount));
        }
        for at in 0..bids.bids.len() {
            let bid = bids.bids[at];
            let outcome = self.take(&bid, &mut bids);
            let verdict = &mut self.considered[bid.considered as usize].verdict;
            match (outcome, &mut *verdict) {
                (Ok(()), Verdict::Applied(sum)) => sum.0 += bid.amount,
                (Ok(()), Verdict::Refused(_)) => *verdict = Verdict::Applied(Amount(bid.amount)),
                (Err(reason), Verdict::Refused(was @ Reason::NothingOff)) => *was = reason,
                (Err(_), _) => {}
            }
        }
        self.bids = bids;
    }

    /// Gives a bid its slots, or says to whom they went.
    fn take(&mut self, bid: &Bid, bids: &mut Bids) -> Result<(), Reason> {
        let rule = &self.rules.rules[bid.rule as usize];
        if let Some(by) = self.stopped_by.filter(|by| *by != bid.rule) {
            return Err(Reason::Stopped(by));
        }
        if let Some((_, by)) = self.sets.iter().find(|(set, by)| *by != bid.rule && rule.exclusive.contains(set)) {
            return Err(Reason::Excluded(*by));
        }
        if let Some(claim) = bids.claims(bid).iter().find(|claim| self.taken[claim.slot as usize] != NOBODY) {
            return Err(Reason::Taken(self.taken[claim.slot as usize]));
        }
        for share in bids.share_out(bid, self.facts.unit) {
            let slot = share.slot as usize;
            self.taken[slot] = bid.rule;
            self.left[slot] -= share.amount;
            assert!(self.left[slot] >= 0, "no price is below zero");
            if share.amount > 0 {
                let target = match slot.checked_sub(self.facts.lines.len()) {
                    None => Target::Line(share.slot),
                    Some(charge) => Target::Charge(charge as u32),
                };
                self.discounts.push(Discount { rule: bid.rule, target, amount: Amount(share.amount) });
            }
        }
        if let Action::Gift(gift) = &self.rules.promotion(bid.rule).then {
            let promotion = self.rules.promotion(bid.rule).id.clone();
            self.gifts.push(GrantedGift { promotion, sku: gift.sku.clone(), quantity: gift.quantity });
        }
        self.sets.extend(rule.exclusive.iter().map(|set| (*set, bid.rule)));
        if rule.stop {
            self.stopped_by = Some(bid.rule);
        }
        Ok(())
    }

    /// What came of it; in a box, because it is handed on and on.
    fn close(self, eligible: &Eligible) -> Box<Pricing> {
        let uses = self.uses(eligible);
        let lines = self.facts.lines.len();
        let priced = |gross: i64, left: i64| Priced { gross: Amount(gross), discount: Amount(gross - left) };
        let charges = self.facts.cart.charges.iter().zip(&self.left[lines..]);
        Box::new(Pricing {
            version: self.rules.version(),
            currency: self.facts.cart.currency,
            lines: self.facts.lines.iter().zip(&self.left).map(|(line, left)| priced(line.gross, *left)).collect(),
            charges: charges.map(|(charge, left)| priced(charge.money.amount.0, *left)).collect(),
            discounts: self.discounts,
            uses: Uses { gifts: self.gifts, ..uses },
            considered: self.considered,
        })
    }

    fn uses(&self, eligible: &Eligible) -> Uses {
        let mut uses = Uses::default();
        for (_, at) in eligible {
            let Considered { rule: at, verdict: Verdict::Applied(amount) } = self.considered[*at as usize] else {
                continue;
            };
            let rule = &self.rules.rules[at as usize];
            if rule.limited {
                uses.promotions.push(PromotionUse { promotion: self.rules.promotion(at).id.clone(), amount });
            }
            let batch = |batch: &str| self.rules.name(Kind::Coupon, batch);
            let presented =
                self.facts.context.coupons.iter().find(|it| rule.coupon.contains(&batch(it.batch.as_str())));
            let is_new = |coupon: &&PresentedCoupon| uses.coupons.iter().all(|used| used.code != coupon.code);
            if let Some(coupon) = presented.filter(is_new) {
                uses.coupons.push(CouponUse { code: coupon.code.clone(), batch: coupon.batch.clone() });
            }
        }
        uses
    }
}
