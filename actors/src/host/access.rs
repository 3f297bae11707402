//! Finding an actor (in memory, or on the shelf) and changing it: every change applies its events, encodes them into
//! the turn, and marks the actor for the next checkpoint.

use std::borrow::Cow;

use smallvec::SmallVec;
use stockade_domain::account::{Account, AccountEvent};
use stockade_domain::book::{Matcher, Side};
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::ledger;
use stockade_domain::order::{Order, OrderEvent, Outcome, news_of_stock, note};
use stockade_domain::payment::{Payment, PaymentEvent};
use stockade_domain::stock::{Admission, Stock, StockEvent};
use stockade_domain::{CustomerId, OrderId, PaymentId, SkuId};

use super::resting::order_of_snapshot;
use super::{Host, Message};
use crate::copy_on_write::CopyOnWrite;
use crate::kits::kit_of;
use crate::release::Basis;
use crate::table::Hosted;

impl Host {
    /// The SKU, if it was ever defined.
    pub(super) fn load_sku(&mut self, sku: &SkuId) -> Option<&mut Hosted<Stock>> {
        if !self.skus.contains(sku) {
            if !self.cold_skus.contains(sku) {
                return None;
            }
            let mut hosted = self.unshelve::<Stock>(EntityKind::Sku, sku.as_str().as_bytes())?;
            hosted.shown_sold_out = self.shared.gauges.get(sku).is_some_and(|gauge| gauge.read().is_some());
            hosted.note_alarms();
            self.cold_skus.remove(sku);
            self.skus.insert(sku.clone(), hosted);
            self.count_tentative(sku);
        }
        self.skus.get_mut(sku)
    }

    /// The order, if it was ever placed.
    pub(super) fn load_order(&mut self, order: OrderId) -> Option<&mut Hosted<CopyOnWrite<Order>>> {
        if !self.orders.contains(&order) {
            let hosted = match self.find_at_rest_or_shelved(order) {
                Some(hosted) => hosted,
                None => self.find_in_journal(order)?,
            };
            self.orders.insert(order, hosted);
        }
        self.orders.get_mut(&order)
    }

    /// An order that is not hosted: at rest, or on the shelf.
    pub(super) fn find_at_rest_or_shelved(&mut self, order: OrderId) -> Option<Hosted<CopyOnWrite<Order>>> {
        self.wake(order).or_else(|| self.unshelve_order(order))
    }

    /// An order that has no snapshot: the journal decides whether it exists.
    #[cold]
    fn find_in_journal(&mut self, order: OrderId) -> Option<Hosted<CopyOnWrite<Order>>> {
        match self.shared.shelf.knows_order(order.to_bytes()) {
            Ok(false) => None,
            Ok(true) => self.replay_order(order),
            Err(error) => panic!("{error}"),
        }
    }

    /// The payment, if it was ever made.
    pub(super) fn load_payment(&mut self, payment: PaymentId) -> Option<&mut Hosted<Payment>> {
        if !self.payments.contains(&payment) {
            let hosted = self.unshelve::<Payment>(EntityKind::Payment, &payment.to_bytes())?;
            self.payments.insert(payment, hosted);
        }
        self.payments.get_mut(&payment)
    }

    /// What is known of a wallet. Asking brings none into being: anybody may ask for any name.
    pub(super) fn peek_account(&mut self, customer: &CustomerId) -> (Cow<'_, Account>, Basis) {
        if self.cold_accounts.contains(customer) {
            self.load_account(customer);
        }
        match self.accounts.get(customer) {
            Some(hosted) => (Cow::Borrowed(&hosted.state), hosted.basis()),
            None => (Cow::Owned(Account::new(customer.clone())), Basis::Seq(0)),
        }
    }

    /// The wallet; a new one is empty.
    pub(super) fn load_account(&mut self, customer: &CustomerId) -> &mut Hosted<Account> {
        if !self.accounts.contains(customer) {
            let cold = self.cold_accounts.contains(customer);
            let shelved = if cold { self.unshelve(EntityKind::Account, customer.as_str().as_bytes()) } else { None };
            let hosted = shelved.unwrap_or_else(|| Hosted::new(Account::new(customer.clone())));
            self.cold_accounts.remove(customer);
            self.accounts.insert(customer.clone(), hosted);
        }
        self.accounts.get_mut(customer).expect("it was just loaded")
    }

