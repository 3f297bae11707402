//! The commands.

use stockade_domain::book::{
    BookCommand, BookEvent, BookRefusal, Context, EndReason, FillId, FillView, House, Key, LevelDepth, Maker, Matcher,
    OrderView, Owner, Place, PreviewFill, Price, Side, TimeInForce,
};
use stockade_domain::{Quantity, Timestamp};

use super::state::{Fill, NaiveBook, Order, is_due, rank};
use super::terms::{is_immediate, terms_of};
use super::walk::Taker;

type Events<K> = Vec<BookEvent<K>>;

impl<K: Key> Matcher<K> for NaiveBook<K> {
    fn execute(
        &mut self,
        command: &BookCommand<K>,
        context: &Context,
        events: &mut Events<K>,
    ) -> Result<(), BookRefusal> {
        let mut house = self.house_in_lots(context);
        match *command {
            BookCommand::Place(place) => self.place(&place, context, &mut house, events)?,
            BookCommand::Cancel { id } => self.cancel(id, events)?,
            BookCommand::Reduce { id, by } => self.reduce(id, by, events)?,
            BookCommand::Amend { id, price, quantity } => self.amend(id, price, quantity, &mut house, events)?,
            BookCommand::CancelAll { owner, side } => self.cancel_all(owner, side, events),
            BookCommand::Expire => self.expire(context.now, events),
            BookCommand::Settle { fill, quantity } => {
                self.held(fill, quantity)?;
                self.tell(BookEvent::Settled { fill, quantity }, events);
            }
            BookCommand::Release { fill, quantity, returns } => {
                self.release(fill, quantity, returns, &mut house, events)?;
            }
            BookCommand::HouseChanged => {}
            BookCommand::SetBand { band } => self.tell(BookEvent::BandSet { band }, events),
            BookCommand::OpenAuction if self.in_auction => return Err(BookRefusal::AuctionOpen),
            BookCommand::OpenAuction => self.tell(BookEvent::AuctionOpened, events),
            BookCommand::Uncross { .. } if !self.in_auction => return Err(BookRefusal::NoAuction),
            BookCommand::Uncross { reference } => self.uncross(reference, &mut house, events),
        }
        self.come_to_rest(&mut house, events);
        Ok(())
    }

    fn apply(&mut self, event: &BookEvent<K>) {
        self.make_true(event);
    }

    fn preview(&self, place: &Place<K>, context: &Context) -> Result<Vec<PreviewFill<K>>, BookRefusal> {
        let (mut copy, mut house, mut events) = (self.clone(), self.house_in_lots(context), Vec::new());
        copy.place(place, context, &mut house, &mut events)?;
        let fills = events.iter().filter_map(|event| match *event {
            BookEvent::Filled { maker, price, quantity, .. } => Some(PreviewFill { maker, price, quantity }),
            _ => None,
        });
        Ok(fills.collect())
    }

    fn check(&self) {
        self.check_all();
    }

    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn best(&self, side: Side) -> Option<LevelDepth> {
        self.levels(side).into_iter().next()
    }

    fn depth(&self, side: Side, levels: usize) -> Vec<LevelDepth> {
        let mut all = self.levels(side);
        all.truncate(levels);
        all
    }

    fn orders(&self, side: Side) -> Vec<OrderView<K>> {
        self.queue(side).iter().map(Order::view).collect()
    }

    fn order(&self, id: K) -> Option<OrderView<K>> {
        self.find(id).map(Order::view)
    }

    fn fill(&self, fill: FillId) -> Option<FillView<K>> {
        self.fills.iter().find(|held| held.id == fill).map(Fill::view)
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.orders.iter().filter(|order| order.stands()).filter_map(|order| order.terms.expires_at).min()
    }
}

impl<K: Key> NaiveBook<K> {
    fn place(
        &mut self,
        place: &Place<K>,
        context: &Context,
        house: &mut Option<House>,
        events: &mut Events<K>,
    ) -> Result<(), BookRefusal> {
        self.check_place(place, context)?;
        let mut taker = self.new_taker(place);
        let takes = if self.in_auction { 0 } else { self.would_take(&taker, *house) };
        if place.post_only && self.would_act(&taker, *house) {
            return Err(BookRefusal::WouldTrade);
        }
        let is_enough = takes >= taker.least;
        if is_immediate(place.time_in_force) {
            let must = place.time_in_force == TimeInForce::Fok || taker.least > 1;
            if must && !is_enough {
                return Err(BookRefusal::Unfillable { available: takes });
            }
            if !self.is_blocked(&taker, *house) {
                self.walk(&mut taker, house, events);
            }
            if taker.left > 0 {
                self.tell(
                    BookEvent::Ended { id: place.id, quantity: taker.left, reason: EndReason::Immediate },
                    events,
                );
            }
            return Ok(());
        }
        let price = place.price.expect("an order that may rest has a price");
        self.tell(
            BookEvent::Placed {
                id: place.id,
                owner: place.owner,
                side: place.side,
                price,
                quantity: place.quantity,
                ordinal: self.ordinals_given + 1,
                terms: terms_of(place),
            },
            events,
        );
        taker.ordinal = self.ordinals_given;
        self.take_if_enough(&mut taker, house, events);
        Ok(())
    }

    /// What the house has at the start of a command, in whole lots.
    fn house_in_lots(&self, context: &Context) -> Option<House> {
        context.house.map(|house| House { available: house.available - house.available % self.config.lot, ..house })
    }

    /// What one walk would give now, its own minimum aside.
    fn would_take(&self, taker: &Taker<K>, house: Option<House>) -> Quantity {
        if self.is_blocked(taker, house) { 0 } else { self.try_walk(taker, house).0.taken }
    }

