//! The auditor's own view of an order's line: where its units are, and what they cost.

use stockade_domain::order::PlacedLine;
use stockade_domain::{Currency, CustomerId, QUANTITY_MAX, Quantity, SkuId};

use super::kits::{Part, parts_of};
use super::ledger::{rounded, share};
use super::report::{Rule, Scene};

/// A line, every unit of it in one state.
pub(super) struct Line {
    pub(super) sku: SkuId,
    /// The number of its claim, where its units are a seller's.
    pub(super) claim: Option<u32>,
    /// Who sells them, and what the house keeps of that in hundredths of a percent.
    pub(super) seller: Option<(CustomerId, u32)>,
    /// The components of a kit.
    pub(super) parts: Vec<Part>,
    pub(super) price: i64,
    pub(super) quantity: i64,
    pub(super) filled: i64,
    pub(super) backordered: i64,
    pub(super) unfilled: i64,
    pub(super) cancelled: i64,
    pub(super) shipped: i64,
    pub(super) returned: i64,
    /// What the accepted units cost together.
    pub(super) net: i128,
    /// What promotions took off.
    pub(super) off: i128,
    /// What its seller was told to be owed, to pay as commission, and to have had promoted.
    pub(super) told: [i128; 3],
}

impl Line {
    /// A line that was just placed.
    pub(super) fn place(line: &PlacedLine, currency: Currency, scene: &mut Scene<'_>) -> Self {
        let (quantity, filled) = (count(line.quantity, scene), count(line.filled, scene));
        let backordered = count(line.backordered, scene);
        let price_is_right = scene.expect(line.unit_price.0 >= 0, Rule::OrderMoney, || "a price below zero".into());
        scene.expect(quantity > 0, Rule::QuantityInvalid, || "a line of no units".into());
        let price = if price_is_right { line.unit_price.0 } else { 0 };
        let gross = rounded(i128::from(price) * i128::from(filled + backordered), currency);
        let off = i128::from(line.discount.0);
        let is_fair = (0..=gross).contains(&off);
        scene.expect(is_fair, Rule::OrderDiscounts, || format!("{off} off a line of {gross}"));
        Self {
            sku: line.sku.clone(),
            claim: line.claim.as_ref().map(|claim| claim.number),
            seller: line.claim.as_ref().map(|claim| (claim.seller.clone(), claim.commission_bps)),
            parts: parts_of(line),
            price,
            quantity,
            filled,
            backordered,
            unfilled: quantity - filled - backordered,
            cancelled: 0,
            shipped: 0,
            returned: 0,
            net: gross - off,
            off,
            told: [0; 3],
        }
    }

    /// Units that a SKU keeps for it: held, or allocated.
    pub(super) fn kept(&self) -> i64 {
        self.filled - self.shipped
    }

    pub(super) fn accepted(&self) -> i64 {
        self.quantity - self.unfilled
    }

    pub(super) fn given_up(&self) -> i64 {
        self.cancelled + self.returned
    }

    pub(super) fn unshipped(&self) -> i64 {
        self.filled - self.shipped
    }

    /// What the next `units` to be given up are worth.
    pub(super) fn worth(&self, units: i64, currency: Currency) -> i128 {
        share(self.net, self.accepted(), self.given_up(), units, currency)
    }

    /// What so many units are in the books: at their price, or where promotions took something off at what they are
    /// worth.
    pub(super) fn booked(&self, units: i64, worth: i128) -> i128 {
        if self.off == 0 { i128::from(self.price) * i128::from(units) } else { worth }
    }

    pub(super) fn due(&self, currency: Currency) -> i128 {
        self.worth(self.accepted() - self.given_up(), currency)
    }

    pub(super) fn adds_up(&self) -> bool {
        let all = [self.filled, self.backordered, self.unfilled, self.cancelled, self.shipped, self.returned];
        all.iter().all(|units| *units >= 0)
            && self.filled + self.backordered + self.unfilled + self.cancelled == self.quantity
            && self.shipped <= self.filled
            && self.returned <= self.shipped
    }
}

/// Units within bounds; anything else is reported and counted as none.
pub(super) fn count(quantity: Quantity, scene: &mut Scene<'_>) -> i64 {
    let within =
        scene.expect(quantity <= QUANTITY_MAX, Rule::QuantityInvalid, || format!("{quantity} units on a line"));
    if within { quantity as i64 } else { 0 }
}
