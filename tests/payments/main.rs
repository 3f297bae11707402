//! Payments from the outside: money that is taken later, buyers who must prove who they are, gateways that repeat
//! themselves, and what operators do with what was given up. Every directory is audited afterwards.

#[path = "../support/ask.rs"]
mod ask;
mod dead_letters;
mod over_http;
mod retries;
mod set_aside;
mod shop;
mod told;
mod when_due;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../support/wire.rs"]
mod wire;
