//! An order's JSON, written straight into bytes.
//!
//! Placing an order is the hot request, and its answer is twenty fields of money, ids and times; through the general
//! serialiser and `Display` it costs more than parsing the request. What is written here is, byte for byte, what
//! [`OrderSnapshot`] serialises to; the tests hold the two together.

use stockade_domain::order::{Line, OrderPayment};
use stockade_domain::{Amount, Currency, Money, Timestamp};
use uuid_text::push_uuid;

use crate::engine::{OrderSnapshot, PromotedJson, TimeJson};

/// Bytes that nearly every order's JSON fits into.
const ORDER_BYTES_USUAL: usize = 1536;
/// Ten-thousandths in a unit of currency.
const SCALE: u64 = 10_000;

/// The JSON of an order.
pub(super) fn order(order: &OrderSnapshot) -> Vec<u8> {
    let mut json = Vec::with_capacity(ORDER_BYTES_USUAL);
    push_order(&mut json, order);
    json
}

/// Appends the JSON of an order.
pub(super) fn push_order(json: &mut Vec<u8>, snapshot: &OrderSnapshot) {
    let (order, currency) = (&*snapshot.order, snapshot.order.currency);
    push(json, "{\"id\":");
    push_uuid(json, &order.id.to_bytes());
    push_name(json, ",\"status\":", snapshot.status);
    push_name(json, ",\"payment_status\":", order.payment_status().name());
    push_name(json, ",\"fulfillment_status\":", order.fulfillment_status().name());
    push_name(json, ",\"return_status\":", order.return_status().name());
    push_optional(json, ",\"customer\":", order.customer.as_ref().map(|customer| customer.as_str()));
    push(json, ",\"lines\":[");
    for (number, line) in order.lines.iter().enumerate() {
        push_separator(json, number);
        push_line(json, number, line, currency, order.secured);
    }
    push(json, "],\"charges\":[");
    for (number, charge) in order.charges.iter().enumerate() {
        push_separator(json, number);
        push_name(json, "{\"kind\":", charge.kind.name());
        push_money(json, ",\"amount\":", charge.money);
        json.push(b'}');
    }
    let (total, charges, paid) = (order.total(), order.charges_total(), order.paid());
    let due = if order.awaits_payment() { (total.0 - paid.0).max(0) } else { 0 };
    push(json, "],\"totals\":{");
    for (name, amount) in [
        ("\"lines\":", Amount(total.0 - charges.0)),
        (",\"charges\":", charges),
        (",\"total\":", total),
        (",\"paid\":", paid),
        (",\"refunded\":", order.refunded()),
        (",\"due\":", Amount(due)),
    ] {
        push_money(json, name, Money::new(amount, currency));
    }
    push(json, "},\"payments\":[");
    for (number, payment) in order.payments.iter().enumerate() {
        push_separator(json, number);
        push_payment(json, payment, currency);
    }
    push(json, "],\"hold_expires_at\":");
    match order.deadline() {
        Some(deadline) => push_time(json, deadline),
        None => push(json, "null"),
    }
    push(json, ",\"created_at\":");
    push_time(json, order.created_at);
    push_optional(json, ",\"tracking\":", order.tracking.as_deref());
    if let Some(promoted) = &order.promoted {
        push(json, ",\"promotions\":");
        let shown = PromotedJson::new(promoted, order.currency);
        serde_json::to_writer(&mut *json, &shown).expect("memory takes every write");
    }
    if let Some(bid) = &order.bid {
        push(json, ",\"bid\":");
        push_uuid(json, &bid.to_bytes());
    }
    push(json, ",\"as_of\":\"");
    push_number(json, snapshot.as_of);
    push(json, "\"}");
}

