//! What can go wrong in a simulation, how often, and how often it did.

use std::collections::BTreeMap;

use super::dice::Dice;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident $name:literal $most:literal;)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind { $($(#[$doc])* $variant,)* }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The public name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How often of a thousand occasions, at most.
            const fn most(self) -> u64 {
                match self { $(Self::$variant => $most,)* }
            }
        }
    };
}

faults! {
    /// A message between partitions is lost.
    PeerLost "peer_lost" 100;
    /// A message between partitions comes twice.
    PeerTwice "peer_twice" 100;
    /// Messages between partitions overtake each other.
    PeerReordered "peer_reordered" 500;
    /// A message between partitions waits.
    PeerDelayed "peer_delayed" 300;
    /// One partition does not hear another for some seconds.
    OneWayCut "one_way_cut" 5;
    /// A partition takes no turn for a while.
    SlowPartition "slow_partition" 20;
    /// An actor panics before it handles a message.
    CrashBefore "crash_before" 20;
    /// An actor panics after it has handled a message.
    CrashAfter "crash_after" 20;
    /// The process is killed; the page cache survives.
    Kill "kill" 4;
    /// The power goes; of what was not synced any part may survive.
    PowerLoss "power_loss" 4;
    /// The power goes in the middle of a write.
    PowerCutInWrite "power_cut_in_write" 3;
    /// A disk operation fails.
    DiskError "disk_error" 3;
    /// A write stops half-way.
    ShortWrite "short_write" 3;
    /// There is no space.
    DiskFull "disk_full" 3;
    /// The gateway refuses.
    GatewayDeclines "gateway_declines" 200;
    /// A call to the gateway is lost on its way there.
    GatewayLosesRequest "gateway_loses_request" 200;
    /// The gateway's answer is lost.
    GatewayLosesAnswer "gateway_loses_answer" 200;
    /// The gateway answers late, or by a callback first.
    GatewayLate "gateway_late" 200;
    /// The gateway's callback comes several times.
    CallbackTwice "callback_twice" 300;
    /// The clock jumps ahead.
    ClockAhead "clock_ahead" 5;
    /// The clock jumps back.
    ClockBack "clock_back" 5;
}

/// Which faults strike in a run, and how often.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    rates: BTreeMap<FaultKind, u64>,
    dice: Dice,
    fired: BTreeMap<FaultKind, u64>,
}

impl FaultPlan {
    /// About half of the allowed kinds, each at its own rate: a run with few kinds goes deeper than one with all.
    pub fn drawn(seed: u64, allowed: &[FaultKind]) -> Self {
        let mut dice = Dice::of(seed, "fault plan");
        let mut rates = BTreeMap::new();
        for kind in FaultKind::ALL {
            let (wanted, rate) = (dice.per_mille(500), 1 + dice.below(kind.most()));
            if wanted && allowed.contains(kind) {
                rates.insert(*kind, rate);
            }
        }
        Self { rates, dice: Dice::of(seed, "faults"), fired: BTreeMap::new() }
    }

    /// Nothing strikes.
    pub(super) fn none() -> Self {
        Self { rates: BTreeMap::new(), dice: Dice::of(0, "none"), fired: BTreeMap::new() }
    }

    /// The same rates, drawn from elsewhere.
    pub(super) fn with_dice(&self, dice: Dice) -> Self {
        Self { rates: self.rates.clone(), dice, fired: BTreeMap::new() }
    }

    /// Whether this strikes now.
    pub(super) fn strikes(&mut self, kind: FaultKind) -> bool {
        let Some(rate) = self.rates.get(&kind) else { return false };
        let strikes = self.dice.per_mille(*rate);
        if strikes {
            *self.fired.entry(kind).or_default() += 1;
        }
        strikes
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.dice.below(bound)
    }

    /// Nothing strikes any more.
    pub(super) fn end(&mut self) {
        self.rates.clear();
    }

    /// How often each kind struck.
    pub fn fired(&self) -> &BTreeMap<FaultKind, u64> {
        &self.fired
    }
}
