//! One payment of an order: its table of states, what was asked of the gateway, what went back.
//!
//! ```text
//!                PAY_SUCCESS            REFUND_REQ
//!   PENDING ───────────────────▶ PAID ─────────────▶ REFUNDING ──REFUND_SUCCESS──▶ REFUNDED
//!      │  ▲                       ▲                      │
//!      │  └──RETRY── FAILED       └─REFUND_FAILURE───────┘
//!      └─PAY_FAILURE, TIMEOUT─▶
//! ```
//!
//! These five are what the public sees of the full table in `table.rs`.
//!
//! Money moves once: every call to the gateway carries a key made of the payment and the operation, the same one
//! on every retry and after a crash.

mod answer;
mod call;
mod decide;
mod event;
#[cfg(test)]
mod every_stage;
pub mod gateway;
mod notice;
mod progress;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod rules;
mod stage;
mod state;
mod step;
mod table;
#[cfg(test)]
mod table_rules;

pub use call::{first_call, permitted_overcapture};
pub use decide::{ATTEMPTS_MAX, PaymentAsk, PaymentCommand, decide};
pub use event::PaymentEvent;
pub use progress::{Capture, NextAction, Progress};
pub use stage::{MainState, Stage};
pub use state::{Method, OpenOperation, Payment, Refund};
pub use table::{PUBLIC_TRANSITIONS, PaymentState, PublicTransition, Step, Transition, markdown, transition};
