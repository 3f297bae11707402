//! One price for all.

use stockade_domain::Quantity;
use stockade_domain::book::{BookEvent, House, Key, Maker, Price, Side, Source};

use super::state::{NaiveBook, Order};

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
        let mut supplies = self.supplies(*house).into_iter().filter(|supply| supply.1 <= price);
        let mut supply = supplies.next();
        for demand in self.taking_part(Side::Demand).into_iter().filter(|demand| demand.price >= price) {
            let mut taker = self.as_taker(&demand);
            while taker.left > 0 {
                let Some((maker, _, there)) = &mut supply else { return };
                let quantity = taker.left.min(*there);
                *there -= quantity;
                self.fill(&mut taker, *maker, price, quantity, events);
                match (*maker, house.as_mut()) {
                    (Maker::House, Some(stock)) => stock.available -= quantity,
                    (Maker::House, None) => unreachable!("no house takes part"),
                    (Maker::Order(id), _) => self.refresh(id, events),
                }
                if *there == 0 {
                    supply = supplies.next();
                }
            }
        }
    }

    /// Orders that anybody may meet with any quantity, in priority order.
    fn taking_part(&self, side: Side) -> Vec<Order<K>> {
        let mut queue = self.queue(side);
        queue.retain(|order| !order.has_unmet_minimum() && order.terms.source == Source::Anyone);
        queue
    }

    /// Who sells, at what price and how much, in priority order; the house before offers of its price.
    fn supplies(&self, house: Option<House>) -> Vec<(Maker<K>, Price, Quantity)> {
        let orders = self.taking_part(Side::Supply);
        let orders = orders.iter().map(|order| (Maker::Order(order.id), order.price, order.unfilled()));
        let stock = house.map(|house| (Maker::House, house.price, house.available));
        let mut supplies: Vec<_> = stock.into_iter().filter(|stock| stock.2 > 0).chain(orders).collect();
        // The sort is stable: what stands first among equal prices stays first.
        supplies.sort_by_key(|supply| supply.1);
        supplies
    }

    /// Every price on the tick that can matter, one after the other.
    fn clearing(&self, reference: Price, house: Option<House>) -> Option<(Price, Quantity, i64)> {
        let (supply, demand) = (self.supplies(house), self.taking_part(Side::Demand));
        let tick = self.config.tick;
        // Below the cheapest supply and above the highest demand nothing trades.
        let low = supply.iter().map(|supply| supply.1).min()?;
        let high = demand.iter().map(|demand| demand.price).max()?;
        let at = |price: Price| {
            let supply: i128 =
                supply.iter().filter(|supply| supply.1 <= price).map(|supply| i128::from(supply.2)).sum();
            let demand: i128 =
                demand.iter().filter(|demand| demand.price >= price).map(|demand| i128::from(demand.unfilled())).sum();
            (supply.min(demand), demand - supply)
        };
        let best = (low / tick..=high / tick).map(|ticks| ticks * tick).min_by_key(|&price| {
            let (volume, imbalance) = at(price);
            (-volume, imbalance.abs(), price.abs_diff(reference), price)
        })?;
        let (volume, imbalance) = at(best);
        let volume = Quantity::try_from(volume).ok().filter(|&volume| volume > 0)?;
        Some((best, volume, i64::try_from(imbalance).unwrap_or(i64::MAX)))
    }
}
