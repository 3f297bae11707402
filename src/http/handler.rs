//! From a request as warp hands it over to its answer: who asks, on which side, and whole or by the line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::{HeaderMap, Method};
use serde_json::Value;
use warp::path::FullPath;

use super::admin::{self, AdminRequest};
use super::body_room::BodyRoom;
use super::callers::Callers;
use super::drain::Drain;
use super::faulty::AnswerLost;
use super::listener::ConnectionGauge;
use super::log_level::LogLevel;
use super::metrics::Metrics;
use super::problem::Code;
use super::routes::{self, Reply, Request};
use super::trace::TraceId;
use super::{batch, body, faulty, feed, payments};
use crate::engine::Engine;
use crate::webhook::Webhooks;

/// Which listener a request came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Public,
    Admin,
}

/// What all requests share.
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) callers: Callers,
    pub(super) body_bytes_max: usize,
    pub(super) bodies: BodyRoom,
    pub(super) metrics: Metrics,
    /// Of the public listener.
    pub(super) connections: ConnectionGauge,
    /// Stops the public listener.
    pub(super) drain: Arc<Drain>,
    pub(super) drain_deadline: Duration,
    pub(super) config: Value,
    pub(super) log_level: Option<Arc<LogLevel>>,
    pub(super) replacing: tokio::sync::RwLock<()>,
    pub(super) gateways: payments::Gateways,
    pub(super) webhooks: Option<Arc<Webhooks>>,
    pub(super) chaos: bool,
}

impl Shared {
    pub(super) fn is_draining(&self) -> bool {
        self.drain.has_begun()
    }
}

/// What the requests of one listener's thread share.
pub(super) struct Door {
    pub(super) shared: Arc<Shared>,
    pub(super) side: Side,
}

/// Answers one request.
pub(super) async fn handle<S, D>(
    door: Arc<Door>,
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    body: S,
) -> warp::reply::Response
where
    S: Stream<Item = Result<D, warp::Error>> + Send + Sync + 'static,
    D: Buf,
{
    let (shared, side) = (&*door.shared, door.side);
    let (begun, asked) = (Instant::now(), method.clone());
    let struck = match side {
        Side::Public => faulty::strike(shared.engine.switchboard().ports(), path.as_str()).await,
        Side::Admin => Ok(false),
    };
    let is_lost = matches!(struck, Ok(true));
    let mut response = if let Err(problem) = struck {
        problem.into_reply(TraceId::of(&headers))
    } else if side == Side::Public && path.as_str() == batch::PATH && method == Method::POST {
        let batch = shared.callers.identify(&headers);
        let batch = batch.and_then(|_| batch::answer(&shared.engine, &headers, body, shared.body_bytes_max));
        batch.unwrap_or_else(|problem| problem.into_reply(TraceId::of(&headers)))
    } else if side == Side::Public && path.as_str() == feed::PATH {
        let feed = shared.callers.identify(&headers);
        let feed = feed.and_then(|_| feed::answer(&shared.engine, &method, &query, &headers, &shared.drain));
        feed.unwrap_or_else(|problem| problem.into_reply(TraceId::of(&headers)))
    } else {
        let answer = async {
            // Who may not come in gets no memory for what he brings.
            // A gateway shows a signature of its body in place of a key.
            let by_signature = path.as_str().starts_with(payments::WEBHOOKS);
            let is_api = side == Side::Public && path.as_str().starts_with("/api/") && !by_signature;
            let caller = if is_api { shared.callers.identify(&headers)? } else { "" };
            let _room = shared.bodies.reserve(&headers, shared.body_bytes_max)?;
            let body = body::read(&headers, body, shared.body_bytes_max).await?;
            respond(shared, side, method, path.as_str(), &query, &headers, body, caller).await
        };
        answer.await.unwrap_or_else(|problem| problem.into_http(TraceId::of(&headers))).map(Into::into)
    };
    let trace = headers.contains_key("traceparent").then(|| TraceId::of(&headers));
    let code = response.extensions().get::<Code>().copied();
    shared.metrics.note(&asked, path.as_str(), (response.status(), code), begun.elapsed(), trace);
    if is_lost {
        response.extensions_mut().insert(AnswerLost);
    }
    response
}

#[expect(clippy::too_many_arguments, reason = "the parts of one request")]
async fn respond(
    shared: &Shared,
    side: Side,
    method: Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: Bytes,
    caller: &str,
) -> Reply {
    if side == Side::Admin && path.starts_with("/dead-letters") {
        let request = AdminRequest { method: &method, path, query, headers, body: &body };
        return payments::dead_letters(shared, &request).await;
    }
    if side == Side::Admin && path == "/reconciliation" {
        let request = AdminRequest { method: &method, path, query, headers, body: &body };
        return payments::reconciliation(shared, &request).await;
    }
    if side == Side::Admin {
        return admin::answer(shared, &AdminRequest { method: &method, path, query, headers, body: &body });
    }
    let Shared { engine, drain, replacing, gateways, .. } = shared;
    routes::answer(Request { engine, method, path, query, headers, body, caller, drain, replacing, gateways }).await
}
