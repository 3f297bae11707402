//! Placing an order.
//!
//! When everything it needs lives here, its whole hold phase is one turn: every SKU and wallet decides first, and
//! only if all of them agree anything is changed. Otherwise the partitions are asked one after the other, in
//! ascending order, to hold tentatively (see [`crate::peer`]).

use std::time::Duration;

use smallvec::SmallVec;
use stockade_domain::account::{AccountCommand, AccountEvent};
use stockade_domain::codec::list;
use stockade_domain::entity::RemoteStep;
use stockade_domain::order::{self, Demand, Fill, NewOrder, Order, OrderEvent, Placement};
use stockade_domain::payment::{Method, PaymentEvent, PaymentState, first_call};
use stockade_domain::refusal::Shortage;
use stockade_domain::stock::{self, HoldMode, ReleaseReason, Stock, StockCommand, StockEvent, units};
use stockade_domain::{CustomerId, Money, OrderId, PaymentId, Quantity, Refusal, SkuId, Timestamp};

use super::agenda::ASK_AGAIN_MICROS;
use super::{Handled, Host};
use crate::command::{Answer, Command, KeyDigest, OrderView};
use crate::faults::Fault;
use crate::peer::{HoldRequest, PeerMessage};
use crate::release::{Basis, Reply};
use stockade_domain::entity::EntityKey;

/// How long a request that meets only a tentative hold waits for its end.
pub(super) const TENTATIVE_WAIT_MICROS: i64 = 200_000;
/// How long a repeated request waits for the first one to be decided, or for an earlier attempt to be cleared away.
const PLACING_WAIT_MICROS: i64 = 30 * ASK_AGAIN_MICROS;

/// An order whose holds are being asked of several partitions.
pub(super) struct Placing {
    order: Box<NewOrder>,
    key: Option<KeyDigest>,
    wait: Duration,
    reply: Option<Reply>,
    demand: Demand,
    fills: Vec<Option<Fill>>,
    /// The partitions to ask, ascending, each with its SKUs as indices into the demand.
    stages: Vec<(usize, Vec<usize>)>,
    stage: usize,
    /// Wallet money is asked for when all stock is held.
    money: Option<MoneyWanted>,
    placement: Option<Placement>,
    started_at: Timestamp,
}

#[derive(Clone)]
struct MoneyWanted {
    payment: PaymentId,
    customer: CustomerId,
    money: Money,
}

fn mode_of(order: &NewOrder) -> HoldMode {
    HoldMode { partial: order.allow_partial, backorder: order.allow_backorder }
}

/// Puts several refusals of one order together: all exhausted SKUs are named at once.
fn merge_refusals(first: Option<Refusal>, next: Refusal) -> Refusal {
    match (first, next) {
        (Some(Refusal::StockExhausted { mut items, as_of }), Refusal::StockExhausted { items: more, .. }) => {
            items.extend(more);
            Refusal::StockExhausted { items, as_of }
        }
        (Some(Refusal::StockExhausted { .. }) | None, next) => next,
        (Some(first), _) => first,
    }
}

impl Host {
    pub(super) fn place(
        &mut self,
        mut order: Box<NewOrder>,
        key: Option<KeyDigest>,
        wait: Duration,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        if let Some(known) = self.known_order(&order)? {
            return Ok(known);
        }
        if self.owes_attempt(order.id) {
            return Err(Refusal::Overloaded);
        }
        order.attempt = self.orders.get(&order.id).map_or(0, |refused| refused.state.attempt + 1);
        let demand = order::demand(&order)?;
        let is_local = demand.units.iter().all(|(sku, _)| self.home_of_name(sku.as_str()) == self.index);
        let pays_by_wallet = order.payments.iter().any(|tender| tender.method == Method::Wallet);
        let wallet_is_local = !pays_by_wallet
            || order.customer.as_ref().is_none_or(|customer| self.home_of_name(customer.as_str()) == self.index);
        if !is_local || !wallet_is_local {
            return self.place_across(order, key, wait, demand, reply);
        }
        let mut holds: SmallVec<[(SkuId, Vec<StockEvent>); 1]> = SmallVec::new();
        let fills = self.decide_holds(&order, &demand, &mut holds)?;
        let placement = order::place(&order, &demand, &fills, self.now)?;
        let spends = self.decide_money(&order, &placement)?;
        // Everybody has agreed: from here on nothing can be refused.
        let settled = placement.plan.secures_at_once();
        for (sku, mut events) in holds {
            if settled {
                events.iter_mut().for_each(settle_at_once);
            }
            self.change_stock(&sku, &events);
        }
        for (customer, event) in spends {
            self.change_account(&customer, &[event]);
        }
        self.record_order(&order, key, &placement, &[]);
        self.run_messages()?;
        self.answer_placed(order.id, wait, reply)
    }

