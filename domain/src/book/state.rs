//! The state of the book and the small steps that change it.
//!
//! Live commands and replayed events take the same steps; the live path only decides which, and tells.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::command::Owner;
use super::config::{BookConfig, FillMode};
use super::entry::{Account, Cold, Entry, ICEBERG, NONE, PARTICULAR, TERMS, UNMET};
use super::event::{FillId, Maker, Terms};
use super::feed::Feed;
use super::index::Index;
use super::ladder::Ladder;
use super::owners::Owners;
use super::pro_rata::Sharing;
use super::{Key, Price, Side};
use crate::{Quantity, Timestamp};

/// A fill with held units, and where its parties are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold<K> {
    pub supply: Maker<K>,
    pub demand: K,
    pub price: Price,
    pub held: Quantity,
    /// Slots of the two parties; `NONE` for the house and for immediate orders.
    pub slots: [u32; 2],
}

/// The fast book.
///
/// Entries lie in a slab and are chained by 32-bit indices, levels in a ladder whose best end is at hand, ids in an
/// open-addressed index; nothing allocates once it has grown to the size of the day.
#[derive(Debug, Clone)]
pub struct Book<K> {
    pub(super) config: BookConfig,
    pub(super) entries: Vec<Entry<K>>,
    /// Beside `entries`; empty when fills are final at once.
    pub(super) accounts: Vec<Account>,
    pub(super) vacant: Vec<u32>,
    pub(super) index: Index,
    pub(super) owners: Owners,
    pub(super) ladders: [Ladder; 2],
    /// Orders in line by side that cannot trade with everybody.
    pub(super) particular: [u32; 2],
    pub(super) cold: FxHashMap<u32, Cold>,
    pub(super) due: BTreeSet<(Timestamp, K)>,
    pub(super) holds: FxHashMap<u64, Hold<K>>,
    pub(super) ordinal_last: u64,
    pub(super) fill_last: u64,
    pub(super) sequence: u64,
    pub(super) auction: bool,
    pub(super) feed: Feed,
    /// Memory for sharing levels out.
    pub(super) sharing: Sharing,
}

impl<K: Key> Book<K> {
    /// An empty book. A tick or lot of less than 1 counts as 1.
    #[must_use]
    pub fn new(config: BookConfig) -> Self {
        Self {
            config: BookConfig { tick: config.tick.max(1), lot: config.lot.max(1), ..config },
            entries: Vec::new(),
            accounts: Vec::new(),
            vacant: Vec::new(),
            index: Index::default(),
            owners: Owners::default(),
            ladders: [Ladder::new(Side::Supply), Ladder::new(Side::Demand)],
            particular: [0; 2],
            cold: FxHashMap::default(),
            due: BTreeSet::new(),
            holds: FxHashMap::default(),
            ordinal_last: 0,
            fill_last: 0,
            sequence: 0,
            auction: false,
            feed: Feed::default(),
            sharing: Sharing::default(),
        }
    }

    /// The rules it was made with, and its current band.
    #[must_use]
    pub const fn config(&self) -> &BookConfig {
        &self.config
    }

    #[inline]
    pub(super) fn holds_fills(&self) -> bool {
        self.config.fills == FillMode::Hold
    }

    #[inline]
    pub(super) fn hash(id: K) -> u32 {
        let hash = FxBuildHasher.hash_one(id);
        (hash >> 32 ^ hash) as u32
    }

    #[inline]
    pub(super) fn find(&self, id: K) -> Option<u32> {
        self.index.find(Self::hash(id), |slot| self.entries[slot as usize].id == id)
    }

    #[inline]
    pub(super) fn entry(&self, slot: u32) -> &Entry<K> {
        &self.entries[slot as usize]
    }

    /// Units behind what an order shows.
    #[inline]
    pub(super) fn reserve(&self, slot: u32) -> Quantity {
        if self.entry(slot).flags & ICEBERG == 0 { 0 } else { self.cold[&slot].reserve }
    }

    /// Open units, the hidden ones included.
    #[inline]
    pub(super) fn total(&self, slot: u32) -> Quantity {
        self.entry(slot).open + self.reserve(slot)
    }

    pub(super) fn account(&self, slot: u32) -> Account {
        self.accounts.get(slot as usize).copied().unwrap_or_default()
    }

    /// Units that are open or may become so again.
    pub(super) fn standing(&self, slot: u32) -> Quantity {
        let account = self.account(slot);
        self.total(slot) + account.held - account.owed
    }

    pub(super) fn terms(&self, slot: u32) -> Terms {
        if self.entry(slot).flags & TERMS == 0 { Terms::default() } else { self.cold[&slot].terms }
    }

