//! Tests that cannot fail are found by deliberate mistakes (cargo-mutants) in the pure decisions and the concurrent
//! primitives. All of them take more than a day on two cores, so a run makes a share: every n-th mistake, spread evenly.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use crate::shell::{Program, StepError, root};
use crate::tools;

/// Mistakes that must be caught, in percent.
const CAUGHT_MIN: f64 = 90.0;
const PAGE: &str = "docs/mutation-testing.md";

/// What is changed, and whose tests are to catch it.
const TARGETS: [(&str, &str, &str); 2] =
    [("domain", "stockade-domain", "stockade-domain"), ("sync", "stockade-sync", "stockade-sync,stockade-loom-tests")];

fn fault(error: impl ToString) -> StepError {
    StepError::Fault(error.to_string())
}

/// What became of the mistakes.
#[derive(Debug, Default, PartialEq)]
struct Outcomes {
    caught: usize,
    missed: Vec<String>,
    /// Ran beyond their time: a loop that does not end is caught.
    timeouts: usize,
    /// Did not compile.
    unviable: usize,
}

impl Outcomes {
    /// Reads the tool's file.
    fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let mut outcomes = Self::default();
        for outcome in value["outcomes"].as_array()? {
            let Some(mutant) = outcome["scenario"].get("Mutant") else { continue };
            match outcome["summary"].as_str()? {
                "CaughtMutant" => outcomes.caught += 1,
                "Timeout" => outcomes.timeouts += 1,
                "Unviable" => outcomes.unviable += 1,
                "MissedMutant" => outcomes.missed.push(mutant["name"].as_str()?.to_owned()),
                _ => return None,
            }
        }
        Some(outcomes)
    }

    fn viable(&self) -> usize {
        self.caught + self.timeouts + self.missed.len()
    }

    fn percent(&self) -> f64 {
        (self.caught + self.timeouts) as f64 * 100.0 / self.viable().max(1) as f64
    }

    fn section(&self, target: &str, shard: &str) -> String {
        let mut text = format!(
            "## `{target}`, share {shard}\n\n| mistakes | caught | ran out of time | missed | did not compile | caught of those that run |\n\
             |---|---|---|---|---|---|\n| {} | {} | {} | {} | {} | {:.1} % |\n",
            self.viable() + self.unviable,
            self.caught,
            self.timeouts,
            self.missed.len(),
            self.unviable,
            self.percent()
        );
        if !self.missed.is_empty() {
            text.push_str("\nMissed:\n\n");
            for name in &self.missed {
                let _ = writeln!(text, "- `{name}`");
            }
        }
        text
    }
}

/// The page with this section in the place of the target's last one.
fn with_section(page: &str, target: &str, section: &str) -> String {
    let head = format!("## `{target}`, ");
    let mut parts: Vec<String> = page
        .split("\n## ")
        .enumerate()
        .map(|(at, part)| if at == 0 { part.to_owned() } else { format!("## {part}") })
        .collect();
    parts.retain(|part| !part.starts_with(&head));
    parts.push(section.to_owned());
    parts.iter().map(|part| format!("{}\n", part.trim_end())).collect::<Vec<_>>().join("\n")
}

/// Makes a share of the mistakes of a target (`domain 3/40`), tells who was caught, and keeps it in the page.
pub fn run(target: &str, shard: &str) -> Result<String, StepError> {
    let (_, package, tests) = TARGETS
        .iter()
        .find(|(name, ..)| *name == target)
        .ok_or_else(|| fault(format!("`{target}` has no deliberate mistakes: choose domain or sync")))?;
    let mutants = tools::from_crates("cargo-mutants", "27.1.0", "")?;
    let out = root().join("target/mutants").join(target);
    fs::create_dir_all(&out).map_err(fault)?;
    // It says no when a mistake is missed; what was missed is read from its file.
    let ran = Program::new(mutants)
        .args("mutants --no-shuffle --sharding round-robin --timeout 120 --build-timeout 600 --package")
        .arg(package)
        .arg("--test-package")
        .arg(tests)
        .arg("--shard")
        .arg(shard)
        .arg("--output")
        .arg(&out)
        .env("PROPTEST_CASES", "48")
        .run();
    let file = out.join("mutants.out/outcomes.json");
    let text = fs::read_to_string(&file).map_err(|error| match ran {
        Err(error) => error,
        Ok(_) => fault(format!("{}: {error}", file.display())),
    })?;
    keep(target, shard, &text)
}

fn keep(target: &str, shard: &str, outcomes: &str) -> Result<String, StepError> {
    let outcomes = Outcomes::read(outcomes).ok_or_else(|| fault("the outcomes cannot be read"))?;
    let page = fs::read_to_string(root().join(PAGE)).map_err(fault)?;
    let section = outcomes.section(target, shard);
    fs::write(root().join(PAGE), with_section(&page, target, &section)).map_err(fault)?;
    let said = format!("{:.1} % of {} mistakes in {target} are caught", outcomes.percent(), outcomes.viable());
    if outcomes.viable() == 0 || outcomes.percent() < CAUGHT_MIN {
        return Err(fault(format!("{said}, {CAUGHT_MIN} % are wanted:\n{section}")));
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"outcomes":[
        {"scenario":"Baseline","summary":"Success"},
        {"scenario":{"Mutant":{"name":"a.rs:1: replace f -> u32 with 0"}},"summary":"CaughtMutant"},
        {"scenario":{"Mutant":{"name":"a.rs:2: replace + with -"}},"summary":"MissedMutant"},
        {"scenario":{"Mutant":{"name":"a.rs:3"}},"summary":"Timeout"},
        {"scenario":{"Mutant":{"name":"a.rs:4"}},"summary":"Unviable"}]}"#;

    #[test]
    fn what_does_not_compile_does_not_count_and_what_never_ends_is_caught() {
        let outcomes = Outcomes::read(TEXT).unwrap();
        assert_eq!((outcomes.viable(), outcomes.unviable), (3, 1));
        assert!((outcomes.percent() - 66.67).abs() < 0.01);
        assert!(outcomes.section("domain", "3/40").contains("- `a.rs:2: replace + with -`"));
    }

    #[test]
    fn a_section_takes_the_place_of_the_one_before() {
        let page = with_section("# Head\n\ntext\n", "sync", "## `sync`, share 0/4\n\nold\n");
        let page = with_section(&page, "domain", "## `domain`, share 1/40\n");
        let page = with_section(&page, "sync", "## `sync`, share 1/4\n\nnew\n");
        assert_eq!(page, "# Head\n\ntext\n\n## `domain`, share 1/40\n\n## `sync`, share 1/4\n\nnew\n");
    }
}
