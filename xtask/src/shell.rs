//! Running programs: their output is shown as it comes and kept for counting.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a step did not pass.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A program ran and said no.
    #[error("`{0}` failed")]
    Failed(String),
    /// A program could not be run.
    #[error("`{program}` could not be run: {source}")]
    Missing {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ran and found a fault.
    #[error("{0}")]
    Fault(String),
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the workspace").to_owned()
}

/// A program about to be run in the root of the workspace.
pub struct Program {
    command: Command,
    shown: String,
    is_quiet: bool,
}

impl Program {
    /// This program.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        // Both streams through one pipe: which program a result is of shows in the order of the lines.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(program.as_ref()).current_dir(root());
        Self { command, shown: program.as_ref().to_string_lossy().into_owned(), is_quiet: false }
    }

    /// With these arguments, separated by spaces.
    #[must_use]
    pub fn args(mut self, arguments: &str) -> Self {
        for argument in arguments.split_whitespace() {
            self = self.arg(argument);
        }
        self
    }

    /// With one more argument, as it is.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&argument.as_ref().to_string_lossy());
        self.command.arg(argument);
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Shows its output only if it fails.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Runs it; returns what it printed, on both streams in the order in which it came.
    pub fn run(mut self) -> Result<String, StepError> {
        if !self.is_quiet {
            println!("$ {}", self.shown);
        }
        self.command.stdin(Stdio::null()).stdout(Stdio::piped());
        let missing = |source| StepError::Missing { program: self.shown.clone(), source };
        let mut child = self.command.spawn().map_err(missing)?;
        let mut output = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if !self.is_quiet {
                println!("{line}");
            }
            output.push_str(&line);
            output.push('\n');
        }
        let missing = |source| StepError::Missing { program: self.shown.clone(), source };
        let status = child.wait().map_err(missing)?;
        if status.success() {
            return Ok(output);
        }
        if self.is_quiet {
            print!("$ {}\n{output}", self.shown);
        }
        Err(StepError::Failed(self.shown))
    }
}

/// Cargo, with these arguments.
pub fn cargo(arguments: &str) -> Program {
    Program::new(cargo_itself()).args(arguments)
}

/// The same, giving way to whatever else runs.
pub fn patient_cargo(arguments: &str) -> Program {
    Program::new("nice").args("-n 10").arg(cargo_itself()).args(arguments)
}

fn cargo_itself() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
