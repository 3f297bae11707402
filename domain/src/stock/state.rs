//! What a SKU remembers.

use std::collections::VecDeque;

use compact_str::CompactString;
use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::admission::{Admission, Digest, Lottery};
use super::counters::Counters;
use super::definition::Definition;
use super::event::StockEvent;
use super::market::Market;
use super::sourcing::HoldContext;
use crate::book::Matcher;
use crate::{CustomerId, Location, Lot, OrderId, Quantity, SkuId, Timestamp, codec};

/// One location and lot of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Bin {
    /// Where.
    #[n(0)]
    pub location: Location,
    /// Which lot; none for stock without one.
    #[n(1)]
    pub lot: Option<Lot>,
    /// When the lot's units stop being for sale.
    #[n(2)]
    pub expires_at: Option<Timestamp>,
    /// What lies there.
    #[n(3)]
    pub counters: Counters,
}

/// What one order has committed in one bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct CommittedPick {
    /// Index of the bin.
    #[n(0)]
    pub bin: u16,
    /// Not yet paid.
    #[n(1)]
    pub held: Quantity,
    /// Paid, to be shipped.
    #[n(2)]
    pub allocated: Quantity,
}

/// What one order has committed of this SKU.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Commitment {
    /// Bin by bin.
    #[cbor(n(0), with = "codec::list")]
    pub picks: SmallVec<[CommittedPick; 1]>,
    /// Place in the sequence in which the SKU recorded its demand.
    #[n(1)]
    pub ordinal: u64,
    /// Who counts it against the limit per customer.
    #[n(2)]
    pub buyer: Option<CustomerId>,
    /// The order's own record may not exist yet.
    #[n(3)]
    pub tentative: bool,
}

impl Commitment {
    /// Units held and allocated.
    pub fn units(&self) -> (Quantity, Quantity) {
        self.picks.iter().fold((0, 0), |(held, allocated), pick| (held + pick.held, allocated + pick.allocated))
    }
}

/// Demand that waits for stock.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Backorder {
    /// Who waits.
    #[n(0)]
    pub order: OrderId,
    /// Units still missing.
    #[n(1)]
    pub quantity: Quantity,
    /// Place in the sequence in which the SKU recorded its demand.
    #[n(2)]
    pub ordinal: u64,
    /// Who counts it against the limit per customer.
    #[n(3)]
    pub buyer: Option<CustomerId>,
    /// Where its units should come from once they are there.
    #[n(4)]
    pub context: Option<Box<HoldContext>>,
    /// Waits to be let in, holds nothing meanwhile, and is offered its units whole.
    #[cbor(n(5), skip_if = "codec::is_false")]
    pub is_entry: bool,
}

/// Stock that is coming and has a date or a name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Announcement {
    /// Units that have not come yet.
    #[n(0)]
    pub quantity: Quantity,
    /// When they can be expected.
    #[n(1)]
    pub available_from: Option<Timestamp>,
    /// What the caller calls it.
    #[cbor(n(2), with = "codec::optional_text", has_nil)]
    pub reference: Option<CompactString>,
}

/// What few SKUs have, so that the others do not pay for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Rare {
    /// Announcements with a date or a name, the first to come first. The rest of what is incoming has neither.
    #[n(0)]
    pub announcements: Vec<Announcement>,
    /// The commitment to the seed of the last lottery that was drawn.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub drawn: Option<Digest>,
    /// Offers, bids and the book they meet in; from the first of them on.
    #[n(2)]
    pub market: Option<Box<Market>>,
    /// Orders of other partitions that have not heard yet how things stand.
    #[cbor(n(3), skip_if = "Vec::is_empty")]
    pub untold: Vec<OrderId>,
}

