//! Every status with everything that can be done to an order and told to it: what the table says is what is decided, and
//! nothing that the table says is not so.
//!
//! Orders of every shape are led through all that can happen to them, breadth first, each once: so the orders that are
//! tried are all that can come of a few acts, not those that somebody thought of.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{START, amount, eur, fill, line, sku};
use crate::entity::RemoteStep;
use crate::order::table::{Act, Verdict, cell, markdown};
use crate::order::{
    Deferred, LatePayment, LineClaim, NewLine, NewOrder, Order, OrderAsk, OrderCommand, OrderEvent, OrderStatus,
    PlacedLine, PlannedPayment, RefundChoice, Tender, decide, demand_with, edit, place_with,
};
use crate::payment::{Method, Stage};
use crate::stock::{Disposition, KitPart};
use crate::{CustomerId, OrderId, Timestamp};

/// How many acts follow each other at most.
const STEPS_MAX: usize = 6;
/// Orders looked at before it is enough.
const ORDERS_MAX: usize = 20_000;

/// What happened: refused with a code, no change at all, or a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    Refused(&'static str),
    Nothing,
    Done(OrderStatus),
}

fn placed(lines: &[PlacedLine], payments: &[(Method, &str)], waiting: bool, deferred: Option<Deferred>) -> Order {
    let planned =
        |(method, text): &(Method, &str)| PlannedPayment { method: *method, amount: amount(text), reference: None };
    let event = OrderEvent::Placed {
        customer: Some(CustomerId::new("ann").unwrap()),
        purchaser_key: None,
        currency: "EUR".parse().unwrap(),
        lines: lines.iter().cloned().collect(),
        charges: [].into_iter().collect(),
        payments: payments.iter().map(planned).collect(),
        hold_expires_at: START.plus_seconds(900),
        body_digest: 0,
        attempt: 0,
        waiting,
        bid: None,
        promoted: None,
        deferred: deferred.map(Box::new),
    };
    Order::create(OrderId::new(START, 1), &event, START)
}

fn card() -> Tender {
    Tender { credential: Some("tok".into()), ..Tender::by(Method::Card) }
}

/// Orders as they are placed: unpaid, paid in every way, waiting for goods or to be let in, of a seller, a kit.
fn placed_orders() -> Vec<Order> {
    let plain = |filled, waits| line("a", "1.00", filled, waits);
    let cards = [(Method::Card, "2.00")];
    let both = [(Method::Wallet, "0.50"), (Method::Card, "1.50")];
    let claim = Some(Box::new(LineClaim { number: 1, seller: CustomerId::new("eve").unwrap(), commission_bps: 100 }));
    let kit = Some(Box::new(vec![KitPart { sku: sku("part"), quantity: 1 }]));
    let deferred = || Deferred { tenders: vec![card()], hold_seconds: 600, due: false };
    let mut owed = placed(&[plain(2, 0)], &[(Method::External, "2.00")], false, None);
    let mut waiting = placed(&[plain(0, 2)], &[], true, None);
    for order in [&mut owed, &mut waiting] {
        order.apply(&OrderEvent::StepOwed { step: 0, to: Box::new(RemoteStep::Confirm { sku: sku("a") }) });
    }
    vec![
        placed(&[plain(2, 0)], &[], false, None),
        placed(&[plain(2, 0)], &cards, false, None),
        placed(&[plain(1, 0), line("b", "1.00", 0, 1)], &cards, false, None),
        placed(&[plain(0, 2)], &cards, false, None),
        placed(&[plain(2, 0)], &both, false, None),
        placed(&[plain(2, 0)], &[(Method::Card, "1.00"), (Method::Card, "1.00")], false, None),
        waiting,
        placed(&[plain(1, 1)], &[], false, Some(deferred())),
        placed(&[PlacedLine { claim, ..plain(2, 0) }], &cards, false, None),
        placed(&[PlacedLine { kit, ..plain(2, 0) }], &cards, false, None),
        placed(&[line("a", "0.00", 1, 0), line("b", "0.00", 0, 1)], &[], false, None),
        placed(&[plain(1, 1), line("b", "0.00", 0, 1)], &[], false, Some(deferred())),
        placed(&[plain(0, 2), line("b", "0.00", 1, 0)], &[], false, Some(deferred())),
        owed,
    ]
}

