//! The command line from the outside: exit codes, one JSON object, named errors.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const HISTORY: &str = "\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,HOLDER,6,2010-12-01T08:26:00,2.55,17850,United Kingdom
536365,71053,LANTERN,6,2010-12-01T08:26:00,3.39,17850,United Kingdom
C536366,85123A,HOLDER,-1,2010-12-01T09:26:00,2.55,17850,United Kingdom
";

fn command(arguments: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.args(arguments).current_dir(dir).env("STOCKADE_LOG", "off").stdin(Stdio::null());
    command
}

fn stockade(arguments: &[&str], dir: &Path) -> Output {
    command(arguments, dir).output().unwrap()
}

/// The one JSON object on stdout.
fn json(output: &Output) -> Value {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "one line, one object: {text}");
    serde_json::from_str(text).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

/// Asserts that a command could not run, and says so by name.
fn assert_cannot(output: &Output, exit: i32, name: &str) {
    assert_eq!(code(output), exit, "{output:?}");
    assert_eq!(json(output)["error"]["code"], name);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.starts_with("stockade: "), "{message}");
}

/// A server on free ports, ended with the test.
struct Served {
    child: Child,
    first: Value,
    out: BufReader<std::process::ChildStdout>,
}

impl Served {
    fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[])
    }

    fn start_with(dir: &Path, more: &[&str]) -> Self {
        let arguments = ["serve", "--json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", "data"];
        let mut child = command(&[&arguments, more].concat(), dir).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let first = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { child, first, out }
    }

    fn listen(&self) -> SocketAddr {
        self.first["listen"].as_str().unwrap().parse().unwrap()
    }

    /// One request on a connection of its own: the whole answer as text.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.listen()).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends SIGTERM and waits for the end.
    fn terminate(mut self) -> (i32, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (status.code().unwrap(), rest)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn help_is_on_stdout_and_bad_usage_ends_with_2() {
    let place = tempfile::tempdir().unwrap();
    for verb in ["demo", "serve", "replay", "audit", "load"] {
        let help = stockade(&[verb, "--help"], place.path());
        assert_eq!(code(&help), 0);
        assert!(String::from_utf8_lossy(&help.stdout).contains("Examples:"), "{verb}");
    }
    for arguments in [
        &["nonsense"][..],
        &[],
        &["replay"],
        &["replay", "x.csv", "--stock", "scarce=7.5"],
        &["replay", "x.csv", "--on-short", "panic"],
        &["replay", "x.csv", "--limit", "-1"],
        &["serve", "--listen", "nowhere"],
        &["load", "--target", "ftp://x"],
        &["load", "--target", "http://127.0.0.1:1", "--connections", "0"],
        &["demo", "--for", "soon"],
    ] {
        let refused = stockade(arguments, place.path());
        assert_eq!(code(&refused), 2, "{arguments:?}: {refused:?}");
        assert!(!refused.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "bad usage leaves nothing behind");
}

#[test]
fn configuration_that_is_wrong_is_bad_usage_and_named() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("wrong.toml"), "lisden = 1\n").unwrap();
    let output = stockade(&["serve", "--json", "--config", "wrong.toml"], place.path());
    assert_cannot(&output, 2, "config_invalid");
    let output = stockade(&["serve", "--json", "--config", "absent.toml"], place.path());
    assert_cannot(&output, 2, "config_not_found");
    let output = command(&["serve", "--json"], place.path()).env("STOCKADE_LISTEN", "here").output().unwrap();
    assert_cannot(&output, 2, "config_invalid");
}

#[test]
fn a_history_is_replayed_and_audited() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("history.csv"), HISTORY).unwrap();
    let replayed = stockade(&["replay", "history.csv", "--data", "data", "--json"], place.path());
    assert_eq!(code(&replayed), 0, "{replayed:?}");
    let report = json(&replayed);
    assert_eq!(report["rows"], 3);
    assert_eq!(report["sold"], serde_json::json!({ "rows": 2, "units": 12, "money": "35.64" }));
    assert_eq!(report["returned"]["money"], "-2.55");
    assert_eq!(report["oversold"], 0);
    assert!(replayed.stderr.is_empty(), "no progress where there is no terminal: {replayed:?}");

    let audited = stockade(&["audit", "--data", "data", "--json"], place.path());
    assert_eq!(code(&audited), 0, "{audited:?}");
    assert_eq!(json(&audited)["faults"], serde_json::json!([]));

    let again = stockade(&["replay", "history.csv", "--data", "data", "--json"], place.path());
    assert_cannot(&again, 3, "directory_not_empty");
    let people = stockade(&["audit", "--data", "data"], place.path());
    assert!(String::from_utf8_lossy(&people.stdout).contains("clean"), "{people:?}");
}

