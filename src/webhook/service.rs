//! All endpoints, on a thread of their own: started with the engine, and made, changed and stopped while it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender as Last};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use stockade_actors::ports::{Clock, SystemClock};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::cursor::Cursor;
use super::delivery::RETRY_PAUSES;
use super::endpoint::{Endpoint, EndpointInvalid};
use super::saved::{self, Saved};
use super::sender::Sender;
use super::status::{EndpointStatus, Progress, SecretShown, Source, State};
use crate::engine::Engine;
use crate::gateway::{Entropy, SystemEntropy};

/// Webhooks cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    /// A cursor cannot be read or written.
    #[error("the cursor of webhook endpoint `{endpoint}`: {error}")]
    Cursor {
        /// Whose.
        endpoint: String,
        /// Why.
        error: std::io::Error,
    },
    /// The endpoints that were made at run time cannot be read.
    #[error("the webhook endpoints in {}: {error}", path.display())]
    Saved {
        /// In this file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// An endpoint that was made at run time cannot be told any more.
    #[error("webhook endpoint `{endpoint}` in {}: {why}", path.display())]
    SavedInvalid {
        /// Which.
        endpoint: String,
        /// In this file.
        path: PathBuf,
        /// Why.
        why: EndpointInvalid,
    },
    /// Two endpoints have one name, and so one cursor.
    #[error("two webhook endpoints are named `{0}`")]
    NameTwice(String),
    /// The configuration names an endpoint like one that was made at run time.
    #[error("a webhook endpoint named `{0}` was made at run time: give the configured one another name")]
    NameTaken(String),
    /// There is no thread for them.
    #[error("no thread for webhooks: {0}")]
    Thread(std::io::Error),
}

/// What tells one endpoint, while it does.
pub(super) struct Running {
    stop: watch::Sender<bool>,
    /// Nothing is ever sent: it closes when the endpoint is told nothing more.
    ended: Receiver<()>,
}

/// One endpoint.
pub(super) struct Slot {
    pub(super) endpoint: watch::Sender<Arc<Endpoint>>,
    pub(super) source: Source,
    pub(super) progress: Arc<Mutex<Progress>>,
    pub(super) running: Option<Running>,
}

impl Slot {
    pub(super) fn new(endpoint: Endpoint, source: Source, told_to: u64) -> Self {
        let progress = Arc::new(Mutex::new(Progress { told_to, ..Progress::default() }));
        Self { endpoint: watch::Sender::new(Arc::new(endpoint)), source, progress, running: None }
    }

    /// Tells it nothing more, from when this returns; the cursor is written.
    pub(super) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.send_replace(true);
            // It is an error that says so: the other end is gone.
            let _ended = running.ended.recv();
        }
    }
}

struct Job {
    sender: Sender,
    stop: watch::Receiver<bool>,
    /// Dropped when the sender has ended.
    last: Last<()>,
}

/// Every endpoint, by name.
pub(super) struct Registry {
    pub(super) slots: BTreeMap<String, Slot>,
    pub(super) saved: Saved,
    /// None: all is stopped.
    jobs: Option<mpsc::UnboundedSender<Job>>,
}