    /// The minimum that still binds.
    pub(super) fn minimum(&self, slot: u32) -> Quantity {
        if self.entry(slot).flags & UNMET == 0 { 0 } else { self.cold[&slot].terms.minimum.min(self.total(slot)) }
    }

    /// A new entry, not yet in line.
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "the fields of the event it comes from")]
    pub(super) fn insert(
        &mut self,
        id: K,
        owner: Owner,
        side: Side,
        price: Price,
        quantity: Quantity,
        ordinal: u64,
        (terms, flags): (&Terms, u8),
    ) -> u32 {
        let entry =
            Entry { id, ordinal, price, open: quantity, prev: NONE, next: NONE, level: NONE, owner, side, flags };
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                // All slots may be vacant one day; their list grows with them, not on a later day.
                self.vacant.reserve(self.entries.capacity());
                (self.entries.len() - 1) as u32
            }
        };
        if self.holds_fills() {
            let account = Account { offered: quantity, ..Account::default() };
            match self.accounts.get_mut(slot as usize) {
                Some(place) => *place = account,
                None => self.accounts.push(account),
            }
        }
        self.index.insert(Self::hash(id), slot);
        self.owners.insert(owner, slot);
        self.ordinal_last = ordinal;
        if flags & TERMS != 0 {
            self.insert_terms(slot, terms);
        }
        slot
    }

    #[cold]
    fn insert_terms(&mut self, slot: u32, terms: &Terms) {
        self.cold.insert(slot, Cold { terms: *terms, reserve: 0 });
        if let Some(time) = terms.expires_at {
            self.due.insert((time, self.entry(slot).id));
        }
        self.show(slot, self.entry(slot).open);
    }

    /// Puts an order in line.
    #[inline]
    pub(super) fn link(&mut self, slot: u32) {
        let (side, flags) = (self.entry(slot).side, self.entry(slot).flags);
        self.ladders[side as usize].link(&mut self.entries, slot);
        if flags & PARTICULAR != 0 {
            self.particular[side as usize] += 1;
        }
        self.touch(slot);
    }

    /// Takes an order out of its line.
    #[inline]
    pub(super) fn unlink(&mut self, slot: u32) {
        let (side, flags) = (self.entry(slot).side, self.entry(slot).flags);
        self.touch(slot);
        self.ladders[side as usize].unlink(&mut self.entries, slot);
        if flags & PARTICULAR != 0 {
            self.particular[side as usize] -= 1;
        }
    }

    #[inline]
    fn touch(&mut self, slot: u32) {
        if self.feed.is_on() {
            let entry = &self.entries[slot as usize];
            self.feed.touch(entry.side, entry.price);
        }
    }

    /// Takes units from what is shown.
    #[inline]
    pub(super) fn lower(&mut self, slot: u32, quantity: Quantity) {
        let entry = &mut self.entries[slot as usize];
        entry.open -= quantity;
        if entry.level != NONE {
            self.ladders[entry.side as usize].shrink(entry.level, quantity);
            self.touch(slot);
        }
    }

    /// Sets what an order has open, of which an iceberg shows one full slice. Its place does not change.
    #[cold]
    pub(super) fn show(&mut self, slot: u32, total: Quantity) {
        let linked = self.entry(slot).level != NONE;
        if linked {
            self.unlink(slot);
        }
        let shown = self.terms(slot).displayed.map_or(total, |displayed| displayed.min(total));
        self.entries[slot as usize].open = shown;
        if let Some(cold) = self.cold.get_mut(&slot) {
            cold.reserve = total - shown;
        }
        if linked {
            self.link(slot);
        }
    }

    /// The first execution has met the order's minimum.
    #[inline]
    fn meet(&mut self, slot: u32) {
        if self.entry(slot).flags & UNMET == 0 {
            return;
        }
        let entry = &mut self.entries[slot as usize];
        let (before, side, linked) = (entry.flags, entry.side, entry.level != NONE);
        entry.flags &= !UNMET;
        if linked && before & PARTICULAR != 0 && entry.flags & PARTICULAR == 0 {
            self.particular[side as usize] -= 1;
        }
    }

    /// Units of a resting order are filled as a maker.
    #[inline]
    pub(super) fn fill_maker(&mut self, slot: u32, quantity: Quantity) {
        self.meet(slot);
        if self.holds_fills() {
            self.accounts[slot as usize].held += quantity;
        }
        if quantity <= self.entry(slot).open {
            self.lower(slot, quantity);
            if self.entry(slot).open > 0 || self.entry(slot).flags & ICEBERG == 0 {
                return;
            }
            return self.show(slot, self.reserve(slot));
        }
        self.show(slot, self.total(slot) - quantity);
    }

    /// Units of an order that may rest are filled as a taker.
    #[inline]
    pub(super) fn fill_taker(&mut self, slot: u32, quantity: Quantity) {
        self.meet(slot);
        if self.holds_fills() {
            self.accounts[slot as usize].held += quantity;
        }
        if self.entry(slot).flags & ICEBERG == 0 {
            return self.lower(slot, quantity);
        }
        self.show(slot, self.total(slot) - quantity);
    }

    /// Remembers a fill whose units are held.
    pub(super) fn remember(&mut self, fill: FillId, hold: Hold<K>) {
        self.holds.insert(fill.0, hold);
    }

    /// Puts an order in line or takes it out, as its open units want; forgets it when nothing is left of it.
    #[inline]
    pub(super) fn tidy(&mut self, slot: u32) {
        let entry = self.entry(slot);
        let (open, linked) = (entry.open, entry.level != NONE);
        if open > 0 {
            if !linked {
                self.link(slot);
            }
            return;
        }
        if linked {
            self.unlink(slot);
        }
        if self.account(slot).held == 0 {
            self.forget(slot);
        } else if self.entry(slot).flags & TERMS != 0 && self.standing(slot) == 0 {
            // A sale took what a reduction had left of it: nothing of it can expire.
            self.forget_due(slot);
        }
    }

    /// Nothing is left of an order.
    #[inline]
    fn forget(&mut self, slot: u32) {
        let (id, flags) = (self.entry(slot).id, self.entry(slot).flags);
        self.index.remove(Self::hash(id), slot);
        self.owners.remove(self.entry(slot).owner, slot);
        if flags & TERMS != 0 {
            self.forget_terms(slot);
        }
        self.vacant.push(slot);
    }

    #[cold]
    fn forget_terms(&mut self, slot: u32) {
        self.forget_due(slot);
        self.cold.remove(&slot);
    }

    fn forget_due(&mut self, slot: u32) {
        if let Some(time) = self.terms(slot).expires_at {
            self.due.remove(&(time, self.entry(slot).id));
        }
    }

    /// All that stands of an order ends; its held units will not come back to it.
    #[inline]
    pub(super) fn end(&mut self, slot: u32) {
        let entry = self.entry(slot);
        if !self.holds_fills() && entry.flags & ICEBERG == 0 && entry.level != NONE {
            self.unlink(slot);
            return self.forget(slot);
        }
        self.end_accounting(slot);
    }

    /// The same for an order that has more than open units in line.
    fn end_accounting(&mut self, slot: u32) {
        if self.holds_fills() {
            let total = self.total(slot);
            let account = &mut self.accounts[slot as usize];
            account.withdrawn += total;
            account.owed = account.held;
            let remembered = account.held > 0;
            if remembered {
                self.forget_due(slot);
            }
        }
        if self.entry(slot).flags & ICEBERG != 0 {
            self.show(slot, 0);
        } else {
            self.lower(slot, self.entry(slot).open);
        }
        self.tidy(slot);
    }

    /// Units are taken from the reserve first, then from what is open, then from what is held.
    pub(super) fn reduce(&mut self, slot: u32, quantity: Quantity) {
        let hidden = self.reserve(slot).min(quantity);
        if hidden > 0
            && let Some(cold) = self.cold.get_mut(&slot)
        {
            cold.reserve -= hidden;
        }
        let open = self.entry(slot).open.min(quantity - hidden);
        self.lower(slot, open);
        if self.holds_fills() {
            let account = &mut self.accounts[slot as usize];
            account.withdrawn += hidden + open;
            account.owed += quantity - hidden - open;
        }
    }

    /// An order gets a new place with these open units; the caller puts it in line.
    pub(super) fn amend(&mut self, slot: u32, price: Price, quantity: Quantity, ordinal: u64) {
        if self.entry(slot).level != NONE {
            self.unlink(slot);
        }
        let before = self.total(slot);
        if self.holds_fills() {
            let account = &mut self.accounts[slot as usize];
            account.offered += quantity.saturating_sub(before);
            account.withdrawn += before.saturating_sub(quantity);
        }
        let entry = &mut self.entries[slot as usize];
        (entry.price, entry.ordinal) = (price, ordinal);
        self.show(slot, quantity);
        self.ordinal_last = ordinal;
    }

    /// An iceberg's new slice goes to the end of the line.
    pub(super) fn refresh(&mut self, slot: u32, ordinal: u64) {
        if self.entry(slot).level != NONE {
            self.unlink(slot);
        }
        self.entries[slot as usize].ordinal = ordinal;
        self.ordinal_last = ordinal;
        self.link(slot);
    }
}
