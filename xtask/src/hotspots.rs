//! Where the load run spends its instructions, beside what tests reach there: functions that are hot and badly covered, and
//! functions that are covered and never hot.
//!
//! The load run is the demo, under callgrind: it counts every instruction by source line, so nothing depends on how busy
//! the machine is. Functions and their lines are those of the last measurement of coverage.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs;

use crate::figures;
use crate::lcov::Reached;
use crate::shell::{Program, StepError, cargo, root};

/// A function is hot from this share of the workspace's own instructions on, in percent.
const HOT: f64 = 0.3;
/// And badly covered below this share of its lines, in percent.
const COVERED: f64 = 85.0;
const PAGE: &str = "docs/hotspots.md";

/// Instructions by file and line.
type Costs = HashMap<(String, u32), u64>;

fn fault(error: impl ToString) -> StepError {
    StepError::Fault(error.to_string())
}

/// A function, what it costs, and how many of its lines are reached.
#[derive(Debug, Clone, PartialEq)]
struct Function {
    file: String,
    line: u32,
    name: String,
    instructions: u64,
    lines: usize,
    reached: usize,
}

impl Function {
    fn percent(&self) -> f64 {
        self.reached as f64 * 100.0 / self.lines.max(1) as f64
    }
}

/// Measures, joins, writes the page.
pub fn run() -> Result<String, StepError> {
    let coverage = root().join("target/coverage/lcov.info");
    let functions = root().join("target/coverage/functions.info");
    let read = |path: &std::path::Path| {
        fs::read_to_string(path).map_err(|error| fault(format!("{}: {error}: run `ci coverage` first", path.display())))
    };
    let prefix = root().to_string_lossy().into_owned();
    let mut reached = Reached::read(&read(&coverage)?, &prefix);
    reached.functions = Reached::read(&read(&functions)?, &prefix).functions;
    let costs = profile()?;
    let functions = join(&reached, &costs);
    let page = page(&functions);
    fs::write(root().join(PAGE), &page).map_err(fault)?;
    Ok(page)
}

/// Runs the demo under callgrind.
fn profile() -> Result<Costs, StepError> {
    figures::install_valgrind()?;
    // What is shipped: the pipeline has built it already.
    cargo("build --release --locked").run()?;
    let out = root().join("target/hotspots.callgrind");
    Program::new("valgrind")
        .args("--tool=callgrind --dump-line=yes --separate-threads=no")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(root().join("target/release/stockade"))
        .arg("demo")
        .run()?;
    let text = fs::read_to_string(out).map_err(fault)?;
    Ok(read_callgrind(&text, &root().to_string_lossy()))
}

/// Reads callgrind's file: what each line of the workspace's sources cost by itself.
fn read_callgrind(text: &str, root: &str) -> Costs {
    let (mut costs, mut names) = (Costs::new(), HashMap::<String, String>::new());
    let (mut file, mut line, mut skip) = (String::new(), 0u32, false);
    for row in text.lines() {
        if let Some((what, name)) = row.split_once('=').filter(|(what, _)| what.len() <= 5 && !what.contains(' ')) {
            let is_file = matches!(what, "fl" | "fi" | "fe" | "cfi" | "cfl");
            if is_file {
                let name = named(name, &mut names);
                if matches!(what, "fl" | "fi" | "fe") {
                    file = name;
                }
            }
            skip = what == "calls" || (skip && what != "fn");
            continue;
        }
        let Some((position, cost)) = row.split_once(' ') else { continue };
        let Some(at) = moved(position, line) else { continue };
        line = at;
        // What comes after `calls=` is what the callee cost.
        if std::mem::take(&mut skip) {
            continue;
        }
        if let (Some(relative), Ok(cost)) = (file.strip_prefix(root), cost.trim().parse::<u64>()) {
            *costs.entry((relative.trim_start_matches('/').to_owned(), line)).or_default() += cost;
        }
    }
    costs
}

/// A name of which a number stands after its first mention: `(3) /a/b.rs`, then `(3)`.
fn named(text: &str, names: &mut HashMap<String, String>) -> String {
    match text.split_once(' ') {
        Some((number, name)) if number.starts_with('(') => {
            names.insert(number.to_owned(), name.to_owned());
            name.to_owned()
        }
        _ => names.get(text).cloned().unwrap_or_else(|| text.to_owned()),
    }
}

/// A line: by itself, or from the one before.
fn moved(position: &str, before: u32) -> Option<u32> {
    match position.as_bytes().first()? {
        b'+' => before.checked_add(position[1..].parse().ok()?),
        b'-' => before.checked_sub(position[1..].parse().ok()?),
        b'*' => Some(before),
        _ => position.parse().ok(),
    }
}

