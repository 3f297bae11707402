//! What somebody is warned of, when, and when not again.

use super::*;
use crate::stock::{Admission, Alarms};

fn of_level(level: Quantity, units: Quantity) -> Shelf {
    let mut shelf = Shelf::of(Definition { low_stock_level: Some(level), ..definition() });
    shelf.run(receive("main", None, None, units)).unwrap();
    shelf
}

fn low(available: Quantity, level: Quantity) -> StockEvent {
    StockEvent::LowStock { available, level }
}

fn risk(backordered: Quantity, incoming: Quantity) -> StockEvent {
    StockEvent::OversoldRisk { backordered, incoming }
}

fn announce(quantity: Quantity) -> C {
    C::Announce { quantity, available_from: None, reference: None }
}

fn define(change: impl FnOnce(&mut Definition)) -> C {
    let mut definition = definition();
    change(&mut definition);
    C::Define(Box::new(definition))
}

impl Shelf {
    /// What is told when these commands make one record.
    fn told(&mut self, commands: impl IntoIterator<Item = C>) -> Vec<StockEvent> {
        let before = self.stock.alarms();
        for command in commands {
            self.run(command).unwrap();
        }
        let told: Vec<_> = self.stock.alarms_since(before).collect();
        let as_it_was = self.stock.clone();
        told.iter().for_each(|fact| self.stock.apply(fact));
        assert_eq!(self.stock, as_it_was, "that it is told makes no difference");
        told
    }
}

#[test]
fn low_stock_is_told_when_it_begins_not_while_it_lasts_and_again_after_it_had_ended() {
    let mut shelf = of_level(5, 10);
    assert_eq!(shelf.told([hold(1, 4, ALL)]), [], "six are more than five");
    assert_eq!(shelf.told([hold(2, 1, ALL)]), [low(5, 5)]);
    assert_eq!(shelf.told([hold(3, 2, ALL)]), [], "it lasts");
    assert_eq!(shelf.told([release(3)]), [], "five are still no more than five");
    assert_eq!(shelf.told([release(2)]), [], "it ends");
    assert_eq!(shelf.told([hold(4, 6, ALL)]), [low(0, 5)]);
    assert_eq!(shelf.told([adjust("main", 6, false)]), []);
    assert_eq!(shelf.told([adjust("main", -2, false)]), [low(4, 5)], "whatever takes the units");
}

#[test]
fn what_comes_and_goes_within_one_record_is_no_edge() {
    let mut shelf = of_level(5, 10);
    assert_eq!(shelf.told([hold(1, 6, ALL), release(1)]), [], "it was low for a moment");
    assert_eq!(shelf.told([hold(2, 20, WAIT)]), [low(0, 5), risk(10, 0)]);
    // What comes in goes to who waits.
    assert_eq!(shelf.told([receive("main", None, None, 8)]), []);
    assert_eq!(shelf.told([receive("main", None, None, 4)]), [], "two are free, and nobody waits any more");
    assert_eq!(shelf.told([hold(3, 3, WAIT)]), [risk(1, 0)], "stock was low all the time");
}

#[test]
fn a_level_counts_from_when_it_is_set_and_a_safety_level_is_not_available() {
    let mut shelf = Shelf::with(10);
    assert_eq!(shelf.told([hold(1, 9, ALL)]), [], "nobody wants to be told");
    assert_eq!(shelf.told([define(|d| d.low_stock_level = Some(0))]), [], "one is more than none");
    assert_eq!(shelf.told([define(|d| d.low_stock_level = Some(1))]), [low(1, 1)]);
    assert_eq!(shelf.told([define(|d| d.low_stock_level = Some(2))]), [], "it is told already");
    assert_eq!(shelf.told([define(|_| {})]), []);
    assert_eq!(shelf.told([release(1), define(|d| d.low_stock_level = Some(4))]), []);
    assert_eq!(shelf.told([define(|d| (d.low_stock_level, d.safety_level) = (Some(4), 6))]), [low(4, 4)]);
    // Each location keeps its own.
    assert_eq!(shelf.told([receive("north", None, None, 6)]), [], "none of them is for sale");
    assert_eq!(shelf.told([receive("north", None, None, 1)]), [], "five are: it ends");
    assert_eq!(shelf.told([hold(2, 2, ALL)]), [low(3, 4)]);
}

#[test]
fn a_lot_is_there_until_its_expiry_is_recorded() {
    let mut shelf = of_level(5, 3);
    assert_eq!(shelf.told([receive("main", Some("L1"), Some(2 * DAY), 5)]), []);
    shelf.now = Timestamp(2 * DAY);
    assert_eq!(shelf.told([C::ExpireLots]), [low(3, 5)]);
}

#[test]
fn who_waits_for_more_than_is_coming_is_a_risk_from_the_first_unit_on() {
    let mut shelf = Shelf::with(1);
    assert_eq!(shelf.told([announce(5)]), []);
    assert_eq!(shelf.told([hold(1, 6, WAIT)]), [], "five wait, five are coming");
    assert_eq!(shelf.told([hold(2, 1, WAIT)]), [risk(6, 5)]);
    assert_eq!(shelf.told([hold(3, 1, WAIT)]), [], "it lasts");
    assert_eq!(shelf.told([announce(2)]), [], "it ends");
    assert_eq!(shelf.told([C::WithdrawAnnouncement { quantity: 7, reference: None }]), [risk(7, 0)]);
    assert_eq!(shelf.told([release(1), release(2), release(3)]), []);
    // Units that were sold and are lost wait like any other.
    assert_eq!(shelf.told([hold(4, 1, ALL)]), []);
    assert_eq!(shelf.told([adjust("main", -1, true)]), [risk(1, 0)]);
}

#[test]
fn who_waits_to_be_let_in_was_sold_nothing() {
    let admission = Some(Box::new(Admission::WaitingList { offer_seconds: 60 }));
    let mut shelf = Shelf::of(Definition { admission, ..definition() });
    assert_eq!(shelf.told([hold(1, 3, ALL), hold(2, 3, ALL)]), []);
    assert_eq!(shelf.of_order(2).2, 3);
}

#[test]
fn a_level_is_a_number_of_units_and_none_of_a_kit() {
    let mut shelf = Shelf::with(1);
    assert_eq!(shelf.code(define(|d| d.low_stock_level = Some(QUANTITY_MAX + 1))), "quantity_invalid");
    assert_eq!(shelf.told([define(|d| d.low_stock_level = Some(QUANTITY_MAX))]), [low(1, QUANTITY_MAX)]);
    let mut nothing = Shelf { stock: Stock::new(SkuId::new("sku").unwrap()), now: Timestamp(DAY) };
    assert_eq!(nothing.stock.alarms(), Alarms::default());
    assert_eq!(nothing.told([define(|d| d.low_stock_level = Some(0))]), [low(0, 0)], "it begins with nothing");
    let mut kit = Shelf { stock: Stock::new(SkuId::new("set").unwrap()), now: Timestamp(DAY) };
    let part = crate::stock::KitPart { sku: SkuId::new("sku").unwrap(), quantity: 1 };
    let parts = Some(Box::new(vec![part]));
    assert_eq!(
        kit.code(C::Define(Box::new(Definition {
            backorder_max: None,
            kit: parts,
            low_stock_level: Some(1),
            ..definition()
        }))),
        "body_invalid"
    );
}
