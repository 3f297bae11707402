//! Commands to orders, from callers and from other actors, and the callers who wait for a gateway.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use stockade_domain::entity::EntityKey;
use stockade_domain::order::{self, OrderAsk, OrderCommand, OrderEvent, Outcome, Tender};
use stockade_domain::payment::{Method, PaymentEvent, PaymentState};
use stockade_domain::{OrderId, PaymentId, Refusal, Timestamp};

use super::place::wallet_payments;
use super::{Handled, Host, Message};
use crate::command::{Answer, KeyDigest, OrderView};
use crate::faults::MailboxFault;
use crate::release::Reply;

/// A caller who waits for the outcome of an order's payment.
pub(super) struct Awaited {
    reply: Reply,
    until: Timestamp,
    /// How many payments had failed when the wait began; none if the order is being placed: then it is refused, or it stands.
    failures: Option<usize>,
    /// Whether it asked again for what was asked for already.
    replayed: bool,
}

impl Host {
    pub(super) fn run_order_command(
        &mut self,
        order: OrderId,
        command: OrderCommand,
        key: Option<KeyDigest>,
    ) -> Result<Handled, Refusal> {
        let known = self.load_order(order).is_some_and(|hosted| !Self::is_refused(&hosted.state));
        if !known {
            return Err(Refusal::NotFound { what: format!("order {order}") });
        }
        if matches!(command, OrderCommand::Ship { .. }) {
            self.check_set_aside(order)?;
        }
        self.tell_order(order, &command)?;
        if let (Some(key), Some(record)) = (key, self.orders.get(&order).and_then(|hosted| hosted.record())) {
            self.turn.add_digest(record, key);
        }
        self.run_messages()?;
        self.order_answer(order, false)
    }

