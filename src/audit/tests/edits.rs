//! Orders whose lines are changed: a clean journal, and one for each way to break it.

use super::super::Rule;
use super::*;

fn held_more(n: u128, quantity: u64) -> StockEvent {
    StockEvent::HeldMore { order: id(n), picks: picks(quantity) }
}

/// So many mugs from now on, at 10.00 less so many cents together.
fn edited(quantity: u64, off: i64) -> OrderEvent {
    let OrderEvent::Placed { mut lines, .. } = placed(quantity, quantity, 0, &[]) else { unreachable!() };
    lines.iter_mut().for_each(|line| line.discount = eur(off).amount);
    OrderEvent::Edited { lines, promoted: None }
}

fn paid(cents: i64) -> [OrderEvent; 2] {
    let planned = PlannedPayment { method: Method::External, amount: eur(cents).amount, reference: None };
    let payments = [planned].into_iter().collect();
    [OrderEvent::PaymentsStarted { payments }, OrderEvent::PaidAtOnce { number: 0 }]
}

#[test]
fn a_changed_order_that_is_paid_and_shipped_breaks_no_rule() {
    let mut journal = unpaid();
    journal.sku(&[held_more(1, 3)]).order(1, &[edited(5, 0)]);
    journal.order(1, &[edited(4, 0)]).sku(&[released(1, 1)]);
    journal.order(1, &paid(4000)).sku(&[StockEvent::Settled { order: id(1) }]);
    journal.order(1, &[sent(4)]).sku(&[shipped(1, 4)]);
    let report = journal.audit();
    assert!(report.is_clean(), "{:#?}", report.faults);
}

/// Journals that break a rule by changing an order's lines.
pub(super) fn broken_edits() -> Vec<(Rule, &'static str, Journal)> {
    let with = |change: &dyn Fn(&mut Journal)| after(unpaid(), change);
    vec![
        (
            Rule::OrderStock,
            "an order has more than its SKU keeps",
            with(&|j| {
                j.order(1, &[edited(5, 0)]);
            }),
        ),
        (
            Rule::OrderStock,
            "a SKU keeps more than its order has",
            with(&|j| {
                j.sku(&[held_more(1, 1)]);
            }),
        ),
        (
            Rule::CommitmentUnknown,
            "more for an order that had nothing",
            with(&|j| {
                j.sku(&[held_more(2, 1)]);
            }),
        ),
        (
            Rule::BackorderTurn,
            "more for one while another waits",
            with(&|j| {
                j.sku(&[held(2, 8, 1), received(1), held_more(1, 1)]);
            }),
        ),
        (
            Rule::Oversold,
            "more than there is",
            with(&|j| {
                j.sku(&[held_more(1, 9)]).order(1, &[edited(11, 0)]);
            }),
        ),
        (
            Rule::OrderTransition,
            "a paid order is changed",
            with(&|j| {
                j.order(1, &paid(2000)).sku(&[StockEvent::Settled { order: id(1) }]);
                j.order(1, &[edited(1, 0)]);
            }),
        ),
        (
            Rule::OrderTransition,
            "an order is changed after its deadline",
            with(&|j| {
                j.later(1000).order(1, &[edited(2, 0)]);
            }),
        ),
        (
            Rule::OrderDiscounts,
            "a line is cheaper than anything says",
            with(&|j| {
                j.order(1, &[edited(2, 100)]);
            }),
        ),
        (
            Rule::LineUnits,
            "nothing is left of it",
            with(&|j| {
                let lines = Default::default();
                j.order(1, &[OrderEvent::Edited { lines, promoted: None }]).sku(&[released(1, 2)]);
            }),
        ),
        (
            Rule::OrderPayments,
            "what it cost before is asked for",
            with(&|j| {
                j.order(1, &[edited(1, 0)]).sku(&[released(1, 1)]).order(1, &paid(2000));
            }),
        ),
    ]
}
