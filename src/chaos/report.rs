//! What experiments came to, for machines (JSON, JUnit) and for people (HTML with charts).

use std::fmt::Write;

use super::run::{Moment, Phase, Report, Verdict};

impl Report {
    /// As JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// As JUnit XML: each experiment is a test case.
pub fn junit(reports: &[Report]) -> String {
    let count = |of: &[Verdict]| reports.iter().filter(|report| of.contains(&report.verdict)).count();
    let failed = count(&[Verdict::Fail, Verdict::Aborted]);
    let skipped = count(&[Verdict::Inconclusive, Verdict::Cancelled]);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"chaos\" tests=\"{}\" failures=\"{failed}\" \
         skipped=\"{skipped}\">\n",
        reports.len()
    );
    for report in reports {
        let seconds = report.took_ms as f64 / 1_000.0;
        let name = escaped(&report.name);
        let why = escaped(&report.reasons.join("; "));
        let inner = match report.verdict {
            Verdict::Pass => String::new(),
            Verdict::Fail | Verdict::Aborted => {
                format!("<failure type=\"{}\" message=\"{why}\"/>", report.verdict.name())
            }
            Verdict::Inconclusive | Verdict::Cancelled => {
                format!("<skipped message=\"{}: {why}\"/>", report.verdict.name())
            }
        };
        let _ = writeln!(xml, "<testcase classname=\"chaos\" name=\"{name}\" time=\"{seconds:.3}\">{inner}</testcase>");
    }
    xml.push_str("</testsuite>\n");
    xml
}

/// As a page that needs nothing else.
pub fn html(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>{name}</title><style>body{{font-family:sans-serif;margin:2em;max-width:60em}}\
         svg{{background:#fafafa;border:1px solid #ccc}}td{{padding:0 1em}}</style><h1>{name}: {verdict}</h1><p>{hypothesis}</p>\n",
        name = escaped(&report.name),
        verdict = report.verdict.name(),
        hypothesis = escaped(&report.hypothesis),
    );
    if !report.reasons.is_empty() {
        page.push_str("<ul>");
        report.reasons.iter().for_each(|reason| {
            let _ = write!(page, "<li>{}</li>", escaped(reason));
        });
        page.push_str("</ul>\n");
    }
    let _ = writeln!(
        page,
        "<p>Began {}, took {} ms; faults were taken back within {} ms.</p>",
        escaped(&report.started_at),
        report.took_ms,
        report.rollback_ms
    );
    for (title, of) in [
        ("p99 latency, ms", (|moment: &Moment| moment.sample.p99_ms) as fn(&Moment) -> Option<f64>),
        ("throughput, requests a second", |moment| moment.sample.throughput),
        ("requests that failed, percent", |moment| moment.sample.error_percent),
        ("strikes of faults, in all", |moment| Some(moment.strikes as f64)),
    ] {
        let _ = writeln!(page, "<h2>{title}</h2>{}", chart(&report.moments, of));
    }
    page.push_str("<h2>Figures</h2><table>");
    for (name, value) in &report.figures {
        let _ = write!(page, "<tr><td>{}<td>{value}", escaped(name));
    }
    page.push_str("</table><h2>Faults</h2><table><tr><th>port<th>fault<th>operation<th>strikes");
    for one in &report.fired {
        let _ = write!(page, "<tr><td>{}<td>{}<td>{}<td>{}", one.port, one.fault, one.operation, one.count);
    }
    page.push_str("</table>\n");
    page
}

/// A line over time; while faults were armed the ground is grey. Where nothing was measured the line goes straight on.
fn chart(moments: &[Moment], of: impl Fn(&Moment) -> Option<f64>) -> String {
    const WIDTH: f64 = 800.0;
    const HEIGHT: f64 = 140.0;
    let end = moments.last().map_or(1, |moment| moment.at_ms).max(1) as f64;
    let top = moments.iter().filter_map(&of).fold(1e-9, f64::max);
    let x = |moment: &Moment| moment.at_ms as f64 / end * WIDTH;
    let measured = moments.iter().filter_map(|moment| Some((x(moment), of(moment)?)));
    let points: Vec<String> =
        measured.map(|(x, value)| format!("{x:.1},{:.1}", HEIGHT - value / top * (HEIGHT - 15.0))).collect();
    let mut active = moments.iter().filter(|moment| moment.phase == Phase::Active).map(x);
    let ground = active.next().map_or_else(String::new, |from| {
        let to = active.next_back().unwrap_or(from);
        format!("<rect x=\"{from:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"#eee\"/>", to - from)
    });
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\">{ground}<text x=\"4\" y=\"12\" font-size=\"11\">\
         {top:.1}</text><polyline fill=\"none\" stroke=\"#036\" points=\"{}\"/></svg>",
        points.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::sample::Sample;

    fn report(verdict: Verdict) -> Report {
        let moment = |at_ms, phase| Moment {
            at_ms,
            phase,
            sample: Sample { p99_ms: Some(5.0), ..Sample::default() },
            strikes: 1,
        };
        Report {
            name: "slow-disk".into(),
            hypothesis: "p99 < 1 & nothing is lost".into(),
            verdict,
            reasons: vec!["probe `fast` did not hold: p99_ms < 1".into()],
            started_at: "2026-11-23T00:00:00Z".into(),
            took_ms: 1_500,
            rollback_ms: 3,
            fired: Vec::new(),
            figures: [("retries".to_owned(), 2.0)].into(),
            moments: vec![moment(0, Phase::WarmUp), moment(500, Phase::Active), moment(1_000, Phase::Active)],
        }
    }

    #[test]
    fn each_verdict_is_a_test_case_and_texts_are_escaped() {
        let xml = junit(&[report(Verdict::Pass), report(Verdict::Fail), report(Verdict::Inconclusive)]);
        assert!(xml.contains("tests=\"3\" failures=\"1\" skipped=\"1\""), "{xml}");
        assert!(xml.contains("p99_ms &lt; 1") && xml.matches("<testcase").count() == 3, "{xml}");
    }

    #[test]
    fn the_page_shows_lines_over_time_and_when_faults_were_armed() {
        let page = html(&report(Verdict::Pass));
        assert!(page.contains("p99 &lt; 1 &amp; nothing") && page.matches("<polyline").count() == 4, "{page}");
        assert!(page.contains("<rect x=\"400.0\" width=\"400.0\""), "{page}");
        assert!(serde_json::from_str::<serde_json::Value>(&report(Verdict::Pass).json()).is_ok());
    }
}
