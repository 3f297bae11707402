//! Payments that were paid when their orders were placed: they have no actor until some of them goes back, and yet whoever
//! asks for one by its id is told how it stands, from memory, from the derived store, and after a restart.

#[path = "support/ask.rs"]
mod ask;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ask::ask;
use serde_json::Value;
use stockade::audit::audit;
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine, Money, NewOrder, OrderId, Payment, Sku};

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

/// An engine that keeps next to nothing in memory that is not under way.
fn open(dir: &Path) -> Engine {
    let mut config = Config::at(dir).checkpoint_records(64);
    config.orders_in_memory_max = 1;
    Engine::open(config).unwrap()
}

/// A shop with mugs at 10.00, and so much in Ann's wallet.
fn shop(wallet: &str) -> (tempfile::TempDir, Engine) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.put_sku(Sku::new("mug", eur("10.00"))).wait().unwrap();
    engine.receive("mug", 1_000).wait().unwrap();
    engine.credit("ann", eur(wallet)).wait().unwrap();
    (dir, engine)
}

fn serve(engine: &Engine) -> (Server, SocketAddr) {
    let free = "127.0.0.1:0".parse().unwrap();
    let server = Server::start(engine.clone(), ServerOptions { listen: free, admin: free, ..ServerOptions::default() });
    let server = server.unwrap();
    let (public, _) = server.addresses();
    (server, public)
}

fn close(server: Server, engine: Engine) {
    server.shutdown(Duration::from_secs(5));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(engine.close()).unwrap();
}

fn place(engine: &Engine, payments: &[Payment]) -> (OrderId, Vec<String>) {
    let order = NewOrder::one("mug", 1).customer("ann");
    let order = payments.iter().fold(order, |order, payment| order.pay(payment.clone()));
    let placed = engine.place(order).wait().unwrap();
    let shown = serde_json::to_value(&placed).unwrap();
    let ids = shown["payments"].as_array().unwrap().iter().map(|payment| payment["id"].as_str().unwrap().to_owned());
    (placed.id, ids.collect())
}

fn get(address: SocketAddr, payment: &str) -> Value {
    let told = ask(address, "GET", &format!("/api/v1/payments/{payment}"), &[], "");
    assert_eq!(told.status, 200, "{}", told.text);
    told.json()
}

fn assert_paid(payment: &Value, order: OrderId, method: &str, amount: &str) {
    let shown = |member: &str| payment[member].clone();
    assert_eq!((shown("order"), shown("method")), (order.to_string().into(), method.into()), "{payment}");
    assert_eq!((shown("status"), shown("public_status")), ("captured".into(), "paid".into()), "{payment}");
    assert_eq!(shown("amount")["amount"], amount, "{payment}");
    assert_eq!(shown("captured")["amount"], amount, "{payment}");
    assert_eq!(shown("refundable")["amount"], amount, "{payment}");
}

#[test]
fn a_payment_that_its_order_keeps_is_found_by_its_id_wherever_its_order_is() {
    let (dir, engine) = shop("1000.00");

    let (of_wallet, by_wallet) = place(&engine, &[Payment::wallet()]);
    let (of_till, by_till) = place(&engine, &[Payment::external("till-7")]);
    let (of_both, by_both) = place(&engine, &[Payment::wallet().amount(eur("4.00")), Payment::external("till-8")]);
    let expect = |address: SocketAddr| {
        assert_paid(&get(address, &by_wallet[0]), of_wallet, "wallet", "10.00");
        assert_paid(&get(address, &by_till[0]), of_till, "external", "10.00");
        assert_paid(&get(address, &by_both[0]), of_both, "wallet", "4.00");
        assert_paid(&get(address, &by_both[1]), of_both, "external", "6.00");
    };
    let (server, address) = serve(&engine);
    expect(address);
    // Many more, and checkpoints in between: the first ones are not in memory any more.
    for _ in 0..300 {
        place(&engine, &[Payment::wallet().amount(eur("1.00")), Payment::external("till")]);
    }
    expect(address);
    close(server, engine);

    let engine = open(dir.path());
    let (server, address) = serve(&engine);
    expect(address);
    close(server, engine);
    assert!(audit(dir.path(), |_, _| {}).unwrap().is_clean());
}

#[test]
fn a_payment_that_its_order_keeps_can_be_told_nothing_and_gives_back_what_its_order_says() {
    let (dir, engine) = shop("15.00");
    let (server, address) = serve(&engine);
    let (order, payments) = place(&engine, &[Payment::wallet()]);
    let path = format!("/api/v1/payments/{}", payments[0]);
    for what in ["capture", "void", "retry"] {
        let told = ask(address, "POST", &format!("{path}/{what}"), &[("content-type", "application/json")], "{}");
        assert_eq!((told.status, told.problem()), (409, "order_state_invalid".into()), "{what}: {}", told.text);
    }
    assert_paid(&get(address, &payments[0]), order, "wallet", "10.00");
    // A payment with the same time and nearly the same bits is nobody's.
    let other = if payments[0].ends_with('0') { "1" } else { "0" };
    let unknown = format!("{}{other}", &payments[0][..payments[0].len() - 1]);
    let told = ask(address, "GET", &format!("/api/v1/payments/{unknown}"), &[], "");
    assert_eq!((told.status, told.problem()), (404, "not_found".into()), "{}", told.text);

    let began = get(address, &payments[0])["created_at"].clone();
    engine.cancel(order).wait().unwrap();
    let payment = get(address, &payments[0]);
    assert_eq!(payment["created_at"], began, "{payment}");
    assert_eq!(
        (&payment["status"], &payment["refunded"]["amount"]),
        (&"refunded".into(), &"10.00".into()),
        "{payment}"
    );
    let wallet = serde_json::to_value(engine.wallet("ann").wait().unwrap()).unwrap();
    assert_eq!(wallet["balance"]["amount"], "15.00", "{wallet}");
    close(server, engine);
    assert!(audit(dir.path(), |_, _| {}).unwrap().is_clean());
}

/// What is paid later has an actor from the start: its order's first record does not name it.
#[test]
fn a_payment_of_an_order_that_is_paid_later_is_found_too() {
    let (dir, engine) = shop("15.00");
    let (server, address) = serve(&engine);
    for (method, payment) in [("external", Payment::external("till-9")), ("wallet", Payment::wallet())] {
        let (order, none) = place(&engine, &[]);
        assert!(none.is_empty());
        let paid = serde_json::to_value(engine.pay(order, payment).wait().unwrap()).unwrap();
        let id = paid["payments"][0]["id"].as_str().unwrap();
        assert_paid(&get(address, id), order, method, "10.00");
        engine.cancel(order).wait().unwrap();
        assert_eq!(get(address, id)["status"], "refunded");
    }
    close(server, engine);
    assert!(audit(dir.path(), |_, _| {}).unwrap().is_clean());
}
