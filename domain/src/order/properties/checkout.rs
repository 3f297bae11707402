//! Placing, paying, charging and changing orders: everybody decides first, and only if all agree anything changes.

use super::acts;
use super::shop::{Message, Shop};
use super::stall;
use crate::account::{self, Account, AccountCommand, AccountEvent};
use crate::entity::{EntityKey, Event};
use crate::ledger;
use crate::order::{self, Demand, Fill, NewOrder, Order, OrderAsk, OrderEvent, Placement, Pricer, Promoted, Tender};
use crate::payment::{self, Method, Payment, PaymentEvent};
use crate::promotion::uses::{self, Subject, UsesCommand, UsesEvent};
use crate::promotion::{PresentedCoupon, Unavailable};
use crate::stock::market::MarketFill;
use crate::stock::{self, HoldMode, Stock, StockCommand, StockEvent, units};
use crate::{CustomerId, Money, OrderId, PaymentId, Refusal, SkuId};

/// What SKUs have decided, and what each gives.
type Decided = (Vec<(SkuId, Vec<StockEvent>)>, Vec<Fill>);
/// What owners of uses have decided.
type DecidedUses = Vec<(Subject, Vec<UsesEvent>)>;

/// An order on which everybody has agreed.
struct Agreed {
    holds: Vec<(SkuId, Vec<StockEvent>)>,
    market: Vec<MarketFill>,
    uses: DecidedUses,
    placement: Placement,
}

/// A fill of nothing, which tells the price.
fn fill_of(stock: &Stock) -> Fill {
    let definition = stock.definition.as_ref().expect("it is sold");
    let (category, brand, waiting) = (None, None, false);
    let (price, hold_ttl_seconds) = (definition.price, definition.hold_ttl_seconds);
    Fill { price, hold_ttl_seconds, commission_bps: 0, filled: 0, backordered: 0, waiting, category, brand }
}

/// Gifts that are not to be had make their promotions unavailable.
fn drop_short_gifts(order: &mut NewOrder, refusal: &Refusal) -> bool {
    let Some(wish) = order.promotions.as_mut().filter(|wish| !wish.gifts.is_empty()) else { return false };
    let Refusal::StockExhausted { items, .. } = refusal else { return false };
    let short = wish.gifts.iter().filter(|gift| items.iter().any(|item| item.sku == gift.sku));
    let short: Vec<_> = short.map(|gift| (gift.promotion.clone(), Unavailable::Exhausted)).collect();
    let any = !short.is_empty();
    if any {
        wish.unavailable.extend(short);
        order.drop_gifts();
    }
    any
}

/// Gives the order the gifts that its pricing grants; says whether it had others before.
fn take_gifts(order: &mut NewOrder, placement: &mut Placement) -> bool {
    let had = order.promotions.as_ref().map_or(&[][..], |wish| &wish.gifts);
    let other = had != placement.gifts;
    if other {
        order.set_gifts(std::mem::take(&mut placement.gifts), placement.total.currency);
    }
    other
}

/// A promotion whose use was refused is done without.
fn note_unavailable(order: &mut NewOrder, subject: &Subject, refusal: &Refusal) -> bool {
    let (Subject::Promotion(promotion), Refusal::UsesExceeded(excess)) = (subject, refusal) else { return false };
    order.promotions_mut().unavailable.push((promotion.clone(), excess.why));
    true
}

impl Shop {
    fn kit(&self, sku: &SkuId) -> Option<order::Kit> {
        acts::kit(sku, self.currency)
    }

