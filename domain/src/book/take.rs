//! A taker walks over the makers of the other side.

use super::command::{Owner, SelfTrade, Source};
use super::config::{Allocation, Context, UnfillableHead};
use super::entry::{ICEBERG, NONE};
use super::event::{BookEvent, EndReason, FillId, Maker};
use super::ladder::rank;
use super::state::{Book, Hold};
use super::{Key, Price, Side};
use crate::Quantity;

/// Who takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taker<K> {
    pub id: K,
    pub owner: Owner,
    pub side: Side,
    /// Makers of a lower rank are out of its limit.
    pub limit: i64,
    pub remaining: Quantity,
    pub source: Source,
    pub self_trade: SelfTrade,
    /// Its entry, or `NONE` if it is immediate.
    pub slot: u32,
    /// It ended because it met its owner.
    pub ended: bool,
}

/// What of the house is left during a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct HouseLeft {
    pub price: Price,
    /// Its rank, or `i64::MIN` if it does not sell.
    pub rank: i64,
    pub left: Quantity,
}

impl HouseLeft {
    pub fn new(context: &Context, lot: Quantity) -> Self {
        match context.house {
            Some(house) => {
                let left = house.available - house.available % lot;
                Self { price: house.price, rank: rank(Side::Supply, house.price), left }
            }
            None => Self { price: 0, rank: i64::MIN, left: 0 },
        }
    }

    /// Units given back to a house that sells.
    pub fn regain(&mut self, quantity: Quantity) {
        if self.rank != i64::MIN {
            self.left = self.left.saturating_add(quantity);
        }
    }

    /// Its rank for this taker; `i64::MIN` if it gives nothing.
    #[inline]
    pub fn rank_for<K>(&self, taker: &Taker<K>) -> i64 {
        if self.left > 0 && taker.side == Side::Demand && taker.source.allows_house() && self.rank >= taker.limit {
            self.rank
        } else {
            i64::MIN
        }
    }
}

/// Whether a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    On,
    Stop,
}

impl<K: Key> Book<K> {
    /// The taker takes what it can.
    #[inline]
    pub(super) fn take(&mut self, taker: &mut Taker<K>, house: &mut HouseLeft, events: &mut Vec<BookEvent<K>>) {
        let plain = self.particular[taker.side.opposite() as usize] == 0
            && taker.source == Source::Anyone
            && self.config.allocation == Allocation::PriceTime;
        if plain { self.take_in_turn(taker, house, events) } else { self.take_walking(taker, house, events) }
    }

    /// Every maker trades with everybody: the head of the best level, again and again.
    #[inline]
    fn take_in_turn(&mut self, taker: &mut Taker<K>, house: &mut HouseLeft, events: &mut Vec<BookEvent<K>>) {
        let side = taker.side.opposite() as usize;
        let owner = if taker.self_trade == SelfTrade::Allow { Owner::NOBODY } else { taker.owner };
        while taker.remaining > 0 {
            let best = self.ladders[side].best_rank();
            let house_rank = house.rank_for(taker);
            if house_rank != i64::MIN && house_rank >= best {
                self.fill_house(house.price, taker, house, events);
                continue;
            }
            if best == i64::MIN || best < taker.limit {
                return;
            }
            let slot = self.ladders[side].level(self.ladders[side].best()).head;
            if owner.same(self.entry(slot).owner) {
                if self.avoid(taker, slot, events) == Walk::Stop {
                    return;
                }
                continue;
            }
            let quantity = taker.remaining.min(self.entry(slot).open);
            self.fill(taker, slot, quantity, events);
        }
    }

    /// Some makers are passed over, or all at a price share: level by level.
    fn take_walking(&mut self, taker: &mut Taker<K>, house: &mut HouseLeft, events: &mut Vec<BookEvent<K>>) {
        let side = taker.side.opposite() as usize;
        let mut below = i64::MAX;
        while taker.remaining > 0 {
            let level = self.ladders[side].next_worse(below);
            let level_rank = level.map_or(i64::MIN, |level| self.ladders[side].level(level).rank);
            let house_rank = house.rank_for(taker);
            if house_rank != i64::MIN && house_rank >= level_rank {
                self.fill_house(house.price, taker, house, events);
                continue;
            }
            let Some(level) = level.filter(|_| level_rank >= taker.limit) else { return };
            let walk = match self.config.allocation {
                Allocation::PriceTime => self.take_level(taker, level, events),
                Allocation::ProRata => self.share_level(taker, level, events),
            };
            if walk == Walk::Stop {
                return;
            }
            below = level_rank;
        }
    }

