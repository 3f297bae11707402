//! Journals of a market: a sale of offers and a bid break no rule, and each rule of the market has a journal that does.

use smallvec::smallvec;
use stockade_domain::BookOrderId;
use stockade_domain::account::Backing;
use stockade_domain::book::{BookEvent, EndReason, FillId, Maker, Owner, Side, Terms};
use stockade_domain::order::LineClaim;
use stockade_domain::stock::market::{BidPayment, ClaimFill, NewClaim, Serial};
use stockade_domain::stock::{MarketEvent, MarketRules};

use super::super::Rule;
use super::*;

type Book = BookEvent<BookOrderId>;

fn party(n: u128) -> BookOrderId {
    BookOrderId::new(Timestamp(START), 1_000 + n)
}

fn named(name: &str) -> CustomerId {
    CustomerId::new(name).unwrap()
}

fn market(event: MarketEvent) -> StockEvent {
    StockEvent::Market(Box::new(event))
}

fn offered(n: u128, seller: &str, quantity: u64, cents: i64) -> StockEvent {
    market(MarketEvent::Offered {
        id: party(n),
        seller: named(seller),
        quantity,
        unit_price: eur(cents).amount,
        body_digest: 1,
        at: Timestamp(START),
        expires_at: None,
        serials: None,
    })
}

/// Five of bob's units at 9.00, under these numbers.
fn numbered(names: &[&str]) -> StockEvent {
    let StockEvent::Market(mut event) = offered(1, "bob", 5, 900) else { unreachable!() };
    if let MarketEvent::Offered { serials, .. } = &mut *event {
        *serials = Some(Box::new(serials_of(names)));
    }
    StockEvent::Market(event)
}

fn serials_of(names: &[&str]) -> Vec<Serial> {
    names.iter().map(|name| Serial::new(name).unwrap()).collect()
}

/// The first order's two units of bob's numbered ones, paid and shipped under these numbers.
fn shipped_under(names: &[&str]) -> Journal {
    let mut journal = Journal::default();
    let taker = BookOrderId::from(id(1));
    journal
        .sku(&[
            defined(|_| {}),
            market(MarketEvent::Opened(MarketRules::default())),
            numbered(&["a", "b", "c", "d", "e"]),
        ])
        .sku(&[traded(1, &[stands(1, 1, Side::Supply, 5, 900, 1)])])
        .sku(&[traded(2, &[filled(1, 1, taker, 2, 900)]), claimed(1, 1, 2, None)])
        .order(1, &[order_of_bob(2, None)])
        .sku(&[settled_claims(1)])
        .order(
            1,
            &[
                OrderEvent::PaymentsStarted { payments: payments(&[(Method::External, 1800)]) },
                OrderEvent::PaidAtOnce { number: 0 },
            ],
        );
    let serials = (!names.is_empty()).then(|| Box::new(serials_of(names)));
    let shipped = MarketEvent::ClaimShipped { order: id(1), claim: 0, fills: fills(1, 2), serials };
    let sold = BookEvent::Settled { fill: FillId(1), quantity: 2 };
    journal.sku(&[market(shipped), traded(3, &[sold])]).order(1, &[sent(2), earned(1800)]);
    journal
}

fn bid(n: u128, quantity: u64, cents: i64) -> StockEvent {
    market(MarketEvent::Bid {
        id: party(n),
        customer: ann(),
        quantity,
        limit_price: eur(cents).amount,
        payment: BidPayment::Wallet,
        body_digest: 1,
        at: Timestamp(START),
        expires_at: None,
        seller: None,
    })
}

fn traded(first: u64, events: &[Book]) -> StockEvent {
    market(MarketEvent::Traded { first, events: events.to_vec() })
}

fn stands(n: u128, owner: u32, side: Side, quantity: u64, cents: i64, ordinal: u64) -> Book {
    let (owner, price) = (Owner(owner), eur(cents).amount.0);
    BookEvent::Placed { id: party(n), owner, side, price, quantity, ordinal, terms: Terms::default() }
}