    /// Tells an order something; what it asks of others runs in the same turn.
    pub(super) fn tell_order(&mut self, order: OrderId, command: &OrderCommand) -> Result<(), Refusal> {
        if self.home_of_route(order.route()) != self.index {
            let home = self.home_of_route(order.route());
            self.tell_peer(home, crate::peer::PeerMessage::Order { order, command: Box::new(command.clone()) });
            return Ok(());
        }
        self.crash_point(&MailboxFault::CrashBefore, || EntityKey::Order(order));
        let (mut events, mut asks) = (Vec::new(), Vec::new());
        let now = self.now;
        let Some(hosted) = self.load_order(order) else {
            return Err(Refusal::NotFound { what: format!("order {order}") });
        };
        order::decide(&hosted.state, command, now, &mut events, &mut asks)?;
        self.change_order(order, &events);
        self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Order(order));
        for ask in asks {
            let message = match ask {
                OrderAsk::Stock(sku, command) => Message::Stock(sku, command, order),
                OrderAsk::Uses(subject, command) => Message::Uses(subject, command, order),
                OrderAsk::Charge(tenders) => Message::Charge(order, tenders),
                OrderAsk::Payment(payment, command) => {
                    self.open_payment(order, payment);
                    Message::Payment(payment, command)
                }
            };
            self.messages.push_back(message);
        }
        if !events.is_empty() && self.awaited.contains_key(&order) {
            self.settled.push(order);
        }
        Ok(())
    }

    /// Refuses to ship an unpaid order while money for it is neither taken nor set aside.
    fn check_set_aside(&mut self, id: OrderId) -> Result<(), Refusal> {
        let Some(order) = self.load_order(id).map(|hosted| hosted.state.share()) else { return Ok(()) };
        if order.secured {
            return Ok(());
        }
        for card in order.payments.iter().filter(|card| card.is_pending() && card.method == Method::Card) {
            if !self.load_payment(card.id).is_some_and(|hosted| hosted.state.has_money_set_aside()) {
                let wanted = "its payment has no money set aside yet: wait for its outcome";
                return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted });
            }
        }
        Ok(())
    }

    /// Hosts a payment that its order secured by itself, now that it is asked for something.
    fn open_payment(&mut self, order: OrderId, id: PaymentId) {
        let Some(hosted) = self.load_order(order) else { return };
        let Some(payment) = hosted.state.payments.iter().find(|payment| payment.id == id) else { return };
        // A card's payment always has an actor.
        if payment.method != Method::Card {
            let opened = PaymentEvent::opened(&hosted.state, payment);
            if self.load_payment(id).is_none() {
                self.create_payment(id, &opened, &[]);
            }
        }
    }

    pub(super) fn pay(
        &mut self,
        id: OrderId,
        payments: &[Tender],
        key: Option<KeyDigest>,
        wait: Duration,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        let now = self.now;
        let not_found = || Refusal::NotFound { what: format!("order {id}") };
        let hosted = self.load_order(id).filter(|hosted| !Self::is_refused(&hosted.state)).ok_or_else(not_found)?;
        let order = &hosted.state;
        let due = order.check_payable(now)?;
        if payments.is_empty() {
            return Err(Refusal::BodyInvalid { field: "payments", why: "name at least one payment".into() });
        }
        let customer = order.customer.clone();
        let plan = order::plan_payments(due, payments, customer.as_ref())?;
        let (first, expires, attempt) = (order.payments.len(), order.hold_expires_at, order.attempt);
        let ids = (first..).map(|number| order::Order::payment_id(id, attempt, number, expires));
        let wallet = wallet_payments(&plan, ids, due.currency);
        if let Some(customer) = &customer
            && !wallet.is_empty()
            && self.home_of_name(customer.as_str()) != self.index
        {
            return self.pay_across(id, payments, key, wait, reply);
        }
        let spends = self.decide_wallet(customer.as_ref(), &wallet, !plan.needs_gateway())?;
        for (customer, event) in spends {
            self.change_account(&customer, &[event]);
        }
        self.record_payment_start(id, &plan, key);
        self.run_messages()?;
        self.answer_when_known(id, wait, false, reply)
    }

    /// Records new payments of an order; those that are secured at once settle it.
    pub(super) fn record_payment_start(&mut self, id: OrderId, plan: &order::PaymentPlan, key: Option<KeyDigest>) {
        let hosted = self.orders.get(&id).expect("the order is loaded");
        let (first, customer) = (hosted.state.payments.len(), hosted.state.customer.clone());
        let mut events: SmallVec<[OrderEvent; 2]> = SmallVec::new();
        events.push(OrderEvent::PaymentsStarted { payments: plan.payments.clone() });
        let payments = (first as u32..).zip(&plan.payments);
        events.extend(payments.filter_map(|(number, payment)| plan.secured_at_once(payment, number)));
        let record = self.change_order(id, &events);
        if let (Some(record), Some(key)) = (record, key) {
            self.turn.add_digest(record, key);
        }
        self.record_payments(id, customer.as_ref(), plan, first);
        let order = &self.orders.get(&id).expect("the order is loaded").state;
        if order.secured {
            let stock = order.settle_asks().map(|(sku, command)| Message::Stock(sku, command, id));
            let uses = order.settle_uses().map(|(subject, command)| Message::Uses(subject, command, id));
            self.messages.extend(stock.chain(uses));
        }
    }

    /// The answer to a placed or paid order: at once, or when its gateway has answered, or the wait is over.
    pub(super) fn answer_when_known(
        &mut self,
        order: OrderId,
        wait: Duration,
        replayed: bool,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        let state = &self.orders.get(&order).expect("the order is loaded").state;
        let is_told_already = replayed && !state.placing;
        if !state.is_pinned() || wait.is_zero() || is_told_already {
            self.accept(order);
            return self.order_answer(order, replayed);
        }
        let failures = (!state.placing).then(|| failures(state));
        let until = self.now.plus_micros(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX / 2));
        if let Some(reply) = reply.take() {
            self.awaited.entry(order).or_default().push(Awaited { reply, until, failures, replayed });
            self.agenda.add(until, EntityKey::Order(order));
        }
        Ok(Handled::Kept)
    }

    /// Somebody is told that the order stands while its payment is under way: it is not refused any more.
    fn accept(&mut self, order: OrderId) {
        if self.orders.get(&order).is_some_and(|hosted| hosted.state.placing) {
            self.tell_order(order, &OrderCommand::Accept).expect("an order that is there can be accepted");
        }
    }

    /// Answers those who wait for orders that the command at hand has changed.
    pub(super) fn answer_settled(&mut self) {
        while let Some(order) = self.settled.pop() {
            self.answer_awaited(order);
        }
    }

    /// Answers those who wait for an order whose gateway has answered.
    fn answer_awaited(&mut self, order: OrderId) {
        let Some(hosted) = self.orders.get(&order) else { return };
        if hosted.state.is_pinned() {
            return;
        }
        let (state, basis) = (hosted.state.share(), hosted.basis());
        for Awaited { reply, failures: before, replayed, .. } in self.awaited.remove(&order).unwrap_or_default() {
            let reason = state.payments.iter().rev().find_map(|payment| payment.failure.as_ref());
            let has_failed = before.is_some_and(|before| !state.secured && failures(&state) > before);
            let declined = state.outcome == Outcome::Refused || has_failed;
            let answer = if declined {
                let reason = reason.map_or_else(|| "declined".to_owned(), ToString::to_string);
                Err(Refusal::PaymentDeclined { reason })
            } else {
                Ok(Answer::Order(OrderView { order: Arc::clone(&state), as_of: 0, replayed }))
            };
            self.answer(Some(reply), answer, basis);
        }
    }

    /// Answers those who wait for an order whose payment now waits for somebody else than the gateway.
    pub(super) fn stop_waiting(&mut self, order: OrderId) {
        let now = self.now;
        if let Some(waiting) = self.awaited.get_mut(&order) {
            waiting.iter_mut().for_each(|awaited| awaited.until = now);
            self.give_up_waiting(order);
        }
    }

    /// Answers those whose wait is over: their payment is under way.
    pub(super) fn give_up_waiting(&mut self, order: OrderId) {
        let now = self.now;
        let is_over = |awaited: &Awaited| awaited.until <= now;
        if !self.awaited.get(&order).is_some_and(|waiting| waiting.iter().any(is_over)) {
            return;
        }
        if self.load_order(order).is_none() {
            return;
        }
        // First of all: should it panic, they still wait.
        self.accept(order);
        let Some(waiting) = self.awaited.get_mut(&order) else { return };
        let (over, rest): (Vec<_>, Vec<_>) = std::mem::take(waiting).into_iter().partition(is_over);
        if rest.is_empty() {
            self.awaited.remove(&order);
        } else {
            *waiting = rest;
        }
        let Some(hosted) = self.orders.get(&order) else { return };
        let (state, basis) = (hosted.state.share(), hosted.basis());
        for Awaited { reply, replayed, .. } in over {
            let view = OrderView { order: Arc::clone(&state), as_of: 0, replayed };
            self.answer(Some(reply), Ok(Answer::Order(view)), basis);
        }
    }
}

fn failures(order: &order::Order) -> usize {
    order.payments.iter().filter(|payment| payment.state == PaymentState::Failed).count()
}
