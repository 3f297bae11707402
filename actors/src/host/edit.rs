//! Changing the lines of an unpaid order: everything that it wants more of decides first, and only if all agree anything
//! is changed, in one turn.
//!
//! What is given up may lie in any partition: it goes back by steps, as when lines are cancelled. What is added must live
//! here, because only what lives here can refuse in this turn; with promotions so must everything that they price.

use smallvec::SmallVec;
use stockade_domain::order::{self, Demand, Edit, Fill, NewOrder, Order, OrderAsk, OrderEvent, Placement, Pricer};
use stockade_domain::promotion::RuleSet;
use stockade_domain::promotion::uses::{self, Subject, Use, UsesState};
use stockade_domain::stock::{StockCommand, StockEvent};
use stockade_domain::{OrderId, Refusal, SkuId};

use super::place::{drop_short_gifts, fill_of, merge_refusals, note_unavailable, take_gifts};
use super::uses::HeldUses;
use super::{Handled, Host, Message};
use crate::command::{Command, KeyDigest};
use crate::mailbox::Incoming;
use crate::release::{Envelope, Reply};

/// A change on which everybody has agreed.
struct Agreed {
    event: OrderEvent,
    asks: Vec<OrderAsk>,
    more: Vec<(SkuId, Vec<StockEvent>)>,
    uses: HeldUses,
}

impl Host {
    pub(super) fn edit_order(
        &mut self,
        id: OrderId,
        wanted: Box<NewOrder>,
        key: Option<KeyDigest>,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        let known = self.load_order(id).filter(|hosted| !Self::is_refused(&hosted.state));
        let order = known.ok_or_else(|| Refusal::NotFound { what: format!("order {id}") })?.state.share();
        if self.is_owed_steps(id) {
            return Err(Refusal::Overloaded);
        }
        let edit = order::edit(&order, &wanted, self.now)?;
        let agreed = match self.decide_edit(&order, edit) {
            Err(refusal) if self.learn_kit(&refusal) => {
                if let Some(reply) = reply.take() {
                    let command = Command::Edit { order: id, edit: wanted, key };
                    self.parked.push((self.now, Incoming::Command(Envelope { command, reply })));
                }
                return Ok(Handled::Kept);
            }
            decided => decided?,
        };
        // From here on nothing can be refused.
        for (sku, events) in agreed.more {
            self.change_stock(&sku, &events);
        }
        for (subject, event) in agreed.uses {
            self.change_uses(&subject, &[event]);
        }
        let record = self.change_order(id, &[agreed.event]);
        if let (Some(record), Some(key)) = (record, key) {
            self.turn.add_digest(record, key);
        }
        for ask in agreed.asks {
            self.messages.push_back(match ask {
                OrderAsk::Stock(sku, command) => Message::Stock(sku, command, id),
                OrderAsk::Charge(tenders) => Message::Charge(id, tenders),
                OrderAsk::Uses(subject, command) => Message::Uses(subject, command, id),
                OrderAsk::Payment(payment, command) => Message::Payment(payment, command),
            });
        }
        self.run_messages()?;
        self.order_answer(id, false)
    }

    /// Whether others still owe an order steps.
    pub(super) fn is_owed_steps(&mut self, id: OrderId) -> bool {
        let Some(order) = self.load_order(id).map(|hosted| hosted.state.share()) else { return false };
        !order.owed.is_empty() || order.lines.iter().any(|line| self.is_unsettled_with(&line.sku, id))
    }

    /// Lets everybody decide, without changing anything. What promotions cannot have they do without: the order is priced
    /// again until all of it is to be had.
    fn decide_edit(&mut self, order: &Order, mut edit: Edit) -> Result<Agreed, Refusal> {
        let rules = self.shared.rules.get();
        let new = &mut edit.order;
        if rules.is_some() {
            new.promotions_mut();
        }
        loop {
            let demand = order::demand_with(&edit.order, |sku| order.kit_sold(sku).or_else(|| self.known_kit(sku)))?;
            if rules.is_some() && self.shared.partitions > 1 {
                demand.units.iter().try_for_each(|(sku, _)| self.check_lives_here(sku.as_str()))?;
            }
            let (fills, more) = match self.decide_more(order, &edit.order, &demand) {
                Err(refusal) if drop_short_gifts(&mut edit.order, &refusal) => continue,
                decided => decided?,
            };
            let mut placement = match self.price_edit(&edit, &demand, &fills, rules.as_deref()) {
                Err(refusal) if order::drop_coupon(&mut edit.order, &refusal) => continue,
                priced => priced?,
            };
            if take_gifts(&mut edit.order, &mut placement) {
                continue;
            }
            let uses = match self.decide_changed_uses(order, &edit.order, &placement) {
                Err((subject, refusal)) if note_unavailable(&mut edit.order, &subject, &refusal) => continue,
                decided => decided.map_err(|(_, refusal)| refusal)?,
            };
            let (event, asks) = edit.finish(order, &demand, &fills, placement)?;
            return Ok(Agreed { event, asks, more, uses });
        }
    }

