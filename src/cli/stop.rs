//! Waiting for the signals that ask a process to stop.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::Failure;

/// How often it is looked whether the engine has failed.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Why a server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A signal, by its name.
    Signal(&'static str),
    /// Asked for on the admin listener.
    Drain,
    /// The journal failed: nothing is acknowledged any more until the directory is opened again.
    Failure,
}

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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let catch = |kind| {
            let _context = runtime.enter();
            signal(kind).map_err(cannot)
        };
        let file_too_large = catch(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        let (terminate, interrupt) = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
        Ok(Self { runtime, file_too_large, terminate, interrupt })
    }

    /// Blocks until one has come, a drain was asked for or the engine has failed, and names what it was.
    pub(super) fn wait_or(&mut self, drain: impl Future<Output = ()>, has_failed: impl Fn() -> bool) -> Cause {
        let Self { runtime, terminate, interrupt, .. } = self;
        runtime.block_on(async {
            let failure = async {
                while !has_failed() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            tokio::select! {
                () = drain => Cause::Drain,
                () = failure => Cause::Failure,
                _ = terminate.recv() => Cause::Signal("SIGTERM"),
                _ = interrupt.recv() => Cause::Signal("SIGINT"),
            }
        })
    }

    /// From now on a second signal ends the process at once: the journal needs no orderly end. A signal after a drain that
    /// was asked for on the admin listener is the first: that is how a cluster stops what it has drained.
    pub(super) fn end_at_once_on_the_second(mut self, cause: Cause) {
        let first_has_come = matches!(cause, Cause::Signal(_));
        std::thread::spawn(move || {
            if !first_has_come {
                self.wait_or(std::future::pending(), || false);
            }
            self.wait_or(std::future::pending(), || false);
            tracing::warn!("stopping at once, as asked again; what was acknowledged is on disk");
            std::process::exit(3);
        });
    }
}
