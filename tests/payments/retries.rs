//! A declined card that is tried again.

use crate::shop::*;

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
