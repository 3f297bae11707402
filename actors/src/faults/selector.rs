//! Where a fault strikes, and how often.

use serde::{Deserialize, Serialize};

/// Which occasions a fault strikes. What is not said does not restrict it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// Only actors of this kind: `sku`, `order`, `payment`, `account`, `promotion`, `coupon`, `ledger`.
    pub kind: Option<String>,
    /// Only actors, files or paths whose name is like this pattern; `*` stands for anything. `sku/A*` is like every SKU
    /// that begins with A, and `A*` like everything whose name behind its kind does.
    pub key: Option<String>,
    /// Only this operation of the port; a pattern, too.
    pub operation: Option<String>,
    /// How many of a hundred occasions.
    pub percent: f64,
    /// Only the first so many; then the fault is spent.
    pub count: Option<u64>,
    /// Decides which of a hundred; the same occasions in the same order are struck the same way.
    pub seed: u64,
    /// How many of those who are selected.
    pub mode: Mode,
}

impl Default for Selector {
    fn default() -> Self {
        Self { kind: None, key: None, operation: None, percent: 100.0, count: None, seed: 0, mode: Mode::All }
    }
}

/// How many of the actors (or files, or paths) that a selector names are struck.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Mode {
    /// All of them.
    #[default]
    All,
    /// The first that comes along, and no other.
    One,
    /// The first so many that come along.
    Fixed(u64),
    /// Of a hundred so many, always the same ones for the same seed.
    FixedPercent(f64),
    /// Of a hundred as many as the seed says, up to so many.
    RandomMaxPercent(f64),
}

/// One occasion on which something could go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Occasion {
    /// Those concerned, by their full names as in `sku/A1`; the first is whose occasion it is.
    pub names: Vec<String>,
    /// Who sends, by all its names.
    pub from: Vec<String>,
    /// Who is sent to, by all its names.
    pub to: Vec<String>,
    /// What is done.
    pub operation: &'static str,
}

impl Occasion {
    /// An operation on one thing.
    pub fn of(operation: &'static str, name: impl Into<String>) -> Self {
        Self { names: vec![name.into()], operation, ..Self::default() }
    }
}

impl Selector {
    /// Whether this is one of the occasions, and by which of its names.
    pub(super) fn select<'a>(&self, occasion: &'a Occasion) -> Option<&'a str> {
        if self.operation.as_ref().is_some_and(|pattern| !is_like(occasion.operation, pattern)) {
            return None;
        }
        if self.kind.is_none() && self.key.is_none() {
            return Some(occasion.names.first().map_or("", String::as_str));
        }
        occasion.names.iter().map(String::as_str).find(|name| {
            let (kind, rest) = name.split_once('/').unwrap_or((name, ""));
            self.kind.as_ref().is_none_or(|wanted| wanted == kind)
                && self.key.as_ref().is_none_or(|pattern| is_like(name, pattern) || is_like(rest, pattern))
        })
    }
}

/// Whether a name is like a pattern in which `*` stands for anything, also nothing.
pub fn is_like(name: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let Some((middle, last)) = rest.rsplit_once('*') else { return left.ends_with(rest) };
    for part in middle.split('*') {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let table = [
            ("sku/A1", "sku/A1", true),
            ("sku/A1", "sku/A", false),
            ("sku/A1", "*", true),
            ("", "*", true),
            ("sku/A1", "sku/*", true),
            ("sku/A1", "*1", true),
            ("sku/A1", "s*A*1", true),
            ("sku/A1", "s*B*1", false),
            ("xyx", "x*yx*yx", false),
            ("ab", "ab*ab", false),
            ("abab", "ab*ab", true),
            ("abcab", "ab**ab", true),
        ];
        for (name, pattern, expected) in table {
            assert_eq!(is_like(name, pattern), expected, "{name} {pattern}");
        }
    }

    #[test]
    fn a_selector_looks_at_everyone_concerned() {
        let names = vec!["order/7".to_owned(), "sku/A1".to_owned(), "sku/B1".to_owned()];
        let occasion = Occasion { names, operation: "place", ..Occasion::default() };
        let select = |kind: Option<&str>, key: Option<&str>, operation: Option<&str>| {
            let [kind, key, operation] = [kind, key, operation].map(|text| text.map(str::to_owned));
            Selector { kind, key, operation, ..Selector::default() }.select(&occasion).map(str::to_owned)
        };
        assert_eq!(select(None, None, None).as_deref(), Some("order/7"));
        assert_eq!(select(Some("sku"), None, None).as_deref(), Some("sku/A1"));
        assert_eq!(select(None, Some("B*"), None).as_deref(), Some("sku/B1"));
        assert_eq!(select(Some("order"), Some("B*"), None), None);
        assert_eq!(select(None, None, Some("p*")).as_deref(), Some("order/7"));
        assert_eq!(select(None, None, Some("pay")), None);
    }
}
