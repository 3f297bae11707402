//! Experiments from the outside: on an engine of their own, on a running server, and what is shipped.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/ask.rs"]
mod ask;

use std::path::Path;
use std::time::Duration;

use ask::ask;
use serde_json::{Value, json};
use stockade::chaos::experiment::Document;
use stockade::chaos::private::PrivateEngine;
use stockade::chaos::run::{Phase, Verdict, run};
use stockade::chaos::sample::Sample;
use stockade::chaos::served::Served;
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine, Money, NewOrder, Payment, Sku};

fn experiment(name: &str, faults: &str, target: &str) -> stockade::chaos::experiment::Experiment {
    let check = if target == "private" { "oversold == 0" } else { "in_flight < 100" };
    let text = format!(
        "apiVersion: stockade/v1\nkind: Experiment\nmetadata: {{ name: {name} }}\nspec:\n  hypothesis: It goes on.\n  target: \
         {target}\n  load: {{ buyers: 8, partitions: 2 }}\n  control_group: true\n  faults: [{faults}]\n  warm_up: 300ms\n  duration: \
         1s\n  cooldown: 500ms\n  probes:\n    - {{ name: {name}, check: {check}, when: continuous }}\n"
    );
    match Document::parse(&text).unwrap() {
        Document::Experiment(one) => *one,
        other => panic!("{other:?}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn lost_answers_and_a_failing_gateway_harm_nobody_and_the_engine_is_audited_afterwards() {
    let faults = "{ fault: { mailbox: lost_reply }, select: { percent: 10 } }, { fault: { gateway: lost_after }, select: { percent: \
                  20 } }";
    let report = runtime().block_on(async {
        let experiment = experiment("lost", faults, "private");
        let mut engine = PrivateEngine::open(&experiment).await.unwrap();
        run(&experiment, &mut engine, std::future::pending()).await.unwrap()
    });
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert!(report.fired.iter().any(|one| one.fault == "lost_reply" && one.count > 0));
    assert!(report.figures["requests"] > 0.0 && report.figures["retries"] > 0.0, "{:?}", report.figures);
}

#[test]
fn an_engine_whose_disk_fails_is_opened_again_and_nothing_acknowledged_is_lost() {
    let report = runtime().block_on(async {
        let experiment =
            experiment("eio", "{ fault: { disk: eio }, select: { operation: write, count: 1 } }", "private");
        let mut engine = PrivateEngine::open(&experiment).await.unwrap();
        run(&experiment, &mut engine, std::future::pending()).await.unwrap()
    });
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert!(report.figures["restarts"] >= 1.0, "{:?}", report.figures);
}

fn server(chaos: bool) -> (Engine, Server) {
    let engine = Engine::open(Config::in_memory()).unwrap();
    let eur = Money::parse("5.00 EUR").unwrap();
    engine.put_sku(Sku::new("MUG", eur)).wait().unwrap();
    engine.receive("MUG", 100).wait().unwrap();
    let free = ([127, 0, 0, 1], 0).into();
    let options = ServerOptions { listen: free, admin: free, chaos, ..ServerOptions::default() };
    let server = Server::start(engine.clone(), options).unwrap();
    (engine, server)
}

#[test]
fn a_running_server_is_hurt_only_where_it_is_configured_and_one_request_ends_it() {
    let arm = json!({"faults": [{"fault": {"mailbox": "full"}, "select": {"operation": "place"}}]}).to_string();
    let content = [("content-type", "application/json")];
    let (engine, calm) = server(false);
    let admin = calm.addresses().1;
    assert_eq!(ask(admin, "POST", "/chaos", &content, &arm).status, 403);
    assert!(!engine.switchboard().is_armed());
    calm.shutdown(Duration::from_secs(5));

    let (engine, hurt) = server(true);
    let (public, admin) = hurt.addresses();
    assert_eq!(ask(public, "GET", "/chaos", &[], "").status, 404, "it is not there for the public");
    assert_eq!(
        ask(admin, "POST", "/chaos", &content, "{\"faults\":[{\"fault\":{\"mailbox\":\"vanish\"}}]}").status,
        400
    );
    assert_eq!(ask(admin, "POST", "/chaos", &content, &arm).status, 200);
    let order = || engine.place(NewOrder::one("MUG", 1).pay(Payment::external("till"))).wait();
    assert_eq!(order().unwrap_err().code(), "overloaded");
    let status: Value = serde_json::from_str(&ask(admin, "GET", "/chaos", &[], "").text).unwrap();
    assert_eq!(
        (&status["fired"][0]["operation"], &status["fired"][0]["count"]),
        (&json!("place"), &json!(1)),
        "{status}"
    );
    let ended: Value = serde_json::from_str(&ask(admin, "DELETE", "/chaos", &[], "").text).unwrap();
    assert_eq!((&ended["armed"], &ended["held_back"]), (&json!([]), &json!(0)));
    assert!(order().is_ok());
    hurt.shutdown(Duration::from_secs(5));
}

#[test]
fn an_experiment_runs_against_a_server_and_leaves_nothing_armed() {
    let (engine, server) = server(true);
    let (public, admin) = server.addresses();
    let url = format!("http://{admin}");
    let done = &std::sync::atomic::AtomicBool::new(false);
    let report = std::thread::scope(|scope| {
        scope.spawn(move || {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                ask(public, "GET", "/api/v1/skus/MUG/stock", &[], "");
            }
        });
        let target = format!("{{ admin: '{url}' }}");
        let experiment = experiment(
            "served",
            "{ fault: { mailbox: full }, select: { operation: read_stock, percent: 50 } }",
            &target,
        );
        let report =
            runtime().block_on(run(&experiment, &mut Served::at(&url).unwrap(), std::future::pending())).unwrap();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        report
    });
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert!(!engine.switchboard().is_armed());
    let seen = |phase, of: fn(&Sample) -> Option<f64>| {
        let moments = report.moments.iter().filter(|moment| moment.phase == phase);
        moments.filter_map(|moment| of(&moment.sample)).fold(0.0, f64::max)
    };
    assert!(seen(Phase::WarmUp, |sample| sample.throughput) > 0.0);
    assert_eq!(seen(Phase::WarmUp, |sample| sample.error_percent), 0.0);
    assert!(seen(Phase::Active, |sample| sample.error_percent) > 0.0, "half of the reads are refused");
    assert!(seen(Phase::Active, |sample| sample.p99_ms) > 0.0);
    assert!(report.moments.iter().all(|moment| moment.sample.oversold.is_none()), "nobody measures it there");
    server.shutdown(Duration::from_secs(5));
}

#[test]
fn every_experiment_that_is_shipped_is_valid() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/chaos");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let document = Document::parse(&std::fs::read_to_string(&path).unwrap());
        let document = document.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), document.name());
        names.push(document.name().to_owned());
    }
    assert!(names.len() >= 9, "{names:?}");
}