    /// An order with this id that is there already: the same thing if the request is the same.
    fn known_order(&mut self, order: &NewOrder) -> Result<Option<Handled>, Refusal> {
        if self.placing.contains_key(&order.id) {
            return Err(Refusal::IdConflict { id: order.id.to_string() });
        }
        // An id that the engine has just made cannot be known, and costs no look at the disk.
        let made_here = order.body_digest == 0;
        let found = if made_here { self.orders.get(&order.id).is_some() } else { self.load_order(order.id).is_some() };
        let Some(hosted) = found.then(|| self.orders.get(&order.id)).flatten() else { return Ok(None) };
        if Self::is_refused(&hosted.state) {
            return Ok(None);
        }
        if hosted.state.body_digest != order.body_digest || made_here {
            return Err(Refusal::IdConflict { id: order.id.to_string() });
        }
        self.order_answer(order.id, true).map(Some)
    }

    fn decide_holds(
        &mut self,
        order: &NewOrder,
        demand: &Demand,
        holds: &mut SmallVec<[(SkuId, Vec<StockEvent>); 1]>,
    ) -> Result<SmallVec<[Fill; 1]>, Refusal> {
        let mut fills = SmallVec::new();
        let mut refusal = None;
        for (sku, quantity) in &demand.units {
            match self.decide_hold(order.id, order.buyer(), mode_of(order), sku, *quantity, false) {
                Ok((fill, events)) => {
                    fills.push(fill);
                    holds.push((sku.clone(), events));
                }
                Err(next) if next.code() == "stock_exhausted" => refusal = Some(merge_refusals(refusal, next)),
                Err(next) => return Err(next),
            }
        }
        self.drop_empty_fills(order, demand, refusal, fills, holds)
    }

    /// Lines of a partial order are independent: a SKU that has nothing is left out as long as another has some.
    fn drop_empty_fills(
        &mut self,
        order: &NewOrder,
        demand: &Demand,
        refusal: Option<Refusal>,
        fills: SmallVec<[Fill; 1]>,
        holds: &mut SmallVec<[(SkuId, Vec<StockEvent>); 1]>,
    ) -> Result<SmallVec<[Fill; 1]>, Refusal> {
        let Some(refusal) = refusal else { return Ok(fills) };
        if !order.allow_partial || fills.is_empty() {
            return Err(refusal);
        }
        let mut all = SmallVec::new();
        for (sku, _) in &demand.units {
            match holds.iter().position(|(held, _)| held == sku) {
                Some(at) => all.push(fills[at]),
                None => all.push(self.empty_fill(sku)?),
            }
        }
        Ok(all)
    }

    /// A fill of nothing, which only tells the price.
    pub(super) fn empty_fill(&mut self, sku: &SkuId) -> Result<Fill, Refusal> {
        let unknown = || Refusal::SkuUnknown { sku: sku.to_string() };
        self.load_sku(sku).and_then(|hosted| fill_of(&hosted.state)).ok_or_else(unknown)
    }

