//! One endpoint's way through the journal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stockade_actors::ports::Clock;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cursor::Cursor;
use super::delivery::{Delivery, Ended, body_of};
use super::endpoint::Endpoint;
use super::service::EndpointStatus;
use super::window::Window;
use crate::engine::{Engine, Fact, FeedError};
use crate::gateway::Entropy;

/// How often the cursor is written, at most: what was told since then is told again after a crash.
const SAVED_EVERY: Duration = Duration::from_secs(1);
/// Facts that an endpoint is told at once.
const ATTEMPTS_MAX: usize = 8;

/// What tells one endpoint.
pub(super) struct Sender {
    pub(super) engine: Engine,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) cursor: Cursor,
    pub(super) dead_letters: Option<PathBuf>,
    pub(super) pauses: Arc<[Duration]>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) status: Arc<Mutex<EndpointStatus>>,
}

impl Sender {
    /// Tells facts until it is stopped, or the engine ends.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut feed = self.engine.follow(self.cursor.sequence());
        let mut window = Window::new(self.cursor.sequence());
        let mut under_way: JoinSet<(u64, String, Ended)> = JoinSet::new();
        let attempts = Arc::new(Semaphore::new(ATTEMPTS_MAX));
        let mut saved_at = Instant::now();
        loop {
            for (number, fact) in window.start() {
                let delivery = self.delivery(fact, &attempts);
                let (id, status) = (fact.id.clone(), Arc::clone(&self.status));
                under_way.spawn(async move {
                    let ended = delivery.run(|why| status.lock().failed(why)).await;
                    (number, id, ended)
                });
            }
            tokio::select! {
                biased;
                // Whoever stops may also be gone.
                _ = stop.changed() => break,
                Some(done) = under_way.join_next() => {
                    let Ok((number, id, ended)) = done else {
                        // A bug of ours: what was under way is told again after the next start.
                        self.status.lock().ended("telling a fact panicked".to_owned());
                        break;
                    };
                    self.note(&id, &ended);
                    window.done(number);
                }
                fact = feed.next(), if window.has_room() => match fact {
                    Ok(fact) => {
                        let is_wanted = self.endpoint.wants(&fact);
                        window.push(fact, is_wanted);
                    }
                    Err(error) => {
                        self.end(&error);
                        break;
                    }
                },
            }
            // Records without facts are behind it, too, when nothing is under way.
            let told_to = if window.is_empty() { feed.read_to() } else { window.done_to() };
            self.status.lock().told_to = told_to;
            if told_to > self.cursor.sequence() && saved_at.elapsed() >= SAVED_EVERY {
                saved_at = Instant::now();
                self.save(told_to);
            }
        }
        under_way.shutdown().await;
        let told_to = self.status.lock().told_to;
        self.save(told_to.max(self.cursor.sequence()));
    }

    fn delivery(&self, fact: &Fact, attempts: &Arc<Semaphore>) -> Delivery {
        Delivery {
            endpoint: Arc::clone(&self.endpoint),
            id: fact.id.clone(),
            body: body_of(fact),
            pauses: Arc::clone(&self.pauses),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            attempts: Arc::clone(attempts),
        }
    }

    fn save(&mut self, sequence: u64) {
        if let Err(error) = self.cursor.save(sequence) {
            // It is told again after a restart; nothing is lost.
            tracing::warn!(endpoint = self.endpoint.name, %error, "a webhook cursor could not be written");
        }
    }

    fn note(&self, id: &str, ended: &Ended) {
        match ended {
            Ended::Told => self.status.lock().told(),
            Ended::GivenUp { why } => {
                tracing::error!(endpoint = self.endpoint.name, fact = id, why, "a fact could not be told: dead letter");
                self.write_dead_letter(id, why);
                self.status.lock().given_up(id, why);
            }
        }
    }

    /// A dead letter is kept for the operator; the fact itself is in the journal.
    fn write_dead_letter(&self, id: &str, why: &str) {
        use std::io::Write as _;
        let Some(path) = &self.dead_letters else { return };
        let line = serde_json::json!({"id": id, "why": why}).to_string();
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        if let Err(error) = file.and_then(|mut file| writeln!(file, "{line}")) {
            tracing::error!(endpoint = self.endpoint.name, fact = id, %error, "a dead letter could not be written");
        }
    }

    fn end(&self, error: &FeedError) {
        if let FeedError::Gone { .. } = error {
            let name = &self.endpoint.name;
            tracing::error!(endpoint = name, %error, "delete its cursor to go on from now");
        }
        self.status.lock().ended(error.to_string());
    }
}
