//! What happened to a SKU: the records in the journal, and the typed movements of its ledger.

use compact_str::CompactString;
use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use super::admission::Digest;
use super::command::Disposition;
use super::definition::Definition;
use super::market::MarketEvent;
use super::sourcing::HoldContext;
use crate::{CustomerId, Location, Lot, Money, OrderId, Quantity, Timestamp, codec};

/// Units of one bin, named by its index in the SKU's list of bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Pick {
    /// Index of the bin.
    #[n(0)]
    pub bin: u16,
    /// Units.
    #[n(1)]
    pub quantity: Quantity,
}

/// Units by bin; nearly always one.
pub type Picks = SmallVec<[Pick; 1]>;

/// Why committed units went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReleaseReason {
    /// The order or a line of it was cancelled.
    #[n(0)]
    Cancelled,
    /// The order's deadline passed unpaid.
    #[n(1)]
    Expired,
    /// The payment failed.
    #[n(2)]
    PaymentFailed,
    /// The order was refused or lost before it was recorded.
    #[n(3)]
    Aborted,
}

/// One fact about a SKU. Numbers are never reused; a new field is optional.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "the field's standard terms; DESIGN.md's table of operations defines each")]
pub enum StockEvent {
    #[n(0)]
    Defined(#[n(0)] Box<Definition>),
    #[n(1)]
    Announced {
        #[n(0)]
        quantity: Quantity,
        /// When it can be expected.
        #[n(1)]
        available_from: Option<Timestamp>,
        /// What the caller calls it.
        #[cbor(n(2), with = "codec::optional_text", has_nil)]
        reference: Option<CompactString>,
    },
    #[n(2)]
    Received {
        #[n(0)]
        location: Location,
        #[n(1)]
        lot: Option<Lot>,
        #[n(2)]
        expires_at: Option<Timestamp>,
        #[n(3)]
        quantity: Quantity,
        /// Of which these were announced before.
        #[n(4)]
        announced: Quantity,
        #[n(5)]
        unit_cost: Option<Money>,
    },
    /// Demand of an order: what was filled, what waits.
    #[n(3)]
    Held {
        #[n(0)]
        order: OrderId,
        #[cbor(n(1), with = "codec::list")]
        picks: Picks,
        #[n(2)]
        backordered: Quantity,
        /// Held and settled in one step: the payment was secured in the same turn.
        #[n(3)]
        settled: bool,
        /// Known only for a SKU with a limit per customer.
        #[n(4)]
        buyer: Option<CustomerId>,
        /// The order's own record lies in another partition and may not exist yet.
        #[n(5)]
        tentative: bool,
        /// Where units that wait should come from once they are there.
        #[n(6)]
        context: Option<Box<HoldContext>>,
    },
    /// The order's record of a tentative hold exists.
    #[n(4)]
    Confirmed {
        #[n(0)]
        order: OrderId,
    },
    /// All held units of the order became allocated.
    #[n(5)]
    Settled {
        #[n(0)]
        order: OrderId,
    },
    #[n(6)]
    Released {
        #[n(0)]
        order: OrderId,
        #[cbor(n(1), with = "codec::list")]
        held: Picks,
        #[cbor(n(2), with = "codec::list")]
        allocated: Picks,
        #[n(3)]
        reason: ReleaseReason,
    },
    #[n(7)]
    BackorderFilled {
        #[n(0)]
        order: OrderId,
        #[cbor(n(1), with = "codec::list")]
        picks: Picks,
    },
    #[n(8)]
    BackorderCancelled {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        quantity: Quantity,
    },
    #[n(9)]
    Shipped {
        #[n(0)]
        order: OrderId,
        #[cbor(n(1), with = "codec::list")]
        picks: Picks,
    },
    #[n(10)]
    Returned {
        #[n(0)]
        order: Option<OrderId>,
        #[n(1)]
        location: Location,
        #[n(2)]
        lot: Option<Lot>,
        #[n(3)]
        quantity: Quantity,
        #[n(4)]
        disposition: Disposition,
        /// Given back from this customer's limit.
        #[n(5)]
        buyer: Option<CustomerId>,
    },
    #[n(11)]
    AdjustedUp {
        #[n(0)]
        location: Location,
        #[n(1)]
        lot: Option<Lot>,
        #[n(2)]
        quantity: Quantity,
        #[cbor(n(3), with = "codec::text")]
        reason: CompactString,
    },
    #[n(12)]
    AdjustedDown {
        #[cbor(n(0), with = "codec::list")]
        picks: Picks,
        #[cbor(n(1), with = "codec::text")]
        reason: CompactString,
    },
    /// A forced shortfall took these units from an order; they are on backorder now (`oversold`).
    #[n(13)]
    Displaced {
        #[n(0)]
        order: OrderId,
        #[cbor(n(1), with = "codec::list")]
        held: Picks,
        #[cbor(n(2), with = "codec::list")]
        allocated: Picks,
    },
    #[n(14)]
    Reclassified {
        #[n(0)]
        pick: Pick,
        #[n(1)]
        from: super::Unsellable,
        #[n(2)]
        to: super::Unsellable,
    },
    #[n(15)]
    LotExpired {
        #[n(0)]
        pick: Pick,
    },
    #[n(16)]
    WrittenOff {
        #[n(0)]
        pick: Pick,
        #[n(1)]
        from: super::Unsellable,
        #[cbor(n(2), with = "codec::text")]
        reason: CompactString,
    },
    #[n(17)]
    TransferredOut {
        #[n(0)]
        pick: Pick,
        #[n(1)]
        to: Location,
    },
    #[n(18)]
    TransferredIn {
        #[n(0)]
        location: Location,
        #[n(1)]
        lot: Option<Lot>,
        #[n(2)]
        expires_at: Option<Timestamp>,
        #[n(3)]
        quantity: Quantity,
    },
    #[n(19)]
    TransferLost {
        #[n(0)]
        quantity: Quantity,
    },
    /// An order of another partition asked for this; its number guards against doing it twice.
    #[n(20)]
    Handled {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        step: u32,
    },
    /// Announced units will not come.
    #[n(21)]
    AnnouncementWithdrawn {
        #[n(0)]
        quantity: Quantity,
        #[cbor(n(1), with = "codec::optional_text", has_nil)]
        reference: Option<CompactString>,
    },
    /// What was promised to an order against incoming stock is not coming any more; it still waits.
    #[n(22)]
    Unpromised {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        quantity: Quantity,
    },
    /// An order of another partition had shipped these units before it heard of the shortfall that took them
    /// (`oversold`).
    #[n(23)]
    ShippedShort {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        quantity: Quantity,
    },
    /// The seed of a lottery was revealed; entries stand in line by the hash of their orders' ids under it.
    #[n(24)]
    Drawn {
        #[cbor(n(0), with = "minicbor::bytes")]
        seed: Digest,
    },
    /// An entry won nothing and is turned away.
    #[n(25)]
    NotDrawn {
        #[n(0)]
        order: OrderId,
        #[n(1)]
        quantity: Quantity,
    },
    /// Something happened in its market.
    #[n(26)]
    Market(#[n(0)] Box<MarketEvent>),
    /// An order whose lines were changed has got these beside what it had.
    #[n(27)]
    HeldMore {
        #[n(0)]
        order: OrderId,
        #[cbor(n(1), with = "codec::list")]
        picks: Picks,
    },
    /// An order of another partition is yet to hear how things stand.
    #[n(28)]
    Untold {
        #[n(0)]
        order: OrderId,
    },
    /// It has heard.
    #[n(29)]
    Heard {
        #[n(0)]
        order: OrderId,
    },
    /// No more is available now than the level at which somebody wants to be told; before there was.
    #[n(30)]
    LowStock {
        #[n(0)]
        available: Quantity,
        #[n(1)]
        level: Quantity,
    },
    /// Customers wait for more units now than are announced; before they did not.
    #[n(31)]
    OversoldRisk {
        #[n(0)]
        backordered: Quantity,
        #[n(1)]
        incoming: Quantity,
    },
}

impl StockEvent {
    /// The order that must hear of it, if one must: its units were filled, lost or given to others.
    pub const fn must_hear(&self) -> Option<OrderId> {
        match self {
            Self::BackorderFilled { order, .. }
            | Self::Displaced { order, .. }
            | Self::ShippedShort { order, .. }
            | Self::NotDrawn { order, .. } => Some(*order),
            _ => None,
        }
    }

    /// The public name of the movement.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Defined(_) => "defined",
            Self::Announced { .. } => "announced",
            Self::Received { .. } => "received",
            Self::Held { settled: false, .. } => "held",
            Self::HeldMore { .. } => "held_more",
            Self::Held { settled: true, .. } => "allocated",
            Self::Confirmed { .. } => "confirmed",
            Self::Settled { .. } => "settled",
            Self::Released { .. } => "released",
            Self::BackorderFilled { .. } => "backorder_filled",
            Self::BackorderCancelled { .. } => "backorder_cancelled",
            Self::Shipped { .. } => "shipped",
            Self::Returned { .. } => "returned",
            Self::AdjustedUp { .. } => "adjusted_up",
            Self::AdjustedDown { .. } => "adjusted_down",
            Self::Displaced { .. } => "oversold",
            Self::Reclassified { .. } => "reclassified",
            Self::LotExpired { .. } => "lot_expired",
            Self::WrittenOff { .. } => "written_off",
            Self::TransferredOut { .. } => "transferred_out",
            Self::TransferredIn { .. } => "transferred_in",
            Self::TransferLost { .. } => "transfer_lost",
            Self::Handled { .. } => "handled",
            Self::Untold { .. } => "untold",
            Self::Heard { .. } => "heard",
            Self::LowStock { .. } => "low_stock",
            Self::OversoldRisk { .. } => "oversold_risk",
            Self::AnnouncementWithdrawn { .. } => "announcement_withdrawn",
            Self::Unpromised { .. } => "unpromised",
            Self::ShippedShort { .. } => "shipped_short",
            Self::Drawn { .. } => "drawn",
            Self::NotDrawn { .. } => "not_drawn",
            Self::Market(event) => event.name(),
        }
    }
}

/// Units over all picks.
pub fn units(picks: &Picks) -> Quantity {
    picks.iter().map(|pick| pick.quantity).sum()
}
