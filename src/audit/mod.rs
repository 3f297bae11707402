//! The auditor: recomputes everything from the journal's records, with code of its own.
//!
//! It shares with the engine only the *shape* of records (decoding, ids, names). Every rule is written here a
//! second time, from DESIGN.md: a fault of the engine's decisions does not repeat itself in the audit.
//!
//! ```text
//!   journal ─▶ hash chain ─▶ records ─┬▶ stock    bins, commitments, backorders
//!                                     ├▶ market   offers, bids, the book, claims
//!                                     ├▶ order    legal steps, units, totals
//!                                     ├▶ payment  transitions, refunds
//!                                     ├▶ account  wallets
//!                                     ├▶ keys     idempotency
//!                                     └▶ ledger   double entry
//!                                          │ at the end
//!                                          ├▶ cross    what they say of each other
//!                                          └▶ derived  snapshots and query models in sled
//! ```
//!
//! It streams: records are read once (their heads twice) and forgotten. What stays is one entry for each SKU, wallet,
//! order and payment, since a shipped order may still come back years later; so memory grows with the number of orders,
//! not with what happened to them.
//!
//! It changes no record, and it is not a repair tool: it names the record, the actor and the rule.

mod account;
mod alarm;
mod counters;
mod cross;
mod cross_market;
mod derived;
mod discounts;
mod edit;
mod files;
mod gifts;
mod keys;
mod kits;
mod ledger;
mod line;
mod market;
mod models;
mod order;
mod payment;
mod report;
mod scarce;
mod sellers;
mod serials;
mod stock;
#[cfg(test)]
mod tests;
mod uses;

use rustc_hash::FxHashMap;
use stockade_domain::account::AccountEvent;
use stockade_domain::entity::{EntityKey, EntityKind, Event};
use stockade_domain::order::{OrderEvent, Outcome, PlacedHead};
use stockade_domain::payment::{Method, PaymentEvent};
use stockade_domain::promotion::uses::Subject;
use stockade_domain::stock::{MarketEvent, StockEvent, TELLS_ALARMS};
use stockade_domain::{Amount, CustomerId, Money, OrderId, PaymentId, SkuId, Timestamp};
use stockade_storage::record::{KIND_SYSTEM, RecordHead, parse_record};

pub use files::audit;
pub use report::{AuditError, AuditReport, Fault, Rule};

use account::{ForPayments, Wallet};
use keys::Keys;
use ledger::Books;
use order::Order;
use payment::Payment;
use report::{Faults, Scene};
use stock::{Flows, Sku};
use uses::Owner;

/// Audits records that are already at hand: bodies with their sequences, in order.
///
/// ```
/// let report = stockade::audit::audit_records(std::iter::empty::<(u64, Vec<u8>)>());
/// assert!(report.is_clean());
/// ```
pub fn audit_records<B: AsRef<[u8]>>(records: impl IntoIterator<Item = (u64, B)>) -> AuditReport {
    let mut auditor = Auditor::new();
    records.into_iter().for_each(|(seq, body)| auditor.take(seq, body.as_ref()));
    auditor.finish()
}

/// An audit under way: records go in, one by one and in order; the report comes out at the end.
#[derive(Default)]
pub struct Auditor {
    skus: FxHashMap<SkuId, Sku>,
    orders: FxHashMap<OrderId, Box<Order>>,
    payments: FxHashMap<PaymentId, Payment>,
    wallets: FxHashMap<CustomerId, Wallet>,
    uses: FxHashMap<Subject, Owner>,
    for_payments: ForPayments,
    flows: Flows,
    books: Books,
    keys: Keys,
    ledger_time: Timestamp,
    last_seq: u64,
    last_time: Timestamp,
    faults: Faults,
    report: AuditReport,
    /// What was derived, while it is compared.
    derived: Option<derived::Derived>,
}

