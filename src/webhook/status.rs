//! How an endpoint stands, for those who operate the engine.

use std::collections::VecDeque;

use serde::{Serialize, Serializer};
use stockade_domain::Timestamp;

/// Dead letters that are shown; all of them are in the endpoint's file.
const DEAD_LETTERS_SHOWN: usize = 100;

/// How telling an endpoint goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    pub(super) told_to: u64,
    pub(super) told: u64,
    pub(super) failures: u64,
    pub(super) failing_since: Option<Timestamp>,
    pub(super) last_error: Option<String>,
    pub(super) dead_letters: u64,
    pub(super) latest_dead_letters: VecDeque<(String, String)>,
    pub(super) ended: Option<String>,
}

impl Progress {
    pub(super) fn told(&mut self) {
        self.told += 1;
        self.failures = 0;
        self.failing_since = None;
    }

    pub(super) fn failed(&mut self, why: &str, now: Timestamp) {
        self.failures += 1;
        self.failing_since.get_or_insert(now);
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

/// Where an endpoint comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// From the configuration, which alone says what it is.
    Configured,
    /// It was made while the engine ran.
    Created,
}

/// Whether an endpoint is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It takes what it is told.
    Active,
    /// It is told, and did not take the latest.
    Failing,
    /// Somebody said that it is not to be told for now.
    Disabled,
    /// It cannot be told: what comes next is not in the journal any more, or the engine has ended.
    Ended,
}

/// A secret, by a name that tells nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretShown {
    /// The name.
    pub id: String,
}

/// How an endpoint stands, for operators.
#[derive(Debug, Clone, Serialize)]
pub struct EndpointStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Kinds and types of facts that it is told; none: all.
    pub types: Vec<String>,
    /// What its owner says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// When it was made, if it was while the engine ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Whether it is told.
    pub state: State,
    /// Its active secrets, the latest first: each signs.
    pub secrets: Vec<SecretShown>,
    /// Every fact up to this sequence was told, or given up.
    #[serde(serialize_with = "as_text")]
    pub told_to: u64,
    /// Facts told since the start.
    pub told: u64,
    /// Attempts in a row that failed; zero: it answers.
    pub failures: u64,
    /// Since when it has taken nothing, within this run of the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
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
