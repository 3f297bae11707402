//! A second count of a SKU, kept from its events alone and in the plainest way: signed numbers, sorted maps, no code
//! shared with the state it checks.

use std::collections::BTreeMap;

use crate::stock::{Admission, Disposition, Lottery, Pick, Stock, StockEvent, Unsellable};
use crate::{CustomerId, Location, Lot, OrderId, Quantity, Timestamp};

/// Units of one bin.
#[derive(Debug, Default, Clone)]
struct Place {
    location: Option<Location>,
    lot: Option<Lot>,
    date: Option<Timestamp>,
    /// By state: free, held, allocated, damaged, quality control, expired.
    there: [i128; 6],
    came: i128,
    went: i128,
}

const FREE: usize = 0;
const HELD: usize = 1;
const ALLOCATED: usize = 2;

fn index(state: Unsellable) -> usize {
    match state {
        Unsellable::Free => FREE,
        Unsellable::Damaged => 3,
        Unsellable::QualityControl => 4,
        Unsellable::Expired => 5,
    }
}

/// What one order has, by bin, and since when.
#[derive(Debug, Default, Clone)]
struct Demand {
    held: BTreeMap<u16, i128>,
    allocated: BTreeMap<u16, i128>,
    waiting: i128,
    ordinal: u64,
    buyer: Option<CustomerId>,
    /// Waits to be let in: offered its units whole.
    entry: bool,
}

impl Demand {
    fn is_over(&self) -> bool {
        self.waiting == 0 && self.held.values().chain(self.allocated.values()).all(|units| *units == 0)
    }
}

/// The second count.
#[derive(Debug, Default)]
pub(super) struct Recount {
    places: Vec<Place>,
    orders: BTreeMap<OrderId, Demand>,
    taken: BTreeMap<CustomerId, i128>,
    demands: u64,
    incoming: i128,
    in_transit: i128,
    lost: i128,
    safety_level: Quantity,
    low_stock_level: Option<Quantity>,
    limit: Option<Quantity>,
    preorder: bool,
    admission: Option<Admission>,
    drawn: Option<[u8; 32]>,
    /// Units whose hold ever began, and how it ended: settled, released, displaced.
    began: i128,
    ended: [i128; 3],
}

fn sum(picks: &[Pick]) -> i128 {
    picks.iter().map(|pick| i128::from(pick.quantity)).sum()
}

impl Recount {
    /// What must hold before an event: nobody overtakes, nobody gets more than his limit or more than there is.
    pub(super) fn check_turn(&self, event: &StockEvent, now: Timestamp) {
        let queue = self.queue();
        match event {
            StockEvent::Held { picks, backordered, buyer, .. } => {
                assert!(queue.is_empty() || picks.is_empty(), "a newcomer overtook those who wait");
                if let (Some(limit), Some(buyer)) = (self.limit, buyer) {
                    let wanted = sum(picks) + i128::from(*backordered);
                    let taken = self.taken.get(buyer).copied().unwrap_or(0);
                    assert!(taken + wanted <= i128::from(limit), "{buyer} got more than the limit");
                }
                let waits: i128 = queue.iter().map(|(_, demand)| demand.waiting).sum();
                if self.preorder && !self.lets_wait() && *backordered > 0 {
                    assert!(waits + i128::from(*backordered) <= self.incoming, "more was sold than is coming");
                }
                self.check_pickable(picks, now);
            }
            StockEvent::HeldMore { order, picks } => {
                assert!(queue.is_empty(), "an order that wants more overtook those who wait");
                let buyer = self.orders[order].buyer.as_ref();
                if let (Some(limit), Some(buyer)) = (self.limit, buyer) {
                    let taken = self.taken.get(buyer).copied().unwrap_or(0);
                    assert!(taken + sum(picks) <= i128::from(limit), "{buyer} got more than the limit");
                }
                self.check_pickable(picks, now);
            }
            StockEvent::BackorderFilled { order, picks } => {
                if self.admission != Some(Admission::ProRata) {
                    assert_eq!(queue.first().map(|(first, _)| *first), Some(order), "first come, first served");
                }
                assert!(self.undrawn().is_none(), "nobody is let in before the draw");
                let demand = &self.orders[order];
                assert!(!demand.entry || demand.waiting == sum(picks), "who waits for all is not let in with a part");
                self.check_pickable(picks, now);
            }
            _ => {}
        }
    }

