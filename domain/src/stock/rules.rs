//! The rules of a SKU, one by one, each as a sentence.

use super::admission::{Admission, Lottery};
use super::market::MarketRules;
use super::sourcing::{SourcingPlan, SourcingStrategy};
use super::{
    Definition, Disposition, HoldMode, ReleaseReason, SkuStatus, Stock, StockCommand as C, StockEvent, decide,
};
use crate::book::PRICE_MAX;
use crate::{Amount, CustomerId, Location, Lot, Money, OrderId, QUANTITY_MAX, Quantity, Refusal, SkuId, Timestamp};

const ALL: HoldMode = HoldMode { partial: false, backorder: false };
const WAIT: HoldMode = HoldMode { partial: false, backorder: true };
const PARTIAL: HoldMode = HoldMode { partial: true, backorder: false };
const DAY: i64 = 86_400_000_000;

struct Shelf {
    stock: Stock,
    now: Timestamp,
}

fn order(n: u128) -> OrderId {
    OrderId::new(Timestamp(0), n)
}

fn place(name: &str) -> Location {
    Location::new(name).unwrap()
}

fn name(text: &str) -> Option<CustomerId> {
    Some(CustomerId::new(text).unwrap())
}

fn definition() -> Definition {
    Definition { backorder_max: Some(100), ..Definition::new("thing", Money::parse("1.00 EUR").unwrap()) }
}

fn receive(location: &str, lot: Option<&str>, expires_at: Option<i64>, quantity: Quantity) -> C {
    let lot = lot.map(|lot| Lot::new(lot).unwrap());
    C::Receive { location: place(location), lot, expires_at: expires_at.map(Timestamp), quantity, unit_cost: None }
}

fn hold(n: u128, quantity: Quantity, mode: HoldMode) -> C {
    C::Hold {
        order: order(n),
        quantity,
        mode,
        settled: false,
        buyer: None,
        tentative: false,
        context: None,
        taking: None,
    }
}

fn hold_for(n: u128, quantity: Quantity, buyer: Option<CustomerId>) -> C {
    C::Hold {
        order: order(n),
        quantity,
        mode: WAIT,
        settled: false,
        buyer,
        tentative: false,
        context: None,
        taking: None,
    }
}

fn adjust(location: &str, delta: i64, force: bool) -> C {
    C::Adjust { location: place(location), lot: None, delta, reason: "counted".into(), force }
}

fn release(n: u128) -> C {
    C::ReleaseAll { order: order(n), reason: ReleaseReason::Cancelled }
}

impl Shelf {
    fn of(definition: Definition) -> Self {
        let mut shelf = Self { stock: Stock::new(SkuId::new("sku").unwrap()), now: Timestamp(DAY) };
        shelf.run(C::Define(Box::new(definition))).unwrap();
        shelf
    }

    fn with(quantity: Quantity) -> Self {
        let mut shelf = Self::of(definition());
        shelf.run(receive("main", None, None, quantity)).unwrap();
        shelf
    }

    fn run(&mut self, command: C) -> Result<Vec<&'static str>, Refusal> {
        let mut events = Vec::new();
        decide(&self.stock, &command, self.now, &mut events)?;
        events.iter().for_each(|event| self.stock.apply(event));
        self.stock.check();
        Ok(events.iter().map(StockEvent::name).collect())
    }

    fn code(&mut self, command: C) -> &'static str {
        let before = self.stock.clone();
        let code = self.run(command).expect_err("it is refused").code();
        assert_eq!(self.stock, before, "a refusal changes nothing");
        code
    }

    /// Held, allocated and waiting units of an order.
    fn of_order(&self, n: u128) -> (Quantity, Quantity, Quantity) {
        let (held, allocated) = self.stock.commitments.get(&order(n)).map_or((0, 0), |commitment| commitment.units());
        let waiting = self.stock.backorders.iter().filter(|row| row.order == order(n)).map(|row| row.quantity).sum();
        (held, allocated, waiting)
    }
}

