//! The book of a SKU: demand meets supply by price and time, and every fill is a hold.
//!
//! ```text
//!   BookCommand + Context ──▶ execute ──▶ BookEvents, or one named BookRefusal that changed nothing
//!   BookEvent             ──▶ apply   ──▶ the same book again
//! ```
//!
//! Supply is offers and the house (the shop's own stock, which is no entry of the book but an argument of each
//! command); demand is bids, backorders and order lines. The rules:
//!
//! 1. **Priority** is price, then the ordinal an order got when it came to rest. The house comes before every offer
//!    of equal price.
//! 2. **A taker** trades with makers in priority order, within its limit, at the maker's price. Makers whose
//!    [`Source`] rules the supply out are passed over, on either side.
//! 3. **A minimum quantity** binds until the order's first execution. As a taker the order needs at least that much
//!    in one walk over the makers, otherwise it rests as a whole ([`TimeInForce::Ioc`] and [`TimeInForce::Fok`]:
//!    refused). As a maker it trades only with a taker that can give that much at once. What cannot is passed over or stops
//!    the taker ([`UnfillableHead`]). Under [`UnfillableHead::Block`] a taker that stands behind an order of its own
//!    side with an unmet minimum for which there *are* units, only too few, takes nothing.
//! 4. **Both sides of a fill are held** ([`FillMode::Hold`]) until it is settled or released, in whole or in parts.
//!    Per order: `offered = open + held + sold + withdrawn`. Released units of the side that returns regain price
//!    and ordinal of their order; if it was amended they join it at its new place, if it ended or was reduced they
//!    are withdrawn with it. An immediate order has no place to return to.
//! 5. **At rest nothing is crossed** that could trade. Whatever a command frees is offered at once: waiting demand,
//!    in priority order, takes from supply at supply's price; then supply with an unmet minimum takes from demand.
//!    After each such execution the search begins anew.
//! 6. **Refused** means nothing changed and nothing was emitted.
//!
//! The small print, by subject:
//!
//! - *Terms that do not go together*: a market order that is not immediate; post-only with an immediate order or with
//!   a minimum; a source on supply; a minimum above the quantity; a displayed quantity that is 0, or on an immediate
//!   order, or together with a minimum; a resting minimum in a pro-rata book; an amendment of nothing.
//! - *Lots*: quantity, minimum, displayed quantity, and the quantities of reduce and amend are multiples of the lot; of
//!   the house's available units only whole lots count. What is held is settled and released in any part: a parcel
//!   need not hold whole lots. Units that come back so trade like all others, and an order that meets them may be left
//!   with parts of a lot too. Where all share and somebody has such a part, shares are counted in units.
//! - *Minimum*: what binds is the smaller of the minimum and what is open.
//! - *Post-only*: refused if the walk over the makers would do anything: trade, or end an order of its own owner. An
//!   order that rests may still take later, under rule 5.
//! - *Self-trade*: the taker's own rule, else the book's. `CancelOldest` ends the maker, `CancelNewest` what is left
//!   of the taker, `CancelBoth` both (maker first); `Decrement` takes the smaller open quantity from both (maker
//!   first), who has nothing open left ends, the other is reduced. When an order ends, its held units no longer come
//!   back to it. Where makers share pro rata, own makers are treated first and `CancelNewest` and `CancelBoth` end
//!   the taker after the level was shared among the others. Under rule 5 the order that takes is the newest.
//! - *A probe* (minimum, fill or kill, post-only) counts what the walk would trade, self-trade rules included; an
//!   immediate order with a minimum of more than that is refused with [`BookRefusal::Unfillable`].
//! - *Immediate orders* never rest; what they do not get ends with [`EndReason::Immediate`].
//! - *Amend*: the quantity is that of the open units (an iceberg's reserve included). The same price and not more
//!   units: a reduce, or nothing at all if nothing differs. Otherwise a new ordinal, then it takes like a new order.
//! - *Iceberg*: a slice that is used up is replaced at once, with a new ordinal, while the taker goes on. Returned
//!   units go to the reserve behind a shown slice; without one they are shown at the old ordinal. As a taker an
//!   iceberg gives all it has, and then shows a full slice of what is left, at its ordinal. A reduce takes from the
//!   reserve first, then from what is shown, then from what is held.
//! - *Band*: for prices of orders to come, and the limit of market orders.
//! - *Reduce* by all that stands ends the order, like a cancel.
//! - *Auction*: while it is open nothing trades and immediate orders are refused. Orders with an unmet minimum or a
//!   restricted source do not take part. The house takes part at its price, before offers of that price. Demand in
//!   priority order is filled from supply in priority order: maker is the supply, taker the demand. Self-trade rules
//!   do not apply, as nobody takes. An iceberg takes part with all it has, at its place. The clearing price is a
//!   multiple of the tick, also where the house's price or the reference is none.
//!
//! Everything is deterministic: no clock, no randomness, no hash order.

