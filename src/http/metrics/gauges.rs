//! What is read from the engine when the page is asked for.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::engine::Engine;
use crate::http::listener::ConnectionGauge;

pub(super) struct Gauges {
    pub(super) engine: Engine,
    /// Of the public listener.
    pub(super) connections: ConnectionGauge,
    pub(super) is_draining: Box<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").finish_non_exhaustive()
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let engine = &self.engine;
        let (bytes, _) = engine.journal_size();
        let load = engine.load();
        let gauges = [
            ("requests_in_flight", "Requests inside the engine", u64::from(engine.in_flight())),
            ("http_connections", "Connections open on the public listener", self.connections.open() as u64),
            ("durable_sequence", "Last sequence on disk", engine.durable()),
            ("appended_sequence", "Last sequence that was given, on disk or not", load.appended),
            ("projection_lag_records", "Durable records that the query models do not know", engine.projection_lag()),
            ("journal_bytes", "Bytes in the journal", bytes),
            ("failed", "1 when the journal has failed and the engine must be reopened", u64::from(engine.has_failed())),
            ("storage_full", "1 while new work is refused for want of disk space", u64::from(!engine.has_room())),
            ("credits", "Requests that may be inside the engine at once", u64::from(load.credits)),
            ("parked_answers", "Turns whose answers wait for the disk", load.parked_answers as u64),
            ("draining", "1 while the server is stopping", u64::from((self.is_draining)())),
            ("skus_known", "SKUs that are defined", load.skus_known as u64),
            (
                "resident_bytes",
                "Memory of the process that is in use, 0 where the system does not tell",
                resident_bytes(),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, &format!("{help}."), None, MetricType::Gauge)?)?;
        }
        let help = "What each partition has in memory.";
        let mut actors = encoder.encode_descriptor("actors", help, None, MetricType::Gauge)?;
        for (partition, census) in engine.census().iter().enumerate() {
            for (kind, count) in census.read() {
                let labels = [("partition", partition.to_string()), ("kind", kind.to_owned())];
                let gauge = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
                gauge.encode(actors.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// The second field of `/proc/self/statm`, in pages.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
