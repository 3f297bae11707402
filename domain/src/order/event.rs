//! What happened to an order.

use compact_str::CompactString;
use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use super::charge::{Deferred, Shipment};
use super::promoted::Promoted;
use super::request::Charge;
use crate::payment::{Method, NextAction, Stage};
use crate::stock::{Disposition, KitPart};
use crate::{Amount, BookOrderId, Currency, CustomerId, Quantity, SkuId, Timestamp, codec};

/// A line as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PlacedLine {
    /// What.
    #[n(0)]
    pub sku: SkuId,
    /// Units asked for.
    #[n(1)]
    pub quantity: Quantity,
    /// Price of one.
    #[n(2)]
    pub unit_price: Amount,
    /// Units held.
    #[n(3)]
    pub filled: Quantity,
    /// Units that wait for stock; what is neither filled nor waits was not to be had.
    #[n(4)]
    pub backordered: Quantity,
    /// What a kit consisted of when it was sold.
    #[n(5)]
    pub kit: Option<Box<Vec<KitPart>>>,
    /// Units of a seller's offers instead of the house's.
    #[n(6)]
    pub claim: Option<Box<LineClaim>>,
    /// What promotions take off.
    #[cbor(n(7), skip_if = "codec::is_zero")]
    pub discount: Amount,
}

/// Whose units a line has, if not the house's.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LineClaim {
    /// Its number among the order's claims of the SKU.
    #[n(0)]
    pub number: u32,
    /// Who sells.
    #[n(1)]
    pub seller: CustomerId,
    /// What the house keeps of the sale, in hundredths of a percent.
    #[cbor(n(2), skip_if = "codec::is_nought")]
    pub commission_bps: u32,
}

/// A payment that the order starts; its id follows from the order, its number and the time.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PlannedPayment {
    /// How.
    #[n(0)]
    pub method: Method,
    /// How much.
    #[n(1)]
    pub amount: Amount,
    /// What the caller calls it; kept here only while the payment has no actor of its own.
    #[cbor(n(2), with = "codec::optional_text")]
    pub reference: Option<CompactString>,
}

/// Units of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LineUnits {
    /// Index of the line.
    #[n(0)]
    pub line: u32,
    /// Units.
    #[n(1)]
    pub quantity: Quantity,
}

/// Units of one line that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ReturnedLine {
    /// Index of the line.
    #[n(0)]
    pub line: u32,
    /// Units.
    #[n(1)]
    pub quantity: Quantity,
    /// What became of them.
    #[n(2)]
    pub disposition: Disposition,
}

