//! Whoever waits for something: an async task or a blocked thread, woken in the same way.

use std::task::Waker;

use crate::primitives::{Thread, current};

/// One waiting task or thread. It is enlisted under the lock of what it waits for and woken after that lock is released.
#[derive(Debug)]
pub(crate) enum Sleeper {
    /// A task, to be polled again.
    Task(Waker),
    /// A thread in `park`, to be unparked.
    Thread(Thread),
}

impl Sleeper {
    /// The calling thread, which is about to park.
    pub(crate) fn this_thread() -> Self {
        Self::Thread(current())
    }

    /// Whether waking one would wake the other: then it need not be enlisted twice.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Task(one), Self::Task(other)) => one.will_wake(other),
            (Self::Thread(one), Self::Thread(other)) => one.id() == other.id(),
            _ => false,
        }
    }

    /// Wakes it. Waking somebody who has meanwhile given up is harmless.
    pub(crate) fn wake(self) {
        match self {
            Self::Task(waker) => waker.wake(),
            Self::Thread(thread) => thread.unpark(),
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_is_the_same_as_itself_and_as_nobody_else() {
        let task = || Sleeper::Task(Waker::noop().clone());
        let elsewhere = std::thread::spawn(Sleeper::this_thread).join().unwrap();
        let here = Sleeper::this_thread();
        assert!(here.is_same(&Sleeper::this_thread()) && task().is_same(&task()));
        assert!(!here.is_same(&elsewhere) && !here.is_same(&task()) && !task().is_same(&here));
    }
}
