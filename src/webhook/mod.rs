//! Outgoing webhooks: every durable fact is told to whoever wants it, as Standard Webhooks, at least once, and in order for
//! each subject.
//!
//! ```text
//!   journal ─▶ feed ─▶ window of facts ─▶ POST, signed ─▶ 2xx ─▶ cursor (a file)
//!                        one of each subject at a time    else: again, later and later; then a dead letter
//! ```
//!
//! A fact's id is the same whenever it is told, so whoever hears it twice can tell. What a slow or dead endpoint costs is
//! bounded: a window of facts; the rest stays in the journal.
//!
//! Endpoints are configured, or made while the engine runs ([`manage`]): those are kept in one file beside the cursors
//! (`saved.rs`), written whole before anybody is answered.

mod cursor;
mod delivery;
mod endpoint;
mod file;
pub mod manage;
mod saved;
mod secret;
mod sender;
mod service;
mod status;
mod window;

pub use delivery::RETRY_PAUSES;
pub use endpoint::{Endpoint, EndpointInvalid};
pub use manage::{ChangeRefused, EndpointChange, NewEndpoint, SecretMade};
pub use secret::{Secret, SecretInvalid};
pub use service::{Webhooks, WebhooksError};
pub use status::{EndpointStatus, SecretShown, Source, State};
