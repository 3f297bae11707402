//! What a command says, and with which code it ends.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::EngineError;

/// How a command that ran has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is well.
    Done,
    /// It found a fault.
    Fault,
}

impl Verdict {
    pub(super) const fn of(is_well: bool) -> Self {
        if is_well { Self::Done } else { Self::Fault }
    }

    pub(super) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::Fault => 1,
        })
    }
}

/// Why a command did not run.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    /// The stable name that scripts compare.
    pub(super) code: &'static str,
    message: String,
    is_usage: bool,
}

impl Failure {
    /// The arguments or the configuration are wrong: exit code 2.
    pub(super) fn usage(code: &'static str, message: impl Display) -> Self {
        Self { code, message: message.to_string(), is_usage: true }
    }

    /// It could not run: exit code 3.
    pub(super) fn cannot(code: &'static str, message: impl Display) -> Self {
        Self { code, message: message.to_string(), is_usage: false }
    }

    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(if self.is_usage { 2 } else { 3 })
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let code = match &error {
            EngineError::InUse { .. } => "directory_in_use",
            EngineError::Unusable { .. } => "directory_unusable",
            EngineError::Damaged(_) => "journal_damaged",
            EngineError::Newer(_) => "version_newer",
            EngineError::Full(_) => "disk_full",
            EngineError::Io(_) => "io_failed",
            EngineError::Thread(_) => "thread_not_started",
        };
        Self::cannot(code, error)
    }
}

/// Where a command's report goes: JSON for programs, or text for people.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// The command's one JSON object, or its text.
    pub(super) fn report(&mut self, report: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            let json = serde_json::to_string(report).expect("a report has only text keys and finite numbers");
            say(&json);
        } else {
            say(text().trim_end());
        }
    }

    /// A line for people; nothing with `--json`.
    pub(super) fn line(&mut self, text: impl Display) {
        if !self.json {
            say(&text.to_string());
        }
    }

    /// Why it did not run: on stderr for people, and as the JSON object for programs.
    pub(super) fn failure(&mut self, failure: &Failure) {
        if self.json {
            say(&serde_json::json!({ "error": { "code": failure.code, "message": failure.message } }).to_string());
        }
        let _ = writeln!(std::io::stderr(), "stockade: {failure}");
    }
}

/// A reader that went away (`| head`) is no reason to fail.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// A progress bar on stderr; it draws nothing unless stderr is a terminal.
pub(super) fn progress(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(ProgressStyle::with_template(template).expect("a template written here").progress_chars("━╸─"));
    bar
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A latency as people read it.
pub(super) fn micros(value: u64) -> String {
    match value {
        0..1_000 => format!("{value} us"),
        1_000..1_000_000 => format!("{:.1} ms", value as f64 / 1e3),
        _ => format!("{:.2} s", value as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