mod apply;
mod auction;

mod change;
mod check;
mod command;
mod config;
mod entry;
mod event;
mod feed;
mod hold;
mod image;
mod index;
mod ladder;
mod matcher;
mod owners;
mod place;
mod pro_rata;
mod probe;
mod refusal;
mod state;
mod take;
mod uncross;
mod view;

use std::fmt::Debug;
use std::hash::Hash;

use minicbor::{Decode, Encode};

pub use command::{BookCommand, Owner, Place, SelfTrade, Source, TimeInForce};
pub use config::{Allocation, Band, BookConfig, Context, FillMode, House, UnfillableHead};
pub use entry::Account;
pub use event::{BookEvent, EndReason, FillId, Maker, Terms};
pub use feed::MarketSnapshot;
pub use image::{BookImage, HoldImage, ImageInvalid, OrderImage};
pub use refusal::BookRefusal;
pub use state::Book;
pub use view::{FillView, LevelChange, LevelDepth, OrderView, PreviewFill};

use crate::{Quantity, Timestamp};

/// The price of a unit, in whatever the caller counts in (the engine: ten-thousandths of the major unit).
pub type Price = i64;

/// The highest price.
pub const PRICE_MAX: Price = 1 << 60;

/// The largest quantity of an order of a book: exchanges count in finer units than shops.
pub const BOOK_QUANTITY_MAX: Quantity = 1 << 53;

/// The most orders that rest in one book.
pub const ORDERS_MAX: usize = 1 << 24;

/// A side of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Side {
    /// Offers: the lowest price is the best.
    #[n(0)]
    Supply,
    /// Bids and backorders: the highest price is the best.
    #[n(1)]
    Demand,
}

impl Side {
    /// The other side.
    #[inline]
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Supply => Self::Demand,
            Self::Demand => Self::Supply,
        }
    }
}

/// What identifies an order: small, ordered, and hashed the same way in every run.
pub trait Key: Copy + Eq + Hash + Ord + Debug {}

impl<K: Copy + Eq + Hash + Ord + Debug> Key for K {}

/// A book. The fast one is in this crate; the tests hold a slow, obvious one against it.
pub trait Matcher<K: Key> {
    /// Carries a command out and appends its events; or refuses it and does neither.
    ///
    /// # Errors
    /// The first refusal, in the order of [`BookRefusal`]'s variants, that applies.
    fn execute(
        &mut self,
        command: &BookCommand<K>,
        context: &Context,
        events: &mut Vec<BookEvent<K>>,
    ) -> Result<(), BookRefusal>;

    /// Repeats a fact from the journal. Applied in order to a new book of the same configuration, the events of a
    /// book rebuild it.
    fn apply(&mut self, event: &BookEvent<K>);

    /// The fills that placing this order now would make as a taker, nothing of it done.
    ///
    /// # Errors
    /// What placing it would be refused with.
    fn preview(&self, place: &Place<K>, context: &Context) -> Result<Vec<PreviewFill<K>>, BookRefusal>;

    /// Panics, naming what is wrong, unless every identity of the book holds.
    fn check(&self);

    /// Events so far: the number of the last one, 0 before the first.
    fn sequence(&self) -> u64;

    /// The best level with open units.
    fn best(&self, side: Side) -> Option<LevelDepth>;

    /// The best `levels` levels, best first.
    fn depth(&self, side: Side, levels: usize) -> Vec<LevelDepth>;

    /// All orders with open units, in priority order.
    fn orders(&self, side: Side) -> Vec<OrderView<K>>;

    /// An order that stands or has held units.
    fn order(&self, id: K) -> Option<OrderView<K>>;

    /// A fill with held units.
    fn fill(&self, fill: FillId) -> Option<FillView<K>>;

    /// When the next order expires.
    fn next_due(&self) -> Option<Timestamp>;
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod rules;
