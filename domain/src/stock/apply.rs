//! How a SKU's state follows from its events. Total: every event that was decided applies; anything else is a bug
//! and panics, and the actor is rebuilt from what was recorded.

use smallvec::SmallVec;

use super::admission::Admission;
use super::command::{Disposition, Unsellable};
use super::counters::{Counters, shift};
use super::event::{Pick, Picks, StockEvent, units};
use super::market::{Market, MarketEvent, NewClaim};
use super::state::{Announcement, Backorder, Bin, Commitment, CommittedPick, Rare, Stock, bin_for};
use crate::codec::list;
use crate::{CustomerId, Location, Lot, OrderId, Quantity, Timestamp};

pub(super) type Bins = SmallVec<[Bin; 1]>;

impl Stock {
    /// Takes an event into the state.
    #[inline]
    pub fn apply(&mut self, event: &StockEvent) {
        if !self.apply_plainly(event) {
            self.take_in(event, false);
        }
    }

    /// The same for an event that the live book has already carried out.
    pub(super) fn apply_live(&mut self, event: &StockEvent) {
        self.take_in(event, true);
    }

    #[inline(never)]
    pub(super) fn take_in(&mut self, event: &StockEvent, live: bool) {
        apply_to_bins(&mut self.bins, event);
        match event {
            StockEvent::Defined(definition) => self.definition = Some(definition.clone()),
            StockEvent::Announced { quantity, available_from, reference } => {
                self.incoming += quantity;
                if available_from.is_some() || reference.is_some() {
                    self.announce(*quantity, *available_from, reference.clone());
                }
            }
            StockEvent::AnnouncementWithdrawn { quantity, reference } => {
                self.withdraw_announced(*quantity, reference.as_deref());
                shift!(self, *quantity, incoming =>);
            }
            StockEvent::Received { announced, .. } => {
                self.arrive(*announced);
                shift!(self, *announced, incoming =>);
            }
            StockEvent::Held { order, picks, backordered, settled, buyer, tentative, context } => {
                self.hold(*order, picks, *backordered, *settled, buyer.as_ref(), *tentative);
                if let (Some(context), Some(backorder)) = (context, self.backorders.back_mut()) {
                    backorder.context = Some(context.clone());
                }
            }
            StockEvent::HeldMore { order, picks } => self.hold_more(*order, picks),
            StockEvent::Confirmed { order } => {
                if let Some(commitment) = self.commitments.get_mut(order) {
                    commitment.tentative = false;
                }
            }
            StockEvent::Settled { order } => self.settle(*order),
            StockEvent::Released { order, held, allocated, .. } => {
                let buyer = self.take_from_commitment(*order, held, allocated);
                self.give_back_limit(buyer.as_ref(), units(held) + units(allocated));
                self.forget_if_empty(*order);
            }
            StockEvent::BackorderFilled { order, picks } => self.fill_backorder(*order, picks),
            StockEvent::BackorderCancelled { order, quantity } | StockEvent::NotDrawn { order, quantity } => {
                let backorder = self.reduce_backorder(*order, *quantity);
                self.give_back_limit(backorder.as_ref(), *quantity);
                self.forget_if_empty(*order);
            }
            StockEvent::Shipped { order, picks } => self.ship(*order, picks),
            StockEvent::Returned { buyer, quantity, .. } => self.give_back_limit(buyer.as_ref(), *quantity),
            StockEvent::Displaced { order, held, allocated } => self.displace(*order, held, allocated),
            StockEvent::TransferredOut { pick, .. } => self.in_transit += pick.quantity,
            StockEvent::TransferredIn { quantity, .. } => shift!(self, *quantity, in_transit =>),
            StockEvent::TransferLost { quantity } => shift!(self, *quantity, in_transit => lost),
            StockEvent::Handled { order, step } => {
                self.handled.insert(*order, *step);
            }
            StockEvent::Untold { order } => self.rare.get_or_insert_default().untold.push(*order),
            StockEvent::Heard { order } => self.change_rare(|rare| rare.untold.retain(|untold| untold != order)),
            StockEvent::Drawn { seed } => self.draw(seed),
            StockEvent::Market(event) => self.apply_market(event, live),
            StockEvent::Unpromised { .. }
            | StockEvent::ShippedShort { .. }
            | StockEvent::LowStock { .. }
            | StockEvent::OversoldRisk { .. }
            | StockEvent::AdjustedUp { .. }
            | StockEvent::AdjustedDown { .. }
            | StockEvent::Reclassified { .. }
            | StockEvent::LotExpired { .. }
            | StockEvent::WrittenOff { .. } => {}
        }
    }

