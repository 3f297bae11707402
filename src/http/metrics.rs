//! What an operator watches, as OpenMetrics text.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::Engine;

/// The media type of the page.
pub(super) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers by hundreds of their status.
#[derive(Debug, Default)]
pub(super) struct Answered([AtomicU64; 6]);

impl Answered {
    pub(super) fn count(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100).min(5);
        self.0[class].fetch_add(1, Ordering::Relaxed);
    }
}

/// The whole page.
pub(super) fn page(engine: &Engine, answered: &Answered, connections: usize, is_draining: bool) -> String {
    let (bytes, _) = engine.journal_size();
    let gauges = [
        ("stockade_requests_in_flight", "Requests inside the engine.", u64::from(engine.in_flight())),
        ("stockade_http_connections", "Connections open on the public listener.", connections as u64),
        ("stockade_durable_sequence", "Last sequence on disk.", engine.durable()),
        (
            "stockade_projection_lag_records",
            "Durable records that the query models do not know.",
            engine.projection_lag(),
        ),
        ("stockade_journal_bytes", "Bytes in the journal.", bytes),
        (
            "stockade_failed",
            "1 when the journal has failed and the engine must be reopened.",
            u64::from(engine.has_failed()),
        ),
        ("stockade_draining", "1 while the server is stopping.", u64::from(is_draining)),
    ];
    let mut text = String::new();
    for (name, help, value) in gauges {
        let _ = writeln!(text, "# TYPE {name} gauge\n# HELP {name} {help}\n{name} {value}");
    }
    text.push_str("# TYPE stockade_actors gauge\n# HELP stockade_actors What each partition has in memory.\n");
    for (partition, census) in engine.census().iter().enumerate() {
        for (kind, count) in census.read() {
            let _ = writeln!(text, "stockade_actors{{partition=\"{partition}\",kind=\"{kind}\"}} {count}");
        }
    }
    let _ = writeln!(
        text,
        "# TYPE stockade_http_responses counter\n# HELP stockade_http_responses Answers by class of status."
    );
    for (class, count) in answered.0.iter().enumerate().skip(1) {
        let count = count.load(Ordering::Relaxed);
        let _ = writeln!(text, "stockade_http_responses_total{{class=\"{class}xx\"}} {count}");
    }
    text.push_str("# EOF\n");
    text
}
