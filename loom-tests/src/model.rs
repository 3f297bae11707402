//! How a model is run: proven of the real primitive, refuted of a broken twin, and never vacuous.

use std::panic;
use std::process::{Command, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Preemptions per execution that are explored unless `LOOM_MAX_PREEMPTIONS` says otherwise. Switches at which a thread
/// blocks or ends are free. The bugs that are known of such code need one or two; three keeps a model within seconds.
const PREEMPTIONS: usize = 3;

/// Loom's word for a state in which every thread waits: a lost wake-up.
pub const LOST_WAKE_UP: &str = "deadlock";

/// Set in the child process that carries out a refutation.
const CHILD: &str = "STOCKADE_REFUTATION";
/// Exit code of a child that found the bug.
const FOUND: i32 = 86;

/// Runs `model` in every interleaving and panics at the first that fails.
pub fn prove(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(model);
}

/// Makes a test of the given name that passes when loom finds an interleaving in which the model fails, and fails with a
/// message that contains the complaint.
#[macro_export]
macro_rules! refuted {
    ($name:ident, $complaint:expr, $model:expr) => {
        #[test]
        fn $name() {
            $crate::model::refute(stringify!($name), $complaint, $model);
        }
    };
}

/// The body of a test made by [`refuted!`]: runs the test again in a child process, which runs the model.
///
/// A model that fails may take its process with it: loom's types cannot be dropped while a deadlock unwinds.
pub fn refute(test: &str, complaint: &str, model: impl Fn() + Send + Sync + 'static) {
    if std::env::var_os(CHILD).is_some() {
        // The first panic is the finding; those that unwinding would add are not.
        panic::set_hook(Box::new(|finding| {
            eprintln!("{finding}");
            exit(FOUND);
        }));
        return prove(model);
    }
    let this_test = std::env::current_exe().expect("a test knows its own path");
    let child = Command::new(this_test).args(["--exact", test, "--nocapture"]).env(CHILD, "1").output();
    let child = child.expect("a test can start itself again");
    let finding = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.code(), Some(FOUND), "the model does not notice that its primitive is broken: {finding}");
    assert!(finding.contains(complaint), "the model fails, but not with {complaint:?}: {finding}");
}

/// Something that has to happen in at least one interleaving; otherwise the model proved nothing about it.
///
/// It is invisible to loom: witnessing adds no interleavings and orders nothing.
#[derive(Debug, Clone)]
pub struct Witness {
    what: &'static str,
    seen: Arc<AtomicBool>,
}

impl Witness {
    /// Waits to see that `what` happens.
    pub fn of(what: &'static str) -> Self {
        Self { what, seen: Arc::default() }
    }

    /// It happens, in this interleaving.
    pub fn saw(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }

    /// Panics if it happened in none.
    pub fn must_have_been_seen(&self) {
        assert!(self.seen.load(Ordering::Relaxed), "there is no interleaving in which {}: a vacuous model", self.what);
    }
}
