//! A call auction: orders gather, then all that can trade trades at one price.

use super::Key;
use super::entry::{NONE, PARTICULAR};
use super::event::BookEvent;
use super::state::Book;
use super::take::HouseLeft;
use super::{PRICE_MAX, Price, Side};
use crate::Quantity;

/// One side's orders that take part, in priority order; `NONE` is the house.
type Line = Vec<(u32, Price, Quantity)>;

/// A candidate: its price, what would trade, and what would be left (positive: demand).
#[derive(Debug, Clone, Copy)]
struct Clearing {
    price: Price,
    volume: u128,
    imbalance: i128,
}

/// How many units of each side are at or better than a price.
struct Curve {
    /// Prices of supply going up, with the sum of units up to each.
    supply: Vec<(Price, u128)>,
    /// Prices of demand going down, with the sum of units down to each.
    demand: Vec<(Price, u128)>,
}

impl Curve {
    fn new(supply: &Line, demand: &Line) -> Self {
        let sums = |line: &Line| {
            line.iter()
                .scan(0, |sum, &(_, price, quantity)| {
                    *sum += u128::from(quantity);
                    Some((price, *sum))
                })
                .collect()
        };
        Self { supply: sums(supply), demand: sums(demand) }
    }

    fn at(&self, price: Price) -> Clearing {
        let upto = |sums: &[(Price, u128)], count: usize| count.checked_sub(1).map_or(0, |last| sums[last].1);
        let supply = upto(&self.supply, self.supply.partition_point(|&(at, _)| at <= price));
        let demand = upto(&self.demand, self.demand.partition_point(|&(at, _)| at >= price));
        Clearing { price, volume: supply.min(demand), imbalance: demand as i128 - supply as i128 }
    }

    /// Largest volume, smallest imbalance, nearest to the reference, lowest. Volume and imbalance change only at
    /// orders' prices, so these, their neighbours and the reference are all that need a look, each on the nearest ticks.
    fn clearing(&self, reference: Price, tick: Price) -> Option<Clearing> {
        let known = self.supply.iter().chain(&self.demand).map(|&(price, _)| price);
        // The house's price and the reference may lie between two ticks.
        known
            .chain([reference])
            .map(|price| price - price.rem_euclid(tick))
            .flat_map(|price| [price.saturating_sub(tick), price, price.saturating_add(tick)])
            .filter(|price| (0..=PRICE_MAX).contains(price))
            .map(|price| self.at(price))
            .filter(|clearing| clearing.volume > 0)
            .min_by_key(|clearing| {
                let distance = clearing.price.abs_diff(reference);
                (std::cmp::Reverse(clearing.volume), clearing.imbalance.unsigned_abs(), distance, clearing.price)
            })
    }
}

impl<K: Key> Book<K> {
    /// Ends the auction.
    pub(super) fn clear_auction(&mut self, reference: Price, house: &mut HouseLeft, events: &mut Vec<BookEvent<K>>) {
        let (supply, demand) = (self.line_of(Side::Supply, house), self.line_of(Side::Demand, house));
        self.auction = false;
        let Some(clearing) = Curve::new(&supply, &demand).clearing(reference, self.config.tick) else {
            events.push(BookEvent::Uncrossed { price: None, quantity: 0, imbalance: 0 });
            return;
        };
        events.push(BookEvent::Uncrossed {
            price: Some(clearing.price),
            quantity: Quantity::try_from(clearing.volume).unwrap_or(Quantity::MAX),
            imbalance: clearing.imbalance.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
        });
        self.fill_auction(clearing.price, &supply, &demand, house, events);
    }

    fn fill_auction(
        &mut self,
        price: Price,
        supply: &Line,
        demand: &Line,
        house: &mut HouseLeft,
        events: &mut Vec<BookEvent<K>>,
    ) {
        let mut sellers = supply.iter().copied().take_while(|seller| seller.1 <= price);
        let mut seller = sellers.next();
        for &(slot, ..) in demand.iter().take_while(|buyer| buyer.1 >= price) {
            let mut taker = self.taker_of(slot);
            while taker.remaining > 0
                && let Some((maker, _, left)) = &mut seller
            {
                let quantity = taker.remaining.min(*left);
                *left -= quantity;
                let used_up = *left == 0;
                match *maker {
                    NONE => {
                        let mut share = HouseLeft { left: quantity, ..*house };
                        house.left -= quantity;
                        self.fill_house(price, &mut taker, &mut share, events);
                    }
                    maker => self.fill_at(price, &mut taker, maker, quantity, events),
                }
                if used_up {
                    seller = sellers.next();
                }
            }
            self.tidy(slot);
            if seller.is_none() {
                return;
            }
        }
    }

    fn line_of(&self, side: Side, house: &HouseLeft) -> Line {
        let ladder = &self.ladders[side as usize];
        let mut line = Line::new();
        let mut house = (side == Side::Supply && house.left > 0 && house.rank != i64::MIN).then_some(*house);
        for level in ladder.iter() {
            if let Some(first) = house.filter(|house| house.rank >= ladder.level(level).rank) {
                line.push((NONE, first.price, first.left));
                house = None;
            }
            let mut slot = ladder.level(level).head;
            while slot != NONE {
                if self.entry(slot).flags & PARTICULAR == 0 {
                    line.push((slot, self.entry(slot).price, self.total(slot)));
                }
                slot = self.entry(slot).next;
            }
        }
        line.extend(house.map(|house| (NONE, house.price, house.left)));
        line
    }
}
