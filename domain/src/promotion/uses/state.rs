//! What the owner of uses knows: what is held by order, what is used as sums.

use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;

use super::{Subject, Terms, Use, UsesEvent};
use crate::promotion::rule::Promotion;
use crate::{Amount, CustomerId, OrderId, codec};

/// How much is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Taken {
    /// Uses, held and settled.
    #[n(0)]
    pub uses: u64,
    /// Money, held and settled.
    #[n(1)]
    pub amount: Amount,
}

/// What is used, counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Used {
    /// How much.
    #[n(0)]
    pub taken: Taken,
    /// Uses of which the customer is known.
    #[n(1)]
    pub of_customers: u64,
    /// The steps by which orders of other partitions gave uses back, until those orders have heard that they are done:
    /// a repeated step gives nothing back.
    #[cbor(n(2), with = "codec::map")]
    pub returned: FxHashMap<OrderId, u32>,
}

/// The uses of a promotion or a coupon.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct UsesState {
    /// Whose.
    #[n(0)]
    pub subject: Subject,
    /// What is allowed; nothing before it is defined.
    #[n(1)]
    pub terms: Option<Terms>,
    /// Set aside, by order.
    #[cbor(n(2), with = "codec::map")]
    pub held: FxHashMap<OrderId, Use>,
    /// Used before uses were only counted, by order.
    #[cbor(n(3), with = "codec::map")]
    pub settled: FxHashMap<OrderId, Use>,
    /// All that is taken.
    #[n(4)]
    pub taken: Taken,
    /// Uses by customer, where they are limited or were counted.
    #[cbor(n(5), with = "codec::map")]
    pub by_customer: FxHashMap<CustomerId, u64>,
    /// What a promotion is; coupons are none.
    #[n(6)]
    pub promotion: Option<Box<Promotion>>,
    /// Used; nothing in snapshots of before it was counted.
    #[n(8)]
    pub used: Option<Used>,
}