#[test]
fn a_hold_is_refused_for_the_first_reason_that_applies() {
    let mut nothing = Shelf { stock: Stock::new(SkuId::new("sku").unwrap()), now: Timestamp(DAY) };
    assert_eq!(nothing.code(hold(1, 0, ALL)), "sku_unknown");
    let mut paused = Shelf::of(Definition { status: SkuStatus::Paused, ..definition() });
    assert_eq!(paused.code(hold(1, 0, ALL)), "sku_not_sellable");
    let mut shelf = Shelf::of(Definition { limit_per_customer: Some(2), ..definition() });
    shelf.run(receive("main", None, None, 10)).unwrap();
    shelf.run(hold_for(1, 1, name("ann"))).unwrap();
    for (command, code) in [
        (hold_for(1, 0, None), "quantity_invalid"),
        (hold_for(1, QUANTITY_MAX + 1, None), "quantity_invalid"),
        (hold_for(1, 1, None), "customer_required"),
        (hold_for(1, 2, name("ann")), "limit_exceeded"),
        (hold_for(1, 1, name("ann")), "id_conflict"),
        (hold_for(2, 2, name("ann")), "limit_exceeded"),
    ] {
        assert_eq!(shelf.code(command.clone()), code, "{command:?}");
    }
    let mut shelf = Shelf::with(3);
    assert_eq!(shelf.code(hold(1, 4, ALL)), "stock_exhausted");
    assert_eq!(shelf.code(hold(1, 104, WAIT)), "stock_exhausted", "more would wait than may");
}

#[test]
fn what_cannot_be_filled_is_refused_forgotten_or_waits_as_the_buyer_chose() {
    let both = HoldMode { partial: true, backorder: true };
    for (mode, wanted, got) in
        [(ALL, 3, (3, 0, 0)), (PARTIAL, 5, (3, 0, 0)), (WAIT, 5, (3, 0, 2)), (both, 200, (3, 0, 100))]
    {
        let mut shelf = Shelf::with(3);
        shelf.run(hold(1, wanted, mode)).unwrap();
        assert_eq!(shelf.of_order(1), got, "{mode:?}");
    }
}

#[test]
fn who_waits_is_served_in_turn_in_part_if_need_be_and_nobody_overtakes() {
    let mut shelf = Shelf::with(1);
    shelf.run(hold(1, 4, WAIT)).unwrap();
    shelf.run(hold(2, 2, WAIT)).unwrap();
    assert_eq!(shelf.run(receive("main", None, None, 2)).unwrap(), ["received", "backorder_filled"]);
    assert_eq!((shelf.of_order(1), shelf.of_order(2)), ((3, 0, 1), (0, 0, 2)));
    assert_eq!(shelf.code(hold(3, 1, ALL)), "stock_exhausted");
    shelf.run(receive("main", None, None, 2)).unwrap();
    assert_eq!((shelf.of_order(1), shelf.of_order(2)), ((4, 0, 0), (1, 0, 1)));
    shelf.run(release(1)).unwrap();
    assert_eq!(shelf.of_order(2), (2, 0, 0));
    assert_eq!(shelf.stock.available(shelf.now), 3);
}

#[test]
fn a_lower_safety_level_serves_those_who_wait() {
    let mut shelf = Shelf::of(Definition { safety_level: 5, ..definition() });
    shelf.run(receive("main", None, None, 5)).unwrap();
    shelf.run(hold(1, 2, WAIT)).unwrap();
    let lower = C::Define(Box::new(Definition { safety_level: 4, ..definition() }));
    assert_eq!(shelf.run(lower).unwrap(), ["defined", "backorder_filled"]);
    assert_eq!(shelf.of_order(1), (1, 0, 1));
}