    /// No location gives its safety level away, no lot past its date is sold.
    fn check_pickable(&self, picks: &[Pick], now: Timestamp) {
        assert!(sum(picks) <= i128::from(self.available(now)), "more than was available was sold");
        for pick in picks {
            let date = self.places[pick.bin as usize].date;
            assert!(date.is_none_or(|date| date > now), "a lot past its date was sold");
        }
    }

    /// What is free beyond the safety level of each location.
    pub(super) fn available(&self, now: Timestamp) -> Quantity {
        let mut free: BTreeMap<&Location, i128> = BTreeMap::new();
        for place in self.places.iter().filter(|place| place.date.is_none_or(|date| date > now)) {
            *free.entry(place.location.as_ref().unwrap()).or_default() += place.there[FREE];
        }
        let beyond = |units: i128| u64::try_from(units - i128::from(self.safety_level)).unwrap_or(0);
        free.into_values().map(beyond).sum()
    }

    /// A backorder exists only while nothing could fill it: at the head of the line a part is enough, unless its order
    /// is let in whole.
    pub(super) fn check_nobody_waits_in_vain(&self, now: Timestamp) {
        let queue = self.queue();
        let Some((_, head)) = queue.first().filter(|_| self.undrawn().is_none()) else { return };
        let wanted = if head.entry { head.waiting } else { 1 };
        let available = i128::from(self.available(now));
        assert!(available < wanted, "somebody waits for {wanted} though {available} are available");
    }

    /// What there is to warn of: low stock, with the units that are there, and customers who wait for what is not coming.
    pub(super) fn warnings(&self) -> (Option<Quantity>, Option<(i128, i128)>) {
        let there = self.available(Timestamp(i64::MIN));
        let low = self.low_stock_level.is_some_and(|level| there <= level).then_some(there);
        let waiting = self.queue().iter().map(|(_, demand)| demand.waiting).sum::<i128>();
        let risk = waiting > self.incoming && !self.lets_wait();
        (low, risk.then_some((waiting, self.incoming)))
    }

    /// Who waits, in turn.
    fn queue(&self) -> Vec<(&OrderId, &Demand)> {
        let mut queue: Vec<_> = self.orders.iter().filter(|(_, demand)| demand.waiting > 0).collect();
        queue.sort_by_key(|(_, demand)| demand.ordinal);
        queue
    }

    fn lets_wait(&self) -> bool {
        matches!(self.admission, Some(Admission::WaitingList { .. } | Admission::Lottery(_)))
    }

    fn undrawn(&self) -> Option<&Lottery> {
        match &self.admission {
            Some(Admission::Lottery(lottery)) if self.drawn != Some(lottery.seed_commitment) => Some(lottery),
            _ => None,
        }
    }

    /// What is promised to whom, in turn: the units of the line that lie below the incoming ones.
    pub(super) fn promises(&self) -> Vec<(OrderId, i128)> {
        if self.admission == Some(Admission::ProRata) {
            return Vec::new();
        }
        let mut end = 0;
        let promise = |(order, demand): (&OrderId, &Demand)| {
            let begin = end;
            end += demand.waiting;
            (*order, end.min(self.incoming) - begin.min(self.incoming))
        };
        self.queue().into_iter().map(promise).filter(|(_, units)| *units > 0).collect()
    }