    /// One level, oldest first.
    fn take_level(&mut self, taker: &mut Taker<K>, level: u32, events: &mut Vec<BookEvent<K>>) -> Walk {
        let side = taker.side.opposite() as usize;
        let mut slot = self.ladders[side].level(level).head;
        while slot != NONE && taker.remaining > 0 {
            let next = self.entry(slot).next;
            let ordinal = self.ordinal_last;
            if self.compatible(taker, slot) {
                if self.minimum(slot) > taker.remaining {
                    if self.config.unfillable_head == UnfillableHead::Block {
                        return Walk::Stop;
                    }
                } else if self.is_own(taker, slot) {
                    if self.avoid(taker, slot, events) == Walk::Stop {
                        return Walk::Stop;
                    }
                } else {
                    let quantity = taker.remaining.min(self.entry(slot).open);
                    self.fill(taker, slot, quantity, events);
                }
            }
            // An iceberg that showed its next slice stands at the end of the line now.
            slot = if next == NONE && self.ordinal_last != ordinal { slot } else { next };
        }
        Walk::On
    }

    /// True if the source of the demand allows the supply.
    #[inline]
    pub(super) fn compatible(&self, taker: &Taker<K>, slot: u32) -> bool {
        match taker.side {
            Side::Demand => taker.source.allows(self.entry(slot).owner),
            Side::Supply => self.terms(slot).source.allows(taker.owner),
        }
    }

    /// True if the two must not trade because they belong to one owner.
    #[inline]
    pub(super) fn is_own(&self, taker: &Taker<K>, slot: u32) -> bool {
        taker.self_trade != SelfTrade::Allow && taker.owner.same(self.entry(slot).owner)
    }

    /// Taker and maker belong to one owner: whatever its rule says instead of a trade.
    #[cold]
    pub(super) fn avoid(&mut self, taker: &mut Taker<K>, slot: u32, events: &mut Vec<BookEvent<K>>) -> Walk {
        let reason = EndReason::SelfTrade;
        match taker.self_trade {
            SelfTrade::Allow | SelfTrade::CancelNewest => {}
            SelfTrade::CancelOldest | SelfTrade::CancelBoth => self.end_telling(slot, reason, events),
            SelfTrade::Decrement => {
                let total = self.total(slot);
                let both = total.min(taker.remaining);
                if both == total {
                    self.end_telling(slot, reason, events);
                } else {
                    events.push(BookEvent::Reduced { id: self.entry(slot).id, quantity: both, reason });
                    self.reduce(slot, both);
                }
                if both < taker.remaining {
                    taker.remaining -= both;
                    events.push(BookEvent::Reduced { id: taker.id, quantity: both, reason });
                    if taker.slot != NONE {
                        self.reduce(taker.slot, both);
                    }
                    return Walk::On;
                }
            }
        }
        if taker.self_trade == SelfTrade::CancelOldest {
            return Walk::On;
        }
        self.end_taker(taker, events);
        Walk::Stop
    }

    /// What is left of the taker ends because it met its owner.
    pub(super) fn end_taker(&mut self, taker: &mut Taker<K>, events: &mut Vec<BookEvent<K>>) {
        let (id, quantity) = (taker.id, taker.remaining);
        events.push(BookEvent::Ended { id, quantity, reason: EndReason::SelfTrade });
        (taker.remaining, taker.ended) = (0, true);
        if taker.slot != NONE {
            self.end(taker.slot);
        }
    }

    pub(super) fn end_telling(&mut self, slot: u32, reason: EndReason, events: &mut Vec<BookEvent<K>>) {
        events.push(BookEvent::Ended { id: self.entry(slot).id, quantity: self.total(slot), reason });
        self.end(slot);
    }

