//! The counters of one bin, and the two identities that always hold between them.

use minicbor::{Decode, Encode};

use crate::Quantity;

/// What lies in one bin now (the first six) and everything that ever went in or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[allow(missing_docs, reason = "the field's standard terms; DESIGN.md's table of operations defines each")]
pub struct Counters {
    #[n(0)]
    pub free: Quantity,
    #[n(1)]
    pub held: Quantity,
    #[n(2)]
    pub allocated: Quantity,
    #[n(3)]
    pub damaged: Quantity,
    #[n(4)]
    pub quality_control: Quantity,
    #[n(5)]
    pub expired: Quantity,
    #[n(6)]
    pub received: Quantity,
    #[n(7)]
    pub returned: Quantity,
    #[n(8)]
    pub adjusted_in: Quantity,
    #[n(9)]
    pub transferred_in: Quantity,
    #[n(10)]
    pub shipped: Quantity,
    #[n(11)]
    pub written_off: Quantity,
    #[n(12)]
    pub adjusted_out: Quantity,
    #[n(13)]
    pub transferred_out: Quantity,
}

impl Counters {
    /// Units physically there.
    pub const fn on_hand(&self) -> Quantity {
        self.free + self.held + self.allocated + self.damaged + self.quality_control + self.expired
    }

    /// Asserts the flow identity: what is there is what came in less what went out. Kept on in release builds;
    /// nothing can be negative because every counter is unsigned and every subtraction is checked.
    pub fn check(&self) {
        let came = self.received + self.returned + self.adjusted_in + self.transferred_in;
        let went = self.shipped + self.written_off + self.adjusted_out + self.transferred_out;
        assert_eq!(Some(self.on_hand()), came.checked_sub(went), "the stock identity is broken: {self:?}");
    }

    /// Adds all counters of another bin, for totals.
    pub fn add(&mut self, other: &Self) {
        let Self {
            free,
            held,
            allocated,
            damaged,
            quality_control,
            expired,
            received,
            returned,
            adjusted_in,
            transferred_in,
            shipped,
            written_off,
            adjusted_out,
            transferred_out,
        } = other;
        self.free += free;
        self.held += held;
        self.allocated += allocated;
        self.damaged += damaged;
        self.quality_control += quality_control;
        self.expired += expired;
        self.received += received;
        self.returned += returned;
        self.adjusted_in += adjusted_in;
        self.transferred_in += transferred_in;
        self.shipped += shipped;
        self.written_off += written_off;
        self.adjusted_out += adjusted_out;
        self.transferred_out += transferred_out;
    }
}

/// Moves `quantity` between two counters; underflow is a bug and panics before anything is torn.
macro_rules! shift {
    ($counters:expr, $quantity:expr, $($minus:ident)? => $($plus:ident)?) => {{
        let quantity = $quantity;
        $( $counters.$minus = $counters.$minus.checked_sub(quantity).expect(concat!(stringify!($minus), " covers it")); )?
        $( $counters.$plus += quantity; )?
    }};
}
pub(super) use shift;

#[cfg(test)]
mod tests {
    use super::*;

    /// Thirty-six units came and fifteen went.
    fn bin() -> Counters {
        Counters {
            free: 1,
            held: 2,
            allocated: 3,
            damaged: 4,
            quality_control: 5,
            expired: 6,
            received: 20,
            returned: 7,
            adjusted_in: 4,
            transferred_in: 5,
            shipped: 8,
            written_off: 4,
            adjusted_out: 2,
            transferred_out: 1,
        }
    }

    #[test]
    fn what_is_there_is_what_came_less_what_went() {
        assert_eq!(bin().on_hand(), 21);
        bin().check();
    }

    #[test]
    fn the_totals_of_bins_are_the_sums_of_every_counter() {
        let mut totals = Counters::default();
        (0..3).for_each(|_| totals.add(&bin()));
        let Counters { free, held, allocated, damaged, quality_control, expired, .. } = totals;
        assert_eq!([free, held, allocated, damaged, quality_control, expired], [3, 6, 9, 12, 15, 18]);
        assert_eq!([totals.received, totals.returned, totals.adjusted_in, totals.transferred_in], [60, 21, 12, 15]);
        assert_eq!([totals.shipped, totals.written_off, totals.adjusted_out, totals.transferred_out], [24, 12, 6, 3]);
    }

    #[test]
    fn a_unit_that_came_from_nowhere_or_went_twice_is_found() {
        type Change = fn(&mut Counters);
        let changes: [Change; 4] =
            [|bin| bin.free += 1, |bin| bin.shipped += 1, |bin| bin.received += 1, |bin| bin.transferred_out = 100];
        for (at, change) in changes.into_iter().enumerate() {
            let mut bin = bin();
            change(&mut bin);
            assert!(std::panic::catch_unwind(|| bin.check()).is_err(), "change {at}");
        }
    }
}
