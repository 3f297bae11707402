//! The auditor's checks of what promotions took off an order's lines and charges.

use stockade_domain::order::{Charge, Promoted};
use stockade_domain::promotion::pricing::Target;
use stockade_domain::promotion::uses::Subject;

use super::line::Line;
use super::report::{Rule, Scene};

/// Every discount is in its line, and nothing else is.
pub(super) fn check_lines(lines: &[Line], promoted: Option<&Promoted>, scene: &mut Scene<'_>) {
    let discounts = promoted.map_or(&[][..], |promoted| &promoted.discounts);
    let mut of_lines = vec![0i128; lines.len()];
    for discount in discounts {
        scene.expect(discount.amount.0 > 0, Rule::OrderDiscounts, || {
            format!("{} takes nothing off", discount.promotion)
        });
        if let Target::Line(line) = discount.target {
            match of_lines.get_mut(line as usize) {
                Some(sum) => *sum += i128::from(discount.amount.0),
                None => scene.fault(Rule::OrderDiscounts, format!("a discount is off line {line}, which is not there")),
            }
        }
    }
    let same = of_lines.iter().zip(lines).all(|(sum, line)| *sum == line.off);
    scene.expect(same, Rule::OrderDiscounts, || "its discounts are not what its lines have off".into());
}

/// What charges come to; of each no more is taken off than it is.
pub(super) fn charges_less_discounts(charges: &[Charge], promoted: Option<&Promoted>, scene: &mut Scene<'_>) -> i128 {
    let mut left: Vec<i128> = charges.iter().map(|charge| i128::from(charge.money.amount.0)).collect();
    for discount in promoted.map_or(&[][..], |promoted| &promoted.discounts) {
        if let Target::Charge(at) = discount.target {
            match left.get_mut(at as usize) {
                Some(charge) => *charge -= i128::from(discount.amount.0),
                None => scene.fault(Rule::OrderDiscounts, format!("a discount is off charge {at}, which is not there")),
            }
        }
    }
    let is_fair = left.iter().all(|charge| *charge >= 0) || promoted.is_none();
    scene.expect(is_fair, Rule::OrderDiscounts, || "more is taken off a charge than it is".into());
    left.into_iter().sum()
}

/// What an order uses, and how much of each budget.
pub(super) fn uses_of(promoted: Option<&Promoted>) -> Vec<(Subject, i64)> {
    let uses = promoted.map_or(&[][..], |promoted| &promoted.uses);
    uses.iter().map(|used| (used.subject.clone(), used.amount.0)).collect()
}
