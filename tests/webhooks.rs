//! Outgoing webhooks over real sockets, to a receiver of the test's own, which verifies what it gets by itself.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use stockade::webhook::{Endpoint, Webhooks};
use stockade::{Config, Engine, Money, NewOrder, Payment, Sku};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PATIENCE: Duration = Duration::from_secs(30);

/// What the receiver got.
struct Call {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Call {
    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn subject(&self) -> String {
        self.json()["data"]["subject"].as_str().unwrap().to_owned()
    }

    /// Whether one of the signatures is of this secret.
    fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.", self.id(), self.headers["webhook-timestamp"]).as_bytes());
        mac.update(&self.body);
        let wanted = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.headers["webhook-signature"].split(' ').any(|signature| signature == wanted)
    }
}

/// Answers each call with the status that `judge` says; calls that were taken are told.
fn receiver(judge: impl Fn(&Call) -> u16 + Send + Sync + 'static) -> (String, Receiver<Call>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?shop=1", listener.local_addr().unwrap());
    let (told, calls) = channel();
    let judge = Arc::new(judge);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (judge, told) = (Arc::clone(&judge), told.clone());
            std::thread::spawn(move || serve(stream, &*judge, &told));
        }
    });
    (url, calls)
}

fn serve(mut stream: TcpStream, judge: &dyn Fn(&Call) -> u16, told: &Sender<Call>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    assert!(line.starts_with("POST /hook?shop=1 "), "{line}");
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    let call = Call { headers, body };
    let status = judge(&call);
    // Whoever waits for the call may look at once, so it is told before it is answered.
    if status < 300 {
        told.send(call).ok()?;
    }
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()
}

fn engine(dir: &Path) -> Engine {
    Engine::open(Config::at(dir)).unwrap()
}

fn webhooks(engine: &Engine, dir: &Path, url: &str, types: &[&str], secrets: &[&str], pauses: &[u64]) -> Webhooks {
    let types = types.iter().map(|text| (*text).to_owned()).collect();
    let endpoint = Endpoint::new("shop", url, types, secrets).unwrap();
    let pauses: Vec<Duration> = pauses.iter().map(|millis| Duration::from_millis(*millis)).collect();
    Webhooks::start_with(engine, Some(dir.join("webhooks")), vec![endpoint], &pauses).unwrap()
}

fn open_shop(engine: &Engine) {
    engine.put_sku(Sku::new("MUG", Money::parse("9.99 EUR").unwrap())).wait().unwrap();
    engine.receive("MUG", 1_000).wait().unwrap();
}

/// Places and pays so many orders.
fn sell(engine: &Engine, orders: usize) -> Vec<String> {
    let sell = |_| {
        let order = engine.place(NewOrder::one("MUG", 1)).wait().unwrap();
        engine.pay(order.id, Payment::external("cash")).wait().unwrap();
        format!("order/{}", order.id)
    };
    (0..orders).map(sell).collect()
}

/// The next calls that were taken.
fn next(calls: &Receiver<Call>, count: usize) -> Vec<Call> {
    (0..count).map(|_| calls.recv_timeout(PATIENCE).expect("it is told in time")).collect()
}

/// The numbers of a fact's id: its sequence and its place.
fn place(call: &Call) -> (u64, u64) {
    let (sequence, place) = call.id().split_once('.').unwrap();
    (sequence.parse().unwrap(), place.parse().unwrap())
}

#[test]
fn every_fact_is_told_signed_and_in_order_for_each_subject_however_often_the_endpoint_fails() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    // Each fact fails twice.
    let failed = parking_lot::Mutex::new(BTreeMap::<String, u32>::new());
    let (url, calls) = receiver(move |call| {
        assert!(call.is_signed_by(OLD) && call.is_signed_by(NEW), "each active secret signs");
        let mut failed = failed.lock();
        let times = failed.entry(call.id().to_owned()).or_default();
        *times += 1;
        if *times <= 2 { 503 } else { 204 }
    });
    let webhooks = webhooks(&engine, dir.path(), &url, &["order"], &[OLD, NEW], &[1, 1, 1]);
    open_shop(&engine);
    let orders = sell(&engine, 30);
    // Placed, and paid: two records or more of each.
    let mut last = BTreeMap::<String, (u64, u64)>::new();
    let mut types = HashSet::new();
    let mut finished = 0;
    while finished < orders.len() {
        let call = next(&calls, 1).remove(0);
        let (subject, place) = (call.subject(), place(&call));
        assert!(last.get(&subject).is_none_or(|before| *before < place), "{subject} in order, each once");
        last.insert(subject, place);
        let kind = call.json()["type"].as_str().unwrap().to_owned();
        finished += usize::from(kind == "order.payment_secured");
        types.insert(kind);
    }
    assert_eq!(last.into_keys().collect::<HashSet<_>>(), orders.into_iter().collect());
    assert!(types.iter().all(|kind| kind.starts_with("order.")), "only what was asked for: {types:?}");
    let status = webhooks.status().remove(0);
    assert!(status.dead_letters == 0 && status.last_error.is_some());
    webhooks.stop();
    engine.close_blocking().unwrap();
}