#[test]
fn a_forced_shortfall_takes_the_newest_holds_then_the_newest_allocations() {
    let mut shelf = Shelf::with(10);
    for n in 1..=4 {
        shelf.run(hold(n, 2, ALL)).unwrap();
    }
    shelf.run(C::Settle { order: order(1) }).unwrap();
    shelf.run(C::Settle { order: order(4) }).unwrap();
    assert_eq!(shelf.code(adjust("main", -3, false)), "below_commitments");
    assert_eq!(shelf.code(adjust("main", -11, true)), "below_commitments", "there are only ten");
    assert_eq!(shelf.run(adjust("main", -5, true)).unwrap(), ["oversold", "oversold", "adjusted_down"]);
    assert_eq!([1, 2, 3, 4].map(|n| shelf.of_order(n)), [(0, 2, 0), (1, 0, 1), (0, 0, 2), (0, 2, 0)]);
    shelf.run(adjust("main", -2, true)).unwrap();
    assert_eq!([1, 2, 3, 4].map(|n| shelf.of_order(n)), [(0, 2, 0), (0, 0, 2), (0, 0, 2), (0, 1, 1)]);
    shelf.run(receive("main", None, None, 3)).unwrap();
    assert_eq!(
        [2, 3, 4].map(|n| shelf.of_order(n)),
        [(2, 0, 0), (1, 0, 1), (0, 1, 1)],
        "they kept their place in turn"
    );
}

#[test]
fn what_a_shortfall_takes_is_replaced_from_another_location() {
    let mut shelf = Shelf::with(2);
    shelf.run(hold(1, 2, ALL)).unwrap();
    shelf.run(receive("north", None, None, 1)).unwrap();
    assert_eq!(shelf.run(adjust("main", -2, true)).unwrap(), ["oversold", "adjusted_down", "backorder_filled"]);
    assert_eq!(shelf.of_order(1), (1, 0, 1));
}

#[test]
fn displaced_units_still_count_against_the_limit_once() {
    let mut shelf = Shelf::of(Definition { limit_per_customer: Some(3), ..definition() });
    shelf.run(receive("main", None, None, 3)).unwrap();
    shelf.run(hold_for(1, 3, name("ann"))).unwrap();
    // Units that were never counted come back: the count stops at nothing.
    let back = C::Return {
        order: None,
        location: None,
        lot: None,
        quantity: 5,
        disposition: Disposition::QualityControl,
        buyer: name("ann"),
    };
    shelf.run(back).unwrap();
    shelf.run(adjust("main", -3, true)).unwrap();
    assert!(shelf.stock.taken.is_empty(), "a displacement takes nothing from the limit");
}

#[test]
fn the_limit_counts_what_a_buyer_holds_waits_for_and_was_sent() {
    let mut shelf = Shelf::of(Definition { limit_per_customer: Some(5), ..definition() });
    shelf.run(receive("main", None, None, 4)).unwrap();
    let left = |shelf: &Shelf| 5 - shelf.stock.taken.get("ann").copied().unwrap_or(0);
    shelf.run(hold_for(1, 5, name("ann"))).unwrap();
    assert_eq!(left(&shelf), 0);
    assert_eq!(shelf.code(hold_for(2, 1, name("ann"))), "limit_exceeded");
    shelf.run(hold_for(3, 1, name("bob"))).unwrap();
    let cancel = C::Release { order: order(1), filled: 0, backordered: 1, reason: ReleaseReason::Cancelled };
    shelf.run(cancel).unwrap();
    assert_eq!(left(&shelf), 1);
    shelf.run(C::Settle { order: order(1) }).unwrap();
    shelf.run(C::Ship { order: order(1), quantity: 4 }).unwrap();
    assert_eq!(left(&shelf), 1, "what was sent still counts");
    let disposition = Disposition::Restock;
    let back =
        C::Return { order: Some(order(1)), location: None, lot: None, quantity: 4, disposition, buyer: name("ann") };
    shelf.run(back).unwrap();
    assert_eq!(left(&shelf), 5);
    assert!(!shelf.stock.taken.contains_key("ann"), "who has nothing costs no memory");
}

