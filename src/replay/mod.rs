//! Real order history, through the engine.
//!
//! ```text
//!   file ─▶ rows ─▶ history: each row's treatment, invoices as orders, steps in file order
//!                      │
//!                      ▼
//!   driver thread ─▶ engine ─▶ answers thread ─▶ driver: what was filled, what a return may link to
//!                                                  └─▶ tally: exact sums
//! ```
//!
//! | module | concept |
//! |---|---|
//! | [`source`] | a file as rows: CSV, gzip, zstandard, the original spreadsheet |
//! | [`history`] | what each row becomes, and in which order |
//! | [`sales`] | what was sold, and which sale a return belongs to |
//! | [`tally`] | the exact sums of the report |
//! | [`mod@run`] | the steps through an engine of its own |
//!
//! What it is not: it decides nothing about stock. What was filled is what the engine answered.

pub mod history;
pub mod run;
pub mod sales;
pub mod source;
pub mod tally;

mod answers;
mod shelves;

pub use history::{History, OpeningStock, Treatment};
pub use run::{OnShort, Options, Progress, ReplayError, Speed, run};
pub use tally::{Sum, Tally};
