//! A blocked Bloom filter: one cache line answers whether a run may hold a key.
//!
//! It lives in memory only and is rebuilt when a run is loaded, so its hash is free to change between versions.

use std::hash::Hasher;

use rustc_hash::FxHasher;

/// 64-bit words in one block of the filter: one cache line.
const LINE_WORDS: usize = 8;
/// Bits set for each key. Six are near the best for the default of ten bits a row.
const PROBES: u32 = 6;

/// The set of the keys of one run, which errs only towards *maybe*.
pub(crate) struct Bloom {
    words: Box<[u64]>,
}

impl Bloom {
    /// A filter for about `rows` keys at `bits_per_row`.
    pub(crate) fn for_rows(rows: u64, bits_per_row: u32) -> Self {
        let bits = rows.saturating_mul(u64::from(bits_per_row)).max(1);
        let lines = bits.div_ceil(LINE_WORDS as u64 * 64);
        Self { words: vec![0; usize::try_from(lines).unwrap_or(1) * LINE_WORDS].into_boxed_slice() }
    }

    /// The hash that [`Bloom::insert`] and [`Bloom::may_hold`] take, so that one key is hashed once for many runs.
    pub(crate) fn hash(key: &[u8]) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write(key);
        // FxHasher leaves weak low bits on short keys; this is the finaliser of SplitMix64.
        let mut hash = hasher.finish() ^ (key.len() as u64);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    pub(crate) fn insert(&mut self, hash: u64) {
        let line = self.line(hash);
        for (word, bit) in probes(hash) {
            self.words[line + word] |= bit;
        }
    }

    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        let line = self.line(hash);
        probes(hash).all(|(word, bit)| self.words[line + word] & bit != 0)
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    /// The first word of the key's line: the upper half of the hash, scaled without a division.
    fn line(&self, hash: u64) -> usize {
        let lines = (self.words.len() / LINE_WORDS) as u128;
        ((u128::from(hash) * lines) >> 64) as usize * LINE_WORDS
    }
}

/// Six places of nine bits each in the key's line, from the lower bits that do not choose the line.
fn probes(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    let places = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..PROBES).map(move |probe| {
        let place = (places >> (probe * 9 + 10)) & 511;
        ((place / 64) as usize, 1 << (place % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Vec<u8> {
        format!("customer-{number:08}").into_bytes()
    }

    #[test]
    fn a_key_that_was_inserted_is_never_missed() {
        let mut bloom = Bloom::for_rows(1_000, 10);
        (0..1_000).for_each(|n| bloom.insert(Bloom::hash(&key(n))));
        assert!((0..1_000).all(|n| bloom.may_hold(Bloom::hash(&key(n)))));
    }

    #[test]
    fn at_most_one_foreign_key_in_forty_is_taken_for_a_member() {
        let mut bloom = Bloom::for_rows(20_000, 10);
        (0..20_000).for_each(|n| bloom.insert(Bloom::hash(&key(n))));
        let wrong = (20_000..120_000).filter(|n| bloom.may_hold(Bloom::hash(&key(*n)))).count();
        assert!(wrong < 2_500, "{wrong} of 100000");
        assert!(!Bloom::for_rows(1, 10).may_hold(Bloom::hash(b"anything")));
    }
}
