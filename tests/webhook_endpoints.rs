//! Webhook endpoints that operators make, change and remove while the engine runs, over the admin listener.

#[path = "support/ask.rs"]
mod ask;
#[path = "support/hooks.rs"]
mod hooks;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use ask::{Told, ask};
use hooks::{Call, next, open_shop, place, receiver, sell};
use serde_json::{Value, json};
use stockade::http::{Server, ServerOptions};
use stockade::webhook::{Endpoint, Webhooks, WebhooksError};
use stockade::{Config, Engine};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// Nobody is told again before the test is over.
const HOUR: Duration = Duration::from_secs(3_600);

/// A server on a directory.
struct Served {
    engine: Engine,
    webhooks: Arc<Webhooks>,
    server: Server,
    admin: SocketAddr,
}

impl Served {
    fn open(dir: &Path, configured: Vec<Endpoint>) -> Self {
        let engine = Engine::open(Config::at(dir)).unwrap();
        let webhooks = Webhooks::start_with(&engine, Some(dir.join("webhooks")), configured, &[HOUR]).unwrap();
        let (webhooks, free) = (Arc::new(webhooks), ([127, 0, 0, 1], 0).into());
        let told = Some(Arc::clone(&webhooks));
        let options = ServerOptions { listen: free, admin: free, webhooks: told, ..ServerOptions::default() };
        let server = Server::start(engine.clone(), options).unwrap();
        let admin = server.addresses().1;
        Self { engine, webhooks, server, admin }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Told {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        ask(self.admin, method, &format!("/webhook-endpoints{path}"), &[("content-type", "application/json")], &text)
    }

    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let told = self.ask(method, path, body);
        assert!(told.status == 200 || told.status == 201, "{method} {path}: {}", told.text);
        told.json()
    }

    fn get(&self, path: &str) -> Value {
        self.done("GET", path, &Value::Null)
    }

    fn post(&self, path: &str) -> Value {
        self.done("POST", path, &Value::Null)
    }

    /// Looks until it is so.
    fn until(&self, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let shown = self.get(&format!("/{name}"));
            if is_so(&shown) {
                return shown;
            }
            std::thread::yield_now();
        }
    }

    fn close(self) {
        self.server.shutdown(Duration::from_secs(5));
        self.webhooks.stop();
        self.engine.close_blocking().unwrap();
    }
}

fn configured(name: &str, url: &str) -> Endpoint {
    Endpoint::new(name, url, vec!["order.placed".into()], &[OLD]).unwrap()
}

fn new(name: &str, url: &str) -> Value {
    json!({"name": name, "url": url, "types": ["order.placed"], "secrets": [OLD]})
}

fn subjects(calls: &[Call]) -> HashSet<String> {
    calls.iter().map(Call::subject).collect()
}

/// Calls until all of these were heard of: what was under way when an endpoint was stopped is told again.
fn hear(calls: &Receiver<Call>, of: &HashSet<String>) -> Vec<Call> {
    let mut heard = Vec::new();
    while !of.is_subset(&subjects(&heard)) {
        heard.extend(next(calls, 1));
    }
    heard
}

fn set(orders: Vec<String>) -> HashSet<String> {
    orders.into_iter().collect()
}

#[test]
fn an_endpoint_that_was_made_is_told_from_then_on_also_after_a_restart_and_its_secret_is_shown_once() {
    let dir = tempfile::tempdir().unwrap();
    let (url, calls) = receiver(|_| 204);
    let served = Served::open(dir.path(), Vec::new());
    open_shop(&served.engine);
    sell(&served.engine, 2);
    let body = json!({"url": url, "types": ["order.placed"], "description": "the shop's own"});
    let made = served.ask("POST", "", &body);
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")), "{}", made.text);
    let shown = made.json();
    let (name, secret) = (shown["name"].as_str().unwrap(), shown["secret"].as_str().unwrap().to_owned());
    assert_eq!(made.header("location").unwrap(), format!("/webhook-endpoints/{name}"));
    assert_eq!((&shown["state"], &shown["source"]), (&json!("active"), &json!("created")));

    let sold = set(sell(&served.engine, 3));
    let heard = next(&calls, 3);
    assert!(heard.iter().all(|call| call.is_signed_by(&secret)) && subjects(&heard) == sold, "from then on");
    let again = served.ask("GET", &format!("/{name}"), &Value::Null);
    let listed = served.ask("GET", "", &Value::Null);
    for text in [&again.text, &listed.text] {
        assert!(!text.contains(&secret) && !text.contains("whsec_"), "{text}");
    }
    assert_eq!(again.json()["secrets"], shown["secrets"]);
    served.close();

    let served = Served::open(dir.path(), Vec::new());
    let sold = set(sell(&served.engine, 3));
    assert!(hear(&calls, &sold).iter().all(|call| call.is_signed_by(&secret)));
    let read = served.get(&format!("/{name}"));
    for field in ["description", "types", "url", "created_at", "secrets"] {
        assert_eq!(read[field], shown[field], "{field}");
    }
    served.close();
}

