//! The fault switch of the mailboxes. Off, a port costs one relaxed load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;
use stockade_domain::entity::{EntityKey, EntityKind};

/// What goes wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The actor panics before it handles the message.
    CrashBefore,
    /// The actor panics after it has handled the message.
    CrashAfter,
    /// A message between two partitions is lost.
    Drop,
    /// A message between two partitions arrives twice.
    Duplicate,
}

/// A fault and where it strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRule {
    /// What.
    pub fault: Fault,
    /// Only actors of this kind.
    pub kind: Option<EntityKind>,
    /// Only this actor's name, as in `order/…`; its beginning is enough.
    pub key_prefix: Option<String>,
    /// How often; then the rule is spent.
    pub count: u64,
}

#[derive(Debug)]
struct Armed {
    rule: FaultRule,
    left: AtomicU64,
}

/// The switch, shared by all ports of an engine.
#[derive(Debug, Default)]
pub struct Faults {
    armed: AtomicBool,
    rules: RwLock<Vec<Armed>>,
    fired: AtomicU64,
}

impl Faults {
    /// Replaces the rules; none turns the switch off.
    pub fn arm(&self, rules: Vec<FaultRule>) {
        let mut slot = self.rules.write();
        *slot = rules.into_iter().map(|rule| Armed { left: AtomicU64::new(rule.count), rule }).collect();
        self.armed.store(!slot.is_empty(), Ordering::Release);
    }

    /// How often any fault has struck.
    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::Relaxed)
    }

    /// Whether one of `faults` strikes this actor now.
    #[inline]
    pub fn strike(&self, faults: &[Fault], key: impl FnOnce() -> EntityKey) -> Option<Fault> {
        if !self.armed.load(Ordering::Relaxed) {
            return None;
        }
        self.look_up(faults, &key())
    }

    #[cold]
    fn look_up(&self, faults: &[Fault], key: &EntityKey) -> Option<Fault> {
        let rules = self.rules.read();
        let hit = rules.iter().find(|armed| {
            let rule = &armed.rule;
            faults.contains(&rule.fault)
                && rule.kind.is_none_or(|kind| kind == key.kind())
                && rule.key_prefix.as_ref().is_none_or(|prefix| key.to_string().starts_with(prefix.as_str()))
                && armed.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
        })?;
        self.fired.fetch_add(1, Ordering::Relaxed);
        Some(hit.rule.fault)
    }

    /// Panics if a crash of this kind strikes the actor: the fault point of every hosted actor's mailbox.
    #[inline]
    pub fn crash_point(&self, fault: Fault, key: impl FnOnce() -> EntityKey) {
        if let Some(fault) = self.strike(&[fault], key) {
            panic!("fault injected: {fault:?}");
        }
    }
}
