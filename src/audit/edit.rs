//! The auditor's own view of an order whose lines are changed: everything about them is summed up anew.

use stockade_domain::order::{PlacedLine, Promoted};

use super::discounts::{charges_less_discounts, check_lines, uses_of};
use super::line::Line;
use super::order::Order;
use super::report::{Rule, Scene};

impl Order {
    /// Its lines are others from now on.
    pub(super) fn edit(&mut self, lines: &[PlacedLine], promoted: Option<&Promoted>, scene: &mut Scene<'_>) {
        self.lines = lines.iter().map(|line| Line::place(line, self.currency, scene)).collect();
        check_lines(&self.lines, promoted, scene);
        self.charges = charges_less_discounts(&self.listed_charges, promoted, scene);
        self.uses = uses_of(promoted);
        let accepted: i64 = self.lines.iter().map(Line::accepted).sum();
        scene.expect(accepted > 0, Rule::LineUnits, || "an order was changed to nothing".into());
    }
}