#[test]
fn a_changed_byte_in_the_journal_is_a_fault() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("history.csv"), HISTORY).unwrap();
    assert_eq!(code(&stockade(&["replay", "history.csv", "--data", "data"], place.path())), 0);
    let segment = place.path().join("data/journal-00000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(5).position(|five| five == b"71053").expect("the journal names its SKUs");
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let audited = stockade(&["audit", "--data", "data", "--json"], place.path());
    assert_eq!(code(&audited), 1, "{audited:?}");
    assert_ne!(json(&audited)["faults"], serde_json::json!([]));
}

#[test]
fn what_cannot_run_says_why_and_ends_with_3() {
    let place = tempfile::tempdir().unwrap();
    let absent = stockade(&["replay", "absent.csv", "--data", "data", "--json"], place.path());
    assert_cannot(&absent, 3, "file_unreadable");
    let nothing = stockade(&["audit", "--data", "absent", "--json"], place.path());
    assert_cannot(&nothing, 3, "directory_not_found");
    std::fs::write(place.path().join("file"), "x").unwrap();
    let file = stockade(&["serve", "--json", "--data", "file", "--listen", "127.0.0.1:0"], place.path());
    assert_cannot(&file, 3, "directory_unusable");
    let nobody = stockade(&["load", "--json", "--target", "http://127.0.0.1:1", "--for", "1s"], place.path());
    assert_cannot(&nobody, 3, "target_unreachable");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let locked = place.path().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(locked.join("probe"), "").is_ok() {
        return; // permissions do not bind this user, as root
    }
    let output = stockade(&["serve", "--json", "--data", "locked/data", "--listen", "127.0.0.1:0"], place.path());
    assert_cannot(&output, 3, "directory_unusable");
}

#[test]
fn a_port_in_use_is_named_and_the_directory_is_left_closed() {
    let place = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["serve", "--json", "--data", "data", "--listen", &address, "--admin", "127.0.0.1:0"];
    let output = stockade(&arguments, place.path());
    assert_cannot(&output, 3, "port_in_use");
    let served = Served::start(place.path());
    assert_eq!(served.terminate().0, 0);
}

