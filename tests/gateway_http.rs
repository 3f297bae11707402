//! The generic gateway over a real socket, against a gateway of the test's own that loses, garbles and repeats.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/process.rs"]
mod process;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/wire.rs"]
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use process::ServerProcess;
use serde_json::{Value, json};
use stockade::gateway::{BreakerRules, BreakerState, GuardedGateway, HttpGateway, HttpGatewayOptions, Signer};
use stockade::http::{Server, ServerOptions};
use stockade::{
    Config, Engine, Gateway, GatewayCall, GatewayOutcome, ManualClock, Money, NewOrder, Operation, Payment, PaymentId,
    Sku, Timestamp,
};
use wire::Wire;

const START: Timestamp = Timestamp(1_790_000_000_000_000);

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

/// What becomes of a request.
#[derive(Clone)]
enum Turn {
    Answer,
    /// The connection closes before anything is done.
    CloseBefore,
    /// It is done, and the connection closes.
    CloseAfter,
    /// It is done, and the answer is this instead.
    Say(u16, String),
}

#[derive(Default)]
struct Books {
    turns: VecDeque<Turn>,
    done: BTreeMap<String, Value>,
    requests: Vec<(String, BTreeMap<String, String>, Value)>,
    captured: i64,
}

/// A gateway on a thread of its own.
struct Peer {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    fn start(turns: impl IntoIterator<Item = Turn>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let books = Arc::new(Mutex::new(Books { turns: turns.into_iter().collect(), ..Books::default() }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&books), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                serve(stream.unwrap(), &shared);
            }
        });
        Self { address, books, stop, thread: Some(thread) }
    }

    fn options(&self) -> HttpGatewayOptions {
        let pause = Duration::from_millis(1);
        HttpGatewayOptions { pause, api_key: Some("sesame".into()), ..HttpGatewayOptions::at(self.url()) }
    }

    fn url(&self) -> String {
        format!("http://{}/pay", self.address)
    }

    fn requests(&self) -> Vec<(String, BTreeMap<String, String>, Value)> {
        self.books.lock().unwrap().requests.clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn serve(stream: TcpStream, books: &Mutex<Books>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let Some(path) = line.split(' ').nth(1).map(str::to_owned) else { return };
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let mut books = books.lock().unwrap();
    books.requests.push((path, headers.clone(), body.clone()));
    let turn = books.turns.pop_front().unwrap_or(Turn::Answer);
    if matches!(turn, Turn::CloseBefore) {
        return;
    }
    let key = headers["idempotency-key"].clone();
    if !books.done.contains_key(&key) {
        if body["operation"] == "charge" {
            books.captured += 1;
        }
        books.done.insert(key.clone(), json!({"outcome": "approved", "reference": format!("ref-{key}")}));
    }
    let (status, text) = match turn {
        Turn::CloseAfter => return,
        Turn::Say(status, text) => (status, text),
        _ => (200, books.done[&key].to_string()),
    };
    let head =
        format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", text.len());
    // Who asked may have given up already.
    let _ = reader.get_mut().write_all((head + &text).as_bytes());
}

fn call() -> GatewayCall {
    let operation = Operation::Charge { token: "tok_1".into() };
    GatewayCall { payment: PaymentId::new(START, 9), operation, money: eur("19.99") }
}

fn run(gateway: &impl Gateway, call: GatewayCall) -> GatewayOutcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(gateway.call(call))
}

#[test]
fn a_call_says_what_it_wants_under_its_key() {
    let peer = Peer::start([]);
    let gateway = HttpGateway::new(peer.options()).unwrap();
    let key = call().idempotency_key();
    assert_eq!(run(&gateway, call()), GatewayOutcome::Approved { reference: format!("ref-{key}") });
    let refund = GatewayCall { operation: Operation::Refund { number: 2 }, ..call() };
    run(&gateway, refund);
    let [(path, headers, body), (refund, ..)] = &peer.requests()[..] else { panic!("two calls") };
    let payment = call().payment;
    assert_eq!(
        (path, refund),
        (&format!("/pay/payments/{payment}/charge"), &format!("/pay/payments/{payment}/refund/2"))
    );
    assert_eq!((headers["idempotency-key"].as_str(), headers["authorization"].as_str()), (&*key, "Bearer sesame"));
    let wanted = json!({
        "payment": payment.to_string(), "operation": "charge", "amount": "19.99", "currency": "EUR", "token": "tok_1"
    });
    assert_eq!(*body, wanted);
}

