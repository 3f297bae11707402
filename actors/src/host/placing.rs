//! Placing an order across partitions: they are asked one after the other, in ascending order, to hold tentatively; with
//! all holds there, and the wallet's, the order is recorded (see [`crate::peer`]).

use std::time::Duration;

use stockade_domain::entity::{EntityKey, RemoteStep};
use stockade_domain::mistake::{Mistake, made};
use stockade_domain::order::{self, Demand, Fill, NewOrder, Order, OrderEvent, Placement, Pricer};
use stockade_domain::promotion::uses::{Subject, UsesCommand};
use stockade_domain::promotion::{Label, PresentedCoupon};
use stockade_domain::refusal::Shortage;
use stockade_domain::stock::market::{MarketDemand, MarketFill};
use stockade_domain::{Amount, CustomerId, Money, OrderId, PaymentId, Quantity, Refusal, SkuId, Timestamp};

use super::agenda::ASK_AGAIN_MICROS;
use super::place::{drop_short_gifts, mode_of, note_unavailable, take_gifts, wallet_payments};
use super::uses::unknown_coupon;
use super::{Handled, Host};
use crate::command::KeyDigest;
use crate::peer::{HeldItems, HoldRequest, PeerMessage};
use crate::release::{Basis, Reply};

/// An order whose holds are being asked of several partitions.
pub(super) struct Placing {
    pub(super) order: Box<NewOrder>,
    /// Which of the home's tries this is.
    attempt: u64,
    /// The first step that the order will number.
    first_step: u32,
    key: Option<KeyDigest>,
    wait: Duration,
    reply: Option<Reply>,
    demand: Demand,
    fills: Vec<Option<Fill>>,
    /// What lines have of books.
    market: Vec<MarketFill>,
    /// The partitions to ask, ascending, each with its SKUs as indices into the demand.
    stages: Vec<(usize, Vec<usize>)>,
    stage: usize,
    /// What the owners of its uses have answered; coupons that were refused are refused when all of it is priced.
    uses: Vec<UseAnswer>,
    /// The use that is being asked for.
    asked: Option<Subject>,
    /// Wallet money is asked for when all stock and all uses are held.
    money: Option<MoneyWanted>,
    placement: Option<Placement>,
    started_at: Timestamp,
}

/// What an owner of uses has answered.
#[derive(Debug)]
pub(super) struct UseAnswer {
    pub(super) subject: Subject,
    /// A coupon's batch; none if it is not known.
    pub(super) batch: Option<Label>,
    /// Why it is not held.
    pub(super) refused: Option<Refusal>,
}

impl UseAnswer {
    /// A coupon, as pricing wants it.
    fn presented(&self) -> Option<PresentedCoupon> {
        let (Subject::Coupon(code), Some(batch)) = (&self.subject, &self.batch) else { return None };
        Some(PresentedCoupon { code: code.clone(), batch: batch.clone() })
    }
}

impl Placing {
    /// How far it got.
    pub(super) fn so_far(&self) -> String {
        let asks = (self.stage, &self.asked, &self.money, self.placement.is_some(), self.reply.is_some());
        let has = (&self.fills, &self.market, &self.uses);
        format!("{:?} {:?} {asks:?} {has:?}", (self.attempt, self.first_step, self.started_at), self.order.promotions)
    }
}

#[derive(Debug, Clone)]
struct MoneyWanted {
    payment: PaymentId,
    customer: CustomerId,
    money: Money,
}

impl Host {
    pub(super) fn place_across(
        &mut self,
        mut order: Box<NewOrder>,
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
        let (attempt, first_step) =
            (self.next_try(), self.orders.get(&id).map_or(0, |refused| refused.state.next_step));
        if let Some(wish) = &mut order.promotions {
            wish.round = attempt;
        }
        let placing = Placing {
            order,
            attempt,
            first_step,
            key,
            wait,
            reply,
            demand,
            fills,
            market: Vec::new(),
            stages,
            stage: 0,
            uses: Vec::new(),
            asked: None,
            money: None,
            placement: None,
            started_at,
        };
        self.placing.insert(id, placing);
        self.advance(id);
        Ok(Handled::Kept)
    }