    fn apply_market(&mut self, event: &MarketEvent, live: bool) {
        let rare = self.rare.get_or_insert_default();
        if let MarketEvent::Opened(rules) = event {
            rare.market = Some(Box::new(Market::new(rules)));
        }
        let market = rare.market.as_mut().expect("a market is opened first");
        // What is claimed and what is given back counts like what is held of the house.
        let (given_back, back) = match event {
            MarketEvent::ClaimReleased { order, fills, .. } => {
                let buyer = market.claims_of(*order).and_then(|claims| claims.buyer.clone());
                (buyer, fills.iter().map(|fill| fill.quantity).sum())
            }
            MarketEvent::ClaimReturned { buyer, quantity, .. } => (buyer.clone(), *quantity),
            _ => (None, 0),
        };
        market.apply(event, live);
        if let MarketEvent::Claimed { buyer: Some(buyer), claims, .. } = event {
            let units: Quantity = claims.iter().map(NewClaim::units).sum();
            *self.taken.entry(buyer.clone()).or_default() += units;
        }
        self.give_back_limit(given_back.as_ref(), back);
    }

    fn hold(
        &mut self,
        order: OrderId,
        picks: &Picks,
        backordered: Quantity,
        settled: bool,
        buyer: Option<&CustomerId>,
        tentative: bool,
    ) {
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        let picks = list::gather(picks.iter().map(|pick| {
            let (held, allocated) = if settled { (0, pick.quantity) } else { (pick.quantity, 0) };
            CommittedPick { bin: pick.bin, held, allocated }
        }));
        let commitment = Commitment { picks, ordinal, buyer: buyer.cloned(), tentative };
        if let Some(buyer) = buyer {
            *self.taken.entry(buyer.clone()).or_default() += commitment.units().0 + commitment.units().1 + backordered;
        }
        if backordered > 0 {
            let (quantity, buyer) = (backordered, buyer.cloned());
            let admission = self.definition.as_ref().and_then(|definition| definition.admission.as_deref());
            let is_entry = commitment.picks.is_empty() && admission.is_some_and(Admission::offers);
            self.backorders.push_back(Backorder { order, quantity, ordinal, buyer, context: None, is_entry });
        }
        let before = self.commitments.insert(order, commitment);
        assert!(before.is_none(), "an order holds a SKU once");
    }

    /// An order has got units beside what it had.
    fn hold_more(&mut self, order: OrderId, picks: &Picks) {
        let commitment = self.commitments.get_mut(&order).expect("an order that gets more has something");
        commitment.add_held(picks);
        if let Some(buyer) = &commitment.buyer {
            *self.taken.entry(buyer.clone()).or_default() += units(picks);
        }
    }

    /// Where its units lie once these events have happened.
    pub(super) fn bins_after(&self, events: &[StockEvent]) -> Bins {
        let mut bins = self.bins.clone();
        for event in events {
            apply_to_bins(&mut bins, event);
            if let StockEvent::Settled { order } = event {
                let picks = self.commitments.get(order).map_or(&[][..], |commitment| &commitment.picks);
                for pick in picks {
                    shift!(bins[pick.bin as usize].counters, pick.held, held => allocated);
                }
            }
        }
        bins
    }

    /// All that an order holds is paid.
    #[inline]
    pub(super) fn settle(&mut self, order: OrderId) {
        let commitment = self.commitments.get_mut(&order).expect("a settled hold exists");
        commitment.tentative = false;
        for pick in &mut commitment.picks {
            let held = std::mem::take(&mut pick.held);
            pick.allocated += held;
            shift!(self.bins[pick.bin as usize].counters, held, held => allocated);
        }
    }