    /// An actor from its snapshot.
    pub(super) fn unshelve<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        kind: EntityKind,
        key: &[u8],
    ) -> Option<Hosted<T>> {
        self.snapshot_bytes(kind, key).map(|bytes| read_snapshot(&bytes))
    }

    /// An order from its snapshot.
    pub(super) fn unshelve_order(&self, order: OrderId) -> Option<Hosted<CopyOnWrite<Order>>> {
        let bytes = self.snapshot_bytes(EntityKind::Order, &order.to_bytes())?;
        Some(order_of_snapshot(order, &bytes).unwrap_or_else(|error| panic!("order {order}: its snapshot: {error}")))
    }

    fn snapshot_bytes(&self, kind: EntityKind, key: &[u8]) -> Option<Vec<u8>> {
        // A snapshot that cannot be read costs the command an error, not an invented answer.
        self.shared.shelf.snapshot(kind, key).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Changes a SKU; fills and shortfalls are told to their orders in the same turn.
    pub(super) fn change_stock(&mut self, sku: &SkuId, events: &[StockEvent]) -> Option<u32> {
        if events.is_empty() {
            return None;
        }
        let record = self.begin_stock_change(sku);
        self.turn.touch(record);
        let hosted = self.skus.get_mut(sku).expect("a SKU that changes is loaded");
        let is_new = hosted.state.definition.is_none();
        for event in events {
            if let StockEvent::Defined(definition) = event
                && (definition.kit.is_some() || hosted.state.definition.as_ref().is_some_and(|old| old.kit.is_some()))
            {
                self.effects.make_known(sku.clone(), kit_of(definition));
            }
            hosted.state.apply(event);
            self.turn.push_event(record, event);
        }
        self.end_stock_change(sku, record, is_new, events);
        Some(record)
    }

    /// A SKU is about to change: its record in the turn.
    pub(super) fn begin_stock_change(&mut self, sku: &SkuId) -> u32 {
        self.snapshot_stock(sku);
        let hosted = self.skus.get_mut(sku).expect("a SKU that changes is loaded");
        let record = hosted.record().unwrap_or_else(|| {
            let record = self.turn.add_record(EntityKey::Sku(sku.clone()));
            hosted.set_record(record);
            record
        });
        self.checkpoint.mark_dirty(&mut hosted.dirty_since, || EntityKey::Sku(sku.clone()));
        record
    }

    /// A SKU may change: a checkpoint that still needs it as it is takes it now.
    pub(super) fn snapshot_stock(&mut self, sku: &SkuId) {
        self.snapshot_before_change(|host| host.skus.get_mut(sku), EntityKind::Sku, sku.as_str().as_bytes());
    }

    /// A SKU has changed: its gauge and its place on the agenda follow, its orders are told, and what began to hold of
    /// it is told when the turn ends.
    pub(super) fn end_stock_change(&mut self, sku: &SkuId, record: u32, is_new: bool, events: &[StockEvent]) {
        let hosted = self.skus.get_mut(sku).expect("a SKU that changes is loaded");
        let was_sold_out = hosted.shown_sold_out;
        hosted.state.bins.iter().for_each(|bin| bin.counters.check());
        // Units of a tentative hold may yet come back, so they are not gone.
        let sold_out = is_sold_out(&hosted.state, self.now) && !self.tentative.contains_key(sku);
        hosted.shown_sold_out = sold_out;
        let due = hosted.state.next_due();
        let reschedule = due.is_some() && hosted.scheduled != due;
        if hosted.state.alarms() != hosted.alarms {
            self.alarmed.push(sku.clone());
        }
        if was_sold_out != sold_out || is_new {
            let gauge = self.shared.gauges.entry(sku.clone()).or_default().clone();
            self.effects.set_gauge(gauge, record, sold_out);
        }
        for event in events {
            self.follow_stock_event(sku, event);
        }
        if reschedule {
            self.schedule_sku(sku);
        }
    }

    /// The turn ends: what holds of a SKU now and did not when its last record ended is told by the record that it has
    /// in this turn.
    pub(super) fn tell_alarms(&mut self) {
        while let Some(sku) = self.alarmed.pop() {
            let Some(hosted) = self.skus.get_mut(&sku) else { continue };
            let Some(record) = hosted.record() else { continue };
            for fact in hosted.state.alarms_since(hosted.alarms) {
                self.turn.push_event(record, &fact);
            }
            hosted.note_alarms();
        }
    }

    fn follow_stock_event(&mut self, sku: &SkuId, event: &StockEvent) {
        let Some(order) = event.must_hear() else { return };
        let is_away = self.home_of_route(order.route()) != self.index;
        if matches!(event, StockEvent::ShippedShort { .. }) {
            if is_away {
                // It is told with the end of its step.
                return;
            }
        } else if is_away || !self.is_recorded(order) || self.is_unsettled_with(sku, order) {
            return self.tell_of_stock(sku, order);
        }
        let offer_seconds = self.skus.get(sku).map_or(0, |hosted| hosted.state.offer_seconds());
        if let Some((order, command)) = news_of_stock(sku, event, offer_seconds) {
            self.messages.push_back(Message::Order(order, command));
        }
    }

    /// Whether an order of this partition is there to hear of events one by one. One that is still being placed, or never
    /// came to be, is told how things stand when it is, or not at all.
    fn is_recorded(&mut self, order: OrderId) -> bool {
        !self.is_being_placed(order) && self.load_order(order).is_some_and(|hosted| !Self::is_refused(&hosted.state))
    }

    /// Changes an order; the books follow.
    pub(super) fn change_order(&mut self, order: OrderId, events: &[OrderEvent]) -> Option<u32> {
        if events.is_empty() {
            return None;
        }
        self.snapshot_before_change(|host| host.orders.get_mut(&order), EntityKind::Order, &order.to_bytes());
        let hosted = self.orders.get_mut(&order).expect("an order that changes is loaded");
        let record = hosted.record().unwrap_or_else(|| {
            let record = self.turn.add_record(EntityKey::Order(order));
            hosted.set_record(record);
            record
        });
        self.checkpoint.mark_dirty(&mut hosted.dirty_since, || EntityKey::Order(order));
        self.turn.touch(record);
        for event in events {
            let before = hosted.state.secured.then(|| hosted.state.share());
            hosted.state.to_mut().apply(event);
            let postings = ledger::of_order(before.as_deref(), event, &hosted.state);
            if !postings.is_empty() {
                self.postings.push((hosted.state.currency, postings));
            }
            self.turn.push_event(record, event);
        }
        self.turn.set_note(record, note::of_order(&hosted.state, false));
        if hosted.state.next_due().is_some() || !hosted.state.owed.is_empty() {
            self.schedule_order(order);
        }
        Some(record)
    }

    /// Hosts an order that has just been placed.
    pub(super) fn create_order(&mut self, id: OrderId, placed: &OrderEvent, then: &[OrderEvent]) -> u32 {
        self.snapshot_before_change(|host| host.orders.get_mut(&id), EntityKind::Order, &id.to_bytes());
        // An earlier attempt with this id was refused; its records stay in the history.
        let refused = self.orders.get(&id);
        let history = refused.map_or_else(SmallVec::new, |hosted| hosted.history.clone());
        let record_before = refused.and_then(Hosted::record);
        let mut order = Order::create_after(refused.map(|hosted| &*hosted.state), id, placed, self.now);
        let record = record_before.unwrap_or_else(|| self.turn.add_record(EntityKey::Order(id)));
        let postings = ledger::of_order(None, placed, &order);
        if !postings.is_empty() {
            self.postings.push((order.currency, postings));
        }
        self.turn.push_event(record, placed);
        for event in then {
            let before = order.secured.then(|| order.clone());
            order.apply(event);
            let postings = ledger::of_order(before.as_ref(), event, &order);
            if !postings.is_empty() {
                self.postings.push((order.currency, postings));
            }
            self.turn.push_event(record, event);
        }
        self.turn.set_note(record, note::of_order(&order, true));
        let needs_agenda = order.next_due().is_some() || !order.owed.is_empty();
        let mut hosted = Hosted::new(CopyOnWrite::new(order));
        hosted.history = history;
        hosted.set_record(record);
        // Whether a checkpoint has to write it shows when the turn ends.
        self.orders.insert(id, hosted);
        self.placed.push((id, record));
        if needs_agenda {
            self.schedule_order(id);
        }
        record
    }

    /// Changes a payment; the books follow.
    pub(super) fn change_payment(&mut self, payment: PaymentId, events: &[PaymentEvent]) {
        if events.is_empty() {
            return;
        }
        self.snapshot_before_change(|host| host.payments.get_mut(&payment), EntityKind::Payment, &payment.to_bytes());
        let now = self.now;
        let hosted = self.payments.get_mut(&payment).expect("a payment that changes is loaded");
        let record = hosted.record().unwrap_or_else(|| {
            let record = self.turn.add_record(EntityKey::Payment(payment));
            hosted.set_record(record);
            record
        });
        self.checkpoint.mark_dirty(&mut hosted.dirty_since, || EntityKey::Payment(payment));
        self.turn.touch(record);
        for event in events {
            self.postings.extend(ledger::of_payment(&hosted.state, event));
            hosted.state.apply(event, now);
            self.turn.push_event(record, event);
        }
        self.schedule_payment(payment);
    }

    /// Hosts a payment that has just been made.
    pub(super) fn create_payment(&mut self, id: PaymentId, created: &PaymentEvent, then: &[PaymentEvent]) {
        let mut hosted = Hosted::new(Payment::create(id, created, self.now));
        let record = self.turn.add_record(EntityKey::Payment(id));
        hosted.set_record(record);
        self.checkpoint.mark_dirty(&mut hosted.dirty_since, || EntityKey::Payment(id));
        self.turn.push_event(record, created);
        self.turn.set_note(record, note::PLACED);
        for event in then {
            self.postings.extend(ledger::of_payment(&hosted.state, event));
            hosted.state.apply(event, self.now);
            self.turn.push_event(record, event);
        }
        self.payments.insert(id, hosted);
        self.schedule_payment(id);
    }

    /// Changes a wallet; the books follow.
    pub(super) fn change_account(&mut self, customer: &CustomerId, events: &[AccountEvent]) -> Option<u32> {
        if events.is_empty() {
            return None;
        }
        self.load_account(customer);
        let key = customer.as_str().as_bytes();
        self.snapshot_before_change(|host| host.accounts.get_mut(customer), EntityKind::Account, key);
        let hosted = self.accounts.get_mut(customer).expect("a wallet that changes is loaded");
        let record = hosted.record().unwrap_or_else(|| {
            let record = self.turn.add_record(EntityKey::Account(customer.clone()));
            hosted.set_record(record);
            record
        });
        self.checkpoint.mark_dirty(&mut hosted.dirty_since, || EntityKey::Account(customer.clone()));
        self.turn.touch(record);
        for event in events {
            self.postings.extend(ledger::of_account(event));
            hosted.state.apply(event);
            self.turn.push_event(record, event);
        }
        Some(record)
    }

    /// Takes the postings of the command that has just ended into the books.
    pub(super) fn post(&mut self) {
        for (currency, postings) in self.postings.drain(..) {
            self.ledger.post(currency, &postings);
        }
    }

    /// Whether a refused attempt with this id may be forgotten.
    pub(super) fn is_refused(order: &Order) -> bool {
        order.outcome == Outcome::Refused
    }
}

fn read_snapshot<T: for<'b> minicbor::Decode<'b, ()>>(bytes: &[u8]) -> Hosted<T> {
    Hosted::from_snapshot(bytes).unwrap_or_else(|error| panic!("a verified snapshot is unreadable: {error}"))
}

/// Whether nothing can be held of it, now or on backorder.
pub(super) fn is_sold_out(stock: &Stock, now: stockade_domain::Timestamp) -> bool {
    let Some(definition) = &stock.definition else { return false };
    // A kit has no stock that could run out, and where buyers wait in line nobody is turned away at the door.
    let in_line = definition.admission.as_deref().is_some_and(Admission::offers);
    let offers = stock.market().is_some_and(|market| market.book().best(Side::Supply).is_some());
    let says_nothing = definition.kit.is_some() || in_line || offers;
    !says_nothing && stock.available(now) == 0
}
