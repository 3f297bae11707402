//! Journals written by hand: a whole sale breaks no rule, each rule has a journal that breaks it, and what is derived
//! is compared.

mod alarms;
mod charges;
mod derived;
mod edits;
mod markets;
mod payments;
mod rules;
mod uses;

use minicbor::Encode;
use stockade_domain::account::AccountEvent;
use stockade_domain::entity::{EntityKind, RemoteStep};
use stockade_domain::ledger::{LedgerAccount, LedgerEvent};
use stockade_domain::order::{LineUnits, OrderEvent, PlacedLine, PlannedPayment, ReturnedLine};
use stockade_domain::payment::{Method, PaymentEvent};
use stockade_domain::stock::{Definition, Disposition, Pick, Picks, ReleaseReason, StockEvent};
use stockade_domain::{Amount, CustomerId, Location, Lot, Money, OrderId, PaymentId, SkuId, Timestamp};
use stockade_storage::record::{RecordHead, encode_record, next_record};

use super::{AuditReport, Rule, audit_records};

const START: i64 = 1_700_000_000_000_000;
const SECOND: i64 = 1_000_000;
const DEADLINE: Timestamp = Timestamp(START + 900 * SECOND);

/// A journal written by hand; each record is a second later.
#[derive(Clone, Default)]
struct Journal {
    records: Vec<(u64, Vec<u8>)>,
    clock: i64,
    key: Option<[u8; 16]>,
    /// The note of a SKU's records.
    sku_note: u8,
}

impl Journal {
    fn record<E: Encode<()>>(&mut self, kind: EntityKind, key: &[u8], events: &[E]) -> &mut Self {
        let mut encoded = Vec::new();
        events.iter().for_each(|event| minicbor::encode(event, &mut encoded).unwrap());
        let note = if kind == EntityKind::Sku { self.sku_note } else { 0 };
        let (kind, digest) = (kind as u8, self.key.take());
        self.clock += SECOND;
        let head = RecordHead { kind, key, time: START + self.clock, note, digests: digest.as_slice() };
        let mut bytes = Vec::new();
        encode_record(&mut bytes, &head, &encoded);
        let body = next_record(&mut &bytes[..]).unwrap().to_vec();
        self.records.push((self.records.len() as u64 + 1, body));
        self
    }

    fn sku(&mut self, events: &[StockEvent]) -> &mut Self {
        self.record(EntityKind::Sku, b"MUG", events)
    }

    fn order(&mut self, n: u128, events: &[OrderEvent]) -> &mut Self {
        self.record(EntityKind::Order, &id(n).to_bytes(), events)
    }

    fn pay(&mut self, n: u128, number: u32, events: &[PaymentEvent]) -> &mut Self {
        self.record(EntityKind::Payment, &payment(n, number).to_bytes(), events)
    }

    fn wallet(&mut self, events: &[AccountEvent]) -> &mut Self {
        self.record(EntityKind::Account, b"ann", events)
    }

    fn books(&mut self, events: &[LedgerEvent]) -> &mut Self {
        self.record(EntityKind::Ledger, b"", events)
    }

    fn keyed(&mut self, key: u8) -> &mut Self {
        self.key = Some([key; 16]);
        self
    }

    fn later(&mut self, seconds: i64) -> &mut Self {
        self.clock += seconds * SECOND;
        self
    }

    fn audit(&self) -> AuditReport {
        audit_records(self.records.iter().map(|(seq, body)| (*seq, body)))
    }
}

fn id(n: u128) -> OrderId {
    OrderId::new(Timestamp(START), n)
}

fn payment(n: u128, number: u32) -> PaymentId {
    PaymentId::of_order(id(n), number, DEADLINE)
}

fn eur(cents: i64) -> Money {
    Money::new(Amount(cents * 100), "EUR".parse().unwrap())
}

fn ann() -> CustomerId {
    CustomerId::new("ann").unwrap()
}

fn picks(quantity: u64) -> Picks {
    Picks::from_iter([Pick { bin: 0, quantity }])
}

fn none() -> Picks {
    Picks::new()
}

