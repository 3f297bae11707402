//! New demand: what is filled, what waits, and why it is refused.

use super::admission::{self, Door};
use super::command::HoldMode;
use super::decide::Setting;
use super::definition::{Definition, SkuStatus};
use super::event::{StockEvent, units};
use super::market::Taking;
use super::pick::{self, Source};
use super::sourcing::HoldContext;
use super::state::Stock;
use crate::refusal::Shortage;
use crate::{CustomerId, OrderId, Quantity, Refusal, Timestamp, check_quantity};

pub(super) struct Demand<'a> {
    pub(super) order: OrderId,
    pub(super) quantity: Quantity,
    pub(super) mode: HoldMode,
    pub(super) settled: bool,
    pub(super) buyer: Option<&'a CustomerId>,
    pub(super) tentative: bool,
    pub(super) context: Option<&'a HoldContext>,
    /// What lines take from the book, as planned: its units of the house are held with the others.
    pub(super) taking: Option<&'a Taking>,
}

impl Demand<'_> {
    /// Units of the house that lines take through the book.
    fn of_lines(&self) -> Quantity {
        self.taking.map_or(0, |taking| taking.house)
    }
}

pub(super) fn hold(
    stock: &Stock,
    setting: &Setting<'_>,
    demand: &Demand<'_>,
    out: &mut Vec<StockEvent>,
) -> Result<(), Refusal> {
    let (definition, door) = check_sells(stock, setting.now)?;
    if demand.taking.is_none() || demand.quantity > 0 {
        check_quantity(demand.quantity)?;
    }
    let buyer = check_limit(stock, definition, demand)?;
    let claims = stock.market().and_then(|market| market.claims_of(demand.order));
    if stock.commitments.contains_key(&demand.order) || claims.is_some() {
        return Err(Refusal::IdConflict { id: demand.order.to_string() });
    }
    // Whoever waits already comes first: a newcomer joins the queue even if units are free for a moment.
    let open = if stock.backorders.is_empty() && door != Door::Entry { demand.quantity } else { 0 };
    let source = Source::of(definition, demand.context, setting.distances);
    let of_lines = demand.of_lines();
    let mut picks = pick::pick(&stock.bins, &source, setting.now, open + of_lines);
    if door == Door::Offers && !demand.mode.partial && units(&picks) < demand.quantity {
        // Who waits for a whole order holds nothing while he waits.
        picks.clear();
    }
    let filled = units(&picks).saturating_sub(of_lines);
    let backordered = waiting_part(stock, definition, door, demand, demand.quantity - filled);
    let refused = demand.quantity - filled - backordered;
    let lines_serve = demand.taking.is_some() && (demand.mode.partial || demand.quantity == 0);
    if units(&picks) + backordered == 0 && lines_serve {
        // All of it comes from offers.
        return Ok(());
    }
    let nothing = filled + backordered == 0 && !lines_serve;
    if units(&picks) < of_lines || (refused > 0 && (!demand.mode.partial || nothing)) {
        let available = pick::available(&stock.bins, definition.safety_level, setting.now);
        let items = vec![Shortage { sku: stock.sku.clone(), requested: demand.quantity, available }];
        return Err(Refusal::StockExhausted { items, as_of: 0 });
    }
    out.push(StockEvent::Held {
        order: demand.order,
        picks,
        backordered,
        settled: demand.settled,
        buyer: buyer.cloned(),
        tentative: demand.tentative,
        context: demand.context.filter(|_| backordered > 0 && source.has_strategy()).cloned().map(Box::new),
    });
    Ok(())
}

/// What an order wants beside what it has.
pub(super) struct More<'a> {
    pub(super) order: OrderId,
    pub(super) quantity: Quantity,
    pub(super) buyer: Option<&'a CustomerId>,
    pub(super) context: Option<&'a HoldContext>,
}

