//! A running server as a target, by its admin listener: it must be configured to let itself be hurt (`chaos = true`).
//!
//! Its load is its own; latency and errors are what its metrics say, faults what its switchboard says.

mod page;

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

use super::fault::FaultSpec;
use super::run::{Strikes, Target};
use super::sample::Sample;
use crate::http_client::{Address, exchange};
use page::Requests;

/// See the module.
pub struct Served {
    address: Address,
    sampled: Option<(Instant, Requests)>,
}

impl Served {
    /// A server by the address of its admin listener.
    ///
    /// # Errors
    ///
    /// A sentence, when it is no address.
    pub fn at(url: &str) -> Result<Self, String> {
        let address = Address::parse(url, None).map_err(|error| error.to_string())?;
        Ok(Self { address, sampled: None })
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Bytes, String> {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address.path.trim_end_matches('/')))
            .header(http::header::HOST, &self.address.authority)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let (status, body) = exchange(&self.address, request).await?;
        let body = body?;
        match status.is_success() {
            true => Ok(body),
            false => Err(format!("{path} answered {status}: {}", String::from_utf8_lossy(&body))),
        }
    }

    async fn status(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.call(Method::GET, "/chaos", None).await?).map_err(|error| error.to_string())
    }
}

impl Target for Served {
    async fn arm(&mut self, faults: &[FaultSpec]) -> Result<(), String> {
        self.call(Method::POST, "/chaos", Some(json!({ "faults": faults }))).await.map(drop)
    }

    async fn disarm(&mut self) -> Result<(), String> {
        self.call(Method::DELETE, "/chaos", None).await.map(drop)
    }

    async fn residue(&mut self) -> Result<Option<String>, String> {
        let status = self.status().await?;
        let is_left = status["armed"] != json!([]) || status["held_back"] != json!(0);
        Ok(is_left.then(|| format!("armed: {}, held back: {}", status["armed"], status["held_back"])))
    }

    async fn sample(&mut self) -> Result<Sample, String> {
        let page = self.call(Method::GET, "/metrics", None).await?;
        let page = String::from_utf8_lossy(&page);
        let now = Requests::read(&page).ok_or("the page of metrics has no requests: is this an admin listener?")?;
        let in_flight = Some(now.in_flight);
        // Before the second look there is no interval.
        let Some((since, before)) = self.sampled.replace((Instant::now(), now.clone())) else {
            return Ok(Sample { in_flight, ..Sample::default() });
        };
        let news = now.since(&before);
        Ok(Sample {
            p50_ms: news.quantile_ms(0.5),
            p99_ms: news.quantile_ms(0.99),
            throughput: Some(news.all() / since.elapsed().as_secs_f64().max(1e-3)),
            error_percent: news.error_percent(),
            in_flight,
            ..Sample::default()
        })
    }

    async fn fired(&mut self) -> Result<Vec<Strikes>, String> {
        let status = self.status().await?;
        serde_json::from_value(status["fired"].clone()).map_err(|error| error.to_string())
    }

    async fn finish(&mut self) -> Result<(Vec<String>, BTreeMap<String, f64>), String> {
        // A server that serves others is not stopped for an audit; whoever stops it may run `stockade audit` on its directory.
        Ok((Vec::new(), BTreeMap::new()))
    }
}
