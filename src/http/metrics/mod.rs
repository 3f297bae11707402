//! What an operator watches, as OpenMetrics text.
//!
//! | of | metrics |
//! |---|---|
//! | requests | durations by method, resource and class of status (with a trace id as exemplar), refusals by code |
//! | the journal | durations of syncs, records of a group, sequences, bytes |
//! | the engine | what is in memory, under way, waiting for the disk; lag of the query models |
//! | the process | resident memory |

mod gauges;
pub(super) mod resource;

use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::{Registry, Unit};

use super::listener::ConnectionGauge;
use super::problem::Code;
use super::trace::TraceId;
use crate::engine::Engine;
use gauges::Gauges;

/// The media type of the page.
pub(super) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers slower than this are told with the trace id of the caller.
const EXEMPLAR_FROM: Duration = Duration::from_millis(50);

/// Which requests a duration is of. Every label has a few values, whatever is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    method: &'static str,
    resource: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Exemplar {
    trace_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRefusal {
    code: &'static str,
}

type Durations = HistogramWithExemplars<Exemplar>;

/// The metrics of one server.
pub(super) struct Metrics {
    registry: Registry,
    durations: Family<OfRequest, Durations, fn() -> Durations>,
    refusals: Family<OfRefusal, Counter>,
}

impl Metrics {
    pub(super) fn new(
        engine: &Engine,
        connections: ConnectionGauge,
        is_draining: Box<dyn Fn() -> bool + Send + Sync>,
    ) -> Self {
        let mut registry = Registry::with_prefix("stockade");
        // From 250 microseconds to 8 seconds.
        let durations = Family::new_with_constructor(
            (|| Durations::new(exponential_buckets(0.000_25, 2.0, 16))) as fn() -> Durations,
        );
        let refusals = Family::default();
        let help = "Time from a request's head to its answer's head";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, durations.clone());
        registry.register(
            "http_refusals",
            "Requests that were refused, by the code of their problem",
            refusals.clone(),
        );
        let sync = engine.write_times();
        let help = "Time to make a group of records durable";
        registry.register_with_unit("journal_sync_duration", help, Unit::Seconds, sync.durations.clone());
        registry.register("journal_group_records", "Records that one sync made durable", sync.records.clone());
        registry.register_collector(Box::new(Gauges { engine: engine.clone(), connections, is_draining }));
        Self { registry, durations, refusals }
    }

    /// Notes an answer.
    pub(super) fn note(
        &self,
        method: &Method,
        path: &str,
        (status, code): (StatusCode, Option<Code>),
        took: Duration,
        trace: Option<TraceId>,
    ) {
        let of = OfRequest { method: method_of(method), resource: resource::of(path), class: class_of(status) };
        let exemplar = trace.filter(|_| took >= EXEMPLAR_FROM).map(|trace| Exemplar { trace_id: trace.to_string() });
        self.durations.get_or_create(&of).observe(took.as_secs_f64(), exemplar, None);
        if let Some(code) = code {
            self.refusals.get_or_create(&OfRefusal { code: code.name() }).inc();
        }
    }

    /// The whole page.
    pub(super) fn page(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes every write");
        text
    }
}

fn method_of(method: &Method) -> &'static str {
    const KNOWN: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or("other")
}

fn class_of(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::listener::Listener;

    #[test]
    fn a_slow_answer_is_told_with_the_trace_of_its_caller() {
        let engine = Engine::in_memory().unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Default::default()).unwrap();
        let metrics = Metrics::new(&engine, listener.gauge(), Box::new(|| false));
        let trace = TraceId::next();
        let note = |millis| {
            let outcome = (StatusCode::CONFLICT, Code::named("stock_exhausted"));
            metrics.note(&Method::POST, "/api/v1/orders", outcome, Duration::from_millis(millis), Some(trace));
        };
        note(1);
        assert!(!metrics.page().contains("trace_id"), "a fast one needs no example");
        note(60);
        let page = metrics.page();
        assert!(page.contains(&format!("# {{trace_id=\"{trace}\"}} 0.06")), "{page}");
        assert!(page.contains("stockade_http_refusals_total{code=\"stock_exhausted\"} 2"), "{page}");
    }
}
