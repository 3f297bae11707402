//! Payments from the outside: money that is taken later, buyers who must prove who they are, gateways that repeat
//! themselves, and what operators do with what was given up. Every directory is audited afterwards.

#[path = "support/ask.rs"]
mod ask;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ask::{Told, ask};
use serde_json::{Value, json};
use stockade::audit::audit;
use stockade::gateway::{AUTHENTICATION_TOKEN, Fate, Signer, SimulatedGateway, TWO_STEP_TOKEN};
use stockade::http::{Server, ServerOptions};
use stockade::{
    ChargeTime, Config, Engine, GatewayOutcome, LatePayment, ManualClock, Money, NewOrder, Notifier, Operation,
    Payment, PaymentId, Sku, Timestamp,
};
use stockade_domain::ledger::LedgerAccount;
use stockade_domain::payment::PaymentState;
use stockade_domain::payment::gateway::Notice;
use wire::Wire;

const START: Timestamp = Timestamp(1_790_000_000_000_000);

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

struct Shop {
    dir: tempfile::TempDir,
    engine: Engine,
    gateway: SimulatedGateway,
    clock: ManualClock,
    runtime: tokio::runtime::Runtime,
}

impl Shop {
    fn open() -> Self {
        Self::open_with(LatePayment::default())
    }

    fn open_with(policy: LatePayment) -> Self {
        Self::configured(|config| config.late_payment(policy))
    }

    fn configured(change: impl FnOnce(Config) -> Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, clock) = (SimulatedGateway::default(), ManualClock::at(START));
        let config = Config::at(dir.path()).gateway(gateway.clone()).clock(clock.clone());
        let engine = Engine::open(change(config)).unwrap();
        engine.put_sku(Sku::new("mug", eur("10.00"))).wait().unwrap();
        engine.receive("mug", 1_000).wait().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { dir, engine, gateway, clock, runtime }
    }

    fn order(&self, payment: Payment) -> (stockade::OrderId, PaymentId) {
        let placed = self.engine.place_waiting(NewOrder::one("mug", 1).pay(payment), Duration::ZERO).wait().unwrap();
        (placed.id, serde_json::to_value(&placed).unwrap()["payments"][0]["id"].as_str().unwrap().parse_payment())
    }

    fn payment(&self, id: PaymentId) -> Value {
        serde_json::to_value(self.engine.read_payment(id).wait().unwrap()).unwrap()
    }

    fn status(&self, order: stockade::OrderId) -> String {
        // An order that was refused because its first payment failed is not there: its id is free again.
        let Ok(order) = self.engine.read_order(order).wait() else { return "refused".into() };
        serde_json::to_value(&order).unwrap()["status"].as_str().unwrap().to_owned()
    }

    /// The gateway's answers come by themselves; whoever needs one waits until the payment shows it.
    fn until(&self, id: PaymentId, sub_status: &str) -> Value {
        let begun = std::time::Instant::now();
        loop {
            let payment = self.payment(id);
            if payment["sub_status"] == sub_status {
                return payment;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "it never came to {sub_status}: {payment}");
            std::thread::yield_now();
        }
    }

    /// The gateway tells that it has refused a charge.
    fn decline(&self, id: PaymentId) {
        let (charge, no) = (Operation::Charge { token: "tok".into() }, "no funds".to_owned());
        self.engine.confirm(id, charge, GatewayOutcome::Declined { reason: no }).wait().unwrap();
    }

    /// Everything is as the gateway's own books say, and the auditor finds nothing.
    fn close(self) {
        let Self { dir, engine, gateway, runtime, .. } = self;
        runtime.block_on(engine.check()).unwrap();
        let books = runtime.block_on(engine.ledger()).unwrap();
        let (captured, refunded) = gateway.totals();
        assert_eq!(books.balance("EUR".parse().unwrap(), LedgerAccount::Card), captured - refunded);
        runtime.block_on(engine.close()).unwrap();
        drop(engine);
        let report = audit(dir.path(), |_, _| {}).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}

trait ParsePayment {
    fn parse_payment(&self) -> PaymentId;
}

impl ParsePayment for str {
    fn parse_payment(&self) -> PaymentId {
        PaymentId::parse(self).unwrap()
    }
}

#[test]
fn money_is_set_aside_and_taken_in_parts_and_the_order_is_paid_when_all_of_it_is() {
    let shop = Shop::open();
    let (order, id) = shop.order(Payment::card("tok").capture_later());
    let aside = shop.until(id, "authorized");
    assert_eq!((&aside["status"], &aside["capturable"]["amount"]), (&json!("authorized"), &json!("10.00")));
    assert_eq!(shop.status(order), "created");
    assert_eq!(shop.gateway.card(id).captured, 0);

    shop.engine.capture(id, Some(eur("4.00").amount)).wait().unwrap();
    let part = shop.until(id, "partially_captured");
    assert_eq!((&part["captured"]["amount"], &part["capturable"]["amount"]), (&json!("4.00"), &json!("6.00")));
    assert_eq!(shop.status(order), "created", "not all of it is there");
    let too_much = shop.engine.capture(id, Some(eur("6.01").amount)).wait().unwrap_err();
    assert_eq!(too_much.code(), "money_invalid");
    assert_eq!(shop.engine.void(id).wait().unwrap_err().code(), "order_state_invalid");

    shop.engine.capture(id, None).wait().unwrap();
    shop.until(id, "captured");
    assert_eq!(shop.status(order), "paid");
    assert_eq!((shop.gateway.card(id).captured, shop.gateway.card(id).captures), (100_000, 2));
    assert_eq!(shop.engine.capture(id, None).wait().unwrap_err().code(), "order_state_invalid");
    shop.engine.cancel(order).wait().unwrap();
    shop.until(id, "refunded");
    shop.close();
}

