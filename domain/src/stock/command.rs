//! What a SKU can be asked to do.

use compact_str::CompactString;
use minicbor::{Decode, Encode};

use super::admission::Digest;
use super::definition::Definition;
use super::event::ReleaseReason;
use super::market::{MarketCommand, Taking};
use super::sourcing::HoldContext;
use crate::{CustomerId, Location, Lot, Money, OrderId, Quantity, Timestamp};

/// What becomes of returned units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Disposition {
    /// For sale again.
    #[default]
    #[n(0)]
    Restock,
    /// To be looked at first.
    #[n(1)]
    QualityControl,
    /// Thrown away.
    #[n(2)]
    WriteOff,
}

impl Disposition {
    /// Every disposition with its public name.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Restock, "restock"), (Self::QualityControl, "quality_control"), (Self::WriteOff, "write_off")];

    /// The public name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// The states of units that no order has: free, or not for sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Unsellable {
    /// For sale.
    #[n(0)]
    Free,
    /// Broken.
    #[n(1)]
    Damaged,
    /// Being looked at.
    #[n(2)]
    QualityControl,
    /// Past its lot's date.
    #[n(3)]
    Expired,
}

impl Unsellable {
    /// Every state with its public name.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Free, "free"),
        (Self::Damaged, "damaged"),
        (Self::QualityControl, "quality_control"),
        (Self::Expired, "expired"),
    ];

    /// The public name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// What to do with demand that free stock cannot fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldMode {
    /// Fill what there is and forget the rest.
    pub partial: bool,
    /// Put the rest on backorder, up to the SKU's bound.
    pub backorder: bool,
}

/// A command to one SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the field's standard terms; DESIGN.md's table of operations defines each")]
pub enum StockCommand {
    Define(Box<Definition>),
    Announce {
        quantity: Quantity,
        available_from: Option<Timestamp>,
        reference: Option<CompactString>,
    },
    /// Announced units that will not come: those of one announcement, or the latest.
    WithdrawAnnouncement {
        quantity: Quantity,
        reference: Option<CompactString>,
    },
    Receive {
        location: Location,
        lot: Option<Lot>,
        expires_at: Option<Timestamp>,
        quantity: Quantity,
        unit_cost: Option<Money>,
    },
    Hold {
        order: OrderId,
        quantity: Quantity,
        mode: HoldMode,
        settled: bool,
        buyer: Option<CustomerId>,
        tentative: bool,
        context: Option<Box<HoldContext>>,
        /// What lines take from the book beside `quantity` units of the house.
        taking: Option<Box<Taking>>,
    },
    /// More units for an order whose lines were changed: all of them, now, or none.
    HoldMore {
        order: OrderId,
        quantity: Quantity,
        buyer: Option<CustomerId>,
        context: Option<Box<HoldContext>>,
    },
    Confirm {
        order: OrderId,
    },
    Settle {
        order: OrderId,
    },
    /// Gives back everything the order has here.
    ReleaseAll {
        order: OrderId,
        reason: ReleaseReason,
    },
    /// Gives back some: first named is the part that is filled, then the part that waits.
    Release {
        order: OrderId,
        filled: Quantity,
        backordered: Quantity,
        reason: ReleaseReason,
    },
    Ship {
        order: OrderId,
        quantity: Quantity,
    },
    /// What an order of another partition has recorded as shipped. It cannot be refused: what a forced shortfall took
    /// meanwhile is recorded as missing.
    ShipRecorded {
        order: OrderId,
        quantity: Quantity,
    },
    Return {
        order: Option<OrderId>,
        location: Option<Location>,
        lot: Option<Lot>,
        quantity: Quantity,
        disposition: Disposition,
        buyer: Option<CustomerId>,
    },
    Adjust {
        location: Location,
        lot: Option<Lot>,
        delta: i64,
        reason: CompactString,
        force: bool,
    },
    Reclassify {
        location: Location,
        lot: Option<Lot>,
        from: Unsellable,
        to: Unsellable,
        quantity: Quantity,
    },
    WriteOff {
        location: Location,
        lot: Option<Lot>,
        from: Unsellable,
        quantity: Quantity,
        reason: CompactString,
    },
    TransferOut {
        from: Location,
        lot: Option<Lot>,
        to: Location,
        quantity: Quantity,
    },
    TransferIn {
        location: Location,
        lot: Option<Lot>,
        expires_at: Option<Timestamp>,
        quantity: Quantity,
    },
    TransferLost {
        quantity: Quantity,
    },
    /// Out of one location and into another in one step.
    Transfer {
        from: Location,
        lot: Option<Lot>,
        to: Location,
        quantity: Quantity,
    },
    /// Gives back some units of a claim.
    ReleaseClaim {
        order: OrderId,
        claim: u32,
        quantity: Quantity,
        reason: ReleaseReason,
    },
    /// Ships units of a claim.
    ShipClaim {
        order: OrderId,
        claim: u32,
        quantity: Quantity,
    },
    /// Units of a claim came back to their seller.
    ReturnClaim {
        order: OrderId,
        claim: u32,
        quantity: Quantity,
        buyer: Option<CustomerId>,
    },
    /// Of a seller or a bidder.
    Market(Box<MarketCommand>),
    /// The earliest expiry has come, of a lot or of an offer or bid.
    ExpireLots,
    /// Reveals the seed of a lottery that is closed, and draws.
    Draw {
        seed: Digest,
    },
}