/// Tells endpoints of facts until it is stopped or dropped. What they were told, and which endpoints were made at run time,
/// is remembered in `dir`.
pub struct Webhooks {
    pub(super) engine: Engine,
    pub(super) dir: Option<PathBuf>,
    pub(super) clock: Arc<dyn Clock>,
    pauses: Arc<[Duration]>,
    entropy: Arc<dyn Entropy>,
    pub(super) registry: Mutex<Registry>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Webhooks {
    /// Starts with [`RETRY_PAUSES`]. An endpoint that is new is told what happens from now on.
    ///
    /// # Errors
    ///
    /// [`WebhooksError`]
    pub fn start(engine: &Engine, dir: Option<PathBuf>, endpoints: Vec<Endpoint>) -> Result<Self, WebhooksError> {
        Self::start_with(engine, dir, endpoints, RETRY_PAUSES)
    }

    /// The same, with other pauses between attempts.
    ///
    /// # Errors
    ///
    /// [`WebhooksError`]
    pub fn start_with(
        engine: &Engine,
        dir: Option<PathBuf>,
        endpoints: Vec<Endpoint>,
        pauses: &[Duration],
    ) -> Result<Self, WebhooksError> {
        let saved = load(dir.as_deref())?;
        let mut slots = BTreeMap::new();
        let mut add = |endpoint: Endpoint, source, twice: fn(String) -> WebhooksError| {
            let name = endpoint.name.clone();
            match slots.insert(name.clone(), Slot::new(endpoint, source, engine.durable())) {
                Some(_) => Err(twice(name)),
                None => Ok(()),
            }
        };
        for made in &saved.endpoints {
            let invalid = |why| WebhooksError::SavedInvalid {
                endpoint: made.name.clone(),
                path: saved::path_in(dir.as_deref().unwrap_or(Path::new(""))),
                why,
            };
            add(made.endpoint().map_err(invalid)?, Source::Created, WebhooksError::NameTwice)?;
        }
        for endpoint in endpoints {
            let is_made = saved.endpoints.iter().any(|made| made.name == endpoint.name);
            add(
                endpoint,
                Source::Configured,
                if is_made { WebhooksError::NameTaken } else { WebhooksError::NameTwice },
            )?;
        }
        let (jobs, ordered) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(WebhooksError::Thread)?;
        let run = move || runtime.block_on(run_all(ordered));
        let thread = std::thread::Builder::new().name("stockade-webhooks".into()).spawn(run);
        let webhooks = Self {
            engine: engine.clone(),
            dir,
            clock: Arc::new(SystemClock),
            pauses: pauses.into(),
            entropy: Arc::new(SystemEntropy::default()),
            registry: Mutex::new(Registry { slots, saved, jobs: Some(jobs) }),
            thread: Mutex::new(Some(thread.map_err(WebhooksError::Thread)?)),
        };
        webhooks.start_all()?;
        Ok(webhooks)
    }

    fn start_all(&self) -> Result<(), WebhooksError> {
        let registry = &mut *self.registry.lock();
        for (name, slot) in &mut registry.slots {
            let wrong = |error| WebhooksError::Cursor { endpoint: name.clone(), error };
            if let Some(dir) = &self.dir {
                std::fs::create_dir_all(dir).map_err(wrong)?;
            }
            // How far a disabled one was told is shown, too.
            let cursor = Cursor::open(self.dir.as_deref(), name, self.engine.durable()).map_err(wrong)?;
            slot.progress.lock().told_to = cursor.sequence();
            if !registry.saved.disabled.contains(name)
                && let Some(jobs) = &registry.jobs
            {
                self.start_slot(jobs, name, slot, cursor);
            }
        }
        Ok(())
    }

    fn start_slot(&self, jobs: &mpsc::UnboundedSender<Job>, name: &str, slot: &mut Slot, cursor: Cursor) {
        let (stop, stopped) = watch::channel(false);
        let (last, ended) = std::sync::mpsc::channel();
        slot.progress.lock().ended = None;
        let sender = Sender {
            engine: self.engine.clone(),
            name: name.to_owned(),
            endpoint: slot.endpoint.subscribe(),
            cursor,
            dead_letters: self.dir.as_ref().map(|dir| dir.join(format!("{name}.dead-letters.jsonl"))),
            pauses: Arc::clone(&self.pauses),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            progress: Arc::clone(&slot.progress),
        };
        // Without its thread there is nobody to tell it, and `ended` says so at once.
        let _no_thread = jobs.send(Job { sender, stop: stopped, last });
        slot.running = Some(Running { stop, ended });
    }

    /// Tells an endpoint, from its cursor on, unless it is told already, is disabled, or all is stopped.
    pub(super) fn start_again(&self, registry: &mut Registry, name: &str) -> std::io::Result<()> {
        let (Some(slot), Some(jobs)) = (registry.slots.get_mut(name), &registry.jobs) else { return Ok(()) };
        let has_ended = slot.progress.lock().ended.is_some();
        if has_ended {
            slot.stop();
        }
        if registry.saved.disabled.contains(name) || slot.running.is_some() {
            return Ok(());
        }
        let told_to = slot.progress.lock().told_to;
        let cursor = Cursor::open(self.dir.as_deref(), name, told_to)?;
        self.start_slot(jobs, name, slot, cursor);
        Ok(())
    }

    /// How each endpoint stands, by name.
    pub fn status(&self) -> Vec<EndpointStatus> {
        let registry = self.registry.lock();
        registry.slots.keys().filter_map(|name| registry.status_of(name)).collect()
    }

    /// How one endpoint stands.
    pub fn status_of(&self, name: &str) -> Option<EndpointStatus> {
        self.registry.lock().status_of(name)
    }

    /// Stops telling; what was not told is told after the next start.
    pub fn stop(&self) {
        {
            let registry = &mut *self.registry.lock();
            registry.jobs = None;
            for running in registry.slots.values().filter_map(|slot| slot.running.as_ref()) {
                running.stop.send_replace(true);
            }
        }
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the webhooks had panicked");
        }
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Registry {
    pub(super) const fn is_stopped(&self) -> bool {
        self.jobs.is_none()
    }

    pub(super) fn status_of(&self, name: &str) -> Option<EndpointStatus> {
        let slot = self.slots.get(name)?;
        let endpoint = Arc::clone(&slot.endpoint.borrow());
        let made = self.saved.endpoints.iter().find(|made| made.name == name);
        let Progress { told_to, told, failures, failing_since, last_error, dead_letters, latest_dead_letters, ended } =
            slot.progress.lock().clone();
        let state = match () {
            () if self.saved.disabled.contains(name) => State::Disabled,
            () if ended.is_some() => State::Ended,
            () if failures > 0 => State::Failing,
            () => State::Active,
        };
        Some(EndpointStatus {
            name: name.to_owned(),
            url: endpoint.url.clone(),
            types: endpoint.types.clone(),
            description: made.and_then(|made| made.description.clone()),
            source: slot.source,
            created_at: made.map(|made| made.created_at),
            state,
            secrets: endpoint.secrets.iter().map(|secret| SecretShown { id: secret.id() }).collect(),
            told_to,
            told,
            failures,
            failing_since,
            last_error,
            dead_letters,
            latest_dead_letters,
            ended,
        })
    }
}

/// What was made at run time; of the disabled ones only those that still exist are remembered when it is next written.
fn load(dir: Option<&Path>) -> Result<Saved, WebhooksError> {
    let Some(dir) = dir else { return Ok(Saved::default()) };
    Saved::load(dir).map_err(|error| WebhooksError::Saved { path: saved::path_in(dir), error })
}

/// Runs what tells endpoints, until nobody orders more and each has ended.
async fn run_all(mut ordered: mpsc::UnboundedReceiver<Job>) {
    let mut all = JoinSet::new();
    loop {
        tokio::select! {
            job = ordered.recv() => match job {
                Some(Job { sender, stop, last }) => drop(all.spawn(async move {
                    sender.run(stop).await;
                    drop(last);
                })),
                None => break,
            },
            Some(_) = all.join_next() => {}
        }
    }
    while all.join_next().await.is_some() {}
}
