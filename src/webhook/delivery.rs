//! Telling an endpoint one fact, again and again until it has it or is given up.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;
use stockade_actors::ports::Clock;
use tokio::sync::{Semaphore, watch};

use super::endpoint::Endpoint;
use super::secret::signatures;
use crate::engine::Fact;
use crate::gateway::Entropy;
use crate::http_client::exchange;

/// How long an endpoint may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The pauses before a fact is told again; after the last it is a dead letter. A day and a half altogether.
pub const RETRY_PAUSES: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(18 * 3600),
];

/// How telling a fact ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was taken.
    Told,
    /// It was told as often as it is told.
    GivenUp {
        /// What was wrong the last time.
        why: String,
    },
}

/// A fact on its way.
pub(super) struct Delivery {
    /// As it is now: what changes holds from the next attempt on.
    pub(super) endpoint: watch::Receiver<Arc<Endpoint>>,
    pub(super) id: String,
    pub(super) body: Bytes,
    pub(super) pauses: Arc<[Duration]>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// Attempts that may be under way at once.
    pub(super) attempts: Arc<Semaphore>,
}

/// The body of a fact.
pub(super) fn body_of(fact: &Fact) -> Bytes {
    let body = json!({"type": fact.topic(), "timestamp": fact.movement.at, "data": fact});
    Bytes::from(serde_json::to_vec(&body).expect("a fact can be written"))
}

impl Delivery {
    /// Tells it until it is taken; `failed` hears of each attempt that was not. An endpoint that is changed meanwhile is told
    /// at once, as often as a new one.
    pub(super) async fn run(mut self, failed: impl Fn(&str)) -> Ended {
        let all = Arc::clone(&self.pauses);
        let mut pauses = all.iter();
        loop {
            // Held for an attempt, not for the pause after it.
            let turn = self.attempts.acquire().await;
            let endpoint = Arc::clone(&self.endpoint.borrow_and_update());
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.attempt(&endpoint)).await;
            drop(turn);
            let why = match answer {
                Ok(Ok(status)) if status.is_success() => return Ended::Told,
                Ok(Ok(status)) => format!("it answered {status}"),
                Ok(Err(error)) => error,
                Err(_) => "no answer in time".to_owned(),
            };
            failed(&why);
            let Some(pause) = pauses.next() else { return Ended::GivenUp { why } };
            let pause = self.spread(*pause);
            if tokio::time::timeout(pause, self.endpoint.changed()).await.is_ok_and(|changed| changed.is_ok()) {
                pauses = all.iter();
            }
        }
    }

    async fn attempt(&self, endpoint: &Endpoint) -> Result<StatusCode, String> {
        let address = &endpoint.address;
        let query = address.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
        let path = if address.path.is_empty() { "/" } else { &address.path };
        let seconds = self.clock.now().0.div_euclid(1_000_000);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{path}{query}"))
            .header(http::header::HOST, &address.authority)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::CONNECTION, "close")
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures(&endpoint.secrets, &self.id, seconds, &self.body))
            .body(Full::new(self.body.clone()))
            .map_err(|error| error.to_string())?;
        exchange(address, request).await.map(|(status, _)| status)
    }

    /// A pause, up to a tenth of it longer: endpoints that failed together are not asked together.
    fn spread(&self, pause: Duration) -> Duration {
        let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX / 2);
        Duration::from_micros(micros + self.entropy.next() % (micros / 10 + 1))
    }
}