/// What can be done and told, in more ways than one.
fn commands(order: &Order) -> Vec<OrderCommand> {
    use OrderCommand as C;
    let mut all = vec![
        C::Extend { seconds: 60 },
        C::Extend { seconds: 0 },
        C::Cancel { lines: None },
        C::Cancel { lines: Some(vec![(0, Some(1))]) },
        C::Cancel { lines: Some(vec![(0, None)]) },
        C::Ship { lines: None, tracking: None },
        C::Ship { lines: Some(vec![(0, 1)]), tracking: None },
        C::Deliver,
        C::Complete,
        C::RefundLines { lines: vec![(0, 1)], reason: "late".into() },
        C::RefundAmount { amount: eur("0.50"), reason: "late".into() },
        C::Accept,
        C::NotDrawn,
        C::ShippedShort { sku: sku("a"), quantity: 1 },
        C::DeadlineReached,
        C::StepDone { step: 0, short: None },
    ];
    for refund in [RefundChoice::Auto, RefundChoice::Nothing] {
        all.push(C::Return { lines: vec![(0, 1, Disposition::Restock)], refund });
        all.push(C::Return { lines: vec![(0, 2, Disposition::Restock)], refund });
    }
    for payment in &order.payments {
        let (id, reason) = (payment.id, "no".into());
        all.push(C::PaymentPaid { payment: id });
        all.push(C::PaymentPaidLate { payment: id, policy: LatePayment::Refund });
        all.push(C::PaymentPaidLate { payment: id, policy: LatePayment::Reacquire });
        all.push(C::PaymentPaidLate { payment: id, policy: LatePayment::Backorder });
        all.push(C::PaymentFailed { payment: id, reason });
        all.push(C::CaptureFailed { payment: id, reason: "no".into() });
        for stage in [Stage::Authorizing, Stage::AuthenticationPending] {
            all.push(C::PaymentStands { payment: id, stage, next_action: None });
        }
        let (amount, other) = (payment.refunding, crate::Amount(payment.refunding.0 + 1));
        for (amount, done) in [(amount, true), (amount, false), (other, true), (other, false)] {
            all.push(C::PaymentRefunded { payment: id, amount, done });
        }
    }
    for payment in order.payments.iter().filter(|payment| payment.refunding.0 == 0) {
        let (back, id) = (payment.refunded, payment.id);
        for amount in [back, crate::Amount(back.0 + 1), crate::Amount(back.0 / 2)] {
            all.push(C::RefundReversed { payment: id, amount });
        }
    }
    for name in ["a", "b", "part"] {
        let sku = sku(name);
        all.push(C::BackorderFilled { sku: sku.clone(), quantity: 1, offer_seconds: 60 });
        all.push(C::Displaced { sku: sku.clone(), quantity: 1 });
        let kept: u64 =
            order.lines.iter().flat_map(|line| line.kept()).filter(|row| *row.0 == sku).map(|row| row.1).sum();
        let waits: u64 =
            order.lines.iter().flat_map(|line| line.awaited()).filter(|row| *row.0 == sku).map(|row| row.1).sum();
        for (kept, waiting) in [(kept, waits), (kept + waits, 0), (0, kept + waits), (0, 0)] {
            let held = if order.secured { 0 } else { kept };
            all.push(C::StockIs { sku: sku.clone(), held, kept, waiting, offer_seconds: 60 });
        }
    }
    all
}

/// Does it, and says what came of it; nothing that is refused leaves anything behind.
fn run(order: &mut Order, command: &OrderCommand, now: Timestamp) -> Came {
    let (mut events, mut asks) = (Vec::new(), Vec::new());
    if let Err(refusal) = decide(order, command, now, &mut events, &mut asks) {
        assert!(events.is_empty() && asks.is_empty());
        return Came::Refused(refusal.code());
    }
    events.iter().for_each(|event| order.apply(event));
    // The host starts what is due in the same turn.
    if let Some(OrderAsk::Charge(_)) = asks.iter().find(|ask| matches!(ask, OrderAsk::Charge(_))) {
        assert!(order.charge_due().is_some());
    }
    match events.is_empty() && asks.is_empty() {
        true => Came::Nothing,
        false => Came::Done(order.status()),
    }
}

/// Pays what is due, in one piece or half of it.
fn pay(order: &mut Order, method: Method, in_half: bool, now: Timestamp) -> Came {
    let due = match order.check_payable(now) {
        Ok(due) => due.amount,
        Err(refusal) => return Came::Refused(refusal.code()),
    };
    let amount = if in_half { crate::Amount(due.0 / 2) } else { due };
    let number = order.payments.len() as u32;
    let payments = [PlannedPayment { method, amount, reference: None }].into_iter().collect();
    order.apply(&OrderEvent::PaymentsStarted { payments });
    if method.is_outside() {
        order.apply(&OrderEvent::PaidAtOnce { number });
    }
    Came::Done(order.status())
}

/// Keeps one unit of its first line.
fn keep_one(order: &mut Order, now: Timestamp) -> Came {
    let wanted = NewOrder::new(order.id, [NewLine::of_house(order.lines[0].sku.clone(), 1)]);
    let changed = edit(order, &wanted, now).and_then(|edit| {
        let demand = demand_with(&edit.order, |sku| order.kit_sold(sku))?;
        let fills: Vec<_> = demand
            .units
            .iter()
            .map(|(sku, wanted)| {
                let (filled, waits) = order.kept_of(sku, *wanted);
                fill("1.00", filled, waits)
            })
            .collect();
        let placement = place_with(&edit.order, &demand, &fills, &edit.market, now, Default::default())?;
        edit.finish(order, &demand, &fills, placement)
    });
    match changed {
        Ok((event, _)) => {
            order.apply(&event);
            Came::Done(order.status())
        }
        Err(refusal) => Came::Refused(refusal.code()),
    }
}

