//! Waiting for the signals that ask a process to stop.

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::Failure;

/// The signals, caught from the moment this exists: a process that says where it listens may be stopped right then.
pub(super) struct StopSignals {
    runtime: Runtime,
    /// Never waited for: without a handler a limit on file sizes would end the process instead of failing a write, which
    /// is a full disk like any other.
    #[allow(dead_code, reason = "held so that the signal stays caught")]
    file_too_large: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Catches SIGTERM and SIGINT from now on.
    pub(super) fn catch() -> Result<Self, Failure> {
        let cannot = |error| Failure::cannot("signals_unavailable", format!("no signal handler: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(cannot)?;
        let catch = |kind| {
            let _context = runtime.enter();
            signal(kind).map_err(cannot)
        };
        let file_too_large = catch(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        let (terminate, interrupt) = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
        Ok(Self { runtime, file_too_large, terminate, interrupt })
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
