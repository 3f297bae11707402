//! When a payment is due: at order, at fill, at ship, too late; and a settlement file that says what was taken.

use crate::shop::*;

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