#[test]
fn units_of_an_expired_lot_expire_when_they_come_free() {
    let mut shelf = Shelf::of(definition());
    shelf.run(receive("main", Some("milk"), Some(2 * DAY), 5)).unwrap();
    shelf.run(hold(1, 3, ALL)).unwrap();
    shelf.now = Timestamp(2 * DAY);
    assert_eq!(shelf.stock.available(shelf.now), 0);
    assert_eq!(shelf.run(C::ExpireLots).unwrap(), ["lot_expired"]);
    assert_eq!(shelf.run(release(1)).unwrap(), ["released", "lot_expired"]);
    assert_eq!(shelf.stock.levels(shelf.now).totals.expired, 5);
}

#[test]
fn an_allocation_outlives_the_date_of_its_lot() {
    let mut shelf = Shelf::of(definition());
    shelf.run(receive("main", Some("milk"), Some(2 * DAY), 5)).unwrap();
    shelf.run(hold(1, 3, ALL)).unwrap();
    shelf.run(C::Settle { order: order(1) }).unwrap();
    shelf.now = Timestamp(3 * DAY);
    shelf.run(C::ExpireLots).unwrap();
    assert_eq!(shelf.run(C::Ship { order: order(1), quantity: 3 }).unwrap(), ["shipped"]);
}

#[test]
fn a_lot_that_was_met_without_its_date_takes_the_date_when_it_comes() {
    let mut shelf = Shelf::of(definition());
    let lot = Some(Lot::new("milk").unwrap());
    let found = C::Adjust { location: place("main"), lot, delta: 2, reason: "found".into(), force: false };
    shelf.run(found).unwrap();
    shelf.run(receive("main", Some("milk"), Some(2 * DAY), 3)).unwrap();
    assert_eq!(shelf.stock.next_due(), Some(Timestamp(2 * DAY)));
    shelf.now = Timestamp(2 * DAY);
    assert_eq!(shelf.stock.available(shelf.now), 0);
}

#[test]
fn units_without_a_lot_expire_by_their_own_date_alone() {
    let mut shelf = Shelf::of(definition());
    shelf.run(receive("main", None, Some(2 * DAY), 3)).unwrap();
    shelf.run(receive("main", None, None, 4)).unwrap();
    shelf.now = Timestamp(2 * DAY);
    shelf.run(C::ExpireLots).unwrap();
    assert_eq!(shelf.stock.available(shelf.now), 4);
    let rotten = C::WriteOff {
        location: place("main"),
        lot: None,
        from: super::Unsellable::Expired,
        quantity: 3,
        reason: "old".into(),
    };
    shelf.run(rotten).unwrap();
    assert_eq!(shelf.stock.levels(shelf.now).totals.on_hand(), 4);
}

#[test]
fn units_on_the_way_belong_to_no_location_until_they_arrive_or_are_lost() {
    let mut shelf = Shelf::with(5);
    let out = C::TransferOut { from: place("main"), lot: None, to: place("north"), quantity: 4 };
    shelf.run(out).unwrap();
    assert_eq!((shelf.stock.in_transit, shelf.stock.available(shelf.now)), (4, 1));
    let arrive = |quantity| C::TransferIn { location: place("north"), lot: None, expires_at: None, quantity };
    assert_eq!(shelf.code(arrive(5)), "body_invalid");
    shelf.run(arrive(3)).unwrap();
    shelf.run(C::TransferLost { quantity: 1 }).unwrap();
    assert_eq!(shelf.code(C::TransferLost { quantity: 1 }), "body_invalid");
    assert_eq!((shelf.stock.in_transit, shelf.stock.lost, shelf.stock.available(shelf.now)), (0, 1, 4));
    let too_many = C::Transfer { from: place("main"), lot: None, to: place("north"), quantity: 2 };
    assert_eq!(shelf.code(too_many), "below_commitments");
}