#[test]
fn what_is_lost_is_asked_again_under_the_same_key_and_done_once() {
    let peer = Peer::start([Turn::CloseBefore, Turn::CloseAfter, Turn::Answer]);
    let gateway = HttpGateway::new(peer.options()).unwrap();
    assert!(matches!(run(&gateway, call()), GatewayOutcome::Approved { .. }));
    let keys: Vec<_> = peer.requests().into_iter().map(|(_, headers, _)| headers["idempotency-key"].clone()).collect();
    assert_eq!(keys, vec![call().idempotency_key(); 3]);
    assert_eq!(peer.books.lock().unwrap().captured, 1);
}

#[test]
fn what_is_no_outcome_is_unknown_and_never_taken_for_a_refusal() {
    let declined = r#"{"outcome":"declined"}"#;
    let huge = format!(r#"{{"outcome":"approved","reference":"{}"}}"#, "x".repeat(100_000));
    for (status, text) in [
        (500, declined),
        (402, declined),
        (404, "{}"),
        (200, ""),
        (200, "<html>"),
        (200, "{}"),
        (200, r#"{"outcome":"maybe"}"#),
        (200, r#"{"outcome":"approved"}"#),
        (200, huge.as_str()),
        (302, declined),
        (200, r#"{"outcome":"pending"}"#),
    ] {
        let peer = Peer::start(vec![Turn::Say(status, text.to_owned()); 3]);
        let gateway = HttpGateway::new(peer.options()).unwrap();
        assert!(matches!(run(&gateway, call()), GatewayOutcome::Unknown { .. }), "{status} {text:.40}");
    }
    let peer = Peer::start([Turn::Say(200, declined.to_owned())]);
    let outcome = run(&HttpGateway::new(peer.options()).unwrap(), call());
    assert_eq!(outcome, GatewayOutcome::Declined { reason: "no reason given".into() });
}

#[test]
fn a_gateway_that_is_not_there_is_left_alone_after_a_while() {
    // An address that was free a moment ago: nobody listens there.
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let options = HttpGatewayOptions { attempts: 1, ..HttpGatewayOptions::at(format!("http://{address}")) };
    let clock = ManualClock::at(START);
    let rules = BreakerRules { failures: 3, ..BreakerRules::default() };
    let gateway = GuardedGateway::new(HttpGateway::new(options).unwrap(), rules).clock(clock.clone());
    for _ in 0..3 {
        assert!(matches!(run(&gateway, call()), GatewayOutcome::Unknown { .. }));
    }
    assert!(matches!(run(&gateway, call()), GatewayOutcome::Unavailable { .. }));
    assert!(matches!(gateway.state(), BreakerState::Open { .. }));
    clock.advance_seconds(5);
    assert!(matches!(run(&gateway, call()), GatewayOutcome::Unknown { .. }), "one call tries it");
}

#[test]
fn an_order_is_paid_through_it_and_its_signed_webhook_is_the_same_command() {
    let peer = Peer::start([Turn::CloseAfter, Turn::CloseAfter, Turn::CloseAfter]);
    let clock = ManualClock::at(START);
    let gateway = HttpGateway::new(peer.options()).unwrap();
    let engine = Engine::open(Config::in_memory().gateway(gateway).clock(clock)).unwrap();
    engine.put_sku(Sku::new("mug", eur("10.00"))).wait().unwrap();
    engine.receive("mug", 5).wait().unwrap();
    let free = ([127, 0, 0, 1], 0).into();
    let webhook_secrets = [("acme".to_owned(), vec!["secret".to_owned()])].into();
    let options = ServerOptions { listen: free, admin: free, webhook_secrets, ..ServerOptions::default() };
    let server = Server::start(engine.clone(), options).unwrap();
    let placed = engine.place_waiting(NewOrder::one("mug", 1).pay(Payment::card("t")), Duration::ZERO).wait().unwrap();
    let id = serde_json::to_value(&placed).unwrap()["payments"][0]["id"].as_str().unwrap().to_owned();
    let begun = std::time::Instant::now();
    while peer.requests().len() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the gateway is not asked");
        std::thread::yield_now();
    }
    // All three answers were lost; the gateway tells by itself, three times.
    let body = format!(r#"{{"payment":"{id}","operation":"charge","outcome":"approved","reference":"r"}}"#);
    let signature = Signer::new(["secret"]).sign(body.as_bytes(), START);
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.addresses().0).unwrap();
        let length = body.len();
        let head = format!(
            "POST /api/v1/webhooks/acme HTTP/1.1\r\nhost: x\r\nconnection: close\r\nstockade-signature: {signature}\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(engine.read_order(placed.id).wait().unwrap().status, "paid");
    assert_eq!(peer.books.lock().unwrap().captured, 1);
    server.shutdown(Duration::from_secs(5));
    engine.close_blocking().unwrap();
}

/// A server of its own process, whose cards are charged through a gateway.
fn start(home: &Path, peer: &Peer) -> ServerProcess {
    let settings = format!("[gateway]\nname = \"acme\"\nurl = \"{}\"\nwebhook_secrets = [\"secret\"]\n", peer.url());
    let file = home.join("stockade.toml");
    std::fs::write(&file, settings).unwrap();
    ServerProcess::start(&home.join("data"), |command| command.arg("--config").arg(file))
}

/// What was asked of the gateway before the power went is asked again after it, under the same key: it moves money once.
#[test]
fn a_charge_that_was_open_when_the_server_was_killed_is_asked_for_again_under_the_same_key() {
    let home = tempfile::tempdir().unwrap();
    // As long as the first server lives it hears nothing of what it asks.
    let peer = Peer::start(vec![Turn::CloseAfter; 1_000]);
    let server = start(home.path(), &peer);
    let mut wire = Wire::connect(server.address).unwrap();
    let sku = json!({"name": "Mug", "price": {"amount": "10.00", "currency": "EUR"}});
    wire.send("PUT", "/api/v1/skus/MUG", &[], Some(&sku)).unwrap();
    wire.post("/api/v1/skus/MUG/receipts", &[], &json!({"quantity": 5})).unwrap();
    let order = json!({"sku": "MUG", "quantity": 2, "payment": {"method": "card", "token": "tok"}});
    let placed = wire.post("/api/v1/orders", &[("prefer", "wait=0")], &order).unwrap();
    assert_eq!((placed.status, &placed.body["status"]), (201, &json!("created")), "{}", placed.body);
    let path = format!("/api/v1/orders/{}", placed.body["id"].as_str().unwrap());
    let begun = std::time::Instant::now();
    while peer.requests().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the gateway is not asked");
        std::thread::yield_now();
    }
    server.kill();

    peer.books.lock().unwrap().turns.clear();
    let before = peer.requests().len();
    let server = start(home.path(), &peer);
    let mut wire = Wire::connect(server.address).unwrap();
    let paid = loop {
        let order = wire.get(&path).unwrap().body;
        if order["status"] != "created" {
            break order;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not asked again: {order}");
        std::thread::yield_now();
    };
    assert_eq!(paid["status"], "paid", "{paid}");
    let requests = peer.requests();
    assert!(requests.len() > before, "it was asked after the restart");
    let keys: std::collections::BTreeSet<_> =
        requests.iter().map(|(_, headers, _)| &headers["idempotency-key"]).collect();
    assert_eq!((keys.len(), peer.books.lock().unwrap().captured), (1, 1), "{keys:?}");
    let stock = wire.get("/api/v1/skus/MUG/stock").unwrap().body;
    assert_eq!((stock["allocated"].as_u64(), stock["held"].as_u64()), (Some(2), Some(0)), "{stock}");
    server.kill();
}

/// Found by a reviewer: the currency of an answer was thrown away, and 10 yen were believed to be 10 euros.
#[test]
fn an_answer_in_another_currency_is_no_payment_and_is_undone() {
    let yen = r#"{"outcome":"moved","reference":"r","amount":"10","currency":"JPY"}"#;
    let peer = Peer::start([Turn::Say(200, yen.to_owned())]);
    let gateway = HttpGateway::new(peer.options()).unwrap();
    let engine = Engine::open(Config::in_memory().gateway(gateway).clock(ManualClock::at(START))).unwrap();
    engine.put_sku(Sku::new("mug", eur("10.00"))).wait().unwrap();
    engine.receive("mug", 5).wait().unwrap();
    let placed = engine.place_waiting(NewOrder::one("mug", 1).pay(Payment::card("t")), Duration::ZERO).wait().unwrap();
    let id = placed.order.payments[0].id;
    let begun = std::time::Instant::now();
    loop {
        let payment = serde_json::to_value(engine.read_payment(id).wait().unwrap()).unwrap();
        if payment["sub_status"] == "integrity" {
            assert_eq!((&payment["status"], &payment["captured"]["amount"]), (&json!("failed"), &json!("0.00")));
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it is believed: {payment}");
        std::thread::yield_now();
    }
    let asked: Vec<_> = peer.requests().into_iter().map(|(_, _, body)| body["operation"].clone()).collect();
    assert_eq!(asked, ["charge", "void"]);
    engine.close_blocking().unwrap();
}
