//! Deliberate mistakes in the engine (`domain/src/mistake.rs`): each machine is shown all of them, and the page tells who
//! caught what.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use crate::shell::{StepError, cargo, root};

const PAGE: &str = "docs/mistakes.md";
/// What runs each machine.
const MACHINES: [&str; 2] = [
    "test --profile proof --locked -p stockade --features mistakes --test mistakes -- --ignored --nocapture",
    "test --profile proof --locked -p stockade-loom-tests --features mistakes --test protocol_model -- --ignored --nocapture mistakes_that",
];

fn fault(error: impl ToString) -> StepError {
    StepError::Fault(error.to_string())
}

/// By mistake, then machine: how it was caught, or that it was not.
type Caught = BTreeMap<String, BTreeMap<String, Option<String>>>;

fn read(output: &str, caught: &mut Caught) {
    for line in output.lines() {
        // What a test prints may follow the harness's own words on a line.
        let Some((_, row)) = line.split_once("mistake\t") else { continue };
        if let [name, machine, how] = row.split('\t').collect::<Vec<_>>()[..] {
            let how = (how != "-").then(|| how.replace('|', "\\|"));
            caught.entry(name.to_owned()).or_default().insert(machine.to_owned(), how);
        }
    }
}

/// The mistakes in the order of the source, with what goes wrong.
fn listed(source: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut about = String::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            about = text.to_owned();
        } else if let Some((_, name)) = line.strip_suffix("\";").and_then(|line| line.split_once(" = \"")) {
            rows.push((name.to_owned(), std::mem::take(&mut about)));
        }
    }
    rows
}

fn page(rows: &[(String, String)], caught: &Caught) -> String {
    let mut text = String::from(
        "# Deliberate mistakes\n\nMade by `cargo xtask ci mistakes`. Each is a line of the engine that a test can make wrong \
         (`domain/src/mistake.rs`);\nthe machines that judge the engine must catch it.\n\n| mistake | what goes wrong | caught by \
         |\n|---|---|---|\n",
    );
    for (name, about) in rows {
        let by: Vec<String> = caught
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|(machine, how)| how.as_ref().map(|how| format!("**{machine}**: {how}")))
            .collect();
        let by = if by.is_empty() { "nobody".to_owned() } else { by.join("<br>") };
        let _ = writeln!(text, "| `{name}` | {about} | {by} |");
    }
    text
}

/// Shows every mistake to every machine; fails if one is caught by nobody.
pub fn run() -> Result<String, StepError> {
    let mut caught = Caught::new();
    for machine in MACHINES {
        read(&cargo(machine).run()?, &mut caught);
    }
    let source = fs::read_to_string(root().join("domain/src/mistake.rs")).map_err(fault)?;
    let rows = listed(&source);
    fs::write(root().join(PAGE), page(&rows, &caught)).map_err(fault)?;
    let survives = |name: &String| caught.get(name).is_none_or(|by| by.values().all(Option::is_none));
    let survivors: Vec<&str> =
        rows.iter().map(|(name, _)| name).filter(|name| survives(name)).map(String::as_str).collect();
    match survivors[..] {
        [] if !rows.is_empty() => Ok(format!("all {} mistakes are caught", rows.len())),
        _ => Err(fault(format!(
            "{} of {} mistakes are caught by nobody: {}",
            survivors.len(),
            rows.len(),
            survivors.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_that_nobody_catches_is_named() {
        let source = "/// Goes wrong.\nOne = \"one\";\n/// Too.\nTwo = \"two\";\n";
        let mut caught = Caught::new();
        read("test x ... mistake\tone\tsimulation\tseed 3: a | b\nmistake\ttwo\tsimulation\t-\n", &mut caught);
        read("mistake\tone\tprotocol model\t-\n", &mut caught);
        let page = page(&listed(source), &caught);
        assert!(page.contains("| `one` | Goes wrong. | **simulation**: seed 3: a \\| b |"), "{page}");
        assert!(page.contains("| `two` | Too. | nobody |"), "{page}");
    }

    #[test]
    fn the_list_is_that_of_the_source() {
        let source = fs::read_to_string(root().join("domain/src/mistake.rs")).unwrap();
        let rows = listed(&source);
        assert!(
            rows.len() >= 20 && rows.iter().all(|(name, about)| !name.is_empty() && about.ends_with('.')),
            "{rows:?}"
        );
    }
}