#[test]
fn an_orders_own_units_come_back_even_to_a_full_warehouse() {
    let mut shelf = Shelf::of(definition());
    for _ in 0..1000 {
        shelf.run(receive("main", None, None, QUANTITY_MAX)).unwrap();
    }
    assert_eq!(shelf.code(receive("main", None, None, 1)), "quantity_invalid");
    let disposition = Disposition::Restock;
    let back = |order| C::Return { order, location: None, lot: None, quantity: 1, disposition, buyer: None };
    assert_eq!(shelf.code(back(None)), "quantity_invalid");
    assert_eq!(shelf.run(back(Some(order(1)))).unwrap(), ["returned"]);
}

#[test]
fn a_definition_is_refused_if_it_makes_no_sense_and_recorded_only_if_it_differs() {
    let mut shelf = Shelf::with(5);
    assert_eq!(shelf.run(C::Define(Box::new(definition()))).unwrap(), Vec::<&str>::new());
    let priced = |text: &str| Definition { price: Money::parse(text).unwrap(), ..definition() };
    assert_eq!(shelf.code(C::Define(Box::new(priced("-1.00 EUR")))), "money_invalid");
    assert_eq!(shelf.code(C::Define(Box::new(Definition { hold_ttl_seconds: 0, ..definition() }))), "body_invalid");
    shelf.run(hold(1, 1, ALL)).unwrap();
    assert_eq!(shelf.code(C::Define(Box::new(priced("1.00 USD")))), "currency_mismatch");
    shelf.run(release(1)).unwrap();
    assert_eq!(shelf.run(C::Define(Box::new(priced("1.00 USD")))).unwrap(), ["defined"]);
}

/// Every part of a definition that has rules of its own, at its edges.
#[test]
fn each_part_of_a_definition_is_refused_by_its_name() {
    let market = |change: fn(&mut MarketRules)| {
        let mut rules = MarketRules::default();
        change(&mut rules);
        Definition { market: Some(Box::new(rules)), ..definition() }
    };
    let plan = |count: usize| {
        let locations = (0..count).map(|n| place(&format!("l{n}"))).collect();
        let plan = SourcingPlan { strategy: SourcingStrategy::Priority, locations };
        Definition { sourcing: Some(Box::new(plan)), ..definition() }
    };
    let waiting_list = |offer_seconds| Definition {
        admission: Some(Box::new(Admission::WaitingList { offer_seconds })),
        ..definition()
    };
    let lottery = |opens_at, closes_at| {
        let (opens_at, closes_at) = (Timestamp(opens_at), Timestamp(closes_at));
        let lottery = Lottery { opens_at, closes_at, seed_commitment: [0; 32], refuse_losers: false };
        Definition { admission: Some(Box::new(Admission::Lottery(lottery))), ..definition() }
    };
    for (what, definition, code) in [
        ("a tick of nothing", market(|rules| rules.tick = Amount(0)), Some("body_invalid")),
        ("the largest tick", market(|rules| rules.tick = Amount(PRICE_MAX)), None),
        ("a tick beyond it", market(|rules| rules.tick = Amount(PRICE_MAX + 1)), Some("body_invalid")),
        ("a lot of nothing", market(|rules| rules.lot = 0), Some("body_invalid")),
        ("the largest lot", market(|rules| rules.lot = QUANTITY_MAX), None),
        ("a lot beyond it", market(|rules| rules.lot = QUANTITY_MAX + 1), Some("body_invalid")),
        ("all of a sale", market(|rules| rules.commission_bps = 10_000), None),
        ("more than a sale", market(|rules| rules.commission_bps = 10_001), Some("body_invalid")),
        ("a band of one price", market(|rules| rules.band = Some((Amount(5), Amount(5)))), None),
        ("a band from nothing", market(|rules| rules.band = Some((Amount(0), Amount(PRICE_MAX)))), None),
        ("a band below nothing", market(|rules| rules.band = Some((Amount(-1), Amount(5)))), Some("body_invalid")),
        ("a band upside down", market(|rules| rules.band = Some((Amount(6), Amount(5)))), Some("body_invalid")),
        (
            "a band too high",
            market(|rules| rules.band = Some((Amount(0), Amount(PRICE_MAX + 1)))),
            Some("body_invalid"),
        ),
        ("a thousand locations", plan(1_000), None),
        ("one more", plan(1_001), Some("body_invalid")),
        ("an offer that stands a second", waiting_list(1), None),
        ("an offer that stands no time", waiting_list(0), Some("body_invalid")),
        ("a draw after its entries", lottery(1, 2), None),
        ("a draw before them", lottery(2, 2), Some("body_invalid")),
        ("a free good", Definition { price: Money::parse("0.00 EUR").unwrap(), ..definition() }, None),
        ("a hold of a second", Definition { hold_ttl_seconds: 1, ..definition() }, None),
    ] {
        let outcome = Shelf::with(5).run(C::Define(Box::new(definition)));
        assert_eq!(outcome.err().map(|refusal| refusal.code()), code, "{what}");
    }
}

