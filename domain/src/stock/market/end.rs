//! What orders do with their claims. A repeated message finds nothing to do.

use smallvec::SmallVec;

use super::claim::ClaimFill;
use super::event::MarketEvent;
use super::trade::{Trade, Trading};
use crate::book::{BookCommand, Side};
use crate::stock::{ReleaseReason, Stock};
use crate::{OrderId, Quantity};

impl Stock {
    pub(super) fn confirm_claims(&mut self, order: OrderId, trade: &mut Trade) {
        if self.live().claims.get(&order).is_some_and(|claims| claims.tentative) {
            self.record(MarketEvent::ClaimsConfirmed { order }, trade);
        }
    }

    pub(super) fn settle_claims(&mut self, order: OrderId, trade: &mut Trade) {
        if self.live().claims.get(&order).is_some_and(|claims| claims.units().0 > 0) {
            self.record(MarketEvent::ClaimsSettled { order }, trade);
        }
    }

    pub(super) fn release_all_claims(
        &mut self,
        order: OrderId,
        reason: ReleaseReason,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) {
        let numbers: SmallVec<[u32; 4]> =
            self.live().claims.get(&order).into_iter().flat_map(|claims| &claims.list).map(|c| c.number).collect();
        for number in numbers {
            self.release_claim(order, number, Quantity::MAX, reason, trading, trade);
        }
    }

    pub(super) fn release_claim(
        &mut self,
        order: OrderId,
        claim: u32,
        quantity: Quantity,
        reason: ReleaseReason,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) {
        let Some(fills) = self.claim_fills(order, claim, quantity) else { return };
        let released = fills.clone();
        self.record(MarketEvent::ClaimReleased { order, claim, fills: released, reason }, trade);
        for ClaimFill { fill, quantity } in fills {
            let back = BookCommand::Release { fill, quantity, returns: Side::Supply };
            self.execute_freely(&back, trading, trade);
        }
    }

    pub(super) fn ship_claim(
        &mut self,
        order: OrderId,
        claim: u32,
        quantity: Quantity,
        trading: &Trading<'_>,
        trade: &mut Trade,
    ) {
        let Some(fills) = self.claim_fills(order, claim, quantity) else { return };
        let (shipped, market) = (fills.clone(), self.live());
        let of_claim = market.claims.get(&order).and_then(|claims| claims.get(claim));
        let serials = of_claim.map_or_else(Vec::new, |claim| market.serials_of(claim, quantity));
        let serials = (!serials.is_empty()).then(|| Box::new(serials));
        self.record(MarketEvent::ClaimShipped { order, claim, fills: shipped, serials }, trade);
        for ClaimFill { fill, quantity } in fills {
            self.execute_freely(&BookCommand::Settle { fill, quantity }, trading, trade);
        }
    }

    fn claim_fills(&mut self, order: OrderId, claim: u32, quantity: Quantity) -> Option<SmallVec<[ClaimFill; 1]>> {
        let fills = self.live().claims.get(&order)?.get(claim)?.take(quantity);
        (!fills.is_empty()).then_some(fills)
    }
}
