//! Every durable fact, followed in process and over HTTP.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/ask.rs"]
mod ask;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ask::ask;
use serde_json::{Value, json};
use stockade::http::{Server, ServerOptions};
use stockade::{Bid, Config, Engine, Money, NewOrder, Offer, Payment, Sku};

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn serve(engine: &Engine) -> (Server, SocketAddr) {
    let free = ([127, 0, 0, 1], 0).into();
    let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
    let server = Server::start(engine.clone(), options).unwrap();
    let address = server.addresses().0;
    (server, address)
}

async fn shop() -> Engine {
    let engine = Engine::open(Config::in_memory()).unwrap();
    engine.put_sku(Sku::new("A", money("2.00 EUR"))).await.unwrap();
    engine.receive("A", 10).await.unwrap();
    engine
}

async fn sell(engine: &Engine, units: u64) -> String {
    let order = engine.place(NewOrder::one("A", units).pay(Payment::external("x"))).await.unwrap();
    order.id.to_string()
}

/// A listener to server-sent events.
struct Listener {
    reader: BufReader<TcpStream>,
}

#[derive(Debug, Default)]
struct Message {
    id: Option<u64>,
    event: String,
    data: Option<Value>,
}

impl Listener {
    fn new(address: SocketAddr, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!("GET /api/v1/events{query} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut listener = Self { reader: BufReader::new(stream) };
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(listener.reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        listener
    }

    /// A line of the stream without the lengths of the chunks; none at its end.
    fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let is_chunk = line.ends_with("\r\n");
            if is_chunk && line.trim_end() == "0" {
                return None;
            }
            if !is_chunk {
                return Some(line.trim_end().to_owned());
            }
        }
    }

    fn next(&mut self) -> Option<Message> {
        let mut message = Message::default();
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", id)) => message.id = Some(id.parse().unwrap()),
                Some(("event", event)) => message.event = event.to_owned(),
                Some(("data", data)) => message.data = Some(serde_json::from_str(data).unwrap()),
                _ if line.is_empty() => return Some(message),
                _ => assert!(line.starts_with(':'), "{line}"),
            }
        }
    }
}

#[tokio::test]
async fn facts_come_in_the_journals_order_each_once_and_from_any_sequence_on() {
    let engine = shop().await;
    let order = sell(&engine, 3).await;
    let mut feed = engine.follow(0);
    let (mut ids, mut topics, mut last) = (BTreeSet::new(), Vec::new(), 0);
    while last < engine.durable() {
        let fact = feed.next().await.unwrap();
        assert!(ids.insert(fact.id.clone()), "{} came twice", fact.id);
        assert!(fact.movement.sequence.0 >= last);
        last = fact.resume_after().unwrap_or(last);
        topics.push((fact.topic(), fact.subject));
    }
    let position = |topic: &str, subject: &str| {
        topics.iter().position(|(is, of)| is == topic && of == subject).unwrap_or_else(|| panic!("{topic}: {topics:?}"))
    };
    assert!(position("sku.defined", "sku/A") < position("sku.received", "sku/A"));
    position("order.placed", &format!("order/{order}"));
    assert!(engine.follow(last).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());

    // One that waits is told as soon as something is durable.
    let mut feed = engine.follow(last);
    let (fact, _) = tokio::join!(feed.next(), engine.receive("A", 1));
    let fact = fact.unwrap();
    assert_eq!((fact.topic().as_str(), fact.movement.quantity), ("sku.received", Some(1)));
    engine.close().await.unwrap();
    assert!(feed.next().await.is_err(), "an engine that has ended tells no more");
}

