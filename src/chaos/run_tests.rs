use super::*;
use crate::chaos::experiment::Document;
use crate::chaos::fault::Port;

/// A target that is as ill as it is told to be.
#[derive(Default)]
struct Patient {
    armed: bool,
    disarmed_at: Option<Instant>,
    strikes: u64,
    /// p99 while faults are armed, and otherwise.
    slow_ms: f64,
    calm_ms: f64,
    sticks: bool,
    /// Answers nothing while faults are armed, but for the first time.
    is_stuck: bool,
    sold_too_much: f64,
    unsafe_because: Option<String>,
}

impl Target for Patient {
    async fn arm(&mut self, _: &[FaultSpec]) -> Result<(), String> {
        self.armed = true;
        Ok(())
    }

    async fn disarm(&mut self) -> Result<(), String> {
        self.armed = false;
        self.disarmed_at = Some(Instant::now());
        Ok(())
    }

    async fn residue(&mut self) -> Result<Option<String>, String> {
        Ok(self.sticks.then(|| "a message".to_owned()))
    }

    async fn sample(&mut self) -> Result<Sample, String> {
        self.strikes += u64::from(self.armed && self.slow_ms > 0.0);
        let p99_ms = if self.armed { self.slow_ms } else { self.calm_ms };
        let is_silent = self.is_stuck && self.armed && self.strikes > 1;
        Ok(Sample {
            p99_ms: (!is_silent).then_some(p99_ms),
            oversold: Some(if self.armed { self.sold_too_much } else { 0.0 }),
            ..Sample::default()
        })
    }

    async fn fired(&mut self) -> Result<Vec<Strikes>, String> {
        let fired = Fired { port: Port::Disk, fault: "slow", operation: "sync", count: self.strikes };
        Ok(vec![Strikes::from(&fired)])
    }

    async fn finish(&mut self) -> Result<(Vec<String>, BTreeMap<String, f64>), String> {
        Ok((self.unsafe_because.clone().into_iter().collect(), BTreeMap::new()))
    }
}

fn experiment(more: &str) -> Experiment {
    let text = format!(
        "apiVersion: stockade/v1\nkind: Experiment\nmetadata: {{ name: x }}\nspec:\n  hypothesis: It goes on.\n  faults: [{{ \
         fault: {{ disk: {{ slow: {{ fixed_ms: 300 }} }} }} }}]\n  warm_up: 2s\n  duration: 300s\n  cooldown: 2s\n{more}"
    );
    match Document::parse(&text).unwrap() {
        Document::Experiment(one) => *one,
        _ => unreachable!("it is one"),
    }
}

