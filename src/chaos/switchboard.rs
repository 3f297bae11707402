//! The switchboard of an engine: which faults are armed, how often each has struck, and one switch that ends them all.

use std::sync::Arc;

use stockade_actors::command::Command;
pub use stockade_actors::faults::Fired;
use stockade_actors::faults::{FaultRule, Faults};

use super::fault::{FaultError, FaultSpec};

/// Arms the faults of one engine. Clones are the same switchboard.
///
/// With nothing armed each port costs one relaxed load.
#[derive(Debug, Clone)]
pub struct Switchboard {
    faults: Arc<Faults>,
    is_private: bool,
}

/// Why faults are not armed; those of before stay as they were.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ArmError {
    /// One is impossible.
    #[error("fault {index} (`{fault}`): {error}")]
    Invalid {
        /// Which, from 0.
        index: usize,
        /// Its name.
        fault: &'static str,
        /// Why.
        error: FaultError,
    },
    /// One breaks promises by its nature.
    #[error(
        "fault {index} (`{fault}`) breaks what the engine promises by its nature: it needs a private engine, on which \
         nobody relies"
    )]
    NeedsPrivateEngine {
        /// Which, from 0.
        index: usize,
        /// Its name.
        fault: &'static str,
    },
}

impl Switchboard {
    pub(crate) const fn new(faults: Arc<Faults>, is_private: bool) -> Self {
        Self { faults, is_private }
    }

    /// What ports ask.
    pub(crate) fn ports(&self) -> &Faults {
        &self.faults
    }

    /// Whether the answer to this command is lost.
    #[inline]
    pub(crate) fn loses_reply(&self, command: &Command) -> bool {
        self.faults.loses_reply(command)
    }

    /// Arms these faults in place of those of before, at all ports at once; none disarms. What those of before held back
    /// goes on.
    ///
    /// # Errors
    ///
    /// [`ArmError`] when one cannot be armed; then nothing has changed.
    pub fn arm(&self, specs: Vec<FaultSpec>) -> Result<(), ArmError> {
        for (index, spec) in specs.iter().enumerate() {
            let fault = spec.fault.name();
            spec.check().map_err(|error| ArmError::Invalid { index, fault, error })?;
            if spec.needs_private_engine() && !self.is_private {
                return Err(ArmError::NeedsPrivateEngine { index, fault });
            }
        }
        for spec in &specs {
            tracing::warn!(port = spec.fault.port().name(), fault = spec.fault.name(), "a fault is armed");
        }
        self.faults.arm(specs.into_iter().map(FaultSpec::into_rule).collect());
        Ok(())
    }

    /// Ends all faults: nothing strikes any more, messages that were held back are delivered, and whoever was made slow
    /// goes on.
    pub fn disarm(&self) {
        if self.is_armed() {
            tracing::warn!("all faults are disarmed");
        }
        self.faults.disarm();
    }

    /// Whether anything is armed.
    pub fn is_armed(&self) -> bool {
        self.faults.is_any_armed()
    }

    /// What is armed.
    pub fn armed(&self) -> Vec<FaultSpec> {
        let spec = |FaultRule { fault, select }| FaultSpec { fault, select };
        self.faults.rules().into_iter().map(spec).collect()
    }

    /// How many messages, calls and threads faults hold back at the moment. With nothing armed it becomes 0 as soon as those
    /// that were made slow have been woken.
    pub fn held_back(&self) -> usize {
        self.faults.limbo().len()
    }

    /// How often each fault has struck each operation since the engine was opened.
    pub fn fired(&self) -> Vec<Fired> {
        self.faults.fired_by_operation()
    }

    /// How often any fault has struck since the engine was opened.
    pub fn fired_in_all(&self) -> u64 {
        self.faults.fired()
    }
}
