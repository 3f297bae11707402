//! Which orders are whose: the orders of each known owner form a ring, so that a mass cancel costs what it cancels and not
//! what stands in the book. Orders of nobody are in no ring and cost nothing here.

use rustc_hash::FxHashMap;

use super::command::Owner;

/// The slots before and after an order among those of its owner.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    before: u32,
    after: u32,
}

/// The rings of all owners.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners {
    /// Some order of each owner that has one.
    first: FxHashMap<Owner, u32>,
    /// By slot; read only for slots of known owners.
    links: Vec<Link>,
}

impl Owners {
    /// An order comes in.
    #[inline]
    pub fn insert(&mut self, owner: Owner, slot: u32) {
        if owner != Owner::NOBODY {
            self.insert_known(owner, slot);
        }
    }

    /// Nothing is left of an order.
    #[inline]
    pub fn remove(&mut self, owner: Owner, slot: u32) {
        if owner != Owner::NOBODY {
            self.remove_known(owner, slot);
        }
    }

    fn insert_known(&mut self, owner: Owner, slot: u32) {
        if self.links.len() <= slot as usize {
            self.links.resize(slot as usize + 1, Link::default());
        }
        let alone = Link { before: slot, after: slot };
        self.links[slot as usize] = match self.first.insert(owner, slot) {
            None => alone,
            Some(after) => {
                let before = std::mem::replace(&mut self.links[after as usize].before, slot);
                self.links[before as usize].after = slot;
                Link { before, after }
            }
        };
    }

    fn remove_known(&mut self, owner: Owner, slot: u32) {
        let Link { before, after } = self.links[slot as usize];
        if after == slot {
            self.first.remove(&owner);
            return;
        }
        self.links[before as usize].after = after;
        self.links[after as usize].before = before;
        if self.first.get(&owner) == Some(&slot) {
            self.first.insert(owner, after);
        }
    }

    /// The orders of a known owner, in no order.
    pub fn of(&self, owner: Owner) -> impl Iterator<Item = u32> {
        let first = self.first.get(&owner).copied();
        let next = move |slot: &u32| Some(self.links[*slot as usize].after).filter(|next| Some(*next) != first);
        std::iter::successors(first, next)
    }

    /// How many owners have an order.
    pub fn len(&self) -> usize {
        self.first.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::{Owner, Owners};

    proptest! {
        #[test]
        fn each_owner_has_the_orders_that_came_and_did_not_go(
            steps in proptest::collection::vec((0_u32..24, 0_u32..4), 0..200),
        ) {
            let (mut owners, mut known) = (Owners::default(), BTreeMap::<u32, Owner>::new());
            for (slot, owner) in steps {
                match known.remove(&slot) {
                    Some(owner) => owners.remove(owner, slot),
                    None => {
                        owners.insert(Owner(owner), slot);
                        known.insert(slot, Owner(owner));
                    }
                }
                for owner in (1..4).map(Owner) {
                    let listed: Vec<u32> = owners.of(owner).collect();
                    let wanted: BTreeSet<u32> =
                        known.iter().filter(|(_, of)| **of == owner).map(|(slot, _)| *slot).collect();
                    prop_assert_eq!(listed.len(), wanted.len(), "each once");
                    prop_assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), wanted);
                }
                prop_assert_eq!(owners.of(Owner::NOBODY).count(), 0);
                prop_assert!(owners.len() <= 3);
            }
        }
    }
}
