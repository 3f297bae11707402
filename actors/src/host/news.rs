//! What SKUs tell orders that live in other partitions: not what happened, but how things stand, again and again until
//! the order has taken it in. So a message that is lost, late or told twice does no harm.
//!
//! ```text
//!   SKU ── StockIs {kept, waiting} ──▶ order's home      repeated every second
//!   SKU ◀── StockHeard ── order's home                   unless the order still waits for a step of this SKU's
//! ```

use stockade_domain::entity::EntityKey;
use stockade_domain::order::OrderCommand;
use stockade_domain::{OrderId, Quantity, SkuId};

use super::Host;
use crate::peer::PeerMessage;

impl Host {
    /// Tells an order of another partition how a SKU stands to it, until it has heard.
    pub(super) fn tell_of_stock(&mut self, sku: &SkuId, order: OrderId) {
        self.news += 1;
        let news = self.news;
        let orders = self.untold.entry(sku.clone()).or_default();
        orders.retain(|(told, _)| *told != order);
        orders.push((order, news));
        self.send_stock(sku, order, news);
        self.schedule_sku(sku);
    }

    /// Repeats what was not heard.
    pub(super) fn repeat_news(&mut self, sku: &SkuId) {
        for (order, news) in self.untold.get(sku).cloned().unwrap_or_default() {
            self.send_stock(sku, order, news);
        }
    }

    /// Repeats what this order has not heard.
    pub(super) fn repeat_news_to(&mut self, sku: &SkuId, order: OrderId) {
        let untold = self.untold.get(sku).and_then(|orders| orders.iter().find(|(untold, _)| *untold == order));
        if let Some((_, news)) = untold.copied() {
            self.send_stock(sku, order, news);
        }
    }

    fn send_stock(&mut self, sku: &SkuId, order: OrderId, news: u64) {
        let Some(hosted) = self.load_sku(sku) else { return };
        let stock = &hosted.state;
        let (held, allocated) = stock.commitments.get(&order).map_or((0, 0), |commitment| commitment.units());
        let waiting = stock.backorders.iter().find(|b| b.order == order).map_or(0, |b| b.quantity);
        let offer_seconds = stock.offer_seconds();
        let (home, from) = (self.home_of_route(order.route()), self.index);
        let (sku, kept) = (sku.clone(), held + allocated);
        self.tell_peer(home, PeerMessage::StockIs { from, news, order, sku, held, kept, waiting, offer_seconds });
    }

    pub(super) fn hear_of_stock(
        &mut self,
        (from, news): (usize, u64),
        order: OrderId,
        sku: SkuId,
        (held, kept, waiting): (Quantity, Quantity, Quantity),
        offer_seconds: u32,
    ) {
        // While the order is being placed, or a step of this SKU's is on its way, they cannot agree yet.
        if self.placing.contains_key(&order) {
            return;
        }
        if self.load_order(order).is_some() {
            if self.is_owed_by_sku(order, &sku) {
                return;
            }
            let news = OrderCommand::StockIs { sku: sku.clone(), held, kept, waiting, offer_seconds };
            if let Err(refusal) = self.tell_order(order, &news) {
                tracing::warn!(%order, %sku, %refusal, "an order refused what its SKU told it");
            }
        }
        self.tell_peer(from, PeerMessage::StockHeard { news, order, sku });
    }

    /// An order has heard this news; what was told after it, it has not.
    pub(super) fn stock_was_heard(&mut self, news: u64, order: OrderId, sku: &SkuId) {
        if let Some(orders) = self.untold.get_mut(sku) {
            orders.retain(|untold| *untold != (order, news));
            if orders.is_empty() {
                self.untold.remove(sku);
            }
        }
    }

    /// After a restart nobody knows what was heard: SKUs tell again, and orders that wait ask.
    pub(super) fn recover_news(&mut self) {
        let mut untold: Vec<(SkuId, OrderId)> = Vec::new();
        for (sku, hosted) in self.skus.iter() {
            let firm = hosted.state.commitments.iter().filter(|(_, commitment)| !commitment.tentative);
            untold.extend(firm.map(|(order, _)| (sku.clone(), *order)));
        }
        untold.retain(|(_, order)| self.home_of_route(order.route()) != self.index);
        untold.sort();
        for (sku, order) in untold {
            self.news += 1;
            let news = self.news;
            self.untold.entry(sku.clone()).or_default().push((order, news));
            self.agenda.add(self.now, EntityKey::Sku(sku));
        }
        let mut asked: Vec<(OrderId, SkuId)> = Vec::new();
        for (id, hosted) in self.orders.iter() {
            let awaited = hosted.state.lines.iter().flat_map(|line| line.awaited()).filter(|(_, units)| *units > 0);
            asked.extend(awaited.map(|(sku, _)| (*id, sku.clone())));
        }
        asked.sort();
        asked.dedup();
        for (order, sku) in asked {
            let home = self.home_of_name(sku.as_str());
            if home != self.index {
                self.tell_peer(home, PeerMessage::AskStock { order, sku });
            }
        }
    }
}