    /// Takes units off what an order has and says who counts them against the limit per customer.
    fn take_from_commitment(&mut self, order: OrderId, held: &Picks, allocated: &Picks) -> Option<CustomerId> {
        let commitment = self.commitments.get_mut(&order).expect("released units are committed");
        for (list, from_held) in [(held, true), (allocated, false)] {
            for pick in list {
                let committed = commitment.picks.iter_mut().find(|c| c.bin == pick.bin).expect("committed in this bin");
                if from_held {
                    shift!(committed, pick.quantity, held =>);
                } else {
                    shift!(committed, pick.quantity, allocated =>);
                }
            }
        }
        commitment.buyer.clone()
    }

    /// Displaced units wait again in their old place; they still count against the limit per customer.
    fn displace(&mut self, order: OrderId, held: &Picks, allocated: &Picks) {
        let buyer = self.take_from_commitment(order, held, allocated);
        let ordinal = self.commitments[&order].ordinal;
        let quantity = units(held) + units(allocated);
        match self.backorders.iter_mut().find(|backorder| backorder.order == order) {
            Some(backorder) => backorder.quantity += quantity,
            None => {
                let place = self.backorders.partition_point(|backorder| backorder.ordinal < ordinal);
                let waiting = Backorder { order, quantity, ordinal, buyer, context: None, is_entry: false };
                self.backorders.insert(place, waiting);
            }
        }
    }

    fn fill_backorder(&mut self, order: OrderId, picks: &Picks) {
        let ordinal = self.backorders.iter().find(|b| b.order == order).expect("a filled backorder waits").ordinal;
        let buyer = self.reduce_backorder(order, units(picks));
        let commitment = self.commitments.entry(order).or_insert_with(|| Commitment {
            picks: SmallVec::new(),
            ordinal,
            buyer,
            tentative: false,
        });
        commitment.add_held(picks);
    }

    /// Announcements stand in the order in which they arrive; of equal dates the one made first comes first.
    fn announce(
        &mut self,
        quantity: Quantity,
        available_from: Option<Timestamp>,
        reference: Option<compact_str::CompactString>,
    ) {
        let list = &mut self.rare.get_or_insert_default().announcements;
        let date = available_from.unwrap_or(Timestamp(i64::MAX));
        let place = list.partition_point(|other| other.available_from.unwrap_or(Timestamp(i64::MAX)) <= date);
        list.insert(place, Announcement { quantity, available_from, reference });
    }

    /// What arrives is what was announced first; units without date or name come last.
    fn arrive(&mut self, mut quantity: Quantity) {
        self.change_announcements(|list| {
            for announcement in list.iter_mut() {
                let taken = announcement.quantity.min(quantity);
                (announcement.quantity, quantity) = (announcement.quantity - taken, quantity - taken);
            }
        });
    }

    /// What does not come is of the named announcement; or else units without date or name, then the latest.
    fn withdraw_announced(&mut self, mut quantity: Quantity, reference: Option<&str>) {
        let named: Quantity = self.announcements().iter().map(|announcement| announcement.quantity).sum();
        if reference.is_none() {
            quantity = quantity.saturating_sub(self.incoming - named);
        }
        self.change_announcements(|list| {
            let meant = |announcement: &&mut Announcement| {
                reference.is_none_or(|reference| announcement.reference.as_deref() == Some(reference))
            };
            for announcement in list.iter_mut().rev().filter(meant) {
                let taken = announcement.quantity.min(quantity);
                (announcement.quantity, quantity) = (announcement.quantity - taken, quantity - taken);
            }
        });
    }

    fn change_announcements(&mut self, change: impl FnOnce(&mut Vec<Announcement>)) {
        self.change_rare(|rare| {
            change(&mut rare.announcements);
            rare.announcements.retain(|announcement| announcement.quantity > 0);
        });
    }

    /// Changes what few SKUs have; nothing of it costs no memory.
    pub(super) fn change_rare(&mut self, change: impl FnOnce(&mut Rare)) {
        let Some(rare) = &mut self.rare else { return };
        change(rare);
        if **rare == Rare::default() {
            self.rare = None;
        }
    }

