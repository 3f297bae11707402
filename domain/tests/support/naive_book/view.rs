//! What can be seen, and what must hold.

use stockade_domain::book::{FillMode, FillView, Key, LevelDepth, Maker, OrderView, Side};

use super::state::{Fill, NaiveBook, Order};

impl<K: Key> Order<K> {
    pub(super) fn view(&self) -> OrderView<K> {
        OrderView {
            id: self.id,
            owner: self.owner,
            side: self.side,
            price: self.price,
            ordinal: self.ordinal,
            open: self.open,
            reserve: self.reserve,
            held: self.held,
        }
    }
}

impl<K: Key> Fill<K> {
    pub(super) fn view(&self) -> FillView<K> {
        FillView { id: self.id, supply: self.supply, demand: self.demand, price: self.price, held: self.held }
    }
}

impl<K: Key> NaiveBook<K> {
    pub(super) fn levels(&self, side: Side) -> Vec<LevelDepth> {
        let mut levels: Vec<LevelDepth> = Vec::new();
        for order in self.queue(side) {
            match levels.last_mut().filter(|level| level.price == order.price) {
                Some(level) => {
                    level.quantity += u128::from(order.open);
                    level.orders += 1;
                }
                None => {
                    levels.push(LevelDepth { price: order.price, quantity: u128::from(order.open), orders: 1 });
                }
            }
        }
        levels
    }

    pub(super) fn check_all(&self) {
        for order in &self.orders {
            let held: u64 = self
                .fills
                .iter()
                .filter(|fill| fill.immediate != Some(order.side))
                .filter(|fill| match order.side {
                    Side::Demand => fill.demand == order.id,
                    Side::Supply => fill.supply == Maker::Order(order.id),
                })
                .map(|fill| fill.held)
                .sum();
            assert_eq!(order.held, held, "an order holds what its fills hold: {order:?}");
            assert!(order.doomed <= order.held, "only held units can be doomed: {order:?}");
            assert!(order.open > 0 || order.reserve == 0, "nobody hides behind nothing: {order:?}");
            assert!(!order.has_ended || order.unfilled() == 0, "nothing of an ended order stands: {order:?}");
        }
        assert!(self.config.fills == FillMode::Hold || self.fills.is_empty(), "an exchange holds nothing");
        let mut ids: Vec<K> = self.orders.iter().map(|order| order.id).collect();
        ids.sort();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "an id names one order");
    }
}
