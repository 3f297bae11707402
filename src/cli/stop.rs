//! Waiting for the signals that ask a process to stop.

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::Failure;

/// The signals, caught from the moment this exists: a process that says where it listens may be stopped right then.
pub(super) struct StopSignals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Catches SIGTERM and SIGINT from now on.
    pub(super) fn catch() -> Result<Self, Failure> {
        let cannot = |error| Failure::cannot("signals_unavailable", format!("no signal handler: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(cannot)?;
        let (terminate, interrupt) = {
            let _context = runtime.enter();
            (signal(SignalKind::terminate()).map_err(cannot)?, signal(SignalKind::interrupt()).map_err(cannot)?)
        };
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Blocks until one has come or a drain was asked for, and names what it was.
    pub(super) fn wait_or(mut self, drain: impl Future<Output = ()>) -> &'static str {
        self.runtime.block_on(async {
            tokio::select! {
                () = drain => "drain",
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            }
        })
    }
}