#[test]
fn what_is_wrong_is_refused_by_name_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (url, _calls) = receiver(|_| 200);
    let served = Served::open(dir.path(), vec![configured("fixed", &url)]);
    served.done("POST", "", &new("own", &url));
    let before = served.get("")["items"].as_array().unwrap().len();
    let body = |change: Value| {
        let mut body = new("other", &url);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    let own = |change: Value| ("PATCH", "/own", change);
    let nothing = Value::Null;
    for ((method, path, body), status, code, field) in [
        (("POST", "", new("own", &url)), 409, "id_conflict", None),
        (("POST", "", new("fixed", &url)), 409, "id_conflict", None),
        (("POST", "", body(json!({"name": "../own"}))), 400, "body_invalid", Some("name")),
        (("POST", "", body(json!({"url": "ftp://here"}))), 400, "body_invalid", Some("url")),
        (
            ("POST", "", body(json!({"url": "https://here", "ca_file": "/no/such"}))),
            400,
            "body_invalid",
            Some("ca_file"),
        ),
        (("POST", "", body(json!({"secrets": ["hunter2"]}))), 400, "body_invalid", Some("secrets")),
        (("POST", "", body(json!({"description": "x".repeat(1_001)}))), 400, "body_invalid", Some("description")),
        (("POST", "", body(json!({"surprise": 1}))), 400, "body_invalid", None),
        (("POST", "", json!({"name": "x"})), 400, "body_invalid", None),
        (own(json!({"url": "here"})), 400, "body_invalid", Some("url")),
        (own(json!({"name": "mine"})), 400, "body_invalid", None),
        (("POST", "/own/secrets", json!({"secret": OLD})), 400, "body_invalid", Some("secret")),
        (("POST", "/own/redeliver", json!({"after": "99999999"})), 400, "body_invalid", Some("after")),
        (("POST", "/own/redeliver", json!({"after": "now"})), 400, "body_invalid", Some("after")),
        (("POST", "/own/redeliver", json!({})), 400, "body_invalid", None),
        (("DELETE", "/own/secrets/00000000", nothing.clone()), 404, "not_found", None),
        (("DELETE", "/fixed", nothing.clone()), 409, "endpoint_configured", None),
        (("PATCH", "/fixed", json!({"types": []})), 409, "endpoint_configured", None),
        (("POST", "/fixed/secrets", json!({})), 409, "endpoint_configured", None),
        (("GET", "/nobody", nothing.clone()), 404, "not_found", None),
        (("DELETE", "/nobody", nothing.clone()), 404, "not_found", None),
        (("POST", "/nobody/disable", nothing.clone()), 404, "not_found", None),
        (("POST", "/own/explode", nothing.clone()), 404, "not_found", None),
        (("GET", "/", nothing.clone()), 404, "not_found", None),
        (("PUT", "/own", nothing.clone()), 405, "method_not_allowed", None),
        (("GET", "/own/disable", nothing.clone()), 405, "method_not_allowed", None),
        (("DELETE", "", nothing), 405, "method_not_allowed", None),
    ] {
        let told = served.ask(method, path, &body);
        assert_eq!((told.status, told.problem().as_str()), (status, code), "{method} {path} {body}: {}", told.text);
        if let Some(field) = field {
            assert_eq!(told.json()["field"], field, "{method} {path} {body}: {}", told.text);
        }
    }
    let last = served.get("/own")["secrets"][0]["id"].as_str().unwrap().to_owned();
    let refused = served.ask("DELETE", &format!("/own/secrets/{last}"), &Value::Null);
    assert_eq!((refused.status, refused.problem().as_str()), (409, "last_secret"));
    assert_eq!(served.get("")["items"].as_array().unwrap().len(), before);
    served.close();

    // The configuration does not take a name over.
    let engine = Engine::open(Config::at(dir.path())).unwrap();
    let told = Some(dir.path().join("webhooks"));
    let taken = Webhooks::start(&engine, told, vec![configured("own", &url)]).unwrap_err();
    assert!(matches!(taken, WebhooksError::NameTaken(_)), "{taken}");
    engine.close_blocking().unwrap();
}

