//! The admin listener and the keys of the public one, from outside a real process.

#[path = "support/ask.rs"]
mod ask;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use ask::{Told, ask};
use serde_json::{Value, json};

struct Served {
    child: Child,
    listen: SocketAddr,
    admin: SocketAddr,
    _place: tempfile::TempDir,
}

fn command(arguments: &[&str], environment: &[(&str, &str)], dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.args(["serve", "--json", "--data", "data"]).args(arguments).current_dir(dir).stdin(Stdio::null());
    command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Served {
    fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_with(&[], environment)
    }

    fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let listen: &[&str] = if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let free = [&["--admin", "127.0.0.1:0"], listen, arguments].concat();
        let mut child = command(&free, environment, place.path()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let first: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let address = |name: &str| first[name].as_str().unwrap().parse().unwrap();
        Self { child, listen: address("listen"), admin: address("admin"), _place: place }
    }

    fn admin(&self, method: &str, path: &str, body: &str) -> Told {
        ask(self.admin, method, path, &[("content-type", "application/json")], body)
    }

    fn public(&self, method: &str, path: &str, body: &str) -> Told {
        ask(self.listen, method, path, &[("content-type", "application/json")], body)
    }

    fn define(&self, sku: &str) {
        let body = json!({"name": sku, "price": {"amount": "1.00", "currency": "EUR"}}).to_string();
        assert_eq!(self.public("PUT", &format!("/api/v1/skus/{sku}"), &body).status, 201);
        assert_eq!(self.public("POST", &format!("/api/v1/skus/{sku}/receipts"), "{\"quantity\":10}").status, 201);
    }

    /// Waits for its end; the exit code.
    fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A batch that is inside the server as long as it is not ended.
struct Inside(TcpStream);

impl Inside {
    fn enter(server: &Served) -> Self {
        let mut stream = TcpStream::connect(server.listen).unwrap();
        let head = "POST /api/v1/orders/batch HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n\
                    transfer-encoding: chunked\r\n\r\n9\r\nno order\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut inside = Self(stream);
        // Its first answer: the request is being worked on.
        let mut seen = Vec::new();
        while !seen.ends_with(b"}\n\r\n") {
            let mut byte = [0];
            inside.0.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        inside
    }

    fn end(mut self) -> String {
        self.0.write_all(b"9\r\nno order\n\r\n0\r\n\r\n").unwrap();
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

#[test]
fn a_drain_finishes_what_is_inside_shows_itself_and_ends_the_process_well() {
    let mut server = Served::start(&[]);
    assert_eq!(server.admin("GET", "/readyz", "").status, 200);
    assert_eq!(server.public("GET", "/readyz", "").status, 200);
    assert_eq!(server.admin("GET", "/drain", "").json()["draining"], false);
    let inside = Inside::enter(&server);

    let begun = server.admin("POST", "/drain", "");
    assert_eq!((begun.status, begun.json()["draining"].as_bool()), (202, Some(true)), "{}", begun.text);
    let again = server.admin("POST", "/drain?seconds=3600", "");
    assert_eq!(again.status, 202);
    assert!(again.json()["seconds_left"].as_u64().unwrap() <= 10, "a drain is not put off: {}", again.text);
    let ready = server.admin("GET", "/readyz", "");
    assert_eq!((ready.status, ready.problem().as_str(), ready.header("retry-after")), (503, "draining", Some("5")));
    assert_eq!(server.admin("GET", "/healthz", "").status, 200, "it is alive, only not ready");
    let shown = server.admin("GET", "/drain", "").json();
    assert_eq!((shown["draining"].as_bool(), shown["connections"].as_u64()), (Some(true), Some(1)));
    assert!(server.admin("GET", "/metrics", "").text.contains("\nstockade_draining 1\n"));
    for query in ["seconds=-1", "seconds=soon", "seconds=3601"] {
        let wrong = server.admin("POST", &format!("/drain?{query}"), "");
        assert_eq!((wrong.status, wrong.problem().as_str()), (400, "body_invalid"), "{query}");
    }

    let rest = inside.end();
    assert!(rest.contains("\"index\":1") && rest.ends_with("0\r\n\r\n"), "finished, not cut: {rest}");
    assert_eq!(server.ended(), Some(0));
    assert!(TcpStream::connect(server.listen).is_err());
}

#[test]
fn a_drain_cuts_what_is_still_inside_at_its_deadline_and_ends_the_process_well() {
    let mut server = Served::start(&[]);
    let mut stuck = Inside::enter(&server);
    assert_eq!(server.admin("POST", "/drain?seconds=0", "").status, 202);
    assert_eq!(server.ended(), Some(0));
    let mut rest = String::new();
    let cut = stuck.0.read_to_string(&mut rest);
    assert!(cut.is_err() || !rest.ends_with("0\r\n\r\n"), "it cannot have ended in order: {rest}");
}

#[test]
fn the_configuration_in_force_is_shown_without_its_secrets() {
    let keys = [("STOCKADE_API_KEYS", "[\"hunter2\", \"correct horse\"]"), ("STOCKADE_CREDITS", "77")];
    let server = Served::start_with(&["--anonymous"], &keys);
    let shown = server.admin("GET", "/config", "");
    assert_eq!(shown.status, 200);
    assert!(!shown.text.contains("hunter2") && !shown.text.contains("horse"), "{}", shown.text);
    let config = shown.json();
    assert_eq!(config["api_keys"], json!(["(redacted)", "(redacted)"]));
    assert_eq!((config["credits"].as_u64(), config["anonymous"].as_bool()), (Some(77), Some(true)));
    assert!(config["partitions"].as_u64().unwrap() >= 1 && config["drain_seconds"] == 10, "{config}");
}

/// Reads the process's logs until a line has this in it.
fn logged(logs: &mut BufReader<ChildStderr>, wanted: &str) -> String {
    let mut line = String::new();
    while !line.contains(wanted) {
        line.clear();
        assert!(logs.read_line(&mut line).unwrap() > 0, "the logs ended without {wanted:?}");
    }
    line
}

#[test]
fn the_log_level_is_read_and_changed_while_the_process_runs() {
    let mut server = Served::start(&[("STOCKADE_LOG", "warn")]);
    let mut logs = BufReader::new(server.child.stderr.take().unwrap());
    assert_eq!(server.admin("GET", "/log-level", "").json(), json!({"level": "warn"}));
    for body in ["{\"level\":\"loud\"}", "{\"level\":\"info,loud\"}", "{\"level\":\"\"}", "{}", "[\"info\"]", "info"] {
        let refused = server.admin("PUT", "/log-level", body);
        assert_eq!((refused.status, refused.problem().as_str()), (400, "body_invalid"), "{body}");
    }
    assert_eq!(server.admin("GET", "/log-level", "").json(), json!({"level": "warn"}));
    let changed = server.admin("PUT", "/log-level", "{\"level\":\"stockade=debug,info\"}");
    assert_eq!((changed.status, changed.json()), (200, json!({"level": "stockade=debug,info"})));
    // What is logged from now on says that it is in force: at `warn` this line would not be there.
    assert!(logged(&mut logs, "the log level was changed").contains("INFO"));
    assert_eq!(server.admin("DELETE", "/log-level", "").header("allow"), Some("GET, PUT"));
}

#[test]
fn the_actors_are_shown_with_credits_lag_and_watermark() {
    let server = Served::start(&[("STOCKADE_PARTITIONS", "2"), ("STOCKADE_CREDITS", "77")]);
    let before = server.admin("GET", "/actors", "").json();
    let in_memory = |shown: &Value, kind: &str| -> u64 {
        let partitions = shown["partitions"].as_array().unwrap();
        assert_eq!(partitions.len(), 2, "{shown}");
        partitions.iter().map(|partition| partition[kind].as_u64().unwrap()).sum()
    };
    assert_eq!((in_memory(&before, "skus"), before["skus_known"].as_u64()), (0, Some(0)));
    assert_eq!(before["credits"], json!({"in_use": 0, "capacity": 77}));
    server.define("A");
    let after = server.admin("GET", "/actors", "").json();
    let sequence = |shown: &Value| shown["durable_sequence"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!((in_memory(&after, "skus"), after["skus_known"].as_u64()), (1, Some(1)));
    assert_eq!((in_memory(&after, "orders"), in_memory(&after, "mailbox")), (0, 0), "{after}");
    assert!(sequence(&after) >= sequence(&before) + 2, "{before} {after}");
    assert!(after["projector"]["lag_records"].is_u64(), "{after}");
    assert_eq!(server.admin("GET", "/dead-letters?limit=5", "").json(), json!({"items": [], "next_cursor": null}));
    assert_eq!(server.admin("GET", "/dead-letters?limit=0", "").problem(), "body_invalid");
}

/// Reads a page of OpenMetrics strictly: every sample belongs to the family above it, and the page ends.
fn metrics(server: &Served) -> HashMap<String, f64> {
    let page = server.admin("GET", "/metrics", "");
    let media_type = page.header("content-type").unwrap();
    assert!(media_type.starts_with("application/openmetrics-text; version=1.0.0"), "{media_type}");
    assert!(page.text.ends_with("\n# EOF\n") && page.text.matches("# EOF").count() == 1, "{}", page.text);
    let mut samples = HashMap::new();
    let mut families: HashMap<String, &str> = HashMap::new();
    let mut family = String::new();
    for line in page.text.lines().filter(|line| *line != "# EOF") {
        // An exemplar stands behind its sample.
        let line = line.split(" # ").next().unwrap();
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                assert!(help.ends_with('.') && !families.contains_key(name), "{line}");
                family = name.to_owned();
            }
            ["#", "TYPE", name, kind] => {
                assert!(name == family && ["gauge", "counter", "histogram"].contains(&kind), "{line}");
                families.insert(name.to_owned(), kind);
            }
            ["#", "UNIT", name, unit] => assert!(name == family && name.ends_with(unit), "{line}"),
            _ => {
                let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not OpenMetrics: {line}"));
                let suffixes: &[&str] = match families.get(&family) {
                    Some(&"counter") => &["_total"],
                    Some(&"histogram") => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                let name = sample.split('{').next().unwrap();
                assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{line} is not of {family}");
                let value: f64 = value.parse().unwrap();
                assert!(value >= 0.0 && samples.insert(sample.to_owned(), value).is_none(), "{line}");
            }
        }
    }
    samples
}

#[test]
fn the_metrics_are_openmetrics_and_their_counters_move() {
    let server = Served::start(&[]);
    let before = metrics(&server);
    server.define("A");
    assert_eq!(server.public("GET", "/nowhere", "").status, 404);
    let after = metrics(&server);
    let moved = |name: &str| after[name] - before.get(name).copied().unwrap_or(0.0);
    let answers = |of: &str| moved(&format!("stockade_http_request_duration_seconds_count{{{of}}}"));
    let labels = |method, resource, class| format!(r#"method="{method}",resource="{resource}",class="{class}""#);
    assert_eq!(answers(&labels("PUT", "skus", "2xx")), 1.0);
    assert_eq!(answers(&labels("GET", "other", "4xx")), 1.0);
    assert_eq!(moved(r#"stockade_http_refusals_total{code="not_found"}"#), 1.0);
    assert!(moved("stockade_durable_sequence") >= 2.0);
    assert!(moved("stockade_journal_sync_duration_seconds_count") >= 1.0);
    assert!(moved("stockade_journal_group_records_sum") >= 2.0);
    assert!(after["stockade_resident_bytes"] > 1e6);
    assert_eq!((after["stockade_failed"], after["stockade_draining"]), (0.0, 0.0));
}

#[test]
fn nothing_of_the_admin_listener_is_on_the_public_one_and_nothing_public_is_on_it() {
    let server = Served::start(&[]);
    for path in ["/metrics", "/actors", "/dead-letters", "/drain", "/config", "/log-level", "/chaos/experiments"] {
        for method in ["GET", "POST", "PUT"] {
            let told = server.public(method, path, "");
            assert_eq!((told.status, told.problem().as_str()), (404, "not_found"), "{method} {path}");
        }
    }
    for path in ["/api/v1/skus", "/api/v1/orders", "/api/v1/orders/batch", "/nowhere"] {
        assert_eq!(server.admin("GET", path, "").problem(), "not_found", "{path}");
        assert_eq!(server.admin("POST", path, "{}").problem(), "not_found", "{path}");
    }
    for (path, allow) in [("/metrics", "GET"), ("/config", "GET"), ("/actors", "GET"), ("/dead-letters", "GET")] {
        let told = server.admin("POST", path, "");
        assert_eq!((told.status, told.problem().as_str()), (405, "method_not_allowed"), "{path}");
        assert_eq!(told.header("allow"), Some(allow), "{path}");
    }
    assert_eq!(server.admin("GET", "/drain", "").json()["draining"], false, "none of it began a drain");
}

#[test]
fn with_keys_only_who_has_one_is_let_in_and_each_has_idempotency_keys_of_its_own() {
    let server = Served::start(&[("STOCKADE_API_KEYS", "[\"one\", \"two\"]")]);
    let with = |authorization: &str, method: &str, path: &str, body: &str| {
        let headers =
            [("authorization", authorization), ("content-type", "application/json"), ("idempotency-key", "k")];
        ask(server.listen, method, path, &headers, body)
    };
    for authorization in ["Bearer three", "Basic one", "Bearer", "one", "Bearer "] {
        for (method, path) in [
            ("GET", "/api/v1/skus"),
            ("POST", "/api/v1/orders"),
            ("POST", "/api/v1/orders/batch"),
            ("GET", "/api/v1/no"),
        ] {
            let told = with(authorization, method, path, "");
            assert_eq!((told.status, told.problem().as_str()), (401, "unauthorized"), "{authorization} {path}");
            assert_eq!(told.header("www-authenticate"), Some("Bearer"), "{authorization} {path}");
        }
    }
    assert_eq!(server.public("GET", "/api/v1/skus", "").status, 401, "no key at all");
    assert_eq!(server.public("GET", "/healthz", "").status, 200, "health is everybody's");
    let sku = json!({"name": "A", "price": {"amount": "1.00", "currency": "EUR"}}).to_string();
    assert_eq!(with("Bearer one", "PUT", "/api/v1/skus/A", &sku).status, 201);
    assert_eq!(with("bearer two", "POST", "/api/v1/skus/A/receipts", "{\"quantity\":10}").status, 201);

    let order = "{\"sku\":\"A\",\"quantity\":1}";
    let one = with("Bearer one", "POST", "/api/v1/orders", order);
    let two = with("Bearer two", "POST", "/api/v1/orders", order);
    let again = with("Bearer one", "POST", "/api/v1/orders", order);
    assert_eq!((one.status, two.status, again.status), (201, 201, 201));
    assert_ne!(one.json()["id"], two.json()["id"], "the same key of another caller is another key");
    assert_eq!(one.json(), again.json());
    assert_eq!((two.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
}

#[test]
fn an_open_door_is_refused_beyond_loopback_unless_asked_for_and_told_on_loopback() {
    let place = tempfile::tempdir().unwrap();
    let open = ["--listen", "0.0.0.0:0", "--admin", "127.0.0.1:0"];
    let refused = command(&open, &[], place.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let error: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(error["error"]["code"], "keys_missing");
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("api_keys") && why.contains("--anonymous"), "it says what to do: {why}");

    for (listen, arguments, keys) in
        [("0.0.0.0:0", &["--anonymous"][..], "[]"), ("0.0.0.0:0", &[], "[\"one\"]"), ("127.0.0.1:0", &[], "[]")]
    {
        let mut server =
            Served::start_with(&[&["--listen", listen], arguments].concat(), &[("STOCKADE_API_KEYS", keys)]);
        let mut logs = BufReader::new(server.child.stderr.take().unwrap());
        assert_eq!(server.admin("POST", "/drain", "").status, 202);
        assert_eq!(server.ended(), Some(0));
        let mut all = String::new();
        logs.read_to_string(&mut all).unwrap();
        assert_eq!(all.contains("no API keys are configured"), keys == "[]", "{listen} {arguments:?}: {all}");
    }
}

#[test]
fn webhook_endpoints_are_made_on_the_admin_listener_alone_and_nothing_shows_their_secrets() {
    let server = Served::start(&[]);
    assert_eq!(server.admin("GET", "/webhook-endpoints", "").json(), json!({"items": []}));
    let body = json!({"name": "shop", "url": "http://127.0.0.1:9/hook"}).to_string();
    assert_eq!(server.public("POST", "/webhook-endpoints", &body).status, 404);
    assert_eq!(server.public("POST", "/api/v1/webhook-endpoints", &body).status, 404);
    let made = server.admin("POST", "/webhook-endpoints", &body);
    assert_eq!((made.status, made.header("location")), (201, Some("/webhook-endpoints/shop")), "{}", made.text);
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    for path in ["/webhook-endpoints", "/webhook-endpoints/shop", "/config", "/metrics"] {
        let shown = server.admin("GET", path, "");
        assert_eq!(shown.status, 200);
        assert!(!shown.text.contains(&secret), "{path}");
    }
}
