//! The server: a public and an admin listener, each served by connection threads of its own runtime.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use warp::Filter;

use super::batch;
use super::body_room::BodyRoom;
use super::callers::Callers;
use super::drain::Drain;
use super::handler::{Door, Shared, Side, handle};
use super::limits::Limits;
use super::listener::{BindError, Listener, serve_on};
use super::log_level::LogLevel;
use super::metrics::Metrics;
use super::payments::Gateways;
use crate::engine::Engine;
use crate::gateway::Signer;
use crate::webhook::Webhooks;

/// How long the admin listener finishes its own answers after the public one has ended.
const ADMIN_DRAIN: Duration = Duration::from_secs(2);

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
    /// How long requests in flight have when a drain is asked for.
    pub drain_deadline: Duration,
    /// What `/config` shows: whoever configured the server, without its secrets.
    pub config: Value,
    /// What `/log-level` reads and changes; none: the path does not exist.
    pub log_level: Option<Arc<LogLevel>>,
    /// Who may send webhooks: each gateway's name in the path, with its active secrets.
    pub webhook_secrets: BTreeMap<String, Vec<String>>,
    /// Who tells others of facts, for operators to see and to change.
    pub webhooks: Option<Arc<Webhooks>>,
    /// Whether faults may be armed on the admin listener.
    pub chaos: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            admin: ([127, 0, 0, 1], 9090).into(),
            anonymous: false,
            api_keys: Vec::new(),
            limits: Limits::default(),
            drain_deadline: Duration::from_secs(10),
            config: Value::Null,
            log_level: None,
            webhook_secrets: BTreeMap::new(),
            webhooks: None,
            chaos: false,
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
    /// Anybody could stop it.
    #[error(
        "the admin address {0} is not a loopback address, and nobody is asked for a key there: listen on a loopback \
         address, or say --anonymous if everybody who reaches it may operate the server"
    )]
    AdminUnprotected(SocketAddr),
    /// A key that no header can hold.
    #[error("an API key of {0} characters is empty or begins or ends with a space: no request could name it")]
    KeyUnusable(usize),
    /// The system gives no thread.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl ServerOptions {
    /// Whether only those can reach the server who may.
    pub fn check(&self) -> Result<(), ServerError> {
        if let Some(key) = self.api_keys.iter().find(|key| key.is_empty() || key.trim() != key.as_str()) {
            return Err(ServerError::KeyUnusable(key.len()));
        }
        if self.anonymous {
            return Ok(());
        }
        if self.api_keys.is_empty() && !self.listen.ip().is_loopback() {
            return Err(ServerError::Unprotected(self.listen));
        }
        if !self.admin.ip().is_loopback() {
            return Err(ServerError::AdminUnprotected(self.admin));
        }
        Ok(())
    }
}

fn signers(secrets: BTreeMap<String, Vec<String>>) -> Gateways {
    secrets.into_iter().map(|(gateway, secrets)| (gateway, Signer::new(secrets))).collect()
}

/// A running server.
pub struct Server {
    listen: SocketAddr,
    admin: SocketAddr,
    drain: Arc<Drain>,
    threads: Vec<JoinHandle<()>>,
    admin_drain: Drain,
    admin_thread: JoinHandle<()>,
}

impl Server {
    /// Starts serving an engine.
    pub fn start(engine: Engine, options: ServerOptions) -> Result<Self, ServerError> {
        options.check()?;
        if options.api_keys.is_empty() {
            tracing::warn!(listen = %options.listen, "no API keys are configured: everybody who reaches it may write");
        }
        let limits = Limits { streamed_paths: &[batch::PATH], ..options.limits.within_descriptors() };
        let admin = Listener::bind(options.admin, limits.clone())?;
        let body_bytes_max = limits.body_bytes_max;
        let public = Listener::bind(options.listen, limits)?;
        let (drain, admin_drain) = (Arc::new(Drain::new()), Drain::new());
        let watched = Arc::clone(&drain);
        let metrics = Metrics::new(&engine, public.gauge(), Box::new(move || watched.has_begun()));
        let shared = Arc::new(Shared {
            engine,
            callers: Callers::new(&options.api_keys),
            body_bytes_max,
            bodies: BodyRoom::default(),
            metrics,
            connections: public.gauge(),
            drain: Arc::clone(&drain),
            drain_deadline: options.drain_deadline,
            config: options.config,
            log_level: options.log_level,
            chaos: options.chaos,
            replacing: tokio::sync::RwLock::new(()),
            gateways: signers(options.webhook_secrets),
            webhooks: options.webhooks,
        });
        let addresses = (public.address(), admin.address());
        let mut threads = Vec::new();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for index in 0..(cores - 1).max(1) {
            let (listener, shared) = (public.try_clone()?, Arc::clone(&shared));
            threads.push(spawn(format!("stockade-http-{index}"), listener, &drain, shared, Side::Public)?);
        }
        drop(public);
        let admin_thread = spawn("stockade-admin".into(), admin, &admin_drain, shared, Side::Admin)?;
        Ok(Self { listen: addresses.0, admin: addresses.1, drain, threads, admin_drain, admin_thread })
    }

    /// The public and the admin address.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.listen, self.admin)
    }

    /// Resolves when somebody has asked for a drain on the admin listener; then call [`shutdown`](Self::shutdown).
    pub fn drain_requested(&self) -> impl Future<Output = ()> + Send + 'static {
        self.drain.signal().begun()
    }

    /// Accepts nothing new, lets what is in flight end within the deadline, and stops. The admin listener goes last,
    /// so that the drain can be watched.
    pub fn shutdown(self, deadline: Duration) {
        // A drain that was asked for on the admin listener has the deadline that was named there.
        if !self.drain.has_begun() {
            self.drain.begin(deadline);
        }
        for thread in self.threads {
            join(thread);
        }
        self.admin_drain.begin(ADMIN_DRAIN.min(deadline));
        join(self.admin_thread);
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a connection thread panicked");
    }
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
        let door = Arc::new(Door { shared, side });
        let filter = warp::method()
            .and(warp::path::full())
            .and(warp::query::raw().or(warp::any().map(String::new)).unify())
            .and(warp::header::headers_cloned())
            .and(warp::body::stream())
            .then(move |method, path, query, headers, body| {
                // A handler's state is kilobytes; boxed, the layers between it and the connection move a pointer.
                Box::pin(handle(Arc::clone(&door), method, path, query, headers, body))
            });
        let service = TowerToHyperService::new(warp::service(filter));
        if let Err(error) = runtime.block_on(serve_on(listener, service, signal)) {
            tracing::error!(%error, "a listener ended");
        }
    };
    Ok(std::thread::Builder::new().name(name).spawn(run)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_can_reach_a_server_who_may() {
        let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let anywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
        let check = |listen, admin, keys: &[&str], anonymous| {
            let api_keys = keys.iter().map(|key| (*key).to_owned()).collect();
            ServerOptions { listen, admin, api_keys, anonymous, ..ServerOptions::default() }.check()
        };
        assert!(check(loopback, loopback, &[], false).is_ok());
        assert!(check(anywhere, loopback, &["secret"], false).is_ok());
        assert!(check(anywhere, anywhere, &[], true).is_ok());
        assert!(matches!(check(anywhere, loopback, &[], false), Err(ServerError::Unprotected(_))));
        assert!(matches!(check(loopback, anywhere, &["secret"], false), Err(ServerError::AdminUnprotected(_))));
        for key in ["", " secret", "secret "] {
            assert!(matches!(check(anywhere, loopback, &[key], false), Err(ServerError::KeyUnusable(_))), "`{key}`");
        }
    }
}