    pub(super) fn place(&mut self, order: &NewOrder) -> Result<(), Refusal> {
        let mut order = order.clone();
        let Agreed { holds, market, uses, placement } = self.decide_order(&mut order)?;
        let OrderEvent::Placed { hold_expires_at, attempt, .. } = &*placement.placed else { panic!("placed") };
        let ids = (0..).map(|number| Order::payment_id(order.id, *attempt, number, *hold_expires_at));
        let spends = self.decide_wallet(order.customer.as_ref(), &placement.plan, ids)?;
        for (sku, mut events) in holds {
            if let (true, StockEvent::Held { settled, .. }) = (placement.plan.secures_at_once(), &mut events[0]) {
                *settled = true;
            }
            self.change_stock(&sku, &events);
        }
        self.stall.take(order.id, &market);
        for (subject, events) in uses {
            self.change_uses(&subject, events);
        }
        self.change_account_of(order.customer.as_ref(), &spends);
        self.create_order(order.id, &placement);
        self.create_payments(order.id, &placement.plan, 0);
        self.run_messages();
        Ok(())
    }

    fn decide_order(&mut self, order: &mut NewOrder) -> Result<Agreed, Refusal> {
        let coupons = self.present(order)?;
        loop {
            let demand = order::demand_with(order, |sku| self.kit(sku))?;
            let (holds, fills) = match self.decide_holds(order, &demand) {
                Err(refusal) if drop_short_gifts(order, &refusal) => {
                    self.note("a gift was short");
                    continue;
                }
                decided => decided?,
            };
            let lamp = demand.units.iter().position(|(sku, _)| sku.as_str() == stall::SKU);
            let market = self.stall.fills(&lamp.map_or_else(Vec::new, |at| demand.of_book(at)))?;
            let pricer = Pricer { rules: self.rules.as_ref(), coupons: &coupons };
            let mut placement = order::place_with(order, &demand, &fills, &market, self.now, pricer)?;
            if take_gifts(order, &mut placement) {
                continue;
            }
            let wanted = placement.promoted().map_or_else(Vec::new, |promoted| holds_of(promoted, order, &placement));
            match self.decide_uses(wanted) {
                Ok(uses) => return Ok(Agreed { holds, market, uses, placement }),
                Err((subject, refusal)) if note_unavailable(order, &subject, &refusal) => {
                    self.note("a promotion was used up");
                }
                Err((_, refusal)) => return Err(refusal),
            }
        }
    }

    /// Coupons that somebody presents, with their batches.
    fn present(&self, order: &NewOrder) -> Result<Vec<PresentedCoupon>, Refusal> {
        let codes = order.promotions.iter().flat_map(|wish| &wish.coupons);
        let presented = codes.map(|code| {
            let unknown = || Refusal::CouponInvalid { code: code.to_string(), why: "it is not known".into() };
            let terms = self.uses.get(&Subject::Coupon(code.clone())).and_then(|state| state.terms.as_ref());
            let batch = terms.and_then(|terms| terms.batch.clone()).ok_or_else(unknown)?;
            Ok(PresentedCoupon { code: code.clone(), batch })
        });
        presented.collect()
    }

    fn decide_uses(&self, wanted: Vec<(Subject, Vec<UsesCommand>)>) -> Result<DecidedUses, (Subject, Refusal)> {
        let mut decided = DecidedUses::new();
        for (subject, commands) in wanted {
            let mut state = self.uses[&subject].clone();
            let mut events = Vec::new();
            for command in commands {
                let before = events.len();
                let agreed = uses::decide(&state, &command, self.now, &mut events);
                agreed.map_err(|refusal| (subject.clone(), refusal))?;
                events[before..].iter().for_each(|event| state.apply(event));
            }
            decided.push((subject, events));
        }
        Ok(decided)
    }

