//! Where messages are held back, and where those wait whom a fault makes slow. Letting go empties it at once.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// What is done with what was held back.
pub type Deliver = Box<dyn FnOnce() + Send>;

struct Held {
    due: Instant,
    /// Goes when something else has gone to this place.
    overtaken_at: Option<usize>,
    deliver: Deliver,
}

#[derive(Default)]
struct Inner {
    held: Vec<Held>,
    /// Whether a thread looks after what is held.
    is_kept: bool,
    /// How many threads wait because they are made slow.
    waiting: usize,
    /// Changes when everything is let go.
    round: u64,
}

/// The place.
#[derive(Default)]
pub struct Limbo {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Limbo {
    /// How often everything was let go. What was decided before that is not held back after it.
    pub fn round(&self) -> u64 {
        self.inner.lock().round
    }

    /// Keeps this until then, unless everything was let go since that round.
    pub fn hold(self: &Arc<Self>, round: u64, delay: Duration, deliver: Deliver) {
        self.keep(round, Held { due: Instant::now() + delay, overtaken_at: None, deliver });
    }

    /// Keeps this until something else has gone to the same place, but not longer than so.
    pub fn hold_until_overtaken(self: &Arc<Self>, round: u64, place: usize, most: Duration, deliver: Deliver) {
        self.keep(round, Held { due: Instant::now() + most, overtaken_at: Some(place), deliver });
    }

    fn keep(self: &Arc<Self>, round: u64, held: Held) {
        let mut inner = self.inner.lock();
        if inner.round != round {
            drop(inner);
            (held.deliver)();
            return;
        }
        inner.held.push(held);
        if !inner.is_kept {
            let limbo = Arc::clone(self);
            inner.is_kept = thread::Builder::new().name("stockade-limbo".into()).spawn(move || limbo.run()).is_ok();
        }
        if !inner.is_kept {
            // No thread to be had: nothing may stay behind.
            drop(inner);
            self.let_go();
            return;
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Something has gone to this place: what was to be overtaken there goes now.
    pub fn overtake(&self, place: usize) {
        self.deliver_if(|held| held.overtaken_at == Some(place));
    }

    /// Waits so long, or until everything is let go, unless it was since that round.
    pub fn wait(&self, round: u64, delay: Duration) {
        let until = Instant::now() + delay;
        let mut inner = self.inner.lock();
        inner.waiting += 1;
        while inner.round == round && !self.changed.wait_until(&mut inner, until).timed_out() {}
        inner.waiting -= 1;
    }

    /// Delivers all that is held, oldest first, and lets everybody go on who waits.
    pub fn let_go(&self) {
        self.inner.lock().round += 1;
        self.changed.notify_all();
        self.deliver_if(|_| true);
    }

    /// How much is held, and how many wait.
    pub fn len(&self) -> usize {
        let inner = self.inner.lock();
        inner.held.len() + inner.waiting
    }

    /// Whether nothing is held and nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn deliver_if(&self, goes: impl Fn(&Held) -> bool) {
        let going: Vec<Held> = {
            let mut inner = self.inner.lock();
            let (going, staying) = std::mem::take(&mut inner.held).into_iter().partition(|held| goes(held));
            inner.held = staying;
            going
        };
        // Delivering may hold something else back, so the lock is open.
        going.into_iter().for_each(|held| (held.deliver)());
    }

    /// The thread: it ends when nothing is held.
    fn run(&self) {
        loop {
            let mut inner = self.inner.lock();
            let Some(due) = inner.held.iter().map(|held| held.due).min() else {
                inner.is_kept = false;
                return;
            };
            let now = Instant::now();
            if due > now {
                self.changed.wait_until(&mut inner, due);
                continue;
            }
            drop(inner);
            self.deliver_if(|held| held.due <= now);
        }
    }
}

impl std::fmt::Debug for Limbo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Limbo").field(&self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_is_held_comes_when_it_is_due_or_let_go() {
        let limbo = Arc::new(Limbo::default());
        let (out, came) = mpsc::channel();
        let say = |what: &'static str| -> Deliver {
            let out = out.clone();
            Box::new(move || out.send(what).unwrap())
        };
        let begun = Instant::now();
        limbo.hold(0, Duration::from_millis(20), say("soon"));
        assert_eq!(came.recv().unwrap(), "soon");
        assert!(begun.elapsed() >= Duration::from_millis(20));
        limbo.hold(0, Duration::from_secs(3_600), say("first"));
        limbo.hold_until_overtaken(0, 1, Duration::from_secs(3_600), say("overtaken"));
        limbo.hold(0, Duration::from_secs(3_600), say("second"));
        limbo.overtake(0);
        assert_eq!((limbo.len(), came.try_recv().is_err()), (3, true));
        limbo.overtake(1);
        assert_eq!(came.try_recv().unwrap(), "overtaken");
        limbo.let_go();
        assert_eq!([came.try_recv().unwrap(), came.try_recv().unwrap()], ["first", "second"]);
        limbo.hold(0, Duration::from_secs(3_600), say("late"));
        assert_eq!(came.try_recv().unwrap(), "late", "it was decided before everything was let go");
        assert!(limbo.is_empty());
    }

    #[test]
    fn who_waits_goes_on_when_everything_is_let_go() {
        let limbo = Arc::new(Limbo::default());
        let waits = {
            let limbo = Arc::clone(&limbo);
            thread::spawn(move || limbo.wait(0, Duration::from_secs(3_600)))
        };
        while limbo.is_empty() {
            thread::yield_now();
        }
        limbo.let_go();
        waits.join().unwrap();
        assert!(limbo.is_empty());
    }
}
