//! The promotions that price orders: compiled once, read by every partition, swapped whole when one changes.
//!
//! A promotion is its owner's; this is a shared copy. It is written when the turn that changes the promotion has been
//! appended, so whatever was priced by it comes later in the journal. From the append to the swap nobody else changes it:
//! the set of version V is what all records up to V make, and an auditor can tell what an order was priced by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock};
use stockade_domain::Refusal;
use stockade_domain::promotion::{Lane, Promotion, PromotionId, RuleSet};

/// The most promotions.
pub const PROMOTIONS_MAX: usize = 50_000;

/// What becomes of a promotion.
#[derive(Debug, Clone)]
pub enum RuleChange {
    /// It prices carts, as it is now.
    InForce(Box<Promotion>),
    /// It prices nothing.
    Retired(PromotionId),
}

/// The promotions of an engine.
pub struct Rules {
    lanes: Vec<Lane>,
    /// Shops without promotions in force pay one relaxed load.
    any: AtomicBool,
    set: RwLock<Arc<RuleSet>>,
    all: Mutex<BTreeMap<PromotionId, Promotion>>,
}

impl Default for Rules {
    fn default() -> Self {
        Self::with_lanes(Lane::standard())
    }
}

impl Rules {
    /// No promotions yet; they will be in these lanes, which come in this order.
    pub fn with_lanes(lanes: Vec<Lane>) -> Self {
        let set = RwLock::new(Arc::new(RuleSet::empty()));
        Self { lanes, any: AtomicBool::new(false), set, all: Mutex::default() }
    }

    /// What prices orders now; none if no promotion is in force.
    pub fn get(&self) -> Option<Arc<RuleSet>> {
        self.is_any().then(|| self.current())
    }

    /// What prices orders now; it may be of no promotions.
    pub fn current(&self) -> Arc<RuleSet> {
        Arc::clone(&self.set.read())
    }

    /// Whether promotions are in force.
    pub fn is_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whether a promotion fits in: its lane is known, and there is room.
    pub fn check(&self, promotion: &Promotion) -> Result<(), Refusal> {
        let wrong = |why: String| Refusal::BodyInvalid { field: "promotion", why };
        if !self.lanes.iter().any(|lane| lane.name == promotion.lane) {
            let lanes: Vec<&str> = self.lanes.iter().map(|lane| lane.name.as_str()).collect();
            return Err(wrong(format!("its lane is one of {}", lanes.join(", "))));
        }
        let all = self.all.lock();
        if all.len() >= PROMOTIONS_MAX && !all.contains_key(&promotion.id) {
            return Err(wrong(format!("there are {PROMOTIONS_MAX} promotions, and no room for another")));
        }
        Ok(())
    }

    /// Lets nobody else change the rules until this change is finished, or dropped.
    pub fn begin_change(&self) -> Change<'_> {
        Change { rules: self, all: self.all.lock() }
    }

    /// Every promotion in force, by id.
    pub fn all(&self) -> Vec<Promotion> {
        self.all.lock().values().cloned().collect()
    }
}

/// The right to change the rules.
pub struct Change<'a> {
    rules: &'a Rules,
    all: MutexGuard<'a, BTreeMap<PromotionId, Promotion>>,
}

impl Change<'_> {
    /// Makes changes, each as of the sequence of its record: the last of them is the version of what they make.
    pub fn finish(mut self, changes: impl IntoIterator<Item = (u64, RuleChange)>) {
        let before = self.rules.set.read().version();
        let mut version = None;
        for (seq, change) in changes {
            version = Some(seq.max(version.unwrap_or(before)));
            match change {
                RuleChange::InForce(promotion) => drop(self.all.insert(promotion.id.clone(), *promotion)),
                RuleChange::Retired(id) => drop(self.all.remove(&id)),
            }
        }
        let Some(version) = version else { return };
        match RuleSet::compile_in(self.rules.lanes.clone(), self.all.values().cloned().collect(), version) {
            Ok(set) => {
                *self.rules.set.write() = Arc::new(set);
                self.rules.any.store(!self.all.is_empty(), Ordering::Relaxed);
            }
            // Each was checked; only lanes that were taken out of the configuration can make this happen.
            Err(error) => tracing::error!(%error, "the promotions do not compile; the ones of before go on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use stockade_domain::promotion::action::Off;
    use stockade_domain::promotion::rule::{Basis, Limits};
    use stockade_domain::promotion::{Action, Label};

    use super::*;

    fn in_force(id: &str) -> RuleChange {
        RuleChange::InForce(Box::new(Promotion {
            id: PromotionId::new(id).unwrap(),
            version: 1,
            name: Label::new(id).unwrap(),
            priority: 0,
            lane: Label::new("order").unwrap(),
            exclusive: Vec::new(),
            window: Default::default(),
            coupon: Vec::new(),
            currency: Some("EUR".parse().unwrap()),
            when: Vec::new(),
            then: Action::Order(Off { amount: Some(stockade_domain::Amount(10_000)), ..Off::default() }),
            basis: Basis::List,
            cap: None,
            limits: Limits::default(),
            stop: false,
            refusal: None,
        }))
    }

    fn retired(id: &str) -> RuleChange {
        RuleChange::Retired(PromotionId::new(id).unwrap())
    }

    fn ids(rules: &Rules) -> Vec<String> {
        rules.current().promotions().iter().map(|promotion| promotion.id.to_string()).collect()
    }

    #[test]
    fn what_is_retired_is_gone_with_one_swap_and_the_version_goes_on() {
        let rules = Rules::default();
        rules.begin_change().finish([(3, in_force("a")), (4, in_force("b"))]);
        let before = rules.get().unwrap();
        assert_eq!((ids(&rules), before.version()), (vec!["a".to_owned(), "b".to_owned()], 4));
        rules.begin_change().finish([(9, retired("a"))]);
        assert_eq!((ids(&rules), rules.current().version()), (vec!["b".to_owned()], 9));
        assert_eq!(before.promotions().len(), 2, "who has the old set keeps it");
        rules.begin_change().finish([(12, retired("b"))]);
        assert!(!rules.is_any() && rules.get().is_none(), "a shop without promotions is as fast as ever");
        assert_eq!(rules.current().version(), 12, "and still says what priced it");
        rules.begin_change().finish([]);
        assert_eq!(rules.current().version(), 12);
        rules.begin_change().finish([(15, in_force("a"))]);
        assert_eq!((ids(&rules), rules.current().version()), (vec!["a".to_owned()], 15));
    }
}