fn filled(fill: u64, maker: u128, taker: BookOrderId, quantity: u64, cents: i64) -> Book {
    let (fill, maker, price) = (FillId(fill), Maker::Order(party(maker)), eur(cents).amount.0);
    BookEvent::Filled { fill, maker, taker, side: Side::Demand, price, quantity }
}

fn fills(fill: u64, quantity: u64) -> smallvec::SmallVec<[ClaimFill; 1]> {
    smallvec![ClaimFill { fill: FillId(fill), quantity }]
}

fn claimed(order: u128, fill: u64, quantity: u64, bid: Option<BookOrderId>) -> StockEvent {
    let claim = NewClaim {
        number: 0,
        seller: named("bob"),
        unit_price: eur(900).amount,
        fills: fills(fill, quantity),
        line: 0,
    };
    let (order, claims) = (id(order), smallvec![claim]);
    market(MarketEvent::Claimed { order, claims, settled: false, buyer: None, tentative: false, bid })
}

fn shipped_claim(order: u128, fill: u64, quantity: u64) -> StockEvent {
    market(MarketEvent::ClaimShipped { order: id(order), claim: 0, fills: fills(fill, quantity), serials: None })
}

fn settled_claims(order: u128) -> StockEvent {
    market(MarketEvent::ClaimsSettled { order: id(order) })
}

/// What bob earned more by units at 9.00 each, in cents; a tenth is the house's.
fn earned(cents: i64) -> OrderEvent {
    let [amount, commission] = [cents * 9 / 10, cents / 10].map(|cents| eur(cents).amount);
    OrderEvent::PayoutDue { line: 0, seller: named("bob"), amount, commission, promoted: stockade_domain::Amount::ZERO }
}

/// An order of bob's units at 9.00.
fn order_of_bob(units: u64, bid: Option<BookOrderId>) -> OrderEvent {
    let claim = Some(Box::new(LineClaim { number: 0, seller: named("bob"), commission_bps: 1_000 }));
    let OrderEvent::Placed { lines, payments, .. } = placed(units, units, 0, &[]) else { unreachable!() };
    let line = PlacedLine { unit_price: eur(900).amount, claim, ..lines[0].clone() };
    OrderEvent::Placed {
        customer: Some(ann()),
        purchaser_key: None,
        currency: eur(0).currency,
        lines: [line].into_iter().collect(),
        charges: [].into_iter().collect(),
        payments,
        hold_expires_at: DEADLINE,
        body_digest: 0,
        attempt: 0,
        waiting: false,
        bid: bid.map(Box::new),
        promoted: None,
        deferred: None,
    }
}

/// Ten mugs of the house at 10.00, five of bob's at 9.00 and five of eve's at 9.50.
fn shop() -> Journal {
    let mut journal = Journal::default();
    journal
        .sku(&[defined(|_| {}), received(10), market(MarketEvent::Opened(MarketRules::default()))])
        .sku(&[offered(1, "bob", 5, 900), traded(1, &[stands(1, 1, Side::Supply, 5, 900, 1)])])
        .sku(&[offered(2, "eve", 5, 950), traded(2, &[stands(2, 2, Side::Supply, 5, 950, 2)])]);
    journal
}

/// Order 1 holds two of bob's.
fn bought() -> Journal {
    after(shop(), |journal| {
        let taker = BookOrderId::from(id(1));
        journal.sku(&[traded(3, &[filled(1, 1, taker, 2, 900)]), claimed(1, 1, 2, None)]);
        journal.order(1, &[order_of_bob(2, None)]);
    })
}

fn set_aside(n: u128, cents: i64) -> AccountEvent {
    let backing = Backing { sku: SkuId::new("MUG").unwrap(), bid: party(n) };
    let payment = PaymentId::of_bid(&backing.sku, party(n));
    AccountEvent::SetAside { payment, amount: eur(cents).amount, backing }
}

