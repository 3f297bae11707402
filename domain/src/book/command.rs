//! What can be asked of a book.

use super::config::Band;
use super::event::FillId;
use super::{Price, Side};
use crate::{Quantity, Timestamp};

/// A seller or a customer, by the caller's own small number; [`Owner::NOBODY`] for one that is not known.
///
/// Orders of one owner are mass-cancelled together and are kept from trading with each other; nobody is never
/// the same as nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Owner(#[n(0)] pub u32);

impl Owner {
    /// An owner that is not known.
    pub const NOBODY: Self = Self(0);

    /// True if both are the same known owner.
    #[inline]
    #[must_use]
    pub const fn same(self, other: Self) -> bool {
        self.0 != 0 && self.0 == other.0
    }
}

/// How long an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeInForce {
    /// Good till cancelled.
    #[default]
    Gtc,
    /// Good till a time; from then on [`BookCommand::Expire`] ends it.
    Gtd(Timestamp),
    /// Immediate or cancel: takes what is there, the rest ends.
    Ioc,
    /// Fill or kill: refused with [`Unfillable`](super::BookRefusal::Unfillable) unless all of it is there.
    Fok,
}

/// Whose supply a demand order takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub enum Source {
    /// The house and every offer, best price first.
    #[n(0)]
    #[default]
    Anyone,
    /// Only the house.
    #[n(1)]
    House,
    /// Only offers of this seller.
    #[n(2)]
    Seller(#[n(0)] Owner),
}

/// What happens when an order would trade with one of its own owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum SelfTrade {
    /// They trade.
    #[n(0)]
    #[default]
    Allow,
    /// What is left of the taker is cancelled.
    #[n(1)]
    CancelNewest,
    /// The maker is cancelled and the taker goes on.
    #[n(2)]
    CancelOldest,
    /// Both are cancelled.
    #[n(3)]
    CancelBoth,
    /// Both are reduced by the smaller of the two, without a trade.
    #[n(4)]
    Decrement,
}

impl SelfTrade {
    /// Every rule with its public name.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Allow, "allow"),
        (Self::CancelNewest, "cancel_newest"),
        (Self::CancelOldest, "cancel_oldest"),
        (Self::CancelBoth, "cancel_both"),
        (Self::Decrement, "decrement"),
    ];

    /// The public name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// A new order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<K> {
    /// Its id; no other order of the book that still stands or holds units has it.
    pub id: K,
    /// Who it belongs to.
    pub owner: Owner,
    /// Supply (an offer) or demand (a bid, a backorder, an order line).
    pub side: Side,
    /// The worst acceptable price; `None` takes any (a market order) and never rests.
    pub price: Option<Price>,
    /// Units.
    pub quantity: Quantity,
    /// How long it stands.
    pub time_in_force: TimeInForce,
    /// Refused if it would trade at once.
    pub post_only: bool,
    /// The first execution is of at least this many units; 0 or 1 for no such wish, `quantity` for all or nothing.
    pub minimum: Quantity,
    /// Whose supply it takes; of use to demand only.
    pub source: Source,
    /// An iceberg shows at most this many units at a time.
    pub displayed: Option<Quantity>,
    /// Overrides the book's rule.
    pub self_trade: Option<SelfTrade>,
}

impl<K> Place<K> {
    /// A plain limit order of nobody that stands until it is cancelled.
    pub fn limit(id: K, side: Side, price: Price, quantity: Quantity) -> Self {
        Self {
            id,
            owner: Owner::NOBODY,
            side,
            price: Some(price),
            quantity,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            minimum: 0,
            source: Source::Anyone,
            displayed: None,
            self_trade: None,
        }
    }

    /// A market order of nobody: whatever is there, at any price.
    pub fn market(id: K, side: Side, quantity: Quantity) -> Self {
        Self { price: None, time_in_force: TimeInForce::Ioc, ..Self::limit(id, side, 0, quantity) }
    }
}

/// A command to a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the field's standard terms; each variant says what it does")]
pub enum BookCommand<K> {
    /// A new order takes what it can and rests if it may.
    Place(Place<K>),
    /// What still stands of an order ends. Held units stay held; released ones are withdrawn.
    Cancel { id: K },
    /// Takes `by` units from an order and keeps its priority: from its open units first, then from what will come
    /// back of its held ones. More than stands is refused.
    Reduce { id: K, by: Quantity },
    /// Gives an order a new price, a new open quantity, or both. A smaller quantity at the same price is a reduce;
    /// anything else loses its priority and takes what it can like a new order.
    Amend { id: K, price: Option<Price>, quantity: Option<Quantity> },
    /// Cancels every order of the owner, of the side, or of both; all without either. In order of side (supply
    /// first), then priority.
    CancelAll { owner: Option<Owner>, side: Option<Side> },
    /// Cancels every order whose time has come, in order of time, then id.
    Expire,
    /// Held units of a fill are paid: they are sold.
    Settle { fill: FillId, quantity: Quantity },
    /// Held units of a fill go back to the side that `returns`; those of the other side are withdrawn, as the two
    /// would only meet again. A buyer who does not pay returns supply; a seller who cannot deliver, demand.
    Release { fill: FillId, quantity: Quantity, returns: Side },
    /// The house has more stock or another price: waiting demand takes of it. Must be sent before any other
    /// command whenever the house's stock grows or its price falls, or a newcomer could overtake who waits.
    HouseChanged,
    /// New price limits for orders to come.
    SetBand { band: Option<Band> },
    /// From now on orders gather without trading, until [`BookCommand::Uncross`].
    OpenAuction,
    /// Ends the auction: all that can trade trades at one price, chosen for the largest volume, then the smallest
    /// imbalance, then the nearest to the reference, then the lower price. Then trading goes on continuously.
    Uncross { reference: Price },
}
