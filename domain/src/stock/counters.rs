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
