//! `stockade serve`: the engine behind HTTP, until a signal asks it to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::output::{Failure, Output, Verdict};
use super::promotions;
use super::settings::{Overrides, Settings};
use super::stop::{Cause, StopSignals};
use crate::Engine;
use crate::http::listener::BindError;
use crate::http::log_level::LogLevel;
use crate::http::{Server, ServerError, ServerOptions};
use crate::webhook::{Endpoint, Webhooks, WebhooksError};

const EXAMPLES: &str = "\
Examples:
  stockade serve --data ./shop
  stockade serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --json     free ports; the first line says which
  stockade serve --promotions promotions.yaml
  STOCKADE_API_KEYS='[\"secret\"]' stockade serve --listen 0.0.0.0:8080

The file of --config is TOML: data, listen, admin, anonymous, api_keys, drain_seconds, chaos, partitions, credits,
checkpoint_records, orders_in_memory_max, cache_bytes, promotions, [gateway], [[webhooks]]. Each is also STOCKADE_<NAME> in the environment.
SIGTERM, SIGINT and POST /drain on the admin address drain: what is in flight ends, then all is durable and the directory is closed.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The only state [default: ./stockade-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The public address [default: 127.0.0.1:8080]; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The admin address [default: 127.0.0.1:9090]; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// A TOML file with settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer without keys on an address that is not loopback.
    #[arg(long)]
    anonymous: bool,
    /// A YAML file of promotions, put before the server answers; those that are as they were are no change.
    #[arg(long, value_name = "FILE")]
    promotions: Option<PathBuf>,
}

/// The first line of `--json`.
#[derive(Serialize)]
struct Addresses {
    listen: SocketAddr,
    admin: SocketAddr,
}

pub(super) fn run(
    arguments: &Arguments,
    log_level: Option<Arc<LogLevel>>,
    output: &mut Output,
) -> Result<Verdict, Failure> {
    let overrides = Overrides {
        data: arguments.data.clone(),
        listen: arguments.listen,
        admin: arguments.admin,
        anonymous: arguments.anonymous.then_some(true),
        promotions: arguments.promotions.clone(),
    };
    let settings = Settings::load(arguments.config.as_deref(), &overrides)?;
    let mut signals = StopSignals::catch()?;
    // What can be said before the directory is touched is said first.
    options(&settings, None).check().map_err(failure)?;
    let endpoints = settings.endpoints()?;
    let mut config = settings.engine_with_gateway()?;
    let file = promotions::read(&settings, &mut config)?;
    let engine = Engine::open(config)?;
    let put = file.map_or(Ok(()), |file| promotions::put(&engine, file));
    let started = put.and_then(|()| start_webhooks(&engine, &settings, endpoints)).and_then(|webhooks| {
        let options = ServerOptions { webhooks: Some(Arc::clone(&webhooks)), ..options(&settings, log_level) };
        Ok((Server::start(engine.clone(), options).map_err(failure)?, webhooks))
    });
    let (server, webhooks) = match started {
        Ok(started) => started,
        Err(failure) => {
            // The directory was fine: it is left closed, not as after a crash.
            engine.close_blocking()?;
            return Err(failure);
        }
    };
    let (listen, admin) = server.addresses();
    output.report(&Addresses { listen, admin }, || {
        format!(
            "listening on http://{listen}, admin on http://{admin}, state in {}\nstop with SIGTERM or Ctrl-C",
            settings.data.display()
        )
    });
    let cause = signals.wait_or(server.drain_requested(), || engine.has_failed());
    signals.end_at_once_on_the_second(cause);
    tracing::info!(?cause, "stopping");
    webhooks.stop();
    stop(server, &engine, Duration::from_secs(settings.drain_seconds))?;
    if cause == Cause::Failure {
        let why = "a write to the journal failed; mend the disk and start again: it opens from what the disk holds";
        return Err(Failure::cannot("storage_unavailable", why));
    }
    output.line("stopped: everything that was answered is on disk");
    Ok(Verdict::Done)
}

/// Starts the server; errors become exit codes.
pub(super) fn start(engine: &Engine, settings: &Settings, log_level: Option<Arc<LogLevel>>) -> Result<Server, Failure> {
    Server::start(engine.clone(), options(settings, log_level)).map_err(failure)
}

fn options(settings: &Settings, log_level: Option<Arc<LogLevel>>) -> ServerOptions {
    ServerOptions {
        listen: settings.listen,
        admin: settings.admin,
        anonymous: settings.anonymous,
        api_keys: settings.api_keys.clone(),
        drain_deadline: Duration::from_secs(settings.drain_seconds),
        config: settings.shown(),
        log_level,
        chaos: settings.chaos,
        webhook_secrets: settings
            .gateway
            .iter()
            .map(|gateway| (gateway.name.clone(), gateway.webhook_secrets.clone()))
            .collect(),
        ..ServerOptions::default()
    }
}

/// Tells those who want to hear of facts: those who are configured, and those who were made at run time.
fn start_webhooks(engine: &Engine, settings: &Settings, endpoints: Vec<Endpoint>) -> Result<Arc<Webhooks>, Failure> {
    let started = Webhooks::start(engine, Some(settings.data.join("webhooks")), endpoints);
    started.map(Arc::new).map_err(|error| match &error {
        WebhooksError::NameTwice(_) | WebhooksError::NameTaken(_) => Failure::usage("config_invalid", error),
        _ => Failure::cannot("webhooks_not_started", error),
    })
}

/// Drains the server, then closes the engine.
pub(super) fn stop(server: Server, engine: &Engine, deadline: Duration) -> Result<(), Failure> {
    server.shutdown(deadline);
    Ok(engine.close_blocking()?)
}

fn failure(error: ServerError) -> Failure {
    match &error {
        ServerError::Unprotected(_) => Failure::usage("keys_missing", error),
        ServerError::AdminUnprotected(_) => Failure::usage("admin_unprotected", error),
        ServerError::KeyUnusable(_) => Failure::usage("key_unusable", error),
        ServerError::Thread(_) => Failure::cannot("thread_not_started", error),
        ServerError::Bind(BindError::PortInUse { .. }) => Failure::cannot("port_in_use", error),
        ServerError::Bind(_) => Failure::cannot("address_unusable", error),
    }
}
