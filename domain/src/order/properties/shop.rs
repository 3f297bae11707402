//! A whole shop in one piece of memory: the way a partition hosts the actors, without the partition.
//!
//! Everything an actor asks of another is a message; messages run first in, first out, as a partition runs them, or
//! each with all that follows from it before the next, so that no rule rests on how messages interleave.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::gateway::Gateway;
use crate::account::{self, Account, AccountCommand, AccountEvent};
use crate::entity::{EntityKey, Event};
use crate::ledger::{self, Ledger, Postings};
use crate::order::{self, LatePayment, NewOrder, Order, OrderAsk, OrderCommand, OrderEvent, Outcome, Tender};
use crate::payment::{self, Method, Payment, PaymentAsk, PaymentCommand, PaymentEvent};
use crate::stock::{self, HoldMode, Stock, StockCommand, StockEvent, units};
use crate::{Currency, CustomerId, Money, OrderId, PaymentId, Refusal, SkuId, Timestamp};

/// What one actor says to another.
#[derive(Debug, Clone)]
enum Message {
    Stock(SkuId, StockCommand),
    Order(OrderId, OrderCommand),
    Payment(PaymentId, PaymentCommand),
    Account(CustomerId, AccountCommand),
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
                    | OrderCommand::PaymentRefunded { .. }
                    | OrderCommand::DeadlineReached
            ),
            Self::Payment(_, command) => {
                matches!(command, PaymentCommand::Secure | PaymentCommand::Abandon | PaymentCommand::GiveBack)
            }
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
    messages: VecDeque<Message>,
    /// Payments outside that have become actors.
    opened: BTreeSet<PaymentId>,
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
            messages: VecDeque::new(),
            opened: BTreeSet::new(),
        }
    }

    fn record(&mut self, key: EntityKey, event: Event) {
        self.seen.insert(format!("{} {}", key.kind().name(), event.name()));
        self.journal.push((key, event, self.now));
    }

    fn post_all(&mut self, rows: impl IntoIterator<Item = (Currency, Postings)>) {
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

    fn change_stock(&mut self, sku: &SkuId, events: &[StockEvent]) {
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

    fn change_account(&mut self, customer: &CustomerId, events: &[AccountEvent]) {
        for event in events {
            self.post_all(ledger::of_account(event));
            self.accounts.get_mut(customer).expect("a wallet that changes is there").apply(event);
            self.record(EntityKey::Account(customer.clone()), Event::Account(event.clone()));
        }
    }

    /// Places an order: every SKU and wallet decides first, and only if all agree anything changes.
    pub(super) fn place(&mut self, order: &NewOrder) -> Result<(), Refusal> {
        let demand = order::demand_with(order, |name| super::acts::kit(name, self.currency))?;
        let divisible = !demand.is_indivisible();
        let (partial, backorder) = (order.allow_partial && divisible, order.allow_backorder && divisible);
        let mode = HoldMode { partial, backorder };
        let (mut fills, mut holds) = (Vec::new(), Vec::new());
        for (sku, quantity) in &demand.units {
            let unknown = || Refusal::SkuUnknown { sku: sku.to_string() };
            let stock = self.stocks.get(sku).ok_or_else(unknown)?;
            let buyer = order.buyer().cloned();
            let hold = StockCommand::Hold {
                order: order.id,
                quantity: *quantity,
                mode,
                settled: false,
                buyer,
                tentative: false,
                context: None,
                taking: None,
            };
            let mut events = Vec::new();
            stock::decide(stock, &hold, self.now, &mut events)?;
            let [StockEvent::Held { picks, backordered, .. }] = &events[..] else { panic!("{events:?}") };
            let definition = stock.definition.as_ref().expect("it has just sold");
            fills.push(order::Fill {
                price: definition.price,
                hold_ttl_seconds: definition.hold_ttl_seconds,
                commission_bps: 0,
                filled: units(picks),
                backordered: *backordered,
                waiting: stock.makes_wait(&events[0]),
                category: None,
                brand: None,
            });
            holds.push((sku.clone(), events));
        }
        let placement = order::place(order, &demand, &fills, &[], self.now)?;
        let OrderEvent::Placed { hold_expires_at, attempt, .. } = &placement.placed else { panic!("placed") };
        let ids = (0..).map(|number| Order::payment_id(order.id, *attempt, number, *hold_expires_at));
        let spends = self.decide_wallet(order.customer.as_ref(), &placement.plan, ids)?;
        for (sku, mut events) in holds {
            if let (true, StockEvent::Held { settled, .. }) = (placement.plan.secures_at_once(), &mut events[0]) {
                *settled = true;
            }
            self.change_stock(&sku, &events);
        }
        self.change_account_of(order.customer.as_ref(), &spends);
        self.create_order(order.id, &placement);
        self.create_payments(order.id, &placement.plan, 0);
        self.run_messages();
        Ok(())
    }

    fn decide_wallet(
        &self,
        customer: Option<&CustomerId>,
        plan: &order::PaymentPlan,
        ids: impl Iterator<Item = PaymentId>,
    ) -> Result<Vec<AccountEvent>, Refusal> {
        let mut events = Vec::new();
        for (planned, id) in plan.payments.iter().zip(ids).filter(|(planned, _)| planned.method == Method::Wallet) {
            let customer = customer.expect("a wallet has an owner");
            let mut wallet = self.accounts.get(customer).cloned().unwrap_or_else(|| Account::new(customer.clone()));
            events.iter().for_each(|event| wallet.apply(event));
            let money = Money::new(planned.amount, self.currency);
            let hold = AccountCommand::Hold { payment: id, money, spend: !plan.needs_gateway() };
            account::decide(&wallet, &hold, &mut events)?;
        }
        Ok(events)
    }

    fn change_account_of(&mut self, customer: Option<&CustomerId>, events: &[AccountEvent]) {
        if let Some(customer) = customer {
            self.change_account(customer, events);
        }
    }

    fn create_order(&mut self, id: OrderId, placement: &order::Placement) {
        let created = Order::create(id, &placement.placed, self.now);
        let postings = ledger::of_order(None, &placement.placed, &created);
        self.post_all([(self.currency, postings)]);
        self.record(EntityKey::Order(id), Event::Order(placement.placed.clone()));
        self.orders.insert(id, created);
        self.secure_immediate(id, &placement.plan, 0);
    }

    fn secure_immediate(&mut self, id: OrderId, plan: &order::PaymentPlan, first: usize) {
        let immediate = plan.payments.iter().enumerate().filter(|(_, planned)| plan.is_immediate(planned));
        let events: Vec<_> =
            immediate.filter_map(|(index, paid)| plan.secured_at_once(paid, (first + index) as u32)).collect();
        self.change_order(id, &events);
    }

    fn create_payments(&mut self, order: OrderId, plan: &order::PaymentPlan, first: usize) {
        for (index, planned) in plan.payments.iter().enumerate() {
            let id = self.orders[&order].payments[first + index].id;
            if planned.method.is_outside() {
                continue;
            }
            let created = PaymentEvent::Created {
                order,
                method: planned.method,
                money: Money::new(planned.amount, self.currency),
                payer: self.orders[&order].customer.clone(),
                credential: plan.credentials[index].clone(),
                capture_later: plan.captures_later[index],
                overcapture: crate::Amount::ZERO,
                retry_of: None,
            };
            let payment = Payment::create(id, &created, self.now);
            payment::first_call(&payment).into_iter().for_each(|call| self.gateway.call(call));
            let before = self.payments.insert(id, payment);
            assert!(before.is_none(), "payment ids are unique");
            self.record(EntityKey::Payment(id), Event::Payment(created));
            if plan.is_immediate(planned) {
                self.change_payment(id, &[PaymentEvent::Paid { reference: None }]);
            }
        }
    }

    pub(super) fn pay(&mut self, id: OrderId, tenders: &[Tender]) -> Result<(), Refusal> {
        let order = &self.orders[&id];
        let due = order.check_payable(self.now)?;
        let (customer, first) = (order.customer.clone(), order.payments.len());
        let (attempt, until) = (order.attempt, order.hold_expires_at);
        let plan = order::plan_payments(due, tenders, customer.as_ref())?;
        let ids = (first..).map(|number| Order::payment_id(id, attempt, number, until));
        let spends = self.decide_wallet(customer.as_ref(), &plan, ids)?;
        self.change_account_of(customer.as_ref(), &spends);
        self.change_order(id, &[OrderEvent::PaymentsStarted { payments: plan.payments.clone() }]);
        self.secure_immediate(id, &plan, first);
        self.create_payments(id, &plan, first);
        if self.orders[&id].secured {
            let settles: Vec<_> = self.orders[&id].settle_asks().collect();
            self.messages.extend(settles.into_iter().map(|(sku, settle)| Message::Stock(sku, settle)));
        }
        self.run_messages();
        Ok(())
    }

    /// A command from outside to an order.
    pub(super) fn order(&mut self, id: OrderId, command: &OrderCommand) -> Result<(), Refusal> {
        self.tell_order(id, command)?;
        self.run_messages();
        Ok(())
    }

    fn tell_order(&mut self, id: OrderId, command: &OrderCommand) -> Result<(), Refusal> {
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
            OrderAsk::Uses(subject, _) => panic!("nothing here uses {subject:?}"),
            OrderAsk::Charge(tenders) => panic!("nothing here is charged later: {tenders:?}"),
        }));
        Ok(())
    }

    fn change_order(&mut self, id: OrderId, events: &[OrderEvent]) {
        for event in events {
            let order = self.orders.get_mut(&id).expect("an order that changes is there");
            let before = order.clone();
            order.apply(event);
            let postings = ledger::of_order(Some(&before), event, order);
            if let OrderEvent::PaidOutside { number } = event {
                let seen = &order.payments[*number as usize];
                let implied = Payment::create(seen.id, &PaymentEvent::opened(order, seen), self.now);
                self.payments.insert(seen.id, implied);
            }
            self.post_all([(self.currency, postings)]);
            self.record(EntityKey::Order(id), Event::Order(event.clone()));
        }
    }

    /// A payment outside becomes an actor when it is asked for something.
    fn open_payment(&mut self, id: PaymentId) {
        let payment = &self.payments[&id];
        if payment.method.is_outside() && self.opened.insert(id) {
            let order = &self.orders[&payment.order];
            let seen = order.payments.iter().find(|seen| seen.id == id).expect("it is the order's");
            let opened = PaymentEvent::opened(order, seen);
            self.payments.insert(id, Payment::create(id, &opened, self.now));
            self.record(EntityKey::Payment(id), Event::Payment(opened));
        }
    }

    /// Something told to a payment from outside.
    pub(super) fn payment(&mut self, id: PaymentId, command: &PaymentCommand) {
        self.tell_payment(id, command);
        self.run_messages();
    }

    fn tell_payment(&mut self, id: PaymentId, command: &PaymentCommand) {
        self.open_payment(id);
        let (mut events, mut asks) = (Vec::new(), Vec::new());
        let decision = payment::decide(&self.payments[&id], command, self.now, &mut events, &mut asks);
        decision.unwrap_or_else(|refusal| panic!("a payment refused {command:?}: {refusal}"));
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
    }

    fn change_payment(&mut self, id: PaymentId, events: &[PaymentEvent]) {
        for event in events {
            let payment = self.payments.get_mut(&id).expect("a payment that changes is there");
            let postings = ledger::of_payment(payment, event);
            payment.apply(event, self.now);
            self.post_all(postings);
            self.record(EntityKey::Payment(id), Event::Payment(event.clone()));
        }
    }

    fn run_messages(&mut self) {
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
            Message::Stock(sku, command) => {
                let mut events = Vec::new();
                stock::decide(&self.stocks[&sku], &command, self.now, &mut events)
                    .unwrap_or_else(|refusal| panic!("{sku} refused {command:?}: {refusal}"));
                self.change_stock(&sku, &events);
            }
            Message::Order(order, command) => self
                .tell_order(order, &command)
                .unwrap_or_else(|refusal| panic!("an order refused {command:?}: {refusal}")),
            Message::Payment(payment, command) => self.tell_payment(payment, &command),
            Message::Account(customer, command) => self
                .account(&customer, &command)
                .unwrap_or_else(|refusal| panic!("a wallet refused {command:?}: {refusal}")),
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
        payments.into_iter().for_each(|id| self.payment(id, &PaymentCommand::AskAgain));
    }
}
