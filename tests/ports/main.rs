//! Every port of a real engine is made to fail while it runs: what is armed happens, what is promised is kept, and what is
//! disarmed happens no more.

mod clock;
mod disk;
mod gateway;
mod http;
mod mailbox;
mod shop;
mod together;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "../support/wire.rs"]
mod wire;