    /// Lets a SKU decide a hold, without changing it.
    pub(super) fn decide_hold(
        &mut self,
        order: OrderId,
        buyer: Option<&CustomerId>,
        mode: HoldMode,
        sku: &SkuId,
        quantity: Quantity,
        tentative: bool,
    ) -> Result<(Fill, Vec<StockEvent>), Refusal> {
        self.shared.ports.faults.crash_point(Fault::CrashBefore, || EntityKey::Sku(sku.clone()));
        let hold = StockCommand::Hold { order, quantity, mode, settled: false, buyer: buyer.cloned(), tentative };
        let now = self.now;
        let unknown = || Refusal::SkuUnknown { sku: sku.to_string() };
        let stock = &self.load_sku(sku).ok_or_else(unknown)?.state;
        let mut events = Vec::with_capacity(1);
        stock::decide(stock, &hold, now, &mut events)?;
        let Some(StockEvent::Held { picks, backordered, .. }) = events.first() else {
            unreachable!("a hold is decided as `held`");
        };
        let mut fill = fill_of(stock).ok_or_else(unknown)?;
        (fill.filled, fill.backordered) = (units(picks), *backordered);
        Ok((fill, events))
    }

    /// Lets the wallet decide, without changing it.
    fn decide_money(
        &mut self,
        order: &NewOrder,
        placement: &Placement,
    ) -> Result<SmallVec<[(CustomerId, AccountEvent); 1]>, Refusal> {
        let OrderEvent::Placed { hold_expires_at, .. } = &placement.placed else {
            unreachable!("an order begins with `placed`");
        };
        let ids = (0..).map(|number| Order::payment_id(order.id, order.attempt, number, *hold_expires_at));
        let due = wallet_payments(&placement.plan, ids, placement.total.currency);
        self.decide_wallet(order.customer.as_ref(), &due, !placement.plan.needs_gateway())
    }

    /// Lets a wallet decide several payments at once: their sum must be there.
    pub(super) fn decide_wallet(
        &mut self,
        customer: Option<&CustomerId>,
        due: &[(PaymentId, Money)],
        spend: bool,
    ) -> Result<SmallVec<[(CustomerId, AccountEvent); 1]>, Refusal> {
        let mut decided = SmallVec::new();
        let (Some(customer), false) = (customer, due.is_empty()) else { return Ok(decided) };
        let mut wallet = self.load_account(customer).state.clone();
        for (payment, money) in due {
            let mut events = Vec::new();
            let hold = AccountCommand::Hold { payment: *payment, money: *money, spend };
            stockade_domain::account::decide(&wallet, &hold, &mut events)?;
            events.iter().for_each(|event| wallet.apply(event));
            decided.extend(events.into_iter().map(|event| (customer.clone(), event)));
        }
        Ok(decided)
    }

    /// Records an order whose holds are all there, and its payments. `owed` are the steps that other partitions owe.
    fn record_order(&mut self, order: &NewOrder, key: Option<KeyDigest>, placement: &Placement, owed: &[RemoteStep]) {
        let plan = &placement.plan;
        let payments = (0..).zip(&plan.payments);
        let mut then: SmallVec<[OrderEvent; 2]> =
            list::gather(payments.filter_map(|(number, payment)| plan.secured_at_once(payment, number)));
        let first = self.orders.get(&order.id).map_or(0, |refused| refused.state.next_step);
        for (step, to) in (first..).zip(owed) {
            then.push(OrderEvent::StepOwed { step, to: Box::new(to.clone()) });
        }
        let record = self.create_order(order.id, &placement.placed, &then);
        if let Some(key) = key {
            self.turn.add_digest(record, key);
        }
        self.record_payments(order.id, order.customer.as_ref(), plan, 0);
        if !owed.is_empty() {
            self.ask_owed_steps(order.id);
        }
    }

    /// Makes the payments of a plan; the first has this number.
    pub(super) fn record_payments(
        &mut self,
        order: OrderId,
        customer: Option<&CustomerId>,
        plan: &order::PaymentPlan,
        first: usize,
    ) {
        for (index, payment) in plan.payments.iter().enumerate() {
            let state = &self.orders.get(&order).expect("the order is recorded first").state;
            let (id, currency) = (state.payments[first + index].id, state.currency);
            if payment.method.is_outside() {
                self.effects.notify(id, PaymentState::Paid);
                continue;
            }
            let created = PaymentEvent::Created {
                order,
                method: payment.method,
                money: Money::new(payment.amount, currency),
                payer: customer.cloned(),
                credential: plan.credentials[index].clone(),
            };
            if plan.is_immediate(payment) {
                self.create_payment(id, &created, &[PaymentEvent::Paid { reference: None }]);
                self.effects.notify(id, PaymentState::Paid);
            } else {
                self.create_payment(id, &created, &[]);
                let call = first_call(&self.payments.get(&id).expect("it was just made").state);
                call.into_iter().for_each(|call| self.effects.call_gateway(call));
            }
        }
    }

