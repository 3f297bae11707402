//! What SKUs tell orders that live in other partitions: not what happened, but how things stand, again and again until
//! the order has taken it in. So a message that is lost, late or told twice does no harm.
//!
//! ```text
//!   SKU: untold ── StockIs {held, kept, waiting} ──▶ order's home      repeated every second
//!   SKU: heard ◀── StockHeard ── order's home      unless the order still waits for a step of this SKU's
//! ```
//!
//! That an order is yet to hear is recorded with what it must hear of, so it is told after a restart too, wherever it lives
//! then: an order of the same partition, which heard of everything in the turn in which it happened, may have been another
//! partition's before.

use stockade_domain::entity::EntityKey;
use stockade_domain::mistake::{Mistake, made};
use stockade_domain::order::OrderCommand;
use stockade_domain::stock::StockEvent;
use stockade_domain::{OrderId, Quantity, SkuId};

use super::Host;
use crate::peer::PeerMessage;

impl Host {
    /// Whether something is still under way between an order and a SKU of this partition that were in two before: then
    /// the order cannot be told of events one by one.
    pub(super) fn is_unsettled_with(&self, sku: &SkuId, order: OrderId) -> bool {
        self.is_untold(sku, order) || self.is_owed_by_sku(order, sku)
    }

    fn is_untold(&self, sku: &SkuId, order: OrderId) -> bool {
        self.skus.get(sku).is_some_and(|hosted| hosted.state.untold().contains(&order))
    }

    /// Tells an order how a SKU stands to it, until it has heard.
    pub(super) fn tell_of_stock(&mut self, sku: &SkuId, order: OrderId) {
        if !self.is_untold(sku, order) {
            self.change_stock(sku, &[StockEvent::Untold { order }]);
        }
        let news = self.next_news();
        self.told.insert((sku.clone(), order), news);
        if self.home_of_route(order.route()) != self.index {
            self.send_stock(sku, order);
        }
        self.schedule_sku(sku);
    }

    /// Repeats what was not heard.
    pub(super) fn repeat_news(&mut self, sku: &SkuId) {
        let Some(hosted) = self.skus.get(sku) else { return };
        for order in hosted.state.untold().to_vec() {
            self.repeat_news_to(sku, order);
        }
    }

    /// Repeats what this order has not heard.
    pub(super) fn repeat_news_to(&mut self, sku: &SkuId, order: OrderId) {
        if !self.is_untold(sku, order) {
            return;
        }
        if self.home_of_route(order.route()) != self.index {
            self.send_stock(sku, order);
        } else if let Some(stock) = self.stock_for(sku, order)
            && self.take_in_stock(order, sku, stock)
        {
            self.change_stock(sku, &[StockEvent::Heard { order }]);
        }
    }

    fn send_stock(&mut self, sku: &SkuId, order: OrderId) {
        let Some(stock) = self.stock_for(sku, order) else { return };
        // It has no number after a restart, or after the order's last step: what was told before that is old.
        let next = self.next_news();
        let news = *self.told.entry((sku.clone(), order)).or_insert(next);
        let (home, from) = (self.home_of_route(order.route()), self.index);
        self.tell_peer(home, PeerMessage::StockIs { from, news, order, sku: sku.clone(), stock });
    }

    /// After a restart what was not heard is told at once.
    pub(super) fn recover_news(&mut self) {
        for (sku, _) in self.skus.iter().filter(|(_, hosted)| !hosted.state.untold().is_empty()) {
            self.agenda.add(self.now, EntityKey::Sku(sku.clone()));
        }
    }

    /// How a SKU stands to an order.
    fn stock_for(&mut self, sku: &SkuId, order: OrderId) -> Option<StockOfOrder> {
        let stock = &self.load_sku(sku)?.state;
        let (held, allocated) = stock.commitments.get(&order).map_or((0, 0), |commitment| commitment.units());
        let waiting = stock.backorders.iter().find(|b| b.order == order).map_or(0, |b| b.quantity);
        Some(StockOfOrder { held, kept: held + allocated, waiting, offer_seconds: stock.offer_seconds() })
    }

    /// Numbers what is told, so that what is slow is known as old.
    pub(super) fn next_news(&mut self) -> u64 {
        self.news += 1;
        self.news
    }

    pub(super) fn note_heard(&mut self, order: OrderId, sku: SkuId, news: u64) {
        let key = (order, sku);
        if news > self.heard.latest(&key) {
            self.heard.note(key, news, true, self.now);
        }
    }

    pub(super) fn hear_of_stock(&mut self, from: usize, news: u64, order: OrderId, sku: SkuId, stock: StockOfOrder) {
        // The same news again is taken in again: it changes nothing, unless the first time came to nothing.
        if news < self.heard.latest(&(order, sku.clone())) && !made(Mistake::OldNewsBelieved) {
            return;
        }
        if self.take_in_stock(order, &sku, stock) {
            self.note_heard(order, sku.clone(), news);
            self.tell_peer(from, PeerMessage::StockHeard { news, order, sku });
        }
    }

    /// Whether the order has listened.
    fn take_in_stock(&mut self, order: OrderId, sku: &SkuId, stock: StockOfOrder) -> bool {
        // While the order is being placed, or a step of this SKU's is on its way, they cannot agree yet.
        if self.placing.contains_key(&order) {
            return false;
        }
        if self.load_order(order).is_some() {
            if self.is_owed_by_sku(order, sku) {
                return false;
            }
            let StockOfOrder { held, kept, waiting, offer_seconds } = stock;
            let news = OrderCommand::StockIs { sku: sku.clone(), held, kept, waiting, offer_seconds };
            if let Err(refusal) = self.tell_order(order, &news) {
                tracing::warn!(%order, %sku, %refusal, "an order refused what its SKU told it");
            }
        }
        true
    }

    /// An order has heard this news; what was told after it, it has not.
    pub(super) fn stock_was_heard(&mut self, news: u64, order: OrderId, sku: &SkuId) {
        let key = (sku.clone(), order);
        if self.told.get(&key) == Some(&news) && self.load_sku(sku).is_some() && self.is_untold(sku, order) {
            self.told.remove(&key);
            self.change_stock(sku, &[StockEvent::Heard { order }]);
        }
    }
}

/// How a SKU stands to an order.
#[derive(Debug, Clone, Copy)]
pub struct StockOfOrder {
    /// Units held.
    pub held: Quantity,
    /// Units held and allocated.
    pub kept: Quantity,
    /// Units that wait for stock.
    pub waiting: Quantity,
    /// How long the units stay held if the order waited to be let in.
    pub offer_seconds: u32,
}
