//! Placing an order.
//!
//! When everything it needs lives here, its whole hold phase is one turn: every SKU and wallet decides first, and
//! only if all of them agree anything is changed. Otherwise it is placed across partitions (see `placing`).
//!
//! Whatever the number of partitions, what is wrong with an order is refused in this order, the first that is wrong:
//!
//! 1. stock: a SKU is unknown or not for sale, its limit for the customer, its units;
//! 2. coupons that nobody knows;
//! 3. the price: money that cannot be, coupons that come to nothing (`coupon_invalid`), `expected_total`
//!    (`price_changed`), the payments;
//! 4. uses: coupons that may not be used now (`coupon_invalid`) or any more (`coupon_exhausted`, `limit_exceeded`).
//!    Promotions that may not be used are done without, and the price is made again;
//! 5. the wallet.

use std::time::Duration;

use smallvec::SmallVec;
use stockade_domain::account::{AccountCommand, AccountEvent};
use stockade_domain::codec::list;
use stockade_domain::entity::RemoteStep;
use stockade_domain::order::{self, Demand, Fill, NewOrder, Order, OrderEvent, Placement, Pricer, PromotionWish};
use stockade_domain::payment::{Method, PaymentEvent, PaymentState, first_call};
use stockade_domain::promotion::uses::Subject;
use stockade_domain::promotion::{RuleSet, Unavailable};
use stockade_domain::stock::market::{MarketDemand, MarketFill, MarketPlan, MarketWish, Taking};
use stockade_domain::stock::{self, HoldContext, HoldMode, ReleaseReason, Stock, StockCommand, StockEvent, units};
use stockade_domain::{CustomerId, Money, OrderId, PaymentId, Quantity, Refusal, SkuId};

use super::uses::HeldUses;
use super::{Handled, Host};
use crate::command::{Command, KeyDigest};
use crate::faults::MailboxFault;
use crate::mailbox::Incoming;
use crate::release::{Envelope, Reply};
use stockade_domain::entity::EntityKey;

/// Who wants units of a SKU, and how.
pub(super) struct Claim<'a> {
    pub(super) order: OrderId,
    pub(super) buyer: Option<&'a CustomerId>,
    pub(super) mode: HoldMode,
    pub(super) context: Option<&'a HoldContext>,
    /// Who must not buy from himself.
    pub(super) customer: Option<&'a CustomerId>,
    pub(super) tentative: bool,
}

/// What a SKU has decided to give.
pub(super) struct Hold {
    pub(super) fill: Fill,
    /// What lines get from its book.
    pub(super) market: Vec<MarketFill>,
    /// What happens to the units of the house.
    pub(super) events: Vec<StockEvent>,
    /// The command that was decided, where it takes from the book: that is carried out when all have agreed.
    pub(super) command: Option<Box<StockCommand>>,
}

/// What everybody whom an order needs has agreed to, as of the last try; it means nothing where that was refused.
#[derive(Default)]
struct Agreed {
    holds: Holds,
    uses: HeldUses,
}

/// Holds by SKU.
type Holds = SmallVec<[(SkuId, Hold); 1]>;

/// What may become of the order's shortages. A kit is whole or nothing, and so is the order that has one.
pub(super) fn mode_of(order: &NewOrder, demand: &Demand) -> HoldMode {
    let divisible = !demand.is_indivisible();
    HoldMode { partial: order.allow_partial && divisible, backorder: order.allow_backorder && divisible }
}

/// Puts several refusals of one order together: all exhausted SKUs are named at once.
pub(super) fn merge_refusals(first: Option<Refusal>, next: Refusal) -> Refusal {
    match (first, next) {
        (Some(Refusal::StockExhausted { mut items, as_of }), Refusal::StockExhausted { items: more, .. }) => {
            items.extend(more);
            Refusal::StockExhausted { items, as_of }
        }
        (Some(Refusal::StockExhausted { .. }) | None, next) => next,
        (Some(first), _) => first,
    }
}