    /// Puts everybody who waits into line by his ticket.
    fn draw(&mut self, seed: &super::Digest) {
        let places = self.places_by_draw(seed);
        for backorder in &mut self.backorders {
            let Some(place) = places.get(&backorder.order) else { continue };
            backorder.ordinal = *place;
            if let Some(commitment) = self.commitments.get_mut(&backorder.order) {
                commitment.ordinal = backorder.ordinal;
            }
        }
        self.backorders.make_contiguous().sort_by_key(|backorder| backorder.ordinal);
        self.rare.get_or_insert_default().drawn = Some(super::Lottery::commitment_to(seed));
    }

    /// Takes units off an order's backorder and says who counts them against the limit per customer.
    fn reduce_backorder(&mut self, order: OrderId, quantity: Quantity) -> Option<CustomerId> {
        let index = self.backorders.iter().position(|b| b.order == order).expect("the backorder waits");
        let backorder = &mut self.backorders[index];
        shift!(backorder, quantity, quantity =>);
        let buyer = backorder.buyer.clone();
        if backorder.quantity == 0 {
            self.backorders.remove(index);
        }
        buyer
    }

    fn ship(&mut self, order: OrderId, picks: &Picks) {
        let commitment = self.commitments.get_mut(&order).expect("shipped units are committed");
        for pick in picks {
            let committed = commitment.picks.iter_mut().find(|c| c.bin == pick.bin).expect("committed in this bin");
            shift!(committed, pick.quantity, allocated =>);
        }
        self.forget_if_empty(order);
    }

    /// A commitment with nothing left in it and nothing waiting is over.
    fn forget_if_empty(&mut self, order: OrderId) {
        let empty = self.commitments.get(&order).is_some_and(|commitment| commitment.units() == (0, 0));
        if empty && (self.backorders.is_empty() || self.backorders.iter().all(|backorder| backorder.order != order)) {
            self.commitments.remove(&order);
        }
    }

    fn give_back_limit(&mut self, buyer: Option<&CustomerId>, quantity: Quantity) {
        let Some(buyer) = buyer else { return };
        if let Some(taken) = self.taken.get_mut(buyer) {
            *taken = taken.saturating_sub(quantity);
            if *taken == 0 {
                // Who has nothing costs no memory.
                self.taken.remove(buyer);
            }
        }
    }
}

impl Commitment {
    /// Units are held beside those that it has.
    fn add_held(&mut self, picks: &Picks) {
        for pick in picks {
            match self.picks.iter_mut().find(|committed| committed.bin == pick.bin) {
                Some(committed) => committed.held += pick.quantity,
                None => self.picks.push(CommittedPick { bin: pick.bin, held: pick.quantity, allocated: 0 }),
            }
        }
    }
}

