//! A SKU's stock: one resource with one writer.
//!
//! ```text
//!   receipt ─▶ free ──hold──▶ held ──settle──▶ allocated ──ship──▶ gone
//!               ▲              │ release           │ cancel
//!               └──────────────┴───────────────────┘──▶ offered at once to the backorders, first come first served
//! ```
//!
//! Every counter lives in a [`Bin`] (one location and lot), is never negative, and always satisfies the two
//! identities in [`Counters::check`]. Only the order ends a committed hold; the SKU has no deadline of its own
//! but the expiry of its lots.

mod apply;
mod backorder;
mod command;
mod counters;
mod decide;
mod definition;
mod event;
mod pick;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod rules;
mod state;

pub use command::{Disposition, HoldMode, StockCommand, Unsellable};
pub use counters::Counters;
pub use decide::decide;
pub use definition::{Definition, SkuStatus};
pub use event::units;
pub use event::{Pick, Picks, ReleaseReason, StockEvent};
pub use state::{Backorder, Bin, Commitment, Stock, StockLevels};
