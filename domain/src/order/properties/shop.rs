//! A whole shop in one piece of memory: the way a partition hosts the actors, without the partition.
//!
//! Everything an actor asks of another is a message; messages run first in, first out, as a partition runs them, or
//! each with all that follows from it before the next, so that no rule rests on how messages interleave.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::gateway::Gateway;
use super::stall::{self, Stall};
use crate::account::{self, Account, AccountCommand, AccountEvent};
use crate::entity::{EntityKey, Event};
use crate::ledger::{self, Ledger, Postings};
use crate::order::{self, LatePayment, Order, OrderAsk, OrderCommand, OrderEvent, Outcome, Tender};
use crate::payment::{self, Payment, PaymentAsk, PaymentCommand, PaymentEvent};
use crate::promotion::RuleSet;
use crate::promotion::uses::{self, Subject, UsesCommand, UsesEvent, UsesState};
use crate::stock::{self, Stock, StockCommand, StockEvent};
use crate::{Currency, CustomerId, Money, OrderId, PaymentId, Refusal, SkuId, Timestamp};

/// What one actor says to another.
#[derive(Debug, Clone)]
pub(super) enum Message {
    Stock(SkuId, StockCommand),
    Order(OrderId, OrderCommand),
    Payment(PaymentId, PaymentCommand),
    /// The order sees where a payment stands by then.
    Seen(PaymentId),
    Account(CustomerId, AccountCommand),
    Uses(Subject, UsesCommand),
    /// An order is to be charged now.
    Charge(OrderId, Vec<Tender>),
}

impl Message {
    /// Whether hearing it twice must be the same as hearing it once.
    fn is_repeatable(&self) -> bool {
        use StockCommand as S;
        match self {
            Self::Stock(_, command) => {
                matches!(command, S::Confirm { .. } | S::Settle { .. } | S::ReleaseAll { .. })
            }
            Self::Order(_, command) => matches!(
                command,
                OrderCommand::PaymentPaid { .. }
                    | OrderCommand::PaymentPaidLate { .. }
                    | OrderCommand::PaymentFailed { .. }
                    | OrderCommand::CaptureFailed { .. }
                    | OrderCommand::PaymentRefunded { .. }
                    | OrderCommand::DeadlineReached
            ),
            Self::Payment(_, command) => {
                matches!(command, PaymentCommand::Secure | PaymentCommand::Abandon | PaymentCommand::GiveBack)
                    || *command == PaymentCommand::CaptureSetAside
            }
            // An order gives a use back once; where it asks another partition again, its step has a number.
            Self::Uses(_, command) => !matches!(command, UsesCommand::GiveBack { step: None, .. }),
            Self::Seen(_) => true,
            Self::Charge(..) => false,
            Self::Account(_, command) => !matches!(command, AccountCommand::Credit { .. }),
        }
    }
}

/// How messages travel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post {
    pub(super) depth_first: bool,
    pub(super) twice: bool,
}

pub(super) struct Shop {
    pub(super) now: Timestamp,
    pub(super) currency: Currency,
    pub(super) post: Post,
    pub(super) stocks: BTreeMap<SkuId, Stock>,
    pub(super) orders: BTreeMap<OrderId, Order>,
    pub(super) payments: BTreeMap<PaymentId, Payment>,
    pub(super) accounts: BTreeMap<CustomerId, Account>,
    pub(super) ledger: Ledger,
    pub(super) gateway: Gateway,
    pub(super) journal: Vec<(EntityKey, Event, Timestamp)>,
    pub(super) seen: BTreeSet<String>,
    pub(super) late_payment: LatePayment,
    /// What sellers offer.
    pub(super) stall: Stall,
    /// Who owns the uses of promotions and coupons.
    pub(super) uses: BTreeMap<Subject, UsesState>,
    pub(super) rules: Option<RuleSet>,
    pub(super) messages: VecDeque<Message>,
    /// Payments that their orders keep: they have no actors yet.
    kept: BTreeSet<PaymentId>,
}