fn defined(change: impl FnOnce(&mut Definition)) -> StockEvent {
    let mut definition = Definition::new("Mug", eur(1000));
    definition.backorder_max = Some(100);
    change(&mut definition);
    StockEvent::Defined(Box::new(definition))
}

fn received(quantity: u64) -> StockEvent {
    received_at(quantity, None)
}

fn received_at(quantity: u64, expires_at: Option<Timestamp>) -> StockEvent {
    let lot = expires_at.map(|_| Lot::new("L1").unwrap());
    StockEvent::Received { location: Location::main(), lot, expires_at, quantity, announced: 0, unit_cost: None }
}

fn held(n: u128, quantity: u64, backordered: u64) -> StockEvent {
    let picks = if quantity > 0 { picks(quantity) } else { none() };
    StockEvent::Held { order: id(n), picks, backordered, settled: false, buyer: None, tentative: false, context: None }
}

fn allocated(n: u128, quantity: u64) -> StockEvent {
    StockEvent::Held {
        order: id(n),
        picks: picks(quantity),
        backordered: 0,
        settled: true,
        buyer: None,
        tentative: false,
        context: None,
    }
}

fn tentative(n: u128, quantity: u64) -> StockEvent {
    StockEvent::Held {
        order: id(n),
        picks: picks(quantity),
        backordered: 0,
        settled: false,
        buyer: None,
        tentative: true,
        context: None,
    }
}

fn released(n: u128, quantity: u64) -> StockEvent {
    let reason = ReleaseReason::Cancelled;
    StockEvent::Released { order: id(n), held: picks(quantity), allocated: none(), reason }
}

fn shipped(n: u128, quantity: u64) -> StockEvent {
    StockEvent::Shipped { order: id(n), picks: picks(quantity) }
}

fn took_back(n: u128, quantity: u64) -> StockEvent {
    StockEvent::Returned {
        order: Some(id(n)),
        location: Location::main(),
        lot: None,
        quantity,
        disposition: Disposition::Restock,
        buyer: None,
    }
}

/// An order of some mugs at 10.00, with payments of these cents.
fn placed(quantity: u64, filled: u64, backordered: u64, payments: &[(Method, i64)]) -> OrderEvent {
    let planned = |(method, cents): &(Method, i64)| PlannedPayment {
        method: *method,
        amount: eur(*cents).amount,
        reference: None,
    };
    let sku = SkuId::new("MUG").unwrap();
    OrderEvent::Placed {
        customer: Some(ann()),
        purchaser_key: None,
        currency: eur(0).currency,
        lines: [PlacedLine {
            sku,
            quantity,
            unit_price: eur(1000).amount,
            filled,
            backordered,
            kit: None,
            claim: None,
            discount: Amount::ZERO,
        }]
        .into_iter()
        .collect(),
        charges: Default::default(),
        payments: payments.iter().map(planned).collect(),
        hold_expires_at: DEADLINE,
        body_digest: 0,
        attempt: 0,
        waiting: false,
        bid: None,
        promoted: None,
        deferred: None,
    }
}

fn secured(number: u32) -> OrderEvent {
    OrderEvent::PaymentSecured { number }
}

fn units(quantity: u64) -> smallvec::SmallVec<[LineUnits; 1]> {
    [LineUnits { line: 0, quantity }].into_iter().collect()
}

fn sent(quantity: u64) -> OrderEvent {
    OrderEvent::Shipped { lines: units(quantity), tracking: None }
}

fn came_back(quantity: u64, cents: i64) -> OrderEvent {
    let line = ReturnedLine { line: 0, quantity, disposition: Disposition::Restock };
    OrderEvent::Returned { lines: [line].into_iter().collect(), refund: eur(cents).amount }
}

fn created(n: u128, method: Method, cents: i64) -> PaymentEvent {
    PaymentEvent::Created {
        order: id(n),
        method,
        money: eur(cents),
        payer: Some(ann()),
        credential: None,
        capture_later: false,
        overcapture: Amount::ZERO,
        retry_of: None,
    }
}

fn got_paid() -> PaymentEvent {
    PaymentEvent::Paid { reference: None }
}

fn declined() -> PaymentEvent {
    PaymentEvent::Failed { reason: "no".into(), timeout: false }
}