#[test]
fn after_a_restart_it_goes_on_where_it_was_and_nothing_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (url, calls) = receiver(|_| 200);
    let mut heard = HashSet::new();
    let mut sold = HashSet::new();
    for _ in 0..3 {
        let engine = engine(dir.path());
        let webhooks = webhooks(&engine, dir.path(), &url, &["order.placed"], &[OLD], &[1]);
        if sold.is_empty() {
            open_shop(&engine);
        }
        sold.extend(sell(&engine, 20));
        // It is stopped in the middle of them.
        heard.extend(next(&calls, 5).iter().map(Call::subject));
        webhooks.stop();
        // What happens while nobody tells is told later.
        sold.extend(sell(&engine, 5));
        engine.close_blocking().unwrap();
    }
    let engine = engine(dir.path());
    let webhooks = webhooks(&engine, dir.path(), &url, &["order.placed"], &[OLD], &[1]);
    while heard.len() < sold.len() {
        heard.extend(next(&calls, 1).iter().map(Call::subject));
    }
    assert_eq!(heard, sold);
    webhooks.stop();
    engine.close_blocking().unwrap();
}

#[test]
fn low_stock_is_told_once_and_not_again_after_a_restart_while_it_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let (url, calls) = receiver(|_| 200);
    let types = ["sku.low_stock", "sku.oversold_risk"];
    let first = engine(dir.path());
    let to_shop = webhooks(&first, dir.path(), &url, &types, &[OLD], &[1]);
    let mug = Sku::new("MUG", Money::parse("9.99 EUR").unwrap()).low_stock_level(2);
    first.put_sku(mug).wait().unwrap();
    first.receive("MUG", 4).wait().unwrap();
    sell(&first, 3);
    // A SKU begins with nothing.
    let told: Vec<Value> = next(&calls, 2).iter().map(Call::json).collect();
    for (call, available) in told.iter().zip([0, 2]) {
        assert_eq!((&call["type"], &call["data"]["subject"]), (&"sku.low_stock".into(), &"sku/MUG".into()), "{call}");
        assert_eq!((&call["data"]["available"], &call["data"]["level"]), (&available.into(), &2.into()), "{call}");
    }
    to_shop.stop();
    first.close_blocking().unwrap();

    let second = engine(dir.path());
    let to_shop = webhooks(&second, dir.path(), &url, &types, &[OLD], &[1]);
    sell(&second, 1);
    second.receive("MUG", 5).wait().unwrap();
    sell(&second, 4);
    // What was on its way when it stopped may come again; nothing else comes.
    let seen: Vec<Value> = told.iter().map(|call| call["data"]["id"].clone()).collect();
    let fresh = loop {
        let call = next(&calls, 1).remove(0).json();
        if !seen.contains(&call["data"]["id"]) {
            break call;
        }
    };
    assert_eq!((&fresh["data"]["available"], &fresh["data"]["level"]), (&2.into(), &2.into()), "{fresh}");
    to_shop.stop();
    second.close_blocking().unwrap();
}

#[test]
fn an_order_whose_facts_are_refused_for_hours_holds_no_other_order_up() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    open_shop(&engine);
    let refused = engine.place(NewOrder::one("MUG", 1)).wait().unwrap().id;
    let wanted = format!("order/{refused}");
    let (url, calls) = receiver(move |call| if call.subject() == wanted { 500 } else { 200 });
    let webhooks = webhooks(&engine, dir.path(), &url, &["order"], &[OLD], &[3_600_000]);
    engine.pay(refused, Payment::external("cash")).wait().unwrap();
    let orders = sell(&engine, 150);
    let mut heard = HashSet::new();
    while heard.len() < orders.len() {
        heard.extend(next(&calls, 1).iter().map(Call::subject));
    }
    webhooks.stop();
    engine.close_blocking().unwrap();
}

#[test]
fn a_fact_that_is_never_taken_is_a_dead_letter_and_holds_nobody_up_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    open_shop(&engine);
    let refused = engine.place(NewOrder::one("MUG", 1)).wait().unwrap().id;
    let poison = format!("order/{refused}");
    let wanted = poison.clone();
    let (url, calls) = receiver(move |call| if call.subject() == wanted { 500 } else { 200 });
    let webhooks = webhooks(&engine, dir.path(), &url, &["order"], &[OLD], &[1, 1]);
    engine.pay(refused, Payment::external("cash")).wait().unwrap();
    let orders = sell(&engine, 3);
    let mut heard = HashSet::new();
    while heard.len() < orders.len() {
        heard.extend(next(&calls, 1).iter().map(Call::subject));
    }
    assert!(!heard.contains(&poison));
    while webhooks.status()[0].dead_letters == 0 {
        std::thread::yield_now();
    }
    let status = webhooks.status().remove(0);
    assert!(status.latest_dead_letters[0].1.contains("500"), "{status:?}");
    let file = std::fs::read_to_string(dir.path().join("webhooks/shop.dead-letters.jsonl")).unwrap();
    assert!(file.lines().count() as u64 >= status.dead_letters, "a dead letter is written before it is shown");
    webhooks.stop();
    engine.close_blocking().unwrap();
}
