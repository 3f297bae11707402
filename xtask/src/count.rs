//! What test programs say they did, by layer.

use crate::shell::root;

/// Counts of one layer of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tests {
    /// That passed.
    pub passed: u64,
    /// That did not.
    pub failed: u64,
    /// That were not run.
    pub ignored: u64,
}

impl Tests {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    /// In a few words.
    pub fn text(self) -> String {
        let ignored = if self.ignored > 0 { format!(", {} not run", self.ignored) } else { String::new() };
        let failed = if self.failed > 0 { format!(", {} FAILED", self.failed) } else { String::new() };
        format!("{} tests{ignored}{failed}", self.passed)
    }
}

/// Tests by layer, in the order in which the layers rest on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layers {
    /// Beside the code, and in the documentation.
    pub unit: Tests,
    /// From outside: a crate's `tests/`.
    pub interface: Tests,
    /// Models of the concurrency.
    pub loom: Tests,
}

impl Layers {
    /// Reads what `cargo test` printed.
    pub fn of(output: &str) -> Self {
        let mut layers = Self::default();
        let mut layer = Layer::Unit;
        for line in output.lines().map(str::trim) {
            if let Some(program) = line.strip_prefix("Running ") {
                layer = Layer::of(program);
            } else if line.starts_with("Doc-tests") {
                layer = Layer::Unit;
            } else if let Some(result) = line.strip_prefix("test result: ") {
                let tests = Tests {
                    passed: number_before(result, " passed"),
                    failed: number_before(result, " failed"),
                    ignored: number_before(result, " ignored"),
                };
                match layer {
                    Layer::Unit => layers.unit.add(tests),
                    Layer::Interface => layers.interface.add(tests),
                    Layer::Loom => layers.loom.add(tests),
                }
            }
        }
        layers
    }

    /// In a few words.
    pub fn text(&self) -> String {
        let Self { unit, interface, loom } = self;
        format!("unit {}; interface {}; loom {}", unit.text(), interface.text(), loom.text())
    }

    /// All layers together.
    pub fn passed(&self) -> u64 {
        self.unit.passed + self.interface.passed + self.loom.passed
    }
}

#[derive(Clone, Copy)]
enum Layer {
    Unit,
    Interface,
    Loom,
}

impl Layer {
    fn of(program: &str) -> Self {
        let Some((name, _)) = program.strip_prefix("tests/").and_then(|rest| rest.split_once(".rs")) else {
            return Self::Unit;
        };
        let is_model = root().join("loom-tests/tests").join(format!("{name}.rs")).is_file();
        if is_model { Self::Loom } else { Self::Interface }
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    let Some((before, _)) = text.split_once(word) else { return 0 };
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_by_the_program_that_ran_them() {
        let output = "
     Running unittests src/lib.rs (target/debug/deps/stockade-0a)
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s
     Running tests/batch.rs (target/debug/deps/batch-0b)
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
     Running tests/crash.rs (target/debug/deps/crash-0c)
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
     Running tests/inbox.rs (target/debug/deps/inbox-0e)
test result: ok. 8 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
   Doc-tests stockade
test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
";
        let layers = Layers::of(output);
        assert_eq!(layers.unit, Tests { passed: 17, failed: 0, ignored: 1 });
        assert_eq!(layers.interface, Tests { passed: 4, failed: 2, ignored: 0 });
        assert_eq!(layers.loom.passed, 8);
        assert_eq!(layers.passed(), 29);
        assert_eq!(layers.interface.text(), "4 tests, 2 FAILED");
    }
}
