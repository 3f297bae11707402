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
//! Money moves once: every call to the gateway carries a key made of the payment and the operation, the same one
//! on every retry and after a crash.

mod decide;
mod event;
pub mod gateway;
#[cfg(test)]
mod rules;
mod state;
mod table;

pub use decide::{PaymentAsk, PaymentCommand, decide, first_call};
pub use event::PaymentEvent;
pub use state::{Method, OpenOperation, Payment, Refund};
pub use table::{Column, PaymentState, TRANSITIONS, Transition, transition};
