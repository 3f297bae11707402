//! One price for all.

use stockade_domain::Quantity;
use stockade_domain::book::{BookEvent, House, Key, Maker, Price, Side};

use super::state::NaiveBook;

impl<K: Key> NaiveBook<K> {
    /// All that can trade trades at the price of the largest volume, the smallest imbalance, the nearest to the
    /// reference, the lower.
    pub(super) fn uncross(&mut self, reference: Price, house: &mut Option<House>, events: &mut Vec<BookEvent<K>>) {
        let clearing = self.clearing(reference, *house);
        let Some((price, volume, imbalance)) = clearing else {
            self.tell(BookEvent::Uncrossed { price: None, quantity: 0, imbalance: 0 }, events);
            return;
        };
        self.tell(BookEvent::Uncrossed { price: Some(price), quantity: volume, imbalance }, events);
        for demand in self.queue(Side::Demand) {
            if demand.price < price {
                break;
            }
            let mut taker = self.as_taker(&demand);
            while taker.left > 0 {
                let stock = house.filter(|stock| stock.available > 0 && stock.price <= price);
                let supply = self.queue(Side::Supply).into_iter().find(|supply| supply.price <= price);
                let (maker, there) = match (stock, supply) {
                    (Some(stock), Some(supply)) if supply.price < stock.price => (Maker::Order(supply.id), supply.open),
                    (Some(stock), _) => (Maker::House, stock.available),
                    (None, Some(supply)) => (Maker::Order(supply.id), supply.open),
                    (None, None) => return,
                };
                let quantity = taker.left.min(there);
                self.fill(&mut taker, maker, price, quantity, events);
                match maker {
                    Maker::House => {
                        *house = stock.map(|stock| House { available: stock.available - quantity, ..stock })
                    }
                    Maker::Order(id) => self.refresh(id, events),
                }
            }
        }
    }

    fn clearing(&self, reference: Price, house: Option<House>) -> Option<(Price, Quantity, i64)> {
        let mut prices: Vec<Price> =
            self.orders.iter().filter(|order| order.open > 0).map(|order| order.price).collect();
        prices.extend(house.map(|house| house.price));
        prices.push(reference);
        let sum = |side: Side, holds: &dyn Fn(Price) -> bool| -> i128 {
            self.queue(side).iter().filter(|order| holds(order.price)).map(|order| i128::from(order.unfilled())).sum()
        };
        let at = |price: Price| {
            let stock = house.filter(|house| house.price <= price).map_or(0, |house| i128::from(house.available));
            let supply = sum(Side::Supply, &|limit| limit <= price) + stock;
            let demand = sum(Side::Demand, &|limit| limit >= price);
            (supply.min(demand), demand - supply)
        };
        let best = prices.into_iter().min_by_key(|&price| {
            let (volume, imbalance) = at(price);
            (-volume, imbalance.abs(), price.abs_diff(reference), price)
        })?;
        let (volume, imbalance) = at(best);
        let volume = Quantity::try_from(volume).ok().filter(|&volume| volume > 0)?;
        Some((best, volume, i64::try_from(imbalance).unwrap_or(i64::MAX)))
    }
}