    /// Numbers what is asked of other partitions: higher than anything that was asked before, in any life.
    pub(super) fn next_try(&mut self) -> u64 {
        self.last_try = (self.last_try + 1).max(self.now.0.unsigned_abs());
        self.last_try
    }

    /// Asks the next partition, or records the order when all have answered.
    fn advance(&mut self, id: OrderId) {
        let Some(placing) = self.placing.get(&id) else { return };
        if let Some((partition, indices)) = placing.stages.get(placing.stage) {
            let request = HoldRequest {
                order: id,
                attempt: placing.attempt,
                first_step: placing.first_step,
                buyer: placing.order.buyer().cloned(),
                mode: mode_of(&placing.order, &placing.demand),
                context: placing.order.context.clone(),
                items: indices.iter().map(|index| placing.demand.units[*index].clone()).collect(),
                of_books: of_books(&placing.demand, indices),
            };
            let (partition, from) = (*partition, self.index);
            self.tell_peer(partition, PeerMessage::Hold { from, request });
            self.agenda.ask_again(self.now, EntityKey::Order(id));
            return;
        }
        if let Err(refusal) = self.advance_price(id) {
            self.abort(id, refusal);
        }
    }

    /// Whether an order of this partition is being placed across others.
    pub(super) fn is_being_placed(&self, id: OrderId) -> bool {
        self.placing.contains_key(&id)
    }

    /// Whether an order being placed has asked a wallet for this payment.
    pub(super) fn is_placing_with(&self, payment: PaymentId) -> bool {
        let wants = |placing: &Placing| placing.money.as_ref().is_some_and(|wanted| wanted.payment == payment);
        self.placing.values().any(wants)
    }

    /// Whether an order is being placed, in this round of its pricings.
    pub(super) fn is_placing_in_round(&self, id: OrderId, round: u64) -> bool {
        let of = |placing: &Placing| placing.order.promotions.as_ref().map(|wish| wish.round);
        self.placing.get(&id).is_some_and(|placing| of(placing) == Some(round))
    }

    /// All stock is held: asks for the coupons, prices the whole, holds what promotions limit, and then the money. A coupon
    /// that is refused is priced as if it were not: what is wrong with the price is told first.
    fn advance_price(&mut self, id: OrderId) -> Result<(), Refusal> {
        let rules = self.shared.rules.get();
        let now = self.now;
        let placing = self.placing.get_mut(&id).expect("it is being placed");
        let fill = |fill: &Option<Fill>| fill.clone().expect("every SKU has answered");
        let fills: Vec<Fill> = placing.fills.iter().map(fill).collect();
        if placing.market.is_empty() && fills.iter().all(|fill| fill.filled + fill.backordered == 0) {
            let short = |(sku, requested): &(SkuId, Quantity)| Shortage {
                sku: sku.clone(),
                requested: *requested,
                available: 0,
            };
            return Err(Refusal::StockExhausted { items: placing.demand.units.iter().map(short).collect(), as_of: 0 });
        }
        let codes = placing.order.promotions.as_ref().map(|wish| wish.coupons.clone()).unwrap_or_default();
        let answered = |uses: &[UseAnswer], subject: &Subject| uses.iter().any(|answer| answer.subject == *subject);
        let coupons = codes.iter().map(|code| Subject::Coupon(code.clone()));
        if let Some(next) = coupons.into_iter().find(|coupon| !answered(&placing.uses, coupon)) {
            let (order, currency) = (&placing.order, fills[0].price.currency);
            let round = order.promotions.as_ref().map_or(0, |wish| wish.round);
            let (amount, customer) = (Amount::ZERO, order.buyer().cloned());
            let hold = UsesCommand::Hold { order: id, amount, currency, customer, round };
            placing.asked = Some(next.clone());
            let order = placing.order.clone();
            self.ask_use(&order, &next, hold, currency);
            return Ok(());
        }
        if placing.placement.is_none() {
            let coupons: Vec<PresentedCoupon> = placing.uses.iter().filter_map(UseAnswer::presented).collect();
            let pricer = Pricer { rules: rules.as_deref(), coupons: &coupons };
            let order = &placing.order;
            let mut placement = order::place_with(order, &placing.demand, &fills, &placing.market, now, pricer)?;
            if take_gifts(&mut placing.order, &mut placement) {
                self.place_otherwise(id);
                return Ok(());
            }
            placing.placement = Some(placement);
        }
        let placement = placing.placement.as_ref().expect("it was just priced");
        let uses = placement.promoted().into_iter().flat_map(|promoted| &promoted.uses);
        let mut answers = uses.filter_map(|used| placing.uses.iter().find(|answer| answer.subject == used.subject));
        if let Some(refusal) = answers.find_map(|answer| answer.refused.clone()) {
            return Err(refusal);
        }
        let currency = placement.total.currency;
        let holds = placement.promoted().into_iter().flat_map(|promoted| promoted.holds(&placing.order, currency));
        let next = holds.into_iter().find(|(subject, _)| !answered(&placing.uses, subject));
        if let Some((subject, hold)) = next.map(|(subject, hold)| (subject.clone(), hold)) {
            placing.asked = Some(subject.clone());
            let order = placing.order.clone();
            self.ask_use(&order, &subject, hold, currency);
            return Ok(());
        }
        self.advance_money(id)
    }