impl Auditor {
    /// An audit that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next record in.
    pub fn take(&mut self, seq: u64, record: &[u8]) {
        self.report.records += 1;
        if seq != self.last_seq + 1 {
            let detail = format!("record {seq} follows record {}", self.last_seq);
            self.faults.add(seq, "journal", Rule::SequenceBroken, detail);
        }
        self.last_seq = seq;
        let (head, events) = match parse_record(record) {
            Ok(parsed) => parsed,
            Err(error) => return self.faults.add(seq, "journal", Rule::RecordMalformed, error.to_string()),
        };
        if head.kind == KIND_SYSTEM {
            return;
        }
        let kind = EntityKind::from_byte(head.kind);
        let Some((kind, key)) = kind.and_then(|kind| Some((kind, EntityKey::from_parts(kind, head.key)?))) else {
            let detail = format!("kind {} with a key of {} bytes names no actor", head.kind, head.key.len());
            return self.faults.add(seq, "journal", Rule::RecordMalformed, detail);
        };
        let events = match Event::decode_all(kind, events) {
            Ok(events) => events,
            Err(error) => return self.faults.add(seq, key, Rule::RecordMalformed, error.to_string()),
        };
        if events.is_empty() {
            self.faults.add(seq, &key, Rule::RecordMalformed, "a record without an event");
        }
        self.report.events += events.len() as u64;
        let now = Timestamp(head.time);
        self.last_time = self.last_time.max(now);
        for digest in head.digests {
            let mut scene = Scene { seq, now, actor: &key, faults: &mut self.faults };
            let orders = &self.orders;
            self.keys.take(digest, &key, |order| orders.get(&order).map(|order| order.failed_seq), &mut scene);
        }
        let Some(mut derived) = self.derived.take() else { return self.take_events(seq, &head, &key, events) };
        derived.before_change(self, seq, &key);
        self.books.before_cut = derived.is_before_cut(seq, &key);
        let placed = events.iter().find(|event| matches!(event, Event::Order(OrderEvent::Placed { .. }))).cloned();
        self.take_events(seq, &head, &key, events);
        if derived.projects(seq) {
            match &key {
                EntityKey::Sku(sku) => derived.models.movement(sku.as_str(), seq),
                EntityKey::Account(customer) => derived.models.statement(customer.as_str(), seq),
                EntityKey::Order(id) => self.project_order(*id, placed.as_ref(), seq, &mut derived.models),
                _ => {}
            }
        }
        self.derived = Some(derived);
    }

    fn project_order(&self, id: OrderId, placed: Option<&Event>, seq: u64, models: &mut models::ModelSums) {
        let Some(order) = self.orders.get(&id) else { return };
        let Some(status) = order.status() else { return };
        models.order(id, status, seq);
        if let Some(Event::Order(placed)) = placed {
            models.placed(id, &PlacedHead::of(placed).expect("it is `placed`"), seq);
        }
    }

    /// Sequence of an actor's last record; zero when it has none.
    fn last_seq_of(&self, key: &EntityKey) -> u64 {
        match key {
            EntityKey::Sku(sku) => self.skus.get(sku).map_or(0, |sku| sku.last_seq),
            EntityKey::Order(id) => self.orders.get(id).map_or(0, |order| order.last_seq),
            EntityKey::Payment(id) => self.payments.get(id).map_or(0, |payment| payment.last_seq),
            EntityKey::Account(customer) => self.wallets.get(customer).map_or(0, |wallet| wallet.last_seq),
            EntityKey::Uses(subject) => self.uses.get(subject).map_or(0, |owner| owner.last_seq),
            EntityKey::Ledger => 0,
        }
    }

    fn take_events(&mut self, seq: u64, head: &RecordHead<'_>, key: &EntityKey, events: Vec<Event>) {
        let now = Timestamp(head.time);
        let before = self.number(key, seq, now);
        if before.is_some_and(|before| before > now) {
            let detail = format!("time {} comes after {}", now.0, before.unwrap_or_default().0);
            self.faults.add(seq, key, Rule::TimeBackwards, detail);
        }
        for event in events {
            match (key, event) {
                (EntityKey::Sku(sku), Event::Stock(event)) => self.take_stock(seq, now, key, sku, &event),
                (EntityKey::Order(order), Event::Order(event)) => self.take_order(seq, now, key, *order, &event),
                (EntityKey::Payment(id), Event::Payment(event)) => self.take_payment(seq, now, key, *id, &event),
                (EntityKey::Account(customer), Event::Account(event)) => {
                    self.take_account(seq, now, key, customer, &event);
                }
                (EntityKey::Uses(subject), Event::Uses(event)) => {
                    let scene = &mut Scene { seq, now, actor: key, faults: &mut self.faults };
                    self.uses.entry(subject.clone()).or_default().take(&event, scene);
                }
                (EntityKey::Ledger, Event::Ledger(event)) => {
                    self.books.enter(&event, &mut Scene { seq, now, actor: key, faults: &mut self.faults });
                }
                // `decode_all` reads only events of the key's kind.
                (_, event) => self.faults.add(seq, key, Rule::RecordMalformed, format!("it holds `{}`", event.name())),
            }
        }
        if let EntityKey::Sku(sku) = key
            && let Some(sku) = self.skus.get_mut(sku)
        {
            let must_tell = head.note & TELLS_ALARMS != 0;
            sku.rest(must_tell, &mut Scene { seq, now, actor: key, faults: &mut self.faults });
        }
    }