impl Shop {
    pub(super) fn new(currency: Currency, post: Post) -> Self {
        Self {
            now: Timestamp(1_700_000_000_000_000),
            currency,
            post,
            stocks: BTreeMap::new(),
            orders: BTreeMap::new(),
            payments: BTreeMap::new(),
            accounts: BTreeMap::new(),
            ledger: Ledger::default(),
            gateway: Gateway::default(),
            journal: Vec::new(),
            seen: BTreeSet::new(),
            late_payment: LatePayment::default(),
            stall: Stall::default(),
            uses: BTreeMap::new(),
            rules: None,
            messages: VecDeque::new(),
            kept: BTreeSet::new(),
        }
    }

    pub(super) fn record(&mut self, key: EntityKey, event: Event) {
        self.seen.insert(format!("{} {}", key.kind().name(), event.name()));
        self.journal.push((key, event, self.now));
    }

    pub(super) fn note(&mut self, what: &str) {
        self.seen.insert(what.to_owned());
    }

    pub(super) fn post_all(&mut self, rows: impl IntoIterator<Item = (Currency, Postings)>) {
        rows.into_iter().for_each(|(currency, postings)| self.ledger.post(currency, &postings));
    }

    /// A command from outside to a SKU.
    pub(super) fn stock(&mut self, sku: &SkuId, command: &StockCommand) -> Result<(), Refusal> {
        let stock = self.stocks.entry(sku.clone()).or_insert_with(|| Stock::new(sku.clone()));
        let mut events = Vec::new();
        stock::decide(stock, command, self.now, &mut events)?;
        self.change_stock(sku, &events);
        self.run_messages();
        Ok(())
    }

    pub(super) fn change_stock(&mut self, sku: &SkuId, events: &[StockEvent]) {
        for event in events {
            self.stocks.get_mut(sku).expect("a SKU that changes is there").apply(event);
            self.record(EntityKey::Sku(sku.clone()), Event::Stock(event.clone()));
            let offer_seconds = self.stocks[sku].offer_seconds();
            if let Some((order, told)) = order::news_of_stock(sku, event, offer_seconds) {
                self.messages.push_back(Message::Order(order, told));
            }
        }
    }

    pub(super) fn credit(&mut self, customer: &CustomerId, money: Money) -> Result<(), Refusal> {
        self.account(customer, &AccountCommand::Credit { money, reference: None })
    }

    fn account(&mut self, customer: &CustomerId, command: &AccountCommand) -> Result<(), Refusal> {
        let account = self.accounts.entry(customer.clone()).or_insert_with(|| Account::new(customer.clone()));
        let mut events = Vec::new();
        account::decide(account, command, &mut events)?;
        self.change_account(customer, &events);
        Ok(())
    }

    pub(super) fn change_account(&mut self, customer: &CustomerId, events: &[AccountEvent]) {
        for event in events {
            self.post_all(ledger::of_account(event));
            self.accounts.get_mut(customer).expect("a wallet that changes is there").apply(event);
            self.record(EntityKey::Account(customer.clone()), Event::Account(event.clone()));
        }
    }

    /// A command from outside to an order.
    pub(super) fn order(&mut self, id: OrderId, command: &OrderCommand) -> Result<(), Refusal> {
        self.tell_order(id, command)?;
        self.run_messages();
        Ok(())
    }

    pub(super) fn tell_order(&mut self, id: OrderId, command: &OrderCommand) -> Result<(), Refusal> {
        let earlier =
            (OrderEvent::Delivered, OrderAsk::Payment(Order::payment_id(id, 0, 0, self.now), PaymentCommand::Secure));
        let (mut events, mut asks) = (vec![earlier.0.clone()], vec![earlier.1.clone()]);
        let decision = order::decide(&self.orders[&id], command, self.now, &mut events, &mut asks);
        assert_eq!((events.remove(0), asks.remove(0)), earlier, "what was decided before stays");
        if let Err(refusal) = decision {
            assert!(events.is_empty() && asks.is_empty(), "{refusal} left something behind");
            return Err(refusal);
        }
        self.change_order(id, &events);
        self.messages.extend(asks.into_iter().map(|ask| match ask {
            OrderAsk::Stock(sku, command) => Message::Stock(sku, command),
            OrderAsk::Payment(payment, command) => Message::Payment(payment, command),
            OrderAsk::Uses(subject, command) => Message::Uses(subject, command),
            OrderAsk::Charge(tenders) => Message::Charge(id, tenders),
        }));
        Ok(())
    }

