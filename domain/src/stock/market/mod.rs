//! The market of a SKU: offers of sellers beside the shop's own stock, bids of customers, and the book they meet in.
//!
//! ```text
//!   offers ─┐                          ┌─▶ an order's line: a claim
//!   house ──┼─▶ Book ──▶ fills, held ──┤
//!   bids ───┘                          └─▶ a bid's fill: an order of its own
//! ```
//!
//! - A shop line that names a seller, or `any` with a highest price, takes from the book at once or not at all; a plain
//!   line buys from the house and never comes here. What it takes from the house is held like any other unit of the
//!   house; what it takes from offers is a [`Claim`].
//! - A bid waits in the book. Each fill of it makes an order with its own payment deadline, paid by what the bid brought
//!   with it: wallet money set aside, or a stored credential.
//! - Units of a claim stay *held* in the book, paid or not, until they are shipped; then they are sold. So whatever is
//!   given back, before or after it was paid, regains its price and time if its offer still stands.
//! - What a bid takes from the house has left the book at once: the house keeps its own counters.
//! - Who waits for stock of the house (backorders, entries) has accepted the list price whatever it is, which no limit
//!   betters: the house's units come to the book only while nobody waits for them. A SKU with a rule of admission gives
//!   its own units by that rule alone, never to bids.
//!
//! A book decides and changes in one step, as a copy of it would cost as much as it is long; so what a command does
//! here is carried out last, when nothing can be refused any more (see [`Trade`]).

mod apply;
mod claim;
mod command;
mod end;
mod enter;
mod event;
mod meet;
mod party;
mod preview;
mod rules;
mod serials;
#[cfg(test)]
mod tests;
mod trade;
mod view;

use std::collections::VecDeque;

use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;

pub use claim::{Claim, ClaimFill, Claims, NewClaim};
pub use command::{MarketCommand, NewBid, NewOffer};
pub use event::MarketEvent;
pub use party::{BidPayment, Party};
pub use preview::{MarketDemand, MarketFill, MarketPlan, MarketWish, Seller};
pub use rules::MarketRules;
pub use serials::{Serial, Serials};
pub use trade::{Bought, BoughtLine, Taking, Trade, Trading};
pub use view::{BookLevels, PartyView};

use crate::book::{Book, Maker, Matcher, Owner, Side};
use crate::{BookOrderId, CustomerId, OrderId, Quantity, codec};

/// How long an offer or bid that is over is remembered, so that its id cannot be used again.
pub const PARTY_RETENTION_SECONDS: u32 = 25 * 3600;

/// The parties of a fill whose units are held.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Parties {
    /// Whose units.
    #[n(0)]
    pub supply: Maker<BookOrderId>,
    /// Who gets them: a bid, or an order of the shop.
    #[n(1)]
    pub demand: BookOrderId,
    /// Units still held.
    #[n(2)]
    pub held: Quantity,
    /// The serial numbers of the held units, by place in their offer's list, where it has one.
    #[n(3)]
    pub serials: Vec<u32>,
}

impl Parties {
    /// The offer or bid on either side.
    pub(super) fn ids(&self) -> impl Iterator<Item = BookOrderId> + use<> {
        let supply = match self.supply {
            Maker::Order(id) => Some(id),
            Maker::House => None,
        };
        supply.into_iter().chain([self.demand])
    }
}

/// A name by which the book knows a seller or a customer while something of theirs stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct OwnerNumber {
    /// The number in the book.
    #[n(0)]
    pub owner: Owner,
    /// Offers and bids that stand or are remembered under it.
    #[n(1)]
    pub parties: u32,
}

/// The market of one SKU.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Market {
    /// Where supply and demand meet.
    #[n(0)]
    pub(super) book: Book<BookOrderId>,
    /// Every offer and bid that stands or is remembered.
    #[cbor(n(1), with = "codec::map")]
    pub(super) parties: FxHashMap<BookOrderId, Party>,
    /// Those that are over, the first to end first.
    #[n(2)]
    pub(super) over: VecDeque<BookOrderId>,
    /// Sellers and customers of the parties.
    #[cbor(n(3), with = "codec::map")]
    pub(super) owners: FxHashMap<CustomerId, OwnerNumber>,
    /// The last number that was given to one of them.
    #[n(4)]
    pub(super) last_owner: u32,
    /// What orders have of offers.
    #[cbor(n(5), with = "codec::map")]
    pub(super) claims: FxHashMap<OrderId, Claims>,
    /// Whose the held fills are.
    #[cbor(n(6), with = "codec::map")]
    pub(super) fills: FxHashMap<u64, Parties>,
}

impl PartialEq for Market {
    fn eq(&self, other: &Self) -> bool {
        let parts = |m: &Self| (m.last_owner, m.over.clone());
        self.book.image() == other.book.image()
            && parts(self) == parts(other)
            && self.parties == other.parties
            && self.owners == other.owners
            && self.claims == other.claims
            && self.fills == other.fills
    }
}

impl Eq for Market {}

impl Market {
    /// An empty market with these rules.
    pub fn new(rules: &MarketRules) -> Self {
        Self {
            book: Book::new(rules.book_config()),
            parties: FxHashMap::default(),
            over: VecDeque::new(),
            owners: FxHashMap::default(),
            last_owner: 0,
            claims: FxHashMap::default(),
            fills: FxHashMap::default(),
        }
    }