#[test]
fn a_disabled_endpoint_is_told_later_what_happened_meanwhile_whoever_made_it() {
    let dir = tempfile::tempdir().unwrap();
    let (watch_url, watched) = receiver(|_| 200);
    let (own_url, own) = receiver(|_| 200);
    let (fixed_url, fixed) = receiver(|_| 200);
    let served = Served::open(dir.path(), vec![configured("fixed", &fixed_url)]);
    open_shop(&served.engine);
    served.done("POST", "", &new("watch", &watch_url));
    served.done("POST", "", &new("own", &own_url));
    for name in ["own", "fixed"] {
        assert_eq!(served.post(&format!("/{name}/disable"))["state"], "disabled");
        assert_eq!(served.post(&format!("/{name}/disable"))["state"], "disabled", "twice is once");
    }
    let mut sold = set(sell(&served.engine, 3));
    let heard = subjects(&hear(&watched, &sold));
    served.close();

    let served = Served::open(dir.path(), vec![configured("fixed", &fixed_url)]);
    sold.extend(sell(&served.engine, 2));
    hear(&watched, &sold.iter().filter(|order| !heard.contains(*order)).cloned().collect());
    assert!(own.try_recv().is_err() && fixed.try_recv().is_err(), "a restart enables nobody");
    for (name, calls) in [("own", &own), ("fixed", &fixed)] {
        assert_eq!(served.get(&format!("/{name}"))["state"], "disabled");
        assert_eq!(served.post(&format!("/{name}/enable"))["state"], "active");
        assert_eq!(served.post(&format!("/{name}/enable"))["state"], "active", "twice is once");
        assert_eq!(subjects(&next(calls, 5)), sold, "{name}");
    }
    served.close();
}

#[test]
fn what_was_told_is_told_again_from_a_sequence_on_under_the_same_ids() {
    let dir = tempfile::tempdir().unwrap();
    let (own_url, own) = receiver(|_| 200);
    let (fixed_url, fixed) = receiver(|_| 200);
    let served = Served::open(dir.path(), vec![configured("fixed", &fixed_url)]);
    open_shop(&served.engine);
    served.done("POST", "", &new("own", &own_url));
    sell(&served.engine, 5);
    // The second one hears of what was sold while it was the first one's turn, too.
    for (name, calls, count) in [("own", &own, 5), ("fixed", &fixed, 8)] {
        let mut told: Vec<_> = next(calls, count).iter().map(place).collect();
        told.sort_unstable();
        let after = told[count - 4].0;
        served.done("POST", &format!("/{name}/redeliver"), &json!({"after": after.to_string()}));
        let mut again: Vec<_> = next(calls, 3).iter().map(place).collect();
        again.sort_unstable();
        assert_eq!(again, told[count - 3..], "{name}");
        // A later sequence skips.
        served.post(&format!("/{name}/disable"));
        sell(&served.engine, 2);
        let now = served.engine.durable();
        let skipped = served.done("POST", &format!("/{name}/redeliver"), &json!({"after": now}));
        assert_eq!((&skipped["told_to"], &skipped["state"]), (&json!(now.to_string()), &json!("disabled")));
        served.post(&format!("/{name}/enable"));
        let sold = set(sell(&served.engine, 1));
        assert_eq!(subjects(&next(calls, 1)), sold, "{name}");
    }
    // It is told again although the engine ends meanwhile.
    served.post("/own/disable");
    assert_eq!(served.done("POST", "/own/redeliver", &json!({"after": "0"}))["told_to"], "0");
    served.close();
    let served = Served::open(dir.path(), vec![configured("fixed", &fixed_url)]);
    assert_eq!(served.get("/own")["told_to"], "0");
    while own.try_recv().is_ok() {}
    served.post("/own/enable");
    let mut every = HashSet::new();
    while every.len() < 11 {
        every.extend(subjects(&next(&own, 1)));
    }
    served.close();
}