async fn outcome(experiment: &Experiment, patient: &mut Patient) -> Report {
    run(experiment, patient, std::future::pending()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_experiment_in_which_all_holds_passes_and_leaves_nothing_armed() {
    let mut patient = Patient { slow_ms: 300.0, ..Patient::default() };
    let report =
        outcome(&experiment("  probes: [{ name: sold, check: oversold == 0, when: continuous }]\n"), &mut patient)
            .await;
    assert_eq!((report.verdict, report.reasons.len()), (Verdict::Pass, 0), "{:?}", report.reasons);
    assert!(!patient.armed && report.took_ms >= 304_000 && report.moments.len() > 1_000);
}

#[tokio::test(start_paused = true)]
async fn an_abort_comes_within_a_second_of_its_hold_time() {
    let mut patient = Patient { slow_ms: 900.0, ..Patient::default() };
    let began = Instant::now();
    let report = outcome(&experiment("  abort: ['p99_ms > 800 for 2m']\n"), &mut patient).await;
    assert_eq!(report.verdict, Verdict::Aborted, "{:?}", report.reasons);
    let after = patient.disarmed_at.expect("it was taken back") - began;
    let due = Duration::from_secs(2 + 120);
    assert!(after >= due - TICK && after <= due + Duration::from_secs(1), "{after:?}");
    assert!(!patient.armed);
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_does_not_hold_all_the_time_does_not_abort() {
    let mut patient = Patient { slow_ms: 700.0, ..Patient::default() };
    assert_eq!(outcome(&experiment("  abort: ['p99_ms > 800 for 2m']\n"), &mut patient).await.verdict, Verdict::Pass);
}

#[tokio::test(start_paused = true)]
async fn who_is_stuck_altogether_is_still_too_slow() {
    let mut patient = Patient { slow_ms: 900.0, is_stuck: true, ..Patient::default() };
    let report = outcome(&experiment("  abort: ['p99_ms > 800 for 2m']\n"), &mut patient).await;
    assert_eq!(report.verdict, Verdict::Aborted, "{:?}", report.reasons);
}

#[tokio::test(start_paused = true)]
async fn one_unit_sold_too_much_for_a_moment_is_a_failure() {
    let exact = experiment("  probes: [{ name: exact, check: oversold == 0, when: continuous }]\n");
    let mut patient = Patient { slow_ms: 1.0, sold_too_much: 1.0, ..Patient::default() };
    let report = outcome(&exact, &mut patient).await;
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert!(report.reasons[0].contains("exact"), "{:?}", report.reasons);
}

#[tokio::test(start_paused = true)]
async fn nothing_injected_and_unhealthy_before_are_inconclusive() {
    let mut patient = Patient::default();
    assert_eq!(outcome(&experiment(""), &mut patient).await.verdict, Verdict::Inconclusive);
    let mut patient = Patient { slow_ms: 1.0, calm_ms: 50.0, ..Patient::default() };
    let healthy = experiment("  probes: [{ name: calm, check: p99_ms < 10, when: start }]\n");
    let report = outcome(&healthy, &mut patient).await;
    assert_eq!((report.verdict, patient.strikes), (Verdict::Inconclusive, 0), "{:?}", report.reasons);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_hold_fails_and_broken_safety_fails_whatever_else_was() {
    let active = "  probes: [{ name: fast, check: p99_ms < 100, when: while_active }]\n";
    let mut patient = Patient { slow_ms: 300.0, ..Patient::default() };
    let report = outcome(&experiment(active), &mut patient).await;
    assert_eq!((report.verdict, report.reasons.len()), (Verdict::Fail, 1), "{:?}", report.reasons);
    let broken = || Some("one was oversold".to_owned());
    let mut patient = Patient { slow_ms: 900.0, unsafe_because: broken(), ..Patient::default() };
    assert_eq!(outcome(&experiment("  abort: ['p99_ms > 800']\n"), &mut patient).await.verdict, Verdict::Fail);
    let mut patient = Patient { unsafe_because: broken(), ..Patient::default() };
    assert_eq!(outcome(&experiment(""), &mut patient).await.verdict, Verdict::Fail);
    let mut patient = Patient { slow_ms: 1.0, sticks: true, ..Patient::default() };
    let report = outcome(&experiment(""), &mut patient).await;
    assert!(report.verdict == Verdict::Fail && report.reasons[0].contains("left behind"), "{:?}", report.reasons);
}

#[tokio::test(start_paused = true)]
async fn somebody_can_end_it_and_so_can_its_blast_radius() {
    let mut patient = Patient { slow_ms: 300.0, ..Patient::default() };
    let report =
        run(&experiment(""), &mut patient, Box::pin(tokio::time::sleep(Duration::from_secs(10)))).await.unwrap();
    assert!(report.verdict == Verdict::Cancelled && !patient.armed && report.took_ms < 12_000);
    let mut patient = Patient { slow_ms: 300.0, ..Patient::default() };
    let report = outcome(&experiment("  blast_radius: { max_strikes: 8 }\n"), &mut patient).await;
    assert!(report.verdict == Verdict::Pass && report.took_ms < 8_000, "{} {:?}", report.took_ms, report.reasons);
}