/// Ann bids for two at 8.00, and 16.00 are set aside.
fn bidding() -> Journal {
    after(shop(), |journal| {
        journal.sku(&[bid(3, 2, 800), traded(3, &[stands(3, 3, Side::Demand, 2, 800, 3)])]);
        journal.wallet(&[credited(10_000), set_aside(3, 1600)]);
    })
}

fn cancelled(order: u128) -> [StockEvent; 2] {
    let reason = ReleaseReason::Cancelled;
    let released = MarketEvent::ClaimReleased { order: id(order), claim: 0, fills: fills(1, 2), reason };
    let back = BookEvent::Released { fill: FillId(1), quantity: 2, returns: Side::Supply, reopened: 2 };
    [market(released), traded(4, &[back])]
}

#[test]
fn a_market_in_which_all_goes_well_breaks_no_rule() {
    for (what, journal) in [
        ("bought", bought()),
        ("bidding", bidding()),
        ("bought and shipped under serial numbers", shipped_under(&["a", "b"])),
        (
            "bought, paid, shipped and returned",
            after(bought(), |journal| {
                journal.sku(&[settled_claims(1)]);
                journal.order(
                    1,
                    &[
                        OrderEvent::PaymentsStarted { payments: payments(&[(Method::External, 1800)]) },
                        OrderEvent::PaidAtOnce { number: 0 },
                    ],
                );
                let sold = BookEvent::Settled { fill: FillId(1), quantity: 2 };
                journal.sku(&[shipped_claim(1, 1, 2), traded(4, &[sold])]).order(1, &[sent(2), earned(1800)]);
                let (order, quantity, buyer) = (id(1), 1, None);
                journal.sku(&[market(MarketEvent::ClaimReturned { order, claim: 0, quantity, buyer })]);
                journal.order(1, &[came_back(1, 0), earned(-900)]);
                journal.books(&[paid_out(810)]);
            }),
        ),
        (
            "cancelled",
            after(bought(), |journal| {
                journal.sku(&cancelled(1));
                journal.order(1, &[OrderEvent::Cancelled { lines: [].into_iter().collect(), whole: true }]);
            }),
        ),
        (
            "withdrawn",
            after(bidding(), |journal| {
                let ended = |n, quantity| BookEvent::Ended { id: party(n), quantity, reason: EndReason::Cancelled };
                journal.sku(&[traded(4, &[ended(3, 2), ended(1, 5)])]).wallet(&[set_aside(3, 0)]);
            }),
        ),
    ] {
        let report = journal.audit();
        assert!(report.is_clean(), "{what}: {:#?}", report.faults);
    }
}

/// Bob gets money by hand.
fn paid_out(cents: i64) -> LedgerEvent {
    let (debit, credit, money) = (LedgerAccount::Payable, LedgerAccount::Cash, eur(cents));
    LedgerEvent::Entered { debit, credit, money, memo: "week 47".into(), seller: Some(named("bob")) }
}

fn payments(payments: &[(Method, i64)]) -> smallvec::SmallVec<[PlannedPayment; 1]> {
    let row = |(method, cents): &(Method, i64)| PlannedPayment {
        method: *method,
        amount: eur(*cents).amount,
        reference: None,
    };
    payments.iter().map(row).collect()
}

/// Order 1 has two of bob's, paid; then something happens to it.
fn sold_and(then: &[OrderEvent]) -> Journal {
    after(bought(), |journal| {
        journal.sku(&[settled_claims(1)]);
        let started = OrderEvent::PaymentsStarted { payments: payments(&[(Method::External, 1800)]) };
        journal.order(1, &[started, OrderEvent::PaidAtOnce { number: 0 }]).order(1, then);
    })
}

/// The same, both sent.
fn sent_and(then: &[OrderEvent]) -> Journal {
    let sold = BookEvent::Settled { fill: FillId(1), quantity: 2 };
    after(sold_and(&[]), |journal| {
        journal.sku(&[shipped_claim(1, 1, 2), traded(4, &[sold])]).order(1, &[&[sent(2)], then].concat());
    })
}

