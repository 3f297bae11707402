//! A taker goes along the makers, best first.

use stockade_domain::Quantity;
use stockade_domain::book::{
    Allocation, BookEvent, EndReason, FillId, House, Key, Maker, Owner, Price, SelfTrade, Side, Source, UnfillableHead,
};

use super::state::{NaiveBook, Order, may_take, rank};

/// Whoever takes.
#[derive(Debug, Clone)]
pub(super) struct Taker<K> {
    pub(super) id: K,
    pub(super) owner: Owner,
    pub(super) side: Side,
    /// The worst price; none for any.
    pub(super) limit: Option<Price>,
    /// Where it stands in its own line; a market order stands before all.
    pub(super) stands_at: Option<Price>,
    pub(super) left: Quantity,
    /// The least it takes in one walk.
    pub(super) least: Quantity,
    /// It wants more than one unit at once and has not traded yet.
    pub(super) has_wish: bool,
    pub(super) source: Source,
    pub(super) self_trade: SelfTrade,
    /// Its time at its price; of use to orders that wait.
    pub(super) ordinal: u64,
}

/// What a walk came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Walked {
    pub(super) taken: Quantity,
    /// The taker, or part of it, went away instead of trading with its own owner.
    pub(super) was_prevented: bool,
}

/// The next one to trade with.
enum Next<K> {
    House(House),
    Order(Order<K>),
}

impl<K: Key> NaiveBook<K> {
    pub(super) fn as_taker(&self, order: &Order<K>) -> Taker<K> {
        Taker {
            id: order.id,
            owner: order.owner,
            side: order.side,
            limit: Some(order.price),
            stands_at: Some(order.price),
            left: order.unfilled(),
            least: order.least(),
            has_wish: !order.has_traded && order.terms.minimum > 1,
            source: order.terms.source,
            self_trade: self.self_trade(order.terms.self_trade),
            ordinal: order.ordinal,
        }
    }

    /// What the walk would come to, and the events it would tell.
    pub(super) fn try_walk(&self, taker: &Taker<K>, house: Option<House>) -> (Walked, Vec<BookEvent<K>>) {
        let (mut copy, mut taker, mut house, mut events) = (self.clone(), taker.clone(), house, Vec::new());
        let walked = copy.walk(&mut taker, &mut house, &mut events);
        (walked, events)
    }

    /// True if somebody of its own side stands before the taker who wants more units at once than there are, though
    /// there are some, and the book's rule is that everybody behind waits.
    pub(super) fn is_blocked(&self, taker: &Taker<K>, house: Option<House>) -> bool {
        self.config.unfillable_head == UnfillableHead::Block
            && self.queue(taker.side).iter().any(|ahead| {
                let stands_before = taker.stands_at.is_some_and(|price| {
                    (rank(ahead.side, ahead.price), ahead.ordinal) < (rank(taker.side, price), taker.ordinal)
                });
                stands_before && ahead.has_unmet_minimum() && {
                    let (walked, _) = self.try_walk(&self.as_taker(ahead), house);
                    0 < walked.taken && walked.taken < ahead.least()
                }
            })
    }

    /// Takes along the makers until there is nothing left to take or to give. The taker's own minimum is not
    /// looked at here.
    pub(super) fn walk(
        &mut self,
        taker: &mut Taker<K>,
        house: &mut Option<House>,
        events: &mut Vec<BookEvent<K>>,
    ) -> Walked {
        let mut walked = Walked::default();
        let mut passed = Vec::new();
        while taker.left > 0 {
            match self.next_maker(taker, *house, &passed) {
                None => break,
                Some(Next::House(stock)) => {
                    let quantity = taker.left.min(stock.available);
                    self.fill(taker, Maker::House, stock.price, quantity, events);
                    walked.taken += quantity;
                    *house = Some(House { available: stock.available - quantity, ..stock });
                }
                Some(Next::Order(maker)) if self.config.allocation == Allocation::ProRata => {
                    if !self.share_price(taker, maker.price, &mut walked, events) {
                        break;
                    }
                }
                Some(Next::Order(maker)) if maker.least() > taker.left => match self.config.unfillable_head {
                    UnfillableHead::Skip => passed.push(maker.id),
                    UnfillableHead::Block => break,
                },
                Some(Next::Order(maker)) if self.prevents(taker, &maker) => {
                    walked.was_prevented = true;
                    self.prevent(taker, &maker, events);
                }
                Some(Next::Order(maker)) => {
                    walked.taken += self.fill_order(taker, &maker, taker.left.min(maker.open), events);
                }
            }
        }
        walked
    }

