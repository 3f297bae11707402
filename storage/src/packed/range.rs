//! Which keys a scan is about, and which way it goes.

use std::ops::Bound;

/// The way a scan goes through the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the lowest key up.
    Ascending,
    /// From the highest key down.
    Descending,
}

/// A range of keys, ordered by their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self { from: Bound::Unbounded, to: Bound::Unbounded }
    }

    /// The keys between two bounds; empty if they cross.
    pub fn between(from: Bound<&[u8]>, to: Bound<&[u8]>) -> Self {
        Self { from: from.map(<[u8]>::to_vec), to: to.map(<[u8]>::to_vec) }
    }

    /// The keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut above = prefix.to_vec();
        // The first key above all that begin with the prefix: its last byte that can be raised, raised.
        while above.last() == Some(&u8::MAX) {
            above.pop();
        }
        let to = match above.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(above)
            }
            None => Bound::Unbounded,
        };
        Self { from: Bound::Included(prefix.to_vec()), to }
    }

    /// What is left of the range behind `key`, going in `direction`: the next page begins there.
    pub fn behind(&self, key: &[u8], direction: Direction) -> Self {
        let key = Bound::Excluded(key.to_vec());
        match direction {
            Direction::Ascending => Self { from: key, to: self.to.clone() },
            Direction::Descending => Self { from: self.from.clone(), to: key },
        }
    }

    pub(crate) fn from(&self) -> Bound<&[u8]> {
        self.from.as_ref().map(Vec::as_slice)
    }

    pub(crate) fn to(&self) -> Bound<&[u8]> {
        self.to.as_ref().map(Vec::as_slice)
    }

    /// Whether `key` is past neither end.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        !self.is_above(key) && !self.is_below(key)
    }

    /// Whether some key from `min` to `max` may be in the range.
    pub(crate) fn meets(&self, min: &[u8], max: &[u8]) -> bool {
        !self.is_above(max) && !self.is_below(min)
    }

    /// Whether the range begins above `key`.
    fn is_above(&self, key: &[u8]) -> bool {
        match &self.from {
            Bound::Included(from) => key < from.as_slice(),
            Bound::Excluded(from) => key <= from.as_slice(),
            Bound::Unbounded => false,
        }
    }

    /// Whether the range ends below `key`.
    fn is_below(&self, key: &[u8]) -> bool {
        match &self.to {
            Bound::Included(to) => key > to.as_slice(),
            Bound::Excluded(to) => key >= to.as_slice(),
            Bound::Unbounded => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_its_own_keys_and_no_neighbours() {
        let range = KeyRange::prefix(b"ab");
        assert!(range.contains(b"ab") && range.contains(b"ab\xff\xff"));
        assert!(!range.contains(b"aa\xff") && !range.contains(b"ac") && !range.contains(b"a"));
    }

    #[test]
    fn a_prefix_of_highest_bytes_has_no_upper_end() {
        assert!(KeyRange::prefix(b"\xff\xff").contains(b"\xff\xff\xff"));
        assert!(!KeyRange::prefix(b"\xff\xff").contains(b"\xff"));
        assert_eq!(
            KeyRange::prefix(b"a\xff"),
            KeyRange { to: Bound::Excluded(b"b".to_vec()), ..KeyRange::prefix(b"a\xff") }
        );
        assert!(KeyRange::prefix(b"").contains(b""));
    }

    #[test]
    fn the_rest_of_a_page_leaves_out_the_key_it_ended_at() {
        let range = KeyRange::prefix(b"k");
        assert!(!range.behind(b"k5", Direction::Ascending).contains(b"k5"));
        assert!(range.behind(b"k5", Direction::Ascending).contains(b"k6"));
        assert!(range.behind(b"k5", Direction::Descending).contains(b"k4"));
        assert!(!range.behind(b"k5", Direction::Descending).contains(b"k6"));
    }
}
