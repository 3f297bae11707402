//! The auditor's own view of kits: what a line's units are in stock.

use stockade_domain::SkuId;
use stockade_domain::order::PlacedLine;

use super::line::Line;
use super::order::Order;
use super::report::{Rule, Scene};

/// A component of a line's kits.
pub(super) struct Part {
    sku: SkuId,
    per_kit: i64,
    missing: i64,
}

/// The components of a line that was just placed.
pub(super) fn parts_of(line: &PlacedLine) -> Vec<Part> {
    let parts = line.kit.iter().flat_map(|parts| parts.iter());
    let part = |part: &stockade_domain::stock::KitPart| Part {
        sku: part.sku.clone(),
        per_kit: super::signed(part.quantity).max(1),
        missing: 0,
    };
    parts.map(part).collect()
}

impl Line {
    /// What so many units of the line are of each SKU.
    pub(super) fn in_stock(&self, units: i64) -> Vec<(&SkuId, i64)> {
        if self.parts.is_empty() {
            return vec![(&self.sku, units)];
        }
        self.parts.iter().map(|part| (&part.sku, part.per_kit.saturating_mul(units))).collect()
    }

    /// Kits are given up, the incomplete ones first: nothing is missing for them any more.
    pub(super) fn give_up_parts(&mut self, kits: i64) {
        for part in &mut self.parts {
            part.missing -= part.missing.min(part.per_kit.saturating_mul(kits));
        }
    }

    /// Sets what is missing of a component; says whether there is such a component and such a quantity.
    fn set_missing(&mut self, part: u32, missing: i64) -> bool {
        let kits = self.filled + self.backordered;
        let Some(part) = self.parts.get_mut(part as usize).filter(|part| missing <= part.per_kit * kits) else {
            return false;
        };
        part.missing = missing;
        let incomplete = self.parts.iter().map(|part| (part.missing + part.per_kit - 1) / part.per_kit).max();
        self.backordered = incomplete.unwrap_or(0);
        self.filled = kits - self.backordered;
        true
    }

    /// Units of a SKU that it must keep for the line, not shipped, and those that wait.
    fn of_sku(&self, sku: &SkuId) -> (i64, i64) {
        if self.claim.is_some() {
            // The house keeps nothing for it.
            return (0, 0);
        }
        if self.parts.is_empty() {
            return if self.sku == *sku { (self.filled - self.shipped, self.backordered) } else { (0, 0) };
        }
        let kits = self.filled + self.backordered - self.shipped;
        let parts = self.parts.iter().filter(|part| part.sku == *sku);
        parts.fold((0, 0), |(kept, waits), part| (kept + part.per_kit * kits - part.missing, waits + part.missing))
    }
}

impl Order {
    /// So many units of a kit's component are missing now.
    pub(super) fn miss_part(&mut self, line: u32, part: u32, missing: i64, scene: &mut Scene<'_>) {
        let known = self.lines.get_mut(line as usize).is_some_and(|line| line.set_missing(part, missing));
        scene.expect(known, Rule::LineUnits, || format!("line {line} has no component {part} with {missing} units"));
    }

    /// Units of a SKU that it must keep for the order, not shipped, and those that wait.
    pub(super) fn of_sku(&self, sku: &SkuId) -> (i64, i64) {
        let lines = self.lines.iter().map(|line| line.of_sku(sku));
        lines.fold((0, 0), |(kept, waits), (more_kept, more_wait)| (kept + more_kept, waits + more_wait))
    }
}