    /// Remembers when the actor had its last record, and says when it had the one before.
    fn number(&mut self, key: &EntityKey, seq: u64, now: Timestamp) -> Option<Timestamp> {
        let (time, number) = match key {
            EntityKey::Sku(sku) => {
                let sku = self.skus.entry(sku.clone()).or_default();
                (&mut sku.last_time, &mut sku.last_seq)
            }
            EntityKey::Account(customer) => {
                let wallet = self.wallets.entry(customer.clone()).or_default();
                (&mut wallet.last_time, &mut wallet.last_seq)
            }
            EntityKey::Order(order) => {
                let order = self.orders.get_mut(order)?;
                (&mut order.last_time, &mut order.last_seq)
            }
            EntityKey::Payment(payment) => {
                let payment = self.payments.get_mut(payment)?;
                (&mut payment.last_time, &mut payment.last_seq)
            }
            EntityKey::Uses(subject) => {
                let owner = self.uses.entry(subject.clone()).or_default();
                (&mut owner.last_time, &mut owner.last_seq)
            }
            EntityKey::Ledger => return Some(std::mem::replace(&mut self.ledger_time, now)),
        };
        *number = seq;
        Some(std::mem::replace(time, now))
    }

    fn take_stock(&mut self, seq: u64, now: Timestamp, actor: &EntityKey, sku: &SkuId, event: &StockEvent) {
        let scene = &mut Scene { seq, now, actor, faults: &mut self.faults };
        self.skus.entry(sku.clone()).or_default().take(event, scene);
        let (order, shipped, returned) = match event {
            StockEvent::Shipped { order, picks } => (*order, stockade_domain::stock::units(picks), 0),
            StockEvent::ShippedShort { order, quantity } => (*order, *quantity, 0),
            StockEvent::Returned { order: Some(order), quantity, .. } => (*order, 0, *quantity),
            StockEvent::Market(event) => match &**event {
                MarketEvent::ClaimShipped { order, fills, .. } => {
                    (*order, fills.iter().map(|fill| fill.quantity).sum(), 0)
                }
                MarketEvent::ClaimReturned { order, quantity, .. } => (*order, 0, *quantity),
                _ => return,
            },
            _ => return,
        };
        flow(&mut self.flows, order, sku, -signed(shipped), -signed(returned));
    }

