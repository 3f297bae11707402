//! A gateway behind a circuit breaker. While that is open the gateway is not called: the payment is queued, the sale is
//! not lost.

use std::sync::Arc;

use parking_lot::Mutex;
use stockade_actors::ports::{Clock, Gateway, GatewayAnswer, SystemClock};
use stockade_domain::payment::gateway::{GatewayCall, GatewayOutcome};

use super::breaker::{Breaker, BreakerRules, BreakerState};

/// The gateway; clones share its breaker.
#[derive(Clone)]
pub struct GuardedGateway {
    inner: Arc<dyn Gateway>,
    breaker: Arc<Mutex<Breaker>>,
    clock: Arc<dyn Clock>,
}

impl GuardedGateway {
    /// Guards a gateway by these rules.
    pub fn new(inner: impl Gateway + 'static, rules: BreakerRules) -> Self {
        Self {
            inner: Arc::new(inner),
            breaker: Arc::new(Mutex::new(Breaker::new(rules))),
            clock: Arc::new(SystemClock),
        }
    }

    /// By this clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where its breaker stands.
    pub fn state(&self) -> BreakerState {
        self.breaker.lock().state()
    }
}

impl Gateway for GuardedGateway {
    fn call(&self, call: GatewayCall) -> GatewayAnswer {
        if !self.breaker.lock().admit(self.clock.now()) {
            let reason = "the gateway fails too often".into();
            return Box::pin(std::future::ready(GatewayOutcome::Unavailable { reason }));
        }
        let answer = self.inner.call(call);
        let (breaker, clock) = (Arc::clone(&self.breaker), Arc::clone(&self.clock));
        Box::pin(async move {
            let outcome = answer.await;
            let mut breaker = breaker.lock();
            match outcome {
                GatewayOutcome::Unknown { .. } => breaker.failed(clock.now()),
                GatewayOutcome::Unavailable { .. } => {}
                _ => breaker.succeeded(),
            }
            outcome
        })
    }
}