    pub(super) fn change_order(&mut self, id: OrderId, events: &[OrderEvent]) {
        for event in events {
            let order = self.orders.get_mut(&id).expect("an order that changes is there");
            let before = order.clone();
            order.apply(event);
            let postings = ledger::of_order(Some(&before), event, order);
            if let OrderEvent::PaidAtOnce { number } = event {
                let seen = &order.payments[*number as usize];
                let implied = Payment::create(seen.id, &PaymentEvent::opened(order, seen), self.now);
                self.kept.insert(seen.id);
                self.payments.insert(seen.id, implied);
            }
            self.post_all([(self.currency, postings)]);
            self.record(EntityKey::Order(id), Event::Order(event.clone()));
        }
    }

    /// A payment that its order keeps becomes an actor when it is asked for something.
    fn open_payment(&mut self, id: PaymentId) {
        let payment = &self.payments[&id];
        if self.kept.remove(&id) {
            let order = &self.orders[&payment.order];
            let seen = order.payments.iter().find(|seen| seen.id == id).expect("it is the order's");
            let opened = PaymentEvent::opened(order, seen);
            self.payments.insert(id, Payment::create(id, &opened, self.now));
            self.record(EntityKey::Payment(id), Event::Payment(opened));
        }
    }

    /// Something told to a payment from outside.
    pub(super) fn payment(&mut self, id: PaymentId, command: &PaymentCommand) -> Result<(), Refusal> {
        self.tell_payment(id, command)?;
        self.run_messages();
        Ok(())
    }

    fn tell_payment(&mut self, id: PaymentId, command: &PaymentCommand) -> Result<(), Refusal> {
        if matches!(command, PaymentCommand::Refund { .. }) {
            self.open_payment(id);
        }
        let (mut events, mut asks) = (Vec::new(), Vec::new());
        payment::decide(&self.payments[&id], command, self.now, &mut events, &mut asks)?;
        self.change_payment(id, &events);
        let (order, mut said) = (self.payments[&id].order, None);
        for ask in asks {
            let told = match ask {
                PaymentAsk::Gateway(call) => {
                    self.gateway.call(call);
                    continue;
                }
                PaymentAsk::Notify { state } => {
                    said = Some(state);
                    continue;
                }
                PaymentAsk::Account(customer, command) => {
                    self.messages.push_back(Message::Account(customer, command));
                    continue;
                }
                PaymentAsk::OrderWaits => continue,
                PaymentAsk::OrderSees => {
                    self.messages.push_back(Message::Seen(id));
                    continue;
                }
                PaymentAsk::OrderPaid => OrderCommand::PaymentPaid { payment: id },
                PaymentAsk::OrderPaidLate => OrderCommand::PaymentPaidLate { payment: id, policy: self.late_payment },
                PaymentAsk::OrderFailed { reason } => OrderCommand::PaymentFailed { payment: id, reason },
                PaymentAsk::CaptureFailed { reason } => OrderCommand::CaptureFailed { payment: id, reason },
                PaymentAsk::OrderRefundReversed { amount } => OrderCommand::RefundReversed { payment: id, amount },
                PaymentAsk::OrderRefunded { amount, done } => {
                    OrderCommand::PaymentRefunded { payment: id, amount, done }
                }
            };
            self.messages.push_back(Message::Order(order, told));
        }
        assert!(said.is_none_or(|state| state == self.payments[&id].state), "what is said last is so");
        Ok(())
    }

    /// Something told to the owner of uses.
    pub(super) fn tell_uses(&mut self, subject: &Subject, command: &UsesCommand) -> Result<(), Refusal> {
        let state = self.uses.entry(subject.clone()).or_insert_with(|| UsesState::new(subject.clone()));
        let mut events = Vec::new();
        uses::decide(state, command, self.now, &mut events)?;
        self.change_uses(subject, events);
        Ok(())
    }

