//! Everything that can fail, or that differs between two runs, is reached through one of these.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_domain::payment::PaymentState;
use stockade_domain::payment::gateway::{GatewayCall, GatewayOutcome};
use stockade_domain::{PaymentId, Timestamp};

use crate::faults::Faults;

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Now, in unix microseconds.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the port through which everybody else reads the clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// A clock that moves only when it is told to.
#[derive(Debug, Default, Clone)]
pub struct ManualClock(Arc<Mutex<i64>>);

impl ManualClock {
    /// Starts at this time.
    pub fn at(time: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(time.0)))
    }

    /// Moves forward.
    pub fn advance_seconds(&self, seconds: i64) {
        *self.0.lock() += seconds * 1_000_000;
    }

    /// Jumps, also backward.
    pub fn set(&self, time: Timestamp) {
        *self.0.lock() = time.0;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(*self.0.lock())
    }
}

/// The answer of a gateway, later.
pub type GatewayAnswer = Pin<Box<dyn Future<Output = GatewayOutcome> + Send>>;

/// A card gateway.
///
/// It is called only after the record that says so is durable. It must do each call at most once per
/// [`GatewayCall::idempotency_key`], because a call of unknown outcome is repeated under the same key, after a crash
/// too.
pub trait Gateway: Send + Sync {
    /// Starts a call.
    fn call(&self, call: GatewayCall) -> GatewayAnswer;
}

/// Who is told of a payment's public transitions, once they are durable.
pub trait Notifier: Send + Sync {
    /// A payment is in this state now.
    fn payment_changed(&self, payment: PaymentId, state: PaymentState);
}

/// Writes transitions to the log.
#[derive(Debug, Default, Clone, Copy)]
pub struct LogNotifier;

impl Notifier for LogNotifier {
    fn payment_changed(&self, payment: PaymentId, state: PaymentState) {
        tracing::debug!(%payment, state = state.name(), "payment changed");
    }
}

/// The ports of one engine.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Cards.
    pub gateway: Arc<dyn Gateway>,
    /// Those who are told.
    pub notifier: Arc<dyn Notifier>,
    /// The switch of every mailbox.
    pub faults: Arc<Faults>,
}
