//! Each rule has a journal that breaks it.

use std::collections::BTreeSet;

use stockade_domain::stock::{Admission, Lottery, SkuStatus};

use super::super::Rule;
use super::*;

#[test]
fn every_rule_has_a_record_that_breaks_it() {
    let mut met = BTreeSet::new();
    let others = super::markets::broken_markets()
        .into_iter()
        .chain(super::uses::broken_uses())
        .chain(super::edits::broken_edits())
        .chain(super::charges::broken_charges())
        .chain(super::alarms::broken_alarms())
        .chain(super::payments::broken_payments());
    for (rule, what, journal) in broken().into_iter().chain(broken_money()).chain(others) {
        let report = journal.audit();
        let rules: Vec<_> = report.faults.iter().map(|fault| fault.rule).collect();
        assert!(rules.contains(&rule), "{what}: {rule:?} is not among {:#?}", report.faults);
        met.insert(rule);
    }
    // These need more than records: `tests/audit.rs` damages a journal, `derived` what was derived.
    met.extend([Rule::JournalDamaged, Rule::SnapshotDiffers, Rule::ModelDiffers, Rule::DerivedDamaged]);
    let missing: Vec<_> = Rule::ALL.iter().filter(|rule| !met.contains(rule)).collect();
    assert!(missing.is_empty(), "no journal breaks {missing:?}");
}

const SEED: [u8; 32] = [1; 32];

/// A lottery that closes at a time.
fn lottery(closes_at: i64) -> StockEvent {
    let lottery = Lottery {
        opens_at: Timestamp(-1),
        closes_at: Timestamp(closes_at),
        seed_commitment: *blake3::hash(&SEED).as_bytes(),
        refuse_losers: false,
    };
    defined(move |definition| definition.admission = Some(Box::new(Admission::Lottery(lottery))))
}

/// Of the first two orders the one with the higher ticket.
fn drawn_last() -> OrderId {
    let ticket = |order: &OrderId| *blake3::keyed_hash(&SEED, &order.to_bytes()).as_bytes();
    [id(1), id(2)].into_iter().max_by_key(ticket).expect("there are two")
}

fn announced(quantity: u64) -> StockEvent {
    StockEvent::Announced { quantity, available_from: None, reference: None }
}

/// Journals that break a rule about records, stock or orders.
fn broken() -> Vec<(Rule, &'static str, Journal)> {
    let limited = |limit| defined(move |definition: &mut Definition| definition.limit_per_customer = Some(limit));
    let safe = defined(|definition| definition.safety_level = 9);
    let preorder = defined(|definition| definition.preorder = true);
    let waiting_list =
        defined(|definition| definition.admission = Some(Box::new(Admission::WaitingList { offer_seconds: 60 })));
    let paused = defined(|definition| definition.status = SkuStatus::Paused);
    let bought = StockEvent::Held {
        order: id(1),
        picks: picks(2),
        backordered: 0,
        settled: false,
        buyer: Some(ann()),
        tentative: false,
        context: None,
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
        (
            Rule::BackorderTurn,
            "a part is offered to who waits for all",
            skus_only(&[waiting_list, held(1, 0, 3), StockEvent::BackorderFilled { order: id(1), picks: picks(2) }]),
        ),
        (Rule::PromisedTwice, "more is sold than is coming", skus_only(&[preorder, announced(2), held(1, 0, 3)])),
        (
            Rule::PromisedTwice,
            "a promise is broken that still holds",
            skus_only(&[announced(3), held(1, 0, 3), StockEvent::Unpromised { order: id(1), quantity: 1 }]),
        ),
        (
            Rule::LotteryDraw,
            "an entry is let in before the draw",
            skus_only(&[lottery(0), held(1, 0, 3), StockEvent::BackorderFilled { order: id(1), picks: picks(3) }]),
        ),
        (Rule::LotteryDraw, "another seed is drawn", skus_only(&[lottery(0), StockEvent::Drawn { seed: [2; 32] }])),
        (
            Rule::LotteryDraw,
            "a lottery is drawn before it closes",
            skus_only(&[lottery(i64::MAX), StockEvent::Drawn { seed: SEED }]),
        ),
        (
            Rule::BackorderTurn,
            "the second ticket is served first",
            skus_only(&[
                lottery(0),
                held(1, 0, 3),
                held(2, 0, 3),
                StockEvent::Drawn { seed: SEED },
                StockEvent::BackorderFilled { order: drawn_last(), picks: picks(3) },
            ]),
        ),
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
        seller: None,
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
            "a card is paid without its gateway",
            after(Journal::default(), |j| {
                j.sku(&[defined(|_| {}), received(10), allocated(1, 1)])
                    .order(1, &[placed(1, 1, 0, &[(Method::Card, 1000)]), OrderEvent::PaidAtOnce { number: 0 }]);
            }),
        ),
        (
            Rule::PaymentWallet,
            "a wallet pays with its order and spends nothing",
            after(Journal::default(), |j| {
                j.sku(&[defined(|_| {}), received(10), allocated(1, 1)])
                    .order(1, &[placed(1, 1, 0, &[(Method::Wallet, 1000)]), OrderEvent::PaidAtOnce { number: 0 }]);
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