#[test]
fn what_is_set_aside_is_let_go_and_a_part_that_was_taken_goes_back_when_the_order_gives_up() {
    let shop = Shop::open();
    let (order, id) = shop.order(Payment::card("tok").capture_later());
    shop.until(id, "authorized");
    shop.engine.void(id).wait().unwrap();
    shop.until(id, "cancelled");
    assert_eq!((shop.gateway.card(id).captured, shop.gateway.card(id).set_aside), (0, 0));
    assert_eq!(shop.status(order), "awaiting_payment", "it can be paid otherwise");
    shop.engine.cancel(order).wait().unwrap();

    let (order, id) = shop.order(Payment::card("tok").capture_later());
    shop.until(id, "authorized");
    shop.engine.capture(id, Some(eur("4.00").amount)).wait().unwrap();
    shop.until(id, "partially_captured");
    shop.engine.cancel(order).wait().unwrap();
    shop.until(id, "automatically");
    assert_eq!(shop.status(order), "cancelled");
    let card = shop.gateway.card(id);
    assert_eq!((card.captured, card.refunded), (40_000, 40_000));
    let stock = serde_json::to_value(shop.engine.read_stock("mug").wait().unwrap()).unwrap();
    assert_eq!(stock["available"], 1_000, "what nobody paid is free again: {stock}");
    shop.close();
}

/// Found by an experiment with the clock: such an order counted as never made, although its buyer had been told that it stands.
#[test]
fn an_order_that_was_answered_before_its_card_was_declined_stays_and_is_paid_otherwise() {
    let shop = Shop::open();
    shop.gateway.script(|_, _| Fate::Silence);
    let id = shop.engine.new_order_id();
    let wanted = || NewOrder::one("mug", 2).id(id).pay(Payment::card("tok"));
    let created = shop.engine.place_waiting(wanted(), Duration::ZERO).wait().unwrap();
    assert_eq!((created.status, created.replayed), ("created", false));
    let again = shop.engine.place(wanted()).wait().unwrap();
    assert_eq!((again.status, again.replayed), ("created", true), "it is told already, so nobody waits");
    shop.decline(created.order.payments[0].id);
    assert_eq!(shop.status(id), "awaiting_payment");
    assert_eq!(shop.engine.read_stock("mug").wait().unwrap().0.levels.available, 998, "its units are still held");
    assert_eq!(shop.engine.place(wanted()).wait().unwrap().status, "awaiting_payment", "the same order once more");
    shop.engine.pay(id, Payment::external("till")).wait().unwrap();
    assert_eq!(shop.status(id), "paid");
    shop.close();
}

#[test]
fn whoever_asks_for_the_same_order_while_the_first_is_being_placed_has_the_same_answer() {
    let shop = Shop::open();
    shop.gateway.script(|_, _| Fate::Silence);
    let id = shop.engine.new_order_id();
    let wanted = || NewOrder::one("mug", 1).id(id).pay(Payment::card("tok"));
    let (first, second) = (shop.engine.place(wanted()), shop.engine.place(wanted()));
    let card = loop {
        // It is there to be read as soon as it is recorded.
        if let Ok(order) = shop.engine.read_order(id).wait() {
            break order.order.payments[0].id;
        }
    };
    shop.decline(card);
    for told in [first, second] {
        assert_eq!(told.wait().unwrap_err().code(), "payment_declined");
    }
    assert_eq!(shop.status(id), "refused");
    shop.close();
}

#[test]
fn a_gateway_that_only_sets_aside_is_asked_to_take_it_at_once() {
    let shop = Shop::open();
    let (order, id) = shop.order(Payment::card(TWO_STEP_TOKEN));
    shop.until(id, "captured");
    assert_eq!(shop.status(order), "paid");
    assert_eq!(shop.gateway.card(id).captures, 1);
    shop.close();
}

#[test]
fn another_amount_than_was_asked_for_is_undone() {
    let shop = Shop::open();
    shop.gateway.script(|call, _| match call.operation {
        Operation::Charge { .. } => Fate::MoveOther(100),
        _ => Fate::Answer,
    });
    let (order, id) = shop.order(Payment::card("tok"));
    shop.until(id, "integrity");
    assert_eq!(shop.status(order), "awaiting_payment");
    let card = shop.gateway.card(id);
    assert_eq!((card.captured, card.refunded), (100_100, 100_100));
    shop.close();
}

/// Captures move this much more than was asked for.
fn takes_more(shop: &Shop, extra: i64) {
    shop.gateway.script(move |call, _| match call.operation {
        Operation::Capture { .. } => Fate::MoveOther(extra),
        _ => Fate::Answer,
    });
}

#[test]
fn what_a_capture_takes_too_much_goes_back_by_itself_or_undoes_it_whole() {
    // A per cent of ten euros is ten cents.
    let shop = Shop::configured(|config| config.overcapture_basis_points(100));
    takes_more(&shop, 1_000);
    let (order, id) = shop.order(Payment::card("tok").capture_later());
    shop.until(id, "authorized");
    shop.engine.capture(id, None).wait().unwrap();
    shop.until(id, "partially_refunded");
    let card = shop.gateway.card(id);
    assert_eq!((card.captured, card.refunded, shop.status(order)), (101_000, 1_000, "paid".to_owned()));
    shop.engine.cancel(order).wait().unwrap();
    shop.until(id, "refunded");
    assert_eq!(shop.gateway.card(id).refunded, 101_000);

    takes_more(&shop, 1_100);
    let (order, id) = shop.order(Payment::card("tok").capture_later());
    shop.until(id, "authorized");
    shop.engine.capture(id, None).wait().unwrap();
    shop.until(id, "integrity");
    let card = shop.gateway.card(id);
    assert_eq!((card.captured, card.refunded), (101_100, 101_100));
    assert_ne!(shop.status(order), "paid");
    shop.close();
}