    /// The book, to be read.
    pub const fn book(&self) -> &Book<BookOrderId> {
        &self.book
    }

    /// Whether the book can go on under these rules: all but the band are those it began with.
    pub fn keeps_rules(&self, rules: &MarketRules) -> bool {
        let (wanted, now) = (rules.book_config(), self.book.config());
        (wanted.tick, wanted.lot, wanted.self_trade) == (now.tick, now.lot, now.self_trade)
    }

    /// The offer or bid with this id, if it stands or is remembered.
    pub fn party(&self, id: BookOrderId) -> Option<&Party> {
        self.parties.get(&id)
    }

    /// What an order has of offers.
    pub fn claims_of(&self, order: OrderId) -> Option<&Claims> {
        self.claims.get(&order)
    }

    /// The serial numbers of a claim's first `quantity` units, where its offers have them.
    pub fn serials_of(&self, claim: &Claim, quantity: Quantity) -> Vec<Serial> {
        let mut names = Vec::new();
        for ClaimFill { fill, quantity } in claim.take(quantity) {
            let Some(parties) = self.fills.get(&fill.0).filter(|parties| !parties.serials.is_empty()) else { continue };
            let Maker::Order(id) = parties.supply else { continue };
            if let Some(serials) = self.parties.get(&id).and_then(|party| party.serials.as_ref()) {
                names.extend(serials.named(&parties.serials[..quantity as usize]).cloned());
            }
        }
        names
    }

    /// Every order that has something of offers, in no order that anything may depend on.
    pub fn claims(&self) -> impl Iterator<Item = (&OrderId, &Claims)> {
        self.claims.iter()
    }

    /// Units of offers that can be bought now.
    pub fn offered(&self) -> Quantity {
        self.standing(Side::Supply).map(|party| party.open).sum()
    }

    /// Units a customer bids for.
    pub(in crate::stock) fn bids_of(&self, customer: &CustomerId) -> Quantity {
        if !self.owners.contains_key(customer) {
            return 0;
        }
        self.standing(Side::Demand).filter(|party| party.owner == *customer).map(|party| party.open).sum()
    }

    /// Serial numbers of all offers that are not over.
    pub(super) fn serial_numbers(&self) -> usize {
        self.parties.values().filter_map(|party| party.serials.as_ref()).map(|serials| serials.len()).sum()
    }

    /// Offers or bids with open units, in no order that anything may depend on.
    pub fn standing(&self, side: Side) -> impl Iterator<Item = &Party> {
        self.parties.values().filter(move |party| party.side == side && party.open > 0)
    }

    /// The number of a name in the book; nobody's if nothing of theirs stands.
    pub(super) fn owner(&self, name: &CustomerId) -> Owner {
        self.owners.get(name).map_or(Owner::NOBODY, |number| number.owner)
    }

    /// Whether anybody bids.
    pub(super) fn has_bids(&self) -> bool {
        self.book.best(Side::Demand).is_some()
    }

    /// Asserts that the parties, the claims and the book say the same, and that every account adds up.
    pub fn check(&self) {
        self.book.check();
        for (id, party) in &self.parties {
            // An order that never stood has no account in the book.
            let (open, held) = match self.book.order(*id) {
                Some(order) => (order.open + order.reserve, order.held),
                None => (0, party.held),
            };
            assert_eq!((party.open, party.held), (open, held), "a party is as in the book: {party:?}");
            let numbers = party.serials.as_ref().map(|serials| serials.free());
            assert!(numbers.is_none_or(|free| free == party.open), "each open unit has its number: {party:?}");
            assert!(!party.is_over() || party.serials.is_none(), "numbers are forgotten with the last unit: {party:?}");
            assert!(party.offered >= party.open + party.held + party.sold, "a party's units add up: {party:?}");
        }
        let mut claimed: FxHashMap<u64, Quantity> = FxHashMap::default();
        let mut allocated: FxHashMap<BookOrderId, Quantity> = FxHashMap::default();
        for claims in self.claims.values() {
            for claim in &claims.list {
                assert!(claim.held == 0 || claim.allocated == 0, "a claim is paid as a whole: {claim:?}");
                for ClaimFill { fill, quantity } in claim.fills.iter().filter(|_| claim.allocated > 0) {
                    for id in self.fills[&fill.0].ids() {
                        *allocated.entry(id).or_default() += quantity;
                    }
                }
                let units: Quantity = claim.fills.iter().map(|fill| fill.quantity).sum();
                assert_eq!(claim.held + claim.allocated, units, "a claim's units are those of its fills");
                claim.fills.iter().for_each(|fill| *claimed.entry(fill.fill.0).or_default() += fill.quantity);
            }
        }
        for (id, party) in &self.parties {
            assert_eq!(party.allocated, allocated.remove(id).unwrap_or(0), "what is paid of a party: {party:?}");
        }
        for (fill, parties) in &self.fills {
            assert_eq!(claimed.remove(fill), Some(parties.held), "a held fill is claimed, whole");
            let numbers = parties.serials.len() as u64;
            assert!(numbers == 0 || numbers == parties.held, "each held unit has its number: {parties:?}");
        }
        assert!(claimed.is_empty(), "only held fills are claimed");
    }
}
