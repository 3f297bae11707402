//! What clients saw, and whether one actor at a time could have answered so.
//!
//! ```text
//!   clients ─▶ Recorder: asked ... answered, or never ─▶ one history per SKU
//!                                                          │ check
//!              a SKU that does one thing after the other ◀─┘ is there an order of these requests that explains every answer
//!                                                            and in which none comes before one that had ended?
//! ```
//!
//! | file | concept |
//! |---|---|
//! | `check` | the search for that order, for anything that can be described sequentially |
//! | `record` | the recorder |
//! | `sku` | what a SKU does, one thing after the other |
//!
//! Linearizability is Herlihy and Wing's; the search is Wing and Gong's with Lowe's memory of what was tried.
//!
//! ```
//! use stockade::history::{Recorder, SkuAnswer, SkuRequest, SkuSpec, check};
//!
//! let recorder = Recorder::default();
//! let receipt = recorder.asked(SkuRequest::Receive(1));
//! receipt.answered(SkuAnswer::Done);
//! let (ann, bob) = (recorder.asked(SkuRequest::Hold { order: 1, units: 1 }), recorder.asked(SkuRequest::Hold { order: 2, units: 1 }));
//! ann.answered(SkuAnswer::Done);
//! bob.answered(SkuAnswer::Short { available: 0 });
//! assert!(check(&SkuSpec, recorder.history()).is_ok());
//! ```
//!
//! What it is not: a judge of several SKUs together. That an order of several lines is all or nothing is the auditor's
//! business.

mod check;
mod record;
mod sku;
#[cfg(test)]
mod tests;

pub use check::{NotLinearizable, Spec, check};
pub use record::{Asked, Recorder, Request};
pub use sku::{SkuAnswer, SkuRequest, SkuSpec, SkuState};