    fn prevents(&self, taker: &Taker<K>, maker: &Order<K>) -> bool {
        taker.self_trade != SelfTrade::Allow && taker.owner.same(maker.owner)
    }

    fn next_maker(&self, taker: &Taker<K>, house: Option<House>, passed: &[K]) -> Option<Next<K>> {
        let within = |price: Price| match (taker.limit, taker.side) {
            (None, _) => true,
            (Some(limit), Side::Demand) => price <= limit,
            (Some(limit), Side::Supply) => price >= limit,
        };
        let order = self
            .queue(taker.side.opposite())
            .into_iter()
            .find(|maker| within(maker.price) && !passed.contains(&maker.id) && self.may_meet(taker, maker));
        let stock = house.filter(|stock| {
            taker.side == Side::Demand
                && stock.available > 0
                && within(stock.price)
                && may_take(taker.source, Maker::House, Owner::NOBODY)
        });
        match (stock, order) {
            (Some(stock), Some(order)) if stock.price > order.price => Some(Next::Order(order)),
            (Some(stock), _) => Some(Next::House(stock)),
            (None, order) => order.map(Next::Order),
        }
    }

    fn may_meet(&self, taker: &Taker<K>, maker: &Order<K>) -> bool {
        match taker.side {
            Side::Demand => may_take(taker.source, Maker::Order(()), maker.owner),
            Side::Supply => may_take(maker.terms.source, Maker::Order(()), taker.owner),
        }
    }

    fn prevent(&mut self, taker: &mut Taker<K>, maker: &Order<K>, events: &mut Vec<BookEvent<K>>) {
        let reason = EndReason::SelfTrade;
        let end_maker = |book: &mut Self, events: &mut Vec<_>| {
            book.tell(BookEvent::Ended { id: maker.id, quantity: maker.unfilled(), reason }, events);
        };
        match taker.self_trade {
            SelfTrade::Allow => unreachable!("it is allowed"),
            SelfTrade::CancelOldest => end_maker(self, events),
            SelfTrade::CancelNewest => self.end_taker(taker, events),
            SelfTrade::CancelBoth => {
                end_maker(self, events);
                self.end_taker(taker, events);
            }
            SelfTrade::Decrement => {
                let both = taker.left.min(maker.unfilled());
                if both == maker.unfilled() {
                    end_maker(self, events);
                } else {
                    self.tell(BookEvent::Reduced { id: maker.id, quantity: both, reason }, events);
                    self.refresh(maker.id, events);
                }
                if both == taker.left {
                    self.end_taker(taker, events);
                } else {
                    taker.left -= both;
                    self.tell(BookEvent::Reduced { id: taker.id, quantity: both, reason }, events);
                }
            }
        }
    }

    fn end_taker(&mut self, taker: &mut Taker<K>, events: &mut Vec<BookEvent<K>>) {
        let quantity = std::mem::take(&mut taker.left);
        self.tell(BookEvent::Ended { id: taker.id, quantity, reason: EndReason::SelfTrade }, events);
    }

    fn fill_order(
        &mut self,
        taker: &mut Taker<K>,
        maker: &Order<K>,
        quantity: Quantity,
        events: &mut Vec<BookEvent<K>>,
    ) -> Quantity {
        self.fill(taker, Maker::Order(maker.id), maker.price, quantity, events);
        self.refresh(maker.id, events);
        quantity
    }

