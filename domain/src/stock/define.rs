//! What a SKU may be made into.

use super::admission::Admission;
use super::definition::{Definition, KitPart};
use super::event::StockEvent;
use super::state::Stock;
use crate::{QUANTITY_MAX, Refusal, check_quantity};

/// The most components of a kit.
pub const KIT_PARTS_MAX: usize = 100;
/// The most locations that a definition can put in order.
const LOCATIONS_MAX: usize = 1000;

pub(super) fn define(stock: &Stock, definition: &Definition, out: &mut Vec<StockEvent>) -> Result<(), Refusal> {
    if definition.price.amount.is_negative() {
        return Err(Refusal::MoneyInvalid { why: "a price is not negative".into() });
    }
    if let Some(old) = &stock.definition
        && old.price.currency != definition.price.currency
        && !(stock.commitments.is_empty() && stock.backorders.is_empty())
    {
        let (wanted, found) = (old.price.currency.to_string(), definition.price.currency.to_string());
        return Err(Refusal::CurrencyMismatch { wanted, found });
    }
    if definition.hold_ttl_seconds == 0 {
        return Err(invalid("hold_ttl_seconds", "must be at least 1"));
    }
    if definition.low_stock_level.is_some_and(|level| level > QUANTITY_MAX) {
        return Err(Refusal::QuantityInvalid);
    }
    if definition.sourcing.as_ref().is_some_and(|plan| plan.locations.len() > LOCATIONS_MAX) {
        return Err(invalid("sourcing", format!("at most {LOCATIONS_MAX} locations can be put in order")));
    }
    if let Some(admission) = &definition.admission {
        admission.check()?;
    }
    check_admission_change(stock, definition)?;
    check_market_change(stock, definition)?;
    if let Some(parts) = &definition.kit {
        check_kit(stock, definition, parts)?;
    }
    if stock.definition.as_deref() != Some(definition) {
        out.push(StockEvent::Defined(Box::new(definition.clone())));
    }
    Ok(())
}

/// Who waits to be let in was promised a rule; it stays as long as somebody waits by it.
fn check_admission_change(stock: &Stock, definition: &Definition) -> Result<(), Refusal> {
    let old = stock.definition.as_ref().and_then(|old| old.admission.as_deref());
    let new = definition.admission.as_deref();
    let both_lists = matches!((old, new), (Some(Admission::WaitingList { .. }), Some(Admission::WaitingList { .. })));
    if old == new || both_lists || !stock.backorders.iter().any(|backorder| backorder.is_entry) {
        return Ok(());
    }
    Err(invalid("admission", "orders wait by the present rule: it can be changed when none does"))
}

/// A book that has begun keeps its rules and its currency; only its band may change.
fn check_market_change(stock: &Stock, definition: &Definition) -> Result<(), Refusal> {
    let rules = definition.market.as_deref().copied().unwrap_or_default();
    rules.check()?;
    let (Some(market), Some(old)) = (stock.market(), &stock.definition) else { return Ok(()) };
    if definition.kit.is_some() {
        return Err(invalid("kit", "a SKU that has a book cannot become a kit"));
    }
    if old.price.currency != definition.price.currency {
        let (wanted, found) = (old.price.currency.to_string(), definition.price.currency.to_string());
        return Err(Refusal::CurrencyMismatch { wanted, found });
    }
    if !market.keeps_rules(&rules) {
        return Err(invalid("market", "`tick`, `lot` and `self_trade` stay as they are once the book has begun"));
    }
    Ok(())
}

fn check_kit(stock: &Stock, definition: &Definition, parts: &[KitPart]) -> Result<(), Refusal> {
    if parts.is_empty() || parts.len() > KIT_PARTS_MAX {
        return Err(invalid("kit", format!("a kit has 1 to {KIT_PARTS_MAX} components")));
    }
    for (index, part) in parts.iter().enumerate() {
        check_quantity(part.quantity)?;
        if part.sku == stock.sku {
            return Err(invalid("kit", "a kit does not contain itself"));
        }
        if parts[..index].iter().any(|other| other.sku == part.sku) {
            return Err(invalid("kit", format!("{} is named twice", part.sku)));
        }
    }
    let has_own_rules = definition.limit_per_customer.is_some()
        || definition.backorder_max.is_some()
        || definition.safety_level > 0
        || definition.low_stock_level.is_some()
        || definition.preorder
        || definition.admission.is_some()
        || definition.sourcing.is_some();
    if has_own_rules {
        let why =
            "a kit has no stock of its own: limits, backorders, levels, admission and sourcing are its components'";
        return Err(invalid("kit", why));
    }
    let has_stock =
        stock.incoming > 0 || stock.in_transit > 0 || stock.bins.iter().any(|bin| bin.counters.on_hand() > 0);
    if has_stock || !(stock.commitments.is_empty() && stock.backorders.is_empty()) {
        return Err(invalid("kit", "a SKU that has stock or orders cannot become a kit"));
    }
    Ok(())
}

fn invalid(field: &'static str, why: impl Into<String>) -> Refusal {
    Refusal::BodyInvalid { field, why: why.into() }
}
