//! Changing the lines of an order that nobody has paid: what it wants of its SKUs from now on, and what it is once they
//! have agreed. Both are pure; like placing, it is all or nothing.
//!
//! A line of the new list that the order has already (the same SKU and seller, and no other price) stays what it is and
//! keeps its price, for added units too. What is new is priced like a new order's line. Promotions price the whole anew.

use smallvec::SmallVec;

use super::command::OrderAsk;
use super::decide::{by_sku, check_open, settle_all};
use super::event::OrderEvent;
use super::kit::Kit;
use super::place::{Demand, Fill, Placement};
use super::promoted::Promoted;
use super::request::{NewLine, NewOrder};
use super::state::{Line, Order};
use super::table::{self, Act};
use crate::promotion::uses::{Subject, UsesCommand};
use crate::stock::market::{MarketFill, Seller};
use crate::stock::{KitPart, ReleaseReason, StockCommand};
use crate::{Amount, Money, Quantity, Refusal, SkuId, Timestamp};

/// An order as it is to be, before its SKUs have agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is to be priced: every line with its price if it has one already.
    pub order: Box<NewOrder>,
    /// What lines keep of sellers' units.
    pub market: Vec<MarketFill>,
    /// Sellers' units that are given up: SKU, claim, units.
    claims: Vec<(SkuId, u32, Quantity)>,
}

impl Order {
    /// Refuses to change the lines of an order that is paid, that a payment pins, or that is over.
    pub fn check_editable(&self, now: Timestamp) -> Result<(), Refusal> {
        table::check(self, Act::Edit)?;
        check_open(self, "only an open order can be changed")?;
        let state = |wanted| Err(Refusal::OrderStateInvalid { status: self.status().name(), wanted });
        if self.secured || self.paid().0 > 0 {
            return Err(Refusal::AlreadyPaid);
        }
        if self.waiting {
            return state("its place in line is for what it asked: cancel it, or lines of it");
        }
        if self.bid.is_some() {
            return state("the fill of a bid is what it is: cancel units of it instead");
        }
        if self.is_pinned() {
            return state("wait for the outcome of the payment that is under way");
        }
        if self.hold_expires_at <= now {
            return Err(Refusal::HoldExpired);
        }
        if self.lines.iter().any(|line| line.kit.is_some() && line.backordered > 0) {
            return state("components of its kits are missing: wait for them, or cancel those lines");
        }
        Ok(())
    }

    /// Units of a SKU that the house keeps for it, and units that wait.
    pub fn of_house(&self, sku: &SkuId) -> (Quantity, Quantity) {
        let lines = || self.lines.iter().filter(|line| line.claim.is_none());
        let of = |units: (&SkuId, Quantity)| if units.0 == sku { units.1 } else { 0 };
        (lines().flat_map(Line::kept).map(of).sum(), lines().flat_map(Line::awaited).map(of).sum())
    }

    /// The kit that a line of it was sold as, at that line's price.
    pub fn kit_sold(&self, sku: &SkuId) -> Option<Kit> {
        let line = self.lines.iter().find(|line| line.sku == *sku && line.kit.is_some())?;
        let part = |part: &super::LinePart| KitPart { sku: part.sku.clone(), quantity: part.per_kit };
        let (price, parts) = (Money::new(line.unit_price, self.currency), line.parts().iter().map(part).collect());
        Some(Kit { price, hold_ttl_seconds: 0, parts })
    }

    /// What it keeps of a SKU of which it wants so much from now on: what is filled, and what waits. Units that wait are
    /// given up first.
    pub fn kept_of(&self, sku: &SkuId, wanted: Quantity) -> (Quantity, Quantity) {
        let (filled, waiting) = self.of_house(sku);
        let given_up = (filled + waiting).saturating_sub(wanted);
        let waiting_given_up = given_up.min(waiting);
        (filled - (given_up - waiting_given_up), waiting - waiting_given_up)
    }

