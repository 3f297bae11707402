//! What is measured of a target, and which target measures what.

use serde::Serialize;

use super::experiment::TargetSpec;

macro_rules! metrics {
    ($($metric:ident $field:ident $measured_by:ident $about:literal;)*) => {
        /// What can be measured. The table below makes the names of files, the fields of a [`Sample`] and the page.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Metric { $(#[doc = $about] $metric,)* }

        impl Metric {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$metric,)*];

            /// Its name in files and reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$metric => stringify!($field),)* }
            }

            /// What it is.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$metric => $about,)* }
            }

            const fn measured_by(self) -> MeasuredBy {
                match self { $(Self::$metric => MeasuredBy::$measured_by,)* }
            }
        }

        /// What was measured in an interval; none: nothing happened that could be measured, or the target does not measure it.
        #[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
        pub struct Sample { $(#[doc = $about] pub $field: Option<f64>,)* }

        impl Sample {
            /// One of them.
            pub const fn get(&self, metric: Metric) -> Option<f64> {
                match metric { $(Metric::$metric => self.$field,)* }
            }
        }
    };
}

metrics! {
    P50Ms p50_ms AllTargets "half of the requests took no longer, in milliseconds, in the last interval";
    P99Ms p99_ms AllTargets "of a hundred requests ninety-nine took no longer, in milliseconds";
    Throughput throughput AllTargets "requests answered in a second";
    ErrorPercent error_percent AllTargets
        "of a hundred requests so many had no answer, or one that says that something is broken";
    InFlight in_flight AllTargets "requests without an answer yet";
    SuccessPercent success_percent PrivateEngines
        "of a hundred buyers so many had their order in the end, retries included";
    ControlSuccessPercent control_success_percent ControlGroups
        "the same of those who buy what no fault names";
    Oversold oversold PrivateEngines
        "units promised that were not there, by the auditor, which follows the journal as it is written";
}

#[derive(Clone, Copy)]
enum MeasuredBy {
    AllTargets,
    PrivateEngines,
    ControlGroups,
}

impl Metric {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|metric| metric.name() == name)
    }

    /// Why this target does not measure it; none: it does.
    pub fn missing_at(self, target: &TargetSpec, control_group: bool) -> Option<String> {
        let why = match self.measured_by() {
            MeasuredBy::AllTargets => return None,
            MeasuredBy::ControlGroups if control_group && *target == TargetSpec::Private => return None,
            MeasuredBy::ControlGroups => "an experiment with a `control_group` on a private engine",
            MeasuredBy::PrivateEngines if *target == TargetSpec::Private => return None,
            MeasuredBy::PrivateEngines => "a private engine",
        };
        Some(format!("`{}` is measured only of {why}", self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_name_and_a_running_server_does_not_know_who_was_served() {
        for metric in Metric::ALL {
            assert_eq!(Metric::named(metric.name()), Some(*metric));
            assert!(metric.about().len() > 20 && Sample::default().get(*metric).is_none());
        }
        let server = TargetSpec::Admin("http://127.0.0.1:1".into());
        let missing = |target, control| {
            let missing = Metric::ALL.iter().filter(move |metric| metric.missing_at(target, control).is_some());
            missing.map(|metric| metric.name()).collect::<Vec<_>>()
        };
        assert_eq!(missing(&server, true), ["success_percent", "control_success_percent", "oversold"]);
        assert_eq!(missing(&TargetSpec::Private, false), ["control_success_percent"]);
        assert!(missing(&TargetSpec::Private, true).is_empty());
    }
}
