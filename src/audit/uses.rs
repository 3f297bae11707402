//! The auditor's own fold of promotions' and coupons' uses: never more than is allowed, each ended once, and each with the
//! order that has it.

use rustc_hash::FxHashMap;
use stockade_domain::entity::{EntityKey, RemoteStep};
use stockade_domain::order::{OrderEvent, Outcome};
use stockade_domain::promotion::uses::{Subject, Terms, Use, UsesEvent, UsesState};
use stockade_domain::{CustomerId, OrderId, Timestamp};

use super::Auditor;
use super::cross::Verdict;
use super::order::Order;
use super::report::{Rule, Scene};

/// A use that an order has.
#[derive(Debug, Clone)]
struct Taken {
    amount: i64,
    customer: Option<CustomerId>,
    since: Timestamp,
    seq: u64,
}

/// The owner of uses as its records make it.
#[derive(Default)]
pub(super) struct Owner {
    pub(super) last_time: Timestamp,
    pub(super) last_seq: u64,
    terms: Option<Terms>,
    /// Since which records a promotion was in force, and since which not.
    in_force: Vec<(u64, bool)>,
    held: FxHashMap<OrderId, Taken>,
    settled: FxHashMap<OrderId, Taken>,
    /// Steps by which uses were given back, until their orders have heard.
    returned: FxHashMap<OrderId, u32>,
    /// Sums over what is held and settled, so that a campaign of millions is audited in its time.
    amount: i128,
    by_customer: FxHashMap<CustomerId, u64>,
}

impl Owner {
    /// Takes an event in.
    pub(super) fn take(&mut self, event: &UsesEvent, scene: &mut Scene<'_>) {
        match event {
            UsesEvent::Defined { terms } => self.terms = Some(terms.clone()),
            UsesEvent::Promoted { promotion } => {
                self.terms = Some(Terms::of_promotion(promotion.limits.clone(), promotion.currency));
                self.in_force.push((scene.seq, true));
            }
            UsesEvent::Retired => {
                let was = self.in_force.last().is_some_and(|(_, in_force)| *in_force);
                scene.expect(was, Rule::DiscountRetired, || "it was not in force when it retired".into());
                self.terms.iter_mut().for_each(|terms| terms.revoked = true);
                self.in_force.push((scene.seq, false));
            }
            UsesEvent::Held { order, taken } => self.hold(*order, taken, scene),
            UsesEvent::Taken { order, taken } => {
                self.hold(*order, taken, scene);
                let taken = self.held.remove(order).expect("it was just held");
                self.settled.insert(*order, taken);
            }
            UsesEvent::Settled { order } | UsesEvent::Used { order } => match self.held.remove(order) {
                Some(taken) => drop(self.settled.insert(*order, taken)),
                None => scene.fault(Rule::UseOnce, format!("order {order} held no use that could be settled")),
            },
            UsesEvent::Released { order } => {
                let held = self.held.remove(order);
                held.iter().for_each(|taken| self.count(taken, -1));
                scene.expect(held.is_some(), Rule::UseOnce, || format!("order {order} held no use that could go back"));
            }
            UsesEvent::GivenBack { order } => {
                let had = self.settled.remove(order);
                had.iter().for_each(|taken| self.count(taken, -1));
                scene.expect(had.is_some(), Rule::UseOnce, || {
                    format!("order {order} had no use that could be given back")
                });
            }
            UsesEvent::Returned { order, taken, step } => {
                let had = self.settled.remove(order);
                had.iter().for_each(|taken| self.count(taken, -1));
                let had = had.map(|had| (had.amount, had.customer));
                let given = (taken.amount.0, taken.customer.clone());
                scene.expect(had.as_ref() == Some(&given), Rule::UseOnce, || {
                    format!("order {order} had {had:?} and gave back {given:?}")
                });
                if let Some(step) = step {
                    self.returned.insert(*order, *step);
                }
            }
            UsesEvent::Heard { order, step } => {
                let known = self.returned.remove(order);
                scene.expect(known == Some(*step), Rule::UseOnce, || {
                    format!("order {order} has heard of step {step}, and {known:?} was done")
                });
            }
        }
    }

    fn hold(&mut self, order: OrderId, taken: &Use, scene: &mut Scene<'_>) {
        let is_new = !self.held.contains_key(&order) && !self.settled.contains_key(&order);
        scene.expect(is_new, Rule::UseOnce, || format!("order {order} has a use already"));
        let (amount, customer) = (taken.amount.0, taken.customer.clone());
        scene.expect(amount >= 0, Rule::UseOnce, || format!("a use takes {amount} of a budget"));
        let taken = Taken { amount, customer, since: scene.now, seq: scene.seq };
        self.count(&taken, 1);
        if let Some(before) = self.held.insert(order, taken) {
            self.count(&before, -1);
        }
        self.expect_within(order, scene);
    }

    /// Whether a promotion was in force in this version of the rules: what all records up to it make.
    fn was_in_force(&self, version: u64) -> bool {
        let before = self.in_force.partition_point(|(seq, _)| *seq <= version);
        self.in_force[..before].last().is_some_and(|(_, in_force)| *in_force)
    }

    /// A use comes, or goes.
    fn count(&mut self, taken: &Taken, sign: i8) {
        self.amount += i128::from(sign) * i128::from(taken.amount);
        let Some(customer) = &taken.customer else { return };
        let his = self.by_customer.entry(customer.clone()).or_default();
        *his = his.saturating_add_signed(sign.into());
        if *his == 0 {
            self.by_customer.remove(customer);
        }
    }