    fn next_fill(&mut self) -> FillId {
        self.fill_last += 1;
        FillId(self.fill_last)
    }

    /// The taker and a maker trade.
    #[inline]
    pub(super) fn fill(&mut self, taker: &mut Taker<K>, slot: u32, quantity: Quantity, events: &mut Vec<BookEvent<K>>) {
        self.fill_at(self.entry(slot).price, taker, slot, quantity, events);
    }

    /// The same, at a price that is not the maker's: an auction's.
    #[inline]
    pub(super) fn fill_at(
        &mut self,
        price: Price,
        taker: &mut Taker<K>,
        slot: u32,
        quantity: Quantity,
        events: &mut Vec<BookEvent<K>>,
    ) {
        let fill = self.next_fill();
        let maker = self.entry(slot).id;
        let event =
            BookEvent::Filled { fill, maker: Maker::Order(maker), taker: taker.id, side: taker.side, price, quantity };
        events.push(event);
        let used_up = quantity >= self.entry(slot).open;
        self.fill_maker(slot, quantity);
        self.taken(taker, quantity);
        if self.holds_fills() {
            self.hold(fill, slot, (taker.id, taker.side, taker.slot), price, quantity);
        }
        if !used_up {
            return;
        }
        if self.entry(slot).flags & ICEBERG != 0 && self.entry(slot).open > 0 {
            return self.refresh_telling(slot, events);
        }
        self.tidy(slot);
    }

    /// An iceberg's slice is used up: the next one goes to the end of the line.
    #[cold]
    pub(super) fn refresh_telling(&mut self, slot: u32, events: &mut Vec<BookEvent<K>>) {
        let ordinal = self.ordinal_last + 1;
        let (id, quantity) = (self.entry(slot).id, self.entry(slot).open);
        events.push(BookEvent::Refreshed { id, quantity, ordinal });
        self.refresh(slot, ordinal);
    }

    /// Remembers who holds what from whom.
    pub(super) fn hold(&mut self, fill: FillId, maker: u32, taker: (K, Side, u32), price: Price, held: Quantity) {
        let maker_id = self.entry(maker).id;
        let (id, side, slot) = taker;
        let hold = match side {
            Side::Demand => Hold { supply: Maker::Order(maker_id), demand: id, price, held, slots: [maker, slot] },
            Side::Supply => Hold { supply: Maker::Order(id), demand: maker_id, price, held, slots: [slot, maker] },
        };
        self.remember(fill, hold);
    }

    #[inline]
    fn taken(&mut self, taker: &mut Taker<K>, quantity: Quantity) {
        taker.remaining -= quantity;
        if taker.slot != NONE {
            self.fill_taker(taker.slot, quantity);
        }
    }

    /// The taker takes from the house.
    pub(super) fn fill_house(
        &mut self,
        price: Price,
        taker: &mut Taker<K>,
        house: &mut HouseLeft,
        events: &mut Vec<BookEvent<K>>,
    ) {
        let quantity = taker.remaining.min(house.left);
        let fill = self.next_fill();
        let (taker_id, side) = (taker.id, taker.side);
        events.push(BookEvent::Filled { fill, maker: Maker::House, taker: taker_id, side, price, quantity });
        house.left -= quantity;
        self.taken(taker, quantity);
        if self.holds_fills() {
            let hold =
                Hold { supply: Maker::House, demand: taker_id, price, held: quantity, slots: [NONE, taker.slot] };
            self.remember(fill, hold);
        }
    }

    /// A resting order as a taker.
    pub(super) fn taker_of(&self, slot: u32) -> Taker<K> {
        let entry = self.entry(slot);
        let terms = self.terms(slot);
        Taker {
            id: entry.id,
            owner: entry.owner,
            side: entry.side,
            limit: rank(entry.side.opposite(), entry.price),
            remaining: self.total(slot),
            source: terms.source,
            self_trade: terms.self_trade.unwrap_or(self.config.self_trade),
            slot,
            ended: false,
        }
    }
}
