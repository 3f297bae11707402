//! The actors of Stockade: partitions and the small actors hosted in them.
//!
//! ```text
//!   callers ─▶ Mailbox (inbox, one wake per batch) ─▶ Partition (actix actor) ─▶ Host::step: one turn
//!                                                                                 │ decide, apply, encode
//!                                                     GroupBuffer::append ◀───────┘
//!                                                          │ Appended
//!   callers ◀─ Watermark ◀─ Effects::release ◀─────────────┘
//! ```
//!
//! | module | concept |
//! |---|---|
//! | [`command`] | what is asked and what is answered |
//! | [`mailbox`] | the door of a partition |
//! | [`host`] | the inside of a partition: hosted actors, turns, supervision, checkpoints |
//! | [`turn`], [`release`] | a turn's records, and the only way its effects can leave |
//! | [`peer`] | what partitions say to each other |
//! | [`ports`], [`faults`] | what can be made to fail |
//! | [`table`], [`copy_on_write`] | the hosted actors of one kind, and states that answers share |
//! | [`census`] | who is in memory, for those who operate it |
//! | [`kits`], [`rules`] | which SKUs are kits, and which promotions there are, for all partitions |
//! | [`shelf`] | what a partition reads of the past |
//! | [`partition`] | the actix shell that drives a host |
//!
//! What it is not: it decides nothing (that is `domain`) and writes nothing (that is `storage`).

pub mod census;
pub mod command;
pub mod copy_on_write;
pub mod faults;
pub mod host;
pub mod kits;
pub mod mailbox;
mod memory;
pub mod partition;
pub mod peer;
pub mod ports;
pub mod release;
pub mod rules;
pub mod shelf;
pub mod table;
pub mod turn;