    /// An owner of uses has answered.
    pub(super) fn use_held(&mut self, id: OrderId, round: u64, answer: UseAnswer) {
        if !self.is_placing_in_round(id, round) {
            return;
        }
        let asked = self.placing.get_mut(&id).filter(|placing| placing.asked.as_ref() == Some(&answer.subject));
        let Some(placing) = asked else { return };
        match (&answer.subject, &answer.refused) {
            (Subject::Coupon(code), _) if answer.batch.is_none() => {
                let unknown = unknown_coupon(code);
                self.abort(id, unknown);
            }
            (subject @ Subject::Promotion(_), Some(refusal)) => {
                if note_unavailable(&mut placing.order, subject, refusal) {
                    self.place_otherwise(id);
                } else {
                    self.abort(id, refusal.clone());
                }
            }
            _ => {
                placing.asked = None;
                placing.uses.push(answer);
                self.advance(id);
            }
        }
    }

    /// Gives back what was held, and places the order as it is wanted now.
    fn place_otherwise(&mut self, id: OrderId) {
        let mut placing = self.give_up(id);
        self.place_again(placing.order, placing.key, placing.wait, &mut placing.reply);
    }

    fn advance_money(&mut self, id: OrderId) -> Result<(), Refusal> {
        let placing = self.placing.get_mut(&id).expect("it is being placed");
        let attempt = placing.order.attempt;
        let placement = placing.placement.as_ref().expect("it was priced");
        let OrderEvent::Placed { hold_expires_at, .. } = &*placement.placed else {
            unreachable!("an order begins with `placed`");
        };
        let ids = (0..).map(|number| Order::payment_id(id, attempt, number, *hold_expires_at));
        let due = wallet_payments(&placement.plan, ids, placement.total.currency);
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
        let Some(placing) = self.placing.get(&id) else { return };
        let (attempt, Some(wanted)) = (placing.attempt, placing.money.clone()) else { return };
        let partition = self.home_of_name(wanted.customer.as_str());
        let MoneyWanted { payment, customer, money } = wanted;
        let from = self.index;
        self.tell_peer(
            partition,
            PeerMessage::HoldMoney { attempt, from, order: id, payment, customer, money, of_bid: None },
        );
        self.agenda.ask_again(self.now, EntityKey::Order(id));
    }

    pub(super) fn held_by_peer(&mut self, id: OrderId, attempt: u64, by: usize, result: Result<HeldItems, Refusal>) {
        let Some(placing) = self.placing.get_mut(&id).filter(|placing| is_of_try(placing, attempt)) else { return };
        // A repeated answer of a partition that has answered before changes nothing.
        let Some((partition, indices)) = placing.stages.get(placing.stage).cloned() else { return };
        if partition != by {
            return;
        }
        match result {
            Ok((fills, market)) => {
                placing.market.extend(market);
                for (index, fill) in indices.into_iter().zip(fills) {
                    placing.fills[index] = Some(fill);
                }
                placing.stage += 1;
                self.advance(id);
            }
            Err(Refusal::SkuNotSellable { sku, .. }) if self.known_kit(&sku).is_some() => {
                // It was a kit that nobody had met yet: what is held for it goes back, and its components are asked.
                self.place_otherwise(id);
            }
            Err(refusal) => {
                let placing = self.placing.get_mut(&id).expect("it is being placed");
                if drop_short_gifts(&mut placing.order, &refusal) {
                    self.place_otherwise(id);
                } else {
                    self.abort(id, refusal);
                }
            }
        }
    }

