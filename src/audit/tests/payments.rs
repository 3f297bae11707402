//! Payments that are captured, refunded and tried again: clean journals, and one for each way to break them.

use super::super::Rule;
use super::*;

fn amount(cents: i64) -> Amount {
    eur(cents).amount
}

/// Two mugs of which the money is set aside, and a cent more may be taken; it is being taken.
fn being_captured() -> Journal {
    let mut journal = Journal::default();
    let mut event = created(1, Method::Card, 2000);
    if let PaymentEvent::Created { capture_later, overcapture, .. } = &mut event {
        (*capture_later, *overcapture) = (true, amount(1));
    }
    let aside = PaymentEvent::Authorized { amount: amount(2000), reference: "au".into(), expires_at: None };
    let taking = PaymentEvent::CaptureStarted { number: 1, amount: amount(2000) };
    journal
        .sku(&[defined(|_| {}), received(10), held(1, 2, 0)])
        .order(1, &[placed(2, 2, 0, &[(Method::Card, 2000)])])
        .pay(1, 0, &[event, aside, taking]);
    journal
}

fn taken(cents: i64) -> PaymentEvent {
    PaymentEvent::Captured { number: 1, moved: amount(cents), reference: "ch".into() }
}

/// The order is paid, and the gateway took this much.
fn captured_of_order(cents: i64, then: &[PaymentEvent]) -> Journal {
    after(being_captured(), |journal| {
        journal.pay(1, 0, &[taken(cents)]).order(1, &[secured(0)]).sku(&[StockEvent::Settled { order: id(1) }]);
        if !then.is_empty() {
            journal.pay(1, 0, then);
        }
    })
}

fn surplus(cents: i64) -> PaymentEvent {
    PaymentEvent::SurplusRequested { number: 1, amount: amount(cents) }
}

#[test]
fn a_surplus_that_goes_back_by_itself_breaks_no_rule() {
    let back = PaymentEvent::Refunded { number: 1 };
    for then in [&[surplus(1)][..], &[surplus(1), back]] {
        let report = captured_of_order(2001, then).audit();
        assert!(report.is_clean(), "{:#?}", report.faults);
    }
}

/// Five euros of a paid order were given away, went back, and came again; its order is told of this much.
fn reversed(told: &[OrderEvent]) -> Journal {
    let given = OrderEvent::RefundGranted { amount: amount(500), reason: "late".into() };
    let started = OrderEvent::RefundStarted { number: 0, amount: amount(500) };
    let back = OrderEvent::Refunded { number: 0, amount: amount(500), done: true };
    let request = PaymentEvent::RefundRequested { number: 1, amount: amount(500) };
    let (gone, again) = (PaymentEvent::Refunded { number: 1 }, PaymentEvent::RefundReversed { number: 1 });
    after(captured_of_order(2000, &[]), |journal| {
        journal.order(1, &[given, started, back]).pay(1, 0, &[request, gone, again]);
        if !told.is_empty() {
            journal.order(1, told);
        }
    })
}

fn came_again(cents: i64) -> OrderEvent {
    OrderEvent::RefundReversed { number: 0, amount: amount(cents) }
}

#[test]
fn a_refund_that_comes_again_and_is_told_the_order_breaks_no_rule() {
    let report = reversed(&[came_again(500)]).audit();
    assert!(report.is_clean(), "{:#?}", report.faults);
    assert_eq!(report.ledger["EUR"]["deposits"], "-5.00", "it is the buyer's");
}

/// The card of an order that had been accepted is declined, and it is tried again, as a try of payment `of`.
fn tried_again(of: PaymentId, then: impl FnOnce(&mut Journal)) -> Journal {
    after(waiting_for_card(), |journal| {
        let failed = OrderEvent::PaymentFailed { number: 0, reason: "no".into() };
        journal.order(1, &[OrderEvent::Accepted]).pay(1, 0, &[declined()]).order(1, &[failed]);
        then(journal);
        let planned = PlannedPayment { method: Method::Card, amount: amount(2000), reference: None };
        journal.order(1, &[OrderEvent::PaymentsStarted { payments: [planned].into_iter().collect() }]);
        let mut again = created(1, Method::Card, 2000);
        if let PaymentEvent::Created { retry_of, .. } = &mut again {
            *retry_of = Some(of);
        }
        journal.pay(1, 1, &[again, got_paid()]).order(1, &[secured(1)]).sku(&[StockEvent::Settled { order: id(1) }]);
    })
}

#[test]
fn a_declined_card_that_is_tried_again_breaks_no_rule() {
    let report = tried_again(payment(1, 0), |_| {}).audit();
    assert!(report.is_clean(), "{:#?}", report.faults);
}

/// Journals that break a rule of payments.
pub(super) fn broken_payments() -> Vec<(Rule, &'static str, Journal)> {
    let deferred = PaymentEvent::RefundDeferred { amount: amount(1) };
    vec![
        (Rule::CaptureExceeds, "two cents more are taken where one may", captured_of_order(2002, &[surplus(2)])),
        (Rule::OrderMoney, "a cent too much stays with the house", captured_of_order(2001, &[])),
        (Rule::RefundExceeds, "a surplus goes back that is none", captured_of_order(2000, &[surplus(1)])),
        (Rule::PaymentTransition, "a refund waits for nothing", captured_of_order(2000, &[deferred])),
        (Rule::OrderPayment, "a payment is another try of itself", tried_again(payment(1, 1), |_| {})),
        (Rule::OrderPayment, "a payment is another try of nothing", tried_again(payment(7, 0), |_| {})),
        (
            Rule::OrderTransition,
            "a payment is tried again after its hold has ended",
            tried_again(payment(1, 0), |journal| {
                journal.later(900);
            }),
        ),
        (Rule::OrderPayment, "an order is not told that a refund came again", reversed(&[])),
        (Rule::OrderPayment, "an order is told of less than came again", reversed(&[came_again(400)])),
        (Rule::RefundExceeds, "more comes again than went back", reversed(&[came_again(501)])),
    ]
}
