//! What the partition must do at a time: deadlines of orders, unanswered gateway calls, expiring lots, leases of
//! tentative holds.
//!
//! A heap of (time, actor), lazily cleaned: an entry counts only if the actor is still due then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use stockade_domain::entity::EntityKey;
use stockade_domain::mistake::{Mistake, made};
use stockade_domain::order::OrderCommand;
use stockade_domain::payment::PaymentCommand;
use stockade_domain::stock::StockCommand;
use stockade_domain::{OrderId, PaymentId, SkuId, Timestamp};

use super::{Host, Message};

/// How long a step owed by another partition, or the fate of a tentative hold, is waited for before it is asked for
/// again.
pub(super) const ASK_AGAIN_MICROS: i64 = 1_000_000;

/// The heap.
#[derive(Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(Timestamp, EntityKey)>>,
    /// Who asks again, and when. Were an actor to ask as often as it was told to, its questions would double each second.
    asking: FxHashMap<EntityKey, Timestamp>,
}

impl Agenda {
    pub(super) fn add(&mut self, due: Timestamp, key: EntityKey) {
        self.heap.push(Reverse((due, key)));
    }

    /// The actor asks others again in a second, once, however often it is told to.
    pub(super) fn ask_again(&mut self, now: Timestamp, key: EntityKey) {
        if self.asking.get(&key).is_some_and(|due| *due > now) {
            return;
        }
        let due = now.plus_micros(ASK_AGAIN_MICROS);
        self.asking.insert(key.clone(), due);
        self.add(due, key);
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Who asks again, and when, in no order.
    pub(super) fn asking(&self) -> impl Iterator<Item = (&EntityKey, &Timestamp)> {
        self.asking.iter()
    }

    /// What is on it, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Timestamp, &EntityKey)> {
        self.heap.iter().map(|Reverse((due, key))| (*due, key))
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    fn pop_due(&mut self, now: Timestamp) -> Option<EntityKey> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse((due, key)) = self.heap.pop()?;
        if self.asking.get(&key) == Some(&due) {
            self.asking.remove(&key);
        }
        Some(key)
    }
}

impl Host {
    /// Due timers come first, so nobody in this partition sees a lapsed hold.
    pub(super) fn run_due(&mut self) {
        // What fails stays due; it is tried again in a second, not now and for ever.
        let mut failed: SmallVec<[EntityKey; 1]> = SmallVec::new();
        while let Some(key) = self.agenda.pop_due(self.now) {
            if failed.contains(&key) {
                continue;
            }
            let done = self.run_protected(|host| {
                match &key {
                    EntityKey::Order(order) => host.order_due(*order),
                    EntityKey::Payment(payment) => host.payment_due(*payment),
                    EntityKey::Sku(sku) => host.sku_due(sku),
                    EntityKey::Account(customer) => host.inquire_money(customer),
                    EntityKey::Uses(subject) => host.uses_due(subject),
                    EntityKey::Ledger => {}
                }
                host.run_messages()
            });
            if !matches!(done, Some(Ok(()))) {
                failed.push(key);
            }
        }
        for key in failed {
            self.agenda.ask_again(self.now, key);
        }
        self.retry_parked();
    }

    fn order_due(&mut self, order: OrderId) {
        self.give_up_waiting(order);
        self.retry_placing(order);
        self.retry_paying(order);
        let now = self.now;
        let Some(hosted) = self.load_order(order) else { return };
        hosted.was_due(now);
        if hosted.state.next_due().is_some_and(|due| due <= self.now) {
            self.messages.push_back(Message::Order(order, OrderCommand::DeadlineReached));
        }
        self.charge_again(order);
        if !made(Mistake::StepNotRepeated) {
            self.ask_owed_steps(order);
        }
        self.schedule_order(order);
    }

