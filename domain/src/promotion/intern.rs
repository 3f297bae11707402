//! Names as numbers: each kind of names counts from nothing.

use compact_str::CompactString;
use rustc_hash::FxHashMap;

use super::facts::{KINDS, Kind, UNKNOWN};

/// The names that a rule set mentions.
#[derive(Default)]
pub(super) struct Interner {
    numbers: [FxHashMap<CompactString, u32>; KINDS],
}

impl Interner {
    /// A name's number, a new one if need be.
    pub fn intern(&mut self, kind: Kind, name: &str) -> u32 {
        let numbers = &mut self.numbers[kind as usize];
        if let Some(number) = numbers.get(name) {
            return *number;
        }
        let number = numbers.len() as u32;
        numbers.insert(CompactString::new(name), number);
        number
    }

    /// A name's number.
    pub fn find(&self, kind: Kind, name: &str) -> u32 {
        self.numbers[kind as usize].get(name).copied().unwrap_or(UNKNOWN)
    }

    /// How many names of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.numbers[kind as usize].len()
    }
}
