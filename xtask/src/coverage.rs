//! Coverage by lines, with its gates.

use std::fs;

use crate::shell::{Program, StepError, root};
use crate::tools;

/// Lines that must be reached, in percent.
const LINES_MIN: f64 = 85.0;
/// What is aimed at.
const LINES_AIM: f64 = 92.0;

/// Files that do not count, each with its reason.
const EXCLUDED: &[(&str, &str)] = &[
    ("xtask/*", "the pipeline is run by itself, not by the tests it runs"),
    ("benches/*", "measures, and is not part of what is shipped"),
    ("examples/*", "run as programs"),
    ("loom-tests/*", "the same files as sync/, a second time"),
    ("*/tests/*", "tests are what reaches, not what is reached"),
];

/// Measures the whole workspace, writes `target/coverage/{lcov.info,cobertura.xml,tarpaulin-report.*}`, and fails below
/// the gate.
pub fn run() -> Result<String, StepError> {
    let tarpaulin = tools::from_crates("cargo-tarpaulin", "0.37.5", "--no-default-features")?;
    let reports = root().join("target/coverage");
    fs::create_dir_all(&reports).map_err(|error| StepError::Fault(error.to_string()))?;
    let mut program = Program::new(tarpaulin)
        .args("tarpaulin --engine llvm --workspace --locked --skip-clean --timeout 1200")
        .args("--exclude xtask --exclude stockade-loom-tests")
        .args("--out Lcov --out Json --out Html --output-dir")
        .arg(&reports)
        .arg("--target-dir")
        .arg(root().join("target/instrumented"));
    for (files, _) in EXCLUDED {
        program = program.args("--exclude-files").arg(files);
    }
    let output = program.run()?;
    let percent = covered(&output).ok_or_else(|| StepError::Fault("tarpaulin gave no figure".into()))?;
    if percent < LINES_MIN {
        return Err(StepError::Fault(format!("{percent:.2} % of the lines are reached, {LINES_MIN} % are needed")));
    }
    Ok(format!("{percent:.2} % of the lines (at least {LINES_MIN}, aim {LINES_AIM})"))
}

/// The figure in tarpaulin's last line: `85.61% coverage, 1234/1441 lines covered`.
fn covered(output: &str) -> Option<f64> {
    let line = output.lines().rev().find(|line| line.contains("% coverage"))?;
    line.split('%').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_read_from_the_last_line_that_has_one() {
        let output = "|| Tested/Total Lines:\n|| src/a.rs: 3/4 +0.00%\n|| \n85.61% coverage, 1234/1441 lines covered, +1.0% change in coverage\n";
        assert_eq!(covered(output), Some(85.61));
        assert_eq!(covered("nothing"), None);
    }

    #[test]
    fn what_does_not_count_has_its_reason() {
        assert!(EXCLUDED.iter().all(|(files, reason)| !files.is_empty() && reason.len() > 10));
    }
}