#[test]
fn secrets_are_changed_without_a_gap_and_an_address_that_is_mended_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (broken_url, _none) = receiver(|_| 500);
    let (url, calls) = receiver(|_| 200);
    let served = Served::open(dir.path(), Vec::new());
    open_shop(&served.engine);
    served.done("POST", "", &new("shop", &broken_url));
    let sold = set(sell(&served.engine, 3));
    let failing = served.until("shop", |shown| shown["failures"].as_u64() >= Some(3));
    assert_eq!(failing["state"], "failing");
    assert!(failing["failing_since"].is_string() && failing["last_error"].as_str().unwrap().contains("500"));
    // The next attempt would be an hour later.
    let mended = served.done("PATCH", "/shop", &json!({"url": url, "description": "mended"}));
    assert_eq!((&mended["url"], &mended["description"]), (&json!(url), &json!("mended")));
    let heard = next(&calls, 3);
    assert!(subjects(&heard) == sold && heard.iter().all(|call| call.is_signed_by(OLD)));
    let well = served.until("shop", |shown| shown["state"] == "active");
    assert!(well["failing_since"].is_null(), "{well}");

    let old = well["secrets"][0]["id"].as_str().unwrap().to_owned();
    let brought = served.done("POST", "/shop/secrets", &json!({"secret": NEW}));
    assert!(brought["secret"].is_null(), "who brought it knows it: {brought}");
    let made = served.done("POST", "/shop/secrets", &json!({}));
    let secret = made["secret"].as_str().unwrap().to_owned();
    sell(&served.engine, 1);
    let call = next(&calls, 1).remove(0);
    assert!([OLD, NEW, &secret].iter().all(|secret| call.is_signed_by(secret)), "each active secret signs");
    let left = served.done("DELETE", &format!("/shop/secrets/{old}"), &Value::Null);
    assert_eq!(left["secrets"], json!([{"id": made["id"]}, {"id": brought["id"]}]), "the latest first");
    served.close();

    let served = Served::open(dir.path(), Vec::new());
    sell(&served.engine, 1);
    let call = next(&calls, 1).remove(0);
    assert!(!call.is_signed_by(OLD) && call.is_signed_by(NEW) && call.is_signed_by(&secret));
    let changed = served.done("PATCH", "/shop", &json!({"types": ["sku.held"], "description": null}));
    assert_eq!((&changed["types"], &changed["description"]), (&json!(["sku.held"]), &Value::Null));
    sell(&served.engine, 1);
    while next(&calls, 1)[0].json()["type"] != "sku.held" {}
    served.close();
}

#[test]
fn an_endpoint_that_was_removed_is_gone_and_its_name_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (url, calls) = receiver(|_| 200);
    let served = Served::open(dir.path(), Vec::new());
    open_shop(&served.engine);
    served.done("POST", "", &new("shop", &url));
    sell(&served.engine, 1);
    next(&calls, 1);
    served.post("/shop/disable");
    assert_eq!(served.done("DELETE", "/shop", &Value::Null)["name"], "shop");
    assert_eq!(served.ask("DELETE", "/shop", &Value::Null).status, 404);
    served.close();
    let served = Served::open(dir.path(), Vec::new());
    assert_eq!(served.get("")["items"], json!([]));
    sell(&served.engine, 2);
    let made = served.done("POST", "", &new("shop", &url));
    assert_eq!(made["state"], "active", "what was said of the one before is forgotten");
    let sold = set(sell(&served.engine, 1));
    assert_eq!(subjects(&next(&calls, 1)), sold);
    served.close();
}
