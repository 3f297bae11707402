//! What the house keeps of an order beyond what it still costs, or gave away: by the auditor's own reckoning.
//!
//! A refund without goods is a gift, unless it only pays back what a failed refund still owes. When goods that were given
//! money for are cancelled later, the gift is set off against what goes back for them: it was none, then.

use stockade_domain::order::Outcome;

use super::ledger::Books;
use super::order::Order;

impl Order {
    fn gone(&self) -> i128 {
        self.payments.iter().map(|pay| i128::from(pay.refunded)).sum()
    }

    /// What a refund that failed has left with the house.
    pub(super) fn owed_back(&self) -> i128 {
        if self.outcome == Outcome::Open && !self.secured {
            return 0;
        }
        self.paid() - self.gone() - self.total() - self.kept
    }

    /// The house keeps this much, or gives it away, where it owed `owed` before.
    pub(super) fn keep(&mut self, amount: i128, owed: i128, books: &mut Books) {
        let change = if amount < 0 { (amount + owed).min(0) } else { amount };
        self.book_kept(change, books);
    }

    /// Goods of a paid order were cancelled: what was given away before is set off.
    pub(super) fn set_off(&mut self, books: &mut Books) {
        let left = self.paid() - self.gone() - self.total();
        self.book_kept(self.kept.max(0).min(left) - self.kept, books);
    }

    fn book_kept(&mut self, change: i128, books: &mut Books) {
        self.kept += change;
        self.recognised += change;
        books.keep(self.currency, change);
    }
}