/// Journals that break a rule about markets.
pub(super) fn broken_markets() -> Vec<(Rule, &'static str, Journal)> {
    let taker = BookOrderId::from(id(1));
    let then = |journal: Journal, events: &[StockEvent]| {
        after(journal, |journal| {
            journal.sku(events);
        })
    };
    let late = |journal: Journal| {
        after(journal, |journal| {
            for n in 0..70 {
                journal.wallet(&[credited(1 + n)]);
            }
        })
    };
    vec![
        (
            Rule::MarketSequence,
            "events are missing",
            then(shop(), &[traded(5, &[stands(9, 9, Side::Supply, 1, 1, 9)])]),
        ),
        (Rule::SellerEarnings, "a seller is not told what he earned", late(sent_and(&[]))),
        (Rule::SellerEarnings, "a seller earns twice", sent_and(&[earned(1800), earned(1800)])),
        (Rule::SellerEarnings, "a seller is told less than he earned", sent_and(&[earned(1700)])),
        (Rule::SellerEarnings, "a seller earns before anything is sent", sold_and(&[earned(900)])),
        (
            Rule::EntryInvalid,
            "what is payable is paid out to nobody",
            after(shop(), |journal| {
                let LedgerEvent::Entered { debit, credit, money, memo, .. } = paid_out(100);
                journal.books(&[LedgerEvent::Entered { debit, credit, money, memo, seller: None }]);
            }),
        ),
        (Rule::SerialNumbers, "a number is shipped twice", shipped_under(&["a", "a"])),
        (Rule::SerialNumbers, "a number that nobody offered is shipped", shipped_under(&["a", "z"])),
        (Rule::SerialNumbers, "a unit is shipped without its number", shipped_under(&["a"])),
        (Rule::SerialNumbers, "an offer has fewer numbers than units", then(Journal::default(), &[numbered(&["a"])])),
        (
            Rule::MarketSequence,
            "a fill is numbered twice",
            then(bought(), &[traded(4, &[filled(1, 1, taker, 1, 900)])]),
        ),
        (
            Rule::MarketSequence,
            "a place in line is given again",
            then(shop(), &[offered(3, "eve", 1, 990), traded(3, &[stands(3, 2, Side::Supply, 1, 990, 2)])]),
        ),
        (
            Rule::MarketUnits,
            "more is sold than was offered",
            then(shop(), &[traded(3, &[filled(1, 1, taker, 6, 900)])]),
        ),
        (
            Rule::MarketUnits,
            "a fill ends that was never made",
            then(shop(), &[traded(3, &[BookEvent::Settled { fill: FillId(7), quantity: 1 }])]),
        ),
        (Rule::MarketPrice, "not the maker's price", then(shop(), &[traded(3, &[filled(1, 1, taker, 1, 901)])])),
        (
            Rule::MarketPrice,
            "beyond the bid's limit",
            then(shop(), &[bid(3, 1, 800), traded(3, &[filled(1, 1, party(3), 1, 900)])]),
        ),
        (
            Rule::MarketPriority,
            "the dearer one before the cheaper",
            then(
                shop(),
                &[
                    bid(3, 1, 1000),
                    traded(3, &[stands(3, 3, Side::Demand, 1, 1000, 3), filled(1, 2, party(3), 1, 950)]),
                ],
            ),
        ),
        (
            Rule::MarketCrossed,
            "a bid waits beside an offer it could have",
            then(shop(), &[bid(3, 1, 1000), traded(3, &[stands(3, 3, Side::Demand, 1, 1000, 3)])]),
        ),
        (Rule::ClaimUnits, "a fill is nobody's", then(shop(), &[traded(3, &[filled(1, 1, taker, 1, 900)])])),
        (
            Rule::ClaimUnits,
            "a claim ends twice",
            after(bought(), |journal| {
                journal.sku(&cancelled(1)).sku(&cancelled(1)[..1]);
            }),
        ),
        (Rule::ClaimUnits, "shipped before it was paid", then(bought(), &[shipped_claim(1, 1, 2)])),
        (
            Rule::OrderStock,
            "offers keep units for an order that is over",
            after(bought(), |journal| {
                journal.order(1, &[OrderEvent::Cancelled { lines: [].into_iter().collect(), whole: true }]);
            }),
        ),
        (Rule::OrderStock, "an order has units that no offer keeps", then(bought(), &cancelled(1))),
        (
            Rule::BidMoney,
            "too little is set aside",
            late(after(bidding(), |journal| {
                journal.wallet(&[set_aside(3, 800)]);
            })),
        ),
        (
            Rule::BidMoney,
            "money is kept for a bid that is over",
            late(after(bidding(), |journal| {
                let ended = BookEvent::Ended { id: party(3), quantity: 2, reason: EndReason::Cancelled };
                journal.sku(&[traded(4, &[ended])]);
            })),
        ),
        (
            Rule::BidMoney,
            "nothing was set aside",
            late(then(shop(), &[bid(3, 2, 800), traded(3, &[stands(3, 3, Side::Demand, 2, 800, 3)])])),
        ),
    ]
}

