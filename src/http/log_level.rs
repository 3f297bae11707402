//! The level of the logs while the process runs.

use std::fmt;

use parking_lot::Mutex;

/// Applies a filter, or says what is wrong with it.
type Apply = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// Reads and changes which log lines are written; whoever set up the logs provides it.
pub struct LogLevel {
    current: Mutex<String>,
    apply: Box<Apply>,
}

impl LogLevel {
    /// A handle on logs that are filtered by `current` now (`info`, or `stockade::http=debug,info`).
    pub fn new(current: impl Into<String>, apply: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { current: Mutex::new(current.into()), apply: Box::new(apply) }
    }

    /// The filter in force.
    pub fn current(&self) -> String {
        self.current.lock().clone()
    }

    /// Puts a filter in force.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the one before stays in force.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        let mut current = self.current.lock();
        (self.apply)(filter)?;
        filter.clone_into(&mut current);
        Ok(())
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogLevel").field(&self.current()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_refused_leaves_the_one_before_in_force() {
        let level = LogLevel::new("info", |filter| if filter == "loud" { Err("no".into()) } else { Ok(()) });
        assert_eq!(level.set("loud"), Err("no".into()));
        assert_eq!(level.current(), "info");
        level.set("debug").unwrap();
        assert_eq!(level.current(), "debug");
    }
}
