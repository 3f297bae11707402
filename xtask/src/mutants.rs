//! Tests that cannot fail are found by deliberate mistakes (cargo-mutants) in the pure decisions and the concurrent
//! primitives. All of them take more than a day on two cores, so a run makes a share: every n-th mistake, spread evenly.
//! The page keeps every share of a size, so that shares run one after the other add up to the whole.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use crate::shell::{Program, StepError, root};
use crate::tools;

/// Mistakes that must be caught, in percent.
const CAUGHT_MIN: f64 = 90.0;
const PAGE: &str = "docs/mutation-testing.md";
const SUMS: &str = "## Together";
const HEADS: &str = "mistakes | caught | ran out of time | missed | did not compile | caught of those that run";

/// What is changed, and whose tests are to catch it.
const TARGETS: [(&str, &str, &str); 2] =
    [("domain", "stockade-domain", "stockade-domain"), ("sync", "stockade-sync", "stockade-sync,stockade-loom-tests")];
/// What makes a mistake cheap: no debug information, no page of documentation, few random cases and none made smaller,
/// no engine around the models; and a random case that failed is not kept for the next mistake.
const CHEAPLY: &str = "--no-default-features --profile mutants -- --lib --tests";
const ENVIRONMENT: [(&str, &str); 3] =
    [("PROPTEST_CASES", "48"), ("PROPTEST_MAX_SHRINK_ITERS", "0"), ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")];

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
    /// What building and testing them took.
    seconds: f64,
}

