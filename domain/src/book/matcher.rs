//! The fast book behind the common interface.

use super::command::{BookCommand, Place};
use super::config::Context;
use super::entry::NONE;
use super::event::{BookEvent, FillId};
use super::refusal::BookRefusal;
use super::state::Book;
use super::take::HouseLeft;
use super::view::{FillView, LevelDepth, OrderView, PreviewFill};
use super::{Key, Matcher, Side};
use crate::Timestamp;

impl<K: Key> Book<K> {
    /// Open orders of a side that not everybody may meet: their minimum is not met yet, or they name a seller.
    pub const fn particular(&self, side: Side) -> u32 {
        self.particular[side as usize]
    }
}

impl<K: Key> Matcher<K> for Book<K> {
    #[inline]
    fn execute(
        &mut self,
        command: &BookCommand<K>,
        context: &Context,
        events: &mut Vec<BookEvent<K>>,
    ) -> Result<(), BookRefusal> {
        let before = events.len();
        let outcome = match *command {
            BookCommand::Place(ref place) => self.place(place, context, events),
            BookCommand::Cancel { id } => {
                let outcome = self.cancel(id, events);
                if outcome.is_ok() {
                    self.uncross(&mut HouseLeft::new(context, self.config.lot), events);
                }
                outcome
            }
            _ => self.execute_rare(command, context, events),
        };
        self.sequence += (events.len() - before) as u64;
        outcome
    }

    fn apply(&mut self, event: &BookEvent<K>) {
        self.apply_event(event);
    }

    fn preview(&self, place: &Place<K>, context: &Context) -> Result<Vec<PreviewFill<K>>, BookRefusal> {
        self.preview_place(place, context)
    }

    fn check(&self) {
        self.check_all();
    }

    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn best(&self, side: Side) -> Option<LevelDepth> {
        let ladder = &self.ladders[side as usize];
        (ladder.best() != NONE).then(|| self.depth_of(side, ladder.best()))
    }

    fn depth(&self, side: Side, levels: usize) -> Vec<LevelDepth> {
        self.ladders[side as usize].iter().take(levels).map(|level| self.depth_of(side, level)).collect()
    }

    fn orders(&self, side: Side) -> Vec<OrderView<K>> {
        let ladder = &self.ladders[side as usize];
        let mut orders = Vec::new();
        for level in ladder.iter() {
            let mut slot = ladder.level(level).head;
            while slot != NONE {
                orders.push(self.order_of(slot));
                slot = self.entry(slot).next;
            }
        }
        orders
    }

    fn order(&self, id: K) -> Option<OrderView<K>> {
        self.find(id).map(|slot| self.order_of(slot))
    }

    fn fill(&self, fill: FillId) -> Option<FillView<K>> {
        let hold = self.holds.get(&fill.0)?;
        Some(FillView { id: fill, supply: hold.supply, demand: hold.demand, price: hold.price, held: hold.held })
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.due_first()
    }
}

impl<K: Key> Book<K> {
    /// Everything but new orders and cancels.
    #[inline(never)]
    fn execute_rare(
        &mut self,
        command: &BookCommand<K>,
        context: &Context,
        events: &mut Vec<BookEvent<K>>,
    ) -> Result<(), BookRefusal> {
        let mut house = HouseLeft::new(context, self.config.lot);
        match *command {
            BookCommand::Place(ref place) => return self.place(place, context, events),
            BookCommand::Cancel { id } => self.cancel(id, events)?,
            BookCommand::Reduce { id, by } => self.reduce_by(id, by, events)?,
            BookCommand::Amend { id, price, quantity } => {
                self.amend_to((id, price, quantity), &mut house, events)?;
            }
            BookCommand::CancelAll { owner, side } => self.cancel_all(owner, side, events),
            BookCommand::Expire => self.expire(context, events),
            BookCommand::Settle { fill, quantity } => self.settle(fill, quantity, events)?,
            BookCommand::Release { fill, quantity, returns } => {
                self.release((fill, quantity, returns), &mut house, events)?;
            }
            BookCommand::HouseChanged => {}
            BookCommand::SetBand { band } => {
                self.config.band = band;
                events.push(BookEvent::BandSet { band });
            }
            BookCommand::OpenAuction => {
                if self.auction {
                    return Err(BookRefusal::AuctionOpen);
                }
                self.auction = true;
                events.push(BookEvent::AuctionOpened);
            }
            BookCommand::Uncross { reference } => {
                if !self.auction {
                    return Err(BookRefusal::NoAuction);
                }
                self.clear_auction(reference, &mut house, events);
            }
        }
        self.uncross(&mut house, events);
        Ok(())
    }

    fn depth_of(&self, side: Side, level: u32) -> LevelDepth {
        let ladder = &self.ladders[side as usize];
        let found = ladder.level(level);
        LevelDepth { price: ladder.price(level), quantity: found.quantity, orders: found.orders }
    }

    pub(super) fn order_of(&self, slot: u32) -> OrderView<K> {
        let entry = self.entry(slot);
        OrderView {
            id: entry.id,
            owner: entry.owner,
            side: entry.side,
            price: entry.price,
            ordinal: entry.ordinal,
            open: entry.open,
            reserve: self.reserve(slot),
            held: self.account(slot).held,
        }
    }
}
