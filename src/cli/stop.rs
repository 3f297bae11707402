//! Waiting for the signals that ask a process to stop.

use tokio::signal::unix::{SignalKind, signal};

use super::output::Failure;

/// Blocks until SIGTERM or SIGINT.
pub(super) fn wait_for_signal() -> Result<&'static str, Failure> {
    let cannot = |error: std::io::Error| Failure::cannot("signals_unavailable", format!("no signal handler: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(cannot)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        Ok(tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        })
    })
}
