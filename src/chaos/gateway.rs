//! The gateway port: calls that are refused, lost and late, and answers that the gateway tells by itself, twice or out of
//! order, while faults are armed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use stockade_actors::faults::{Faults, Hit, Occasion};
use stockade_actors::host::partition_of;
use stockade_actors::mailbox::{Incoming, Mailbox};
use stockade_actors::ports::{Gateway, GatewayAnswer};
use stockade_domain::entity::EntityKey;
use stockade_domain::payment::gateway::{GatewayCall, GatewayOutcome};
use tokio::sync::oneshot;

use super::fault::{Fault, GatewayFault, Port};

/// How long an answer waits for a later one when no other call is made.
const OVERTAKEN_WITHIN: Duration = Duration::from_secs(1);
/// Where answers of gateways overtake each other: no partition has this number.
const PLACE: usize = usize::MAX;

/// The partitions, once there are any: where a gateway tells what it has to tell by itself.
pub(crate) type Callbacks = Arc<OnceLock<Vec<Mailbox>>>;

/// A gateway behind the fault switch.
pub(crate) struct FaultyGateway {
    inner: Arc<dyn Gateway>,
    faults: Arc<Faults>,
    callbacks: Callbacks,
}

impl FaultyGateway {
    pub(crate) fn new(inner: Arc<dyn Gateway>, faults: Arc<Faults>, callbacks: Callbacks) -> Self {
        Self { inner, faults, callbacks }
    }

    fn wrongly(&self, call: GatewayCall, fault: GatewayFault, hit: Hit) -> GatewayAnswer {
        let reason = |reason: &str| reason.to_owned();
        let tell = Tell { callbacks: Arc::clone(&self.callbacks), call: call.clone() };
        let faults = Arc::clone(&self.faults);
        match fault {
            GatewayFault::Refuse => {
                let outcome = GatewayOutcome::Unavailable { reason: reason("fault injected: refused") };
                Box::pin(std::future::ready(outcome))
            }
            GatewayFault::LostBefore => {
                let outcome = GatewayOutcome::Unknown { reason: reason("fault injected: the call was lost") };
                Box::pin(std::future::ready(outcome))
            }
            GatewayFault::LostAfter => {
                let answer = self.inner.call(call);
                Box::pin(async move {
                    answer.await;
                    GatewayOutcome::Unknown { reason: reason("fault injected: the answer was lost") }
                })
            }
            GatewayFault::DuplicateCallback => {
                let answer = self.inner.call(call);
                Box::pin(async move {
                    let outcome = answer.await;
                    tell.by_itself(outcome.clone());
                    outcome
                })
            }
            GatewayFault::LateCallback(_) => {
                let answer = self.inner.call(call);
                Box::pin(async move {
                    let outcome = answer.await;
                    faults.limbo().hold(hit.round, hit.delay, Box::new(move || tell.by_itself(outcome)));
                    GatewayOutcome::Unknown { reason: reason("fault injected: the answer comes later") }
                })
            }
            GatewayFault::OutOfOrderCallback => {
                let answer = self.inner.call(call);
                Box::pin(async move {
                    let outcome = answer.await;
                    let (go, gone) = oneshot::channel();
                    let deliver = Box::new(move || _ = go.send(()));
                    faults.limbo().hold_until_overtaken(hit.round, PLACE, OVERTAKEN_WITHIN, deliver);
                    // A limbo that is gone lets everybody go on.
                    let _ = gone.await;
                    outcome
                })
            }
            GatewayFault::Slow(_) => {
                let inner = Arc::clone(&self.inner);
                Box::pin(async move {
                    faults.held(&hit).await;
                    inner.call(call).await
                })
            }
        }
    }
}

impl Gateway for FaultyGateway {
    fn call(&self, call: GatewayCall) -> GatewayAnswer {
        if !self.faults.is_armed(Port::Gateway) {
            return self.inner.call(call);
        }
        let occasion = || Occasion::of(call.operation.name(), EntityKey::Payment(call.payment).to_string());
        let Some(hit) = self.faults.strike(Port::Gateway, |_| true, occasion) else {
            let (answer, faults) = (self.inner.call(call), Arc::clone(&self.faults));
            return Box::pin(async move {
                let outcome = answer.await;
                // Those that wait to be overtaken go behind it: it is on its way when this future is over.
                faults.limbo().overtake(PLACE);
                outcome
            });
        };
        match hit.fault {
            Fault::Gateway(fault) => self.wrongly(call, fault, hit),
            _ => self.inner.call(call),
        }
    }
}

/// Tells a payment what its gateway tells by itself.
struct Tell {
    callbacks: Callbacks,
    call: GatewayCall,
}

impl Tell {
    fn by_itself(self, outcome: GatewayOutcome) {
        let Some(mailboxes) = self.callbacks.get() else { return };
        let GatewayCall { payment, operation, .. } = self.call;
        let home = partition_of(&EntityKey::Payment(payment), mailboxes.len());
        mailboxes[home].send(Incoming::Gateway { payment, operation, outcome });
    }
}
