//! All endpoints, on a thread of their own.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use stockade_actors::ports::{Clock, SystemClock};
use tokio::sync::watch;

use super::cursor::Cursor;
use super::delivery::RETRY_PAUSES;
use super::endpoint::Endpoint;
use super::sender::Sender;
use crate::engine::Engine;
use crate::gateway::SystemEntropy;

/// Dead letters that are shown; all of them are in the endpoint's file.
const DEAD_LETTERS_SHOWN: usize = 100;

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
    /// Two endpoints have one name, and so one cursor.
    #[error("two webhook endpoints are named `{0}`")]
    NameTwice(String),
    /// There is no thread for them.
    #[error("no thread for webhooks: {0}")]
    Thread(std::io::Error),
}

/// How an endpoint stands, for operators.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EndpointStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Every fact up to this sequence was told, or given up.
    #[serde(serialize_with = "as_text")]
    pub told_to: u64,
    /// Facts told since the start.
    pub told: u64,
    /// Attempts in a row that failed; zero: it answers.
    pub failures: u64,
    /// What was wrong the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Facts given up since the start.
    pub dead_letters: u64,
    /// The latest of them, with what was wrong.
    pub latest_dead_letters: VecDeque<(String, String)>,
    /// Why nothing more is told, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// Sequences are strings to the outside.
fn as_text<S: Serializer>(sequence: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(sequence)
}

impl EndpointStatus {
    pub(super) fn told(&mut self) {
        self.told += 1;
        self.failures = 0;
    }

    pub(super) fn failed(&mut self, why: &str) {
        self.failures += 1;
        self.last_error = Some(why.to_owned());
    }

    pub(super) fn given_up(&mut self, id: &str, why: &str) {
        self.dead_letters += 1;
        if self.latest_dead_letters.len() == DEAD_LETTERS_SHOWN {
            self.latest_dead_letters.pop_front();
        }
        self.latest_dead_letters.push_back((id.to_owned(), why.to_owned()));
    }

    pub(super) fn ended(&mut self, why: String) {
        self.ended = Some(why);
    }
}

/// Tells endpoints of facts until it is stopped or dropped. What they were told is remembered in `dir`.
#[derive(Debug)]
pub struct Webhooks {
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    status: Vec<Arc<Mutex<EndpointStatus>>>,
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
        let (clock, entropy): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Arc::new(SystemEntropy::default()));
        let (mut senders, mut status) = (Vec::new(), Vec::<Arc<Mutex<EndpointStatus>>>::new());
        for endpoint in endpoints {
            if status.iter().any(|known| known.lock().name == endpoint.name) {
                return Err(WebhooksError::NameTwice(endpoint.name));
            }
            let wrong = |error| WebhooksError::Cursor { endpoint: endpoint.name.clone(), error };
            if let Some(dir) = &dir {
                std::fs::create_dir_all(dir).map_err(wrong)?;
            }
            let cursor = Cursor::open(dir.as_deref(), &endpoint.name, engine.durable()).map_err(wrong)?;
            let (name, url, told_to) = (endpoint.name.clone(), endpoint.url.clone(), cursor.sequence());
            let shown = Arc::new(Mutex::new(EndpointStatus { name, url, told_to, ..EndpointStatus::default() }));
            status.push(Arc::clone(&shown));
            senders.push(Sender {
                engine: engine.clone(),
                dead_letters: dir.as_ref().map(|dir| dir.join(format!("{}.dead-letters.jsonl", endpoint.name))),
                endpoint: Arc::new(endpoint),
                cursor,
                pauses: pauses.into(),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy) as _,
                status: shown,
            });
        }
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(WebhooksError::Thread)?;
        let run = move || {
            runtime.block_on(async move {
                let mut all = tokio::task::JoinSet::new();
                senders.into_iter().for_each(|sender| drop(all.spawn(sender.run(stopped.clone()))));
                while all.join_next().await.is_some() {}
            });
        };
        let thread = std::thread::Builder::new().name("stockade-webhooks".into()).spawn(run);
        Ok(Self { stop, thread: Mutex::new(Some(thread.map_err(WebhooksError::Thread)?)), status })
    }

    /// How each endpoint stands.
    pub fn status(&self) -> Vec<EndpointStatus> {
        self.status.iter().map(|status| status.lock().clone()).collect()
    }

    /// Stops telling; what was not told is told after the next start.
    pub fn stop(&self) {
        self.stop.send_replace(true);
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
