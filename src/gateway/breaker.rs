//! A circuit breaker: who fails too often is left alone for a while, then tried by one call. A pure state machine; time
//! is an argument.
//!
//! ```text
//!   CLOSED ──failures in a row──▶ OPEN ──pause──▶ HALF OPEN (one call) ──success──▶ CLOSED
//!                                  ▲────────failure───────┘
//! ```

use stockade_domain::Timestamp;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// So many failures in a row open it.
    pub failures: u32,
    /// How long it stays open at first, in seconds; twice as long after each call that fails when it is tried.
    pub pause_seconds: u32,
    /// The longest it stays open.
    pub pause_seconds_max: u32,
    /// A trial that is not answered within so many seconds has failed.
    pub trial_seconds: u32,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self { failures: 5, pause_seconds: 5, pause_seconds_max: 60, trial_seconds: 30 }
    }
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass; so many failed in a row.
    Closed {
        /// Failures since the last success.
        failures: u32,
    },
    /// No call passes before then.
    Open {
        /// When one call may try.
        until: Timestamp,
    },
    /// One call is under way; no other passes.
    HalfOpen {
        /// When it counts as failed.
        until: Timestamp,
    },
}

/// The breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    rules: BreakerRules,
    state: BreakerState,
    /// How often in a row it was tried in vain.
    trials: u32,
}

impl Breaker {
    /// Closed.
    pub const fn new(rules: BreakerRules) -> Self {
        Self { rules, state: BreakerState::Closed { failures: 0 }, trials: 0 }
    }

    /// Where it stands.
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether a call may pass now. In the half-open state one may, until it is answered or its time is up.
    pub fn admit(&mut self, now: Timestamp) -> bool {
        match self.state {
            BreakerState::Closed { .. } => true,
            BreakerState::Open { until } | BreakerState::HalfOpen { until } if now < until => false,
            BreakerState::Open { .. } => {
                self.state = BreakerState::HalfOpen { until: now.plus_seconds(self.rules.trial_seconds) };
                true
            }
            BreakerState::HalfOpen { .. } => {
                self.open(now);
                false
            }
        }
    }

    /// A call was answered.
    pub fn succeeded(&mut self) {
        // An old answer proves nothing about now: only the trial closes it again.
        if !matches!(self.state, BreakerState::Open { .. }) {
            self.state = BreakerState::Closed { failures: 0 };
            self.trials = 0;
        }
    }

    /// A call was not answered.
    pub fn failed(&mut self, now: Timestamp) {
        match self.state {
            BreakerState::Closed { failures } if failures + 1 < self.rules.failures => {
                self.state = BreakerState::Closed { failures: failures + 1 };
            }
            BreakerState::Closed { .. } | BreakerState::HalfOpen { .. } => self.open(now),
            BreakerState::Open { .. } => {}
        }
    }

    fn open(&mut self, now: Timestamp) {
        let pause = self.rules.pause_seconds.saturating_mul(1 << self.trials.min(16)).min(self.rules.pause_seconds_max);
        self.trials = self.trials.saturating_add(1);
        self.state = BreakerState::Open { until: now.plus_seconds(pause) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_790_000_000_000_000);

    fn at(seconds: u32) -> Timestamp {
        START.plus_seconds(seconds)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(BreakerRules::default());
        (0..5).for_each(|_| breaker.failed(START));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut breaker = Breaker::new(BreakerRules::default());
        (0..4).for_each(|_| breaker.failed(START));
        breaker.succeeded();
        (0..4).for_each(|_| breaker.failed(START));
        assert!(breaker.admit(START));
        breaker.failed(START);
        assert!(!breaker.admit(START));
        assert_eq!(breaker.state(), BreakerState::Open { until: at(5) });
    }

    #[test]
    fn one_call_tries_it_and_closes_it() {
        let mut breaker = opened();
        assert!(!breaker.admit(at(4)));
        assert!(breaker.admit(at(5)));
        assert!(!breaker.admit(at(5)), "one call only");
        breaker.succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed { failures: 0 });
        assert!(breaker.admit(at(5)) && breaker.admit(at(5)));
    }

    #[test]
    fn a_trial_that_fails_opens_it_for_twice_as_long_up_to_a_minute() {
        let (mut breaker, mut now, mut pauses) = (opened(), START, Vec::new());
        for _ in 0..6 {
            let BreakerState::Open { until } = breaker.state() else { panic!("it is open") };
            pauses.push((until.0 - now.0) / 1_000_000);
            now = until;
            assert!(breaker.admit(now));
            breaker.failed(now);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn a_trial_that_nobody_answers_does_not_keep_it_half_open() {
        let mut breaker = opened();
        assert!(breaker.admit(at(5)));
        assert!(!breaker.admit(at(34)));
        assert!(!breaker.admit(at(35)), "it has failed");
        assert_eq!(breaker.state(), BreakerState::Open { until: at(45) });
        assert!(breaker.admit(at(45)));
    }

    #[test]
    fn answers_to_calls_from_before_it_opened_do_not_close_it() {
        let mut breaker = opened();
        breaker.succeeded();
        breaker.failed(at(1));
        assert_eq!(breaker.state(), BreakerState::Open { until: at(5) });
    }
}