fn credited(cents: i64) -> AccountEvent {
    AccountEvent::Credited { money: eur(cents), reference: None }
}

/// Ten mugs, and order 1 of two of them, paid externally.
fn sale() -> Journal {
    let mut journal = Journal::default();
    journal
        .sku(&[defined(|_| {}), received(10)])
        .sku(&[allocated(1, 2)])
        .order(1, &[placed(2, 2, 0, &[(Method::External, 2000)]), secured(0)])
        .pay(1, 0, &[created(1, Method::External, 2000), got_paid()]);
    journal
}

/// Ten mugs, and order 1 of two of them, unpaid.
fn unpaid() -> Journal {
    let mut journal = Journal::default();
    journal.sku(&[defined(|_| {}), received(10), held(1, 2, 0)]).order(1, &[placed(2, 2, 0, &[])]);
    journal
}

/// Ten mugs, and order 1 of two of them, waiting for its card.
fn waiting_for_card() -> Journal {
    let mut journal = Journal::default();
    journal
        .sku(&[defined(|_| {}), received(10), held(1, 2, 0)])
        .order(1, &[placed(2, 2, 0, &[(Method::Card, 2000)])])
        .pay(1, 0, &[created(1, Method::Card, 2000)]);
    journal
}

fn after(mut journal: Journal, change: impl FnOnce(&mut Journal)) -> Journal {
    change(&mut journal);
    journal
}

fn skus_only(events: &[StockEvent]) -> Journal {
    after(Journal::default(), |journal| {
        journal.sku(&[defined(|_| {}), received(10)]).sku(events);
    })
}

#[test]
fn a_whole_sale_with_a_wallet_a_return_and_a_decline_breaks_no_rule() {
    let mut journal = sale();
    journal
        .sku(&[shipped(1, 2)])
        .order(1, &[sent(2), OrderEvent::Delivered])
        .order(1, &[came_back(1, 1000), OrderEvent::RefundStarted { number: 0, amount: eur(1000).amount }])
        .sku(&[took_back(1, 1)])
        .pay(
            1,
            0,
            &[
                PaymentEvent::RefundRequested { number: 1, amount: eur(1000).amount },
                PaymentEvent::Refunded { number: 1 },
            ],
        )
        .order(1, &[OrderEvent::Refunded { number: 0, amount: eur(1000).amount, done: true }]);
    // A wallet pays order 2; the card of order 3 is declined, and the same id is placed again.
    journal
        .wallet(&[credited(5000)])
        .sku(&[allocated(2, 1), held(3, 1, 0)])
        .wallet(&[AccountEvent::Spent { payment: payment(2, 0), amount: eur(1000).amount }])
        .order(2, &[placed(1, 1, 0, &[(Method::Wallet, 1000)]), secured(0)])
        .pay(2, 0, &[created(2, Method::Wallet, 1000), got_paid()])
        .keyed(1)
        .order(3, &[placed(1, 1, 0, &[(Method::Card, 1000)])])
        .pay(3, 0, &[created(3, Method::Card, 1000), declined()])
        .order(
            3,
            &[
                OrderEvent::PaymentFailed { number: 0, reason: "no".into() },
                OrderEvent::Refused { reason: "no".into() },
            ],
        )
        .sku(&[released(3, 1), held(3, 1, 0)])
        .keyed(1)
        .order(3, &[placed(1, 1, 0, &[])])
        .books(&[LedgerEvent::Entered {
            debit: LedgerAccount::Goodwill,
            credit: LedgerAccount::Cash,
            money: eur(100),
            memo: "tip".into(),
            seller: None,
        }]);
    let report = journal.audit();
    assert!(report.is_clean(), "{:#?}", report.faults);
    assert_eq!((report.skus, report.orders, report.payments, report.accounts), (1, 3, 3, 1));
    assert_eq!((report.oversold, report.in_flight), (0, 0));
    let eur = &report.ledger["EUR"];
    // 20.00 and 50.00 came in, 10.00 went back, 1.00 was given away.
    assert_eq!((eur["cash"].as_str(), eur["wallets"].as_str(), eur["revenue"].as_str()), ("59.00", "-40.00", "-20.00"));
    assert_eq!((eur["deposits"].as_str(), eur["goodwill"].as_str()), ("0.00", "1.00"));
}