    pub(super) fn fill(
        &mut self,
        taker: &mut Taker<K>,
        maker: Maker<K>,
        price: Price,
        quantity: Quantity,
        events: &mut Vec<BookEvent<K>>,
    ) {
        taker.left -= quantity;
        let fill = FillId(self.fills_made + 1);
        self.tell(BookEvent::Filled { fill, maker, taker: taker.id, side: taker.side, price, quantity }, events);
    }

    /// An iceberg whose slice is gone shows the next, at the end of the line.
    pub(super) fn refresh(&mut self, id: K, events: &mut Vec<BookEvent<K>>) {
        let Some(order) = self.find(id).filter(|order| order.open == 0 && order.reserve > 0) else { return };
        let quantity = order.terms.displayed.map_or(order.reserve, |displayed| displayed.min(order.reserve));
        let ordinal = self.ordinals_given + 1;
        self.tell(BookEvent::Refreshed { id, quantity, ordinal }, events);
    }

    /// Everybody at one price is met at once: the taker's own orders go first, then the others share. False if the
    /// taker goes no further.
    fn share_price(
        &mut self,
        taker: &mut Taker<K>,
        price: Price,
        walked: &mut Walked,
        events: &mut Vec<BookEvent<K>>,
    ) -> bool {
        let (own, _) = self.at_price(taker, price);
        let goes_away = matches!(taker.self_trade, SelfTrade::CancelNewest | SelfTrade::CancelBoth) && !own.is_empty();
        walked.was_prevented |= !own.is_empty();
        for maker in &own {
            match taker.self_trade {
                SelfTrade::CancelBoth => {
                    let (id, quantity, reason) = (maker.id, maker.unfilled(), EndReason::SelfTrade);
                    self.tell(BookEvent::Ended { id, quantity, reason }, events);
                }
                SelfTrade::CancelOldest | SelfTrade::Decrement if taker.left > 0 => self.prevent(taker, maker, events),
                _ => {}
            }
        }
        loop {
            // Once more when an iceberg among them has shown its next slice.
            let (_, others) = self.at_price(taker, price);
            if taker.left == 0 || others.is_empty() {
                break;
            }
            walked.taken += self.share(taker, &others, events);
        }
        if goes_away && taker.left > 0 {
            self.end_taker(taker, events);
        }
        !goes_away && taker.left > 0
    }

    /// Those at one price whom the taker may meet: its own orders, and the others.
    fn at_price(&self, taker: &Taker<K>, price: Price) -> (Vec<Order<K>>, Vec<Order<K>>) {
        let all = self.queue(taker.side.opposite()).into_iter();
        let there = all.filter(|maker| maker.price == price && self.may_meet(taker, maker));
        there.partition(|maker| self.prevents(taker, maker))
    }

    /// A share for each in proportion to what it has.
    fn share(&mut self, taker: &mut Taker<K>, makers: &[Order<K>], events: &mut Vec<BookEvent<K>>) -> Quantity {
        let there: u128 = makers.iter().map(|maker| u128::from(maker.open)).sum();
        let wanted = u128::from(taker.left).min(there);
        let is_in_lots = |units: Quantity| units.is_multiple_of(self.config.lot);
        // Units may have come back in parts of a lot.
        let in_lots = is_in_lots(taker.left) && makers.iter().all(|maker| is_in_lots(maker.open));
        let lot = if in_lots { u128::from(self.config.lot) } else { 1 };
        let mut shares: Vec<u128> =
            makers.iter().map(|maker| wanted * u128::from(maker.open) / there / lot * lot).collect();
        let mut by_remainder: Vec<usize> = (0..makers.len()).collect();
        by_remainder.sort_by_key(|&at| {
            let remainder = wanted * u128::from(makers[at].open) - shares[at] * there;
            (std::cmp::Reverse(remainder), makers[at].ordinal)
        });
        let mut over = wanted - shares.iter().sum::<u128>();
        for at in by_remainder {
            let more = over.min(lot);
            shares[at] += more;
            over -= more;
        }
        let mut taken = 0;
        for (maker, share) in makers.iter().zip(shares) {
            let share = Quantity::try_from(share).expect("a share is no more than what a maker has");
            if share > 0 {
                taken += self.fill_order(taker, maker, share, events);
            }
        }
        taken
    }
}
