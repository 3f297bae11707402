//! Money that is set aside first: taken in parts, let go, taken too much of; and what becomes of the order meanwhile.

use crate::shop::*;

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