    /// The answer to a placed order: at once, or when its gateway has answered.
    pub(super) fn answer_placed(
        &mut self,
        order: OrderId,
        wait: Duration,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        let hosted = self.orders.get(&order).expect("the order is recorded");
        if hosted.state.is_pinned() && !wait.is_zero() {
            self.await_gateway(order, wait, reply);
            return Ok(Handled::Kept);
        }
        let view = OrderView { order: hosted.state.share(), as_of: 0, replayed: false };
        Ok(Handled::Answered(Answer::Order(view), hosted.basis()))
    }

    // ---- across partitions ----

    fn place_across(
        &mut self,
        order: Box<NewOrder>,
        key: Option<KeyDigest>,
        wait: Duration,
        demand: Demand,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        let mut stages: Vec<(usize, Vec<usize>)> = Vec::new();
        for (index, (sku, _)) in demand.units.iter().enumerate() {
            let partition = self.home_of_name(sku.as_str());
            match stages.iter_mut().find(|(known, _)| *known == partition) {
                Some((_, indices)) => indices.push(index),
                None => stages.push((partition, vec![index])),
            }
        }
        stages.sort();
        let (id, fills) = (order.id, vec![None; demand.units.len()]);
        let (reply, started_at) = (reply.take(), self.now);
        let placing = Placing {
            order,
            key,
            wait,
            reply,
            demand,
            fills,
            stages,
            stage: 0,
            money: None,
            placement: None,
            started_at,
        };
        self.placing.insert(id, placing);
        self.advance(id);
        Ok(Handled::Kept)
    }

    /// Asks the next partition, or records the order when all have answered.
    fn advance(&mut self, id: OrderId) {
        let Some(placing) = self.placing.get(&id) else { return };
        if let Some((partition, indices)) = placing.stages.get(placing.stage) {
            let request = HoldRequest {
                order: id,
                buyer: placing.order.buyer().cloned(),
                mode: mode_of(&placing.order),
                items: indices.iter().map(|index| placing.demand.units[*index].clone()).collect(),
            };
            let (partition, from) = (*partition, self.index);
            self.tell_peer(partition, PeerMessage::Hold { from, request });
            self.agenda.add(self.now.plus_micros(ASK_AGAIN_MICROS), EntityKey::Order(id));
            return;
        }
        if let Err(refusal) = self.advance_money(id) {
            self.abort(id, refusal);
        }
    }

    /// Whether an order being placed has asked a wallet for this payment.
    pub(super) fn is_placing_with(&self, payment: PaymentId) -> bool {
        let wants = |placing: &Placing| placing.money.as_ref().is_some_and(|wanted| wanted.payment == payment);
        self.placing.values().any(wants)
    }

    fn advance_money(&mut self, id: OrderId) -> Result<(), Refusal> {
        let now = self.now;
        let placing = self.placing.get_mut(&id).expect("it is being placed");
        let fills: Vec<Fill> = placing.fills.iter().map(|fill| fill.expect("every SKU has answered")).collect();
        if fills.iter().all(|fill| fill.filled + fill.backordered == 0) {
            let short = |(sku, requested): &(SkuId, Quantity)| Shortage {
                sku: sku.clone(),
                requested: *requested,
                available: 0,
            };
            return Err(Refusal::StockExhausted { items: placing.demand.units.iter().map(short).collect(), as_of: 0 });
        }
        let attempt = placing.order.attempt;
        let placement = order::place(&placing.order, &placing.demand, &fills, now)?;
        let OrderEvent::Placed { hold_expires_at, .. } = &placement.placed else {
            unreachable!("an order begins with `placed`");
        };
        let ids = (0..).map(|number| Order::payment_id(id, attempt, number, *hold_expires_at));
        let due = wallet_payments(&placement.plan, ids, placement.total.currency);
        placing.placement = Some(placement);
        match (due.as_slice(), placing.order.customer.clone()) {
            ([], _) | (_, None) => {
                self.record_across(id);
                Ok(())
            }
            ([(payment, money)], Some(customer)) => {
                placing.money = Some(MoneyWanted { payment: *payment, customer, money: *money });
                self.ask_money(id);
                Ok(())
            }
            _ => Err(Refusal::BodyInvalid { field: "payments", why: "name the wallet once".into() }),
        }
    }

