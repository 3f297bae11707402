//! What a walk over the makers would do, nothing of it done.

use super::command::SelfTrade;
use super::config::{Allocation, UnfillableHead};
use super::entry::NONE;
use super::event::Maker;
use super::pro_rata::{Sharing, share};
use super::state::Book;
use super::take::{HouseLeft, Taker, Walk};
use super::view::PreviewFill;
use super::{Key, Side};
use crate::Quantity;

/// The outcome of a walk that was not taken.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Probe {
    /// Units it would trade.
    pub traded: Quantity,
    /// It would do something: trade, or end an order of its own owner.
    pub acts: bool,
}

/// A walk in thought: what is left of the taker, and what happened so far.
struct Thought<'a, K> {
    taker: &'a Taker<K>,
    remaining: Quantity,
    seen: Probe,
    tell: &'a mut dyn FnMut(PreviewFill<K>),
}

impl<K> Thought<'_, K> {
    fn trade(&mut self, fill: PreviewFill<K>) {
        self.remaining -= fill.quantity;
        self.seen.traded += fill.quantity;
        self.seen.acts = true;
        (self.tell)(fill);
    }
}

impl<K: Key> Book<K> {
    /// What the taker would get if it took now; its own minimum does not count.
    pub(super) fn probe(&self, taker: &Taker<K>, house: &HouseLeft) -> Probe {
        self.probe_telling(taker, house, &mut |_| {})
    }

    /// The same, and each fill is told.
    pub(super) fn probe_telling(
        &self,
        taker: &Taker<K>,
        house: &HouseLeft,
        tell: &mut dyn FnMut(PreviewFill<K>),
    ) -> Probe {
        let ladder = &self.ladders[taker.side.opposite() as usize];
        let mut house = *house;
        let mut thought = Thought { taker, remaining: taker.remaining, seen: Probe::default(), tell };
        let mut below = i64::MAX;
        while thought.remaining > 0 {
            let level = ladder.next_worse(below);
            let level_rank = level.map_or(i64::MIN, |level| ladder.level(level).rank);
            let house_rank = house.rank_for(taker);
            if house_rank != i64::MIN && house_rank >= level_rank {
                let quantity = thought.remaining.min(house.left);
                house.left -= quantity;
                thought.trade(PreviewFill { maker: Maker::House, price: house.price, quantity });
                continue;
            }
            let Some(level) = level.filter(|_| level_rank >= taker.limit) else { break };
            let walk = match self.config.allocation {
                Allocation::PriceTime => self.think_level(&mut thought, level),
                Allocation::ProRata => self.think_sharing(&mut thought, level),
            };
            if walk == Walk::Stop {
                break;
            }
            below = level_rank;
        }
        thought.seen
    }

    /// One level, oldest first; icebergs come again behind the others.
    fn think_level(&self, thought: &mut Thought<'_, K>, level: u32) -> Walk {
        let side = thought.taker.side.opposite() as usize;
        let mut hidden = std::collections::VecDeque::new();
        let mut slot = self.ladders[side].level(level).head;
        while slot != NONE && thought.remaining > 0 {
            let next = self.entry(slot).next;
            if self.compatible(thought.taker, slot) {
                if self.minimum(slot) > thought.remaining {
                    if self.config.unfillable_head == UnfillableHead::Block {
                        return Walk::Stop;
                    }
                } else if self.is_own(thought.taker, slot) {
                    if self.think_avoiding(thought, slot) == Walk::Stop {
                        return Walk::Stop;
                    }
                } else {
                    self.think_trade(thought, slot, self.entry(slot).open);
                    if self.reserve(slot) > 0 {
                        hidden.push_back((slot, self.reserve(slot)));
                    }
                }
            }
            slot = next;
        }
        while thought.remaining > 0
            && let Some((slot, reserve)) = hidden.pop_front()
        {
            let slice = self.terms(slot).displayed.unwrap_or(reserve).min(reserve);
            self.think_trade(thought, slot, slice);
            if reserve > slice {
                hidden.push_back((slot, reserve - slice));
            }
        }
        Walk::On
    }

    fn think_trade(&self, thought: &mut Thought<'_, K>, slot: u32, open: Quantity) {
        let entry = self.entry(slot);
        let quantity = open.min(thought.remaining);
        if quantity > 0 {
            thought.trade(PreviewFill { maker: Maker::Order(entry.id), price: entry.price, quantity });
        }
    }

    fn think_avoiding(&self, thought: &mut Thought<'_, K>, slot: u32) -> Walk {
        thought.seen.acts = true;
        match thought.taker.self_trade {
            SelfTrade::CancelOldest | SelfTrade::Allow => Walk::On,
            SelfTrade::CancelNewest | SelfTrade::CancelBoth => Walk::Stop,
            SelfTrade::Decrement => {
                thought.remaining -= self.total(slot).min(thought.remaining);
                if thought.remaining == 0 { Walk::Stop } else { Walk::On }
            }
        }
    }

    /// One level, shared in proportion, as often as icebergs show a new slice.
    fn think_sharing(&self, thought: &mut Thought<'_, K>, level: u32) -> Walk {
        let side = thought.taker.side.opposite() as usize;
        let (mut line, mut ends_taker) = (Vec::new(), false);
        let mut slot = self.ladders[side].level(level).head;
        while slot != NONE {
            if self.compatible(thought.taker, slot) {
                if !self.is_own(thought.taker, slot) {
                    line.push((slot, self.entry(slot).open, self.reserve(slot)));
                } else if self.think_avoiding(thought, slot) == Walk::Stop {
                    if thought.taker.self_trade == SelfTrade::Decrement {
                        return Walk::Stop;
                    }
                    ends_taker = true;
                }
            }
            slot = self.entry(slot).next;
        }
        let mut sharing = Sharing::default();
        while thought.remaining > 0 && !line.is_empty() {
            let opens: Vec<_> = line.iter().map(|&(slot, open, _)| (slot, open)).collect();
            share(thought.remaining, self.config.lot, &opens, &mut sharing);
            let mut behind = Vec::new();
            for (maker, &quantity) in line.iter_mut().zip(&sharing.shares) {
                self.think_trade(thought, maker.0, quantity);
                maker.1 -= quantity;
                if maker.1 == 0 && maker.2 > 0 {
                    let slice = self.terms(maker.0).displayed.unwrap_or(maker.2).min(maker.2);
                    behind.push((maker.0, slice, maker.2 - slice));
                }
            }
            line.retain(|maker| maker.1 > 0);
            line.append(&mut behind);
        }
        if ends_taker { Walk::Stop } else { Walk::On }
    }

    /// True if the taker stands behind an order of its own side that waits for units which are there, but too few.
    #[inline]
    pub(super) fn is_behind_blocked(&self, side: Side, own_rank: i64, own: u32, house: &HouseLeft) -> bool {
        self.config.unfillable_head == UnfillableHead::Block
            && self.particular[side as usize] > 0
            && self.find_blocked(side, own_rank, own, house)
    }

    #[cold]
    fn find_blocked(&self, side: Side, own_rank: i64, own: u32, house: &HouseLeft) -> bool {
        let ladder = &self.ladders[side as usize];
        for level in ladder.iter().take_while(|&level| ladder.level(level).rank >= own_rank) {
            let mut slot = ladder.level(level).head;
            while slot != NONE {
                if slot != own && self.minimum(slot) > 0 && self.probe(&self.taker_of(slot), house).traded > 0 {
                    return true;
                }
                slot = self.entry(slot).next;
            }
        }
        false
    }
}