    fn take_order(&mut self, seq: u64, now: Timestamp, actor: &EntityKey, id: OrderId, event: &OrderEvent) {
        self.check_in_force(event, seq, now, actor);
        let scene = &mut Scene { seq, now, actor, faults: &mut self.faults };
        let known = self.orders.get_mut(&id);
        let may_begin = known.as_ref().is_none_or(|order| order.outcome == Outcome::Refused);
        if matches!(event, OrderEvent::Placed { .. }) {
            if !may_begin {
                return scene.fault(Rule::OrderTwice, "it was placed already, and not refused");
            }
            let Some(mut begun) = Order::place(id, event, &mut self.books, scene) else { return };
            match known {
                Some(refused) => {
                    for payment in &refused.payments {
                        self.payments.entry(payment.id).and_modify(|payment| payment.superseded = true);
                    }
                    begun.failed_seq = refused.failed_seq;
                    // What others still owe the refused attempt stays owed, and steps are numbered on.
                    begun.owed = std::mem::take(&mut refused.owed);
                    begun.step_next = refused.step_next;
                    **refused = begun;
                }
                None => {
                    self.orders.insert(id, Box::new(begun));
                }
            }
            return;
        }
        let Some(order) = known else {
            return scene.fault(Rule::OrderUnknown, format!("{} came before it was placed", event.name()));
        };
        if let OrderEvent::StepDone { step } = event
            && let Some((_, to)) = order.owed.iter().find(|(owed, _)| owed == step)
            && let EntityKey::Sku(sku) = to.target()
            && let Some(sku) = self.skus.get_mut(&sku)
            && sku.handled.get(&id).is_some_and(|handled| handled <= step)
        {
            // The order knows it, so nobody asks for this step again.
            sku.handled.remove(&id);
        }
        order.take(event, &mut self.books, scene);
        match event {
            OrderEvent::Shipped { lines, .. } => {
                for units in lines {
                    let Some(line) = order.lines.get(units.line as usize) else { continue };
                    for (sku, shipped) in line.in_stock(signed(units.quantity)) {
                        flow(&mut self.flows, id, sku, shipped, 0);
                    }
                }
            }
            OrderEvent::Returned { lines, .. } => {
                for units in lines {
                    let Some(line) = order.lines.get(units.line as usize) else { continue };
                    for (sku, returned) in line.in_stock(signed(units.quantity)) {
                        flow(&mut self.flows, id, sku, 0, returned);
                    }
                }
            }
            OrderEvent::PaidAtOnce { number } => {
                let Some(pay) = order.payments.get(*number as usize) else { return };
                let money = Money { amount: Amount(pay.amount), currency: order.currency };
                let asks_nobody = pay.method != Method::Card;
                scene.expect(asks_nobody, Rule::PaymentTransition, || {
                    format!("the gateway of {} was not asked", pay.id)
                });
                self.books.secure(order.currency, pay.method, i128::from(pay.amount));
                let payment = Payment::paid_at_once(id, pay.method, money, order.customer.clone());
                let before = self.payments.insert(pay.id, payment);
                scene.expect(before.is_none(), Rule::PaymentTwice, || format!("payment {} was there already", pay.id));
            }
            _ => {}
        }
    }

    fn take_payment(&mut self, seq: u64, now: Timestamp, actor: &EntityKey, id: PaymentId, event: &PaymentEvent) {
        let scene = &mut Scene { seq, now, actor, faults: &mut self.faults };
        let known = self.payments.get_mut(&id);
        if known.is_none() && matches!(event, PaymentEvent::Opened { .. }) {
            return scene.fault(Rule::PaymentUnknown, "it was opened, but no order had secured it");
        }
        if let Some(payment) = known {
            return payment.take(event, &mut self.books, scene);
        }
        match Payment::create(event, scene) {
            Some(payment) => {
                self.payments.insert(id, payment);
            }
            None => scene.fault(Rule::PaymentUnknown, format!("{} came before it was created", event.name())),
        }
    }

    fn take_account(&mut self, seq: u64, now: Timestamp, actor: &EntityKey, owner: &CustomerId, event: &AccountEvent) {
        let scene = &mut Scene { seq, now, actor, faults: &mut self.faults };
        let wallet = self.wallets.entry(owner.clone()).or_default();
        wallet.take(owner, event, &mut self.for_payments, &mut self.books, scene);
    }

    /// Units promised so far that were not there.
    pub fn oversold(&self) -> u64 {
        self.skus.values().map(|sku| sku.oversold).sum()
    }

    /// The records are all in: checks what only the whole shows, and reports.
    pub fn finish(mut self) -> AuditReport {
        self.cross_check();
        if let Some(derived) = self.derived.take() {
            derived.finish(&mut self);
        }
        self.report_as_is()
    }

    /// What is known so far, for a journal that could not be read to its end.
    fn report_as_is(mut self) -> AuditReport {
        let mut report = std::mem::take(&mut self.report);
        report.skus = self.skus.len() as u64;
        report.orders = self.orders.len() as u64;
        report.payments = self.payments.len() as u64;
        report.accounts = self.wallets.len() as u64;
        report.oversold = self.oversold();
        report.displaced = self.skus.values().map(|sku| sku.displaced).sum();
        report.ledger = self.books.report();
        report.faults_found = self.faults.found;
        report.faults = std::mem::take(&mut self.faults.listed);
        report
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

/// Adds to what an order and a SKU say of each other; what cancels out is forgotten.
fn flow(flows: &mut Flows, order: OrderId, sku: &SkuId, shipped: i64, returned: i64) {
    let key = (order, sku.clone());
    let row = flows.entry(key.clone()).or_default();
    row.shipped = row.shipped.saturating_add(shipped);
    row.returned = row.returned.saturating_add(returned);
    if *row == stock::Flow::default() {
        flows.remove(&key);
    }
}
