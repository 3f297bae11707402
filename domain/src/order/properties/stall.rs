//! Sellers beside the house: what they offer of one SKU, as far as orders see it, in plain sums.

use std::collections::BTreeMap;

use crate::order::Order;
use crate::refusal::Shortage;
use crate::stock::StockCommand;
use crate::stock::market::{MarketDemand, MarketFill, Seller};
use crate::{Amount, CustomerId, OrderId, Quantity, Refusal, SkuId};

/// What they sell; the house has none of it.
pub(super) const SKU: &str = "lamp";
/// What the house keeps of a sale.
pub(super) const COMMISSION_BPS: u32 = 1_250;
/// Who sells, at which price, and how many; the cheapest first.
const SELLERS: [(&str, i64, Quantity); 2] = [("eve", 49_950, 9), ("dan", 53_333, 7)];

/// What an order has of an offer.
#[derive(Debug, Default)]
struct Claim {
    seller: usize,
    held: Quantity,
    sold: Quantity,
}

#[derive(Debug)]
pub(super) struct Stall {
    open: [Quantity; 2],
    /// What came back to whom.
    returned: [Quantity; 2],
    claims: BTreeMap<(OrderId, u32), Claim>,
}

impl Default for Stall {
    fn default() -> Self {
        Self { open: SELLERS.map(|row| row.2), returned: [0; 2], claims: BTreeMap::new() }
    }
}

pub(super) fn seller(index: usize) -> CustomerId {
    CustomerId::new(SELLERS[index].0).unwrap()
}

impl Stall {
    /// What lines of an order get, each all of it or the order nothing.
    pub(super) fn fills(&self, demands: &[MarketDemand]) -> Result<Vec<MarketFill>, Refusal> {
        let (mut open, mut fills) = (self.open, Vec::new());
        for demand in demands {
            let mut missing = demand.quantity;
            for (index, (_, price, _)) in SELLERS.iter().enumerate() {
                if matches!(&demand.seller, Seller::Named(named) if *named != seller(index)) {
                    continue;
                }
                let quantity = missing.min(open[index]);
                if quantity > 0 {
                    (missing, open[index]) = (missing - quantity, open[index] - quantity);
                    let (line, claim) = (demand.line, Some(fills.len() as u32 + 1));
                    let (unit_price, seller) = (Amount(*price), Some(seller(index)));
                    fills.push(MarketFill { line, quantity, unit_price, seller, claim });
                }
            }
            if missing > 0 {
                let (requested, available) = (demand.quantity, demand.quantity - missing);
                let items = vec![Shortage { sku: SkuId::new(SKU).unwrap(), requested, available }];
                return Err(Refusal::StockExhausted { items, as_of: 0 });
            }
        }
        Ok(fills)
    }

    pub(super) fn take(&mut self, order: OrderId, fills: &[MarketFill]) {
        for fill in fills {
            let index = usize::from(fill.seller != Some(seller(0)));
            self.open[index] -= fill.quantity;
            let claim = Claim { seller: index, held: fill.quantity, sold: 0 };
            self.claims.insert((order, fill.claim.expect("of an offer")), claim);
        }
    }

    pub(super) fn hear(&mut self, command: &StockCommand) {
        match command {
            StockCommand::Settle { .. } => {}
            StockCommand::ReleaseAll { order, .. } => {
                for (_, claim) in self.claims.iter_mut().filter(|((of, _), _)| of == order) {
                    self.open[claim.seller] += std::mem::take(&mut claim.held);
                }
            }
            StockCommand::ReleaseClaim { order, claim, quantity, .. } => {
                let claim = self.claims.get_mut(&(*order, *claim)).expect("it was sold");
                claim.held -= quantity;
                self.open[claim.seller] += quantity;
            }
            StockCommand::ShipClaim { order, claim, quantity } => {
                let claim = self.claims.get_mut(&(*order, *claim)).expect("it was sold");
                (claim.held, claim.sold) = (claim.held - quantity, claim.sold + quantity);
            }
            StockCommand::ReturnClaim { order, claim, quantity, .. } => {
                let claim = self.claims.get_mut(&(*order, *claim)).expect("it was sold");
                claim.sold -= quantity;
                self.returned[claim.seller] += quantity;
            }
            other => panic!("nobody asks a seller for {other:?}"),
        }
    }

    /// Every unit is in one place, and orders have what they think they have.
    pub(super) fn check(&self, orders: &BTreeMap<OrderId, Order>) {
        let mut claims = 0;
        for order in orders.values() {
            for line in &order.lines {
                let Some(claim) = &line.claim else { continue };
                let found = &self.claims[&(order.id, claim.number)];
                assert_eq!(seller(found.seller), claim.seller);
                assert_eq!((found.held, found.sold), (line.unshipped(), line.shipped - line.returned));
                claims += 1;
            }
        }
        let given_up = self.claims.values().filter(|claim| claim.held + claim.sold == 0).count();
        assert!(claims + given_up >= self.claims.len(), "every claim is some order's");
        for (index, (_, _, offered)) in SELLERS.iter().enumerate() {
            let of = self.claims.values().filter(|claim| claim.seller == index);
            let gone: Quantity = of.map(|claim| claim.held + claim.sold).sum();
            assert_eq!(self.open[index] + gone + self.returned[index], *offered, "open, held, sold or back");
        }
    }
}
