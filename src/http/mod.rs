//! The server: HTTP/1.1 in front of the engine.
//!
//! ```text
//!   listener ─▶ connection (hyper, pulse: timeouts) ─▶ warp filter ─▶ route ─▶ Engine
//!      ▲                                                  │ headers, body, fields, paging
//!    drain                                                ▼
//!                                       answer, or a problem from the one table of codes
//! ```
//!
//! | module | concept |
//! |---|---|
//! | [`listener`] | binds, accepts, caps, drains |
//! | [`limits`] | how much one listener gives to its clients |
//! | [`drain`] | stopping without cutting anyone off |
//! | [`problem`] | errors as clients see them, and the table of codes |
//! | [`body`], [`fields`] | JSON bodies, and fields whose wrong values have codes of their own |
//! | [`headers`], [`paging`], [`trace`] | what else steers a request |
//! | `routes`, `requests`, `order_body`, `stock_body`, `render` | which request is for what, its body, and an order as its answer |
//! | `batch` | orders by the line, streamed both ways |
//! | `handler`, `callers` | from a request to its answer, and who asks |
//! | `admin`, `metrics`, [`log_level`], `webhook_endpoints` | the admin listener: what operators see and steer |
//! | [`openapi`] | the interface as a document and as a page |
//! | [`Server`] | both listeners and their threads |
//!
//! What it is not: a general web framework, a TLS terminator or an HTTP/2 server; a proxy in front does both.

mod admin;
mod batch;
pub mod body;
mod body_room;
mod books;
mod callers;
mod chaos;
mod connection;
pub mod drain;
mod faulty;
mod feed;
pub mod fields;
#[cfg(test)]
pub(crate) mod fuzz;
mod handler;
pub mod headers;
pub mod limits;
pub mod listener;
pub mod log_level;
mod market;
mod market_body;
mod metrics;
pub mod openapi;
mod order_body;
pub mod paging;
mod payments;
pub mod problem;
mod promotions;
mod pulse;
mod render;
mod requests;
mod routes;
mod server;
mod stock_body;
pub mod trace;
mod webhook_endpoints;

pub(crate) use metrics::resource::RESOURCES;
pub use pulse::{BodyError, RequestBody};
pub use server::{Server, ServerError, ServerOptions};