    /// True if it would trade, or go away or make another go away instead of it.
    fn would_act(&self, taker: &Taker<K>, house: Option<House>) -> bool {
        !self.in_auction && !self.is_blocked(taker, house) && !self.try_walk(taker, house).1.is_empty()
    }

    fn take_if_enough(&mut self, taker: &mut Taker<K>, house: &mut Option<House>, events: &mut Events<K>) {
        if self.in_auction || self.is_blocked(taker, *house) {
            return;
        }
        let (walked, _) = self.try_walk(taker, *house);
        if walked.taken >= taker.least || !taker.has_wish && walked.was_prevented {
            self.walk(taker, house, events);
        }
    }

    fn standing(&self, id: K) -> Result<Order<K>, BookRefusal> {
        self.find(id).filter(|order| order.stands()).cloned().ok_or(BookRefusal::OrderUnknown)
    }

    fn end(&mut self, order: &Order<K>, reason: EndReason, events: &mut Events<K>) {
        self.tell(BookEvent::Ended { id: order.id, quantity: order.unfilled(), reason }, events);
    }

    fn cancel(&mut self, id: K, events: &mut Events<K>) -> Result<(), BookRefusal> {
        let order = self.standing(id)?;
        self.end(&order, EndReason::Cancelled, events);
        Ok(())
    }

    fn reduce(&mut self, id: K, by: Quantity, events: &mut Events<K>) -> Result<(), BookRefusal> {
        let order = self.standing(id)?;
        self.check_quantity(by)?;
        self.check_lot(by)?;
        let limit = order.standing();
        if by > limit {
            return Err(BookRefusal::QuantityTooLarge { limit });
        }
        if by == limit {
            self.end(&order, EndReason::Cancelled, events);
        } else {
            self.tell(BookEvent::Reduced { id, quantity: by, reason: EndReason::Cancelled }, events);
        }
        Ok(())
    }

    fn amend(
        &mut self,
        id: K,
        price: Option<Price>,
        quantity: Option<Quantity>,
        house: &mut Option<House>,
        events: &mut Events<K>,
    ) -> Result<(), BookRefusal> {
        let order = self.standing(id)?;
        if let Some(quantity) = quantity {
            self.check_quantity(quantity)?;
            self.check_lot(quantity)?;
        }
        if let Some(price) = price {
            self.check_price(price)?;
        }
        if price.is_none() && quantity.is_none() {
            return Err(BookRefusal::TermsInvalid { why: "neither a price nor a quantity" });
        }
        let (price, quantity) = (price.unwrap_or(order.price), quantity.unwrap_or(order.unfilled()));
        if price == order.price && quantity <= order.unfilled() {
            let quantity = order.unfilled() - quantity;
            if quantity > 0 {
                self.tell(BookEvent::Reduced { id, quantity, reason: EndReason::Cancelled }, events);
            }
            return Ok(());
        }
        let ordinal = self.ordinals_given + 1;
        let amended = BookEvent::Amended { id, price, quantity, ordinal };
        let mut after = self.clone();
        after.make_true(&amended);
        let mut taker = after.as_taker(after.find(id).expect("it was just amended"));
        if order.terms.post_only && after.would_act(&taker, *house) {
            return Err(BookRefusal::WouldTrade);
        }
        self.tell(amended, events);
        self.take_if_enough(&mut taker, house, events);
        Ok(())
    }

    fn cancel_all(&mut self, owner: Option<Owner>, side: Option<Side>, events: &mut Events<K>) {
        let mut orders: Vec<_> = self.orders.iter().filter(|order| order.stands()).cloned().collect();
        orders.retain(|order| {
            owner.is_none_or(|owner| order.owner == owner) && side.is_none_or(|side| order.side == side)
        });
        orders.sort_by_key(|order| (order.side, rank(order.side, order.price), order.ordinal));
        for order in orders {
            self.end(&order, EndReason::Cancelled, events);
        }
    }

    fn expire(&mut self, now: Timestamp, events: &mut Events<K>) {
        let mut due: Vec<_> =
            self.orders.iter().filter(|order| order.stands() && is_due(&order.terms, now)).cloned().collect();
        due.sort_by_key(|order| (order.terms.expires_at, order.id));
        for order in due {
            self.end(&order, EndReason::Expired, events);
        }
    }

    fn held(&self, id: FillId, quantity: Quantity) -> Result<Fill<K>, BookRefusal> {
        let fill = self.fills.iter().find(|fill| fill.id == id).cloned().ok_or(BookRefusal::FillUnknown)?;
        self.check_quantity(quantity)?;
        if quantity > fill.held {
            return Err(BookRefusal::QuantityTooLarge { limit: fill.held });
        }
        Ok(fill)
    }

    fn release(
        &mut self,
        id: FillId,
        quantity: Quantity,
        returns: Side,
        house: &mut Option<House>,
        events: &mut Events<K>,
    ) -> Result<(), BookRefusal> {
        let fill = self.held(id, quantity)?;
        let party = match (returns, fill.supply) {
            (Side::Demand, _) => Some(fill.demand),
            (Side::Supply, Maker::Order(supply)) => Some(supply),
            (Side::Supply, Maker::House) => None,
        };
        let reopened = match party {
            None => quantity,
            Some(_) if fill.immediate == Some(returns) => 0,
            Some(party) => {
                let order = self.find(party).expect("it holds units");
                if order.has_ended { 0 } else { quantity - quantity.min(order.doomed) }
            }
        };
        if party.is_none()
            && let Some(house) = house
        {
            house.available += quantity;
        }
        self.tell(BookEvent::Released { fill: id, quantity, returns, reopened }, events);
        Ok(())
    }
}
