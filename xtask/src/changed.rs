//! Coverage of the lines that a change touches, against the main before it (diff-cover).

use std::fs;
use std::path::Path;

use crate::lcov::Reached;
use crate::shell::{Program, StepError};
use crate::tools;

/// Changed lines that must be reached, in percent.
const CHANGED_MIN: u32 = 95;
/// Names the commit to compare with, where it is another than the one that is found. (What begins with `STOCKADE_` is a
/// setting of the server.)
const BASE: &str = "COVERAGE_BASE";

fn git(arguments: &str) -> Option<String> {
    let output = Program::new("git").args(arguments).quiet().run().ok()?;
    Some(output.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The commit that the change is against: what is named, else where this branch left the published main, else the commit
/// before. None where the checkout has only one commit.
fn base() -> Option<String> {
    if let Ok(named) = std::env::var(BASE) {
        return Some(named);
    }
    let head = git("rev-parse HEAD")?;
    let left = git("merge-base HEAD origin/main").filter(|commit| *commit != head);
    left.or_else(|| git("rev-parse --verify HEAD~1"))
}

/// Fails if too few of the changed lines are reached; says in a few words how many are.
pub fn check(reports: &Path, reached: &Reached) -> Result<String, StepError> {
    let Some(base) = base() else { return Ok("not compared: there is no commit before this one".into()) };
    // A gate that cannot close guards nothing: it must, had no test reached a line of the change.
    let unreached = reports.join("unreached.info");
    fs::write(&unreached, reached.unreached().write()).map_err(|error| StepError::Fault(error.to_string()))?;
    let is_blind = gate(&base, &unreached, reports).is_ok_and(|output| !has_none(&output));
    if is_blind {
        return Err(StepError::Fault("the gate on changed lines passes lines that no test reaches".into()));
    }
    let output = gate(&base, &reports.join("lcov.info"), reports)?;
    let figure = figure(&output);
    Ok(format!("{figure} (at least {CHANGED_MIN} %, against {})", &base[..base.len().min(12)]))
}

/// Runs diff-cover: an error if too few of the lines changed since `base` are reached.
fn gate(base: &str, lcov: &Path, reports: &Path) -> Result<String, StepError> {
    let diff_cover = tools::from_python("diff-cover", "10.6.0", "diff-cover")?;
    Program::new(diff_cover)
        .arg(lcov)
        .arg(format!("--compare-branch={base}"))
        .arg("--diff-range-notation=..")
        .arg(format!("--fail-under={CHANGED_MIN}"))
        .arg("--include-untracked")
        .arg(format!("--format=html:{}", reports.join("changed.html").display()))
        .run()
}

/// Whether no line of the change can be reached at all.
fn has_none(output: &str) -> bool {
    !output.lines().any(|line| line.trim().starts_with("Coverage: "))
}

/// What diff-cover says: `Coverage: 97%`, or that no line with coverage information is in the diff.
fn figure(output: &str) -> String {
    let line = output.lines().map(str::trim).find_map(|line| line.strip_prefix("Coverage: "));
    line.map_or_else(|| "none that can be reached".to_owned(), |percent| percent.replace('%', " %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_what_the_tool_says() {
        assert_eq!(figure("-----\nTotal:   120 lines\nMissing: 3 lines\nCoverage: 97%\n"), "97 %");
        let nothing = "No lines with coverage information in this diff.\n";
        assert_eq!(figure(nothing), "none that can be reached");
        assert!(has_none(nothing) && !has_none("Coverage: 0%\n"));
    }
}
