//! Idempotency keys: within 24 hours one accepted record for each.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use stockade_domain::entity::EntityKey;
use stockade_domain::{OrderId, Timestamp};
use stockade_storage::record::KeyDigest;

use super::report::{Rule, Scene};

/// Bytes of a digest that name the key; the others are those of the request.
const NAME_BYTES: usize = 10;
/// How long a key is bound, in microseconds. A key counts from its admission, which is a little before its record,
/// so the last minute of its day is left out.
const BOUND_MICROS: i64 = (24 * 3600 - 60) * 1_000_000;

type Name = [u8; NAME_BYTES];

/// A bound key.
struct Bound {
    time: Timestamp,
    seq: u64,
    /// The order whose record binds it: its failure frees the key.
    order: Option<OrderId>,
}

/// The keys that are bound now.
#[derive(Default)]
pub(super) struct Keys {
    bound: FxHashMap<Name, Bound>,
    by_age: VecDeque<(Timestamp, Name)>,
}

impl Keys {
    /// Takes the key of a record in. `failed` tells in which record an order last failed, if it did.
    pub(super) fn take(
        &mut self,
        digest: &KeyDigest,
        made: &EntityKey,
        failed: impl Fn(OrderId) -> Option<u64>,
        scene: &mut Scene<'_>,
    ) {
        self.forget_old(scene.now);
        let mut name = Name::default();
        name.copy_from_slice(&digest[..NAME_BYTES]);
        if let Some(before) = self.bound.get(&name) {
            let freed = before.order.and_then(failed).is_some_and(|failed| failed >= before.seq);
            let over = scene.now.0.saturating_sub(before.time.0) >= BOUND_MICROS;
            scene.expect(freed || over, Rule::KeyUsedTwice, || {
                format!("its idempotency key was bound by record {} within the day", before.seq)
            });
        }
        let order = if let EntityKey::Order(order) = made { Some(*order) } else { None };
        self.bound.insert(name, Bound { time: scene.now, seq: scene.seq, order });
        self.by_age.push_back((scene.now, name));
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some((time, name)) = self.by_age.front() {
            if now.0.saturating_sub(time.0) < BOUND_MICROS {
                return;
            }
            if self.bound.get(name).is_some_and(|bound| bound.time == *time) {
                self.bound.remove(name);
            }
            self.by_age.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Faults;
    use super::*;

    const HOUR: i64 = 3600 * 1_000_000;

    fn faults_of(uses: &[(u64, i64, &str, Option<u64>)]) -> u64 {
        let (mut keys, mut faults) = (Keys::default(), Faults::default());
        let order = EntityKey::Order(OrderId::new(Timestamp(1), 1));
        for (seq, time, name, failed) in uses {
            let mut digest = KeyDigest::default();
            digest[..name.len()].copy_from_slice(name.as_bytes());
            let mut scene = Scene { seq: *seq, now: Timestamp(*time), actor: &"x", faults: &mut faults };
            keys.take(&digest, &order, |_| *failed, &mut scene);
        }
        faults.found
    }

    #[test]
    fn a_key_binds_one_record_a_day_unless_its_order_failed() {
        for (uses, found) in [
            (vec![(1, 0, "a", None), (2, HOUR, "b", None)], 0),
            (vec![(1, 0, "a", None), (2, HOUR, "a", None)], 1),
            (vec![(1, 0, "a", None), (2, 24 * HOUR, "a", None)], 0),
            (vec![(1, 5, "a", None), (9, HOUR, "a", Some(7))], 0),
            (vec![(1, 0, "a", None), (9, HOUR, "a", Some(7)), (12, 2 * HOUR, "a", Some(7))], 1),
            (vec![(1, 0, "a", None), (2, 30 * HOUR, "a", None), (3, 31 * HOUR, "a", None)], 1),
        ] {
            assert_eq!(faults_of(&uses), found, "{uses:?}");
        }
    }
}
