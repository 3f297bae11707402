//! What orders, wallets and markets say of each other.

use std::collections::BTreeSet;

use stockade_domain::order::Outcome;
use stockade_domain::{BookOrderId, OrderId, SkuId};

use super::Auditor;
use super::cross::{Verdict, has_steps};
use super::market::Claims;
use super::report::Rule;
use super::stock::Sku;
use Verdict::{Agrees, Differs, InFlight};

/// Wallet and book of a bid are told of each other within so many records.
const IN_FLIGHT_RECORDS: u64 = 64;

impl Auditor {
    /// Claims are the lines of their orders, both ways.
    pub(super) fn compare_claims(&self, verdicts: &mut Vec<(u64, String, Verdict)>) {
        for (name, sku) in &self.skus {
            for (id, claims) in sku.market.iter().flat_map(|market| &market.claims) {
                let verdict = self.compare_claims_of(name, sku, *id, claims);
                verdicts.push((sku.last_seq, format!("sku/{name}"), verdict));
            }
        }
        for (id, order) in &self.orders {
            for line in order.lines.iter().filter(|line| line.kept() > 0) {
                let Some(number) = line.claim else { continue };
                let sku = self.skus.get(&line.sku);
                let claims = sku.and_then(|sku| sku.market.as_ref()).and_then(|market| market.claims.get(id));
                let is_kept = claims.is_some_and(|claims| claims.by_number.contains_key(&number));
                if !is_kept && !sku.is_some_and(|sku| has_steps(order, &line.sku, sku, *id)) {
                    let detail = format!("its line of {} has units that no offer keeps for it", line.sku);
                    verdicts.push((order.last_seq, format!("order/{id}"), Differs(Rule::OrderStock, detail)));
                }
            }
        }
    }

    fn compare_claims_of(&self, name: &SkuId, sku: &Sku, id: OrderId, claims: &Claims) -> Verdict {
        let order = self.orders.get(&id);
        if order.is_some_and(|order| has_steps(order, name, sku, id)) {
            return InFlight;
        }
        if claims.tentative {
            let over = order.is_none_or(|order| order.outcome != Outcome::Open);
            let young = over && self.is_young(claims.since, claims.first_seq);
            let leak = || format!("its claims for order {id} never became firm and were never given back");
            return if young { InFlight } else { Differs(Rule::TentativeHold, leak()) };
        }
        let Some(order) = order else {
            return Differs(Rule::OrderStock, format!("offers keep units for order {id}, which does not exist"));
        };
        if order.bid != claims.bid {
            return Differs(Rule::OrderStock, format!("order {id} is of another bid than its claims"));
        }
        let numbers: BTreeSet<u32> = claims.by_number.keys().copied().collect();
        for number in numbers {
            let claim = &claims.by_number[&number];
            let of_line = |line: &&super::line::Line| line.sku == *name && line.claim == Some(number);
            let kept: i64 = order.lines.iter().filter(of_line).map(super::line::Line::kept).sum();
            let states_agree = if order.secured { claim.held == 0 } else { claim.allocated == 0 };
            let mut lines = order.lines.iter().filter(of_line);
            let price_agrees = lines.all(|line| line.price == claim.unit_price);
            if claim.held + claim.allocated != kept || !states_agree || !price_agrees {
                let paid = if order.secured { "paid" } else { "unpaid" };
                let (held, allocated) = (claim.held, claim.allocated);
                let detail = format!(
                    "claim {number} keeps {held} held, {allocated} allocated for {paid} order {id}, not {kept}"
                );
                return Differs(Rule::OrderStock, detail);
            }
        }
        Agrees
    }

    /// Wallets set aside what bids may still cost, and nothing else.
    pub(super) fn compare_bids(&self, verdicts: &mut Vec<(u64, String, Verdict)>) {
        let mut backed: BTreeSet<(SkuId, BookOrderId)> = BTreeSet::new();
        for (customer, wallet) in &self.wallets {
            for bid in wallet.bids.values() {
                let sku = self.skus.get(&bid.backing.sku);
                let wanted = sku.and_then(|sku| {
                    let party = sku.market.as_ref()?.parties.get(&bid.backing.bid)?;
                    (party.owner == *customer).then(|| self.reserve(sku, party.price, party.open))
                });
                backed.insert((bid.backing.sku.clone(), bid.backing.bid));
                let detail = || {
                    let wanted = wanted.unwrap_or(0);
                    format!("{} is set aside for bid {}, which needs {wanted}", bid.amount, bid.backing.bid)
                };
                let verdict = if wanted == Some(bid.amount) {
                    Agrees
                } else if self.partitions_may_differ(bid.last_seq, sku) {
                    InFlight
                } else {
                    Differs(Rule::BidMoney, detail())
                };
                verdicts.push((wallet.last_seq, format!("account/{customer}"), verdict));
            }
        }
        for (name, sku) in &self.skus {
            let parties = sku.market.iter().flat_map(|market| &market.parties);
            for (id, party) in parties.filter(|(_, party)| party.is_backed && party.open > 0) {
                let free = self.reserve(sku, party.price, party.open) == 0;
                if !free && !backed.contains(&(name.clone(), *id)) {
                    let detail = format!("nothing is set aside for bid {id} of {}", party.owner);
                    verdicts.push((sku.last_seq, format!("sku/{name}"), Differs(Rule::BidMoney, detail)));
                }
            }
        }
    }

    /// Units at a price, in whole minor units rounded up.
    fn reserve(&self, sku: &Sku, price: i64, open: i64) -> i64 {
        let unit = sku.definition.as_ref().map_or(1, |definition| definition.price.currency.minor_unit());
        let exact = i128::from(price) * i128::from(open);
        i64::try_from((exact + i128::from(unit) - 1) / i128::from(unit) * i128::from(unit)).unwrap_or(i64::MAX)
    }

    /// A wallet in another partition learns later: what both said in the last records may not have met yet.
    fn partitions_may_differ(&self, seq: u64, sku: Option<&Sku>) -> bool {
        let last = seq.max(sku.map_or(0, |sku| sku.last_seq));
        self.last_seq.saturating_sub(last) <= IN_FLIGHT_RECORDS
    }
}