#[test]
fn each_way_to_break_a_market_is_found() {
    for (rule, what, journal) in broken_markets().into_iter().chain(broken_in_detail()) {
        let report = journal.audit();
        let rules: Vec<_> = report.faults.iter().map(|fault| fault.rule).collect();
        assert!(rules.contains(&rule), "{what}: {rule:?} is not among {:#?}", report.faults);
    }
}

/// More of them: what a look at sums alone would not find.
pub(super) fn broken_in_detail() -> Vec<(Rule, &'static str, Journal)> {
    let taker = BookOrderId::from(id(1));
    let then = |journal: Journal, events: &[StockEvent]| {
        after(journal, |journal| {
            journal.sku(events);
        })
    };
    let ended = |n, quantity| BookEvent::Ended { id: party(n), quantity, reason: EndReason::Cancelled };
    let too_much_back = BookEvent::Released { fill: FillId(1), quantity: 2, returns: Side::Supply, reopened: 3 };
    let no_offers = [traded(3, &[ended(1, 5), ended(2, 5)]), bid(4, 1, 1000)];
    let waits = traded(5, &[stands(4, 4, Side::Demand, 1, 1000, 4)]);
    let an_offer_first = [
        traded(3, &[ended(1, 5), ended(2, 5)]),
        offered(3, "eve", 1, 1000),
        traded(5, &[stands(3, 2, Side::Supply, 1, 1000, 3)]),
        bid(4, 1, 1000),
        traded(6, &[stands(4, 4, Side::Demand, 1, 1000, 4), filled(1, 3, party(4), 1, 1000)]),
    ];
    let backing = Backing { sku: SkuId::new("MUG").unwrap(), bid: party(3) };
    let foreign = AccountEvent::SetAside { payment: payment(1, 0), amount: eur(1).amount, backing };
    vec![
        (
            Rule::MarketUnits,
            "more came back than went",
            then(bought(), &[cancelled(1)[0].clone(), traded(4, &[too_much_back])]),
        ),
        (Rule::MarketUnits, "a part of it ended, and the rest was lost", then(shop(), &[traded(3, &[ended(1, 4)])])),
        (Rule::MarketSequence, "nothing happened, with a number", then(shop(), &[traded(0, &[])])),
        (Rule::MarketSequence, "the last number there is", then(shop(), &[traded(u64::MAX, &[ended(1, 5)])])),
        (Rule::MarketPriority, "an offer before the house at its price", then(shop(), &an_offer_first)),
        (Rule::MarketCrossed, "a bid waits beside the house", then(shop(), &[&no_offers[..], &[waits]].concat())),
        (
            Rule::ClaimUnits,
            "claimed at another price than it was filled",
            then(shop(), &[traded(3, &[filled(1, 2, taker, 2, 950)]), claimed(1, 1, 2, None)]),
        ),
        (
            Rule::BidMoney,
            "set aside under another's name",
            after(bidding(), |journal| {
                journal.wallet(&[foreign]);
            }),
        ),
    ]
}
