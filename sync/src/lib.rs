//! The few concurrent primitives that Stockade's actors, journal and connections meet in.
//!
//! # What it is
//!
//! Seven small things, one file each, and nothing else. All of them stand on the real path of an order:
//!
//! ```text
//!  callers                         partition (one thread)                     journal writer (one thread)
//!  -------                         ----------------------                     ---------------------------
//!  IdempotencySlot  claim the key
//!  SoldOutGauge     refuse early <------ publish
//!  CreditGate       take a credit
//!  Inbox            push ---------> drain, decide, apply
//!                                   GroupBuffer::append ------- swap -------> take, write, fdatasync
//!                                     |  Appended (the token)                   |
//!                                     v                                         v
//!                                   Watermark::park(basis, replies) <------- Watermark::publish(last)
//!  OnceReply        wait <--------------------------------------------------- send what is due
//! ```
//!
//! Two rules of the engine are types here, so that they cannot be forgotten:
//!
//! - *Append before effect.* Effects are released with an [`Appended`]; only [`GroupBuffer`] can make one.
//! - *A failed write ends the generation.* [`GroupBuffer::fail`] and [`Watermark::close`] are final; whatever comes later
//!   is told [`GenerationEnded`].
//!
//! # What it is not
//!
//! It knows no runtime (neither tokio nor actix), no domain, no file and no clock but the one beneath a timeout. It is no
//! general library of channels and locks: every primitive has exactly the users drawn above.
//!
//! # How it is checked
//!
//! Locks, atomics, threads and `Arc` come from one module, `primitives`. The crate `loom-tests` compiles these very files a
//! second time against loom's types and searches their interleavings; there each primitive has a broken twin, which its
//! model must catch. The unit tests beside the code run with real threads, and only here (`not(loom)`).

mod credit_gate;
mod generation_ended;
mod group_buffer;
mod idempotency_slot;
mod inbox;
mod once_reply;
mod primitives;
mod sleeper;
mod sold_out_gauge;
mod watermark;

pub use credit_gate::{CreditGate, Credits};
pub use generation_ended::GenerationEnded;
pub use group_buffer::{Appended, Group, GroupBuffer, Taken};
pub use idempotency_slot::{Claim, IdempotencySlot, Outcome, OwnerGuard, Waiter};
pub use inbox::{Inbox, InboxClosed};
pub use once_reply::{Abandoned, ReplyReceiver, ReplySender, once_reply};
pub use sold_out_gauge::SoldOutGauge;
pub use watermark::{Parked, Reached, Watermark};