    fn check_lives_here(&self, name: &str) -> Result<(), Refusal> {
        if self.home_of_name(name) == self.index {
            return Ok(());
        }
        let why = format!("{name} is kept by another partition than the order: cancel units, or place another order");
        Err(Refusal::BodyInvalid { field: "lines", why })
    }

    /// What every SKU gives: what it keeps for the order, and what it decides to add.
    #[allow(clippy::type_complexity, reason = "a fill for each SKU, and the events of those that add")]
    fn decide_more(
        &mut self,
        order: &Order,
        new: &NewOrder,
        demand: &Demand,
    ) -> Result<(SmallVec<[Fill; 1]>, Vec<(SkuId, Vec<StockEvent>)>), Refusal> {
        let (setting, with_class) = (self.setting(), self.shared.rules.is_any());
        let (mut fills, mut more, mut short) = (SmallVec::new(), Vec::new(), None);
        for (sku, wanted) in &demand.units {
            let (filled, waiting) = order.of_house(sku);
            let missing = wanted.saturating_sub(filled + waiting);
            if self.home_of_name(sku.as_str()) != self.index {
                if missing > 0 {
                    self.check_lives_here(sku.as_str())?;
                }
                let (filled, backordered) = order.kept_of(sku, *wanted);
                let known = order.fill_known(sku).expect("the order has a line of what it keeps");
                fills.push(Fill { filled, backordered, ..known });
                continue;
            }
            let unknown = || Refusal::SkuUnknown { sku: sku.to_string() };
            let stock = &self.load_sku(sku).ok_or_else(unknown)?.state;
            let fill = fill_of(stock, with_class).ok_or_else(unknown)?;
            let (mut filled, backordered) = order.kept_of(sku, *wanted);
            if missing > 0 {
                let (buyer, context) =
                    (order.customer.clone().or_else(|| order.purchaser_key.clone()), new.context.clone());
                let command = StockCommand::HoldMore { order: order.id, quantity: missing, buyer, context };
                let mut events = Vec::new();
                match stockade_domain::stock::decide_in(stock, &command, &setting, &mut events) {
                    Ok(()) => more.push((sku.clone(), events)),
                    Err(next) if next.code() == "stock_exhausted" => short = Some(merge_refusals(short, next)),
                    Err(next) => return Err(next),
                }
                filled += missing;
            }
            fills.push(Fill { filled, backordered, ..fill });
        }
        short.map_or(Ok((fills, more)), Err)
    }

    fn price_edit(
        &mut self,
        edit: &Edit,
        demand: &Demand,
        fills: &[Fill],
        rules: Option<&RuleSet>,
    ) -> Result<Placement, Refusal> {
        let new = &edit.order;
        for code in new.promotions.iter().flat_map(|wish| &wish.coupons) {
            self.check_lives_here(code.as_str())?;
        }
        let coupons = self.present_coupons(new)?;
        let pricer = Pricer { rules, coupons: &coupons };
        order::place_with(new, demand, fills, &edit.market, self.now, pricer)
    }

    /// Lets the owners of the uses that change decide, without changing them: what is held of another amount is held anew.
    fn decide_changed_uses(
        &mut self,
        order: &Order,
        new: &NewOrder,
        placement: &Placement,
    ) -> Result<HeldUses, (Subject, Refusal)> {
        let mut held = HeldUses::new();
        let Some(promoted) = placement.promoted() else { return Ok(held) };
        let (id, round, currency) = (order.id, promoted.round, placement.total.currency);
        for (subject, amount) in order::uses_to_hold(order.promoted.as_deref(), promoted) {
            let refused = |refusal: Refusal| (subject.clone(), refusal);
            self.check_lives_here(subject.name()).map_err(refused)?;
            let (now, mut events) = (self.now, Vec::new());
            let taken = Use { amount, customer: new.buyer().cloned(), round };
            match self.load_uses(subject) {
                Some(hosted) => uses::hold_anew(&hosted.state, id, taken, currency, now, &mut events),
                None => uses::hold_anew(&UsesState::new(subject.clone()), id, taken, currency, now, &mut events),
            }
            .map_err(refused)?;
            held.extend(events.into_iter().map(|event| (subject.clone(), event)));
        }
        Ok(held)
    }
}
