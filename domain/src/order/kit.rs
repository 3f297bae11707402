//! Kits on an order: the line and its price are the kit's, the stock is its components'.
//!
//! A kit is whole or it is nothing: an order with a kit is all or nothing. Once a component was lost to a forced
//! shortfall, the line remembers how many units of it are missing, and so many kits wait as cannot be put together.

use minicbor::{Decode, Encode};

use super::state::Line;
use crate::stock::KitPart;
use crate::{Money, Quantity, SkuId};

/// What placing an order must know of a kit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kit {
    /// Its price.
    pub price: Money,
    /// How long an unpaid order keeps it.
    pub hold_ttl_seconds: u32,
    /// What it consists of.
    pub parts: Vec<KitPart>,
}

/// A component of a line's kits.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LinePart {
    /// What.
    #[n(0)]
    pub sku: SkuId,
    /// Units of it in one kit.
    #[n(1)]
    pub per_kit: Quantity,
    /// Units that wait for stock, over all kits of the line.
    #[n(2)]
    pub missing: Quantity,
}

impl From<&KitPart> for LinePart {
    fn from(part: &KitPart) -> Self {
        Self { sku: part.sku.clone(), per_kit: part.quantity, missing: 0 }
    }
}

impl Line {
    /// The components, if it is a line of kits.
    pub fn parts(&self) -> &[LinePart] {
        self.kit.as_deref().map_or(&[], |parts| parts)
    }

    /// What so many units of the line are in stock: of itself, or of its components.
    pub fn in_stock(&self, units: Quantity) -> impl Iterator<Item = (&SkuId, Quantity)> {
        let own = self.kit.is_none().then_some((&self.sku, units));
        own.into_iter().chain(self.parts().iter().map(move |part| (&part.sku, part.per_kit * units)))
    }

    /// Units that SKUs keep for it: held, allocated or shipped.
    pub fn kept(&self) -> impl Iterator<Item = (&SkuId, Quantity)> {
        let own = self.kit.is_none().then_some((&self.sku, self.filled));
        let kits = self.filled + self.backordered;
        let of_parts = move |part: &'_ LinePart| part.per_kit * kits - part.missing;
        own.into_iter().chain(self.parts().iter().map(move |part| (&part.sku, of_parts(part))))
    }

    /// Units that wait for stock.
    pub fn awaited(&self) -> impl Iterator<Item = (&SkuId, Quantity)> {
        let own = self.kit.is_none().then_some((&self.sku, self.backordered));
        own.into_iter().chain(self.parts().iter().map(|part| (&part.sku, part.missing)))
    }

    /// Whether a SKU's units are in it.
    pub fn uses(&self, sku: &SkuId) -> bool {
        self.in_stock(1).any(|(used, _)| used == sku)
    }

    /// Kits that cannot be put together wait.
    pub(super) fn count_waiting_kits(&mut self) {
        let kits = self.filled + self.backordered;
        self.backordered = self.parts().iter().map(|part| part.missing.div_ceil(part.per_kit)).max().unwrap_or(0);
        self.filled = kits - self.backordered;
    }

    /// So many kits are given up, first those that wait: what was missing for them is not missed any more.
    pub(super) fn give_up_parts(&mut self, kits: Quantity) {
        for part in self.kit.iter_mut().flat_map(|parts| parts.iter_mut()) {
            part.missing -= part.missing.min(part.per_kit * kits);
        }
    }

    /// What giving up so many units asks of each SKU: units that are filled, and units that wait.
    pub(super) fn given_up_in_stock(&self, units: Quantity) -> impl Iterator<Item = (&SkuId, Quantity, Quantity)> {
        let waiting = self.backordered.min(units);
        let own = self.kit.is_none().then_some((&self.sku, units - waiting, waiting));
        let of_part = move |part: &'_ LinePart| {
            let waiting = part.missing.min(part.per_kit * units);
            (part.per_kit * units - waiting, waiting)
        };
        own.into_iter().chain(self.parts().iter().map(move |part| {
            let (filled, waiting) = of_part(part);
            (&part.sku, filled, waiting)
        }))
    }

    /// Asserts that the parts and the line say the same.
    pub(super) fn check_parts(&self) {
        let kits = self.filled + self.backordered;
        let worst = self.parts().iter().map(|part| part.missing.div_ceil(part.per_kit)).max();
        assert!(worst.is_none_or(|worst| worst == self.backordered), "so many kits wait as lack a part: {self:?}");
        assert!(
            self.parts().iter().all(|part| part.missing <= part.per_kit * kits),
            "no more is missing than was sold"
        );
    }
}
