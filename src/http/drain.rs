//! Stopping without cutting anyone off: no new connections, those at work finish, and a deadline for the rest.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The switch that stops every accept loop it was handed to.
///
/// Dropping it without [`begin`](Drain::begin) stops them too, with no time to finish.
#[derive(Debug)]
pub struct Drain(watch::Sender<Option<Instant>>);

impl Drain {
    /// A switch not yet thrown.
    pub fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// What an accept loop listens to.
    pub fn signal(&self) -> DrainSignal {
        DrainSignal(self.0.subscribe())
    }

    /// Starts the drain: requests in flight have `within` from now, then their connections are closed. A second
    /// call may only bring the deadline forward.
    pub fn begin(&self, within: Duration) {
        let deadline = Instant::now() + within;
        self.0.send_if_modified(|current| {
            let sooner = current.is_none_or(|already| deadline < already);
            if sooner {
                *current = Some(deadline);
            }
            sooner
        });
    }

    /// How long those in flight still have; none before it began.
    pub fn time_left(&self) -> Option<Duration> {
        self.0.borrow().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether [`begin`](Drain::begin) was called.
    pub fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

/// The listening end of a [`Drain`].
#[derive(Debug, Clone)]
pub struct DrainSignal(watch::Receiver<Option<Instant>>);

impl DrainSignal {
    /// Resolves when the drain begins.
    pub async fn begun(mut self) {
        // An error says that the switch is gone, which begins the drain as well.
        let _gone = self.0.wait_for(Option::is_some).await;
    }

    /// Resolves when the drain's deadline has passed, wherever it is moved meanwhile.
    pub async fn cut(mut self) {
        loop {
            let deadline = *self.0.borrow_and_update();
            let moved = async {
                match deadline {
                    Some(at) => tokio::select! {
                        biased;
                        changed = self.0.changed() => changed.is_ok(),
                        () = tokio::time::sleep_until(at) => false,
                    },
                    None => self.0.changed().await.is_ok(),
                }
            };
            if !moved.await {
                break;
            }
        }
        // With the switch gone there is nobody left to move a deadline that was set, but it still holds.
        let deadline = *self.0.borrow();
        if let Some(at) = deadline {
            tokio::time::sleep_until(at).await;
        }
    }
}

/// How a drained accept loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections it accepted in its life, those over the cap not counted.
    pub accepted: u64,
    /// Connections that were still at work at the deadline, and were closed.
    pub cut: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_deadline_can_be_brought_forward_but_not_put_off() {
        let drain = Drain::new();
        let start = Instant::now();
        drain.begin(Duration::from_secs(10));
        drain.begin(Duration::from_secs(60));
        drain.signal().cut().await;
        assert_eq!(start.elapsed().as_secs(), 10);

        let drain = Drain::new();
        let start = Instant::now();
        let cut = tokio::spawn(drain.signal().cut());
        drain.begin(Duration::from_secs(10));
        tokio::task::yield_now().await;
        drain.begin(Duration::from_secs(3));
        cut.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_switch_that_is_dropped_stops_at_once() {
        let drain = Drain::new();
        let (begun, cut) = (drain.signal().begun(), drain.signal().cut());
        let start = Instant::now();
        drop(drain);
        begun.await;
        cut.await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_outlives_its_switch() {
        let drain = Drain::new();
        let cut = drain.signal().cut();
        let start = Instant::now();
        drain.begin(Duration::from_secs(5));
        drop(drain);
        cut.await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