impl Outcomes {
    /// Reads the tool's file.
    fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let mut outcomes = Self::default();
        for outcome in value["outcomes"].as_array()? {
            let Some(mutant) = outcome["scenario"].get("Mutant") else { continue };
            let phases = outcome["phase_results"].as_array().into_iter().flatten();
            outcomes.seconds += phases.filter_map(|phase| phase["duration"].as_f64()).sum::<f64>();
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

    /// As a row under [`HEADS`].
    fn row(&self) -> String {
        format!(
            "{} | {} | {} | {} | {} | {:.1} %",
            self.viable() + self.unviable,
            self.caught,
            self.timeouts,
            self.missed.len(),
            self.unviable,
            self.percent()
        )
    }

    fn section(&self, target: &str, shard: &str) -> String {
        let ruler = "---|".repeat(HEADS.split(" | ").count() + 1);
        let mut text = format!(
            "## `{target}`, share {shard}\n\n| {HEADS} | seconds each |\n|{ruler}\n| {} | {:.0} |\n",
            self.row(),
            self.seconds / (self.viable() + self.unviable).max(1) as f64
        );
        if !self.missed.is_empty() {
            text.push_str("\nMissed:\n\n");
            for name in &self.missed {
                let _ = writeln!(text, "- `{name}`");
            }
        }
        text
    }

    /// Takes in what a section says, all but which they are.
    fn add_section(&mut self, section: &str) -> Option<()> {
        let row = section.lines().find(|line| line.starts_with('|') && line.contains(" % |"))?;
        let numbers: Vec<usize> = row.split('|').filter_map(|cell| cell.trim().parse().ok()).collect();
        let [_, caught, timeouts, missed, unviable, ..] = numbers[..] else { return None };
        self.caught += caught;
        self.timeouts += timeouts;
        self.unviable += unviable;
        self.missed.resize(self.missed.len() + missed, String::new());
        Some(())
    }
}

/// Which share of which target a section is: `domain`, 3, 40.
fn share_of(section: &str) -> Option<(&str, usize, usize)> {
    let (target, share) = section.lines().next()?.strip_prefix("## `")?.split_once("`, share ")?;
    let (number, of) = share.split_once('/')?;
    Some((target, number.parse().ok()?, of.parse().ok()?))
}

/// The page with this section. It takes the place of the same share, and of every share of another size: these do not add
/// up. Before all of them stand their sums.
fn with_section(page: &str, section: &str) -> String {
    let this = share_of(section);
    let mut parts = page.split("\n## ").enumerate().map(|(at, part)| match at {
        0 => part.to_owned(),
        _ => format!("## {part}"),
    });
    let head = parts.next().unwrap_or_default();
    let stays = |share: (&str, usize, usize)| {
        this.is_none_or(|this| share.0 != this.0 || share.2 == this.2 && share.1 != this.1)
    };
    let mut sections: Vec<String> = parts.filter(|part| share_of(part).is_some_and(stays)).collect();
    sections.push(section.to_owned());
    sections.sort_by(|a, b| share_of(a).cmp(&share_of(b)));
    let parts = [head, sums(&sections)].into_iter().chain(sections);
    parts.map(|part| format!("{}\n", part.trim_end())).collect::<Vec<_>>().join("\n")
}

fn sums(sections: &[String]) -> String {
    let ruler = "---|".repeat(HEADS.split(" | ").count() + 2);
    let mut text = format!("{SUMS}\n\n| of | shares | {HEADS} |\n|{ruler}\n");
    for (target, ..) in TARGETS {
        let shares: Vec<_> = sections
            .iter()
            .filter_map(|section| share_of(section).filter(|(of, ..)| *of == target).map(|share| (share, section)))
            .collect();
        let mut sum = Outcomes::default();
        shares.iter().for_each(|(_, section)| sum.add_section(section).expect("a section has a row"));
        if let Some(((_, _, of), _)) = shares.first() {
            let _ = writeln!(text, "| `{target}` | {} of {of} | {} |", shares.len(), sum.row());
        }
    }
    text
}

/// Makes a share of the mistakes of a target (`domain 3/40`), tells who was caught, and keeps it in the page.
pub fn run(target: &str, shard: &str) -> Result<String, StepError> {
    let (_, package, tests) = TARGETS
        .iter()
        .find(|(name, ..)| *name == target)
        .ok_or_else(|| fault(format!("`{target}` has no deliberate mistakes: choose domain or sync")))?;
    let mutants = tools::from_crates(&tools::MUTANTS)?;
    let out = root().join("target/mutants").join(target);
    fs::create_dir_all(&out).map_err(fault)?;
    // It says no when a mistake is missed; what was missed is read from its file.
    let program = Program::new(mutants)
        .args("mutants --no-shuffle --sharding round-robin --timeout 120 --build-timeout 600 --package")
        .arg(package)
        .arg("--test-package")
        .arg(tests)
        .arg("--shard")
        .arg(shard)
        .arg("--output")
        .arg(&out)
        .args(CHEAPLY);
    let ran = ENVIRONMENT.iter().fold(program, |program, (name, value)| program.env(name, value)).run();
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
    fs::write(root().join(PAGE), with_section(&page, &section)).map_err(fault)?;
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
        {"scenario":{"Mutant":{"name":"a.rs:1: replace f -> u32 with 0"}},"summary":"CaughtMutant",
            "phase_results":[{"phase":"Build","duration":5.5},{"phase":"Test","duration":2.5}]},
        {"scenario":{"Mutant":{"name":"a.rs:2: replace + with -"}},"summary":"MissedMutant"},
        {"scenario":{"Mutant":{"name":"a.rs:3"}},"summary":"Timeout"},
        {"scenario":{"Mutant":{"name":"a.rs:4"}},"summary":"Unviable"}]}"#;

    #[test]
    fn what_does_not_compile_does_not_count_and_what_never_ends_is_caught() {
        let outcomes = Outcomes::read(TEXT).unwrap();
        assert_eq!((outcomes.viable(), outcomes.unviable), (3, 1));
        assert!((outcomes.percent() - 66.67).abs() < 0.01);
        assert!((outcomes.seconds - 8.0).abs() < 0.01);
        assert!(outcomes.section("domain", "3/40").contains("- `a.rs:2: replace + with -`"));
    }

    fn section(target: &str, shard: &str, caught: usize, missed: &[&str]) -> String {
        let missed = missed.iter().map(|name| (*name).to_owned()).collect();
        Outcomes { caught, missed, unviable: 1, seconds: 30.0, ..Outcomes::default() }.section(target, shard)
    }

    #[test]
    fn shares_of_a_size_add_up_and_one_that_is_run_again_takes_its_own_place() {
        let page = ["1/8", "0/8", "1/8"].iter().fold("# Head\n\ntext\n".to_owned(), |page, shard| {
            let page = with_section(&page, &section("sync", "0/2", 1, &[]));
            with_section(&page, &section("domain", shard, 3, &["a.rs:2"]))
        });
        let heads: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(
            heads,
            ["# Head", "## Together", "## `domain`, share 0/8", "## `domain`, share 1/8", "## `sync`, share 0/2"]
        );
        assert!(page.starts_with("# Head\n\ntext\n\n## Together\n"), "{page}");
        assert!(page.contains("\n| `domain` | 2 of 8 | 10 | 6 | 0 | 2 | 2 | 75.0 % |\n"), "{page}");
        assert!(page.contains("\n| `sync` | 1 of 2 | 2 | 1 | 0 | 0 | 1 | 100.0 % |\n"), "{page}");
        assert!(page.contains("\n| 5 | 3 | 0 | 1 | 1 | 75.0 % | 6 |\n\nMissed:\n\n- `a.rs:2`\n"), "{page}");
    }

    #[test]
    fn shares_of_another_size_are_not_kept_beside_these() {
        let page = with_section("# Head\n", &section("domain", "1/8", 3, &[]));
        let page = with_section(&page, &section("domain", "1/40", 3, &[]));
        let heads: Vec<&str> = page.lines().filter(|line| line.starts_with("## `")).collect();
        assert_eq!(heads, ["## `domain`, share 1/40"]);
    }
}