impl UsesState {
    /// Nothing is allowed yet.
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            terms: None,
            held: FxHashMap::default(),
            settled: FxHashMap::default(),
            taken: Taken::default(),
            by_customer: FxHashMap::default(),
            promotion: None,
            used: None,
        }
    }

    /// Whether it is a promotion that prices nothing any more.
    pub fn is_retired(&self) -> bool {
        self.promotion.is_some() && self.terms.as_ref().is_some_and(|terms| terms.revoked)
    }

    /// How many uses are used.
    pub fn used(&self) -> u64 {
        self.settled.len() as u64 + self.used.as_ref().map_or(0, |used| used.taken.uses)
    }

    /// The steps that gave uses back and that their orders may still ask for.
    pub fn returned(&self) -> impl Iterator<Item = (OrderId, u32)> + '_ {
        self.used.iter().flat_map(|used| &used.returned).map(|(order, step)| (*order, *step))
    }

    /// The step by which this order gave its use back, if it may still ask for it.
    pub fn returned_by(&self, order: OrderId) -> Option<u32> {
        self.used.as_ref()?.returned.get(&order).copied()
    }

    /// Uses of a customer, held and settled.
    pub fn of_customer(&self, customer: &CustomerId) -> u64 {
        self.by_customer.get(customer).copied().unwrap_or(0)
    }

    /// Takes an event into the state.
    pub fn apply(&mut self, event: &UsesEvent) {
        match event {
            UsesEvent::Defined { terms } => self.terms = Some(terms.clone()),
            UsesEvent::Promoted { promotion } => {
                self.terms = Some(Terms::of_promotion(promotion.limits.clone(), promotion.currency));
                self.promotion = Some(promotion.clone());
            }
            UsesEvent::Retired => {
                self.terms.as_mut().expect("a promotion that retires was defined").revoked = true;
            }
            UsesEvent::Held { order, taken } => {
                let before = self.held.insert(*order, taken.clone());
                assert!(before.is_none(), "an order holds one use");
                self.take(taken);
            }
            UsesEvent::Taken { order, taken } => {
                assert!(!self.held.contains_key(order), "what is taken at once is not held");
                self.take(taken);
                self.count_used(taken);
            }
            UsesEvent::Settled { order } => {
                let taken = self.held.remove(order).expect("a settled use is held");
                self.settled.insert(*order, taken);
            }
            UsesEvent::Released { order } => {
                let taken = self.held.remove(order).expect("a released use is held");
                self.free(&taken);
            }
            UsesEvent::GivenBack { order } => {
                let taken = self.settled.remove(order).expect("a use given back was used");
                self.free(&taken);
            }
            UsesEvent::Used { order } => {
                let taken = self.held.remove(order).expect("what is used was held");
                self.count_used(&taken);
            }
            UsesEvent::Returned { order, taken, step } => self.take_back(*order, taken, *step),
            UsesEvent::Heard { order, .. } => {
                self.used.get_or_insert_default().returned.remove(order);
            }
        }
        let counted = self.held.len() as u64 + self.used();
        assert_eq!(self.taken.uses, counted, "what is taken is what is held and used");
    }

    fn take(&mut self, taken: &Use) {
        self.taken.uses += 1;
        self.taken.amount.0 += taken.amount.0;
        let Some(customer) = &taken.customer else { return };
        match self.by_customer.get_mut(customer) {
            Some(count) => *count += 1,
            None => drop(self.by_customer.insert(customer.clone(), 1)),
        }
    }

    fn count_used(&mut self, taken: &Use) {
        let used = self.used.get_or_insert_default();
        used.taken.uses += 1;
        used.taken.amount.0 += taken.amount.0;
        used.of_customers += u64::from(taken.customer.is_some());
    }

    fn take_back(&mut self, order: OrderId, taken: &Use, step: Option<u32>) {
        let used = self.used.get_or_insert_default();
        if let Some(step) = step {
            used.returned.insert(order, step);
        }
        if self.settled.remove(&order).is_none() {
            used.taken.uses -= 1;
            used.taken.amount.0 -= taken.amount.0;
            used.of_customers -= u64::from(taken.customer.is_some());
        }
        self.free(taken);
    }

    /// Whether an order can have used this, and this step of it is not done.
    pub(super) fn can_return(&self, order: OrderId, taken: &Use, step: Option<u32>) -> bool {
        if step.is_some_and(|step| self.returned_by(order).is_some_and(|done| done >= step)) {
            return false;
        }
        let counted = self.used.as_ref().is_some_and(|used| {
            let has_his = |customer: &CustomerId| used.of_customers > 0 && self.of_customer(customer) > 0;
            let is_counted = taken.customer.as_ref().is_none_or(has_his);
            used.taken.uses > 0 && used.taken.amount >= taken.amount && is_counted
        });
        counted || self.settled.contains_key(&order)
    }

    fn free(&mut self, taken: &Use) {
        self.taken.uses -= 1;
        self.taken.amount.0 -= taken.amount.0;
        if let Some(customer) = &taken.customer {
            let left = self.of_customer(customer) - 1;
            match left {
                0 => drop(self.by_customer.remove(customer)),
                left => drop(self.by_customer.insert(customer.clone(), left)),
            }
        }
    }

    /// Whether the sums are the sums of what is held and used; linear in what is held, for audits and tests.
    pub fn adds_up(&self) -> bool {
        let all = || self.held.values().chain(self.settled.values());
        let of_customers = all().filter(|taken| taken.customer.is_some()).count() as u64;
        let none = Used::default();
        let used = self.used.as_ref().unwrap_or(&none);
        self.taken.uses == all().count() as u64 + used.taken.uses
            && self.taken.amount.0 == all().map(|taken| taken.amount.0).sum::<i64>() + used.taken.amount.0
            && of_customers + used.of_customers == self.by_customer.values().sum::<u64>()
    }
}
