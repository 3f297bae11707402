//! A request under an idempotency key whose caller has gone away: what becomes of it is bound to its key all the same, so that
//! the caller finds it when it comes back.
//!
//! ```text
//!   the caller waits ─▶ answer ─▶ bound ─▶ caller
//!   the caller is gone: its request is an orphan ─▶ answer ─▶ bound
//! ```

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use stockade_actors::command::Answer;
use stockade_actors::ports::Clock;
use stockade_actors::release::Receipt;
use stockade_domain::Refusal;
use stockade_domain::entity::EntityKey;

use super::keys::{Binding, Owner};
use super::porter;

/// A request that is on its way.
pub(super) struct Undecided<'a> {
    /// None: it is decided.
    left: Option<(Owner, Receipt)>,
    clock: &'a Arc<dyn Clock>,
}

impl<'a> Undecided<'a> {
    pub(super) const fn new(owner: Owner, receipt: Receipt, clock: &'a Arc<dyn Clock>) -> Self {
        Self { left: Some((owner, receipt)), clock }
    }

    /// Waits for the answer, and binds the key to it if it was accepted.
    pub(super) async fn decided(mut self) -> Result<Answer, Refusal> {
        let answer = poll_fn(|cx| match &mut self.left {
            Some((_, receipt)) => porter::poll(receipt, cx),
            None => Poll::Pending,
        });
        let answer = answer.await.unwrap_or(Err(Refusal::StorageUnavailable));
        if let Some((owner, _)) = self.left.take() {
            bind(owner, &answer, self.clock);
        }
        answer
    }
}

impl Drop for Undecided<'_> {
    fn drop(&mut self) {
        if let Some(left) = self.left.take() {
            Arc::new(Orphan { left: Mutex::new(Some(left)), clock: Arc::clone(self.clock) }).look();
        }
    }
}

fn bind(owner: Owner, answer: &Result<Answer, Refusal>, clock: &Arc<dyn Clock>) {
    let binding = match answer {
        // An order may be large, and it leaves memory when it is over: its journal has what was answered.
        Ok(Answer::Order(view)) => Binding::Made(EntityKey::Order(view.order.id), view.as_of),
        Ok(other) => Binding::Answer(Arc::new(other.clone())),
        Err(_) => return,
    };
    owner.bind(binding, clock.now());
}

/// Looks for its answer whenever it is woken. Its answer's sender holds it, so it lives until there is one, or none will be.
struct Orphan {
    left: Mutex<Option<(Owner, Receipt)>>,
    clock: Arc<dyn Clock>,
}

impl Orphan {
    fn look(self: &Arc<Self>) {
        let mut left = self.left.lock();
        let Some((_, receipt)) = left.as_mut() else { return };
        let waker = Waker::from(Arc::clone(self));
        if let Poll::Ready(answer) = Pin::new(receipt).poll(&mut Context::from_waker(&waker)) {
            let (owner, _) = left.take().expect("it was just there");
            drop(left);
            bind(owner, &answer.unwrap_or(Err(Refusal::StorageUnavailable)), &self.clock);
        }
    }
}

impl Wake for Orphan {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}