/// The state of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Stock {
    /// Its name.
    #[n(0)]
    pub sku: SkuId,
    /// What it is; none until it is defined.
    #[n(1)]
    pub definition: Option<Box<Definition>>,
    /// Where its units lie; a bin is never removed, so its index names it for ever.
    #[cbor(n(2), with = "codec::list")]
    pub bins: SmallVec<[Bin; 1]>,
    /// What each order has.
    #[cbor(n(3), with = "codec::map")]
    pub commitments: FxHashMap<OrderId, Commitment>,
    /// Who waits, in the order of `ordinal`.
    #[n(4)]
    pub backorders: VecDeque<Backorder>,
    /// Announced and not yet received.
    #[n(5)]
    pub incoming: Quantity,
    /// On the way between two locations.
    #[n(6)]
    pub in_transit: Quantity,
    /// Lost between two locations.
    #[n(7)]
    pub lost: Quantity,
    /// The ordinal of the next demand.
    #[n(8)]
    pub next_ordinal: u64,
    /// Units counted against the limit per customer; kept only where there is a limit.
    #[cbor(n(9), with = "codec::map")]
    pub taken: FxHashMap<CustomerId, Quantity>,
    /// The last step handled for each order of another partition.
    #[cbor(n(10), with = "codec::map")]
    pub handled: FxHashMap<OrderId, u32>,
    /// What few SKUs have.
    #[n(12)]
    pub rare: Option<Box<Rare>>,
}

/// A SKU's totals, as `GET /skus/{sku}/stock` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the field's standard terms, as in the contract")]
pub struct StockLevels {
    pub available: Quantity,
    pub backordered: Quantity,
    pub incoming: Quantity,
    pub safety: Quantity,
    pub totals: Counters,
}

impl Stock {
    /// A SKU of which nothing is known yet.
    pub fn new(sku: SkuId) -> Self {
        Self {
            sku,
            definition: None,
            bins: SmallVec::new(),
            commitments: FxHashMap::default(),
            backorders: VecDeque::new(),
            incoming: 0,
            in_transit: 0,
            lost: 0,
            next_ordinal: 0,
            taken: FxHashMap::default(),
            handled: FxHashMap::default(),
            rare: None,
        }
    }

    /// Units that are never sold, per location.
    pub fn safety_level(&self) -> Quantity {
        self.definition.as_ref().map_or(0, |definition| definition.safety_level)
    }

    /// The bin in which units of a location, lot and date lie.
    pub fn find_bin(&self, location: &Location, lot: Option<&Lot>, expires_at: Option<Timestamp>) -> Option<u16> {
        bin_for(&self.bins, location, lot, expires_at).map(|index| index as u16)
    }

    /// Units that wait for stock.
    pub fn backordered(&self) -> Quantity {
        self.backorders.iter().map(|backorder| backorder.quantity).sum()
    }

    /// Announcements with a date or a name, the first to come first.
    pub fn announcements(&self) -> &[Announcement] {
        self.rare.as_ref().map_or(&[], |rare| &rare.announcements)
    }

    /// Its market, if there ever was an offer or a bid.
    pub fn market(&self) -> Option<&Market> {
        self.rare.as_ref().and_then(|rare| rare.market.as_deref())
    }

    /// Orders of other partitions that have not heard yet how things stand.
    pub fn untold(&self) -> &[OrderId] {
        self.rare.as_ref().map_or(&[], |rare| &rare.untold)
    }