    fn ask_money(&mut self, id: OrderId) {
        let Some(wanted) = self.placing.get(&id).and_then(|placing| placing.money.clone()) else { return };
        let partition = self.home_of_name(wanted.customer.as_str());
        let MoneyWanted { payment, customer, money } = wanted;
        let from = self.index;
        self.tell_peer(partition, PeerMessage::HoldMoney { from, order: id, payment, customer, money });
        self.agenda.add(self.now.plus_micros(ASK_AGAIN_MICROS), EntityKey::Order(id));
    }

    pub(super) fn held_by_peer(&mut self, id: OrderId, by: usize, result: Result<SmallVec<[Fill; 2]>, Refusal>) {
        let Some(placing) = self.placing.get_mut(&id) else { return };
        // A repeated answer of a partition that has answered before changes nothing.
        let Some((partition, indices)) = placing.stages.get(placing.stage).cloned() else { return };
        if partition != by {
            return;
        }
        match result {
            Ok(fills) => {
                for (index, fill) in indices.into_iter().zip(fills) {
                    placing.fills[index] = Some(fill);
                }
                placing.stage += 1;
                self.advance(id);
            }
            Err(refusal) => self.abort(id, refusal),
        }
    }

    pub(super) fn money_held(&mut self, id: OrderId, payment: PaymentId, result: Result<(), Refusal>) {
        let wanted = self.placing.get(&id).and_then(|placing| placing.money.as_ref());
        if wanted.is_none_or(|wanted| wanted.payment != payment) {
            return;
        }
        match result {
            Ok(()) => self.record_across(id),
            Err(refusal) => self.abort(id, refusal),
        }
    }

    fn record_across(&mut self, id: OrderId) {
        let mut placing = self.placing.remove(&id).expect("it is being placed");
        let placement = placing.placement.take().expect("it was priced");
        let settled = placement.plan.secures_at_once();
        let held = placing.fills.iter().flatten().zip(&placing.demand.units);
        let mut owed: Vec<RemoteStep> = held
            .filter(|(fill, _)| fill.filled + fill.backordered > 0)
            .map(|(fill, (sku, _))| match settled && fill.filled > 0 {
                true => RemoteStep::Settle { sku: sku.clone() },
                false => RemoteStep::Confirm { sku: sku.clone() },
            })
            .collect();
        if let (Some(wanted), false) = (placing.money, placement.plan.needs_gateway()) {
            owed.push(RemoteStep::AccountSettle { customer: wanted.customer, payment: wanted.payment });
        }
        self.record_order(&placing.order, placing.key, &placement, &owed);
        if let Ok(Handled::Answered(answer, basis)) = self.answer_placed(id, placing.wait, &mut placing.reply) {
            self.answer(placing.reply, Ok(answer), basis);
        }
    }

    /// Gives back what was held for an order that is not to be.
    fn abort(&mut self, id: OrderId, refusal: Refusal) {
        let placing = self.placing.remove(&id).expect("it is being placed");
        for (partition, indices) in placing.stages.into_iter().take(placing.stage + 1) {
            let skus = indices.iter().map(|index| placing.demand.units[*index].0.clone()).collect();
            self.tell_peer(partition, PeerMessage::Abort { order: id, skus });
        }
        if let Some(MoneyWanted { payment, customer, .. }) = placing.money {
            let partition = self.home_of_name(customer.as_str());
            self.tell_peer(partition, PeerMessage::AbortMoney { payment, customer });
        }
        self.answer(placing.reply, Err(refusal), Basis::Turn);
    }

    /// Repeats an unanswered question.
    pub(super) fn retry_placing(&mut self, id: OrderId) {
        let Some(placing) = self.placing.get(&id) else { return };
        if placing.started_at.plus_micros(30 * ASK_AGAIN_MICROS) <= self.now {
            self.abort(id, Refusal::Overloaded);
        } else if placing.money.is_some() {
            self.ask_money(id);
        } else {
            self.advance(id);
        }
    }

