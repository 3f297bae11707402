//! Loom models of `sync/`: every interleaving that matters, searched rather than hoped for.
//!
//! # What it is
//!
//! `sync/` names locks, atomics and threads in one module only, `primitives`. This crate has a module of that name over loom's
//! types and compiles the other files of `sync/` a second time, unchanged:
//!
//! ```text
//!   sync/src/watermark.rs ---+---> stockade-sync        over sync/src/primitives.rs         (parking_lot, std)
//!   sync/src/inbox.rs     ---+
//!   ...                      +---> stockade-loom-tests  over loom-tests/src/primitives.rs   (loom)
//!                                     |
//!   loom-tests/src/broken/*.rs  ------+---> loom-tests/tests/*.rs
//!   the same primitives with one bug each        the models: proven of the real one, refuted of its broken twins
//! ```
//!
//! No flag is needed: plain `cargo test --workspace` runs the models. `build.rs` sets `cfg(loom)` for this crate alone, which
//! leaves out the unit tests in the shared files.
//!
//! # What it is not
//!
//! It is not the protocol of an order over several actors, and not a test of the file system: a model sees one primitive, or
//! the hand-off from a turn to its replies, with two or three threads. What each model proves, and what it cannot, is in
//! `README.md`.

pub mod broken;
pub mod model;

mod primitives;

#[path = "../../sync/src/credit_gate.rs"]
pub mod credit_gate;
#[path = "../../sync/src/generation_ended.rs"]
pub mod generation_ended;
#[path = "../../sync/src/group_buffer.rs"]
pub mod group_buffer;
#[path = "../../sync/src/idempotency_slot.rs"]
pub mod idempotency_slot;
#[path = "../../sync/src/inbox.rs"]
pub mod inbox;
#[path = "../../sync/src/once_reply.rs"]
pub mod once_reply;
#[path = "../../sync/src/sleeper.rs"]
mod sleeper;
#[path = "../../sync/src/sold_out_gauge.rs"]
pub mod sold_out_gauge;
#[path = "../../sync/src/watermark.rs"]
pub mod watermark;