/// One fact about an order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "the fields are the values that the variant's sentence names")]
#[allow(clippy::large_enum_variant, reason = "the largest is the one that every order has: a box would cost it")]
pub enum OrderEvent {
    /// It was accepted; its stock is held.
    #[n(0)]
    Placed {
        #[n(0)]
        customer: Option<CustomerId>,
        #[n(1)]
        purchaser_key: Option<CustomerId>,
        #[n(2)]
        currency: Currency,
        #[cbor(n(3), with = "codec::list")]
        lines: SmallVec<[PlacedLine; 1]>,
        #[cbor(n(4), with = "codec::list")]
        charges: SmallVec<[Charge; 1]>,
        #[cbor(n(5), with = "codec::list")]
        payments: SmallVec<[PlannedPayment; 1]>,
        #[n(6)]
        hold_expires_at: Timestamp,
        #[n(7)]
        body_digest: u64,
        /// How often an order with this id was refused before.
        #[n(8)]
        attempt: u32,
        /// It holds nothing and waits to be let in.
        #[cbor(n(9), skip_if = "codec::is_false")]
        waiting: bool,
        /// The bid whose fill it is.
        #[n(10)]
        bid: Option<Box<BookOrderId>>,
        /// What promotions did.
        #[n(11)]
        promoted: Option<Box<Promoted>>,
        /// Payments that start when the last unit is there.
        #[n(12)]
        deferred: Option<Box<Deferred>>,
    },
    /// More payments were started.
    #[n(1)]
    PaymentsStarted {
        #[cbor(n(0), with = "codec::list")]
        payments: SmallVec<[PlannedPayment; 1]>,
    },
    /// A payment, by its number, is secured.
    #[n(2)]
    PaymentSecured {
        #[n(0)]
        number: u32,
    },
    /// A payment failed.
    #[n(3)]
    PaymentFailed {
        #[n(0)]
        number: u32,
        #[cbor(n(1), with = "codec::text")]
        reason: CompactString,
    },
    /// The deadline of its hold was moved.
    #[n(4)]
    Extended {
        #[n(0)]
        hold_expires_at: Timestamp,
    },
    /// Somebody wants it cancelled, but a charge of unknown outcome is undone first.
    #[n(5)]
    CancelRequested,
    /// Units were cancelled: all that were not shipped when no line is named.
    #[n(6)]
    Cancelled {
        #[cbor(n(0), with = "codec::list")]
        lines: SmallVec<[LineUnits; 1]>,
        /// Everything, its charges included.
        #[n(1)]
        whole: bool,
    },
    /// Its deadline passed unpaid; its stock went back.
    #[n(7)]
    Expired,
    /// Its payment failed while it was being placed; its stock went back and its id is free again.
    #[n(8)]
    Refused {
        #[cbor(n(0), with = "codec::text")]
        reason: CompactString,
    },
    /// Units that waited are held now.
    #[n(9)]
    BackorderFilled {
        #[cbor(n(0), with = "codec::list")]
        lines: SmallVec<[LineUnits; 1]>,
    },
    /// Units were lost to a forced shortfall and wait again.
    #[n(10)]
    Displaced {
        #[cbor(n(0), with = "codec::list")]
        lines: SmallVec<[LineUnits; 1]>,
    },
    #[n(11)]
    Shipped {
        #[cbor(n(0), with = "codec::list")]
        lines: SmallVec<[LineUnits; 1]>,
        #[cbor(n(1), with = "codec::optional_text")]
        tracking: Option<CompactString>,
    },
    #[n(12)]
    Delivered,
    /// Units came back; this much is refunded for them.
    #[n(13)]
    Returned {
        #[cbor(n(0), with = "codec::list")]
        lines: SmallVec<[ReturnedLine; 1]>,
        #[n(1)]
        refund: Amount,
    },
    /// Money is given back without goods.
    #[n(14)]
    RefundGranted {
        #[n(0)]
        amount: Amount,
        #[cbor(n(1), with = "codec::text")]
        reason: CompactString,
    },
    /// A refund of a payment ended: it went back, or it did not.
    #[n(15)]
    Refunded {
        #[n(0)]
        number: u32,
        #[n(1)]
        amount: Amount,
        #[n(2)]
        done: bool,
    },
    /// An actor of another partition owes this step to the order; it is repeated until it is done.
    #[n(16)]
    StepOwed {
        #[n(0)]
        step: u32,
        #[n(1)]
        to: Box<crate::entity::RemoteStep>,
    },
    /// That step is done.
    #[n(17)]
    StepDone {
        #[n(0)]
        step: u32,
    },
    /// A payment, by its number, is secured with this record: its money is taken by the caller, or a wallet has
    /// paid it in the turn that placed the order. It has no actor until some of it goes back.
    #[n(19)]
    PaidAtOnce {
        #[n(0)]
        number: u32,
    },
    /// What it waited for is held for it now, until the deadline.
    #[n(20)]
    Offered {
        #[cbor(n(0), with = "codec::list")]
        lines: SmallVec<[LineUnits; 1]>,
        #[n(1)]
        hold_expires_at: Timestamp,
    },
    /// Units were shipped that a forced shortfall had taken meanwhile: the SKU does not count them among the shipped.
    #[n(21)]
    ShippedShort {
        #[n(0)]
        sku: SkuId,
        #[n(1)]
        quantity: Quantity,
    },
    /// So many units of a kit's component are missing now.
    #[n(22)]
    PartMissing {
        #[n(0)]
        line: u32,
        /// Which component.
        #[n(1)]
        part: u32,
        #[n(2)]
        missing: Quantity,
    },
    /// It was closed: nothing comes back any more.
    #[n(23)]
    Completed,
    /// Its lines were changed before it was paid: these are all of them now.
    #[n(24)]
    Edited {
        #[cbor(n(0), with = "codec::list")]
        lines: SmallVec<[PlacedLine; 1]>,
        /// What promotions do now.
        #[n(1)]
        promoted: Option<Box<Promoted>>,
    },
    /// A seller has earned more by goods that were shipped, or less by goods that came back.
    #[n(25)]
    PayoutDue {
        #[n(0)]
        line: u32,
        #[n(1)]
        seller: CustomerId,
        /// What the seller is owed for it; below zero: owed no more.
        #[n(2)]
        amount: Amount,
        /// What the house keeps of the sale.
        #[n(3)]
        commission: Amount,
        /// What promotions had taken off, which the house gives away.
        #[cbor(n(4), skip_if = "codec::is_zero")]
        promoted: Amount,
    },
    /// The last unit it waited for is there: its payments are due, and its units are held until the deadline.
    #[n(26)]
    ChargeDue {
        #[n(0)]
        hold_expires_at: Timestamp,
    },
    /// Goods are to be sent as soon as what is set aside for them is captured.
    #[n(27)]
    ShipRequested {
        #[n(0)]
        shipment: Box<Shipment>,
    },
    /// They are not: the money could not be captured, or they are not there any more.
    #[n(28)]
    ShipmentDropped {
        #[cbor(n(0), with = "codec::text")]
        reason: CompactString,
    },
    /// Whoever placed it was told that it stands, before its first payment's outcome was known: it is not refused any more.
    #[n(29)]
    Accepted,
    /// What a payment had given back came again: it is the buyer's still, and can be given back anew.
    #[n(30)]
    RefundReversed {
        #[n(0)]
        number: u32,
        #[n(1)]
        amount: Amount,
    },
    /// A payment stands where the order did not know: it waits for somebody, is asked again, is set aside.
    #[n(31)]
    PaymentStands {
        #[n(0)]
        number: u32,
        #[n(1)]
        stage: Stage,
        #[n(2)]
        next_action: Option<Box<NextAction>>,
    },
    /// A payment was asked to give this much back.
    #[n(18)]
    RefundStarted {
        #[n(0)]
        number: u32,
        #[n(1)]
        amount: Amount,
    },
}