    /// What an order has just taken was there to be taken.
    fn expect_within(&self, order: OrderId, scene: &mut Scene<'_>) {
        let Some(terms) = &self.terms else {
            return scene.fault(Rule::UsesExceeded, format!("order {order} uses what was never defined"));
        };
        let (window, limits) = (&terms.window, &terms.limits);
        let is_open = !terms.revoked
            && window.from.is_none_or(|from| from <= scene.now)
            && window.until.is_none_or(|until| scene.now < until);
        scene.expect(is_open, Rule::UsesExceeded, || format!("order {order} uses it out of its time"));
        if let Some(limit) = limits.uses {
            let uses = (self.held.len() + self.settled.len()) as u64;
            scene.expect(uses <= limit, Rule::UsesExceeded, || format!("{uses} uses where {limit} are allowed"));
        }
        if let Some(budget) = limits.budget {
            let sum = self.amount;
            let within = sum <= i128::from(budget.0);
            scene.expect(within, Rule::UsesExceeded, || format!("{sum} of a budget of {} ten-thousandths", budget.0));
        }
        if let (Some(limit), Some(taken)) = (limits.per_customer, self.held.get(&order)) {
            let his = taken.customer.as_ref().and_then(|customer| self.by_customer.get(customer)).copied().unwrap_or(0);
            let within = taken.customer.is_some() && his <= limit;
            scene.expect(within, Rule::UsesExceeded, || format!("{his} uses of one customer, {limit} are allowed"));
        }
    }

    /// How it differs from a snapshot, if it does.
    pub(super) fn differs(&self, state: &UsesState) -> Option<String> {
        let known = (state.held.len(), state.used(), i128::from(state.taken.amount.0), state.terms.as_ref());
        let wanted = (self.held.len(), self.settled.len() as u64, self.amount, self.terms.as_ref());
        if known != wanted {
            return Some(format!("held, settled, amount, terms are {known:?}, not {wanted:?}"));
        }
        let returned: FxHashMap<OrderId, u32> = state.returned().collect();
        if returned != self.returned {
            return Some(format!("steps that gave back are {returned:?}, not {:?}", self.returned));
        }
        let differs = state.by_customer != self.by_customer;
        differs.then(|| "uses by customer are not those of its records".to_owned())
    }
}

/// What an order has of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    Held(i64),
    Settled(i64),
    Nothing,
}

/// The step that a record of the order still owes to this owner.
fn owes(order: &Order, subject: &Subject) -> bool {
    order.owed.iter().any(|(_, step)| match step {
        RemoteStep::UsesSettle { subject: of }
        | RemoteStep::UsesRelease { subject: of, .. }
        | RemoteStep::UsesGiveBack { subject: of } => of == subject,
        _ => false,
    })
}

impl Auditor {
    /// What an order has off was taken off by promotions of the version that priced it. It may have been priced just before
    /// one of them retired, and recorded just after.
    pub(super) fn check_in_force(&mut self, event: &OrderEvent, seq: u64, now: Timestamp, actor: &EntityKey) {
        let (OrderEvent::Placed { promoted: Some(promoted), .. } | OrderEvent::Edited { promoted: Some(promoted), .. }) =
            event
        else {
            return;
        };
        let scene = &mut Scene { seq, now, actor, faults: &mut self.faults };
        for discount in &promoted.discounts {
            let known = self.uses.get(&Subject::Promotion(discount.promotion.clone()));
            let in_force = known.is_some_and(|owner| owner.was_in_force(promoted.version));
            scene.expect(in_force, Rule::DiscountRetired, || {
                format!("{} was not in force in version {} of the rules", discount.promotion, promoted.version)
            });
        }
    }

    /// Every use has its order, and every order its uses.
    pub(super) fn compare_uses(&self, verdicts: &mut Vec<(u64, String, Verdict)>) {
        for (subject, owner) in &self.uses {
            let name = EntityKey::Uses(subject.clone()).to_string();
            for (id, taken) in owner.held.iter().chain(&owner.settled) {
                let order = self.orders.get(id).filter(|order| order.uses.iter().any(|(of, _)| of == subject));
                let verdict = match order {
                    // It is looked at from the order's side.
                    Some(_) => Verdict::Agrees,
                    None if self.is_young(taken.since, taken.seq) => Verdict::InFlight,
                    None => Verdict::Differs(Rule::UseWithoutOrder, format!("order {id} does not know of its use")),
                };
                verdicts.push((owner.last_seq, name.clone(), verdict));
            }
        }
        for (id, order) in &self.orders {
            for (subject, amount) in &order.uses {
                let has = self.uses.get(subject).map_or(Has::Nothing, |owner| {
                    let held = owner.held.get(id).map(|taken| Has::Held(taken.amount));
                    let settled = owner.settled.get(id).map(|taken| Has::Settled(taken.amount));
                    held.or(settled).unwrap_or(Has::Nothing)
                });
                let wanted = match order.outcome {
                    Outcome::Open if order.secured => Has::Settled(*amount),
                    Outcome::Open => Has::Held(*amount),
                    Outcome::Cancelled | Outcome::Expired | Outcome::Refused => Has::Nothing,
                };
                let verdict = match () {
                    () if has == wanted => Verdict::Agrees,
                    () if owes(order, subject) => Verdict::InFlight,
                    () => Verdict::Differs(
                        Rule::UseWithoutOrder,
                        format!("it has {has:?} of {}, and should have {wanted:?}", subject.name()),
                    ),
                };
                verdicts.push((order.last_seq, format!("order/{id}"), verdict));
            }
        }
    }
}
