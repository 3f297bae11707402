//! What must be true in every state, what must be true at rest, and what has to happen somewhere.
//!
//! The journal is read three times, by people who do not know each other: here, by a few lines that count units and money;
//! by the auditor; and by the actors' own invariants.

use std::collections::BTreeMap;

use stockade::audit::{AuditReport, audit_records};
use stockade_domain::account::AccountEvent;
use stockade_domain::entity::{EntityKey, EntityKind, Event};
use stockade_domain::order::OrderEvent;
use stockade_domain::payment::PaymentEvent;
use stockade_domain::stock::{ReleaseReason, StockEvent, units};
use stockade_domain::{OrderId, SkuId};
use stockade_storage::record::parse_record;

use super::gateway::Fate;
use super::scenario::Ask;
use super::world::{Known, World};

/// What must always be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Units promised never exceed units received.
    NeverOversold,
    /// Each hold ends once.
    HoldsEndOnce,
    /// What is held, spent and left of a wallet is what came in.
    MoneyAddsUp,
    /// One effect per payment and operation.
    OneEffect,
    /// What was acknowledged is durable, and stays.
    AcknowledgedIsDurable,
    /// The auditor finds nothing.
    Audited,
    /// Once nothing fails any more, everything ends.
    ComesToRest,
    /// At rest nobody holds what nobody owns, and the gateway's books are the engine's.
    RestIsClean,
}

/// What has to happen in at least one state: otherwise nothing was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// An order is paid.
    Paid,
    /// Somebody is refused because the stock is gone.
    RefusedForStock,
    /// Somebody is refused because the money is not there.
    RefusedForMoney,
    /// A card is declined.
    Declined,
    /// An unpaid order expires.
    Expired,
    /// An order is cancelled.
    Cancelled,
    /// A hold without an order is given back.
    Aborted,
    /// Somebody who asked again is told of what was there already.
    ToldAgain,
    /// Two orders were served.
    BothServed,
}

impl Outcome {
    /// Where in the list it is, as a bit.
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What is wrong, and how.
pub type Broken = (Rule, String);

/// What the log says.
#[derive(Default)]
struct Read {
    received: BTreeMap<SkuId, u64>,
    /// Units held and allocated, by SKU and order.
    kept: BTreeMap<(SkuId, OrderId), (u64, u64)>,
    placed: BTreeMap<OrderId, usize>,
    /// In, held, spent.
    wallet: (i64, BTreeMap<String, i64>, i64),
    outcomes: u32,
    broken: Option<Broken>,
}

impl Read {
    fn fault(&mut self, rule: Rule, what: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some((rule, what()));
        }
    }

    fn stock(&mut self, sku: &SkuId, event: &StockEvent) {
        let at = |order: &OrderId| (sku.clone(), *order);
        match event {
            StockEvent::Received { quantity, .. } => *self.received.entry(sku.clone()).or_default() += quantity,
            StockEvent::Held { order, picks, settled, .. } => {
                let kept = self.kept.entry(at(order)).or_default();
                if *settled { kept.1 += units(picks) } else { kept.0 += units(picks) }
            }
            StockEvent::Settled { order } => {
                let kept = self.kept.entry(at(order)).or_default();
                let settled = std::mem::take(&mut kept.0);
                kept.1 += settled;
                if settled == 0 {
                    self.fault(Rule::HoldsEndOnce, || {
                        format!("{sku}: nothing of {order} was held when it was settled")
                    });
                }
            }
            StockEvent::Released { order, held, allocated, reason } => {
                let (held, allocated) = (units(held), units(allocated));
                let kept = self.kept.entry(at(order)).or_default();
                let before = *kept;
                *kept = (before.0.saturating_sub(held), before.1.saturating_sub(allocated));
                if held > before.0 || allocated > before.1 {
                    let what = || format!("{sku}: {order} gives back {held} and {allocated} of {before:?}");
                    self.fault(Rule::HoldsEndOnce, what);
                }
                if *reason == ReleaseReason::Aborted {
                    self.outcomes |= Outcome::Aborted.bit();
                }
            }
            _ => {}
        }
        let kept: u64 = self.kept.iter().filter(|((of, _), _)| of == sku).map(|(_, (held, sold))| held + sold).sum();
        let received = self.received.get(sku).copied().unwrap_or(0);
        if kept > received {
            self.fault(Rule::NeverOversold, || format!("{sku}: {kept} promised of {received}"));
        }
    }