/// An order wants more: it is a newcomer for that part, so it gets what is free and nobody waits for, whole or not at all.
pub(super) fn hold_more(
    stock: &Stock,
    setting: &Setting<'_>,
    more: &More<'_>,
    out: &mut Vec<StockEvent>,
) -> Result<(), Refusal> {
    let (definition, door) = check_sells(stock, setting.now)?;
    check_quantity(more.quantity)?;
    let existing = stock.commitments.get(&more.order);
    if let Some(limit) = definition.limit_per_customer {
        // Who counts what the order has counts what is added.
        let counts = existing.and_then(|commitment| commitment.buyer.as_ref());
        let Some(buyer) = counts.or(more.buyer) else { return Err(customer_required()) };
        // What it got before there was a limit is counted nowhere else.
        let uncounted = existing.filter(|commitment| commitment.buyer.is_none());
        let uncounted = uncounted.map_or(0, |commitment| commitment.units().0 + commitment.units().1);
        stock.check_taken(limit, buyer, uncounted.saturating_add(more.quantity))?;
    }
    let open = if stock.backorders.is_empty() && door != Door::Entry { more.quantity } else { 0 };
    let source = Source::of(definition, more.context, setting.distances);
    let picks = pick::pick(&stock.bins, &source, setting.now, open);
    if units(&picks) < more.quantity {
        let available = pick::available(&stock.bins, definition.safety_level, setting.now);
        let items = vec![Shortage { sku: stock.sku.clone(), requested: more.quantity, available }];
        return Err(Refusal::StockExhausted { items, as_of: 0 });
    }
    let order = more.order;
    out.push(match existing {
        Some(_) => StockEvent::HeldMore { order, picks },
        None => {
            let buyer = more.buyer.filter(|_| definition.limit_per_customer.is_some()).cloned();
            let (backordered, settled, tentative, context) = (0, false, false, None);
            StockEvent::Held { order, picks, backordered, settled, buyer, tentative, context }
        }
    });
    Ok(())
}

/// Refuses demand for what does not sell; says by which door new demand comes in.
fn check_sells(stock: &Stock, now: Timestamp) -> Result<(&Definition, Door), Refusal> {
    let Some(definition) = &stock.definition else {
        return Err(Refusal::SkuUnknown { sku: stock.sku.to_string() });
    };
    if definition.status != SkuStatus::Active {
        return Err(Refusal::SkuNotSellable { sku: stock.sku.clone(), status: definition.status.name() });
    }
    if definition.kit.is_some() {
        return Err(Refusal::SkuNotSellable { sku: stock.sku.clone(), status: "a kit without stock of its own" });
    }
    let door = match &definition.admission {
        None => Door::Open,
        Some(_) => admission::door(stock, definition, now)?,
    };
    Ok((definition, door))
}

const fn customer_required() -> Refusal {
    Refusal::CustomerRequired { why: "a SKU of this order has a limit per customer" }
}

/// Of the units that cannot be filled, those that wait.
fn waiting_part(
    stock: &Stock,
    definition: &Definition,
    door: Door,
    demand: &Demand<'_>,
    missing: Quantity,
) -> Quantity {
    if missing == 0 {
        return 0;
    }
    if door != Door::Open {
        // All or nothing waits, as long as the line may be longer; a part is all that a partial order wants.
        let room = definition.backorder_max.map_or(Quantity::MAX, |max| max.saturating_sub(stock.backordered()));
        let waits = missing <= room && (door == Door::Entry || !demand.mode.partial);
        return if waits { missing } else { 0 };
    }
    let mut room = definition.backorder_max.unwrap_or(0).saturating_sub(stock.backordered());
    if definition.preorder {
        room = room.min(stock.unpromised());
    }
    match demand.mode {
        HoldMode { backorder: true, partial: true } => missing.min(room),
        HoldMode { backorder: true, partial: false } if missing <= room => missing,
        _ => 0,
    }
}

impl Stock {
    /// Refuses more units than a customer may have: what he has, what he bids for and what he wants now count together.
    pub(super) fn check_taken(&self, limit: Quantity, customer: &CustomerId, wanted: Quantity) -> Result<(), Refusal> {
        let bids = self.market().map_or(0, |market| market.bids_of(customer));
        let taken = bids + self.taken.get(customer).copied().unwrap_or(0);
        if taken + wanted > limit {
            return Err(Refusal::LimitExceeded { sku: self.sku.clone(), limit, taken });
        }
        Ok(())
    }
}

/// Who counts the demand against the SKU's limit per customer, if it has one.
fn check_limit<'a>(
    stock: &Stock,
    definition: &Definition,
    demand: &Demand<'a>,
) -> Result<Option<&'a CustomerId>, Refusal> {
    let Some(limit) = definition.limit_per_customer else { return Ok(None) };
    let Some(buyer) = demand.buyer else { return Err(customer_required()) };
    stock.check_taken(limit, buyer, demand.quantity + demand.taking.map_or(0, |taking| taking.units))?;
    Ok(Some(buyer))
}
