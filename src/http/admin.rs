//! What the admin listener answers; none of it exists on the public one.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use stockade_actors::census::Census;

use super::handler::Shared;
use super::problem::{Code, Problem};
use super::routes::{Reply, by_method, health, readiness, reply};
use super::{body, metrics, webhook_endpoints};

/// The longest time that a drain may be given.
const DRAIN_SECONDS_MAX: u64 = 3600;

/// A request to the admin listener, its body read.
pub(super) struct AdminRequest<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Bytes,
}

impl AdminRequest<'_> {
    fn only(&self, allow: &'static str, methods: &[&Method]) -> Result<(), Problem> {
        by_method(self.method, allow, methods)
    }

    fn reads(&self) -> Result<(), Problem> {
        self.only("GET", &[&Method::GET])
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|pair| pair.1)
    }
}

/// Answers a request of the admin listener.
pub(super) fn answer(shared: &Shared, request: &AdminRequest<'_>) -> Reply {
    match request.path {
        "/healthz" => {
            request.reads()?;
            health(&shared.engine)?;
            reply(StatusCode::OK, &json!({"status": "ok"}))
        }
        "/readyz" => {
            request.reads()?;
            readiness(&shared.engine, shared.is_draining())?;
            reply(StatusCode::OK, &json!({"status": "ready"}))
        }
        "/metrics" => {
            request.reads()?;
            let page = shared.metrics.page();
            let mut response = Response::new(Bytes::from(page));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::MEDIA_TYPE));
            Ok(response)
        }
        "/config" => {
            request.reads()?;
            reply(StatusCode::OK, &shared.config)
        }
        "/actors" => {
            request.reads()?;
            reply(StatusCode::OK, &actors(shared))
        }
        "/chaos" => super::chaos::answer(shared, request),
        "/drain" => drain(shared, request),
        "/log-level" => log_level(shared, request),
        path if path.starts_with(webhook_endpoints::PATH) => webhook_endpoints::answer(shared, request),
        _ => Err(Problem::new(Code::NotFound)),
    }
}

fn actors(shared: &Shared) -> Value {
    let engine = &shared.engine;
    let load = engine.load();
    let partition =
        |census: &Census| Value::Object(census.read().map(|(name, n)| (name.to_owned(), n.into())).collect());
    json!({
        "partitions": engine.census().iter().map(partition).collect::<Vec<_>>(),
        "skus_known": load.skus_known,
        "credits": {"in_use": engine.in_flight(), "capacity": load.credits},
        "parked_answers": load.parked_answers,
        "durable_sequence": engine.durable().to_string(),
        "appended_sequence": load.appended.to_string(),
        "projector": {"lag_records": engine.projection_lag(), "sequence": load.projected.to_string()},
    })
}

/// `POST` begins the drain and `GET` shows it. A second `POST` may only bring the deadline forward.
fn drain(shared: &Shared, request: &AdminRequest<'_>) -> Reply {
    request.only("GET, POST", &[&Method::GET, &Method::POST])?;
    let mut status = StatusCode::OK;
    if request.method == Method::POST {
        let wrong = || Problem::invalid("seconds", format!("send a whole number from 0 to {DRAIN_SECONDS_MAX}"));
        let within = match request.parameter("seconds") {
            None => shared.drain_deadline,
            Some(text) => {
                let seconds = text.parse().ok().filter(|seconds| *seconds <= DRAIN_SECONDS_MAX).ok_or_else(wrong)?;
                Duration::from_secs(seconds)
            }
        };
        if !shared.is_draining() {
            tracing::info!(?within, "draining: asked to on the admin listener");
        }
        shared.drain.begin(within);
        status = StatusCode::ACCEPTED;
    }
    let left = shared.drain.time_left().map(|left| left.as_secs());
    let shown = json!({
        "draining": shared.is_draining(),
        "seconds_left": left,
        "connections": shared.connections.open(),
        "requests_in_flight": shared.engine.in_flight(),
    });
    reply(status, &shown)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelBody {
    level: String,
}

fn log_level(shared: &Shared, request: &AdminRequest<'_>) -> Reply {
    request.only("GET, PUT", &[&Method::GET, &Method::PUT])?;
    let Some(level) = &shared.log_level else {
        return Err(Problem::new(Code::NotFound).detail("the logs of this process are not the server's to change"));
    };
    if request.method == Method::PUT {
        body::expect_media_type(request.headers, "application/json")?;
        let wanted = body::parse::<LevelBody>(request.body)?.level;
        level.set(&wanted).map_err(|why| Problem::invalid("level", why))?;
        tracing::info!(level = wanted, "the log level was changed");
    }
    reply(StatusCode::OK, &json!({"level": level.current()}))
}