/// Who waits was promised a rule.
#[test]
fn admission_stays_while_somebody_waits_by_it() {
    let by = |admission: Option<Admission>| Definition { admission: admission.map(Box::new), ..definition() };
    let list = |offer_seconds| by(Some(Admission::WaitingList { offer_seconds }));
    let define = |definition: Definition| C::Define(Box::new(definition));
    let mut shelf = Shelf::of(list(60));
    shelf.run(define(by(None))).unwrap();
    shelf.run(define(list(60))).unwrap();
    shelf.run(hold(1, 1, WAIT)).unwrap();
    assert!(shelf.stock.backorders.iter().any(|row| row.is_entry), "it waits to be let in");
    assert_eq!(shelf.code(define(by(None))), "body_invalid");
    assert_eq!(shelf.code(define(by(Some(Admission::ProRata)))), "body_invalid");
    shelf.run(define(list(90))).unwrap();
    shelf.run(define(Definition { name: "other".into(), ..list(90) })).unwrap();
    shelf.run(release(1)).unwrap();
    shelf.run(define(by(None))).unwrap();
}

#[test]
fn a_receipt_serves_what_was_announced_first() {
    let mut shelf = Shelf::with(1);
    shelf.run(C::Announce { quantity: 5, available_from: None, reference: None }).unwrap();
    shelf.run(receive("main", None, None, 3)).unwrap();
    assert_eq!(shelf.stock.incoming, 2);
    shelf.run(receive("main", None, None, 3)).unwrap();
    assert_eq!((shelf.stock.incoming, shelf.stock.available(shelf.now)), (0, 7));
}

#[test]
fn only_allocated_units_are_shipped() {
    let mut shelf = Shelf::with(5);
    shelf.run(hold(1, 3, ALL)).unwrap();
    assert_eq!(shelf.code(C::Ship { order: order(1), quantity: 1 }), "order_state_invalid");
    shelf.run(C::Settle { order: order(1) }).unwrap();
    assert_eq!(shelf.code(C::Ship { order: order(1), quantity: 4 }), "order_state_invalid");
    assert_eq!(shelf.code(C::Ship { order: order(1), quantity: 0 }), "quantity_invalid");
    assert_eq!(shelf.code(C::Ship { order: order(2), quantity: 1 }), "order_state_invalid");
    shelf.run(C::Ship { order: order(1), quantity: 3 }).unwrap();
    assert!(shelf.stock.commitments.is_empty(), "what is over is forgotten");
}

mod admission;
mod alarms;
mod incoming;
mod kits;
