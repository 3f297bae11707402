//! The auditor's own counters of a bin, moved by DESIGN.md's table of operations, row by row.

use stockade_domain::stock::Unsellable;

/// What is counted. `OnHand` is folded for itself, so that both identities can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Count {
    OnHand,
    Free,
    Held,
    Allocated,
    Damaged,
    QualityControl,
    Expired,
    Received,
    Returned,
    AdjustedIn,
    TransferredIn,
    Shipped,
    WrittenOff,
    AdjustedOut,
    TransferredOut,
}

impl Count {
    /// Those that a snapshot has, in its order; it computes what is on hand.
    pub(super) const ALL_BUT_ON_HAND: [Self; COUNTS - 1] = [
        Self::Free,
        Self::Held,
        Self::Allocated,
        Self::Damaged,
        Self::QualityControl,
        Self::Expired,
        Self::Received,
        Self::Returned,
        Self::AdjustedIn,
        Self::TransferredIn,
        Self::Shipped,
        Self::WrittenOff,
        Self::AdjustedOut,
        Self::TransferredOut,
    ];
}

const COUNTS: usize = 15;
const NAMES: [&str; COUNTS] = [
    "on_hand",
    "free",
    "held",
    "allocated",
    "damaged",
    "quality_control",
    "expired",
    "received",
    "returned",
    "adjusted_in",
    "transferred_in",
    "shipped",
    "written_off",
    "adjusted_out",
    "transferred_out",
];

/// A counter and the direction in which an operation moves it.
pub(super) type Step = (Count, i64);

use Count as C;

pub(super) const RECEIVE: [Step; 3] = [(C::OnHand, 1), (C::Free, 1), (C::Received, 1)];
pub(super) const HOLD: [Step; 2] = [(C::Free, -1), (C::Held, 1)];
pub(super) const HOLD_SETTLED: [Step; 2] = [(C::Free, -1), (C::Allocated, 1)];
pub(super) const RELEASE: [Step; 2] = [(C::Held, -1), (C::Free, 1)];
pub(super) const SETTLE: [Step; 2] = [(C::Held, -1), (C::Allocated, 1)];
pub(super) const UNALLOCATE: [Step; 2] = [(C::Allocated, -1), (C::Free, 1)];
pub(super) const SHIP: [Step; 3] = [(C::Allocated, -1), (C::OnHand, -1), (C::Shipped, 1)];
pub(super) const RESTOCK: [Step; 3] = [(C::Returned, 1), (C::OnHand, 1), (C::Free, 1)];
pub(super) const RETURN_TO_QUALITY_CONTROL: [Step; 3] = [(C::Returned, 1), (C::OnHand, 1), (C::QualityControl, 1)];
pub(super) const RETURN_WRITTEN_OFF: [Step; 2] = [(C::Returned, 1), (C::WrittenOff, 1)];
pub(super) const ADJUST_UP: [Step; 3] = [(C::OnHand, 1), (C::Free, 1), (C::AdjustedIn, 1)];
pub(super) const ADJUST_DOWN: [Step; 3] = [(C::OnHand, -1), (C::Free, -1), (C::AdjustedOut, 1)];
pub(super) const EXPIRE: [Step; 2] = [(C::Free, -1), (C::Expired, 1)];
pub(super) const TRANSFER_OUT: [Step; 3] = [(C::Free, -1), (C::OnHand, -1), (C::TransferredOut, 1)];
pub(super) const TRANSFER_IN: [Step; 3] = [(C::OnHand, 1), (C::Free, 1), (C::TransferredIn, 1)];

/// Out of a state into another.
pub(super) fn reclassify(from: Unsellable, to: Unsellable) -> [Step; 2] {
    [(state(from), -1), (state(to), 1)]
}

/// Out of a state and out of the house.
pub(super) fn write_off(from: Unsellable) -> [Step; 3] {
    [(state(from), -1), (C::OnHand, -1), (C::WrittenOff, 1)]
}

const fn state(of: Unsellable) -> Count {
    match of {
        Unsellable::Free => C::Free,
        Unsellable::Damaged => C::Damaged,
        Unsellable::QualityControl => C::QualityControl,
        Unsellable::Expired => C::Expired,
    }
}

/// The counters of one bin; signed, so that a wrong record shows as a negative number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts([i64; COUNTS]);

impl Counts {
    pub(super) const fn get(&self, count: Count) -> i64 {
        self.0[count as usize]
    }

    pub(super) fn shift(&mut self, steps: &[Step], units: i64) {
        for (count, direction) in steps {
            let value = &mut self.0[*count as usize];
            *value = value.saturating_add(units.saturating_mul(*direction));
        }
    }

    /// The first counter below zero.
    pub(super) fn negative(&self) -> Option<(&'static str, i64)> {
        let at = self.0.iter().position(|value| *value < 0)?;
        Some((NAMES[at], self.0[at]))
    }

    /// What breaks one of the two identities, if something does.
    pub(super) fn imbalance(&self) -> Option<String> {
        let sum = |counts: &[Count]| counts.iter().map(|count| i128::from(self.get(*count))).sum::<i128>();
        let on_hand = i128::from(self.get(C::OnHand));
        let states = sum(&[C::Free, C::Held, C::Allocated, C::Damaged, C::QualityControl, C::Expired]);
        let came = sum(&[C::Received, C::Returned, C::AdjustedIn, C::TransferredIn]);
        let went = sum(&[C::Shipped, C::WrittenOff, C::AdjustedOut, C::TransferredOut]);
        let broken = on_hand != states || on_hand != came - went;
        broken.then(|| format!("{on_hand} on hand, {states} over all states, {came} came in, {went} went out"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_keeps_both_identities_and_a_half_one_breaks_them() {
        let all: [&[Step]; 17] = [
            &RECEIVE,
            &HOLD,
            &HOLD_SETTLED,
            &RELEASE,
            &SETTLE,
            &UNALLOCATE,
            &SHIP,
            &RESTOCK,
            &RETURN_TO_QUALITY_CONTROL,
            &RETURN_WRITTEN_OFF,
            &ADJUST_UP,
            &ADJUST_DOWN,
            &EXPIRE,
            &TRANSFER_OUT,
            &TRANSFER_IN,
            &reclassify(Unsellable::Damaged, Unsellable::Expired),
            &write_off(Unsellable::QualityControl),
        ];
        for steps in all {
            let mut counts = Counts::default();
            counts.shift(steps, 3);
            assert_eq!(counts.imbalance(), None, "{steps:?}");
            let mut half = Counts::default();
            half.shift(&steps[..1], 3);
            assert!(half.imbalance().is_some(), "{steps:?}");
        }
    }

    #[test]
    fn a_counter_below_zero_is_named() {
        let mut counts = Counts::default();
        counts.shift(&HOLD, 2);
        assert_eq!(counts.negative(), Some(("free", -2)));
    }
}