/// The part of an event that moves units between counters.
pub(super) fn apply_to_bins(bins: &mut Bins, event: &StockEvent) {
    match event {
        StockEvent::Received { location, lot, expires_at, quantity, .. } => {
            shift!(bin_at(bins, location, lot.as_ref(), *expires_at), *quantity, => free);
            shift!(bin_at(bins, location, lot.as_ref(), *expires_at), *quantity, => received);
        }
        StockEvent::Held { picks, settled, .. } => each(bins, picks, |c, n| {
            if *settled {
                shift!(c, n, free => allocated);
            } else {
                shift!(c, n, free => held);
            }
        }),
        StockEvent::BackorderFilled { picks, .. } | StockEvent::HeldMore { picks, .. } => {
            each(bins, picks, |c, n| shift!(c, n, free => held))
        }
        StockEvent::Released { held, allocated, .. } | StockEvent::Displaced { held, allocated, .. } => {
            each(bins, held, |c, n| shift!(c, n, held => free));
            each(bins, allocated, |c, n| shift!(c, n, allocated => free));
        }
        StockEvent::Shipped { picks, .. } => each(bins, picks, |c, n| shift!(c, n, allocated => shipped)),
        StockEvent::Returned { location, lot, quantity, disposition, .. } => {
            let counters = bin_at(bins, location, lot.as_ref(), None);
            shift!(counters, *quantity, => returned);
            match disposition {
                Disposition::Restock => shift!(counters, *quantity, => free),
                Disposition::QualityControl => shift!(counters, *quantity, => quality_control),
                Disposition::WriteOff => shift!(counters, *quantity, => written_off),
            }
        }
        StockEvent::AdjustedUp { location, lot, quantity, .. } => {
            let counters = bin_at(bins, location, lot.as_ref(), None);
            shift!(counters, *quantity, => free);
            shift!(counters, *quantity, => adjusted_in);
        }
        StockEvent::AdjustedDown { picks, .. } => each(bins, picks, |c, n| shift!(c, n, free => adjusted_out)),
        StockEvent::Reclassified { pick, from, to } => {
            let counters = &mut bins[pick.bin as usize].counters;
            take(counters, *from, pick.quantity);
            put(counters, *to, pick.quantity);
        }
        StockEvent::LotExpired { pick } => one(bins, pick, |c, n| shift!(c, n, free => expired)),
        StockEvent::WrittenOff { pick, from, .. } => one(bins, pick, |c, n| {
            take(c, *from, n);
            shift!(c, n, => written_off);
        }),
        StockEvent::TransferredOut { pick, .. } => one(bins, pick, |c, n| shift!(c, n, free => transferred_out)),
        StockEvent::TransferredIn { location, lot, expires_at, quantity } => {
            let counters = bin_at(bins, location, lot.as_ref(), *expires_at);
            shift!(counters, *quantity, => free);
            shift!(counters, *quantity, => transferred_in);
        }
        // `Settled` names no bins: it moves what the order has, bin by bin, in `Stock::apply`.
        StockEvent::Settled { .. }
        | StockEvent::Defined(_)
        | StockEvent::Announced { .. }
        | StockEvent::Confirmed { .. }
        | StockEvent::BackorderCancelled { .. }
        | StockEvent::TransferLost { .. }
        | StockEvent::AnnouncementWithdrawn { .. }
        | StockEvent::Unpromised { .. }
        | StockEvent::ShippedShort { .. }
        | StockEvent::Drawn { .. }
        | StockEvent::NotDrawn { .. }
        | StockEvent::Market(_)
        | StockEvent::Handled { .. }
        | StockEvent::Untold { .. }
        | StockEvent::Heard { .. }
        | StockEvent::LowStock { .. }
        | StockEvent::OversoldRisk { .. } => {}
    }
}

fn each(bins: &mut Bins, picks: &Picks, change: impl Fn(&mut Counters, Quantity)) {
    picks.iter().for_each(|pick| one(bins, pick, &change));
}

fn one(bins: &mut Bins, pick: &Pick, change: impl Fn(&mut Counters, Quantity)) {
    change(&mut bins[pick.bin as usize].counters, pick.quantity);
}

/// The counters of a location and lot, which come into being with their first units. A lot keeps the expiry date
/// it was first given.
fn bin_at<'a>(
    bins: &'a mut Bins,
    location: &Location,
    lot: Option<&Lot>,
    expires_at: Option<Timestamp>,
) -> &'a mut Counters {
    let index = bin_for(bins, location, lot, expires_at).unwrap_or_else(|| {
        bins.push(Bin { location: location.clone(), lot: lot.cloned(), expires_at, counters: Counters::default() });
        bins.len() - 1
    });
    let bin = &mut bins[index];
    bin.expires_at = bin.expires_at.or(expires_at);
    &mut bin.counters
}

fn take(counters: &mut Counters, from: Unsellable, quantity: Quantity) {
    match from {
        Unsellable::Free => shift!(counters, quantity, free =>),
        Unsellable::Damaged => shift!(counters, quantity, damaged =>),
        Unsellable::QualityControl => shift!(counters, quantity, quality_control =>),
        Unsellable::Expired => shift!(counters, quantity, expired =>),
    }
}

fn put(counters: &mut Counters, to: Unsellable, quantity: Quantity) {
    match to {
        Unsellable::Free => shift!(counters, quantity, => free),
        Unsellable::Damaged => shift!(counters, quantity, => damaged),
        Unsellable::QualityControl => shift!(counters, quantity, => quality_control),
        Unsellable::Expired => shift!(counters, quantity, => expired),
    }
}