    fn decide_holds(&self, order: &NewOrder, demand: &Demand) -> Result<Decided, Refusal> {
        let divisible = !demand.is_indivisible();
        let (partial, backorder) = (order.allow_partial && divisible, order.allow_backorder && divisible);
        let mode = HoldMode { partial, backorder };
        let (mut fills, mut holds) = (Vec::new(), Vec::new());
        for (sku, quantity) in &demand.units {
            if sku.as_str() == stall::SKU {
                fills.push(self.lamp_fill());
                continue;
            }
            let unknown = || Refusal::SkuUnknown { sku: sku.to_string() };
            let stock = self.stocks.get(sku).ok_or_else(unknown)?;
            let hold = StockCommand::Hold {
                order: order.id,
                quantity: *quantity,
                mode,
                settled: false,
                buyer: order.buyer().cloned(),
                tentative: false,
                context: None,
                taking: None,
            };
            let mut events = Vec::new();
            stock::decide(stock, &hold, self.now, &mut events)?;
            let [StockEvent::Held { picks, backordered, .. }] = &events[..] else { panic!("{events:?}") };
            let (filled, waiting) = (units(picks), stock.makes_wait(&events[0]));
            fills.push(Fill { filled, backordered: *backordered, waiting, ..fill_of(stock) });
            holds.push((sku.clone(), events));
        }
        Ok((holds, fills))
    }

