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

mod admission;
mod alarm;
mod apply;
mod backorder;
mod command;
mod counters;
mod decide;
mod define;
mod definition;
mod event;
mod hold;
mod manage;
pub mod market;
mod pick;
mod plain;
mod promise;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod rules;
mod shortfall;
pub mod sourcing;
mod state;

pub use admission::{Admission, Digest, Lottery, largest_remainder};
pub use alarm::{Alarms, TELLS_ALARMS};

pub use command::{Disposition, HoldMode, StockCommand, Unsellable};
pub use counters::Counters;
pub use decide::{Setting, decide, decide_in};
pub use define::KIT_PARTS_MAX;
pub use definition::{Definition, KitPart, SkuStatus};
pub use event::units;
pub use event::{Pick, Picks, ReleaseReason, StockEvent};
pub use market::{Market, MarketCommand, MarketEvent, MarketRules};
pub use promise::Promise;
pub use sourcing::{Distances, HoldContext, SourcingPlan, SourcingStrategy};
pub use state::{Announcement, Backorder, Bin, Commitment, Rare, Stock, StockLevels};