/// All that can happen to an order at this time: what it is, what came of it, and the order after it.
fn all_that_can_happen(order: &Order, now: Timestamp) -> Vec<(Act, Came, Order)> {
    let mut all = Vec::new();
    for command in commands(order) {
        let mut after = order.clone();
        let came = run(&mut after, &command, now);
        all.push((Act::of(&command), came, after));
    }
    for (method, in_half) in [(Method::External, false), (Method::External, true), (Method::Card, false)] {
        let mut after = order.clone();
        let came = pay(&mut after, method, in_half, now);
        all.push((Act::Pay, came, after));
    }
    let mut after = order.clone();
    let came = keep_one(&mut after, now);
    all.push((Act::Edit, came, after));
    all
}

type Seen = BTreeMap<(OrderStatus, Act), BTreeSet<Came>>;

/// Leads every order through everything, breadth first.
fn explore() -> Seen {
    let mut seen = Seen::new();
    let mut known = HashSet::new();
    let mut now_known: Vec<Order> = placed_orders();
    for _ in 0..STEPS_MAX {
        let mut next = Vec::new();
        for order in std::mem::take(&mut now_known) {
            for now in [START.plus_seconds(1), START.plus_seconds(10_000)] {
                for (act, came, after) in all_that_can_happen(&order, now) {
                    seen.entry((order.status(), act)).or_default().insert(came);
                    let is_new = matches!(came, Came::Done(_)) && known.len() < ORDERS_MAX;
                    if is_new && known.insert(minicbor::to_vec(&after).unwrap()) {
                        next.push(after);
                    }
                }
            }
        }
        now_known = next;
    }
    seen
}

/// What was seen, as the table says it. Of what a caller does it is no matter whether it was done before.
fn as_cell(status: OrderStatus, act: Act, came: &BTreeSet<Came>) -> (Verdict, BTreeSet<OrderStatus>) {
    let mut leads: BTreeSet<_> =
        came.iter().filter_map(|came| if let Came::Done(after) = came { Some(*after) } else { None }).collect();
    let refused = |code| came.contains(&Came::Refused(code));
    let is_refused = came.iter().any(|came| matches!(came, Came::Refused(_)));
    let verdict = match (leads.is_empty(), is_refused, came.contains(&Came::Nothing)) {
        (_, false, true) if !act.is_told() => Verdict::Yes,
        (false, false, false) => Verdict::Yes,
        (false, ..) => Verdict::If,
        (true, false, _) => Verdict::Nothing,
        (true, true, _) if refused("order_state_invalid") => Verdict::State,
        (true, true, _) if refused("already_paid") => Verdict::Paid,
        (true, true, _) => Verdict::Expired,
    };
    if verdict != Verdict::Yes || came.contains(&Came::Nothing) {
        leads.insert(status);
    }
    (verdict, leads)
}

/// Where it depends, both was seen; and every status that it is said to lead to was reached.
#[test]
fn every_status_with_everything_that_can_be_done_and_told_comes_to_what_the_table_says() {
    let seen = explore();
    let mut wrong = Vec::new();
    for status in OrderStatus::ALL {
        for act in Act::ALL {
            let Some(came) = seen.get(&(*status, *act)) else {
                // Who waits to be let in has no payment that could tell anything.
                let of_payment = (Act::PaymentPaid..=Act::RefundReversed).contains(act);
                assert!(*status == OrderStatus::Waiting && of_payment, "{act:?} was never tried in {status:?}");
                continue;
            };
            let found = as_cell(*status, *act, came);
            let said = (cell(*status, *act).verdict, cell(*status, *act).statuses().collect());
            if found != said {
                wrong.push(format!("{} of an order that is {}: {found:?}, not {said:?}", act.name(), status.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_is_the_page_in_the_documentation() {
    let page = include_str!("../../../../docs/order-states.md");
    let table: String = page.lines().filter(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect();
    let made: String = markdown().lines().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    assert_eq!(table, made, "docs/order-states.md holds the table of domain/src/order/table.rs:\n{}", markdown());
}

#[test]
fn what_names_too_much_or_nothing_is_refused() {
    let mut order = placed(&[line("a", "1.00", 2, 0)], &[(Method::External, "2.00")], false, None);
    order.apply(&OrderEvent::PaidAtOnce { number: 0 });
    let mut run = |command| run(&mut order, &command, START);
    assert_eq!(run(OrderCommand::Ship { lines: None, tracking: None }), Came::Done(OrderStatus::Shipped));
    let back = |lines| OrderCommand::Return { lines, refund: RefundChoice::Auto };
    assert_eq!(run(back(vec![(0, 3, Disposition::Restock)])), Came::Refused("order_state_invalid"));
    assert_eq!(run(back(vec![])), Came::Refused("body_invalid"));
}
