//! What test programs say they did, by layer.

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
        let (mut layer, mut package) = (Layer::Unit, "");
        for line in output.lines().map(str::trim) {
            if let Some(program) = line.strip_prefix("Running ") {
                if program.starts_with("unittests") {
                    // A package's tests follow those of its own code, which alone say whose they are.
                    package = program;
                }
                layer = Layer::of(package, program);
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
    fn of(package: &str, program: &str) -> Self {
        if package.contains("stockade_loom_tests") {
            Self::Loom
        } else if program.starts_with("tests/") {
            Self::Interface
        } else {
            Self::Unit
        }
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
     Running unittests src/lib.rs (target/debug/deps/stockade_loom_tests-0d)
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
     Running tests/inbox.rs (target/debug/deps/inbox-0e)
test result: ok. 8 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
   Doc-tests stockade
test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
";
        let layers = Layers::of(output);
        assert_eq!(layers.unit, Tests { passed: 17, failed: 0, ignored: 1 });
        assert_eq!(layers.interface, Tests { passed: 4, failed: 2, ignored: 0 });
        assert_eq!(layers.loom.passed, 9);
        assert_eq!(layers.passed(), 30);
        assert_eq!(layers.interface.text(), "4 tests, 2 FAILED");
    }
}
