//! Card gateways: the simulated one, the generic one over HTTP, what stands in front of them, and what they send back.
//!
//! ```text
//!   partition ─▶ GuardedGateway (circuit breaker) ─▶ HttpGateway ─▶ the gateway
//!   partition ◀─ POST /webhooks/{gateway}, signed ◀──────────────────────┘
//! ```

mod breaker;
mod entropy;
mod guarded;
mod http;
pub(crate) mod protocol;
mod reconcile;
mod signature;
mod simulated;

pub use breaker::{Breaker, BreakerRules, BreakerState};
pub use entropy::{Entropy, SystemEntropy};
pub use guarded::GuardedGateway;
pub use http::{HttpGateway, HttpGatewayError, HttpGatewayOptions};
pub use reconcile::{Difference, Settled, Settlement, SettlementFileError, SettlementKind, compare, read_settlement};
pub use signature::{SignatureError, Signer, TOLERANCE_SECONDS};
pub use simulated::{
    AUTHENTICATION_TOKEN, Callback, Card, DECLINED_TOKEN, Fate, LOST_ANSWER_TOKEN, LOST_REQUEST_TOKEN, SILENT_TOKEN,
    SimulatedGateway, TWO_STEP_TOKEN,
};
