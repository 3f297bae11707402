//! The numbers behind what survives.

/// SplitMix64: a few lines, and the same numbers everywhere.
#[derive(Debug)]
pub(in crate::disk) struct Random(u64);

impl Random {
    pub(in crate::disk) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(in crate::disk) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}
