//! Every way to say no.
//!
//! A refusal decided in one turn writes nothing and leaves no trace in stock, balance or usage counts. Each has a
//! stable [`code`](Refusal::code); HTTP statuses and problem types are derived from it in one place.

use std::borrow::Cow;

use crate::promotion::Unavailable;
use crate::{Amount, CustomerId, Location, Money, Quantity, SkuId};

/// A SKU that could not give what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The SKU.
    pub sku: SkuId,
    /// Units asked for, over all lines of the order.
    pub requested: Quantity,
    /// Units that were available when it was decided.
    pub available: Quantity,
}

/// A promotion or coupon of which nothing is left, for somebody or for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// What has an end: its uses, those of one customer, its budget.
    pub why: Unavailable,
    /// Which promotion or coupon.
    pub subject: String,
    /// How much there is.
    pub limit: String,
    /// How much of it is taken.
    pub taken: String,
}

/// Why a command was refused. Each message says what the caller can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message is its documentation; the fields are the values in it")]
pub enum Refusal {
    #[error("not enough stock: order at most what is available, or allow a partial order or a backorder")]
    StockExhausted { items: Vec<Shortage>, as_of: u64 },
    #[error("the wallet of {customer} has {available} free, {needed} are needed: credit it or add another payment")]
    InsufficientBalance { customer: CustomerId, available: Amount, needed: Amount },
    #[error("the payment was declined ({reason}): nothing was charged; use another payment method")]
    PaymentDeclined { reason: String },
    #[error("a customer may have {limit} of {sku} and has {taken} already")]
    LimitExceeded { sku: SkuId, limit: Quantity, taken: Quantity },
    #[error("coupon {code} is not valid: {why}")]
    CouponInvalid { code: String, why: Cow<'static, str> },
    #[error("coupon {code} is used up: order without it")]
    CouponExhausted { code: String },
    #[error("the {} of {} is limited to {}, and {} is taken: order without it", .0.why, .0.subject, .0.limit, .0.taken)]
    UsesExceeded(Box<Excess>),
    #[error("{why}: name a `customer` or a `purchaser_key`")]
    CustomerRequired { why: &'static str },
    #[error("SKU {sku} is not known: define it first")]
    SkuUnknown { sku: String },
    #[error("SKU {sku} is {status} and takes no new orders")]
    SkuNotSellable { sku: SkuId, status: &'static str },
    #[error("the total is {actual}, more than the expected {expected}: show the new price and order again")]
    PriceChanged { expected: Money, actual: Money },
    #[error("a quantity is a whole number from 1 to 1,000,000,000")]
    QuantityInvalid,
    #[error("the amount is not acceptable: {why}")]
    MoneyInvalid { why: String },
    #[error("one order has one currency: {found} was given where {wanted} is needed")]
    CurrencyMismatch { wanted: String, found: String },
    #[error("an order has at most {limit} lines, this one has {found}: split it")]
    TooManyLines { limit: usize, found: usize },
    #[error("the order is already paid: nothing more to pay")]
    AlreadyPaid,
    #[error("the hold has expired and its stock went back: place the order anew")]
    HoldExpired,
    #[error("the order is {status}: {wanted}")]
    OrderStateInvalid { status: &'static str, wanted: &'static str },
    #[error("the payment is {state}: {event} is not possible")]
    PaymentStateInvalid { state: &'static str, event: &'static str },
    #[error(
        "{sku} has only {free} free at {location}: what is promised would be broken; use `force` to turn promises into backorders"
    )]
    BelowCommitments { sku: SkuId, location: Location, free: Quantity },
    #[error("the id {id} was already used with another body")]
    IdConflict { id: String },
    #[error("the id {id} is older than the retention window: make a new one")]
    IdExpired { id: String },
    #[error("`{id}` is not a UUIDv7")]
    IdInvalid { id: String },
    #[error("{what} not found")]
    NotFound { what: String },
    #[error("`{field}`: {why}")]
    BodyInvalid { field: &'static str, why: String },
    #[error("the idempotency key was already used with another body: use a new key")]
    IdempotencyKeyReused,
    #[error("the book refuses it: {why}")]
    BookRefused { code: &'static str, why: String },
    #[error("the thing has changed since you read it: read it again")]
    PreconditionFailed,
    #[error("too much work is waiting: retry after a moment")]
    Overloaded,
    #[error("the disk has no room for more: nothing happened; free space and retry")]
    StorageFull,
    #[error("the outcome is unknown because the journal failed: retry with the same key or id")]
    StorageUnavailable,
    #[error("the actor failed while handling this command and was rebuilt: nothing happened; this is a bug to report")]
    ActorFailed,
}

impl Refusal {
    /// The stable name that programs compare.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::StockExhausted { .. } => "stock_exhausted",
            Self::InsufficientBalance { .. } => "insufficient_balance",
            Self::PaymentDeclined { .. } => "payment_declined",
            Self::LimitExceeded { .. } | Self::UsesExceeded(_) => "limit_exceeded",
            Self::CouponInvalid { .. } => "coupon_invalid",
            Self::CouponExhausted { .. } => "coupon_exhausted",
            Self::CustomerRequired { .. } => "customer_required",
            Self::SkuUnknown { .. } => "sku_unknown",
            Self::SkuNotSellable { .. } => "sku_not_sellable",
            Self::PriceChanged { .. } => "price_changed",
            Self::QuantityInvalid => "quantity_invalid",
            Self::MoneyInvalid { .. } => "money_invalid",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::TooManyLines { .. } => "too_many_lines",
            Self::AlreadyPaid => "already_paid",
            Self::HoldExpired => "hold_expired",
            Self::OrderStateInvalid { .. } | Self::PaymentStateInvalid { .. } => "order_state_invalid",
            Self::BelowCommitments { .. } => "below_commitments",
            Self::IdConflict { .. } => "id_conflict",
            Self::IdExpired { .. } => "id_expired",
            Self::IdInvalid { .. } => "id_invalid",
            Self::NotFound { .. } => "not_found",
            Self::BodyInvalid { .. } => "body_invalid",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::BookRefused { code, .. } => code,
            Self::PreconditionFailed => "precondition_failed",
            Self::Overloaded => "overloaded",
            Self::StorageFull => "storage_full",
            Self::StorageUnavailable => "storage_unavailable",
            Self::ActorFailed => "internal_error",
        }
    }
}
