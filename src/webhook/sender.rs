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
use super::status::Progress;
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
    pub(super) name: String,
    pub(super) endpoint: watch::Receiver<Arc<Endpoint>>,
    pub(super) cursor: Cursor,
    pub(super) dead_letters: Option<PathBuf>,
    pub(super) pauses: Arc<[Duration]>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) progress: Arc<Mutex<Progress>>,
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
                let (id, clock) = (fact.id.clone(), Arc::clone(&self.clock));
                let progress = Arc::clone(&self.progress);
                under_way.spawn(async move {
                    let ended = delivery.run(|why| progress.lock().failed(why, clock.now())).await;
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
                        self.progress.lock().ended("telling a fact panicked".to_owned());
                        break;
                    };
                    self.note(&id, &ended);
                    window.done(number);
                }
                fact = feed.next(), if window.has_room() => match fact {
                    Ok(fact) => {
                        let is_wanted = self.endpoint.borrow().wants(&fact);
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
            self.progress.lock().told_to = told_to;
            if told_to > self.cursor.sequence() && saved_at.elapsed() >= SAVED_EVERY {
                saved_at = Instant::now();
                self.save(told_to);
            }
        }
        under_way.shutdown().await;
        let told_to = self.progress.lock().told_to;
        self.save(told_to.max(self.cursor.sequence()));
    }

    fn delivery(&self, fact: &Fact, attempts: &Arc<Semaphore>) -> Delivery {
        Delivery {
            endpoint: self.endpoint.clone(),
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
            tracing::warn!(endpoint = self.name, %error, "a webhook cursor could not be written");
        }
    }

    fn note(&self, id: &str, ended: &Ended) {
        match ended {
            Ended::Told => self.progress.lock().told(),
            Ended::GivenUp { why } => {
                tracing::error!(endpoint = self.name, fact = id, why, "a fact could not be told: dead letter");
                self.write_dead_letter(id, why);
                self.progress.lock().given_up(id, why);
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
            tracing::error!(endpoint = self.name, fact = id, %error, "a dead letter could not be written");
        }
    }

    fn end(&self, error: &FeedError) {
        if let FeedError::Gone { .. } = error {
            let why = "the admin listener's `redeliver` says from where to go on";
            tracing::error!(endpoint = self.name, %error, why);
        }
        self.progress.lock().ended(error.to_string());
    }
}
