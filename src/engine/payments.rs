//! Payments by themselves: reading one, capturing and letting go what is set aside, and what gateways confirm.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use stockade_actors::command::{Answer, Command};
use stockade_domain::payment::gateway::{GatewayOutcome, Notice, Operation};
use stockade_domain::payment::{Method, Payment, PaymentCommand, PaymentEvent};
use stockade_domain::{Amount, Money, OrderId, PaymentId, Refusal, Timestamp};
use stockade_storage::projection::{Model, payment_key};

use super::commands::Pending;
use super::queries::{CANDIDATES_MAX, OrderFilter, Page, unreadable};
use super::snapshot::{MoneyJson, NextActionJson, Text, TimeJson};
use super::{Engine, Target};
use crate::gateway::{Difference, Settlement, compare};

/// How many orders are read at once to find payments that a settlement file does not name.
const ORDERS_AT_ONCE: usize = 100;

/// A payment as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentSnapshot(pub Payment);

impl Serialize for PaymentSnapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let payment = &self.0;
        let money = |amount: Amount| MoneyJson(Money::new(amount, payment.money.currency));
        let stage = payment.stage();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &Text(payment.id))?;
        map.serialize_entry("order", &Text(payment.order))?;
        map.serialize_entry("method", payment.method.name())?;
        map.serialize_entry("amount", &money(payment.money.amount))?;
        map.serialize_entry("status", stage.main().name())?;
        map.serialize_entry("sub_status", stage.sub_name())?;
        map.serialize_entry("public_status", stage.public().name())?;
        map.serialize_entry("captured", &money(payment.captured()))?;
        map.serialize_entry("refunded", &money(payment.refunded()))?;
        map.serialize_entry("refundable", &money(payment.refundable()))?;
        map.serialize_entry("created_at", &TimeJson(payment.created_at))?;
        if let Some(failed) = payment.retry_of {
            map.serialize_entry("retry_of", &Text(failed))?;
        }
        if let Some(remark) = &payment.remark {
            map.serialize_entry("remark", remark.as_str())?;
        }
        if let Some(progress) = &payment.progress {
            map.serialize_entry("authorized", &money(progress.authorized))?;
            map.serialize_entry("capturable", &money(payment.capturable()))?;
            map.serialize_entry("disputed", &money(progress.disputed))?;
            map.serialize_entry("charged_back", &money(progress.charged_back))?;
            map.serialize_entry("given_up", &progress.given_up)?;
            if let Some(action) = &payment.next_action() {
                map.serialize_entry("next_action", &NextActionJson::from(action))?;
            }
        }
        if payment.open.is_some() && !payment.is_given_up() {
            map.serialize_entry("attempts", &payment.attempts)?;
            map.serialize_entry("next_attempt_at", &TimeJson(payment.ask_again_at))?;
        }
        map.end()
    }
}

fn as_payment(answer: Answer) -> PaymentSnapshot {
    match answer {
        Answer::Payment(payment) => PaymentSnapshot(*payment),
        other => unreachable!("a payment's command is answered with the payment, not {other:?}"),
    }
}

fn as_payments(answer: Answer) -> Vec<PaymentSnapshot> {
    match answer {
        Answer::Payments(payments) => payments.into_iter().map(PaymentSnapshot).collect(),
        other => unreachable!("payments are answered with payments, not {other:?}"),
    }
}

impl Engine {
    /// How a payment stands, wherever that is known: by itself, or by the order that keeps it until some of it goes back.
    pub async fn find_payment(&self, payment: PaymentId) -> Result<PaymentSnapshot, Refusal> {
        match self.read_payment(payment).await {
            Err(not_found @ Refusal::NotFound { .. }) => self.kept_by_order(payment).await?.ok_or(not_found),
            read => read,
        }
    }

    /// A payment that was paid when its order was placed, as its order knows it. What was folded last is nearly always
    /// enough; only what is not found is waited for.
    async fn kept_by_order(&self, payment: PaymentId) -> Result<Option<PaymentSnapshot>, Refusal> {
        let known = self.durable();
        if let Some(found) = self.kept_by_folded_order(payment).await? {
            return Ok(Some(found));
        }
        self.0.threads.history().caught_up(known).await?;
        self.kept_by_folded_order(payment).await
    }

    async fn kept_by_folded_order(&self, payment: PaymentId) -> Result<Option<PaymentSnapshot>, Refusal> {
        let (history, key) = (self.0.threads.history(), payment_key(payment));
        let entries = history.newest_before(Model::OrdersByPayment, &key, u64::MAX, CANDIDATES_MAX);
        let orders =
            entries.map_err(|error| unreadable(&error))?.into_iter().map(|entry| OrderId::from_bytes(entry.order));
        // A payment has the route of its order.
        for id in orders.filter(|id| id.route() == payment.route()) {
            let order = match self.read_order(id).await {
                Ok(order) => order.order,
                // An attempt that was refused was never an order.
                Err(Refusal::NotFound { .. }) => continue,
                Err(refusal) => return Err(refusal),
            };
            if let Some(kept) = order.payments.iter().find(|kept| kept.id == payment && !kept.is_pending()) {
                let opened = PaymentEvent::opened(&order, kept);
                return Ok(Some(PaymentSnapshot(Payment::create(payment, &opened, order.created_at))));
            }
        }
        Ok(None)
    }