    fn order(&mut self, order: OrderId, at: usize, event: &OrderEvent) {
        match event {
            OrderEvent::Placed { .. } => drop(self.placed.insert(order, at)),
            OrderEvent::PaidAtOnce { .. } | OrderEvent::PaymentSecured { .. } => self.outcomes |= Outcome::Paid.bit(),
            OrderEvent::Expired => self.outcomes |= Outcome::Expired.bit(),
            OrderEvent::Cancelled { .. } => self.outcomes |= Outcome::Cancelled.bit(),
            _ => {}
        }
    }

    fn wallet(&mut self, event: &AccountEvent) {
        let (credited, held, spent) = &mut self.wallet;
        match event {
            AccountEvent::Credited { money, .. } => *credited += money.amount.0,
            AccountEvent::Refunded { money, .. } => *spent -= money.amount.0,
            AccountEvent::Held { payment, amount } => *held.entry(payment.to_string()).or_default() += amount.0,
            AccountEvent::Spent { amount, .. } => *spent += amount.0,
            AccountEvent::Settled { payment } => match held.remove(&payment.to_string()) {
                Some(amount) => *spent += amount,
                None => self.fault(Rule::OneEffect, || format!("payment {payment} is spent without having been held")),
            },
            AccountEvent::Released { payment } => {
                if held.remove(&payment.to_string()).is_none() {
                    self.fault(Rule::OneEffect, || format!("payment {payment} is released twice"));
                }
            }
            AccountEvent::SetAside { .. } => {}
        }
        let (credited, held, spent) = &self.wallet;
        let free = credited - spent - held.values().sum::<i64>();
        if free < 0 || *spent < 0 {
            let what = format!("a wallet of {credited} has {held:?} held and {spent} spent");
            self.fault(Rule::MoneyAddsUp, || what);
        }
    }
}

fn read(world: &World) -> Read {
    let mut read = Read::default();
    for (at, record) in world.log.lock().records.iter().enumerate() {
        let (head, events) = parse_record(record).expect("a record");
        let kind = EntityKind::from_byte(head.kind).expect("of an actor");
        let key = EntityKey::from_parts(kind, head.key).expect("with a name");
        for event in Event::decode_all(kind, events).expect("with events") {
            match (&key, event) {
                (EntityKey::Sku(sku), Event::Stock(event)) => read.stock(sku, &event),
                (EntityKey::Order(order), Event::Order(event)) => read.order(*order, at, &event),
                (_, Event::Account(event)) => read.wallet(&event),
                (_, Event::Payment(PaymentEvent::Failed { timeout: false, .. })) => {
                    read.outcomes |= Outcome::Declined.bit();
                }
                _ => {}
            }
        }
    }
    read
}

/// Looks at one state: what is wrong with it, and what has happened in it.
pub fn look(world: &World) -> (Option<Broken>, u32) {
    let (read, _) = read_twice(world);
    (read.broken, read.outcomes)
}