fn join(reached: &Reached, costs: &Costs) -> Vec<Function> {
    let mut by_file: BTreeMap<&str, BTreeMap<u32, u64>> = BTreeMap::new();
    for ((file, line), cost) in costs {
        by_file.entry(file).or_default().insert(*line, *cost);
    }
    let mut all = Vec::new();
    for (file, functions) in &reached.functions {
        let Some(lines) = reached.files.get(file) else { continue };
        let starts: Vec<u32> = functions.keys().copied().collect();
        for (at, (start, name)) in functions.iter().enumerate() {
            let range = *start..starts.get(at + 1).copied().unwrap_or(u32::MAX);
            let own: Vec<u64> = lines.range(range.clone()).map(|(_, count)| *count).collect();
            let instructions =
                by_file.get(file.as_str()).map_or(0, |costs| costs.range(range).map(|(_, cost)| cost).sum());
            all.push(Function {
                file: file.clone(),
                line: *start,
                name: name.clone(),
                instructions,
                lines: own.len(),
                reached: own.iter().filter(|count| **count > 0).count(),
            });
        }
    }
    all
}

fn page(functions: &[Function]) -> String {
    let total: u64 = functions.iter().map(|function| function.instructions).sum();
    let share = |function: &Function| function.instructions as f64 * 100.0 / total.max(1) as f64;
    let mut sorted: Vec<&Function> = functions.iter().collect();
    sorted.sort_by(|a, b| b.instructions.cmp(&a.instructions).then_with(|| a.file.cmp(&b.file)));
    let bad: Vec<_> = sorted.iter().filter(|of| share(of) >= HOT && of.percent() < COVERED).collect();
    let cold: Vec<_> = sorted.iter().filter(|of| of.instructions == 0 && of.reached > 0).collect();
    let mut text = format!(
        "# Hotspots\n\nMade by `cargo xtask hotspots`: instructions of the demo (callgrind), by function, beside the lines of \
         it that tests reach. {} functions, {} of them run under load.\n\n## Hot and badly covered\n\nAt least {HOT} % of the \
         workspace's own instructions, and fewer than {COVERED:.0} % of the lines reached: {}.\n\n",
        functions.len(),
        functions.iter().filter(|of| of.instructions > 0).count(),
        if bad.is_empty() { "none".to_owned() } else { bad.len().to_string() },
    );
    let row = |text: &mut String, of: &Function| {
        let (file, line, name) = (&of.file, of.line, &of.name);
        let _ = writeln!(text, "| `{file}:{line}` | `{name}` | {:.2} % | {:.0} % |", share(of), of.percent());
    };
    let head = "| where | function | instructions | lines reached |\n|---|---|---|---|\n";
    if !bad.is_empty() {
        text.push_str(head);
        bad.iter().for_each(|of| row(&mut text, of));
    }
    text.push_str("\n## The hottest\n\n");
    text.push_str(head);
    sorted.iter().take(25).for_each(|of| row(&mut text, of));
    let _ = write!(
        text,
        "\n## Covered and never hot\n\n{} functions that tests reach and the load run does not, by file:\n\n",
        cold.len()
    );
    let mut by_file: BTreeMap<&str, usize> = BTreeMap::new();
    for of in &cold {
        *by_file.entry(&of.file).or_default() += 1;
    }
    text.push_str("| file | functions |\n|---|---|\n");
    for (file, count) in by_file {
        let _ = writeln!(text, "| `{file}` | {count} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "events: Ir\nfl=(1) /w/src/a.rs\nfn=(1) f\n10 5\n+2 7\ncfi=(2) /w/src/b.rs\ncfn=(2) g\ncalls=1 3\n* 900\n* 1\nfi=(2)\n3 4\nfe=(1)\n+2 2\nfl=(3) /usr/lib.c\nfn=(3) h\n1 50\n";

    #[test]
    fn each_line_is_charged_with_what_it_cost_by_itself() {
        let costs = read_callgrind(PROFILE, "/w");
        let cost = |file: &str, line| costs.get(&(file.to_owned(), line)).copied();
        assert_eq!([cost("src/a.rs", 10), cost("src/a.rs", 12)], [Some(5), Some(8)], "what was called is not counted");
        assert_eq!(cost("src/b.rs", 3), Some(4));
        assert_eq!(cost("src/a.rs", 5), Some(2), "back in the file of the function");
        assert_eq!(costs.values().sum::<u64>(), 19, "what is not of the workspace is not counted: {costs:?}");
    }

    #[test]
    fn hot_functions_whose_lines_nobody_reaches_are_named() {
        let lcov = "SF:src/a.rs\nFN:1,hot\nFN:10,cold\nDA:1,0\nDA:2,1\nDA:10,1\nend_of_record\n";
        let costs = Costs::from([(("src/a.rs".to_owned(), 2), 100)]);
        let functions = join(&Reached::read(lcov, ""), &costs);
        assert_eq!((functions[0].instructions, functions[0].percent()), (100, 50.0));
        let page = page(&functions);
        assert!(page.contains("| `src/a.rs:1` | `hot` | 100.00 % | 50 % |"), "{page}");
        assert!(page.contains("| `src/a.rs` | 1 |"), "{page}");
    }
}