#[test]
fn the_journals_that_others_start_from_break_no_rule() {
    for journal in [sale(), unpaid(), waiting_for_card()] {
        let report = journal.audit();
        assert!(report.is_clean() && report.in_flight == 0, "{report:#?}");
    }
}

#[test]
fn what_the_end_of_the_journal_cut_off_is_in_flight_and_no_fault() {
    let settle = RemoteStep::Settle { sku: SkuId::new("MUG").unwrap() };
    let owed = |journal: &mut Journal| {
        journal
            .sku(&[defined(|_| {}), received(10), tentative(1, 2)])
            .order(
                1,
                &[
                    placed(2, 2, 0, &[(Method::External, 2000)]),
                    secured(0),
                    OrderEvent::StepOwed { step: 0, to: Box::new(settle.clone()) },
                ],
            )
            .pay(1, 0, &[created(1, Method::External, 2000), got_paid()]);
    };
    let cut = after(Journal::default(), owed);
    let report = cut.audit();
    assert!(report.is_clean() && report.in_flight == 1, "{report:#?}");
    let done = after(cut, |journal| {
        journal
            .sku(&[StockEvent::Settled { order: id(1) }, StockEvent::Handled { order: id(1), step: 0 }])
            .order(1, &[OrderEvent::StepDone { step: 0 }]);
    });
    let report = done.audit();
    assert!(report.is_clean() && report.in_flight == 0, "{report:#?}");
    let young = skus_only(&[tentative(9, 1)]).audit();
    assert!(young.is_clean() && young.in_flight == 1, "{young:#?}");
}

#[test]
fn a_forced_shortfall_is_counted_and_is_no_fault() {
    let mut journal = unpaid();
    let displaced = StockEvent::Displaced { order: id(1), held: picks(2), allocated: none() };
    let lost = StockEvent::AdjustedDown { picks: picks(10), reason: "fire".into() };
    journal.sku(&[displaced, lost]).order(1, &[OrderEvent::Displaced { lines: units(2) }]);
    let report = journal.audit();
    assert!(report.is_clean(), "{:#?}", report.faults);
    assert_eq!((report.displaced, report.oversold), (2, 0));
}

#[test]
fn an_order_that_is_yet_to_hear_of_a_shortfall_is_in_flight_and_one_that_never_was_told_is_wrong() {
    let displaced = || StockEvent::Displaced { order: id(1), held: picks(2), allocated: none() };
    let lost = || StockEvent::AdjustedDown { picks: picks(10), reason: "fire".into() };
    let mut journal = unpaid();
    journal.sku(&[displaced(), lost(), StockEvent::Untold { order: id(1) }]);
    let report = journal.audit();
    assert!(report.is_clean() && report.in_flight == 1, "{report:#?}");
    let mut silent = unpaid();
    silent.sku(&[displaced(), lost()]);
    assert!(!silent.audit().is_clean(), "nobody is to tell the order");
    let mut deaf = journal.clone();
    deaf.sku(&[StockEvent::Heard { order: id(1) }]);
    assert!(!deaf.audit().is_clean(), "it is said to have heard and does not know");
    for again in [StockEvent::Untold { order: id(1) }, StockEvent::Heard { order: id(7) }] {
        let mut wrong = journal.clone();
        wrong.sku(&[again]);
        assert!(wrong.audit().faults.iter().any(|fault| fault.rule == Rule::CommitmentUnknown));
    }
}

#[test]
fn a_journal_cut_or_garbled_anywhere_never_panics_the_auditor() {
    let journal = sale();
    for (at, (_, body)) in journal.records.iter().enumerate() {
        for byte in 0..body.len() {
            for bit in 0..8 {
                let mut wrong = journal.clone();
                wrong.records[at].1[byte] ^= 1 << bit;
                wrong.audit();
            }
            let mut cut = journal.clone();
            cut.records[at].1.truncate(byte);
            assert!(!cut.audit().is_clean(), "record {at} cut at {byte}");
        }
    }
}
