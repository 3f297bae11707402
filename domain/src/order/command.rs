//! What an order can be asked to do, or learns, and what it wants of others.

use compact_str::CompactString;

use super::late::LatePayment;
use super::request::Tender;
use crate::payment::{NextAction, PaymentCommand, Stage};
use crate::promotion::uses::{Subject, UsesCommand};
use crate::stock::{Disposition, StockCommand};
use crate::{Amount, Money, PaymentId, Quantity, SkuId};

/// What a return gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefundChoice {
    /// What the units cost.
    #[default]
    Auto,
    /// Nothing.
    Nothing,
    /// This much.
    Exactly(Money),
}

/// What an order can be asked to do, or learns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the field's standard terms; the module says who sends what")]
pub enum OrderCommand {
    Extend {
        seconds: u32,
    },
    /// Some units of some lines, or everything.
    Cancel {
        lines: Option<Vec<(u32, Option<Quantity>)>>,
    },
    /// Some units, or all that are paid and not shipped.
    Ship {
        lines: Option<Vec<(u32, Quantity)>>,
        tracking: Option<CompactString>,
    },
    Deliver,
    /// Nothing comes back any more.
    Complete,
    Return {
        lines: Vec<(u32, Quantity, Disposition)>,
        refund: RefundChoice,
    },
    RefundAmount {
        amount: Money,
        reason: CompactString,
    },
    RefundLines {
        lines: Vec<(u32, Quantity)>,
        reason: CompactString,
    },
    // Told by other actors:
    /// Whoever placed it is told that it stands, whatever becomes of its payment.
    Accept,
    PaymentPaid {
        payment: PaymentId,
    },
    /// Its charge was being undone, and had gone through.
    PaymentPaidLate {
        payment: PaymentId,
        policy: LatePayment,
    },
    PaymentFailed {
        payment: PaymentId,
        reason: CompactString,
    },
    /// Where it stands in full. It says how things are, not what happened, so it may come late and again.
    PaymentStands {
        payment: PaymentId,
        stage: Stage,
        next_action: Option<NextAction>,
    },
    /// What is set aside could not be captured, and still is set aside.
    CaptureFailed {
        payment: PaymentId,
        reason: CompactString,
    },
    PaymentRefunded {
        payment: PaymentId,
        amount: Amount,
        done: bool,
    },
    /// What had gone back came again.
    RefundReversed {
        payment: PaymentId,
        amount: Amount,
    },
    BackorderFilled {
        sku: SkuId,
        quantity: Quantity,
        /// How long the units stay held if the order waited to be let in.
        offer_seconds: u32,
    },
    /// A lottery was drawn, and it won nothing.
    NotDrawn,
    /// Units that it had shipped had been taken by a shortfall.
    ShippedShort {
        sku: SkuId,
        quantity: Quantity,
    },
    Displaced {
        sku: SkuId,
        quantity: Quantity,
    },
    DeadlineReached,
    /// How a SKU of another partition stands to the order, when none of its steps is on its way.
    StockIs {
        sku: SkuId,
        held: Quantity,
        /// Held and allocated.
        kept: Quantity,
        waiting: Quantity,
        offer_seconds: u32,
    },
    StepDone {
        step: u32,
        /// Units of a shipment that a shortfall had taken meanwhile.
        short: Option<(SkuId, Quantity)>,
    },
}

/// What an order wants of others. None of it can be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderAsk {
    /// Of a SKU.
    Stock(SkuId, StockCommand),
    /// Of one of its payments.
    Payment(PaymentId, PaymentCommand),
    /// Of the owner of a use.
    Uses(Subject, UsesCommand),
    /// Of whoever starts payments: these are due.
    Charge(Vec<Tender>),
}
