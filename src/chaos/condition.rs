//! Conditions on what is measured: `p99_ms > 800 for 2m`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::experiment::seconds;

/// What can be measured.
pub const METRICS: &[(&str, &str)] = &[
    ("p50_ms", "half of the requests took no longer, in the last interval"),
    ("p99_ms", "of a hundred requests ninety-nine took no longer"),
    ("throughput", "requests answered in a second"),
    ("error_percent", "of a hundred requests so many had no answer, or one that says that something is broken"),
    ("success_percent", "of a hundred buyers so many had their order in the end, retries included"),
    ("oversold", "units sold that were not there"),
    ("in_flight", "requests without an answer yet"),
];

/// What was measured, by the names of [`METRICS`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Sample {
    /// See [`METRICS`].
    pub p50_ms: f64,
    /// See [`METRICS`].
    pub p99_ms: f64,
    /// See [`METRICS`].
    pub throughput: f64,
    /// See [`METRICS`].
    pub error_percent: f64,
    /// See [`METRICS`].
    pub success_percent: f64,
    /// See [`METRICS`].
    pub oversold: f64,
    /// See [`METRICS`].
    pub in_flight: f64,
}

impl Sample {
    fn get(&self, metric: &str) -> Option<f64> {
        Some(match metric {
            "p50_ms" => self.p50_ms,
            "p99_ms" => self.p99_ms,
            "throughput" => self.throughput,
            "error_percent" => self.error_percent,
            "success_percent" => self.success_percent,
            "oversold" => self.oversold,
            "in_flight" => self.in_flight,
            _ => return None,
        })
    }
}

/// How two numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Over,
    AtLeast,
    Under,
    AtMost,
    Equal,
}

const SIGNS: [(Is, &str); 5] =
    [(Is::AtLeast, ">="), (Is::AtMost, "<="), (Is::Equal, "=="), (Is::Over, ">"), (Is::Under, "<")];

/// A condition, and for how long it must hold to count.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    metric: String,
    is: Is,
    value: f64,
    /// For how long.
    pub held_for: Duration,
}

impl Condition {
    /// Reads `metric sign number`, and perhaps `for duration`.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (condition, held_for) = match text.split_once(" for ") {
            Some((condition, time)) => {
                let time = time.trim();
                (condition, seconds::parse(time).ok_or_else(|| format!("`{time}` is no duration"))?)
            }
            None => (text, Duration::ZERO),
        };
        let (is, sign) = SIGNS
            .into_iter()
            .find(|(_, sign)| condition.contains(sign))
            .ok_or_else(|| format!("`{condition}` has none of >, >=, <, <=, =="))?;
        let (metric, value) = condition.split_once(sign).expect("the sign is in it");
        let metric = metric.trim();
        if !METRICS.iter().any(|(name, _)| *name == metric) {
            let names: Vec<_> = METRICS.iter().map(|(name, _)| *name).collect();
            return Err(format!("nothing called `{metric}` is measured: use {}", names.join(", ")));
        }
        let value = value.trim();
        let value: f64 =
            value.parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(|| format!("`{value}` is no number"))?;
        Ok(Self { metric: metric.to_owned(), is, value, held_for })
    }

    /// Whether it holds for what was measured.
    pub fn holds(&self, sample: &Sample) -> bool {
        let Some(measured) = sample.get(&self.metric) else { return false };
        match self.is {
            Is::Over => measured > self.value,
            Is::AtLeast => measured >= self.value,
            Is::Under => measured < self.value,
            Is::AtMost => measured <= self.value,
            Is::Equal => (measured - self.value).abs() < f64::EPSILON,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = SIGNS.iter().find(|(is, _)| *is == self.is).map_or("", |(_, sign)| *sign);
        write!(f, "{} {sign} {}", self.metric, self.value)?;
        match self.held_for.is_zero() {
            true => Ok(()),
            false => write!(f, " for {}", seconds::text(&self.held_for)),
        }
    }
}

impl Serialize for Condition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_written_and_compared() {
        let sample = Sample { p99_ms: 800.0, oversold: 0.0, ..Sample::default() };
        for (text, holds) in [
            ("p99_ms > 800", false),
            ("p99_ms >= 800 for 2m", true),
            ("p99_ms < 801", true),
            ("p99_ms <= 799.5", false),
            ("oversold == 0", true),
        ] {
            let condition = Condition::parse(text).unwrap();
            assert_eq!(condition.holds(&sample), holds, "{text}");
            assert_eq!(Condition::parse(&condition.to_string()).unwrap(), condition);
        }
        for wrong in ["p99_ms", "p99_ms > many", "mood > 3", "p99_ms > 1 for ever", "> 3", "p99_ms > inf"] {
            assert!(Condition::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn everything_that_is_listed_is_measured() {
        assert!(METRICS.iter().all(|(name, _)| Sample::default().get(name).is_some()));
    }
}