    /// How a payment that has an actor stands. One that was paid when its order was placed has none until some of it goes
    /// back; see [`find_payment`](Self::find_payment).
    pub fn read_payment(&self, payment: PaymentId) -> Pending<PaymentSnapshot> {
        let target = Target::Route(payment.route());
        Pending::new(self.submit(&target, Command::ReadPayment { payment }), as_payment)
    }

    fn payment(&self, payment: PaymentId, command: PaymentCommand) -> Pending<PaymentSnapshot> {
        let target = Target::Route(payment.route());
        let command = Command::Payment { payment, command: Box::new(command) };
        Pending::new(self.submit(&target, command), as_payment)
    }

    /// Takes money that is set aside: this much, or all of it.
    pub fn capture(&self, payment: PaymentId, amount: Option<Amount>) -> Pending<PaymentSnapshot> {
        self.payment(payment, PaymentCommand::Capture { amount })
    }

    /// Lets go what is set aside; the order learns that its payment failed.
    pub fn void(&self, payment: PaymentId) -> Pending<PaymentSnapshot> {
        self.payment(payment, PaymentCommand::Void)
    }

    /// What a gateway did, told by its webhook, by a client, or by an operator who asked it: one command, keyed by
    /// payment and operation, so it does not matter how often it comes. It is durable when it is answered.
    pub fn confirm(
        &self,
        payment: PaymentId,
        operation: Operation,
        outcome: GatewayOutcome,
    ) -> Pending<PaymentSnapshot> {
        self.payment(payment, PaymentCommand::Answer { operation, outcome })
    }

    /// What a gateway tells without being asked.
    pub fn notice(&self, payment: PaymentId, notice: Notice) -> Pending<PaymentSnapshot> {
        self.payment(payment, PaymentCommand::Notice(notice))
    }

    /// Tries a card payment again that failed, of an order that still waits for so much and still holds its units: with the
    /// same token and amount, as a new payment with keys of its own; that is the answer. The hold has its time anew.
    pub fn retry_payment(&self, payment: PaymentId) -> Pending<PaymentSnapshot> {
        let target = Target::Route(payment.route());
        Pending::new(self.submit(&target, Command::RetryPayment { payment }), as_payment)
    }

    /// Asks the gateway again for what was given up.
    pub fn resume_payment(&self, payment: PaymentId) -> Pending<PaymentSnapshot> {
        self.payment(payment, PaymentCommand::Resume)
    }

    /// What an operator has found out of what was given up: how it ended.
    pub fn resolve_payment(&self, payment: PaymentId, outcome: GatewayOutcome) -> Pending<PaymentSnapshot> {
        self.payment(payment, PaymentCommand::Resolve { outcome })
    }

    /// Compares every card payment with a gateway's settlement file; gives what differs, by payment. `since`: payments
    /// of orders placed before then are not missed in the file.
    pub async fn reconcile(
        &self,
        settlement: &Settlement,
        since: Option<Timestamp>,
    ) -> Result<Vec<(PaymentId, Difference)>, Refusal> {
        let mut found = Vec::new();
        for (id, settled) in settlement {
            let payment = match self.read_payment(*id).await {
                Ok(payment) => Some(payment.0),
                Err(Refusal::NotFound { .. }) => None,
                Err(refusal) => return Err(refusal),
            };
            found.extend(compare(payment.as_ref(), Some(settled)).into_iter().map(|difference| (*id, difference)));
        }
        let filter = OrderFilter { created_after: since, ..OrderFilter::default() };
        let mut before = None;
        loop {
            let listed = self.list_orders(&filter, Page { limit: ORDERS_AT_ONCE, before }).await?;
            for order in &listed.items {
                let cards = order.order.payments.iter().filter(|payment| payment.method == Method::Card);
                for id in cards.map(|payment| payment.id).filter(|id| !settlement.contains_key(id)) {
                    let payment = self.read_payment(id).await?.0;
                    found.extend(compare(Some(&payment), None).into_iter().map(|difference| (id, difference)));
                }
            }
            match listed.next {
                Some(next) => before = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Payments whose gateway is not asked any more until somebody says so, by id.
    pub async fn dead_letters(&self) -> Result<Vec<PaymentSnapshot>, Refusal> {
        let mut found = Vec::new();
        for partition in 0..self.partitions() {
            let target = Target::Partition(partition);
            found.append(&mut Pending::new(self.submit(&target, Command::ReadDeadLetters), as_payments).await?);
        }
        found.sort_by_key(|payment| payment.0.id);
        Ok(found)
    }
}