    fn draw(&mut self, seed: &[u8; 32]) {
        let lottery = self.undrawn().expect("only what is not drawn yet is drawn");
        let mut hasher = blake3::Hasher::new();
        hasher.update(seed);
        assert_eq!(*hasher.finalize().as_bytes(), lottery.seed_commitment, "the seed is the one that was committed to");
        self.drawn = Some(lottery.seed_commitment);
        let ticket = |order: &OrderId| blake3::Hasher::new_keyed(seed).update(&order.to_bytes()).finalize().to_hex();
        let entries: Vec<_> = self.orders.iter().filter(|(_, demand)| demand.entry && demand.waiting > 0).collect();
        let mut places: Vec<u64> = entries.iter().map(|(_, demand)| demand.ordinal).collect();
        let mut drawn: Vec<_> = entries.iter().map(|(order, _)| (ticket(order), **order)).collect();
        places.sort_unstable();
        drawn.sort();
        for (place, (_, order)) in places.into_iter().zip(drawn) {
            self.orders.get_mut(&order).unwrap().ordinal = place;
        }
    }

    fn place(&mut self, location: &Location, lot: Option<&Lot>, date: Option<Timestamp>) -> &mut Place {
        let found = self.places.iter().position(|place| {
            place.location.as_ref() == Some(location)
                && place.lot.as_ref() == lot
                && (lot.is_some() || place.date == date)
        });
        let at = found.unwrap_or(self.places.len());
        if found.is_none() {
            let (location, lot) = (Some(location.clone()), lot.cloned());
            self.places.push(Place { location, lot, date, ..Place::default() });
        }
        let place = &mut self.places[at];
        place.date = place.date.or(date);
        place
    }

    fn come(&mut self, (location, lot, date): (&Location, Option<&Lot>, Option<Timestamp>), state: usize, units: u64) {
        let place = self.place(location, lot, date);
        place.there[state] += i128::from(units);
        place.came += i128::from(units);
    }

    fn go(&mut self, pick: &Pick, state: usize) {
        let place = &mut self.places[pick.bin as usize];
        place.there[state] -= i128::from(pick.quantity);
        place.went += i128::from(pick.quantity);
    }

    fn shift(&mut self, bin: u16, units: i128, from: usize, to: usize) {
        let place = &mut self.places[bin as usize];
        place.there[from] -= units;
        place.there[to] += units;
    }

    /// Takes units into or out of what an order has, and moves them between the bin's states.
    fn commit(&mut self, order: OrderId, picks: &[Pick], from: usize, to: usize) {
        for pick in picks {
            let units = i128::from(pick.quantity);
            self.shift(pick.bin, units, from, to);
            let demand = self.orders.entry(order).or_default();
            for (state, sign) in [(from, -1), (to, 1)] {
                match state {
                    HELD => *demand.held.entry(pick.bin).or_default() += sign * units,
                    ALLOCATED => *demand.allocated.entry(pick.bin).or_default() += sign * units,
                    _ => {}
                }
            }
        }
    }

    fn give_back_limit(&mut self, buyer: Option<CustomerId>, units: i128) {
        if let Some(taken) = buyer.and_then(|buyer| self.taken.get_mut(&buyer)) {
            *taken = (*taken - units).max(0);
        }
    }