    /// A fill that only tells the price of a SKU that this order has a line of.
    pub fn fill_known(&self, sku: &SkuId) -> Option<Fill> {
        let line = self.lines.iter().find(|line| line.uses(sku))?;
        let price = Money::new(line.unit_price, self.currency);
        let claims = self.lines.iter().filter(|line| line.sku == *sku).filter_map(|line| line.claim.as_ref());
        let commission_bps = claims.map(|claim| claim.commission_bps).next().unwrap_or(0);
        let (category, brand) = (None, None);
        let (hold_ttl_seconds, filled, backordered, waiting) = (0, 0, 0, false);
        Some(Fill { price, hold_ttl_seconds, commission_bps, filled, backordered, waiting, category, brand })
    }
}

/// Reads the new list of lines against those that the order has.
pub fn edit(order: &Order, wanted: &NewOrder, now: Timestamp) -> Result<Edit, Refusal> {
    order.check_editable(now)?;
    check_only_lines(wanted)?;
    let gifts = order.promoted.as_ref().map_or(0, |promoted| promoted.gifts as usize);
    let goods = &order.lines[..order.lines.len() - gifts];
    let mut used = vec![false; goods.len()];
    let mut known: Vec<Option<usize>> = Vec::with_capacity(wanted.lines.len());
    for line in &wanted.lines {
        let found = (0..goods.len()).find(|at| !used[*at] && is_of(&goods[*at], line, order));
        found.into_iter().for_each(|at| used[at] = true);
        known.push(found);
    }
    let mut priced = NewOrder { payments: SmallVec::new(), ..wanted.clone() };
    priced.id = order.id;
    priced.customer.clone_from(&order.customer);
    priced.purchaser_key.clone_from(&order.purchaser_key);
    priced.charges.clone_from(&order.charges);
    let (mut market, mut claims) = (Vec::new(), Vec::new());
    for (index, (line, known)) in priced.lines.iter_mut().zip(&known).enumerate() {
        let Some(before) = known.map(|at| &goods[at]) else {
            if line.supply.is_some() {
                let why = "units of sellers are not added to an order: place another one".into();
                return Err(Refusal::BodyInvalid { field: "lines", why });
            }
            continue;
        };
        let Some(claim) = &before.claim else {
            line.unit_price = Some(Money::new(before.unit_price, order.currency));
            continue;
        };
        crate::check_quantity(line.quantity)?;
        if line.quantity > before.filled {
            let why = format!("line {index} has {} units of its seller: place another order for more", before.filled);
            return Err(Refusal::BodyInvalid { field: "lines", why });
        }
        market.push(MarketFill {
            line: index as u32,
            quantity: line.quantity,
            unit_price: before.unit_price,
            seller: Some(claim.seller.clone()),
            claim: Some(claim.number),
        });
        claims.push((line.sku.clone(), claim.number, before.filled - line.quantity));
    }
    let unused = goods.iter().zip(&used).filter(|(_, used)| !**used);
    claims.extend(unused.filter_map(|(line, _)| Some((line.sku.clone(), line.claim.as_ref()?.number, line.filled))));
    claims.retain(|(_, _, units)| *units > 0);
    keep_coupons(order, &mut priced);
    Ok(Edit { order: Box::new(priced), market, claims })
}

/// An edit says which lines there are; who buys, what comes on top and how it is paid stays as it was.
fn check_only_lines(wanted: &NewOrder) -> Result<(), Refusal> {
    let others = wanted.customer.is_some()
        || wanted.purchaser_key.is_some()
        || !(wanted.charges.is_empty() && wanted.payments.is_empty())
        || wanted.allow_partial
        || wanted.allow_backorder;
    if others {
        let why = "an order that is changed gets other lines; the rest of it stays as it is".into();
        return Err(Refusal::BodyInvalid { field: "lines", why });
    }
    Ok(())
}

/// Whether a line of the new list is one that the order has.
fn is_of(before: &Line, wanted: &NewLine, order: &Order) -> bool {
    let same_seller = match (&before.claim, wanted.supply.as_deref()) {
        (None, None) => true,
        (Some(claim), Some(supply)) => supply.seller == Seller::Named(claim.seller.clone()),
        _ => false,
    };
    let price = Money::new(before.unit_price, order.currency);
    let same_price = wanted.unit_price.is_none_or(|wanted| wanted == price);
    before.sku == wanted.sku && same_seller && same_price && before.filled + before.backordered > 0
}