    // ---- waiting for somebody's tentative hold ----

    /// How long a command may wait before it is decided, in microseconds, if something is under way that may change
    /// what becomes of it: the same order being placed already, an earlier attempt with its id that has not given
    /// everything back, or a hold of somebody else that may yet come to nothing.
    pub(super) fn must_wait(&mut self, command: &Command) -> Option<i64> {
        let Command::Place { order, .. } = command else { return None };
        if order.body_digest != 0 {
            let is_the_same = |placing: &Placing| placing.order.body_digest == order.body_digest;
            if self.placing.get(&order.id).is_some_and(is_the_same) || self.owes_attempt(order.id) {
                return Some(PLACING_WAIT_MICROS);
            }
        }
        let is_short = !self.tentative.is_empty() && {
            let demand = order::demand(order).map(|demand| demand.units).unwrap_or_default();
            demand.iter().any(|(sku, quantity)| self.is_tentatively_short(sku, *quantity))
        };
        is_short.then_some(TENTATIVE_WAIT_MICROS)
    }

    /// Whether a refused attempt with this id is still owed steps.
    fn owes_attempt(&self, id: OrderId) -> bool {
        let hosted = self.orders.get(&id);
        hosted.is_some_and(|hosted| Self::is_refused(&hosted.state) && !hosted.state.owed.is_empty())
    }

    /// Whether only tentative holds stand between this SKU and these units.
    pub(super) fn is_tentatively_short(&mut self, sku: &SkuId, quantity: Quantity) -> bool {
        let Some(tentative) = self.tentative.get(sku).copied() else { return false };
        let now = self.now;
        let available = self.load_sku(sku).map_or(0, |hosted| hosted.state.available(now));
        available < quantity && quantity <= available + tentative
    }

    pub(super) fn park(&mut self, incoming: crate::mailbox::Incoming, wait_micros: i64) {
        self.parked.push((self.now.plus_micros(wait_micros), incoming));
    }

    /// Tries parked messages again; those whose time is up are decided as things stand.
    pub(super) fn retry_parked(&mut self) {
        if self.parked.is_empty() {
            return;
        }
        let now = self.now;
        for (until, incoming) in std::mem::take(&mut self.parked) {
            let still_short = match &incoming {
                crate::mailbox::Incoming::Command(envelope) => self.must_wait(&envelope.command).is_some(),
                crate::mailbox::Incoming::Peer(message) => match &**message {
                    PeerMessage::Hold { request, .. } => {
                        request.items.iter().any(|(sku, quantity)| self.is_tentatively_short(sku, *quantity))
                    }
                    _ => false,
                },
                crate::mailbox::Incoming::Gateway { .. } => false,
            };
            if still_short && now < until {
                self.parked.push((until, incoming));
            } else {
                self.handle_now(incoming);
            }
        }
    }
}

/// A fill of nothing, which only tells the price; none if the SKU is not defined.
fn fill_of(stock: &Stock) -> Option<Fill> {
    let definition = stock.definition.as_deref()?;
    let (price, hold_ttl_seconds) = (definition.price, definition.hold_ttl_seconds);
    Some(Fill { price, hold_ttl_seconds, filled: 0, backordered: 0 })
}

/// The held units belong to a payment that is secured in the same turn.
fn settle_at_once(event: &mut StockEvent) {
    if let StockEvent::Held { settled, .. } = event {
        *settled = true;
    }
}

/// What a plan takes from the wallet, by payment.
pub(super) fn wallet_payments(
    plan: &order::PaymentPlan,
    ids: impl Iterator<Item = PaymentId>,
    currency: stockade_domain::Currency,
) -> SmallVec<[(PaymentId, Money); 1]> {
    let rows = plan.payments.iter().zip(ids).filter(|(payment, _)| payment.method == Method::Wallet);
    list::gather(rows.map(|(payment, id)| (id, Money::new(payment.amount, currency))))
}

/// Why tentative units go back.
pub(super) const ABORTED: ReleaseReason = ReleaseReason::Aborted;