/// Gifts that are not to be had make their promotions unavailable; says whether there were any.
pub(super) fn drop_short_gifts(order: &mut NewOrder, refusal: &Refusal) -> bool {
    let Some(wish) = order.promotions.as_mut().filter(|wish| !wish.gifts.is_empty()) else { return false };
    let is_short = |sku: &SkuId| match refusal {
        Refusal::StockExhausted { items, .. } => items.iter().any(|item| item.sku == *sku),
        Refusal::SkuUnknown { sku: unknown } => unknown == sku.as_str(),
        Refusal::SkuNotSellable { sku: closed, .. } => closed == sku,
        _ => false,
    };
    let short = wish.gifts.iter().filter(|gift| is_short(&gift.sku));
    let short: Vec<_> = short.map(|gift| (gift.promotion.clone(), Unavailable::Exhausted)).collect();
    if short.is_empty() {
        return false;
    }
    wish.unavailable.extend(short);
    order.drop_gifts();
    true
}

/// Gives the order the gifts that its pricing grants; says whether it had others before and is to be placed again.
pub(super) fn take_gifts(order: &mut NewOrder, placement: &mut Placement) -> bool {
    let had = order.promotions.as_ref().map_or(&[][..], |wish| &wish.gifts);
    if had == placement.gifts {
        return false;
    }
    order.set_gifts(std::mem::take(&mut placement.gifts), placement.total.currency);
    true
}

/// A promotion whose use was refused is done without; anything else that was refused is not.
pub(super) fn note_unavailable(order: &mut NewOrder, subject: &Subject, refusal: &Refusal) -> bool {
    let (Subject::Promotion(promotion), Refusal::UsesExceeded(excess)) = (subject, refusal) else { return false };
    order.promotions_mut().unavailable.push((promotion.clone(), excess.why));
    true
}