/// The coupons that it has stay presented; the new lines are priced in the round in which its uses are held.
fn keep_coupons(order: &Order, priced: &mut NewOrder) {
    let Some(promoted) = &order.promoted else { return };
    let wish = priced.promotions_mut();
    wish.round = promoted.round;
    for used in &promoted.uses {
        if let Subject::Coupon(code) = &used.subject
            && !wish.coupons.contains(code)
        {
            wish.coupons.push(code.clone());
        }
    }
}

/// A coupon that has come to nothing by the change is given back instead of refusing the change.
pub fn drop_coupon(order: &mut NewOrder, refusal: &Refusal) -> bool {
    let (Refusal::CouponInvalid { code, .. }, Some(wish)) = (refusal, order.promotions.as_mut()) else { return false };
    let before = wish.coupons.len();
    wish.coupons.retain(|coupon| coupon.as_str() != code.as_str());
    wish.coupons.len() < before
}

impl Edit {
    /// The event, and what it asks of others: what is not wanted any more goes back.
    pub fn finish(
        &self,
        order: &Order,
        demand: &Demand,
        fills: &[Fill],
        placement: Placement,
    ) -> Result<(OrderEvent, Vec<OrderAsk>), Refusal> {
        if demand.is_indivisible() && fills.iter().any(|fill| fill.backordered > 0) {
            let wanted = "a kit is whole: wait for the units that are missing, or cancel them";
            return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted });
        }
        let OrderEvent::Placed { lines, promoted, currency, .. } = *placement.placed else {
            unreachable!("what was priced is placed");
        };
        if currency != order.currency {
            let (wanted, found) = (order.currency.to_string(), currency.to_string());
            return Err(Refusal::CurrencyMismatch { wanted, found });
        }
        let mut asks = Vec::new();
        let reason = ReleaseReason::Cancelled;
        let of_house = order.lines.iter().filter(|line| line.claim.is_none());
        for (sku, _) in by_sku(of_house.flat_map(|line| line.in_stock(line.filled + line.backordered))) {
            let wanted = demand.units.iter().find(|(wanted, _)| *wanted == sku).map_or(0, |(_, units)| *units);
            let (before, after) = (order.of_house(&sku), order.kept_of(&sku, wanted));
            let (filled, backordered) = (before.0 - after.0, before.1 - after.1);
            if filled + backordered > 0 {
                let back = StockCommand::Release { order: order.id, filled, backordered, reason };
                asks.push(OrderAsk::Stock(sku, back));
            }
        }
        for (sku, claim, quantity) in &self.claims {
            let back = StockCommand::ReleaseClaim { order: order.id, claim: *claim, quantity: *quantity, reason };
            asks.push(OrderAsk::Stock(sku.clone(), back));
        }
        let round = order.promoted.as_ref().map_or(0, |promoted| promoted.round);
        let uses_still = |subject: &Subject| promoted.as_ref().is_some_and(|promoted| promoted.uses(subject));
        for used in order.promoted.iter().flat_map(|promoted| &promoted.uses) {
            if !uses_still(&used.subject) {
                let back = UsesCommand::Release { order: order.id, round };
                asks.push(OrderAsk::Uses(used.subject.clone(), back));
            }
        }
        let event = OrderEvent::Edited { lines, promoted };
        let mut after = order.clone();
        after.apply(&event);
        if after.secured {
            // Nothing is left to be paid.
            settle_all(&after, &mut asks);
        }
        Ok((event, asks))
    }
}

/// Uses that an order must hold anew for what it is to be: of another amount, or not held yet.
pub fn uses_to_hold<'a>(
    before: Option<&'a Promoted>,
    after: &'a Promoted,
) -> impl Iterator<Item = (&'a Subject, Amount)> + 'a {
    let is_held = move |subject: &Subject, amount: Amount| {
        before.is_some_and(|before| before.uses.iter().any(|used| used.subject == *subject && used.amount == amount))
    };
    after.uses.iter().filter(move |used| !is_held(&used.subject, used.amount)).map(|used| (&used.subject, used.amount))
}