fn push_line(json: &mut Vec<u8>, number: usize, line: &Line, currency: Currency, secured: bool) {
    let open = line.filled - line.shipped;
    let (held, allocated) = if secured { (0, open) } else { (open, 0) };
    push(json, "{\"line\":");
    push_number(json, number as u64);
    push_name(json, ",\"sku\":", line.sku.as_str());
    push(json, ",\"quantity\":");
    push_number(json, line.quantity);
    push_money(json, ",\"unit_price\":", Money::new(line.unit_price, currency));
    push_money(json, ",\"total\":", Money::new(line.due(currency), currency));
    if line.discount.0 != 0 {
        push_money(json, ",\"discount\":", Money::new(line.discount, currency));
    }
    for (name, units) in [
        (",\"held\":", held),
        (",\"allocated\":", allocated),
        (",\"backordered\":", line.backordered),
        (",\"unfilled\":", line.unfilled),
        (",\"cancelled\":", line.cancelled),
        (",\"shipped\":", line.shipped),
        (",\"returned\":", line.returned),
    ] {
        push(json, name);
        push_number(json, units);
    }
    if let Some(claim) = &line.claim {
        push(json, ",\"seller\":");
        push_text(json, claim.seller.as_str());
    }
    json.push(b'}');
}

fn push_payment(json: &mut Vec<u8>, payment: &OrderPayment, currency: Currency) {
    push(json, "{\"id\":");
    push_uuid(json, &payment.id.to_bytes());
    push_name(json, ",\"method\":", payment.method.name());
    push_money(json, ",\"amount\":", Money::new(payment.amount, currency));
    let stage = payment.stage();
    push_name(json, ",\"status\":", stage.main().name());
    push_name(json, ",\"sub_status\":", stage.sub_name());
    push_name(json, ",\"public_status\":", stage.public().name());
    push_money(json, ",\"refunded\":", Money::new(payment.refunded, currency));
    if let Some(failure) = &payment.failure {
        push(json, ",\"failure\":");
        push_text(json, failure);
    }
    if let Some(action) = &payment.next_action {
        push_name(json, ",\"next_action\":{\"kind\":", action.kind.name());
        push(json, ",\"next\":");
        push_text(json, &action.next);
        json.push(b'}');
    }
    json.push(b'}');
}

fn push(json: &mut Vec<u8>, text: &str) {
    json.extend_from_slice(text.as_bytes());
}

fn push_separator(json: &mut Vec<u8>, number: usize) {
    if number > 0 {
        json.push(b',');
    }
}

/// A member whose value is a public name or an id: nothing in it needs escaping.
fn push_name(json: &mut Vec<u8>, member: &str, name: &str) {
    push(json, member);
    json.push(b'"');
    push(json, name);
    json.push(b'"');
}

fn push_optional(json: &mut Vec<u8>, member: &str, text: Option<&str>) {
    push(json, member);
    match text {
        Some(text) => push_text(json, text),
        None => push(json, "null"),
    }
}

/// Any text; the general serialiser knows what to escape.
fn push_text(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("a text is JSON, and a list of bytes takes every write");
}

/// Digits of the longest number.
const DIGITS_MAX: usize = 20;

pub(super) fn push_number(json: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; DIGITS_MAX];
    let mut at = DIGITS_MAX;
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    json.extend_from_slice(&digits[at..]);
}

/// The last `width` digits of a number.
fn push_padded(json: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; DIGITS_MAX];
    for digit in digits[..width].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    json.extend_from_slice(&digits[..width]);
}

fn push_money(json: &mut Vec<u8>, member: &str, money: Money) {
    push(json, member);
    push(json, "{\"amount\":\"");
    if money.amount.0 < 0 {
        json.push(b'-');
    }
    let value = money.amount.0.unsigned_abs();
    push_number(json, value / SCALE);
    json.push(b'.');
    // At least two decimals, at most the four there are.
    match value % SCALE {
        fraction if fraction % 100 == 0 => push_padded(json, fraction / 100, 2),
        fraction if fraction % 10 == 0 => push_padded(json, fraction / 10, 3),
        fraction => push_padded(json, fraction, 4),
    }
    push(json, "\",\"currency\":\"");
    push(json, money.currency.as_str());
    push(json, "\"}");
}

/// Microseconds in a day.
const DAY: i64 = 86_400_000_000;

/// A time in RFC 3339 with six decimals; days to dates after Howard Hinnant's `civil_from_days`.
fn push_time(json: &mut Vec<u8>, time: Timestamp) {
    json.push(b'"');
    let (days, micros) = (time.0.div_euclid(DAY), time.0.rem_euclid(DAY).unsigned_abs());
    // 1970 to the last days of 9999: four digits of year; the calendar library has the rest.
    if !(0..2_932_895).contains(&days) {
        push(json, &TimeJson(time).to_string());
        json.push(b'"');
        return;
    }
    let shifted = days.unsigned_abs() + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let seconds = micros / 1_000_000;
    for (number, width, after) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (seconds / 3600, 2, b':'),
        (seconds / 60 % 60, 2, b':'),
        (seconds % 60, 2, b'.'),
        (micros % 1_000_000, 6, b'Z'),
    ] {
        push_padded(json, number, width);
        json.push(after);
    }
    json.push(b'"');
}