    /// Takes an event into the count.
    pub(super) fn take(&mut self, event: &StockEvent) {
        use StockEvent as E;
        match event {
            E::Defined(definition) => {
                self.safety_level = definition.safety_level;
                self.low_stock_level = definition.low_stock_level;
                self.limit = definition.limit_per_customer;
                self.preorder = definition.preorder;
                self.admission = definition.admission.as_deref().cloned();
            }
            E::Announced { quantity, .. } => self.incoming += i128::from(*quantity),
            E::AnnouncementWithdrawn { quantity, .. } => self.incoming -= i128::from(*quantity),
            E::Drawn { seed } => self.draw(seed),
            E::Received { location, lot, expires_at, quantity, announced, .. } => {
                self.incoming -= i128::from(*announced);
                self.come((location, lot.as_ref(), *expires_at), FREE, *quantity);
            }
            E::AdjustedUp { location, lot, quantity, .. } => self.come((location, lot.as_ref(), None), FREE, *quantity),
            E::AdjustedDown { picks, .. } => picks.iter().for_each(|pick| self.go(pick, FREE)),
            E::Reclassified { pick, from, to } => {
                self.shift(pick.bin, i128::from(pick.quantity), index(*from), index(*to));
            }
            E::LotExpired { pick } => self.shift(pick.bin, i128::from(pick.quantity), FREE, 5),
            E::WrittenOff { pick, from, .. } => self.go(pick, index(*from)),
            E::TransferredOut { pick, .. } => {
                self.go(pick, FREE);
                self.in_transit += i128::from(pick.quantity);
            }
            E::TransferredIn { location, lot, expires_at, quantity } => {
                self.in_transit -= i128::from(*quantity);
                self.come((location, lot.as_ref(), *expires_at), FREE, *quantity);
            }
            E::TransferLost { quantity } => {
                self.in_transit -= i128::from(*quantity);
                self.lost += i128::from(*quantity);
            }
            E::Returned { location, lot, quantity, disposition, buyer, .. } => {
                let state = if *disposition == Disposition::QualityControl { 4 } else { FREE };
                self.come((location, lot.as_ref(), None), state, *quantity);
                if *disposition == Disposition::WriteOff {
                    let place = self.place(location, lot.as_ref(), None);
                    place.there[FREE] -= i128::from(*quantity);
                    place.went += i128::from(*quantity);
                }
                self.give_back_limit(buyer.clone(), i128::from(*quantity));
            }
            E::Confirmed { .. } | E::Handled { .. } | E::Untold { .. } | E::Heard { .. } => {}
            E::Unpromised { .. } | E::ShippedShort { .. } => {}
            _ => self.take_of_order(event),
        }
        self.orders.retain(|_, demand| !demand.is_over());
    }

    fn take_of_order(&mut self, event: &StockEvent) {
        use StockEvent as E;
        match event {
            E::Held { order, picks, backordered, settled, buyer, .. } => {
                let entry = picks.is_empty() && self.lets_wait();
                self.commit(*order, picks, FREE, if *settled { ALLOCATED } else { HELD });
                self.began += if *settled { 0 } else { sum(picks) };
                let demand = self.orders.entry(*order).or_default();
                (demand.ordinal, demand.buyer) = (self.demands, buyer.clone());
                demand.waiting += i128::from(*backordered);
                demand.entry = entry;
                self.demands += 1;
                if let Some(buyer) = buyer {
                    *self.taken.entry(buyer.clone()).or_default() += sum(picks) + i128::from(*backordered);
                }
            }
            E::HeldMore { order, picks } => {
                self.commit(*order, picks, FREE, HELD);
                self.began += sum(picks);
                if let Some(buyer) = self.orders[order].buyer.clone() {
                    *self.taken.entry(buyer).or_default() += sum(picks);
                }
            }
            E::BackorderFilled { order, picks } => {
                self.commit(*order, picks, FREE, HELD);
                self.began += sum(picks);
                let demand = self.orders.get_mut(order).unwrap();
                demand.waiting -= sum(picks);
                demand.entry &= demand.waiting > 0;
            }
            E::BackorderCancelled { order, quantity } | E::NotDrawn { order, quantity } => {
                let demand = self.orders.get_mut(order).unwrap();
                demand.waiting -= i128::from(*quantity);
                let buyer = demand.buyer.clone();
                self.give_back_limit(buyer, i128::from(*quantity));
            }
            E::Settled { order } => {
                let held: Vec<_> = self.orders[order].held.iter().map(|(bin, units)| (*bin, *units)).collect();
                for (bin, units) in held {
                    let pick = Pick { bin, quantity: u64::try_from(units).unwrap() };
                    self.commit(*order, &[pick], HELD, ALLOCATED);
                    self.ended[0] += units;
                }
            }
            E::Released { order, held, allocated, .. } => {
                self.commit(*order, held, HELD, FREE);
                self.commit(*order, allocated, ALLOCATED, FREE);
                self.ended[1] += sum(held);
                let buyer = self.orders[order].buyer.clone();
                self.give_back_limit(buyer, sum(held) + sum(allocated));
            }
            E::Displaced { order, held, allocated } => {
                self.commit(*order, held, HELD, FREE);
                self.commit(*order, allocated, ALLOCATED, FREE);
                self.ended[2] += sum(held);
                self.orders.get_mut(order).unwrap().waiting += sum(held) + sum(allocated);
            }
            E::Shipped { order, picks } => {
                for pick in picks {
                    self.go(pick, ALLOCATED);
                    let demand = self.orders.get_mut(order).unwrap();
                    *demand.allocated.get_mut(&pick.bin).unwrap() -= i128::from(pick.quantity);
                }
            }
            _ => unreachable!("{} is no order's movement", event.name()),
        }
    }