    /// Whether this lottery's seed was revealed.
    pub fn has_drawn(&self, lottery: &Lottery) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.drawn == Some(lottery.seed_commitment))
    }

    /// Whether the demand that was just decided holds nothing and waits to be let in.
    pub fn makes_wait(&self, held: &StockEvent) -> bool {
        let admission = self.definition.as_ref().and_then(|definition| definition.admission.as_deref());
        let holds_nothing =
            matches!(held, StockEvent::Held { picks, backordered, .. } if picks.is_empty() && *backordered > 0);
        holds_nothing && admission.is_some_and(Admission::offers)
    }

    /// How long the units of an order that waited stay held.
    pub fn offer_seconds(&self) -> u32 {
        let Some(definition) = &self.definition else { return Definition::HOLD_TTL_SECONDS_DEFAULT };
        match definition.admission.as_deref() {
            Some(Admission::WaitingList { offer_seconds }) => *offer_seconds,
            _ => definition.hold_ttl_seconds,
        }
    }

    /// Each entry's place in line once it stands there by its ticket: the places stay, entries change them.
    pub(super) fn places_by_draw(&self, seed: &Digest) -> FxHashMap<OrderId, u64> {
        let waiting = || self.backorders.iter().filter(|backorder| backorder.is_entry);
        let mut entries: Vec<_> = waiting().map(|b| (Lottery::ticket(seed, b.order), b.order)).collect();
        entries.sort_unstable();
        let places = waiting().map(|backorder| backorder.ordinal);
        entries.into_iter().zip(places).map(|((_, order), place)| (order, place)).collect()
    }

    /// Units for sale at `now`: what is free beyond the safety level of each location.
    pub fn available(&self, now: Timestamp) -> Quantity {
        super::pick::available(&self.bins, self.safety_level(), now)
    }

    /// The totals over all bins.
    pub fn levels(&self, now: Timestamp) -> StockLevels {
        let mut totals = Counters::default();
        self.bins.iter().for_each(|bin| totals.add(&bin.counters));
        let available = self.available(now);
        let sellable: Quantity = self.bins.iter().filter(|bin| !bin.is_past(now)).map(|bin| bin.counters.free).sum();
        StockLevels {
            available,
            backordered: self.backordered(),
            incoming: self.incoming,
            safety: sellable - available,
            totals,
        }
    }

    /// When the SKU must be woken: at the earliest expiry of a lot that still has free units, or of an offer or bid.
    pub fn next_due(&self) -> Option<Timestamp> {
        let lots = self.bins.iter().filter(|bin| bin.counters.free > 0).filter_map(|bin| bin.expires_at).min();
        let orders = self.market().and_then(|market| market.book().next_due());
        [lots, orders].into_iter().flatten().min()
    }

    /// Asserts every invariant that one SKU can check by itself: the identities of each bin, and that holds,
    /// allocations and backorders of the orders are those of the counters.
    pub fn check(&self) {
        let mut committed = vec![(0, 0); self.bins.len()];
        for pick in self.commitments.values().flat_map(|commitment| &commitment.picks) {
            committed[pick.bin as usize].0 += pick.held;
            committed[pick.bin as usize].1 += pick.allocated;
        }
        for (bin, (held, allocated)) in self.bins.iter().zip(committed) {
            bin.counters.check();
            assert_eq!((bin.counters.held, bin.counters.allocated), (held, allocated), "holds are the orders' holds");
        }
        assert!(self.backorders.iter().is_sorted_by_key(|backorder| backorder.ordinal), "backorders wait in turn");
        let announced: Quantity = self.announcements().iter().map(|announcement| announcement.quantity).sum();
        assert!(announced <= self.incoming, "what was announced is incoming");
        let promised: Quantity = self.promises().iter().map(|promise| promise.quantity).sum();
        assert!(promised <= self.incoming, "no more is promised than is coming");
        self.market().into_iter().for_each(Market::check);
    }
}

/// Where units of a location, lot and date lie. A lot has one date, whoever names it; units without a lot have
/// nothing but their date to be told apart by, so that what never expires is not thrown away with what does.
pub(super) fn bin_for(
    bins: &[Bin],
    location: &Location,
    lot: Option<&Lot>,
    expires_at: Option<Timestamp>,
) -> Option<usize> {
    bins.iter().position(|bin| {
        bin.location == *location && bin.lot.as_ref() == lot && (lot.is_some() || bin.expires_at == expires_at)
    })
}

impl Bin {
    /// Whether its lot's date has come.
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}