/// The log as it is read here, and as the auditor reads it.
fn read_twice(world: &World) -> (Read, AuditReport) {
    let mut read = read(world);
    let durable = world.log.lock().durable;
    for order in &world.acknowledged {
        let placed = read.placed.get(order).copied();
        if placed.is_none_or(|at| at >= durable) {
            read.fault(Rule::AcknowledgedIsDurable, || format!("order {order} was acknowledged, and is not durable"));
        }
    }
    for (payment, card) in &world.gateway.0.lock().cards {
        if card.charges > 1 || card.given_back > card.taken {
            read.fault(Rule::OneEffect, || format!("card payment {payment}: {card:?}"));
        }
    }
    let mut served = 0;
    for (known, ask) in world.known.iter().zip(world.scenario.asks) {
        read.outcomes |= match known {
            Known::Told(Err("stock_exhausted")) => Outcome::RefusedForStock.bit(),
            Known::Told(Err("insufficient_balance")) => Outcome::RefusedForMoney.bit(),
            Known::Told(Ok(true)) => Outcome::ToldAgain.bit(),
            _ => 0,
        };
        served += u32::from(matches!((ask, known), (Ask::Place(_), Known::Told(Ok(_)))));
    }
    if served > 1 {
        read.outcomes |= Outcome::BothServed.bit();
    }
    let log = world.log.lock();
    let report = audit_records(log.records.iter().enumerate().map(|(at, record)| (at as u64 + 1, record)));
    if let Some(fault) = report.faults.first() {
        read.fault(Rule::Audited, || fault.to_string());
    }
    (read, report)
}

/// So many times the clock moves to what is due next before a world that has not come to rest never will.
const TICKS_TO_REST: usize = 80;
/// So many messages are delivered without time passing before they multiply for ever.
const MESSAGES_TO_REST: usize = 2_000;

/// Nothing fails any more: everything arrives, in order, everything is answered, and time passes. The world is used up.
pub fn come_to_rest(world: &mut World) -> Option<Broken> {
    for _ in 0..TICKS_TO_REST {
        if let Some(broken) = stand_still(world) {
            return Some(broken);
        }
        if world.next_due().is_none() {
            break;
        }
        world.tick();
    }
    if let Some(due) = world.next_due() {
        return Some((Rule::ComesToRest, format!("something is due at {due:?} for ever")));
    }
    if let Some(at) = world.known.iter().position(|known| *known == Known::Waits) {
        return Some((Rule::ComesToRest, format!("nobody answers {:?}", world.scenario.asks[at])));
    }
    at_rest(world)
}

fn stand_still(world: &mut World) -> Option<Broken> {
    for _ in 0..MESSAGES_TO_REST {
        if world.has_tail() {
            world.write();
        } else if !world.flights.is_empty() {
            world.deliver(0, false);
        } else if !world.gateway.0.lock().calls.is_empty() {
            world.call(0, Fate::Done);
        } else {
            return None;
        }
    }
    let kinds = world.flights.iter().take(4).map(|flight| format!("{flight:?}"));
    Some((Rule::ComesToRest, format!("messages multiply: {}", kinds.collect::<Vec<_>>().join("; "))))
}

fn at_rest(world: &mut World) -> Option<Broken> {
    let unclean = |what: String| Some((Rule::RestIsClean, what));
    if let Err(why) = world.check_actors() {
        return unclean(why);
    }
    let (read, report) = read_twice(world);
    if read.broken.is_some() {
        return read.broken;
    }
    // Holds last two seconds, and everything has had its time: what is kept is sold.
    if let Some(((sku, order), kept)) = read.kept.iter().find(|(_, (held, _))| *held > 0) {
        return unclean(format!("{sku} keeps {kept:?} for {order} at rest"));
    }
    if let Some((payment, amount)) = read.wallet.1.iter().next() {
        return unclean(format!("{amount} of the wallet is held for {payment} at rest"));
    }
    if report.in_flight > 0 || report.oversold > 0 {
        return unclean(format!("in flight at rest: {}", report.in_flight_of.join(", ")));
    }
    for (payment, moved, believed) in world.cards() {
        if believed.is_some_and(|believed| believed != moved) || believed.is_none() && moved != 0 {
            return unclean(format!("of {payment} the gateway has {moved}, the engine believes {believed:?}"));
        }
    }
    None
}
