//! Conditions on what is measured: `p99_ms > 800 for 2m`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::experiment::seconds;
use super::sample::{Metric, Sample};

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
    /// On what.
    pub metric: Metric,
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
        let metric = Metric::named(metric).ok_or_else(|| {
            let names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
            format!("nothing called `{metric}` is measured: use {}", names.join(", "))
        })?;
        let value = value.trim();
        let value: f64 =
            value.parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(|| format!("`{value}` is no number"))?;
        Ok(Self { metric, is, value, held_for })
    }

    /// Whether it holds for what was measured; none, if that was not measured.
    pub fn holds(&self, sample: &Sample) -> Option<bool> {
        let measured = sample.get(self.metric)?;
        Some(match self.is {
            Is::Over => measured > self.value,
            Is::AtLeast => measured >= self.value,
            Is::Under => measured < self.value,
            Is::AtMost => measured <= self.value,
            Is::Equal => (measured - self.value).abs() < f64::EPSILON,
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = SIGNS.iter().find(|(is, _)| *is == self.is).map_or("", |(_, sign)| *sign);
        write!(f, "{} {sign} {}", self.metric.name(), self.value)?;
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
        let sample = Sample { p99_ms: Some(800.0), oversold: Some(0.0), ..Sample::default() };
        for (text, holds) in [
            ("p99_ms > 800", Some(false)),
            ("p99_ms >= 800 for 2m", Some(true)),
            ("p99_ms < 801", Some(true)),
            ("p99_ms <= 799.5", Some(false)),
            ("oversold == 0", Some(true)),
            ("throughput < 10", None),
        ] {
            let condition = Condition::parse(text).unwrap();
            assert_eq!(condition.holds(&sample), holds, "{text}");
            assert_eq!(Condition::parse(&condition.to_string()).unwrap(), condition);
        }
        for wrong in ["p99_ms", "p99_ms > many", "mood > 3", "p99_ms > 1 for ever", "> 3", "p99_ms > inf"] {
            assert!(Condition::parse(wrong).is_err(), "{wrong}");
        }
    }
}
