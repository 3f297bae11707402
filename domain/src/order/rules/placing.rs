//! What is refused when an order is placed, in which order, and how its units are priced and spread.

use super::{START, eur, fill, sku};
use crate::order::{Charge, ChargeKind, Fill, LINES_MAX, NewLine, NewOrder, Order, OrderEvent, Tender, demand, place};
use crate::payment::Method;
use crate::{Money, OrderId, PaymentId, QUANTITY_MAX, Quantity, Refusal};

fn new_line(name: &str, quantity: Quantity) -> NewLine {
    NewLine::of_house(sku(name), quantity)
}

fn new_order(lines: &[NewLine]) -> NewOrder {
    NewOrder::new(OrderId::new(START, 1), lines.iter().cloned())
}

fn priced(order: &NewOrder, fills: &[Fill]) -> Result<crate::order::Placement, Refusal> {
    place(order, &demand(order)?, fills, &[], START)
}

#[test]
fn a_request_that_makes_no_sense_is_refused_before_any_sku_is_asked() {
    let negative = NewLine { unit_price: Some(eur("-0.01")), ..new_line("a", 1) };
    let cases: Vec<(Vec<NewLine>, &str)> = vec![
        (vec![], "body_invalid"),
        (vec![new_line("a", 0); LINES_MAX + 1], "too_many_lines"),
        (vec![new_line("a", 0), negative.clone()], "quantity_invalid"),
        (vec![new_line("a", QUANTITY_MAX + 1)], "quantity_invalid"),
        (vec![new_line("a", QUANTITY_MAX), new_line("a", 1)], "quantity_invalid"),
        (vec![negative, new_line("a", 0)], "money_invalid"),
    ];
    for (lines, code) in cases {
        assert_eq!(demand(&new_order(&lines)).unwrap_err().code(), code);
    }
    assert!(demand(&new_order(&vec![new_line("a", 1); LINES_MAX])).is_ok());
}

#[test]
fn the_whole_is_refused_for_the_first_reason_that_applies() {
    let usd = |text: &str| Money::parse(&format!("{text} USD")).unwrap();
    let base = new_order(&[new_line("a", 2)]);
    let mut cases: Vec<(NewOrder, &str)> = Vec::new();
    let mut with = |code, change: &dyn Fn(&mut NewOrder)| {
        let mut order = base.clone();
        change(&mut order);
        cases.push((order, code));
    };
    let foreign = Charge { kind: ChargeKind::Tax, money: usd("1.00") };
    let odd = Charge { kind: ChargeKind::Tax, money: eur("0.001") };
    with("currency_mismatch", &|order| {
        order.charges.extend([foreign, odd]);
        order.expected_total = Some(eur("1.00"));
    });
    with("money_invalid", &|order| {
        order.charges.extend([odd]);
        order.expected_total = Some(eur("1.00"));
    });
    with("money_invalid", &|order| order.charges.extend([Charge { kind: ChargeKind::Fee, money: eur("-1.00") }]));
    with("money_invalid", &|order| order.lines[0].unit_price = Some(eur("900000000000.00")));
    with("currency_mismatch", &|order| order.expected_total = Some(usd("99.00")));
    with("price_changed", &|order| {
        order.expected_total = Some(eur("19.99"));
        order.payments.push(Tender::by(Method::Wallet));
    });
    with("customer_required", &|order| order.payments.push(Tender::by(Method::Wallet)));
    for (order, code) in cases {
        assert_eq!(priced(&order, &[fill("10.00", 2, 0)]).unwrap_err().code(), code, "{order:?}");
    }
    let mut exact = base;
    exact.expected_total = Some(eur("20.00"));
    assert_eq!(priced(&exact, &[fill("10.00", 2, 0)]).unwrap().total, eur("20.00"));
}

#[test]
fn lines_of_two_currencies_are_refused() {
    let order = new_order(&[new_line("a", 1), new_line("b", 1)]);
    let dollars = Fill { price: Money::parse("1.00 USD").unwrap(), ..fill("1.00", 1, 0) };
    assert_eq!(priced(&order, &[fill("1.00", 1, 0), dollars]).unwrap_err().code(), "currency_mismatch");
}

#[test]
fn lines_of_one_sku_are_one_demand_and_stay_lines_for_price() {
    let own_price = NewLine { unit_price: Some(eur("2.00")), ..new_line("a", 3) };
    let order = new_order(&[new_line("a", 2), new_line("b", 1), own_price]);
    let wanted = demand(&order).unwrap();
    assert_eq!(wanted.units[..], [(sku("a"), 5), (sku("b"), 1)]);
    let placement = place(&order, &wanted, &[fill("1.00", 3, 1), fill("5.00", 1, 0)], &[], START).unwrap();
    let OrderEvent::Placed { lines, .. } = &*placement.placed else { panic!("{placement:?}") };
    let got: Vec<_> = lines.iter().map(|line| (line.filled, line.backordered)).collect();
    assert_eq!(got, [(2, 0), (1, 0), (1, 1)], "earlier lines come first");
    assert_eq!(placement.total, eur("11.00"), "what is not to be had costs nothing");
}

#[test]
fn many_lines_are_summed_like_few() {
    let names: Vec<_> = (0..LINES_MAX).map(|n| format!("sku-{}", n % 37)).collect();
    let lines: Vec<_> = names.iter().map(|name| new_line(name, 1)).collect();
    let wanted = demand(&new_order(&lines)).unwrap();
    assert_eq!(wanted.units.len(), 37);
    assert_eq!(wanted.units.iter().map(|(_, units)| units).sum::<u64>(), LINES_MAX as u64);
    assert_eq!(wanted.units[1].0, sku("sku-1"), "in the order of first mention");
}

