//! The pure decisions of Stockade: who gets which unit, and what it costs.
//!
//! Everything here follows one shape, *decide, record, act*:
//!
//! ```text
//!   command ──▶ decide(&state, command, now) ──▶ events  or one named Refusal
//!                                            └─▶ asks: messages to other actors
//!   events  ──▶ apply(&mut state, event)     ──▶ the new state
//! ```
//!
//! `decide` reads, `apply` writes, and neither does I/O, reads a clock, draws randomness or depends on hash
//! order; so replaying the recorded events always rebuilds the state that was live when they were made.
//!
//! The house, from the ground up:
//!
//! | module | concept |
//! |---|---|
//! | [`money`], [`time`], [`id`], [`name`] | the values everything is made of |
//! | [`refusal`] | every way to say no, with its stable code |
//! | [`stock`] | a SKU: counters, lots, holds, backorders |
//! | [`book`] | a SKU's book: offers, bids, fills that are holds |
//! | [`account`] | a customer's wallet |
//! | [`payment`] | one payment and its table of states |
//! | [`promotion`] | rules that make a cart cheaper, coupons, their uses and budgets |
//! | [`order`] | the saga that ties them together |
//! | [`ledger`] | double-entry postings derived from events |
//! | [`entity`] | one name and one event type over all of them, as the journal sees them |
//! | [`codec`] | how lists, maps and texts are written |
//! | [`mistake`] | deliberate mistakes that the machines which judge the engine must catch |
//!
//! What it is not: it knows no journal, no actor and no HTTP.

pub mod account;
pub mod book;
pub mod codec;
pub mod entity;
pub mod id;
pub mod ledger;
pub mod mistake;
pub mod money;
pub mod name;
pub mod order;
pub mod payment;
pub mod promotion;
pub mod refusal;
pub mod stock;
pub mod time;

pub use id::{BookOrderId, OrderId, PaymentId};
pub use money::{Amount, Currency, Money, MoneyError};
pub use name::{CustomerId, Location, Lot, NameError, SkuId};
pub use refusal::Refusal;
pub use time::Timestamp;

/// Units of one SKU: a whole number; fractions do not exist here.
pub type Quantity = u64;

/// The largest quantity a command may name; more is refused with `quantity_invalid`.
pub const QUANTITY_MAX: Quantity = 1_000_000_000;

/// Refuses a quantity outside `1..=QUANTITY_MAX`.
pub fn check_quantity(quantity: Quantity) -> Result<(), Refusal> {
    if quantity == 0 || quantity > QUANTITY_MAX { Err(Refusal::QuantityInvalid) } else { Ok(()) }
}
