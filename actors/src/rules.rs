//! The promotions that price orders: compiled once, read by every partition, swapped whole when one changes.
//!
//! A promotion is its owner's; this is a shared copy. It is written when the turn that changes the promotion has been
//! appended, so whatever was priced by it comes later in the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use stockade_domain::Refusal;
use stockade_domain::promotion::{Lane, Promotion, PromotionId, RuleSet};

/// The most promotions.
pub const PROMOTIONS_MAX: usize = 50_000;

/// The promotions of an engine.
pub struct Rules {
    lanes: Vec<Lane>,
    /// Shops without promotions pay one relaxed load.
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

    /// What prices orders now; none if there are no promotions.
    pub fn get(&self) -> Option<Arc<RuleSet>> {
        self.is_any().then(|| Arc::clone(&self.set.read()))
    }

    /// Whether there are promotions.
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

    /// Takes promotions in, as of a sequence: that is the version of what they make.
    pub fn put(&self, promotions: impl IntoIterator<Item = Promotion>, seq: u64) {
        let mut promotions = promotions.into_iter().peekable();
        if promotions.peek().is_none() {
            return;
        }
        let mut all = self.all.lock();
        all.extend(promotions.map(|promotion| (promotion.id.clone(), promotion)));
        let version = seq.max(self.set.read().version());
        match RuleSet::compile_in(self.lanes.clone(), all.values().cloned().collect(), version) {
            Ok(set) => {
                *self.set.write() = Arc::new(set);
                self.any.store(true, Ordering::Relaxed);
            }
            // Each was checked; only lanes that were taken out of the configuration can make this happen.
            Err(error) => tracing::error!(%error, "the promotions do not compile; the ones of before go on"),
        }
    }

    /// Every promotion, by id.
    pub fn all(&self) -> Vec<Promotion> {
        self.all.lock().values().cloned().collect()
    }
}
