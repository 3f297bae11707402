//! What an order has of sellers' offers: held until it is paid, allocated until it is shipped.

use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use crate::book::FillId;
use crate::{Amount, CustomerId, Quantity, codec};

/// Units of one fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ClaimFill {
    /// Which.
    #[n(0)]
    pub fill: FillId,
    /// Units.
    #[n(1)]
    pub quantity: Quantity,
}

/// A claim as it is made: units of one seller at one price, for one line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NewClaim {
    /// Its number among the order's claims of this SKU.
    #[n(0)]
    pub number: u32,
    /// Whose units.
    #[n(1)]
    pub seller: CustomerId,
    /// Price of one.
    #[n(2)]
    pub unit_price: Amount,
    /// The fills it consists of.
    #[cbor(n(3), with = "codec::list")]
    pub fills: SmallVec<[ClaimFill; 1]>,
    /// The line of the request it serves.
    #[n(4)]
    pub line: u32,
}

impl NewClaim {
    /// Its units.
    pub fn units(&self) -> Quantity {
        self.fills.iter().map(|fill| fill.quantity).sum()
    }
}

/// A claim as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Claim {
    /// Its number among the order's claims of this SKU.
    #[n(0)]
    pub number: u32,
    /// Whose units.
    #[n(1)]
    pub seller: CustomerId,
    /// Price of one.
    #[n(2)]
    pub unit_price: Amount,
    /// What is left of its fills.
    #[cbor(n(3), with = "codec::list")]
    pub fills: SmallVec<[ClaimFill; 1]>,
    /// Units not yet paid.
    #[n(4)]
    pub held: Quantity,
    /// Units paid, to be shipped.
    #[n(5)]
    pub allocated: Quantity,
    /// The line of the request it serves.
    #[n(6)]
    pub line: u32,
}

impl Claim {
    /// Its first `quantity` units, or all if there are fewer, by fill.
    pub(super) fn take(&self, mut quantity: Quantity) -> SmallVec<[ClaimFill; 1]> {
        let mut taken = SmallVec::new();
        for fill in &self.fills {
            let units = fill.quantity.min(quantity);
            if units > 0 {
                quantity -= units;
                taken.push(ClaimFill { fill: fill.fill, quantity: units });
            }
        }
        taken
    }

    /// Units leave it: held ones first.
    pub(super) fn lower(&mut self, fills: &[ClaimFill]) {
        for left in fills {
            let fill = self.fills.iter_mut().find(|fill| fill.fill == left.fill).expect("a claim has its fills");
            fill.quantity -= left.quantity;
            let held = self.held.min(left.quantity);
            self.held -= held;
            self.allocated -= left.quantity - held;
        }
        self.fills.retain(|fill| fill.quantity > 0);
    }
}

/// Everything an order has of a SKU's offers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Claims {
    /// Who counts it against the limit per customer.
    #[n(0)]
    pub buyer: Option<CustomerId>,
    /// The order's own record may not exist yet.
    #[n(1)]
    pub tentative: bool,
    /// Claim by claim.
    #[cbor(n(2), with = "codec::list")]
    pub list: SmallVec<[Claim; 1]>,
}

impl Claims {
    /// Units held and allocated.
    pub fn units(&self) -> (Quantity, Quantity) {
        self.list.iter().fold((0, 0), |(held, allocated), claim| (held + claim.held, allocated + claim.allocated))
    }

    /// The claim with this number.
    pub fn get(&self, number: u32) -> Option<&Claim> {
        self.list.iter().find(|claim| claim.number == number)
    }
}
