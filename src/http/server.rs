//! The server: a public and an admin listener, each served by connection threads of its own runtime.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, Method, Response};
use hyper_util::service::TowerToHyperService;
use warp::Filter;
use warp::path::FullPath;

use super::body;
use super::drain::Drain;
use super::limits::Limits;
use super::listener::{BindError, Listener, serve_on};
use super::problem::{Code, Problem};
use super::routes::{self, Reply, Request};
use super::trace::TraceId;
use crate::engine::Engine;

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The public address; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The admin address; port 0 picks a free one.
    pub admin: SocketAddr,
    /// Answer without keys on an address that is not loopback.
    pub anonymous: bool,
    /// Keys that callers send as `Authorization: Bearer`; none: everybody is let in.
    pub api_keys: Vec<String>,
    /// What clients get.
    pub limits: Limits,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            admin: ([127, 0, 0, 1], 9090).into(),
            anonymous: false,
            api_keys: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Anybody could write.
    #[error("{0} is not a loopback address: configure `api_keys`, or say --anonymous if everybody may write")]
    Unprotected(SocketAddr),
    /// The system gives no thread.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

struct Shared {
    engine: Engine,
    api_keys: Vec<(String, String)>,
    body_bytes_max: usize,
    /// Answers by hundreds of their status.
    answered: [AtomicU64; 6],
}

/// A running server.
pub struct Server {
    listen: SocketAddr,
    admin: SocketAddr,
    drain: Drain,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts serving an engine.
    pub fn start(engine: Engine, options: ServerOptions) -> Result<Self, ServerError> {
        if options.api_keys.is_empty() && !options.anonymous && !options.listen.ip().is_loopback() {
            return Err(ServerError::Unprotected(options.listen));
        }
        if options.api_keys.is_empty() {
            tracing::warn!(listen = %options.listen, "no API keys are configured: everybody who reaches it may write");
        }
        let public = Listener::bind(options.listen, options.limits.clone())?;
        let admin = Listener::bind(options.admin, options.limits.clone())?;
        // A key is compared by its hash, so that the time it takes tells nothing, and named by the hash's beginning.
        let hashed = |key: &String| {
            let hash = blake3::hash(key.as_bytes()).to_hex().to_string();
            (hash.clone(), hash[..16].to_owned())
        };
        let shared = Arc::new(Shared {
            engine,
            api_keys: options.api_keys.iter().map(hashed).collect(),
            body_bytes_max: options.limits.body_bytes_max,
            answered: Default::default(),
        });
        let drain = Drain::new();
        let addresses = (public.address(), admin.address());
        let mut threads = Vec::new();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for index in 0..(cores - 1).max(1) {
            let (listener, shared) = (public.try_clone()?, Arc::clone(&shared));
            threads.push(spawn(format!("stockade-http-{index}"), listener, &drain, shared, Side::Public)?);
        }
        threads.push(spawn("stockade-admin".into(), admin, &drain, shared, Side::Admin)?);
        Ok(Self { listen: addresses.0, admin: addresses.1, drain, threads })
    }

    /// The public and the admin address.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.listen, self.admin)
    }

    /// Accepts nothing new, lets what is in flight end within the deadline, and stops.
    pub fn shutdown(self, deadline: Duration) {
        self.drain.begin(deadline);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a connection thread panicked");
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Public,
    Admin,
}

fn spawn(
    name: String,
    listener: Listener,
    drain: &Drain,
    shared: Arc<Shared>,
    side: Side,
) -> Result<JoinHandle<()>, ServerError> {
    let signal = drain.signal();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        let filter = warp::method()
            .and(warp::path::full())
            .and(warp::query::raw().or(warp::any().map(String::new)).unify())
            .and(warp::header::headers_cloned())
            .and(warp::body::stream())
            .then(move |method, path, query, headers, body| {
                handle(Arc::clone(&shared), side, method, path, query, headers, body)
            });
        let service = TowerToHyperService::new(warp::service(filter));
        if let Err(error) = runtime.block_on(serve_on(listener, service, signal)) {
            tracing::error!(%error, "a listener ended");
        }
    };
    Ok(std::thread::Builder::new().name(name).spawn(run)?)
}

async fn handle<S, D>(
    shared: Arc<Shared>,
    side: Side,
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    body: S,
) -> warp::reply::Response
where
    S: Stream<Item = Result<D, warp::Error>>,
    D: Buf,
{
    let answer = match body::read(&headers, body, shared.body_bytes_max).await {
        Ok(body) => respond(&shared, side, method, path.as_str(), &query, &headers, body).await,
        Err(problem) => Err(problem),
    };
    let response = answer.unwrap_or_else(|problem| problem.into_http(TraceId::of(&headers)));
    let class = usize::from(response.status().as_u16() / 100).min(5);
    shared.answered[class].fetch_add(1, Ordering::Relaxed);
    response.map(Into::into)
}

async fn respond(
    shared: &Shared,
    side: Side,
    method: Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Reply {
    if side == Side::Admin {
        return admin(shared, &method, path);
    }
    let caller = if path.starts_with("/api/") { authorise(shared, headers)? } else { "" };
    routes::answer(Request { engine: &shared.engine, method, path, query, headers, body, caller }).await
}

/// Who asks; refuses who has no key where keys are needed.
fn authorise<'s>(shared: &'s Shared, headers: &HeaderMap) -> Result<&'s str, Problem> {
    if shared.api_keys.is_empty() {
        return Ok("");
    }
    let sent = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = sent.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| Problem::new(Code::Unauthorized))?;
    let hash = blake3::hash(token.as_bytes()).to_hex();
    let known = shared.api_keys.iter().find(|(known, _)| known.as_str() == hash.as_str());
    known.map(|(_, name)| name.as_str()).ok_or_else(|| Problem::new(Code::Unauthorized))
}

fn admin(shared: &Shared, method: &Method, path: &str) -> Reply {
    if !["/metrics", "/healthz"].contains(&path) {
        return Err(Problem::new(Code::NotFound));
    }
    if method != Method::GET && method != Method::HEAD {
        return Err(Problem::new(Code::MethodNotAllowed).allow("GET"));
    }
    let (text, media_type) = match path {
        "/healthz" => ("{\"status\":\"ok\"}".to_owned(), "application/json"),
        _ => (metrics(shared), "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    };
    let mut response = Response::new(Bytes::from(text));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(response)
}

/// What an operator watches, as OpenMetrics text.
fn metrics(shared: &Shared) -> String {
    use std::fmt::Write;
    let engine = &shared.engine;
    let (bytes, _) = engine.journal_size();
    let gauges = [
        ("stockade_requests_in_flight", "Requests inside the engine.", u64::from(engine.in_flight())),
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
    ];
    let mut text = String::new();
    for (name, help, value) in gauges {
        let _ = writeln!(text, "# TYPE {name} gauge\n# HELP {name} {help}\n{name} {value}");
    }
    let _ = writeln!(
        text,
        "# TYPE stockade_http_responses counter\n# HELP stockade_http_responses Answers by class of status."
    );
    for (class, count) in shared.answered.iter().enumerate().skip(1) {
        let count = count.load(Ordering::Relaxed);
        let _ = writeln!(text, "stockade_http_responses_total{{class=\"{class}xx\"}} {count}");
    }
    text.push_str("# EOF\n");
    text
}