#[test]
fn a_server_says_where_it_is_serves_and_stops_at_a_signal() {
    let place = tempfile::tempdir().unwrap();
    let served = Served::start(place.path());
    assert!(served.first["admin"].is_string());
    let price = r#"{"name":"Mug","price":{"amount":"7.50","currency":"GBP"}}"#;
    assert!(served.ask("PUT", "/api/v1/skus/mug", price).starts_with("HTTP/1.1 201"));
    assert!(served.ask("POST", "/api/v1/skus/mug/receipts", r#"{"quantity":5}"#).starts_with("HTTP/1.1 201"));

    let second = stockade(&["serve", "--json", "--data", "data", "--listen", "127.0.0.1:0"], place.path());
    assert_cannot(&second, 3, "directory_in_use");
    let audit = stockade(&["audit", "--json", "--data", "data"], place.path());
    assert_cannot(&audit, 3, "directory_in_use");

    let (exit, rest) = served.terminate();
    assert_eq!((exit, rest.as_str()), (0, ""), "with --json the addresses are all there is on stdout");
    let again = Served::start(place.path());
    let stock = again.ask("GET", "/api/v1/skus/mug/stock", "");
    assert!(stock.contains(r#""available":5"#), "{stock}");
    assert_eq!(again.terminate().0, 0);
}

#[test]
fn load_counts_what_was_sold_and_checks_that_nothing_was_sold_twice() {
    let place = tempfile::tempdir().unwrap();
    let served = Served::start(place.path());
    let target = format!("http://{}", served.listen());
    let scarce =
        ["load", "--json", "--target", &target, "--sku", "few", "--stock", "20", "--for", "1s", "--connections", "16"];
    let output = stockade(&scarce, place.path());
    assert_eq!(code(&output), 0, "{output:?}");
    let report = json(&output);
    assert_eq!((&report["accepted"], &report["oversold"]), (&Value::from(20), &Value::from(0)));
    assert_eq!(report["units"]["available"], 0);
    assert!(report["refused"]["stock_exhausted"].as_u64().unwrap() > 0, "{report}");

    let paced = ["load", "--json", "--target", &target, "--rps", "50", "--for", "1s", "--lines", "3"];
    let report = json(&stockade(&paced, place.path()));
    assert_eq!(report["attempts"].as_u64().unwrap() + report["not_sent"].as_u64().unwrap(), 50, "{report}");
    assert_eq!(report["units"]["unaccounted"], 0, "{report}");
    assert!(report["latency_us"]["p999"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(served.terminate().0, 0);
}

#[test]
fn the_demo_sells_out_and_oversells_nothing() {
    let place = tempfile::tempdir().unwrap();
    let arguments = ["demo", "--json", "--units", "100", "--for", "2s", "--connections", "8"];
    let output = command(&arguments, place.path()).env("TMPDIR", place.path()).output().unwrap();
    assert_eq!(code(&output), 0, "{output:?}");
    let report = json(&output);
    assert_eq!((&report["oversold"], &report["units"]["unaccounted"]), (&Value::from(0), &Value::from(0)));
    assert!(report["sold"].as_u64().unwrap() > 0 && report["latency_us"]["p99"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "the demo takes its directory with it");
}

#[test]
fn a_simulation_tells_what_it_did_and_the_same_seed_takes_the_same_way() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| json(&stockade(arguments, dir.path()));
    let once = ["simulate", "--seed", "42", "--steps", "80", "--json"];
    let (first, second) = (run(&once), run(&once));
    assert_eq!(first["trace_hash"], second["trace_hash"], "{first}");
    assert!(first["trace_hash"].as_str().is_some_and(|hash| hash.len() >= 16), "{first}");
    let few = ["simulate", "--seeds", "0..3", "--steps", "40", "--partitions", "2", "--faults", "none"];
    let told = stockade(&few, dir.path());
    assert_eq!(code(&told), 0, "{told:?}");
    assert!(String::from_utf8_lossy(&told.stdout).starts_with("3 runs, "), "{told:?}");
    for wrong in [
        &["simulate", "--seeds", "5..1", "--json"][..],
        &["simulate", "--seeds", "many", "--json"],
        &["simulate", "--faults", "locusts", "--json"],
    ] {
        assert_ne!(code(&stockade(wrong, dir.path())), 0, "{wrong:?}");
    }
}

#[test]
fn the_interface_is_told_as_a_document() {
    let dir = tempfile::tempdir().unwrap();
    let told = stockade(&["openapi", "--json"], dir.path());
    assert_eq!((code(&told), json(&told)["openapi"].as_str()), (0, Some("3.1.0")));
    let shown = stockade(&["openapi"], dir.path());
    assert_eq!(serde_json::from_slice::<Value>(&shown.stdout).unwrap(), json(&told), "the same, in many lines");
}

#[test]
fn promotions_of_a_file_are_put_before_anybody_is_served_and_a_wrong_file_touches_nothing() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/promotions.yaml");
    file("wrong.yaml", "promotions: [{id: a, name: A, lane: nowhere, then: {line: {percent: 10}}}]");
    file("lanes.toml", "lanes = [{ name = \"goods\", pick = \"best\" }]\n");
    for more in [
        vec!["--promotions", "wrong.yaml"],
        vec!["--promotions", "absent.yaml"],
        vec!["--promotions", example, "--config", "lanes.toml"],
    ] {
        let output = stockade(&[&["serve", "--json", "--data", "data"], &more[..]].concat(), place.path());
        assert_cannot(&output, 2, "promotions_invalid");
        assert!(!place.path().join("data").exists(), "{more:?}");
    }
    // The second time they are all there already.
    for _ in 0..2 {
        let served = Served::start_with(place.path(), &["--promotions", example]);
        let listed = served.ask("GET", "/api/v1/promotions/welcome-300-50", "");
        assert!(listed.starts_with("HTTP/1.1 200") && listed.contains("\"version\":1"), "{listed}");
        assert_eq!(served.terminate().0, 0);
    }
}