#[test]
fn the_hold_lasts_as_long_as_the_most_impatient_sku_allows() {
    let order = new_order(&[new_line("a", 1), new_line("b", 1)]);
    let short = Fill { hold_ttl_seconds: 60, ..fill("1.00", 1, 0) };
    let placement = priced(&order, &[fill("1.00", 1, 0), short]).unwrap();
    let created = Order::create(order.id, &placement.placed, START);
    assert_eq!(created.hold_expires_at, START.plus_seconds(60));
}

#[test]
fn a_line_costs_its_exact_price_rounded_once() {
    for (price, units, total) in
        [("0.3333", 3, "1.00"), ("0.0049", 1, "0.00"), ("0.005", 1, "0.01"), ("9.99", 7, "69.93")]
    {
        let order = new_order(&[new_line("a", units)]);
        assert_eq!(priced(&order, &[fill(price, units, 0)]).unwrap().total, eur(total), "{units} at {price}");
    }
}

#[test]
fn an_order_that_costs_nothing_is_paid_at_once() {
    let order = new_order(&[new_line("a", 1)]);
    let placement = priced(&order, &[fill("0.00", 1, 0)]).unwrap();
    assert!(placement.plan.secures_at_once());
    assert!(Order::create(order.id, &placement.placed, START).secured);
}

#[test]
fn no_two_payments_share_an_id_whatever_their_order_number_attempt_or_deadline() {
    let mut seen = std::collections::BTreeSet::<PaymentId>::new();
    let mut count = 0;
    for order in 0..20u128 {
        let id = OrderId::new(START, order << 20 | 5);
        for attempt in 0..4 {
            for number in 0..16 {
                for deadline in [0, 1, 999, 1_000, 1 << 16, 1 << 24, 900_000_000] {
                    count += 1;
                    let payment = Order::payment_id(id, attempt, number, START.plus_micros(deadline));
                    assert_eq!(payment.route(), id.route(), "it lives where its order lives");
                    seen.insert(payment);
                }
            }
        }
    }
    assert_eq!(seen.len(), count);
}

fn from_book(name: &str, quantity: Quantity) -> NewLine {
    let supply =
        crate::order::LineSupply { seller: crate::stock::market::Seller::Any, max_unit_price: Some(eur("9.00")) };
    NewLine { supply: Some(Box::new(supply)), ..new_line(name, quantity) }
}

#[test]
fn what_a_line_takes_from_a_book_becomes_a_line_for_each_seller_and_price() {
    let order = new_order(&[from_book("a", 6), new_line("a", 1), from_book("b", 2)]);
    let asked = demand(&order).unwrap();
    assert!(asked.takes_from_books() && !demand(&new_order(&[new_line("a", 1)])).unwrap().takes_from_books());
    assert_eq!(asked.of_book(0).iter().map(|wish| (wish.line, wish.quantity)).collect::<Vec<_>>(), [(0, 6)]);
    assert_eq!(asked.of_book(1).iter().map(|wish| (wish.line, wish.quantity)).collect::<Vec<_>>(), [(2, 2)]);
    let got = |line, quantity, price: &str, claim: Option<u32>| crate::stock::market::MarketFill {
        line,
        quantity,
        unit_price: eur(price).amount,
        seller: claim.map(|_| crate::CustomerId::new("sam").unwrap()),
        claim,
    };
    let fills = [Fill { commission_bps: 250, ..fill("5.00", 1, 0) }, fill("7.00", 0, 0)];
    let market = [got(0, 2, "4.00", Some(0)), got(0, 1, "5.00", None)];
    let placement = place(&order, &asked, &fills, &market, START).unwrap();
    let OrderEvent::Placed { lines, .. } = *placement.placed else { unreachable!() };
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line.sku.as_str(),
                line.quantity,
                line.filled,
                line.unit_price,
                line.claim.as_ref().map(|claim| claim.commission_bps),
            )
        })
        .collect();
    let price = |text: &str| eur(text).amount;
    assert_eq!(
        rows,
        [
            ("a", 2, 2, price("4.00"), Some(250)),
            ("a", 4, 1, price("5.00"), None),
            ("a", 1, 1, price("5.00"), None),
            ("b", 2, 0, price("7.00"), None),
        ],
        "what it did not get stays with the last"
    );
    assert_eq!(placement.total, eur("18.00"), "2 x 4.00 + 5.00 + 5.00");
}

#[test]
fn only_an_unpaid_order_of_one_sku_waits_to_be_let_in() {
    let waiting = || Fill { waiting: true, ..fill("5.00", 0, 1) };
    let is_waiting = |order: &NewOrder, fills: &[Fill]| {
        priced(order, fills).map_err(|refusal| refusal.code()).map(|placement| match *placement.placed {
            OrderEvent::Placed { waiting, .. } => waiting,
            _ => unreachable!(),
        })
    };
    let mut one = new_order(&[new_line("a", 1)]);
    assert_eq!(is_waiting(&one, &[fill("5.00", 1, 0)]), Ok(false));
    assert_eq!(is_waiting(&one, &[waiting()]), Ok(true));
    one.payments.extend([Tender::by(Method::External)]);
    assert_eq!(is_waiting(&one, &[waiting()]), Err("body_invalid"));
    let two = new_order(&[new_line("a", 1), new_line("b", 1)]);
    assert_eq!(is_waiting(&two, &[fill("5.00", 1, 0), waiting()]), Err("stock_exhausted"));
    assert_eq!(is_waiting(&new_order(&[from_book("a", 1)]), &[waiting()]), Err("stock_exhausted"));
}
