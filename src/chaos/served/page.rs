//! What a server's page of metrics says of its requests, and what came between two of its pages.

/// Times of answers, as the page counts them: cumulative by the upper bound of each bucket.
const BUCKETS: &str = "stockade_http_request_duration_seconds_bucket{";
const IN_FLIGHT: &str = "stockade_requests_in_flight ";

/// Requests of all methods and resources together.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Requests {
    /// Upper bounds in seconds, with the answers that took no longer; the last is infinite.
    buckets: Vec<(f64, f64)>,
    /// Of them those whose status began with 5.
    wrong: f64,
    pub(super) in_flight: f64,
}

/// The value of a label in `name="value",…`.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let from = labels.find(&format!("{name}=\""))? + name.len() + 2;
    labels[from..].split('"').next()
}

impl Requests {
    /// Reads a page; none, when it has nothing to say of requests.
    pub(super) fn read(page: &str) -> Option<Self> {
        let mut read = Self::default();
        let mut has_load = false;
        for line in page.lines() {
            // What stands behind `#` is an example, with a trace of its own.
            let line = line.split(" # ").next().unwrap_or(line).trim_end();
            if let Some(value) = line.strip_prefix(IN_FLIGHT) {
                has_load = true;
                read.in_flight = value.parse().ok()?;
            }
            let Some((labels, value)) = line.strip_prefix(BUCKETS).and_then(|row| row.split_once("} ")) else {
                continue;
            };
            let (bound, count): (f64, f64) = match label(labels, "le")? {
                "+Inf" => (f64::INFINITY, value.parse().ok()?),
                bound => (bound.parse().ok()?, value.parse().ok()?),
            };
            match read.buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, sum)) => *sum += count,
                None => read.buckets.push((bound, count)),
            }
            if bound.is_infinite() && label(labels, "class") == Some("5xx") {
                read.wrong += count;
            }
        }
        read.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        has_load.then_some(read)
    }

    /// What came since an earlier page. A server that was started again counts from nothing.
    pub(super) fn since(&self, before: &Self) -> Self {
        if self.all() < before.all() {
            return self.clone();
        }
        let earlier = |bound: f64| before.buckets.iter().find(|(known, _)| *known == bound).map_or(0.0, |row| row.1);
        let buckets = self.buckets.iter().map(|(bound, count)| (*bound, (count - earlier(*bound)).max(0.0)));
        Self { buckets: buckets.collect(), wrong: (self.wrong - before.wrong).max(0.0), ..self.clone() }
    }

    /// How many were answered.
    pub(super) fn all(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, count)| *count)
    }

    /// Of a hundred; none, if there was none.
    pub(super) fn error_percent(&self) -> Option<f64> {
        (self.all() > 0.0).then(|| self.wrong * 100.0 / self.all())
    }

    /// The bucket in which the quantile lies, read off at its upper bound: never better than it was.
    pub(super) fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        if self.all() == 0.0 {
            return None;
        }
        let wanted = self.all() * quantile;
        let longest = self.buckets.iter().rev().find(|(bound, _)| bound.is_finite()).map_or(0.0, |row| row.0);
        let bound = self.buckets.iter().find(|(_, count)| *count >= wanted).map_or(longest, |(bound, _)| *bound);
        // Beyond the last bound nothing is known but that it was longer.
        Some(if bound.is_finite() { bound } else { longest * 2.0 } * 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# HELP stockade_http_request_duration_seconds Time.
stockade_http_request_duration_seconds_bucket{le=\"0.001\",method=\"GET\",resource=\"skus\",class=\"2xx\"} 90
stockade_http_request_duration_seconds_bucket{le=\"0.064\",method=\"GET\",resource=\"skus\",class=\"2xx\"} 98 # {trace_id=\"7\"} 0.06
stockade_http_request_duration_seconds_bucket{le=\"+Inf\",method=\"GET\",resource=\"skus\",class=\"2xx\"} 98
stockade_http_request_duration_seconds_bucket{le=\"0.001\",method=\"POST\",resource=\"orders\",class=\"5xx\"} 0
stockade_http_request_duration_seconds_bucket{le=\"0.064\",method=\"POST\",resource=\"orders\",class=\"5xx\"} 1
stockade_http_request_duration_seconds_bucket{le=\"+Inf\",method=\"POST\",resource=\"orders\",class=\"5xx\"} 2
stockade_requests_in_flight 3
";

    #[test]
    fn a_page_tells_times_errors_and_load() {
        let read = Requests::read(PAGE).unwrap();
        assert_eq!((read.all(), read.error_percent(), read.in_flight), (100.0, Some(2.0), 3.0));
        assert_eq!((read.quantile_ms(0.5), read.quantile_ms(0.99)), (Some(1.0), Some(64.0)));
        assert_eq!(read.quantile_ms(0.999), Some(128.0), "longer than the longest bound");
        assert_eq!(Requests::read("something else\n"), None);
    }

    #[test]
    fn only_what_came_between_two_pages_counts() {
        let before = Requests::read(PAGE).unwrap();
        let later = PAGE.replace("} 90", "} 95").replace("} 98", "} 103");
        let news = Requests::read(&later).unwrap().since(&before);
        assert_eq!((news.all(), news.error_percent(), news.quantile_ms(0.99)), (5.0, Some(0.0), Some(1.0)));
        let nothing = before.since(&before);
        assert_eq!((nothing.all(), nothing.error_percent(), nothing.quantile_ms(0.5)), (0.0, None, None));
        let restarted = before.since(&Requests::read(&later).unwrap());
        assert_eq!(restarted.all(), 100.0, "it counts from nothing");
    }
}