    fn lamp_fill(&self) -> Fill {
        let price = Money::new(crate::Amount(60_000), self.currency);
        let (category, brand, waiting, commission_bps) = (None, None, false, stall::COMMISSION_BPS);
        Fill { price, hold_ttl_seconds: 900, commission_bps, filled: 0, backordered: 0, waiting, category, brand }
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

    fn create_order(&mut self, id: OrderId, placement: &Placement) {
        let created = Order::create(id, &placement.placed, self.now);
        let postings = ledger::of_order(None, &placement.placed, &created);
        self.post_all([(self.currency, postings)]);
        self.record(EntityKey::Order(id), Event::Order(*placement.placed.clone()));
        self.orders.insert(id, created);
        self.secure_immediate(id, &placement.plan, 0);
    }

    fn secure_immediate(&mut self, id: OrderId, plan: &order::PaymentPlan, first: usize) {
        let immediate = plan.payments.iter().enumerate().filter(|(_, planned)| plan.is_immediate(planned));
        let events: Vec<_> =
            immediate.filter_map(|(index, paid)| plan.secured_at_once(paid, (first + index) as u32)).collect();
        self.change_order(id, &events);
        if self.orders[&id].secured {
            let order = &self.orders[&id];
            let settles: Vec<_> = order.settle_asks().map(|(sku, settle)| Message::Stock(sku, settle)).collect();
            let uses: Vec<_> = order.settle_uses().map(|(subject, settle)| Message::Uses(subject, settle)).collect();
            self.messages.extend(settles.into_iter().chain(uses));
        }
    }

    fn create_payments(&mut self, order: OrderId, plan: &order::PaymentPlan, first: usize) {
        for (index, planned) in plan.payments.iter().enumerate() {
            let id = self.orders[&order].payments[first + index].id;
            if plan.is_kept_by_order(planned) {
                continue;
            }
            let created = PaymentEvent::Created {
                order,
                method: planned.method,
                money: Money::new(planned.amount, self.currency),
                payer: self.orders[&order].customer.clone(),
                credential: plan.credentials[index].clone().or_else(|| planned.reference.clone()),
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
        self.start_payments(id, tenders)?;
        self.run_messages();
        Ok(())
    }

    /// The payments an order came with come due; if they come to nothing it waits for others.
    pub(super) fn charge(&mut self, id: OrderId, tenders: &[Tender]) {
        let charged = self.start_payments(id, tenders);
        self.note(if charged.is_ok() { "charged at fill" } else { "charged in vain" });
    }

    fn start_payments(&mut self, id: OrderId, tenders: &[Tender]) -> Result<(), Refusal> {
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
        Ok(())
    }

    /// Gives an unpaid order other lines.
    pub(super) fn edit(&mut self, id: OrderId, wanted: &NewOrder) -> Result<(), Refusal> {
        let order = self.orders[&id].clone();
        let mut edit = order::edit(&order, wanted, self.now)?;
        if self.rules.is_some() {
            edit.order.promotions_mut();
        }
        let coupons = self.present(&edit.order)?;
        let (event, asks, more, uses) = loop {
            let demand = order::demand_with(&edit.order, |sku| order.kit_sold(sku).or_else(|| self.kit(sku)))?;
            let (more, fills) = match self.decide_more(&order, &demand) {
                Err(refusal) if drop_short_gifts(&mut edit.order, &refusal) => continue,
                decided => decided?,
            };
            let pricer = Pricer { rules: self.rules.as_ref(), coupons: &coupons };
            let priced = order::place_with(&edit.order, &demand, &fills, &edit.market, self.now, pricer);
            let mut placement = match priced {
                Err(refusal) if order::drop_coupon(&mut edit.order, &refusal) => continue,
                priced => priced?,
            };
            if take_gifts(&mut edit.order, &mut placement) {
                continue;
            }
            let wanted = self.changed_uses(&order, &edit.order, &placement);
            match self.decide_uses(wanted) {
                Ok(uses) => {
                    let (event, asks) = edit.finish(&order, &demand, &fills, placement)?;
                    break (event, asks, more, uses);
                }
                Err((subject, refusal)) if note_unavailable(&mut edit.order, &subject, &refusal) => {}
                Err((_, refusal)) => return Err(refusal),
            }
        };
        for (sku, events) in more {
            self.change_stock(&sku, &events);
        }
        for (subject, events) in uses {
            self.change_uses(&subject, events);
        }
        self.change_order(id, &[event]);
        self.messages.extend(asks.into_iter().map(|ask| match ask {
            OrderAsk::Stock(sku, command) => Message::Stock(sku, command),
            OrderAsk::Uses(subject, command) => Message::Uses(subject, command),
            other => panic!("an edit pays nothing: {other:?}"),
        }));
        self.run_messages();
        Ok(())
    }

    fn decide_more(&self, order: &Order, demand: &Demand) -> Result<Decided, Refusal> {
        let (mut more, mut fills) = (Vec::new(), Vec::new());
        for (sku, wanted) in &demand.units {
            if sku.as_str() == stall::SKU {
                fills.push(self.lamp_fill());
                continue;
            }
            let unknown = || Refusal::SkuUnknown { sku: sku.to_string() };
            let stock = self.stocks.get(sku).ok_or_else(unknown)?;
            let (has, waits) = order.of_house(sku);
            let missing = wanted.saturating_sub(has + waits);
            let (mut filled, backordered) = order.kept_of(sku, *wanted);
            if missing > 0 {
                let buyer = order.customer.clone();
                let hold = StockCommand::HoldMore { order: order.id, quantity: missing, buyer, context: None };
                let mut events = Vec::new();
                stock::decide(stock, &hold, self.now, &mut events)?;
                more.push((sku.clone(), events));
                filled += missing;
            }
            fills.push(Fill { filled, backordered, ..fill_of(stock) });
        }
        Ok((more, fills))
    }

    /// What is held of another amount is held anew.
    fn changed_uses(&self, order: &Order, new: &NewOrder, placement: &Placement) -> Vec<(Subject, Vec<UsesCommand>)> {
        let Some(promoted) = placement.promoted() else { return Vec::new() };
        let (id, round, currency) = (order.id, promoted.round, self.currency);
        let changed = order::uses_to_hold(order.promoted.as_deref(), promoted).map(|(subject, amount)| {
            let (release, customer) = (UsesCommand::Release { order: id, round }, new.buyer().cloned());
            let hold = UsesCommand::Hold { order: id, amount, currency, customer, round };
            (subject.clone(), vec![release, hold])
        });
        changed.collect()
    }
}

fn holds_of(promoted: &Promoted, order: &NewOrder, placement: &Placement) -> Vec<(Subject, Vec<UsesCommand>)> {
    let holds = promoted.holds(order, placement.total.currency);
    holds.map(|(subject, hold)| (subject.clone(), vec![hold])).collect()
}
