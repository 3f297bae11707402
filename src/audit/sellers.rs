//! What sellers have earned, by the auditor's own reckoning: goods with the buyer, at the price without promotions, less
//! the commission.

use stockade_domain::{Currency, CustomerId};

use super::ledger::{Books, share};
use super::line::Line;
use super::order::Order;
use super::report::{Rule, Scene};

impl Line {
    /// What its seller is owed, what the house keeps, what promotions took off: all so far.
    fn earnings(&self, currency: Currency) -> [i128; 3] {
        let (Some((_, bps)), all) = (&self.seller, self.accepted()) else { return [0; 3] };
        let kept = self.shipped - self.returned;
        if kept <= 0 || kept > all {
            return [0; 3];
        }
        let of = |worth: i128| worth - share(worth, all, 0, all - kept, currency);
        let (gross, unit) = (of(self.net + self.off), i128::from(currency.minor_unit()));
        let commission = gross / unit * i128::from(*bps) / 10_000 * unit;
        [gross - commission, commission, gross - of(self.net)]
    }
}

impl Order {
    /// A seller is told to have earned more or less: it must be what the line says.
    pub(super) fn pay_seller(
        &mut self,
        line: u32,
        seller: &CustomerId,
        sums: [i64; 3],
        books: &mut Books,
        scene: &mut Scene<'_>,
    ) {
        let currency = self.currency;
        let Some(of) = self.lines.get_mut(line as usize) else {
            return scene.fault(Rule::LineUnits, format!("there is no line {line}"));
        };
        let is_theirs = of.seller.as_ref().is_some_and(|(known, _)| known == seller);
        scene.expect(is_theirs, Rule::SellerEarnings, || format!("line {line} is not {seller}'s"));
        let sums = sums.map(i128::from);
        of.told.iter_mut().zip(sums).for_each(|(told, more)| *told += more);
        let (told, wanted) = (of.told, of.earnings(currency));
        scene.expect(told == wanted, Rule::SellerEarnings, || {
            format!("{seller} has {told:?} of line {line} (owed, commission, promoted), not {wanted:?}")
        });
        books.owe_seller(currency, seller, sums);
        self.recognised += sums[0] + sums[1] - sums[2];
    }

    /// The first line of which its seller was not told what he has earned.
    pub(super) fn line_untold(&self) -> Option<usize> {
        self.lines.iter().position(|line| line.seller.is_some() && line.told != line.earnings(self.currency))
    }
}
