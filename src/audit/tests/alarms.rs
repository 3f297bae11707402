//! Warnings: each stands in the record with which its reason begins, and in no other.

use stockade_domain::stock::{Admission, TELLS_ALARMS};

use super::super::Rule;
use super::*;

/// A journal of a version that tells, with ten mugs and five as their level.
fn telling() -> Journal {
    let mut journal = Journal { sku_note: TELLS_ALARMS, ..Journal::default() };
    journal.sku(&[defined(|definition| definition.low_stock_level = Some(5)), received(10)]);
    journal
}

fn low(available: u64) -> StockEvent {
    StockEvent::LowStock { available, level: 5 }
}

fn risk(backordered: u64, incoming: u64) -> StockEvent {
    StockEvent::OversoldRisk { backordered, incoming }
}

fn announced(quantity: u64) -> StockEvent {
    StockEvent::Announced { quantity, available_from: None, reference: None }
}

fn sold(journal: &mut Journal, n: u128, filled: u64, waiting: u64, then: &[StockEvent]) {
    let mut events = vec![held(n, filled, waiting)];
    events.extend_from_slice(then);
    journal.sku(&events).order(n, &[placed(filled + waiting, filled, waiting, &[])]);
}

#[test]
fn what_is_told_when_it_begins_and_again_after_it_had_ended_is_no_fault() {
    let mut journal = telling();
    sold(&mut journal, 1, 4, 0, &[]);
    sold(&mut journal, 2, 1, 0, &[low(5)]);
    sold(&mut journal, 3, 1, 0, &[]);
    journal.sku(&[received(2)]);
    sold(&mut journal, 4, 6, 3, &[low(0), risk(3, 0)]);
    // Within one record more than the level was there: what counts is how the SKU stands between its records.
    journal.sku(&[received(7), filled(4, 3)]).order(4, &[backorder_filled(3)]);
    sold(&mut journal, 5, 4, 3, &[risk(3, 0)]);
    journal.sku(&[announced(3)]);
    sold(&mut journal, 6, 0, 1, &[risk(4, 3)]);
    journal.sku(&[received(20), filled(5, 3), filled(6, 1)]);
    journal.order(5, &[backorder_filled(3)]).order(6, &[backorder_filled(1)]);
    // A level that is raised to what is there, and a safety level that takes it away.
    journal.sku(&[
        defined(|definition| definition.low_stock_level = Some(16)),
        StockEvent::LowStock { available: 16, level: 16 },
    ]);
    journal.sku(&[defined(|_| {})]);
    journal.sku(&[defined(|definition| (definition.low_stock_level, definition.safety_level) = (Some(5), 15)), low(1)]);
    let report = journal.audit();
    assert!(report.is_clean(), "{:#?}", report.faults);
}

#[test]
fn a_journal_of_a_version_that_told_nothing_is_not_blamed_for_it() {
    let mut journal = Journal { sku_note: 0, ..telling() };
    sold(&mut journal, 1, 10, 3, &[]);
    let report = journal.audit();
    assert!(report.is_clean(), "{:#?}", report.faults);
    // The version that tells does not tell what had begun before.
    journal.sku_note = TELLS_ALARMS;
    sold(&mut journal, 2, 0, 1, &[]);
    assert!(journal.audit().is_clean());
    sold(&mut journal, 3, 0, 1, &[risk(5, 0)]);
    assert!(journal.audit().faults.iter().any(|fault| fault.rule == Rule::AlarmTold));
}

fn filled(n: u128, quantity: u64) -> StockEvent {
    StockEvent::BackorderFilled { order: id(n), picks: picks(quantity) }
}

fn backorder_filled(quantity: u64) -> OrderEvent {
    OrderEvent::BackorderFilled { lines: units(quantity) }
}

/// Journals that tell what is not so, or do not tell what is.
pub(super) fn broken_alarms() -> Vec<(Rule, &'static str, Journal)> {
    let journal = |events: &[StockEvent]| {
        after(telling(), |journal| {
            journal.sku(events);
        })
    };
    let rule = Rule::AlarmTold;
    vec![
        (rule, "low stock is not told", journal(&[held(1, 5, 0)])),
        (rule, "low stock is told too early", journal(&[held(1, 4, 0), low(6)])),
        (rule, "low stock is told with another figure", journal(&[held(1, 5, 0), low(4)])),
        (
            rule,
            "low stock is told with another level",
            journal(&[held(1, 5, 0), StockEvent::LowStock { available: 5, level: 6 }]),
        ),
        (rule, "low stock is told twice", journal(&[held(1, 5, 0), low(5), low(5)])),
        (
            rule,
            "low stock is told again while it lasts",
            after(journal(&[held(1, 5, 0), low(5)]), |journal| {
                journal.sku(&[held(2, 1, 0), low(4)]);
            }),
        ),
        (
            rule,
            "low stock is told a record too late",
            after(journal(&[held(1, 4, 0)]), |journal| {
                journal.sku(&[held(2, 1, 0)]).sku(&[released(2, 1), held(3, 1, 0), low(5)]);
            }),
        ),
        (rule, "a level that is raised is not told", journal(&[defined(|d| d.low_stock_level = Some(10))])),
        (rule, "a risk is not told", journal(&[held(1, 10, 3), low(0)])),
        (rule, "a risk is told of what is coming", journal(&[announced(3), held(1, 10, 3), low(0), risk(3, 3)])),
        (
            rule,
            "a risk is not told when units will not come",
            after(journal(&[announced(3), held(1, 10, 3), low(0)]), |journal| {
                journal.sku(&[
                    StockEvent::AnnouncementWithdrawn { quantity: 1, reference: None },
                    StockEvent::Unpromised { order: id(1), quantity: 1 },
                ]);
            }),
        ),
        (
            rule,
            "a risk is told of a waiting list",
            journal(&[
                defined(|definition| {
                    definition.admission = Some(Box::new(Admission::WaitingList { offer_seconds: 60 }));
                }),
                held(1, 0, 3),
                risk(3, 0),
            ]),
        ),
    ]
}
