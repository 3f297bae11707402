//! The generic gateway over HTTP: a small protocol of our own (`docs/gateway-protocol.md`), for whoever puts a few lines
//! of glue between it and a payment provider, over HTTPS, or plainly where it is on the same machine.
//!
//! A call is repeated a few times under its key before the engine is told that its outcome is unknown; the engine then
//! repeats it for as long as it takes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use stockade_actors::ports::{Gateway, GatewayAnswer};
use stockade_domain::payment::gateway::{GatewayCall, GatewayOutcome};

use super::entropy::{Entropy, SystemEntropy};
use super::protocol::{OutcomeBody, RequestBody};
use crate::http_client::{Address, AddressInvalid, exchange};

/// How the gateway is reached.
#[derive(Clone)]
pub struct HttpGatewayOptions {
    /// Where it is: `https://host:port/path`, or `http`.
    pub url: String,
    /// Certificates (PEM) of authorities that are trusted beside those that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// Sent as `Authorization: Bearer`.
    pub api_key: Option<String>,
    /// How long one attempt may take, from connecting to the last byte.
    pub timeout: Duration,
    /// How often a call is tried before its outcome is unknown.
    pub attempts: u32,
    /// The pause before the second attempt; twice as long before each further one. A random part of it is left out.
    pub pause: Duration,
}

impl HttpGatewayOptions {
    /// At this address, with the defaults.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca_file: None,
            api_key: None,
            timeout: Duration::from_secs(5),
            attempts: 3,
            pause: Duration::from_millis(200),
        }
    }
}

/// Why a gateway cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum HttpGatewayError {
    /// The address cannot be called.
    #[error(transparent)]
    Address(#[from] AddressInvalid),
    /// The key cannot be sent.
    #[error("the API key of the gateway has characters that a header cannot hold")]
    ApiKey,
}

struct Inner {
    address: Address,
    path: String,
    authorization: Option<http::HeaderValue>,
    timeout: Duration,
    attempts: u32,
    pause: Duration,
    entropy: Arc<dyn Entropy>,
}

/// The gateway; clones share it.
#[derive(Clone)]
pub struct HttpGateway(Arc<Inner>);

impl HttpGateway {
    /// Checks the options.
    pub fn new(options: HttpGatewayOptions) -> Result<Self, HttpGatewayError> {
        Self::with_entropy(options, Arc::new(SystemEntropy::default()))
    }

    /// With this source of chance for the pauses.
    pub fn with_entropy(options: HttpGatewayOptions, entropy: Arc<dyn Entropy>) -> Result<Self, HttpGatewayError> {
        let address = Address::parse(&options.url, options.ca_file.as_deref())?;
        if address.query.is_some() {
            return Err(AddressInvalid::Url(options.url).into());
        }
        let authorization = options.api_key.as_ref().map(|key| {
            let mut value = http::HeaderValue::try_from(format!("Bearer {key}"))?;
            value.set_sensitive(true);
            Ok::<_, http::header::InvalidHeaderValue>(value)
        });
        Ok(Self(Arc::new(Inner {
            path: address.path.trim_end_matches('/').to_owned(),
            address,
            authorization: authorization.transpose().map_err(|_| HttpGatewayError::ApiKey)?,
            timeout: options.timeout,
            attempts: options.attempts.max(1),
            pause: options.pause,
            entropy,
        })))
    }
}

impl Inner {
    async fn run(&self, call: &GatewayCall) -> GatewayOutcome {
        let mut reason = String::new();
        for attempt in 0..self.attempts {
            if attempt > 0 {
                tokio::time::sleep(self.pause_before(attempt)).await;
            }
            match tokio::time::timeout(self.timeout, self.ask(call)).await {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(error)) => reason = error,
                Err(_) => reason = "no answer in time".into(),
            }
            tracing::debug!(key = call.idempotency_key(), attempt, reason, "the gateway did not answer");
        }
        GatewayOutcome::Unknown { reason }
    }

    /// Between half of the pause and all of it, so that those who failed together do not come back together.
    fn pause_before(&self, attempt: u32) -> Duration {
        let whole = self.pause.saturating_mul(1 << (attempt - 1).min(16));
        let micros = u64::try_from(whole.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(micros / 2 + self.entropy.next() % (micros / 2 + 1))
    }

    fn request(&self, call: &GatewayCall) -> Result<Request<Full<Bytes>>, String> {
        let number = call.operation.number().map_or_else(String::new, |number| format!("/{number}"));
        let path = format!("{}/payments/{}/{}{number}", self.path, call.payment, call.operation.name());
        let body = serde_json::to_vec(&RequestBody::of(call)).map_err(|error| error.to_string())?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(http::header::HOST, &self.address.authority)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::CONNECTION, "close")
            .header("idempotency-key", call.idempotency_key());
        if let Some(authorization) = &self.authorization {
            request = request.header(http::header::AUTHORIZATION, authorization);
        }
        request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())
    }

    /// One attempt. Whatever is not an outcome in the protocol's words is unknown: it is never taken for a refusal.
    async fn ask(&self, call: &GatewayCall) -> Result<GatewayOutcome, String> {
        let request = self.request(call)?;
        let (status, body) = exchange(&self.address, request).await?;
        if !status.is_success() {
            return Err(format!("the gateway answered {status}"));
        }
        OutcomeBody::parse(&body?).map_err(|error| format!("the gateway's answer cannot be read: {error}"))
    }
}

impl Gateway for HttpGateway {
    fn call(&self, call: GatewayCall) -> GatewayAnswer {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.run(&call).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u64);

    impl Entropy for Always {
        fn next(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn only_addresses_that_can_be_called_are_taken() {
        for wrong in ["", "gateway", "https://", "ftp://x", "http://", "http://a b", "http://x?y", "http://me@x"] {
            assert!(HttpGateway::new(HttpGatewayOptions::at(wrong)).is_err(), "{wrong}");
        }
        let gateway = HttpGateway::new(HttpGatewayOptions::at("http://localhost/pay/")).unwrap();
        assert_eq!((gateway.0.address.authority.as_str(), gateway.0.path.as_str()), ("localhost:80", "/pay"));
        let api_key = Some("a\nb".into());
        assert!(HttpGateway::new(HttpGatewayOptions { api_key, ..HttpGatewayOptions::at("http://x") }).is_err());
    }

    #[test]
    fn pauses_double_and_chance_leaves_out_at_most_half() {
        let pauses = |chance| {
            let gateway = HttpGateway::with_entropy(HttpGatewayOptions::at("http://x"), Arc::new(Always(chance)));
            [1, 2, 3].map(|attempt| gateway.as_ref().unwrap().0.pause_before(attempt).as_micros())
        };
        assert_eq!(pauses(0), [100_000, 200_000, 400_000]);
        assert_eq!(pauses(100_000)[0], 200_000);
        for chance in 0..1_000 {
            let [first, ..] = pauses(chance * 7_919);
            assert!((100_000..=200_000).contains(&first));
        }
    }
}