    /// Both identities, nothing negative, each hold ended once, and the state says the same.
    pub(super) fn compare(&self, stock: &Stock) {
        assert_eq!(self.places.len(), stock.bins.len());
        for (place, bin) in self.places.iter().zip(&stock.bins) {
            let counters = &bin.counters;
            assert!(place.there.iter().all(|units| *units >= 0), "nothing is negative: {place:?}");
            assert_eq!(
                place.there.iter().sum::<i128>(),
                place.came - place.went,
                "what is there is what came less what went"
            );
            let same = [
                counters.free,
                counters.held,
                counters.allocated,
                counters.damaged,
                counters.quality_control,
                counters.expired,
            ];
            assert_eq!(place.there, same.map(i128::from), "{bin:?}");
            assert_eq!(
                (place.location.as_ref(), &place.lot, place.date),
                (Some(&bin.location), &bin.lot, bin.expires_at)
            );
        }
        let flows = [stock.incoming, stock.in_transit, stock.lost].map(i128::from);
        assert_eq!([self.incoming, self.in_transit, self.lost], flows);
        self.compare_orders(stock);
    }

    fn compare_orders(&self, stock: &Stock) {
        let mut held_now = 0;
        let mut queue = Vec::new();
        for (order, demand) in &self.orders {
            let held: i128 = demand.held.values().sum();
            held_now += held;
            let all = demand.held.values().chain(demand.allocated.values());
            assert!(demand.waiting >= 0 && all.clone().all(|units| *units >= 0), "{demand:?}");
            let commitment = &stock.commitments[order];
            let allocated: i128 = demand.allocated.values().sum();
            let units = commitment.units();
            assert_eq!((held, allocated), (i128::from(units.0), i128::from(units.1)), "{order}");
            assert_eq!((demand.ordinal, &demand.buyer), (commitment.ordinal, &commitment.buyer));
            if demand.waiting > 0 {
                queue.push((demand.ordinal, *order, demand.waiting));
            }
        }
        queue.sort_unstable();
        let waiting: Vec<_> = stock.backorders.iter().map(|b| (b.ordinal, b.order, i128::from(b.quantity))).collect();
        assert_eq!(queue, waiting, "who waits, in turn");
        assert_eq!(self.orders.len(), stock.commitments.len(), "a commitment that is over is forgotten");
        assert_eq!(self.began, self.ended.iter().sum::<i128>() + held_now, "each hold ends exactly once");
        let taken: BTreeMap<_, _> = self.taken.iter().filter(|(_, units)| **units > 0).collect();
        let same = stock.taken.iter().filter(|(_, units)| **units > 0).count();
        assert_eq!(taken.len(), same);
        for (buyer, units) in taken {
            assert_eq!(*units, i128::from(stock.taken[buyer]), "{buyer}'s limit");
        }
    }
}
