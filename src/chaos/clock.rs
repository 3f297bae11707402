//! The clock port: a clock that is wrong while faults are armed. Engine time never runs backwards, whatever it says.

use std::sync::Arc;

use parking_lot::Mutex;
use stockade_actors::faults::Faults;
use stockade_actors::ports::Clock;
use stockade_domain::Timestamp;

use super::fault::{ClockFault, Fault, Port};

/// A clock behind the fault switch.
pub(crate) struct FaultyClock {
    inner: Arc<dyn Clock>,
    faults: Arc<Faults>,
    wrong: Mutex<Wrong>,
}

/// How it is wrong, for the rules that are armed.
#[derive(Default)]
struct Wrong {
    /// Which arming of the switch this is about.
    swaps: u64,
    /// When it became so.
    since: i64,
    faults: Vec<ClockFault>,
}

impl FaultyClock {
    pub(crate) fn new(inner: Arc<dyn Clock>, faults: Arc<Faults>) -> Self {
        Self { inner, faults, wrong: Mutex::default() }
    }

    #[cold]
    fn wrong_time(&self, now: i64) -> i64 {
        let mut wrong = self.wrong.lock();
        let swaps = self.faults.swaps();
        if wrong.swaps != swaps {
            let rules = self.faults.standing(Port::Clock);
            let fault = |fault: &Fault| if let Fault::Clock(fault) = fault { Some(*fault) } else { None };
            *wrong = Wrong { swaps, since: now, faults: rules.iter().filter_map(|rule| fault(&rule.fault)).collect() };
            rules.iter().for_each(|rule| self.faults.felt(&rule.fault, "now"));
        }
        wrong.faults.iter().fold(now, |time, fault| time.saturating_add(error(*fault, now - wrong.since)))
    }
}

/// How wrong a clock is in microseconds, so long after it became so.
fn error(fault: ClockFault, after: i64) -> i64 {
    let micros = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000);
    match fault {
        ClockFault::StepForward { ms } => micros(ms),
        ClockFault::StepBack { ms } => -micros(ms),
        // At most half as much as has passed.
        ClockFault::Drift { ppm } => (i128::from(after) * i128::from(ppm) / 1_000_000) as i64,
    }
}

impl Clock for FaultyClock {
    #[inline]
    fn now(&self) -> Timestamp {
        let now = self.inner.now();
        if self.faults.is_armed(Port::Clock) { Timestamp(self.wrong_time(now.0)) } else { now }
    }
}

#[cfg(test)]
mod tests {
    use stockade_actors::faults::FaultRule;
    use stockade_actors::ports::ManualClock;

    use super::*;

    #[test]
    fn a_clock_is_wrong_while_it_is_armed() {
        const START: Timestamp = Timestamp(1_790_000_000_000_000);
        let (manual, faults) = (ManualClock::at(START), Arc::new(Faults::default()));
        let clock = FaultyClock::new(Arc::new(manual.clone()), Arc::clone(&faults));
        let arm = |fault| faults.arm(vec![FaultRule::always(Fault::Clock(fault))]);
        arm(ClockFault::StepForward { ms: 5_000 });
        assert_eq!(clock.now(), START.plus_seconds(5));
        arm(ClockFault::StepBack { ms: 5_000 });
        assert_eq!(clock.now().plus_seconds(5), START);
        arm(ClockFault::Drift { ppm: 100_000 });
        assert_eq!(clock.now(), START, "it begins right");
        manual.advance_seconds(60);
        assert_eq!(clock.now(), START.plus_seconds(66));
        faults.disarm();
        assert_eq!(clock.now(), START.plus_seconds(60));
        assert_eq!(faults.fired(), 3, "each was felt");
    }
}