    pub(super) fn money_held(&mut self, id: OrderId, attempt: u64, payment: PaymentId, result: Result<(), Refusal>) {
        let placing = self.placing.get(&id).filter(|placing| is_of_try(placing, attempt));
        let wanted = placing.and_then(|placing| placing.money.as_ref());
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
        let mut placement = placing.placement.take().expect("it was priced");
        // A wallet that was asked beforehand asks back for the payment, until it has spent the money.
        placement.plan.with_order = placing.money.is_none();
        let settled = placement.plan.secures_at_once();
        let from_book = |sku: &SkuId| {
            let of_sku = |fill: &MarketFill| placing.order.lines[fill.line as usize].sku == *sku;
            placing.market.iter().any(of_sku)
        };
        let held = placing.fills.iter().flatten().zip(&placing.demand.units);
        let mut owed: Vec<RemoteStep> = held
            .filter(|(fill, (sku, _))| fill.filled + fill.backordered > 0 || from_book(sku))
            .map(|(fill, (sku, _))| match settled && (fill.filled > 0 || from_book(sku)) {
                true => RemoteStep::Settle { sku: sku.clone() },
                false => RemoteStep::Confirm { sku: sku.clone() },
            })
            .collect();
        if settled {
            let settle = |held: &UseAnswer| RemoteStep::UsesSettle { subject: held.subject.clone() };
            owed.extend(placing.uses.iter().map(settle));
        }
        if let (Some(wanted), false) = (placing.money, placement.plan.needs_gateway()) {
            owed.push(RemoteStep::AccountSettle { customer: wanted.customer, payment: wanted.payment });
        }
        self.record_order(&placing.order, placing.key, &placement, &owed);
        if let Ok(Handled::Answered(answer, basis)) =
            self.answer_when_known(id, placing.wait, false, &mut placing.reply)
        {
            self.answer(placing.reply, Ok(answer), basis);
        }
    }

    /// Gives back what was held for an order that is not to be.
    fn abort(&mut self, id: OrderId, refusal: Refusal) {
        let placing = self.give_up(id);
        self.answer(placing.reply, Err(refusal), Basis::Turn);
    }

    fn give_up(&mut self, id: OrderId) -> Placing {
        let mut placing = self.placing.remove(&id).expect("it is being placed");
        for (partition, indices) in std::mem::take(&mut placing.stages).into_iter().take(placing.stage + 1) {
            let skus = indices.iter().map(|index| placing.demand.units[*index].0.clone()).collect();
            self.tell_peer(partition, PeerMessage::Abort { order: id, attempt: placing.attempt, skus });
        }
        let round = placing.order.promotions.as_ref().map_or(0, |wish| wish.round);
        let uses = placing.uses.iter().map(|answer| &answer.subject).chain(&placing.asked).cloned();
        for subject in uses.collect::<Vec<_>>() {
            self.tell_peer(self.home_of_uses(&subject), PeerMessage::AbortUse { order: id, round, subject });
        }
        if let Some(MoneyWanted { payment, customer, .. }) = placing.money.take() {
            let partition = self.home_of_name(customer.as_str());
            self.tell_peer(partition, PeerMessage::AbortMoney { attempt: placing.attempt, payment, customer });
        }
        placing
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
}

/// What lines want of the books of these SKUs, by place in the request.
fn of_books(demand: &Demand, indices: &[usize]) -> Vec<(usize, Vec<MarketDemand>)> {
    if !demand.takes_from_books() {
        return Vec::new();
    }
    let rows = indices.iter().enumerate().map(|(at, index)| (at, demand.of_book(*index)));
    rows.filter(|(_, lines)| !lines.is_empty()).collect()
}

/// Whether an answer is to this try.
fn is_of_try(placing: &Placing, attempt: u64) -> bool {
    placing.attempt == attempt || made(Mistake::OldTryBelieved)
}