    pub(super) fn change_uses(&mut self, subject: &Subject, events: Vec<UsesEvent>) {
        let key = EntityKey::Uses(subject.clone());
        for event in events {
            self.uses.get_mut(subject).expect("uses that change have an owner").apply(&event);
            self.record(key.clone(), Event::Uses(event));
        }
    }

    pub(super) fn change_payment(&mut self, id: PaymentId, events: &[PaymentEvent]) {
        for event in events {
            let payment = self.payments.get_mut(&id).expect("a payment that changes is there");
            let postings = ledger::of_payment(payment, event);
            payment.apply(event, self.now);
            self.post_all(postings);
            self.record(EntityKey::Payment(id), Event::Payment(event.clone()));
        }
    }

    pub(super) fn run_messages(&mut self) {
        while let Some(message) = self.messages.pop_front() {
            let mut waiting = std::mem::take(&mut self.messages);
            let times = if self.post.twice && message.is_repeatable() { 2 } else { 1 };
            for _ in 0..times {
                self.deliver(message.clone());
            }
            if self.post.depth_first {
                self.messages.append(&mut waiting);
            } else {
                waiting.append(&mut self.messages);
                self.messages = waiting;
            }
        }
    }

    /// What actors ask of each other cannot be refused.
    fn deliver(&mut self, message: Message) {
        match message {
            Message::Stock(sku, command) if sku.as_str() == stall::SKU => self.stall.hear(&command),
            Message::Stock(sku, command) => {
                let mut events = Vec::new();
                stock::decide(&self.stocks[&sku], &command, self.now, &mut events)
                    .unwrap_or_else(|refusal| panic!("{sku} refused {command:?}: {refusal}"));
                self.change_stock(&sku, &events);
            }
            Message::Order(order, command) => self
                .tell_order(order, &command)
                .unwrap_or_else(|refusal| panic!("an order refused {command:?}: {refusal}")),
            Message::Payment(payment, command) => self
                .tell_payment(payment, &command)
                .unwrap_or_else(|refusal| panic!("a payment refused {command:?}: {refusal}")),
            Message::Seen(id) => {
                let payment = &self.payments[&id];
                let (stage, next_action) = (payment.stage(), payment.next_action());
                let stands = OrderCommand::PaymentStands { payment: id, stage, next_action };
                self.tell_order(payment.order, &stands).expect("where a payment stands is not refused");
            }
            Message::Account(customer, command) => self
                .account(&customer, &command)
                .unwrap_or_else(|refusal| panic!("a wallet refused {command:?}: {refusal}")),
            Message::Uses(subject, command) => self
                .tell_uses(&subject, &command)
                .unwrap_or_else(|refusal| panic!("{subject:?} refused {command:?}: {refusal}")),
            Message::Charge(order, tenders) => self.charge(order, &tenders),
        }
    }

    /// Time passes; whoever is due is woken.
    pub(super) fn wait(&mut self, seconds: u32) {
        self.now = self.now.plus_seconds(seconds);
        let expired = self.stocks.values().filter(|stock| stock.next_due().is_some_and(|due| due <= self.now));
        for sku in expired.map(|stock| stock.sku.clone()).collect::<Vec<_>>() {
            self.stock(&sku, &StockCommand::ExpireLots).expect("lots expire");
        }
        let orders: Vec<_> =
            self.orders.values().filter(|o| o.next_due().is_some_and(|due| due <= self.now)).map(|o| o.id).collect();
        for id in orders {
            self.order(id, &OrderCommand::DeadlineReached).expect("a deadline is not refused");
            assert_eq!(self.orders[&id].outcome, Outcome::Expired);
        }
        let payments: Vec<_> =
            self.payments.values().filter(|p| p.next_due().is_some_and(|due| due <= self.now)).map(|p| p.id).collect();
        for id in payments {
            self.payment(id, &PaymentCommand::AskAgain).expect("time is not refused");
        }
    }
}
