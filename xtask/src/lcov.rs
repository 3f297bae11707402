//! Which lines were reached, as `lcov` files say: read, put together, written.

use std::collections::BTreeMap;
use std::fmt::Write;

/// How often each line of each file was reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reached {
    /// By file, then line.
    pub files: BTreeMap<String, BTreeMap<u32, u64>>,
    /// Where functions begin: by file, line and name.
    pub functions: BTreeMap<String, BTreeMap<u32, String>>,
}

impl Reached {
    /// Reads an `lcov` file; paths become relative to `root`.
    pub fn read(text: &str, root: &str) -> Self {
        let mut reached = Self::default();
        let mut file = String::new();
        for line in text.lines() {
            if let Some(path) = line.strip_prefix("SF:") {
                let path = path.strip_prefix(root).unwrap_or(path);
                path.trim_start_matches('/').clone_into(&mut file);
            } else if let Some((number, count)) = line.strip_prefix("DA:").and_then(|data| data.split_once(',')) {
                let count = count.split(',').next().unwrap_or_default();
                if let (Ok(number), Ok(count)) = (number.parse(), count.parse::<u64>()) {
                    let sum = reached.files.entry(file.clone()).or_default().entry(number).or_default();
                    *sum = sum.saturating_add(count);
                }
            } else if let Some((number, name)) = line.strip_prefix("FN:").and_then(|data| data.split_once(','))
                && let Ok(number) = number.parse()
            {
                reached.functions.entry(file.clone()).or_default().insert(number, name.to_owned());
            }
        }
        reached
    }

    /// Adds what others reached.
    pub fn add(&mut self, other: &Self) {
        for (file, lines) in &other.files {
            let own = self.files.entry(file.clone()).or_default();
            for (line, count) in lines {
                let sum = own.entry(*line).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
        for (file, functions) in &other.functions {
            self.functions.entry(file.clone()).or_default().extend(functions.clone());
        }
    }

    /// Lines, and how many of them were reached.
    pub fn lines(&self) -> Lines {
        self.files.values().map(Lines::of).fold(Lines::default(), |sum, of| sum.plus(of))
    }

    /// The same lines, as if no test had reached them.
    pub fn unreached(&self) -> Self {
        let none = |lines: &BTreeMap<u32, u64>| lines.keys().map(|line| (*line, 0)).collect();
        let files = self.files.iter().map(|(file, lines)| (file.clone(), none(lines))).collect();
        Self { files, functions: self.functions.clone() }
    }

    /// As an `lcov` file.
    pub fn write(&self) -> String {
        let mut text = String::new();
        for (file, lines) in &self.files {
            let _ = writeln!(text, "TN:\nSF:{file}");
            for (line, count) in lines {
                let _ = writeln!(text, "DA:{line},{count}");
            }
            let Lines { all, reached } = Lines::of(lines);
            let _ = writeln!(text, "LF:{all}\nLH:{reached}\nend_of_record");
        }
        text
    }

    /// Where functions begin, as an `lcov` file.
    pub fn write_functions(&self) -> String {
        let mut text = String::new();
        for (file, functions) in &self.functions {
            let _ = writeln!(text, "SF:{file}");
            for (line, name) in functions {
                let _ = writeln!(text, "FN:{line},{name}");
            }
            text.push_str("end_of_record\n");
        }
        text
    }

    /// As a page for people: a row for each file, the worst first, with the lines that nobody reaches.
    pub fn html(&self) -> String {
        let mut rows: Vec<_> = self.files.iter().map(|(file, lines)| (Lines::of(lines), file, lines)).collect();
        rows.sort_by_key(|(of, file, _)| (std::cmp::Reverse(of.all - of.reached), *file));
        let mut page = format!(
            "<!doctype html><meta charset=\"utf-8\"><title>coverage</title><style>td{{padding:0 1em;vertical-align:top}}\
             </style><h1>{:.2} % of the lines</h1><table><tr><th>file<th>percent<th>lines<th>not reached\n",
            self.lines().percent()
        );
        for (of, file, lines) in rows {
            let missed: Vec<u32> = lines.iter().filter(|(_, count)| **count == 0).map(|(line, _)| *line).collect();
            let _ = writeln!(page, "<tr><td>{file}<td>{:.1}<td>{}<td>{}", of.percent(), of.all, ranges(&missed));
        }
        page.push_str("</table>\n");
        page
    }
}

/// Lines, and how many of them were reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lines {
    /// That can be reached.
    pub all: usize,
    /// That were.
    pub reached: usize,
}

impl Lines {
    fn of(lines: &BTreeMap<u32, u64>) -> Self {
        Self { all: lines.len(), reached: lines.values().filter(|count| **count > 0).count() }
    }

    const fn plus(self, other: Self) -> Self {
        Self { all: self.all + other.all, reached: self.reached + other.reached }
    }

    /// In percent; of no lines all were reached.
    pub fn percent(self) -> f64 {
        if self.all == 0 { 100.0 } else { self.reached as f64 * 100.0 / self.all as f64 }
    }
}

/// `1-3, 7`.
fn ranges(lines: &[u32]) -> String {
    let mut text = String::new();
    let mut rest = lines;
    while let Some((&first, _)) = rest.split_first() {
        let length = rest.iter().zip(first..).take_while(|(line, expected)| *line == expected).count();
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = match length {
            1 => write!(text, "{separator}{first}"),
            _ => write!(text, "{separator}{first}-{}", first + length as u32 - 1),
        };
        rest = &rest[length..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "TN:\nSF:/w/a.rs\nFN:1,f\nDA:1,3\nDA:2,0\nend_of_record\nSF:/w/b.rs\nDA:9,0\nend_of_record\n";
    const OTHER: &str = "SF:/w/a.rs\nDA:2,5\nDA:3,0\nend_of_record\n";

    #[test]
    fn what_several_runs_reached_is_put_together_by_line() {
        let (mut all, other) = (Reached::read(ONE, "/w"), Reached::read(OTHER, "/w"));
        assert_eq!(all.lines(), Lines { all: 3, reached: 1 });
        all.add(&other);
        assert_eq!(all.lines(), Lines { all: 4, reached: 2 });
        assert_eq!((all.lines().percent(), Lines::default().percent()), (50.0, 100.0));
        assert_eq!(Reached::read(&all.write(), "").files, all.files, "it is read as it was written");
        assert_eq!(all.functions["a.rs"][&1], "f");
        assert_eq!(all.unreached().lines(), Lines { all: 4, reached: 0 });
        assert!(all.html().contains("<tr><td>a.rs<td>66.7<td>3<td>3"), "{}", all.html());
    }

    #[test]
    fn lines_in_a_row_are_a_range() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1-3, 7, 9-10");
        assert_eq!(ranges(&[]), "");
    }
}