#[test]
fn a_buyer_proves_who_they_are_before_the_money_is_taken() {
    let shop = Shop::open();
    let placed = shop.engine.place(NewOrder::one("mug", 1).pay(Payment::card(AUTHENTICATION_TOKEN))).wait().unwrap();
    let id = serde_json::to_value(&placed).unwrap()["payments"][0]["id"].as_str().unwrap().parse_payment();
    let waiting = shop.until(id, "authentication_pending");
    assert_eq!(waiting["next_action"]["kind"], "authentication");
    assert!(waiting["next_action"]["next"].as_str().unwrap().starts_with("https://"), "{waiting}");
    let (server, public, _) = secret_server(&shop.engine);
    let shown = |target: &str| {
        let told = ask(public, "GET", target, &[("authorization", "Bearer key")], "");
        assert_eq!(told.status, 200, "{}", told.text);
        told.json()
    };
    let read = || shown(&format!("/api/v1/orders/{}", placed.id));
    let listed = |status: &str| shown(&format!("/api/v1/orders?status={status}"))["items"].clone();
    let agrees = |order: &Value, payment: &Value| {
        for member in ["status", "sub_status", "public_status", "next_action"] {
            assert_eq!(order["payments"][0][member], payment[member], "{member} of {order} and {payment}");
        }
    };
    // It is the buyer's turn, and whoever reads, lists or has just placed the order sees that.
    let placed_json = serde_json::to_value(&placed).unwrap();
    for order in [&placed_json, &read(), &listed("awaiting_payment")[0]] {
        assert_eq!(order["status"], "awaiting_payment", "{order}");
        agrees(order, &waiting);
    }
    assert_eq!(listed("created"), json!([]));
    let again = shop.engine.pay(placed.id, Payment::card("tok")).wait().unwrap_err();
    assert_eq!(again.code(), "order_state_invalid", "a payment is under way");
    shop.gateway.authenticate(id);
    for _ in 0..3 {
        shop.engine.notice(id, Notice::ActionDone).wait().unwrap();
    }
    shop.until(id, "captured");
    agrees(&read(), &shop.payment(id));
    assert_eq!((&read()["payments"][0]["next_action"], &read()["status"]), (&Value::Null, &json!("paid")));
    assert_eq!(listed("awaiting_payment"), json!([]));
    server.shutdown(Duration::from_secs(5));
    assert_eq!((shop.status(placed.id), shop.gateway.card(id).captures), ("paid".to_owned(), 1));
    shop.close();
}