mod uuid_text {
    /// A UUID in quotes, as RFC 9562 writes it.
    pub(super) fn push_uuid(json: &mut Vec<u8>, bytes: &[u8; 16]) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 38];
        (text[0], text[37]) = (b'"', b'"');
        let mut at = 1;
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        json.extend_from_slice(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::engine::{MoneyJson, NewOrder, Payment, Sku, Text};
    use proptest::prelude::*;
    use stockade_domain::OrderId;
    use stockade_domain::order::ChargeKind;

    fn written(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut json = Vec::new();
        push(&mut json);
        String::from_utf8(json).unwrap()
    }

    fn agree(snapshot: &OrderSnapshot) {
        let here = String::from_utf8(order(snapshot)).unwrap();
        assert_eq!(here, serde_json::to_string(snapshot).unwrap());
    }

    #[test]
    fn an_order_is_written_as_it_serialises_wherever_it_stands() {
        let engine = Engine::in_memory().unwrap();
        let eur = |text: &str| Money::parse(&format!("{text} EUR")).unwrap();
        engine.put_sku(Sku::new("A", eur("9.99")).backorder_max(100)).wait().unwrap();
        engine.put_sku(Sku::new("B.with:odd_name-", eur("0.0125"))).wait().unwrap();
        for sku in ["A", "B.with:odd_name-"] {
            engine.receive(sku, 50).wait().unwrap();
        }
        engine.credit("ann", eur("500")).wait().unwrap();

        let held = engine.place(NewOrder::one("A", 3).customer("ann")).wait().unwrap();
        agree(&held);
        agree(&engine.pay(held.id, Payment::wallet()).wait().unwrap());
        let shipped = engine.ship(held.id).wait().unwrap();
        agree(&shipped);
        let rows = vec![(0, 1, stockade_domain::stock::Disposition::Restock)];
        agree(&engine.take_back(held.id, rows).wait().unwrap());

        let mixed = NewOrder::one("A", 2).line("B.with:odd_name-", 7).charge(ChargeKind::Shipping, eur("4.90"));
        let mixed = engine.place(mixed.charge(ChargeKind::Tax, eur("0.12")).pay(Payment::external("r\u{1}\"")));
        let mixed = mixed.wait().unwrap();
        agree(&mixed);
        agree(&engine.cancel(mixed.id).wait().unwrap());

        let waiting = engine.place(NewOrder::one("A", 80).allow_backorder()).wait().unwrap();
        agree(&waiting);
        let partial = engine.place(NewOrder::one("B.with:odd_name-", 5000).allow_partial()).wait().unwrap();
        agree(&partial);
        let mut odd = (*partial.order).clone();
        odd.tracking = Some("a \"b\" \\ \u{7} ö".into());
        agree(&OrderSnapshot { order: std::sync::Arc::new(odd), as_of: u64::MAX, ..partial });
    }

    proptest! {
        #[test]
        fn money_times_and_ids_are_written_as_they_serialise(
            amount in any::<i64>(), micros in any::<i64>(), near in 0_i64..4_000_000_000_000_000, id in any::<[u8; 16]>(),
        ) {
            let money = Money::new(Amount(amount), "EUR".parse().unwrap());
            let wanted = serde_json::to_string(&MoneyJson(money)).unwrap();
            prop_assert_eq!(written(|json| push_money(json, "", money)), wanted);
            for micros in [micros, near, micros / 1000, near / DAY * DAY] {
                let time = Timestamp(micros);
                prop_assert_eq!(written(|json| push_time(json, time)), serde_json::to_string(&TimeJson(time)).unwrap());
            }
            let id = OrderId::from_bytes(id);
            prop_assert_eq!(written(|json| push_uuid(json, &id.to_bytes())), serde_json::to_string(&Text(id)).unwrap());
            let number = amount.unsigned_abs();
            prop_assert_eq!(written(|json| push_number(json, number)), number.to_string());
        }
    }
}
