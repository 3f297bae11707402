//! Each rule has a journal that breaks it and nothing else that matters; a whole sale breaks none.

use std::collections::BTreeSet;

use minicbor::Encode;
use stockade_domain::account::AccountEvent;
use stockade_domain::entity::{EntityKind, RemoteStep};
use stockade_domain::ledger::{LedgerAccount, LedgerEvent};
use stockade_domain::order::{LineUnits, OrderEvent, PlacedLine, PlannedPayment, ReturnedLine};
use stockade_domain::payment::{Method, PaymentEvent};
use stockade_domain::stock::{Definition, Disposition, Pick, Picks, ReleaseReason, SkuStatus, StockEvent};
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
}

impl Journal {
    fn record<E: Encode<()>>(&mut self, kind: EntityKind, key: &[u8], events: &[E]) -> &mut Self {
        let mut encoded = Vec::new();
        events.iter().for_each(|event| minicbor::encode(event, &mut encoded).unwrap());
        let (kind, digest) = (kind as u8, self.key.take());
        self.clock += SECOND;
        let head = RecordHead { kind, key, time: START + self.clock, note: 0, digest: digest.as_ref() };
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
    StockEvent::Held { order: id(n), picks, backordered, settled: false, buyer: None, tentative: false }
}

fn allocated(n: u128, quantity: u64) -> StockEvent {
    StockEvent::Held {
        order: id(n),
        picks: picks(quantity),
        backordered: 0,
        settled: true,
        buyer: None,
        tentative: false,
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
    let planned = |(method, cents): &(Method, i64)| PlannedPayment { method: *method, amount: eur(*cents).amount };
    let sku = SkuId::new("MUG").unwrap();
    OrderEvent::Placed {
        customer: Some(ann()),
        purchaser_key: None,
        currency: eur(0).currency,
        lines: [PlacedLine { sku, quantity, unit_price: eur(1000).amount, filled, backordered }].into_iter().collect(),
        charges: Default::default(),
        payments: payments.iter().map(planned).collect(),
        hold_expires_at: DEADLINE,
        body_digest: 0,
        attempt: 0,
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
    PaymentEvent::Created { order: id(n), method, money: eur(cents), payer: Some(ann()), credential: None }
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
fn every_rule_has_a_record_that_breaks_it() {
    let mut met = BTreeSet::new();
    for (rule, what, journal) in broken().into_iter().chain(broken_money()) {
        let report = journal.audit();
        let rules: Vec<_> = report.faults.iter().map(|fault| fault.rule).collect();
        assert!(rules.contains(&rule), "{what}: {rule:?} is not among {:#?}", report.faults);
        met.insert(rule);
    }
    // These need files: see `tests/audit.rs`.
    met.extend([Rule::JournalDamaged, Rule::SnapshotDiffers, Rule::ModelDiffers, Rule::DerivedDamaged]);
    let missing: Vec<_> = Rule::ALL.iter().filter(|rule| !met.contains(rule)).collect();
    assert!(missing.is_empty(), "no journal breaks {missing:?}");
}

/// Journals that break a rule about records, stock or orders.
fn broken() -> Vec<(Rule, &'static str, Journal)> {
    let limited = |limit| defined(move |definition: &mut Definition| definition.limit_per_customer = Some(limit));
    let safe = defined(|definition| definition.safety_level = 9);
    let paused = defined(|definition| definition.status = SkuStatus::Paused);
    let bought = StockEvent::Held {
        order: id(1),
        picks: picks(2),
        backordered: 0,
        settled: false,
        buyer: Some(ann()),
        tentative: false,
    };
    let nowhere = Picks::from_iter([Pick { bin: 7, quantity: 1 }]);
    let whole = || OrderEvent::Cancelled { lines: Default::default(), whole: true };
    vec![
        (Rule::RecordMalformed, "bytes that are no record", after(sale(), |j| j.records[1].1.truncate(3))),
        (Rule::SequenceBroken, "a record that is missing", after(sale(), |j| drop(j.records.remove(1)))),
        (
            Rule::TimeBackwards,
            "an actor's clock that goes back",
            after(sale(), |j| {
                j.later(-100).sku(&[received(1)]);
            }),
        ),
        (
            Rule::KeyUsedTwice,
            "a key bound twice",
            after(sale(), |j| {
                j.keyed(5).sku(&[received(1)]).keyed(5).sku(&[received(1)]);
            }),
        ),
        (
            Rule::StockIdentity,
            "units that nobody held are released",
            skus_only(&[held(1, 2, 0), held(2, 1, 0), released(1, 3)]),
        ),
        (
            Rule::StockNegative,
            "more is adjusted out than there is",
            skus_only(&[StockEvent::AdjustedDown { picks: picks(11), reason: "count".into() }]),
        ),
        (Rule::Oversold, "eleven of ten are held", skus_only(&[held(1, 11, 0)])),
        (Rule::QuantityInvalid, "nothing is received", skus_only(&[received(0)])),
        (Rule::QuantityInvalid, "more is received than can be", skus_only(&[received(u64::MAX)])),
        (
            Rule::BinUnknown,
            "units leave a bin that is not there",
            skus_only(&[StockEvent::AdjustedDown { picks: nowhere, reason: "count".into() }]),
        ),
        (Rule::SkuNotSellable, "a paused SKU is sold", skus_only(&[paused, held(1, 1, 0)])),
        (Rule::CommitmentTwice, "an order holds a SKU twice", skus_only(&[held(1, 1, 0), held(1, 1, 0)])),
        (Rule::CommitmentUnknown, "a hold ends twice", skus_only(&[held(1, 1, 0), released(1, 1), released(1, 1)])),
        (
            Rule::CommitmentUnknown,
            "expiry and settlement both win",
            skus_only(&[held(1, 1, 0), released(1, 1), StockEvent::Settled { order: id(1) }]),
        ),
        (Rule::BackorderTurn, "a newcomer overtakes", skus_only(&[held(1, 0, 3), held(2, 1, 0)])),
        (
            Rule::BackorderTurn,
            "the second in line is filled",
            skus_only(&[held(1, 0, 3), held(2, 0, 3), StockEvent::BackorderFilled { order: id(2), picks: picks(3) }]),
        ),
        (Rule::BackorderBound, "more waits than may", skus_only(&[held(1, 0, 101)])),
        (Rule::CustomerLimit, "a customer gets two of one", skus_only(&[limited(1), bought])),
        (Rule::SafetyLevel, "the last nine are sold", skus_only(&[safe, held(1, 2, 0)])),
        (
            Rule::ExpiredSold,
            "an expired lot is sold",
            after(Journal::default(), |j| {
                j.sku(&[defined(|_| {}), received_at(5, Some(Timestamp(START))), held(1, 1, 0)]);
            }),
        ),
        (
            Rule::OrderTwice,
            "an id is placed twice",
            after(sale(), |j| {
                j.order(1, &[placed(2, 2, 0, &[])]);
            }),
        ),
        (
            Rule::OrderUnknown,
            "an order begins in the middle",
            after(sale(), |j| {
                j.order(2, &[OrderEvent::Delivered]);
            }),
        ),
        (
            Rule::OrderTransition,
            "an unpaid order is shipped",
            after(unpaid(), |j| {
                j.sku(&[StockEvent::Settled { order: id(1) }, shipped(1, 2)]).order(1, &[sent(2)]);
            }),
        ),
        (
            Rule::OrderTransition,
            "a shipped order is cancelled",
            after(sale(), |j| {
                j.sku(&[shipped(1, 2)]).order(1, &[sent(2), whole()]);
            }),
        ),
        (
            Rule::OrderTransition,
            "an order expires before its deadline",
            after(unpaid(), |j| {
                j.sku(&[released(1, 2)]).order(1, &[OrderEvent::Expired]);
            }),
        ),
        (
            Rule::OrderTransition,
            "an order ends twice",
            after(unpaid(), |j| {
                j.sku(&[released(1, 2)]).order(1, &[whole(), whole()]);
            }),
        ),
        (
            Rule::OrderTransition,
            "a step is done that nobody owes",
            after(sale(), |j| {
                j.order(1, &[OrderEvent::StepDone { step: 0 }]);
            }),
        ),
        (
            Rule::LineUnits,
            "more is shipped than was accepted",
            after(sale(), |j| {
                j.sku(&[shipped(1, 2)]).order(1, &[sent(3)]);
            }),
        ),
        (
            Rule::LineUnits,
            "more comes back than left",
            after(sale(), |j| {
                j.sku(&[shipped(1, 2)]).order(1, &[sent(2), came_back(3, 0)]).sku(&[took_back(1, 3)]);
            }),
        ),
        (
            Rule::OrderStock,
            "a SKU forgets what an order has",
            after(sale(), |j| {
                let gone = StockEvent::Released {
                    order: id(1),
                    held: none(),
                    allocated: picks(2),
                    reason: ReleaseReason::Cancelled,
                };
                j.sku(&[gone]);
            }),
        ),
        (Rule::OrderStock, "a SKU keeps units for nobody", skus_only(&[held(9, 1, 0)])),
        (
            Rule::OrderStock,
            "an order ships what the SKU does not",
            after(sale(), |j| {
                j.order(1, &[sent(2)]);
            }),
        ),
        (
            Rule::TentativeHold,
            "a hold whose order never came",
            after(skus_only(&[tentative(9, 1)]), |j| {
                j.later(3600);
                (0..5000).for_each(|_| {
                    j.sku(&[received(1)]);
                });
            }),
        ),
    ]
}

/// Journals that break a rule about money.
fn broken_money() -> Vec<(Rule, &'static str, Journal)> {
    let amount = |cents| eur(cents).amount;
    let hold = |cents| AccountEvent::Held { payment: payment(2, 0), amount: amount(cents) };
    let spend = |cents| AccountEvent::Spent { payment: payment(2, 0), amount: amount(cents) };
    let with_wallet = |events: &[AccountEvent]| {
        after(sale(), |j| {
            j.wallet(&[credited(5000)]).wallet(events);
        })
    };
    let usd = Money::parse("1.00 USD").unwrap();
    let nothing = LedgerEvent::Entered {
        debit: LedgerAccount::Cash,
        credit: LedgerAccount::Cash,
        money: eur(1),
        memo: "".into(),
    };
    vec![
        (
            Rule::OrderPayments,
            "payments exceed the total",
            after(Journal::default(), |j| {
                j.sku(&[defined(|_| {}), received(10), allocated(1, 1)])
                    .order(1, &[placed(1, 1, 0, &[(Method::External, 2000)]), secured(0)])
                    .pay(1, 0, &[created(1, Method::External, 2000), got_paid()]);
            }),
        ),
        (
            Rule::OrderMoney,
            "goods go out for money that went back",
            after(sale(), |j| {
                j.order(
                    1,
                    &[
                        OrderEvent::RefundStarted { number: 0, amount: amount(2000) },
                        OrderEvent::Refunded { number: 0, amount: amount(2000), done: true },
                    ],
                )
                .pay(
                    1,
                    0,
                    &[
                        PaymentEvent::RefundRequested { number: 1, amount: amount(2000) },
                        PaymentEvent::Refunded { number: 1 },
                    ],
                );
            }),
        ),
        (
            Rule::RefundExceeds,
            "more is granted than was paid",
            after(sale(), |j| {
                j.order(1, &[OrderEvent::RefundGranted { amount: amount(2001), reason: "".into() }]);
            }),
        ),
        (
            Rule::RefundExceeds,
            "a payment gives back more than it got",
            after(sale(), |j| {
                j.pay(1, 0, &[PaymentEvent::RefundRequested { number: 1, amount: amount(2001) }]);
            }),
        ),
        (
            Rule::PaymentTwice,
            "a payment is created twice",
            after(sale(), |j| {
                j.pay(1, 0, &[created(1, Method::External, 2000)]);
            }),
        ),
        (
            Rule::PaymentUnknown,
            "a payment begins in the middle",
            after(sale(), |j| {
                j.pay(9, 0, &[got_paid()]);
            }),
        ),
        (
            Rule::PaymentTransition,
            "a declined payment succeeds",
            after(waiting_for_card(), |j| {
                j.pay(1, 0, &[declined(), got_paid()]);
            }),
        ),
        (
            Rule::PaymentTransition,
            "a refund ends twice",
            after(sale(), |j| {
                let request = PaymentEvent::RefundRequested { number: 1, amount: amount(500) };
                j.pay(1, 0, &[request, PaymentEvent::Refunded { number: 1 }, PaymentEvent::Refunded { number: 1 }]);
            }),
        ),
        (
            Rule::BooksUnbalanced,
            "money moves twice for one payment",
            after(sale(), |j| {
                j.pay(1, 0, &[got_paid()]);
            }),
        ),
        (Rule::BooksWallets, "a wallet pays for nothing", with_wallet(&[spend(1000)])),
        (Rule::WalletNegative, "a wallet spends more than it has", with_wallet(&[spend(5001)])),
        (Rule::WalletNegative, "a wallet holds more than it has", with_wallet(&[hold(5001)])),
        (Rule::WalletOnce, "money is held twice", with_wallet(&[hold(100), hold(100)])),
        (
            Rule::WalletOnce,
            "a hold is settled and released",
            with_wallet(&[
                hold(100),
                AccountEvent::Settled { payment: payment(2, 0) },
                AccountEvent::Released { payment: payment(2, 0) },
            ]),
        ),
        (
            Rule::WalletOnce,
            "a refund comes twice",
            with_wallet(&[
                spend(100),
                AccountEvent::Refunded { payment: payment(2, 0), refund: 1, money: eur(50) },
                AccountEvent::Refunded { payment: payment(2, 0), refund: 1, money: eur(50) },
            ]),
        ),
        (
            Rule::WalletMoney,
            "two currencies in a wallet",
            with_wallet(&[AccountEvent::Credited { money: usd, reference: None }]),
        ),
        (
            Rule::EntryInvalid,
            "an entry to itself",
            after(sale(), |j| {
                j.books(&[nothing]);
            }),
        ),
        (
            Rule::OrderPayment,
            "an order believes in a payment that failed",
            after(waiting_for_card(), |j| {
                j.sku(&[StockEvent::Settled { order: id(1) }]).order(1, &[secured(0)]).pay(1, 0, &[declined()]);
            }),
        ),
        (
            Rule::OrderPayment,
            "a payment for an order that does not know it",
            after(sale(), |j| {
                j.pay(1, 5, &[created(1, Method::External, 100), got_paid()]);
            }),
        ),
        (
            Rule::PaymentWallet,
            "a wallet payment that no wallet paid",
            after(Journal::default(), |j| {
                j.sku(&[defined(|_| {}), received(10), allocated(1, 1)])
                    .order(1, &[placed(1, 1, 0, &[(Method::Wallet, 1000)]), secured(0)])
                    .pay(1, 0, &[created(1, Method::Wallet, 1000), got_paid()]);
            }),
        ),
    ]
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