#[test]
fn ten_thousand_confirms_of_one_payment_capture_it_once() {
    let shop = Shop::open();
    shop.gateway.script(|_, _| Fate::LoseAnswer);
    let (order, id) = shop.order(Payment::card("tok"));
    let operation = || Operation::Charge { token: String::new() };
    let approved = || GatewayOutcome::Approved { reference: "ch_1".into() };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let engine = shop.engine.clone();
            std::thread::spawn(move || {
                let told: Vec<_> = (0..2_500).map(|_| engine.confirm(id, operation(), approved())).collect();
                told.into_iter().for_each(|told| {
                    told.wait().unwrap();
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(shop.status(order), "paid");
    assert_eq!((shop.payment(id)["captured"]["amount"].clone(), shop.gateway.card(id).captures), (json!("10.00"), 1));
    shop.close();
}

/// Of each payment the client's confirm, the gateway's signed webhook and the gateway's own answer come together.
#[test]
fn ten_thousand_payments_that_are_confirmed_told_and_answered_at_once_are_captured_once_each() {
    const PAYMENTS: usize = 10_000;
    const SERVERS: usize = 4;
    let shop = Shop::open();
    shop.engine.receive("mug", PAYMENTS as u64).wait().unwrap();
    shop.gateway.script(|_, _| Fate::Hold);
    let (server, address, _) = secret_server(&shop.engine);
    let place = |_| shop.engine.place_waiting(NewOrder::one("mug", 1).pay(Payment::card("tok")), Duration::ZERO);
    let placed: Vec<_> = (0..PAYMENTS).map(place).collect();
    let orders: Vec<_> = placed.into_iter().map(|placed| placed.wait().unwrap().order).collect();
    let payments: Vec<PaymentId> = orders.iter().map(|order| order.payments[0].id).collect();
    std::thread::scope(|scope| {
        let (payments, engine, gateway) = (&payments, &shop.engine, &shop.gateway);
        let confirm = |id: &PaymentId| {
            let approved = GatewayOutcome::Approved { reference: "ch".into() };
            engine.confirm(*id, Operation::Charge { token: String::new() }, approved)
        };
        scope.spawn(move || {
            let told: Vec<_> = payments.iter().map(confirm).collect();
            told.into_iter().for_each(|told| drop(told.wait().unwrap()));
        });
        scope.spawn(move || payments.iter().rev().for_each(|id| gateway.release(&format!("{id}:charge"))));
        for part in 0..SERVERS {
            scope.spawn(move || {
                let mut wire = Wire::connect(address).unwrap();
                for id in payments.iter().skip(part).step_by(SERVERS) {
                    let body = json!({"payment": id.to_string(), "operation": "charge", "outcome": "approved",
                        "reference": "ch"});
                    let signature = Signer::new(["new"]).sign(body.to_string().as_bytes(), START);
                    let header = [("stockade-signature", signature.as_str())];
                    let told = wire.post("/api/v1/webhooks/acme", &header, &body).unwrap();
                    assert_eq!(told.status, 200, "{}", told.body);
                }
            });
        }
    });
    assert!(orders.iter().all(|order| shop.status(order.id) == "paid"));
    let cards = shop.gateway.cards();
    assert_eq!(cards.len(), PAYMENTS);
    assert!(cards.iter().all(|(_, card)| (card.captures, card.captured, card.refunded) == (1, 100_000, 0)));
    let times_asked = payments.iter().map(|id| shop.gateway.times_asked(&format!("{id}:charge"))).max();
    assert_eq!(times_asked, Some(1), "and under the key that was released");
    server.shutdown(Duration::from_secs(5));
    // Closing compares the engine's books with the gateway's.
    shop.close();
}

#[test]
fn callbacks_that_come_late_twice_and_in_any_order_change_nothing() {
    let shop = Shop::open();
    let (order, id) = shop.order(Payment::card("tok"));
    shop.until(id, "captured");
    shop.engine.cancel(order).wait().unwrap();
    shop.until(id, "refunded");
    let before = shop.payment(id);
    let callbacks = shop.gateway.take_callbacks();
    assert_eq!(callbacks.len(), 2);
    for told in callbacks.iter().rev().chain(&callbacks).chain(&callbacks) {
        shop.engine.confirm(told.payment, told.operation.clone(), told.outcome.clone()).wait().unwrap();
    }
    assert_eq!(shop.payment(id), before);
    shop.close();
}

#[test]
fn a_bank_that_takes_money_back_costs_the_house_and_not_the_deposits() {
    let shop = Shop::open();
    let (order, id) = shop.order(Payment::card("tok"));
    shop.until(id, "captured");
    let dispute = || Notice::DisputeOpened { money: eur("10.00"), reference: "dp_1".into() };
    for notice in [dispute(), dispute(), Notice::DisputeLost, Notice::DisputeLost, dispute()] {
        shop.engine.notice(id, notice).wait().unwrap();
    }
    let lost = shop.payment(id);
    assert_eq!((&lost["status"], &lost["sub_status"]), (&json!("disputed"), &json!("lost")));
    assert_eq!(lost["public_status"], "refunded");
    assert_eq!(lost["charged_back"]["amount"], "10.00");
    // The buyer has the money from the bank: a cancel gives nothing back a second time.
    shop.engine.cancel(order).wait().unwrap();
    assert_eq!(shop.gateway.card(id).refunded, 0);
    let books = shop.runtime.block_on(shop.engine.ledger()).unwrap();
    let balance = |account| books.balance("EUR".parse().unwrap(), account);
    assert_eq!((balance(LedgerAccount::BadDebt), balance(LedgerAccount::Card)), (100_000, 0));
    shop.runtime.block_on(shop.engine.check()).unwrap();
    let Shop { dir, engine, runtime, .. } = shop;
    runtime.block_on(engine.close()).unwrap();
    drop(engine);
    let report = audit(dir.path(), |_, _| {}).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

fn secret_server(engine: &Engine) -> (Server, SocketAddr, SocketAddr) {
    let free = ([127, 0, 0, 1], 0).into();
    let webhook_secrets = [("acme".to_owned(), vec!["new".to_owned(), "old".to_owned()])].into();
    let api_keys = vec!["key".to_owned()];
    let options = ServerOptions { listen: free, admin: free, api_keys, webhook_secrets, ..ServerOptions::default() };
    let server = Server::start(engine.clone(), options).unwrap();
    let (public, admin) = server.addresses();
    (server, public, admin)
}

fn send_webhook(address: SocketAddr, secret: &str, now: Timestamp, body: &str) -> Told {
    let header = Signer::new([secret]).sign(body.as_bytes(), now);
    ask(address, "POST", "/api/v1/webhooks/acme", &[("stockade-signature", &header)], body)
}

#[test]
fn a_webhook_is_believed_by_its_signature_and_answered_when_it_is_durable() {
    let shop = Shop::open();
    shop.gateway.script(|_, _| Fate::LoseAnswer);
    let (server, address, _) = secret_server(&shop.engine);
    let (order, id) = shop.order(Payment::card("tok"));
    let body = format!(r#"{{"payment":"{id}","operation":"charge","outcome":"approved","reference":"ch_1"}}"#);
    for (secret, now, body, code) in [
        ("wrong", START, body.as_str(), "unauthorized"),
        ("new", START.plus_seconds(301), &body, "unauthorized"),
        ("new", START, "{}", "body_invalid"),
        ("new", START, r#"{"payment":"x","notice":"settled"}"#, "body_invalid"),
    ] {
        assert_eq!(send_webhook(address, secret, now, body).problem(), code, "{secret} {body}");
    }
    let unsigned = ask(address, "POST", "/api/v1/webhooks/acme", &[], &body);
    assert_eq!((unsigned.status, unsigned.problem().as_str()), (401, "unauthorized"));
    let other = ask(address, "POST", "/api/v1/webhooks/other", &[("authorization", "Bearer key")], &body);
    assert_eq!(other.status, 404);
    assert_ne!(shop.status(order), "paid");
    for secret in ["old", "new", "old"] {
        let told = send_webhook(address, secret, START, &body);
        assert_eq!((told.status, told.json()["public_status"].clone()), (200, json!("paid")), "{}", told.text);
    }
    assert_eq!(shop.status(order), "paid");
    let unknown = body.replace(&id.to_string(), &PaymentId::new(START, 5).to_string());
    assert_eq!(send_webhook(address, "new", START, &unknown).status, 404);
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

/// Found by a reviewer: the currency was read and thrown away.
#[test]
fn a_webhook_in_another_currency_is_never_believed() {
    let shop = Shop::open();
    shop.gateway.script(|call, _| match call.operation {
        Operation::Charge { .. } => Fate::LoseRequest,
        _ => Fate::Answer,
    });
    let (server, address, _) = secret_server(&shop.engine);
    let (order, id) = shop.order(Payment::card("tok"));
    let yen = r#""outcome":"moved","reference":"ch_1","amount":"10","currency":"JPY""#;
    let charged = format!(r#"{{"payment":"{id}","operation":"charge",{yen}}}"#);
    assert_eq!(send_webhook(address, "new", START, &charged).status, 200, "it is heard");
    let undone = shop.until(id, "integrity");
    assert_eq!((&undone["status"], &undone["captured"]["amount"]), (&json!("failed"), &json!("0.00")));
    assert_ne!(shop.status(order), "paid");

    shop.gateway.script(|_, _| Fate::Answer);
    let (order, id) = shop.order(Payment::card("tok"));
    shop.until(id, "captured");
    let dispute = r#""notice":"dispute_opened","amount":"10","currency":"JPY","reference":"dp_1""#;
    let told = send_webhook(address, "new", START, &format!(r#"{{"payment":"{id}",{dispute}}}"#));
    assert_eq!((told.status, told.problem().as_str()), (422, "currency_mismatch"), "{}", told.text);
    assert_eq!((shop.payment(id)["sub_status"].clone(), shop.status(order)), (json!("captured"), "paid".to_owned()));
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

#[test]
fn a_payment_is_read_captured_and_let_go_over_http() {
    let shop = Shop::open();
    let (server, address, _) = secret_server(&shop.engine);
    let key = ("authorization", "Bearer key");
    let json_type = ("content-type", "application/json");
    let body =
        r#"{"lines":[{"sku":"mug","quantity":1}],"payments":[{"method":"card","token":"t","capture":"manual"}]}"#;
    let placed = ask(address, "POST", "/api/v1/orders", &[key, json_type], body);
    assert_eq!((placed.status, placed.json()["status"].clone()), (201, json!("created")), "{}", placed.text);
    let id = placed.json()["payments"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/payments/{id}");
    let read = ask(address, "GET", &path, &[key], "").json();
    assert_eq!((read["status"].clone(), read["public_status"].clone()), (json!("authorized"), json!("pending")));
    let usd = r#"{"amount":{"amount":"1.00","currency":"USD"}}"#;
    let refused = ask(address, "POST", &format!("{path}/capture"), &[key, json_type], usd);
    assert_eq!(refused.problem(), "currency_mismatch");
    let part = r#"{"amount":{"amount":"1.00","currency":"EUR"}}"#;
    assert_eq!(ask(address, "POST", &format!("{path}/capture"), &[key, json_type], part).status, 200);
    shop.until(id.parse_payment(), "partially_captured");
    assert_eq!(ask(address, "POST", &format!("{path}/void"), &[key], "").problem(), "order_state_invalid");
    assert_eq!(ask(address, "POST", &format!("{path}/capture"), &[key], "").status, 200);
    shop.until(id.parse_payment(), "captured");
    for (method, path, status) in [
        ("DELETE", path.as_str(), 405),
        ("GET", &format!("{path}/capture"), 405),
        ("POST", &format!("{path}/dance"), 404),
        ("GET", "/api/v1/payments/x", 404),
        ("GET", "/api/v1/payments", 404),
    ] {
        assert_eq!(ask(address, method, path, &[key], "").status, status, "{method} {path}");
    }
    assert_eq!(ask(address, "GET", &path, &[], "").status, 401);
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

#[test]
fn what_the_gateway_never_answers_is_a_dead_letter_that_an_operator_retries_or_resolves() {
    let shop = Shop::open();
    let (server, _, admin) = secret_server(&shop.engine);
    let paid: Vec<_> = (0..2).map(|_| shop.order(Payment::card("tok"))).collect();
    paid.iter().for_each(|(_, id)| drop(shop.until(*id, "captured")));
    shop.gateway.script(|_, _| Fate::LoseRequest);
    for (order, id) in &paid {
        shop.engine.cancel(*order).wait().unwrap();
        shop.until(*id, "requested");
    }
    let given_up = |shop: &Shop, id: PaymentId| shop.payment(id)["given_up"] == json!(true);
    let begun = std::time::Instant::now();
    while !paid.iter().all(|(_, id)| given_up(&shop, *id)) {
        shop.clock.advance_seconds(600);
        assert!(begun.elapsed() < Duration::from_secs(30), "it is never given up: {}", shop.payment(paid[0].1));
        std::thread::yield_now();
    }
    let listed = ask(admin, "GET", "/dead-letters?limit=1", &[], "").json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let cursor = listed["next_cursor"].as_str().unwrap();
    let second = ask(admin, "GET", &format!("/dead-letters?limit=1&cursor={cursor}"), &[], "").json();
    assert_eq!(second["next_cursor"], Value::Null);
    assert_ne!(second["items"][0]["id"], listed["items"][0]["id"]);

    shop.gateway.script(|_, _| Fate::Answer);
    let retried = paid[0].1;
    assert_eq!(ask(admin, "POST", &format!("/dead-letters/{retried}/retry"), &[], "").status, 200);
    shop.until(retried, "refunded");
    assert_eq!(ask(admin, "POST", &format!("/dead-letters/{retried}/retry"), &[], "").problem(), "order_state_invalid");

    let resolved = paid[1].1;
    let json_type = [("content-type", "application/json")];
    let outcome = r#"{"outcome":"declined","reason":"the card is closed"}"#;
    let told = ask(admin, "POST", &format!("/dead-letters/{resolved}/resolve"), &json_type, outcome);
    assert_eq!((told.status, told.json()["sub_status"].clone()), (200, json!("failed")), "{}", told.text);
    assert_eq!(ask(admin, "GET", "/dead-letters", &[], "").json()["items"], json!([]));
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

/// Found by a reviewer: a refund that bounced was a dead end, a whole one could not even be told.
#[test]
fn a_refund_that_a_bank_sends_back_is_given_back_again() {
    let shop = Shop::open();
    let (server, address, _) = secret_server(&shop.engine);
    let (order, id) = shop.order(Payment::card("tok"));
    shop.until(id, "captured");
    shop.engine.cancel(order).wait().unwrap();
    shop.until(id, "refunded");
    shop.gateway.send_back(id, 100_000);
    let bounced = format!(r#"{{"payment":"{id}","notice":"refund_reversed","number":1}}"#);
    for _ in 0..3 {
        let told = send_webhook(address, "new", START, &bounced);
        assert_eq!((told.status, told.json()["public_status"].clone()), (200, json!("paid")), "{}", told.text);
    }
    let here = shop.payment(id);
    assert_eq!((&here["sub_status"], &here["refundable"]["amount"]), (&json!("reversed"), &json!("10.00")));
    let owed = shop.engine.read_order(order).wait().unwrap().order.owed_back();
    assert_eq!(owed, eur("10.00").amount);
    let books = shop.runtime.block_on(shop.engine.ledger()).unwrap();
    assert_eq!(books.balance("EUR".parse().unwrap(), LedgerAccount::Card), 100_000);
    let (key, json_type) = (("authorization", "Bearer key"), ("content-type", "application/json"));
    let again = r#"{"amount":{"amount":"10.00","currency":"EUR"},"reason":"another account"}"#;
    let told = ask(address, "POST", &format!("/api/v1/orders/{order}/refunds"), &[key, json_type], again);
    assert_eq!(told.status, 201, "{}", told.text);
    shop.until(id, "refunded");
    assert_eq!(shop.engine.read_order(order).wait().unwrap().order.owed_back().0, 0);
    assert_eq!(shop.gateway.times_asked(&format!("{id}:refund:2")), 1, "under a new key");
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

/// Time goes on until the payment's gateway is not asked any more.
fn until_given_up(shop: &Shop, id: PaymentId) {
    let begun = std::time::Instant::now();
    while shop.payment(id)["given_up"] != json!(true) {
        shop.clock.advance_seconds(600);
        assert!(begun.elapsed() < Duration::from_secs(30), "it is never given up: {}", shop.payment(id));
        std::thread::yield_now();
    }
}

/// Found by a reviewer: such an order kept its units for ever, and nobody could see why.
#[test]
fn a_void_that_is_refused_is_a_dead_letter_and_its_units_are_free_when_it_is_resolved() {
    let shop = Shop::open();
    shop.gateway.script(|call, _| match call.operation {
        Operation::Void => Fate::Decline,
        _ => Fate::LoseRequest,
    });
    let (server, _, admin) = secret_server(&shop.engine);
    let (order, id) = shop.order(Payment::card("tok"));
    until_given_up(&shop, id);
    assert_eq!(ask(admin, "GET", "/dead-letters", &[], "").json()["items"][0]["id"], json!(id.to_string()));
    assert_eq!(shop.status(order), "created", "the money may have moved: its units stay held");
    let json_type = [("content-type", "application/json")];
    let told = ask(
        admin,
        "POST",
        &format!("/dead-letters/{id}/resolve"),
        &json_type,
        r#"{"outcome":"approved","reference":"seen to"}"#,
    );
    assert_eq!((told.status, told.json()["sub_status"].clone()), (200, json!("gateway_unavailable")), "{}", told.text);
    assert_eq!(shop.status(order), "expired");
    assert_eq!(shop.engine.read_stock("mug").wait().unwrap().0.levels.available, 1_000);
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

#[test]
fn what_did_not_go_back_by_itself_is_resolved_although_nothing_is_open() {
    let shop = Shop::open();
    shop.gateway.script(|call, _| match call.operation {
        Operation::Charge { .. } => Fate::Silence,
        _ => Fate::Decline,
    });
    let (server, _, admin) = secret_server(&shop.engine);
    let (_, id) = shop.order(Payment::card("tok"));
    shop.decline(id);
    let (charge, reference) = (Operation::Charge { token: "tok".into() }, "ch_late".to_owned());
    shop.engine.confirm(id, charge, GatewayOutcome::Approved { reference }).wait().unwrap();
    shop.until(id, "failed");
    assert_eq!(shop.payment(id)["given_up"], json!(true));
    let json_type = [("content-type", "application/json")];
    let resolve = |outcome: &str| ask(admin, "POST", &format!("/dead-letters/{id}/resolve"), &json_type, outcome);
    assert_eq!(resolve(r#"{"outcome":"declined"}"#).problem(), "money_invalid", "nobody may keep it");
    let told = resolve(r#"{"outcome":"approved","reference":"by hand"}"#);
    assert_eq!((told.status, told.json()["sub_status"].clone()), (200, json!("automatically")), "{}", told.text);
    assert_eq!(ask(admin, "GET", "/dead-letters", &[], "").json()["items"], json!([]));
    assert_eq!(resolve(r#"{"outcome":"approved","reference":"again"}"#).status, 404);
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

/// Who was notified of which payment.
#[derive(Clone, Default)]
struct Notified(Arc<Mutex<Vec<(PaymentId, &'static str)>>>);

impl Notifier for Notified {
    fn payment_changed(&self, payment: PaymentId, state: PaymentState) {
        self.0.lock().unwrap().push((payment, state.name()));
    }
}

#[test]
fn a_card_that_was_declined_is_tried_again_silently_under_new_keys_while_its_units_are_held() {
    let notified = Notified::default();
    let shop = Shop::configured(|config| Config { notifier: Arc::new(notified.clone()), ..config });
    let (server, address, _) = secret_server(&shop.engine);
    let key = ("authorization", "Bearer key");
    let retry = |id: PaymentId| ask(address, "POST", &format!("/api/v1/payments/{id}/retry"), &[key], "");
    shop.gateway.script(|_, _| Fate::Silence);
    let (order, first) = shop.order(Payment::card("tok"));
    assert_eq!(retry(first).problem(), "order_state_invalid", "it is under way");
    shop.decline(first);
    assert_eq!(shop.status(order), "awaiting_payment");
    shop.clock.advance_seconds(800);
    let told = retry(first);
    assert_eq!(told.status, 201, "{}", told.text);
    let second = told.json()["id"].as_str().unwrap().parse_payment();
    assert_ne!(second, first);
    assert_eq!(told.json()["retry_of"], json!(first.to_string()));
    assert_eq!(
        (told.json()["public_status"].clone(), told.json()["amount"]["amount"].clone()),
        (json!("pending"), json!("10.00"))
    );
    let held = shop.engine.read_order(order).wait().unwrap();
    assert_eq!((held.status, held.order.hold_expires_at), ("created", START.plus_seconds(1_700)));
    assert_eq!(retry(first).problem(), "order_state_invalid", "another is under way");
    assert_eq!(notified.0.lock().unwrap()[..], [(first, "failed")], "a new try is silent");
    shop.decline(second);

    // The third try comes through; the gateway changes its mind about the first, which goes back by itself.
    shop.gateway.script(|call, before| match call.operation {
        Operation::Charge { ref token } => {
            assert_eq!((token.as_str(), before), ("tok", 0), "the same token, and no key twice");
            Fate::Answer
        }
        _ => Fate::Answer,
    });
    let third = retry(second).json()["id"].as_str().unwrap().parse_payment();
    shop.until(third, "captured");
    assert_eq!(shop.status(order), "paid");
    for id in [first, second, third] {
        assert_eq!(shop.gateway.times_asked(&format!("{id}:charge")), 1);
    }
    for id in [first, second, third] {
        assert!(matches!(retry(id).problem().as_str(), "already_paid" | "order_state_invalid"));
    }
    assert_eq!(retry(PaymentId::new(START, 5)).status, 404);
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

#[test]
fn a_declined_card_is_not_tried_again_when_its_hold_has_ended_and_after_a_restart_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, clock) = (SimulatedGateway::default(), ManualClock::at(START));
    let open = || Engine::open(Config::at(dir.path()).gateway(gateway.clone()).clock(clock.clone())).unwrap();
    let mut engine = open();
    engine.put_sku(Sku::new("mug", eur("10.00"))).wait().unwrap();
    engine.receive("mug", 2).wait().unwrap();
    let place = |engine: &Engine| {
        gateway.script(|_, _| Fate::Silence);
        let order = NewOrder::one("mug", 1).pay(Payment::card("tok"));
        let placed = engine.place_waiting(order, Duration::ZERO).wait().unwrap();
        let (id, charge) = (placed.order.payments[0].id, Operation::Charge { token: "tok".into() });
        let no = GatewayOutcome::Declined { reason: "no funds".into() };
        engine.confirm(id, charge, no).wait().unwrap();
        (placed.id, id)
    };
    let (_, late) = place(&engine);
    clock.advance_seconds(901);
    assert_eq!(engine.retry_payment(late).wait().unwrap_err().code(), "hold_expired");
    let (order, declined) = place(&engine);
    let again = engine.retry_payment(declined).wait().unwrap().0.id;
    // Nobody answers before the engine is gone; the new try is asked for again under its own key.
    engine.close_blocking().unwrap();
    gateway.script(|_, _| Fate::Answer);
    engine = open();
    clock.advance_seconds(60);
    let begun = std::time::Instant::now();
    while engine.read_order(order).wait().unwrap().status != "paid" {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not asked for again");
        std::thread::yield_now();
    }
    assert_eq!((gateway.card(again).captures, gateway.card(declined).captures), (1, 0));
    assert_eq!(engine.read_payment(again).wait().unwrap().0.retry_of, Some(declined));
    engine.close_blocking().unwrap();
    drop(engine);
    let report = audit(dir.path(), |_, _| {}).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn a_settlement_file_is_compared_and_every_difference_is_named() {
    let shop = Shop::open();
    let (server, _, admin) = secret_server(&shop.engine);
    let ids: Vec<_> = (0..4).map(|_| shop.order(Payment::card("tok"))).collect();
    ids.iter().for_each(|(_, id)| drop(shop.until(*id, "captured")));
    shop.engine.cancel(ids[1].0).wait().unwrap();
    shop.until(ids[1].1, "refunded");
    let unknown = PaymentId::new(START, 77);
    let (same, refunded, short) = (ids[0].1, ids[1].1, ids[2].1);
    let file = format!(
        "payment,kind,amount,currency\n{same},capture,10.00,EUR\n{refunded},capture,10.00,EUR\n\
         {short},capture,9.99,EUR\n{unknown},capture,1.00,EUR\n"
    );
    let csv = [("content-type", "text/csv")];
    let told = ask(admin, "POST", "/reconciliation", &csv, &file);
    assert_eq!(told.status, 200, "{}", told.text);
    let mut found: Vec<_> = told.json()["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (row["payment"].as_str().unwrap().to_owned(), row["found"]["difference"].as_str().unwrap().to_owned())
        })
        .collect();
    found.sort();
    let mut wanted = vec![
        (refunded.to_string(), "refunded".to_owned()),
        (short.to_string(), "captured".to_owned()),
        (unknown.to_string(), "unknown_payment".to_owned()),
        (ids[3].1.to_string(), "not_in_file".to_owned()),
    ];
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(ask(admin, "POST", "/reconciliation", &csv, "payment,kind\nx,y\n").problem(), "body_invalid");
    assert_eq!(ask(admin, "GET", "/reconciliation", &[], "").status, 405);
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

#[test]
fn an_order_charged_at_ship_is_captured_before_it_is_sent_and_not_sent_if_that_fails() {
    let shop = Shop::open();
    let wanted = NewOrder::one("mug", 1).pay(Payment::card("tok")).charge_time(ChargeTime::AtShip);
    let order = shop.engine.place(wanted).wait().unwrap();
    let id = order.order.payments[0].id;
    shop.until(id, "authorized");
    assert_eq!((shop.status(order.id), shop.gateway.card(id).captured), ("created".to_owned(), 0));
    let asked = shop.engine.ship(order.id).wait().unwrap();
    assert!(asked.order.shipment.is_some() || asked.order.lines[0].shipped == 1);
    shop.until(id, "captured");
    assert_eq!((shop.status(order.id), shop.gateway.card(id).captured), ("shipped".to_owned(), 100_000));

    let wanted = NewOrder::one("mug", 1).pay(Payment::external("till")).charge_time(ChargeTime::AtShip);
    assert_eq!(shop.engine.place(wanted).wait().unwrap_err().code(), "body_invalid");
    let unpaid = shop.engine.place(NewOrder::one("mug", 1)).wait().unwrap();
    assert_eq!(shop.engine.ship(unpaid.id).wait().unwrap_err().code(), "order_state_invalid");
    shop.close();
}

#[test]
fn an_order_charged_at_fill_waits_without_a_deadline_and_is_charged_when_its_last_unit_comes() {
    let shop = Shop::open();
    shop.engine.put_sku(Sku::new("LATE", eur("10.00")).backorder_max(5)).wait().unwrap();
    shop.engine.receive("LATE", 1).wait().unwrap();
    let wanted = NewOrder::one("LATE", 2).pay(Payment::card("tok")).charge_time(ChargeTime::AtFill).allow_backorder();
    let order = shop.engine.place(wanted).wait().unwrap();
    assert!(order.order.payments.is_empty() && order.order.deadline().is_none(), "nothing is charged yet");
    assert_eq!(shop.status(order.id), "created");
    shop.engine.receive("LATE", 1).wait().unwrap();
    let filled = shop.engine.read_order(order.id).wait().unwrap();
    let id = filled.order.payments[0].id;
    shop.until(id, "captured");
    assert_eq!((shop.status(order.id), shop.gateway.card(id).captured), ("paid".to_owned(), 200_000));
    shop.close();
}

/// Two parts of one wallet in another partition cannot be asked for together: that is the order's matter, and whoever brings
/// the goods is not refused for it.
#[test]
fn payments_that_cannot_be_taken_when_they_come_due_do_not_refuse_the_goods() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::at(START));
    let engine = Engine::open(Config::at(dir.path()).partitions(2).clock(clock)).unwrap();
    engine.put_sku(Sku::new("LATE", eur("10.00")).backorder_max(20)).wait().unwrap();
    let customers: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    let orders: Vec<_> = customers
        .iter()
        .map(|customer| {
            engine.credit(customer, eur("100.00")).wait().unwrap();
            let wallet = |part: &str| Payment::wallet().amount(eur(part));
            let wanted = NewOrder::one("LATE", 1).customer(customer).charge_time(ChargeTime::AtFill).allow_backorder();
            engine.place(wanted.pay(wallet("4.00")).pay(wallet("6.00"))).wait().unwrap().id
        })
        .collect();
    engine.receive("LATE", 8).wait().unwrap();
    let order = |id| engine.read_order(id).wait().unwrap().order;
    // News of the units goes from partition to partition.
    let begun = std::time::Instant::now();
    while orders.iter().any(|id| order(*id).lines[0].backordered > 0) {
        assert!(begun.elapsed() < Duration::from_secs(20), "an order does not hear of its units");
        std::thread::yield_now();
    }
    let is_paid = |id| order(id).secured;
    let unpaid: Vec<_> = orders.iter().filter(|id| !is_paid(**id)).collect();
    assert!(!unpaid.is_empty() && unpaid.len() < orders.len(), "some wallets are here, some there");
    for id in &unpaid {
        engine.pay(**id, Payment::wallet()).wait().unwrap();
    }
    for customer in &customers {
        let wallet = serde_json::to_value(engine.wallet(customer).wait().unwrap()).unwrap();
        assert!(wallet.to_string().contains("90.00"), "{wallet}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(engine.close()).unwrap();
    drop(engine);
    let report = audit(dir.path(), |_, _| {}).unwrap();
    assert!(report.is_clean(), "{:#?}", report.faults);
}

/// The gateway has taken the money, nobody heard of it for so long that it was to be undone, and it cannot be.
#[test]
fn money_that_comes_too_late_goes_back_or_pays_the_order_as_the_shop_says() {
    for (policy, status, sub_status) in [
        (LatePayment::Refund, "expired", "automatically"),
        (LatePayment::Reacquire, "paid", "captured"),
        (LatePayment::Backorder, "paid", "captured"),
    ] {
        let shop = Shop::open_with(policy);
        shop.gateway.script(|call, _| match call.operation {
            Operation::Charge { .. } => Fate::LoseAnswer,
            _ => Fate::CannotUndo,
        });
        let (order, id) = shop.order(Payment::card("tok"));
        // Only its charge is overdue; what comes then comes at once.
        shop.clock.advance_seconds(1_000);
        shop.until(id, sub_status);
        assert_eq!(shop.status(order), status, "{policy:?}");
        let card = shop.gateway.card(id);
        assert_eq!((card.captures, card.captured - card.refunded), (1, if status == "paid" { 100_000 } else { 0 }));
        shop.close();
    }
}
