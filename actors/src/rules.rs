//! The promotions that price orders: compiled once, read by every partition, swapped whole when one changes.
//!
//! A promotion is its owner's; this is a shared copy. It is written when the turn that changes the promotion has been
//! appended, so whatever was priced by it comes later in the journal. From the append to the swap nobody else changes it:
//! the set of version V is what all records up to V make, and an auditor can tell what an order was priced by.
//!
//! Compiling costs as much as there are promotions. Many that change together are held back until the last of them is there
//! ([`Rules::hold_back`]): then they are compiled once, and orders see all of them or none.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock};
use stockade_domain::Refusal;
use stockade_domain::promotion::{Lane, Promotion, PromotionId, RuleSet, check};

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

impl RuleChange {
    fn promotion(&self) -> &PromotionId {
        match self {
            Self::InForce(promotion) => &promotion.id,
            Self::Retired(id) => id,
        }
    }
}

/// The promotions of an engine.
pub struct Rules {
    lanes: Vec<Lane>,
    /// Shops without promotions in force pay one relaxed load.
    any: AtomicBool,
    set: RwLock<Arc<RuleSet>>,
    all: Mutex<BTreeMap<PromotionId, Promotion>>,
    /// What waits for others. Whoever has both locks has taken that of `all` first.
    held_back: Mutex<Vec<Together>>,
}

/// Promotions that change together.
struct Together {
    number: u64,
    ids: HashSet<PromotionId>,
    /// Those that have not changed yet.
    awaited: HashSet<PromotionId>,
    /// What has become of the others, each as of the sequence of its record.
    come: Vec<(u64, RuleChange)>,
}

/// As long as it is there, changes of some promotions wait for each other.
#[must_use]
pub struct HeldBack<'a> {
    rules: &'a Rules,
    number: u64,
}

impl Drop for HeldBack<'_> {
    fn drop(&mut self) {
        self.rules.let_go(self.number);
    }
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
        Self { lanes, any: AtomicBool::new(false), set, all: Mutex::default(), held_back: Mutex::default() }
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

    /// Whether these can be in a set with all others: each makes sense, there is room for them, and none is there twice.
    pub fn check_all(&self, promotions: &[Promotion]) -> Result<(), Refusal> {
        let wrong = |why: String| Refusal::BodyInvalid { field: "promotions", why };
        let mut ids = HashSet::with_capacity(promotions.len());
        for promotion in promotions {
            check::promotion(promotion).map_err(|error| wrong(error.to_string()))?;
            self.check(promotion)?;
            if !ids.insert(&promotion.id) {
                return Err(wrong(format!("promotion {} is there twice", promotion.id)));
            }
        }
        let known = self.all.lock();
        let new = ids.iter().filter(|id| !known.contains_key(**id)).count();
        if known.len() + new > PROMOTIONS_MAX {
            let why = format!("{} promotions and {new} more are more than {PROMOTIONS_MAX}", known.len());
            return Err(wrong(why));
        }
        Ok(())
    }

    /// Holds changes of these promotions back until each of them has changed, or the answer is dropped.
    pub fn hold_back(&self, ids: impl IntoIterator<Item = PromotionId>) -> HeldBack<'_> {
        let ids: HashSet<PromotionId> = ids.into_iter().collect();
        let mut all = self.held_back.lock();
        let number = all.last().map_or(0, |last| last.number + 1);
        all.push(Together { number, awaited: ids.clone(), ids, come: Vec::new() });
        HeldBack { rules: self, number }
    }

    /// What takes effect by a change: itself; nothing while others are awaited; all of them with the last.
    fn when_all_have_come(&self, seq: u64, change: RuleChange) -> Vec<(u64, RuleChange)> {
        let mut all = self.held_back.lock();
        let id = change.promotion();
        let Some(at) = all.iter().position(|together| together.ids.contains(id)) else { return vec![(seq, change)] };
        let together = &mut all[at];
        together.awaited.remove(id);
        together.come.push((seq, change));
        if together.awaited.is_empty() { all.remove(at).come } else { Vec::new() }
    }

    /// Those that have come take effect, if some have not.
    fn let_go(&self, number: u64) {
        let change = self.begin_change();
        let mut all = self.held_back.lock();
        let Some(at) = all.iter().position(|together| together.number == number) else { return };
        let come = all.remove(at).come;
        drop(all);
        change.finish(come);
    }

    /// Which version prices orders now.
    pub fn version(&self) -> u64 {
        self.set.read().version()
    }

    /// The lanes that promotions are in.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
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
        let (rules, mut version) = (self.rules, None);
        let before = rules.set.read().version();
        for (seq, change) in changes.into_iter().flat_map(|(seq, change)| rules.when_all_have_come(seq, change)) {
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

    fn held_back<'a>(rules: &'a Rules, ids: &[&str]) -> HeldBack<'a> {
        rules.hold_back(ids.iter().map(|id| PromotionId::new(id).unwrap()))
    }

    #[test]
    fn what_changes_together_is_seen_together_and_others_need_not_wait() {
        let rules = Rules::default();
        let held = held_back(&rules, &["a", "b"]);
        rules.begin_change().finish([(5, in_force("a"))]);
        assert!(rules.get().is_none(), "half of them is nothing");
        rules.begin_change().finish([(6, in_force("c"))]);
        assert_eq!((ids(&rules), rules.version()), (vec!["c".to_owned()], 6));
        rules.begin_change().finish([(7, in_force("b"))]);
        let all = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!((ids(&rules), rules.version()), (all.clone(), 7), "with the last of them");
        drop(held);
        assert_eq!((ids(&rules), rules.version()), (all, 7), "there is nothing more to come");
    }

    #[test]
    fn what_was_given_up_half_way_is_seen_as_far_as_it_came_and_in_its_order() {
        let rules = Rules::default();
        let held = held_back(&rules, &["a", "b", "c"]);
        rules.begin_change().finish([(5, in_force("a")), (6, in_force("b")), (7, retired("a"))]);
        assert!(rules.get().is_none());
        drop(held);
        assert_eq!((ids(&rules), rules.version()), (vec!["b".to_owned()], 7));
        rules.begin_change().finish([(8, in_force("c"))]);
        assert_eq!(rules.version(), 8, "nobody waits any more");
        drop(held_back(&rules, &[]));
        assert_eq!(rules.version(), 8);
    }

    #[test]
    fn what_does_not_fit_in_is_refused_as_a_whole() {
        let rules = Rules::default();
        let promotion = |change| match change {
            RuleChange::InForce(promotion) => *promotion,
            RuleChange::Retired(_) => unreachable!("it is in force"),
        };
        let good = promotion(in_force("a"));
        let nowhere = Promotion { lane: Label::new("nowhere").unwrap(), ..promotion(in_force("b")) };
        for wrong in [vec![good.clone(), good.clone()], vec![good.clone(), nowhere]] {
            assert_eq!(rules.check_all(&wrong).unwrap_err().code(), "body_invalid");
        }
        assert!(rules.check_all(&[good, promotion(in_force("b"))]).is_ok());
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
