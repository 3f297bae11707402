//! A Bloom filter of which a lookup reads one block of 64 bytes.
//!
//! Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters", 2007.

use super::fingerprint::Fingerprint;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;
/// Bits per entry: with seven probes one miss in some 150 is taken for a hit.
const BITS_PER_ENTRY: usize = 12;
const PROBES: u32 = 7;
const BITS_OF_A_PROBE: u32 = 9;

/// A filter while it is being filled.
pub(crate) struct BloomFilter {
    blocks: Vec<[u8; BLOCK]>,
}

impl BloomFilter {
    pub(crate) fn for_entries(entries: usize) -> Self {
        let blocks = (entries * BITS_PER_ENTRY).div_ceil(BLOCK * 8).max(1);
        Self { blocks: vec![[0; BLOCK]; blocks] }
    }

    pub(crate) fn insert(&mut self, fingerprint: &Fingerprint) {
        let block = block_of(fingerprint, self.blocks.len() as u64);
        for bit in probes(fingerprint) {
            self.blocks[block as usize][bit / 8] |= 1 << (bit % 8);
        }
    }

    pub(crate) fn blocks(&self) -> &[[u8; BLOCK]] {
        &self.blocks
    }
}

/// Which of a filter's blocks to look at.
pub(crate) fn block_of(fingerprint: &Fingerprint, blocks: u64) -> u64 {
    ((u128::from(fingerprint.block) * u128::from(blocks)) >> 64) as u64
}

/// Whether the block may hold the entry; if not, nothing has it.
pub(crate) fn may_contain(block: &[u8], fingerprint: &Fingerprint) -> bool {
    probes(fingerprint).all(|bit| block[bit / 8] & (1 << (bit % 8)) != 0)
}

fn probes(fingerprint: &Fingerprint) -> impl Iterator<Item = usize> {
    let bits = fingerprint.bits;
    (0..PROBES).map(move |probe| (bits >> (probe * BITS_OF_A_PROBE)) as usize % (BLOCK * 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(number: u32) -> Fingerprint {
        Fingerprint::of_actor(1, &number.to_le_bytes())
    }

    #[test]
    fn nothing_inserted_is_missed_and_few_others_are_found() {
        const ENTRIES: u32 = 10_000;
        let mut filter = BloomFilter::for_entries(ENTRIES as usize);
        (0..ENTRIES).for_each(|number| filter.insert(&fingerprint(number)));
        let found = |number: u32| {
            let fingerprint = fingerprint(number);
            let block = block_of(&fingerprint, filter.blocks().len() as u64);
            may_contain(&filter.blocks()[block as usize], &fingerprint)
        };
        assert!((0..ENTRIES).all(found));
        let wrong = (ENTRIES..2 * ENTRIES).filter(|number| found(*number)).count();
        assert!(wrong < ENTRIES as usize / 100, "{wrong} of {ENTRIES}");
    }
}
