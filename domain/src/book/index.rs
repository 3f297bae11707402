//! From an order's id to its slot: open addressing with linear probing, eight bytes a bucket.
//!
//! Removal shifts the run back instead of leaving tombstones, so that a book in which orders come and go for days
//! neither grows nor slows down, and never allocates once it is warm. The ids themselves stay in the entries.

/// A bucket: 32 bits of hash, 32 bits of slot + 1; 0 is free.
type Bucket = u64;

#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    buckets: Vec<Bucket>,
    length: usize,
}

impl Index {
    /// The slot whose hash this is and which `is_it`.
    #[inline]
    pub fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        if self.length == 0 {
            return None;
        }
        let mask = self.buckets.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let bucket = self.buckets[at];
            if bucket == 0 {
                return None;
            }
            if (bucket >> 32) as u32 == hash && is_it(bucket as u32 - 1) {
                return Some(bucket as u32 - 1);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a slot that is not there yet.
    #[inline]
    pub fn insert(&mut self, hash: u32, slot: u32) {
        // A load of at most one half keeps runs short.
        if self.length * 2 >= self.buckets.len() {
            self.grow();
        }
        let mask = self.buckets.len() - 1;
        let mut at = hash as usize & mask;
        while self.buckets[at] != 0 {
            at = (at + 1) & mask;
        }
        self.buckets[at] = u64::from(hash) << 32 | (u64::from(slot) + 1);
        self.length += 1;
    }

    /// Removes a slot that is there.
    #[inline]
    pub fn remove(&mut self, hash: u32, slot: u32) {
        let mask = self.buckets.len() - 1;
        let wanted = u64::from(hash) << 32 | (u64::from(slot) + 1);
        let mut hole = hash as usize & mask;
        while self.buckets[hole] != wanted {
            debug_assert!(self.buckets[hole] != 0, "only what is there is removed");
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let bucket = self.buckets[at];
            if bucket == 0 {
                break;
            }
            let home = (bucket >> 32) as usize & mask;
            // It may move back to the hole only if its home does not lie behind the hole.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.buckets[hole] = bucket;
                hole = at;
            }
        }
        self.buckets[hole] = 0;
        self.length -= 1;
    }

    /// How many slots it knows.
    pub fn len(&self) -> usize {
        self.length
    }

    #[cold]
    fn grow(&mut self) {
        let grown = vec![0; (self.buckets.len() * 2).max(16)];
        let old = std::mem::replace(&mut self.buckets, grown);
        self.length = 0;
        for bucket in old.into_iter().filter(|&bucket| bucket != 0) {
            self.insert((bucket >> 32) as u32, bucket as u32 - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::Index;

    proptest! {
        #[test]
        fn it_finds_what_was_added_and_not_removed_however_hashes_collide(
            steps in proptest::collection::vec((0_u32..40, any::<bool>()), 0..400), spread in 1_u32..20,
        ) {
            let (mut index, mut known) = (Index::default(), BTreeMap::new());
            // Few different hashes, some at the end of the table, so that runs are long and wrap around.
            let hash = |slot: u32| (slot % spread).wrapping_sub(3);
            for (slot, add) in steps {
                match (add, known.contains_key(&slot)) {
                    (true, false) => { index.insert(hash(slot), slot); known.insert(slot, ()); }
                    (false, true) => { index.remove(hash(slot), slot); known.remove(&slot); }
                    _ => {}
                }
                prop_assert_eq!(index.len(), known.len());
                for slot in 0..40 {
                    prop_assert_eq!(index.find(hash(slot), |found| found == slot).is_some(), known.contains_key(&slot));
                }
            }
        }
    }
}
