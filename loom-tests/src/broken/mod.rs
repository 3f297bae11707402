//! Broken twins: small copies of the primitives with one bug each, of the kind that passes every ordinary test.
//!
//! A model that holds for the real primitive has to fail for its twins; otherwise it would prove nothing. Each twin has only
//! the methods that its model calls, and says at the wrong line what is wrong with it.

pub mod credit_gate;
pub mod group_buffer;
pub mod idempotency_slot;
pub mod inbox;
pub mod once_reply;
pub mod sold_out_gauge;
pub mod watermark;