#[tokio::test]
async fn over_http_whoever_reconnects_misses_nothing() {
    let engine = shop().await;
    let (server, address) = serve(&engine);
    sell(&engine, 1).await;
    let durable = engine.durable();
    let all = tokio::task::spawn_blocking(move || {
        let (mut listener, mut all) = (Listener::new(address, "?after=0", ""), Vec::new());
        loop {
            let message = listener.next().unwrap();
            let data = message.data.expect("a fact");
            assert!(message.event.ends_with(data["type"].as_str().unwrap()));
            all.push((data["id"].as_str().unwrap().to_owned(), message.id));
            if message.id == Some(durable) {
                return all;
            }
        }
    });
    let all = all.await.unwrap();
    // From each id on that a client may have seen.
    for (at, (_, id)) in all.iter().enumerate().filter(|(_, (_, id))| id.is_some_and(|id| id < durable)) {
        let (id, wanted) = (id.unwrap(), all[at + 1].0.clone());
        let header = format!("last-event-id: {id}\r\n");
        let next = tokio::task::spawn_blocking(move || Listener::new(address, "", &header).next().unwrap());
        assert_eq!(next.await.unwrap().data.unwrap()["id"], wanted.as_str());
    }
    // Picked by kind, by type and by subject; from now on.
    let picked = tokio::task::spawn_blocking(move || {
        let listener = Listener::new(address, "?types=order,sku.received&subject=sku/A", "");
        (listener, ask(address, "POST", "/api/v1/skus/A/receipts", &[], r#"{"quantity":5}"#).status)
    });
    let (mut listener, status) = picked.await.unwrap();
    assert_eq!(status, 201);
    let message = tokio::task::spawn_blocking(move || (listener.next().unwrap(), listener)).await.unwrap();
    assert_eq!((message.0.event.as_str(), message.0.data.unwrap()["quantity"].as_u64()), ("sku.received", Some(5)));
    for (query, status) in [("?after=x", 400), ("?after=999999", 400), ("?after=-1", 400)] {
        let told = tokio::task::spawn_blocking(move || ask(address, "GET", &format!("/api/v1/events{query}"), &[], ""));
        assert_eq!(told.await.unwrap().status, status, "{query}");
    }
    // A server that stops ends the streams, and does not wait for their clients.
    let ended = tokio::task::spawn_blocking({
        let mut listener = message.1;
        move || while listener.next().is_some() {}
    });
    tokio::task::spawn_blocking(move || server.shutdown(Duration::from_secs(60))).await.unwrap();
    ended.await.unwrap();
    engine.close().await.unwrap();
}

#[tokio::test]
async fn stock_that_runs_low_and_sales_beyond_what_is_coming_are_facts_of_their_own() {
    let engine = Engine::open(Config::in_memory()).unwrap();
    let (server, address) = serve(&engine);
    let defined = tokio::task::spawn_blocking(move || {
        let put = |level: u64| {
            let price = json!({"amount": "2.00", "currency": "EUR"});
            let body = json!({"name": "Tea", "price": price, "backorder": {"max": 9}, "low_stock_level": level});
            ask(address, "PUT", "/api/v1/skus/TEA", &[], &body.to_string())
        };
        assert_eq!(put(2_000_000_000).problem(), "quantity_invalid");
        assert_eq!(put(3).json()["low_stock_level"], 3);
        ask(address, "GET", "/api/v1/skus/TEA", &[], "").json()
    });
    assert_eq!(defined.await.unwrap()["low_stock_level"], 3);
    let sell = |units| engine.place(NewOrder::one("TEA", units).allow_backorder().pay(Payment::external("x")));
    engine.receive("TEA", 5).await.unwrap();
    sell(2).await.unwrap();
    sell(1).await.unwrap();
    sell(4).await.unwrap();
    sell(1).await.unwrap();
    engine.receive("TEA", 9).await.unwrap();
    sell(5).await.unwrap();
    let wanted = [
        json!({"type": "low_stock", "available": 0, "level": 3}),
        json!({"type": "low_stock", "available": 3, "level": 3}),
        json!({"type": "oversold_risk", "backordered": 2, "incoming": 0}),
        json!({"type": "low_stock", "available": 1, "level": 3}),
    ];
    let of = |fact: &Value| {
        let members = ["type", "available", "level", "backordered", "incoming"];
        members.iter().filter_map(|member| Some((*member, fact.get(member)?.clone()))).collect::<BTreeMap<_, _>>()
    };
    let mut feed = engine.follow(0);
    let mut told = Vec::new();
    while told.len() < wanted.len() {
        let fact = feed.next().await.unwrap();
        if ["sku.low_stock", "sku.oversold_risk"].contains(&fact.topic().as_str()) {
            assert_eq!(fact.subject, "sku/TEA");
            told.push(serde_json::to_value(&fact).unwrap());
        }
    }
    assert_eq!(told.iter().map(of).collect::<Vec<_>>(), wanted.iter().map(of).collect::<Vec<_>>());
    assert!(told[1]["sequence"].as_str().unwrap().parse::<u64>().unwrap() < engine.durable());
    let listened = tokio::task::spawn_blocking(move || {
        let mut listener = Listener::new(address, "?after=0&types=sku.low_stock,sku.oversold_risk", "");
        (0..4).map(|_| listener.next().unwrap().data.unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(listened.await.unwrap(), told, "over HTTP it is the same");
    // And in the SKU's own ledger.
    let movements = tokio::task::spawn_blocking(move || ask(address, "GET", "/api/v1/skus/TEA/movements", &[], ""));
    let movements = movements.await.unwrap().json();
    let found = movements["items"].as_array().unwrap().iter().filter(|item| item["type"] == "low_stock");
    assert_eq!(found.count(), 3, "{movements}");
    tokio::task::spawn_blocking(move || server.shutdown(Duration::from_secs(5))).await.unwrap();
    engine.close().await.unwrap();
}

/// What a client keeps of one SKU's book.
#[derive(Default)]
struct Replica {
    /// Side, price and open units by id.
    orders: BTreeMap<String, (String, String, u64)>,
    /// Maker and taker with the taker's side.
    fills: BTreeMap<String, (String, String, String)>,
}

impl Replica {
    fn take(&mut self, fact: &Value) {
        let text = |member: &str| fact[member].as_str().unwrap().to_owned();
        let units = fact["quantity"].as_u64().unwrap_or(0);
        match fact["event"].as_str().unwrap() {
            "placed" => drop(self.orders.insert(text("id"), (text("side"), text("price"), units))),
            "filled" => {
                for id in [text("maker"), text("taker")] {
                    self.orders.get_mut(&id).expect("it was placed").2 -= units;
                }
                self.fills.insert(text("fill"), (text("maker"), text("taker"), text("side")));
            }
            "ended" | "reduced" => self.orders.get_mut(&text("id")).expect("it was placed").2 -= units,
            "amended" => {
                let order = self.orders.get_mut(&text("id")).expect("it was placed");
                (order.1, order.2) = (text("price"), units);
            }
            "released" => {
                let (maker, taker, side) = &self.fills[&text("fill")];
                let back = if *side == text("returns") { taker } else { maker };
                self.orders.get_mut(back).expect("it was placed").2 += fact["reopened"].as_u64().unwrap();
            }
            "settled" => {}
            other => panic!("{other} is not expected here"),
        }
    }

    fn levels(&self, side: &str) -> BTreeMap<String, u64> {
        let mut levels = BTreeMap::new();
        for (_, price, open) in self.orders.values().filter(|order| order.0 == side && order.2 > 0) {
            *levels.entry(price.clone()).or_default() += open;
        }
        levels
    }
}

#[tokio::test]
async fn a_books_facts_are_the_increments_of_its_depth() {
    let engine = shop().await;
    engine.put_sku(Sku::new("M", money("10.00 EUR"))).await.unwrap();
    engine.credit("ann", money("1000.00 EUR")).await.unwrap();
    let (server, address) = serve(&engine);
    let offer = |seller: &str, units, price: &str| engine.offer("M", Offer::new(seller, units, money(price)));
    let bid = |units, price: &str| engine.bid("M", Bid::new("ann", units, money(price)));
    let first = offer("bob", 5, "9.00 EUR").await.unwrap();
    offer("eve", 4, "9.50 EUR").await.unwrap();
    bid(3, "9.10 EUR").await.unwrap();
    bid(2, "8.00 EUR").await.unwrap();
    bid(7, "9.50 EUR").await.unwrap();
    offer("kim", 6, "7.90 EUR").await.unwrap();
    engine.withdraw("M", stockade::Side::Supply, first.view.id).await.unwrap();
    let (mut replica, mut feed, mut number) = (Replica::default(), engine.follow(0), None);
    while feed.read_to() < engine.durable() {
        let fact = feed.next().await.unwrap();
        for event in &fact.book {
            let next: u64 = event["number"].as_str().unwrap().parse().unwrap();
            assert!(number.is_none_or(|number| number + 1 == next), "{number:?} and then {next}");
            number = Some(next);
            replica.take(event);
        }
    }
    let book = tokio::task::spawn_blocking(move || ask(address, "GET", "/api/v1/skus/M/book", &[], "").json());
    let book = book.await.unwrap();
    for (side, member) in [("supply", "offers"), ("demand", "bids")] {
        let level = |level: &Value| {
            let price = level["price"]["amount"].as_str().unwrap().to_owned();
            (price, level["quantity"].as_u64().unwrap())
        };
        let shown: BTreeMap<String, u64> = book[member].as_array().unwrap().iter().map(level).collect();
        assert_eq!(replica.levels(side), shown, "{side} of {}", json!(book));
    }
    assert!(!replica.fills.is_empty());
    tokio::task::spawn_blocking(move || server.shutdown(Duration::from_secs(5))).await.unwrap();
    engine.close().await.unwrap();
}
