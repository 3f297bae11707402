//! The figures of coverage where people look: a badge, and a table in the README. Both are made from `docs/coverage.json`,
//! which `cargo xtask page` copies from the last measurement; nobody types them.

use std::fs;

use serde_json::{Value, json};

use crate::shell::{StepError, root};

const BEGIN: &str = "<!-- coverage: made by `cargo xtask page` -->";
const END: &str = "<!-- end of coverage -->";

/// What was measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// Lines reached, in percent.
    pub percent: f64,
    /// Lines that can be reached.
    pub lines: usize,
    /// Lines that are.
    pub reached: usize,
    /// By layer of tests.
    pub layers: Vec<LayerFigures>,
}

/// What one layer of tests reaches, in percent of all lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LayerFigures {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// By itself.
    pub alone: f64,
    /// Beyond what the layers before it reach.
    pub added: f64,
}

fn rounded(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

impl Figures {
    /// As a file.
    pub fn json(&self) -> String {
        let layer = |of: &LayerFigures| json!({"name": of.name, "about": of.about, "alone": rounded(of.alone), "added": rounded(of.added)});
        let layers: Vec<Value> = self.layers.iter().map(layer).collect();
        let whole =
            json!({"percent": rounded(self.percent), "lines": self.lines, "reached": self.reached, "layers": layers});
        format!("{whole:#}\n")
    }

    fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let layer = |of: &Value| {
            let text = |name: &str| of[name].as_str().map(str::to_owned);
            Some(LayerFigures {
                name: text("name")?,
                about: text("about")?,
                alone: of["alone"].as_f64()?,
                added: of["added"].as_f64()?,
            })
        };
        Some(Self {
            percent: value["percent"].as_f64()?,
            lines: value["lines"].as_u64()? as usize,
            reached: value["reached"].as_u64()? as usize,
            layers: value["layers"].as_array()?.iter().map(layer).collect::<Option<_>>()?,
        })
    }

    /// In a few words.
    pub fn text(&self) -> String {
        let layer = |of: &LayerFigures| format!("{} {:.1} alone, {:.1} added", of.name, of.alone, of.added);
        let layers: Vec<_> = self.layers.iter().map(layer).collect();
        format!("{:.2} % of {} lines: {}", self.percent, self.lines, layers.join("; "))
    }

    fn table(&self) -> String {
        let row =
            |of: &LayerFigures| format!("| {} | {} | {:.1} % | {:.1} % |\n", of.name, of.about, of.alone, of.added);
        let rows: String = self.layers.iter().map(row).collect();
        format!(
            "![coverage](docs/coverage.svg)\n\n| tests | what they are | reach alone | add |\n|---|---|---|---|\n{rows}| all | | {:.1} % | of {} lines |\n",
            self.percent, self.lines
        )
    }

    fn badge(&self) -> String {
        let color = match self.percent {
            percent if percent >= crate::coverage::LINES_AIM => "#2f8132",
            percent if percent >= crate::coverage::LINES_MIN => "#8a6d00",
            _ => "#b3261e",
        };
        let text = format!("{:.1} %", self.percent);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"124\" height=\"20\" role=\"img\" aria-label=\"coverage: {text}\">\
             <rect width=\"66\" height=\"20\" fill=\"#444\"/><rect x=\"66\" width=\"58\" height=\"20\" fill=\"{color}\"/>\
             <g fill=\"#fff\" font-family=\"Verdana,sans-serif\" font-size=\"11\" text-anchor=\"middle\">\
             <text x=\"33\" y=\"14\">coverage</text><text x=\"95\" y=\"14\">{text}</text></g></svg>\n"
        )
    }
}

fn fault(error: impl ToString) -> StepError {
    StepError::Fault(error.to_string())
}

fn read(path: &str) -> Result<String, StepError> {
    fs::read_to_string(root().join(path)).map_err(|error| fault(format!("{path}: {error}")))
}

fn committed() -> Result<Figures, StepError> {
    Figures::read(&read("docs/coverage.json")?).ok_or_else(|| fault("docs/coverage.json: not what was written"))
}

/// The figure that the README tells.
pub fn told() -> Result<f64, StepError> {
    Ok(committed()?.percent)
}

/// The README with this table between its marks.
fn with_table(readme: &str, table: &str) -> Result<String, StepError> {
    let (before, rest) = readme.split_once(BEGIN).ok_or_else(|| fault(format!("README.md: no `{BEGIN}`")))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| fault(format!("README.md: no `{END}`")))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

/// Takes the last measurement over into `docs/coverage.json`, the badge and the README.
pub fn make() -> Result<String, StepError> {
    let measured = read("target/coverage/summary.json")?;
    let figures = Figures::read(&measured).ok_or_else(|| fault("the last measurement cannot be read"))?;
    let readme = with_table(&read("README.md")?, &figures.table())?;
    for (path, text) in
        [("docs/coverage.json", figures.json()), ("docs/coverage.svg", figures.badge()), ("README.md", readme)]
    {
        fs::write(root().join(path), text).map_err(|error| fault(format!("{path}: {error}")))?;
    }
    Ok(figures.text())
}

/// Fails if badge and table are not what the committed figures make.
pub fn check() -> Result<String, StepError> {
    let figures = committed()?;
    let readme = read("README.md")?;
    if with_table(&readme, &figures.table())? != readme || read("docs/coverage.svg")? != figures.badge() {
        return Err(fault("the README's table or badge was typed: make them by `cargo xtask page`"));
    }
    Ok(format!("badge and table tell {:.2} %", figures.percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let layer = LayerFigures { name: "unit".into(), about: "beside the code".into(), alone: 60.0, added: 60.0 };
        Figures { percent: 94.03, lines: 100, reached: 94, layers: vec![layer] }
    }

    #[test]
    fn figures_are_read_as_they_were_written() {
        assert_eq!(Figures::read(&figures().json()), Some(figures()));
        assert_eq!(Figures::read("{}"), None);
    }

    #[test]
    fn only_what_stands_between_the_marks_changes() {
        let readme = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let changed = with_table(&readme, &figures().table()).unwrap();
        assert!(changed.starts_with("before\n") && changed.ends_with("\nafter\n") && changed.contains("94.0 %"));
        assert_eq!(with_table(&changed, &figures().table()).unwrap(), changed, "making it again changes nothing");
        assert!(with_table("no marks", "").is_err());
    }
}