impl Host {
    pub(super) fn place(
        &mut self,
        mut order: Box<NewOrder>,
        key: Option<KeyDigest>,
        wait: Duration,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        if self.is_known(&order)? {
            return self.answer_when_known(order.id, wait, true, reply);
        }
        self.check_age(&order)?;
        if self.owes_attempt(order.id) {
            return Err(Refusal::Overloaded);
        }
        order.attempt = self.orders.get(&order.id).map_or(0, |refused| refused.state.attempt + 1);
        let demand = order::demand_with(&order, |sku| self.known_kit(sku))?;
        let is_local = demand.units.iter().all(|(sku, _)| self.home_of_name(sku.as_str()) == self.index);
        let pays_by_wallet = order.payments.iter().any(|tender| tender.method == Method::Wallet);
        let wallet_is_local = !pays_by_wallet
            || order.customer.as_ref().is_none_or(|customer| self.home_of_name(customer.as_str()) == self.index);
        let rules = self.shared.rules.get();
        // What an earlier try of it has asked others for is given back by them, in the order of their messages: the next try
        // asks them, too, though the last promotion has retired meanwhile.
        let is_of_promotions = |wish: &PromotionWish| wish.round > 0 || !wish.coupons.is_empty();
        let is_priced = rules.is_some() || order.promotions.as_deref().is_some_and(is_of_promotions);
        if is_priced {
            // A try's own number: what an earlier one left held, before a restart with other partitions, is not this one's.
            order.promotions_mut().round = self.next_try();
        }
        if !is_local || !wallet_is_local || is_priced && self.shared.partitions > 1 {
            return self.place_across(order, key, wait, demand, reply);
        }
        // It may have been tried across partitions, while there were promotions or before a kit was known.
        self.give_back_earlier_try(order.id, demand.units.iter().map(|(sku, _)| sku));
        let mut agreed = Agreed::default();
        let placement = match self.decide_order(&mut order, demand, rules.as_deref(), &mut agreed) {
            Err(refusal) if self.learn_kit(&refusal) => {
                self.place_again(order, key, wait, reply);
                return Ok(Handled::Kept);
            }
            decided => decided?,
        };
        let spends = self.decide_money(&order, &placement)?;
        // Everybody has agreed: from here on nothing can be refused.
        let settled = placement.plan.secures_at_once();
        for (sku, hold) in &mut agreed.holds {
            if settled {
                hold.events.iter_mut().for_each(settle_at_once);
            }
            self.change_stock(sku, &hold.events);
            if !hold.market.is_empty() {
                self.take_from_book(sku, hold, settled)?;
            }
            self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Sku(sku.clone()));
        }
        for (subject, event) in &agreed.uses {
            self.change_uses(subject, std::slice::from_ref(event));
        }
        if agreed.uses.iter().any(|(subject, _)| matches!(subject, Subject::Promotion(_))) {
            self.promoted_last = agreed.uses;
        }
        for (customer, event) in spends {
            self.change_account(&customer, &[event]);
            self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Account(customer));
        }
        self.record_order(&order, key, &placement, &[]);
        self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Order(order.id));
        self.run_messages()?;
        self.answer_when_known(order.id, wait, false, reply)
    }

    /// Lets every SKU and every owner of uses decide, without changing them. What promotions cannot have, a use or a
    /// gift, they do without: the order is priced again until all of it is to be had.
    fn decide_order(
        &mut self,
        order: &mut NewOrder,
        mut demand: Demand,
        rules: Option<&RuleSet>,
        Agreed { holds, uses }: &mut Agreed,
    ) -> Result<Placement, Refusal> {
        loop {
            holds.clear();
            let fills = match self.decide_holds(order, &demand, holds) {
                Err(refusal) if drop_short_gifts(order, &refusal) => {
                    demand = order::demand_with(order, |sku| self.known_kit(sku))?;
                    continue;
                }
                decided => decided?,
            };
            let coupons = self.present_coupons(order)?;
            let market = holds.iter().flat_map(|(_, hold)| hold.market.iter().cloned()).collect::<Vec<_>>();
            let pricer = Pricer { rules, coupons: &coupons };
            let mut placement = order::place_with(order, &demand, &fills, &market, self.now, pricer)?;
            if take_gifts(order, &mut placement) {
                demand = order::demand_with(order, |sku| self.known_kit(sku))?;
                continue;
            }
            match self.decide_order_uses(order, &placement, uses) {
                Ok(()) => return Ok(placement),
                Err((subject, refusal)) if note_unavailable(order, &subject, &refusal) => {}
                Err((_, refusal)) => return Err(refusal),
            }
        }
    }

    /// Tries an order again in the next turn.
    pub(super) fn place_again(
        &mut self,
        order: Box<NewOrder>,
        key: Option<KeyDigest>,
        wait: Duration,
        reply: &mut Option<Reply>,
    ) {
        if let Some(reply) = reply.take() {
            let command = Command::Place { order, key, wait };
            self.parked.push((self.now, Incoming::Command(Envelope { command, reply })));
        }
    }

    /// Whether an order with this id is there already: the same thing if the request is the same.
    fn is_known(&mut self, order: &NewOrder) -> Result<bool, Refusal> {
        if self.placing.contains_key(&order.id) {
            return Err(Refusal::IdConflict { id: order.id.to_string() });
        }
        // An id that the engine has just made cannot be known, and costs no look at the disk.
        let made_here = order.body_digest == 0;
        let is_in_memory = |host: &Self| host.orders.contains(&order.id) || host.resting.contains(order.id);
        let found = (!made_here || is_in_memory(self)) && self.load_order(order.id).is_some();
        let Some(hosted) = found.then(|| self.orders.get(&order.id)).flatten() else { return Ok(false) };
        if Self::is_refused(&hosted.state) {
            return Ok(false);
        }
        if hosted.state.body_digest != order.body_digest || made_here {
            return Err(Refusal::IdConflict { id: order.id.to_string() });
        }
        Ok(true)
    }

    /// An id that nobody knows must be of these days: one that is too old may have been forgotten, and one from the
    /// future would never be.
    fn check_age(&self, order: &NewOrder) -> Result<(), Refusal> {
        let made_here = order.body_digest == 0;
        let retention = i64::from(super::ID_RETENTION_SECONDS) * 1_000_000;
        let age = self.now.0 - order.id.time().0;
        match () {
            () if !made_here && age > retention => Err(Refusal::IdExpired { id: order.id.to_string() }),
            () if !made_here && age < -retention => Err(Refusal::IdInvalid { id: order.id.to_string() }),
            () => Ok(()),
        }
    }

    fn decide_holds(
        &mut self,
        order: &NewOrder,
        demand: &Demand,
        holds: &mut Holds,
    ) -> Result<SmallVec<[Fill; 1]>, Refusal> {
        let mut fills = SmallVec::new();
        let mut refusal = None;
        let claim = Claim {
            order: order.id,
            buyer: order.buyer(),
            mode: mode_of(order, demand),
            context: order.context.as_deref(),
            customer: order.customer.as_ref(),
            tentative: false,
        };
        for (at, (sku, quantity)) in demand.units.iter().enumerate() {
            let of_book = if demand.takes_from_books() { demand.of_book(at) } else { Vec::new() };
            match self.decide_hold(&claim, sku, *quantity, &of_book) {
                Ok(hold) => {
                    fills.push(hold.fill.clone());
                    holds.push((sku.clone(), hold));
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
        holds: &mut Holds,
    ) -> Result<SmallVec<[Fill; 1]>, Refusal> {
        let Some(refusal) = refusal else { return Ok(fills) };
        if !mode_of(order, demand).partial || fills.is_empty() {
            return Err(refusal);
        }
        let mut all = SmallVec::new();
        for (sku, _) in &demand.units {
            match holds.iter().position(|(held, _)| held == sku) {
                Some(at) => all.push(fills[at].clone()),
                None => all.push(self.empty_fill(sku)?),
            }
        }
        Ok(all)
    }

    /// A fill of nothing, which only tells the price.
    pub(super) fn empty_fill(&mut self, sku: &SkuId) -> Result<Fill, Refusal> {
        let unknown = || Refusal::SkuUnknown { sku: sku.to_string() };
        let with_class = self.shared.rules.is_any();
        self.load_sku(sku).and_then(|hosted| fill_of(&hosted.state, with_class)).ok_or_else(unknown)
    }

    /// Lets a SKU decide a hold, without changing it.
    pub(super) fn decide_hold(
        &mut self,
        claim: &Claim<'_>,
        sku: &SkuId,
        quantity: Quantity,
        of_book: &[MarketDemand],
    ) -> Result<Hold, Refusal> {
        self.crash_point(&MailboxFault::CrashBefore, || EntityKey::Sku(sku.clone()));
        let plan = self.plan_market(claim, sku, quantity, of_book)?;
        let taking = (!plan.fills.is_empty()).then(|| {
            Box::new(Taking {
                lines: of_book.to_vec(),
                customer: claim.customer.cloned(),
                units: plan.units(),
                house: plan.house,
            })
        });
        let house = plan.house;
        let command = StockCommand::Hold {
            order: claim.order,
            quantity,
            mode: claim.mode,
            settled: false,
            buyer: claim.buyer.cloned(),
            tentative: claim.tentative,
            context: claim.context.cloned().map(Box::new),
            taking,
        };
        let (setting, with_class) = (self.setting(), self.shared.rules.is_any());
        let unknown = || Refusal::SkuUnknown { sku: sku.to_string() };
        let stock = &self.load_sku(sku).ok_or_else(unknown)?.state;
        let mut events = Vec::with_capacity(1);
        stock::decide_in(stock, &command, &setting, &mut events)?;
        let mut fill = fill_of(stock, with_class).ok_or_else(unknown)?;
        if let Some(held @ StockEvent::Held { picks, backordered, .. }) = events.first() {
            (fill.filled, fill.backordered) = (units(picks) - house, *backordered);
            fill.waiting = stock.makes_wait(held);
        }
        let command = (!plan.fills.is_empty()).then(|| Box::new(command));
        Ok(Hold { fill, market: plan.fills, events, command })
    }

    /// What lines of an order would get from a SKU's book; nothing where lines are independent and others get something.
    fn plan_market(
        &mut self,
        claim: &Claim<'_>,
        sku: &SkuId,
        quantity: Quantity,
        of_book: &[MarketDemand],
    ) -> Result<MarketPlan, Refusal> {
        if of_book.is_empty() {
            return Ok(MarketPlan::default());
        }
        let setting = self.setting();
        let unknown = || Refusal::SkuUnknown { sku: sku.to_string() };
        let stock = &self.load_sku(sku).ok_or_else(unknown)?.state;
        let wish = MarketWish {
            order: claim.order,
            customer: claim.customer,
            plain: quantity,
            lines: of_book,
            mode: claim.mode,
            context: claim.context,
        };
        match stock.plan_market(&setting, &wish) {
            Err(Refusal::StockExhausted { .. }) if claim.mode.partial && quantity > 0 => Ok(MarketPlan::default()),
            planned => planned,
        }
    }

    /// Lines take from a book what was planned for them.
    pub(super) fn take_from_book(&mut self, sku: &SkuId, hold: &Hold, settled: bool) -> Result<(), Refusal> {
        let command = hold.command.as_deref().expect("what takes from a book keeps its command");
        let trade = self.trade_settled(sku, command, settled)?;
        let told = |fills: &[MarketFill]| fills.iter().filter(|fill| fill.seller.is_some()).count();
        assert_eq!(told(&trade.fills), told(&hold.market), "the book gives what it has promised");
        Ok(())
    }

    /// Lets the wallet decide, without changing it.
    fn decide_money(
        &mut self,
        order: &NewOrder,
        placement: &Placement,
    ) -> Result<SmallVec<[(CustomerId, AccountEvent); 1]>, Refusal> {
        let OrderEvent::Placed { hold_expires_at, .. } = &*placement.placed else {
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
        let mut wallet = self.peek_account(customer).0;
        let mut events = Vec::with_capacity(1);
        for (at, (payment, money)) in due.iter().enumerate() {
            let hold = AccountCommand::Hold { payment: *payment, money: *money, spend };
            stockade_domain::account::decide(&wallet, &hold, &mut events)?;
            // The next one has what this one leaves.
            if at + 1 < due.len() {
                events.iter().for_each(|event| wallet.to_mut().apply(event));
            }
            decided.extend(events.drain(..).map(|event| (customer.clone(), event)));
        }
        Ok(decided)
    }

    /// Records an order whose holds are all there, and its payments. `owed` are the steps that other partitions owe.
    pub(super) fn record_order(
        &mut self,
        order: &NewOrder,
        key: Option<KeyDigest>,
        placement: &Placement,
        owed: &[RemoteStep],
    ) {
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
            if plan.is_kept_by_order(payment) {
                self.effects.notify(id, PaymentState::Paid);
                continue;
            }
            let created = PaymentEvent::Created {
                order,
                method: payment.method,
                money: Money::new(payment.amount, currency),
                payer: customer.cloned(),
                credential: plan.credentials[index].clone().or_else(|| payment.reference.clone()),
                capture_later: plan.captures_later[index],
                overcapture: self.permitted_overcapture(payment.method, Money::new(payment.amount, currency)),
                retry_of: None,
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
}

/// A fill of nothing, which only tells the price, and the class of the goods where promotions ask for it; none if the
/// SKU is not defined.
pub(super) fn fill_of(stock: &Stock, with_class: bool) -> Option<Fill> {
    let definition = stock.definition.as_deref()?;
    let (price, hold_ttl_seconds) = (definition.price, definition.hold_ttl_seconds);
    let class = with_class.then(|| (definition.category.clone(), definition.brand.clone()));
    let (category, brand) = class.unwrap_or_default();
    let commission_bps = definition.market.as_deref().map_or(0, |rules| rules.commission_bps);
    let (filled, backordered, waiting) = (0, 0, false);
    Some(Fill { price, hold_ttl_seconds, commission_bps, filled, backordered, waiting, category, brand })
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