    fn payment_due(&mut self, payment: PaymentId) {
        let now = self.now;
        let Some(hosted) = self.load_payment(payment) else { return };
        hosted.was_due(now);
        if hosted.state.next_due().is_some_and(|due| due <= now) {
            self.messages.push_back(Message::Payment(payment, PaymentCommand::AskAgain));
        } else {
            self.schedule_payment(payment);
        }
    }

    fn sku_due(&mut self, sku: &SkuId) {
        let now = self.now;
        let Some(hosted) = self.load_sku(sku) else { return };
        hosted.was_due(now);
        if hosted.state.next_due().is_some_and(|due| due <= now) {
            let events = self.decide_stock(sku, &StockCommand::ExpireLots);
            if let Ok(events) = events {
                self.change_stock(sku, &events);
            }
            if let Err(refusal) = self.trade(sku, &StockCommand::ExpireLots) {
                tracing::warn!(%sku, %refusal, "offers and bids could not expire");
            }
        }
        self.inquire_tentative(sku);
        self.retry_bidding(sku);
        self.repeat_news(sku);
        self.schedule_sku(sku);
    }

    /// Puts an order on the agenda for its deadline, or for the steps that others owe it.
    pub(super) fn schedule_order(&mut self, order: OrderId) {
        let Some(hosted) = self.orders.get_mut(&order) else { return };
        let owed = (!hosted.state.owed.is_empty()).then(|| self.now.plus_micros(ASK_AGAIN_MICROS));
        let due = [hosted.state.next_due(), owed].into_iter().flatten().min();
        if let Some(due) = due
            && hosted.scheduled.is_none_or(|scheduled| due < scheduled || scheduled <= self.now)
        {
            hosted.scheduled = Some(due);
            self.agenda.add(due, EntityKey::Order(order));
        }
    }

    /// Puts a payment on the agenda for its unanswered call.
    pub(super) fn schedule_payment(&mut self, payment: PaymentId) {
        let Some(hosted) = self.payments.get_mut(&payment) else { return };
        if let Some(due) = hosted.state.next_due()
            && hosted.scheduled != Some(due)
        {
            hosted.scheduled = Some(due);
            self.agenda.add(due, EntityKey::Payment(payment));
        }
    }

    /// Puts a SKU on the agenda for its next expiring lot, or for the leases of tentative holds.
    pub(super) fn schedule_sku(&mut self, sku: &SkuId) {
        let Some(hosted) = self.skus.get_mut(sku) else { return };
        let asks = self.tentative.contains_key(sku) || !hosted.state.untold().is_empty();
        let lease = asks.then(|| self.now.plus_micros(ASK_AGAIN_MICROS));
        let due = [hosted.state.next_due(), lease].into_iter().flatten().min();
        if let Some(due) = due
            && hosted.scheduled.is_none_or(|scheduled| due < scheduled || scheduled <= self.now)
        {
            hosted.scheduled = Some(due);
            self.agenda.add(due, EntityKey::Sku(sku.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Hosted;

    /// Each question came twice as often as the second before, until nothing else was done.
    #[test]
    fn an_actor_that_is_told_to_ask_again_and_again_asks_once_a_second() {
        let (mut agenda, mut now) = (Agenda::default(), Timestamp(0));
        for _ in 0..5 {
            (0..10).for_each(|_| agenda.ask_again(now, EntityKey::Ledger));
            assert_eq!(agenda.len(), 1);
            now = now.plus_micros(ASK_AGAIN_MICROS);
            assert_eq!(agenda.pop_due(now), Some(EntityKey::Ledger));
            assert_eq!(agenda.pop_due(now), None);
        }
    }

    #[test]
    fn who_is_called_early_stays_on_the_agenda_for_what_is_due_later() {
        let mut hosted = Hosted::new(());
        hosted.scheduled = Some(Timestamp(5));
        hosted.was_due(Timestamp(4));
        assert_eq!(hosted.scheduled, Some(Timestamp(5)));
        hosted.was_due(Timestamp(5));
        assert_eq!(hosted.scheduled, None);
    }
}