impl OrderEvent {
    /// The public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Placed { .. } => "placed",
            Self::PaymentsStarted { .. } => "payments_started",
            Self::PaymentSecured { .. } | Self::PaidAtOnce { .. } => "payment_secured",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::Extended { .. } => "extended",
            Self::CancelRequested => "cancel_requested",
            Self::Cancelled { .. } => "cancelled",
            Self::Expired => "expired",
            Self::Refused { .. } => "refused",
            Self::BackorderFilled { .. } => "backorder_filled",
            Self::Displaced { .. } => "oversold",
            Self::Shipped { .. } => "shipped",
            Self::Delivered => "delivered",
            Self::Completed => "completed",
            Self::Returned { .. } => "returned",
            Self::RefundGranted { .. } => "refund_granted",
            Self::Refunded { .. } => "refunded",
            Self::StepOwed { .. } => "step_owed",
            Self::StepDone { .. } => "step_done",
            Self::RefundStarted { .. } => "refund_started",
            Self::RefundReversed { .. } => "refund_reversed",
            Self::Offered { .. } => "offered",
            Self::ShippedShort { .. } => "shipped_short",
            Self::PartMissing { .. } => "part_missing",
            Self::Edited { .. } => "edited",
            Self::PayoutDue { .. } => "payout_due",
            Self::ChargeDue { .. } => "charge_due",
            Self::ShipRequested { .. } => "ship_requested",
            Self::ShipmentDropped { .. } => "shipment_dropped",
            Self::Accepted => "accepted",
            Self::PaymentStands { .. } => "payment_stands",
        }
    }
}
