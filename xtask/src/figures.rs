//! The book's cost by the number of resting orders: instructions, counted and held flat, and the plot that shows time
//! beside them.

use std::path::Path;

use plotters::prelude::*;

use crate::shell::{Program, StepError, cargo, root};
use crate::tools;

/// Commands of each counted run, as in `benches/counted/main.rs`.
const COMMANDS: f64 = 100_000.0;
/// The dearest size costs at most this times the cheapest.
const FLAT: f64 = 1.1;
const PLOT: &str = "benches/book.svg";

/// One row of the plot.
struct Row {
    resting: f64,
    instructions: f64,
    nanoseconds: f64,
}

/// What counts instructions, where it is not there yet.
pub fn install_valgrind() -> Result<(), StepError> {
    if Program::new("valgrind").args("--version").quiet().run().is_err() {
        Program::new("apt-get").args("install --yes --quiet valgrind").quiet().run()?;
    }
    Ok(())
}

/// Instructions of one command, by what was counted.
fn count() -> Result<Vec<(String, f64)>, StepError> {
    install_valgrind()?;
    let runner = tools::from_crates(&tools::GUNGRAUN)?;
    let output = cargo("bench -q -p stockade-counted --bench counted --locked -- --output-format=json")
        .env("GUNGRAUN_RUNNER", runner)
        .quiet()
        .run()?;
    let rows = output.lines().filter_map(|line| serde_json::from_str(line).ok()).filter_map(|row| counted(&row));
    Ok(rows.collect())
}

fn counted(row: &serde_json::Value) -> Option<(String, f64)> {
    let name = format!("{}.{}", row["function_name"].as_str()?, row["id"].as_str()?);
    let total = row.pointer("/profiles/0/data/total/metrics/Ir/values/new")?.as_f64()?;
    Some((name, total / COMMANDS))
}

/// The counted rows of resting orders, by their number.
fn by_resting(counts: &[(String, f64)]) -> Vec<(f64, f64)> {
    let row = |(name, each): &(String, f64)| Some((name.strip_prefix("resting.of_")?.parse().ok()?, *each));
    counts.iter().filter_map(row).collect()
}

fn check_flat(rows: &[(f64, f64)]) -> Result<String, StepError> {
    let least = rows.iter().map(|row| row.1).fold(f64::INFINITY, f64::min);
    let most = rows.iter().map(|row| row.1).fold(0.0, f64::max);
    let said = format!("{least:.0} to {most:.0} instructions a command");
    if rows.len() < 2 || most > least * FLAT {
        return Err(StepError::Fault(format!("not flat over {} sizes of the book: {said}", rows.len())));
    }
    Ok(said)
}

/// The step of the pipeline: flat, whatever rests.
pub fn flat() -> Result<String, StepError> {
    let counts = count()?;
    for (name, each) in &counts {
        println!("{name:<28} {each:>6.0} instructions");
    }
    check_flat(&by_resting(&counts))
}

/// Counts, times, and draws both.
pub fn plot() -> Result<String, StepError> {
    let counts = by_resting(&count()?);
    let said = check_flat(&counts)?;
    let output = cargo("bench -q -p stockade-benches --bench book --locked -- resting").run()?;
    let rows: Vec<Row> = output.lines().filter_map(|line| timed(line, &counts)).collect();
    draw(&rows, &root().join(PLOT)).map_err(|error| StepError::Fault(format!("{PLOT} cannot be drawn: {error}")))?;
    Ok(format!("{said}, {} rows drawn in {PLOT}", rows.len()))
}

/// A row that the timed bench printed: name, symbols, resting orders, millions a second, p50, p99.
fn timed(line: &str, counts: &[(f64, f64)]) -> Option<Row> {
    let mut words = line.strip_prefix("stockade, by resting")?.split_whitespace().skip(1);
    let resting = words.next()?.parse().ok()?;
    let millions: f64 = words.next()?.parse().ok()?;
    let instructions = counts.iter().find(|row| row.0 == resting)?.1;
    Some(Row { resting, instructions, nanoseconds: 1_000.0 / millions })
}

fn draw(rows: &[Row], to: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(to, (720, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = rows.iter().map(|row| row.instructions.max(row.nanoseconds)).fold(0.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(&area)
        .caption("One command of the book, by resting orders", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d((700.0..1_400_000.0_f64).log_scale(), 0.0..most)?;
    chart
        .configure_mesh()
        .x_desc("resting orders")
        .y_desc("a command")
        .x_label_formatter(&|resting| format!("{resting:.0}"))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .draw()?;
    for (name, colour, of) in [
        ("instructions", BLUE, (|row: &Row| row.instructions) as fn(&Row) -> f64),
        ("nanoseconds", RED, |row: &Row| row.nanoseconds),
    ] {
        chart
            .draw_series(LineSeries::new(rows.iter().map(|row| (row.resting, of(row))), &colour).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
    }
    chart.configure_series_labels().border_style(BLACK).background_style(WHITE).draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_that_grows_dearer_is_a_fault() {
        assert!(check_flat(&[(1e3, 400.0), (1e6, 439.0)]).is_ok());
        assert!(check_flat(&[(1e3, 400.0), (1e6, 441.0)]).is_err());
        assert!(check_flat(&[(1e3, 400.0)]).is_err(), "one size shows nothing");
        assert!(check_flat(&[]).is_err(), "nothing was counted");
    }

    #[test]
    fn both_benches_are_read() {
        let json = serde_json::json!({
            "function_name": "resting", "id": "of_1000",
            "profiles": [{"data": {"total": {"metrics": {"Ir": {"values": {"new": 42_000_000}}}}}}],
        });
        let counts = by_resting(&[counted(&json).expect("a row")]);
        assert_eq!(counts, [(1_000.0, 420.0)]);
        let line = "stockade, by resting             1       1000     16.00       61       88";
        let row = timed(line, &counts).expect("a row");
        assert_eq!((row.instructions, row.nanoseconds), (420.0, 62.5));
    }
}
