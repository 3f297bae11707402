//! What becomes of an order whose lines are changed: who may, which lines stay what they are, and what goes back.

use super::{Desk, START, amount, eur, fill, line, sku};
use crate::order::{
    AppliedUse, Charge, ChargeKind, Edit, Fill, Kit, LineClaim, LineSupply, NewLine, NewOrder, Order, OrderAsk,
    OrderCommand, Outcome, PlacedLine, Promoted, Tender, demand_with, drop_coupon, edit, place, uses_to_hold,
};
use crate::payment::Method;
use crate::promotion::uses::{Subject, UsesCommand};
use crate::promotion::{CouponCode, PromotionId};
use crate::stock::market::Seller;
use crate::stock::{KitPart, ReleaseReason, StockCommand};
use crate::{Amount, BookOrderId, CustomerId, OrderId, Quantity, Refusal};

fn name(text: &str) -> CustomerId {
    CustomerId::new(text).unwrap()
}

fn of_seller(line: PlacedLine, number: u32, seller: &str) -> PlacedLine {
    let claim = LineClaim { number, seller: name(seller), commission_bps: 250 };
    PlacedLine { claim: Some(Box::new(claim)), ..line }
}

fn of_parts(line: PlacedLine, parts: &[(&str, Quantity)]) -> PlacedLine {
    let parts = parts.iter().map(|(name, quantity)| KitPart { sku: sku(name), quantity: *quantity }).collect();
    PlacedLine { kit: Some(Box::new(parts)), ..line }
}

fn wanted(lines: &[(&str, Quantity)]) -> NewOrder {
    let lines = lines.iter().map(|(name, quantity)| NewLine::of_house(sku(name), *quantity));
    NewOrder::new(OrderId::new(START, 1), lines)
}

fn from_seller(name_of: &str, quantity: Quantity, seller: &str) -> NewLine {
    let supply = LineSupply { seller: Seller::Named(name(seller)), max_unit_price: None };
    NewLine { supply: Some(Box::new(supply)), ..NewLine::of_house(sku(name_of), quantity) }
}

fn coupon(text: &str) -> CouponCode {
    CouponCode::new(text).unwrap()
}

fn used(subject: Subject, cents: i64) -> AppliedUse {
    AppliedUse { subject, amount: Amount(cents * 100) }
}

fn of_promotion(text: &str) -> Subject {
    Subject::Promotion(PromotionId::new(text).unwrap())
}

/// Everything but the SKUs: reads the list, prices it with these fills, and lets the order have it.
fn change(desk: &mut Desk, wanted: &NewOrder, fills: &[Fill]) -> Result<Edit, Refusal> {
    let mut edit = edit(&desk.order, wanted, desk.now)?;
    let demand = demand_with(&edit.order, |sku| desk.order.kit_sold(sku))?;
    let placement = match place(&edit.order, &demand, fills, &edit.market, desk.now) {
        Err(refusal) if drop_coupon(&mut edit.order, &refusal) => {
            place(&edit.order, &demand, fills, &edit.market, desk.now)?
        }
        priced => priced?,
    };
    let (event, asks) = edit.finish(&desk.order, &demand, fills, placement)?;
    desk.order.apply(&event);
    desk.asks = asks;
    Ok(edit)
}

/// SKU, units that were filled, units that waited.
fn released(desk: &Desk) -> Vec<(String, Quantity, Quantity)> {
    let back = |ask: &OrderAsk| match ask {
        OrderAsk::Stock(sku, StockCommand::Release { order, filled, backordered, reason }) => {
            assert_eq!((*order, *reason), (desk.order.id, ReleaseReason::Cancelled));
            Some((sku.to_string(), *filled, *backordered))
        }
        _ => None,
    };
    desk.asks.iter().filter_map(back).collect()
}

/// SKU, number of the claim, units.
fn claims_given_up(desk: &Desk) -> Vec<(String, u32, Quantity)> {
    let back = |ask: &OrderAsk| match ask {
        OrderAsk::Stock(sku, StockCommand::ReleaseClaim { order, claim, quantity, reason }) => {
            assert_eq!((*order, *reason), (desk.order.id, ReleaseReason::Cancelled));
            Some((sku.to_string(), *claim, *quantity))
        }
        _ => None,
    };
    desk.asks.iter().filter_map(back).collect()
}

#[test]
fn only_an_order_that_waits_for_its_first_money_can_be_changed() {
    let open = || Desk::with(&[line("a", "5.00", 2, 0)], &[]);
    let code = |desk: &Desk| desk.order.check_editable(desk.now).map_err(|refusal| refusal.code());
    assert_eq!(code(&open()), Ok(()));

    let mut pinned = Desk::with(&[line("a", "5.00", 2, 0)], &[(Method::Card, "10.00")]);
    assert_eq!(code(&pinned), Err("order_state_invalid"), "a payment is under way");
    pinned.order.placing = false;
    assert_eq!(code(&pinned), Err("order_state_invalid"), "still");
    let mut part_paid = Desk::with(&[line("a", "5.00", 2, 0)], &[(Method::External, "4.00")]);
    part_paid.secure(0);
    assert_eq!(code(&part_paid), Err("already_paid"), "a cent is enough");
    assert_eq!(code(&Desk::paid("5.00", 2, "10.00")), Err("already_paid"));

    let mut waiting = open();
    waiting.order.waiting = true;
    assert_eq!(code(&waiting), Err("order_state_invalid"));
    let mut bought = open();
    bought.order.bid = Some(Box::new(BookOrderId::new(START, 7)));
    assert_eq!(code(&bought), Err("order_state_invalid"));

    let mut late = open();
    late.now = late.order.hold_expires_at;
    assert_eq!(code(&late), Err("hold_expired"));
    let mut cancelled = open();
    cancelled.run(super::CANCEL).unwrap();
    assert_eq!(code(&cancelled), Err("order_state_invalid"));
    let mut expired = open();
    expired.now = expired.order.hold_expires_at;
    expired.run(OrderCommand::DeadlineReached).unwrap();
    assert_eq!(code(&expired), Err("hold_expired"));

    let mut kit = Desk::with(&[of_parts(line("k", "5.00", 2, 0), &[("p", 1)])], &[]);
    assert_eq!(code(&kit), Ok(()));
    kit.run(OrderCommand::Displaced { sku: sku("p"), quantity: 1 }).unwrap();
    assert_eq!(code(&kit), Err("order_state_invalid"), "a component is missing");
    let plain_waits = Desk::with(&[line("a", "5.00", 1, 1)], &[]);
    assert_eq!(code(&plain_waits), Ok(()), "plain units may wait");
}

#[test]
fn an_edit_says_lines_and_nothing_else() {
    let desk = Desk::with(&[line("a", "5.00", 2, 0)], &[]);
    let base = || wanted(&[("a", 1)]);
    assert!(edit(&desk.order, &base(), desk.now).is_ok());
    let charge = Charge { kind: ChargeKind::Fee, money: eur("1.00") };
    for (what, order) in [
        ("customer", NewOrder { customer: Some(name("ann")), ..base() }),
        ("purchaser", NewOrder { purchaser_key: Some(name("x")), ..base() }),
        ("charges", NewOrder { charges: [charge].into_iter().collect(), ..base() }),
        ("payments", NewOrder { payments: [Tender::by(Method::Card)].into_iter().collect(), ..base() }),
        ("partial", NewOrder { allow_partial: true, ..base() }),
        ("backorder", NewOrder { allow_backorder: true, ..base() }),
    ] {
        assert_eq!(edit(&desk.order, &order, desk.now).unwrap_err().code(), "body_invalid", "{what}");
    }
}

#[test]
fn a_line_that_stays_keeps_its_price_and_a_new_one_is_priced_anew() {
    let mut desk = Desk::with(&[line("a", "5.00", 2, 0), line("b", "1.00", 1, 0)], &[]);
    let charges: Vec<Charge> = vec![Charge { kind: ChargeKind::Shipping, money: eur("3.00") }];
    desk.order.charges = charges.iter().cloned().collect();
    let done = change(&mut desk, &wanted(&[("a", 3), ("c", 2)]), &[fill("9.00", 3, 0), fill("7.00", 2, 0)]).unwrap();
    let lines: Vec<_> =
        desk.order.lines.iter().map(|line| (line.sku.to_string(), line.quantity, line.unit_price)).collect();
    assert_eq!(lines, [("a".to_owned(), 3, amount("5.00")), ("c".to_owned(), 2, amount("7.00"))]);
    assert_eq!(desk.order.total(), amount("32.00"), "3 x 5.00 + 2 x 7.00 + 3.00");
    assert_eq!(released(&desk), [("b".to_owned(), 1, 0)]);
    assert_eq!((&done.order.customer, done.order.id), (&desk.order.customer, desk.order.id), "who buys stays");
    assert_eq!(done.order.charges[..], charges[..]);
}

/// Two lines of one SKU at two prices are told apart by the price that is named.
#[test]
fn a_line_is_the_one_of_its_sku_and_price_each_once() {
    let desk = Desk::with(&[line("a", "5.00", 1, 0), line("a", "6.00", 1, 0), line("b", "6.00", 1, 0)], &[]);
    let prices = |lines: Vec<NewLine>| -> Vec<Option<Amount>> {
        let order = NewOrder::new(desk.order.id, lines);
        let read = edit(&desk.order, &order, desk.now).unwrap();
        read.order.lines.iter().map(|line| line.unit_price.map(|price| price.amount)).collect()
    };
    let plain = |name: &str| NewLine::of_house(sku(name), 1);
    let at = |name: &str, price: &str| NewLine { unit_price: Some(eur(price)), ..plain(name) };
    let some = |text: &str| Some(amount(text));
    assert_eq!(prices(vec![plain("a"), plain("a"), plain("a")]), [some("5.00"), some("6.00"), None]);
    assert_eq!(prices(vec![at("a", "6.00"), plain("a")]), [some("6.00"), some("5.00")]);
    assert_eq!(prices(vec![at("a", "7.00"), plain("b")]), [some("7.00"), some("6.00")]);
    assert_eq!(prices(vec![plain("c")]), [None]);
}

#[test]
fn units_that_wait_are_given_up_before_units_that_are_there() {
    let order = Desk::with(&[line("a", "1.00", 3, 2), line("a", "2.00", 1, 1), line("b", "1.00", 9, 0)], &[]).order;
    assert_eq!(order.of_house(&sku("a")), (4, 3));
    for (wanted, kept) in [(9, (4, 3)), (7, (4, 3)), (6, (4, 2)), (4, (4, 0)), (3, (3, 0)), (0, (0, 0))] {
        assert_eq!(order.kept_of(&sku("a"), wanted), kept, "{wanted}");
    }
    let mut desk = Desk::with(&[line("a", "1.00", 3, 2)], &[]);
    change(&mut desk, &wanted(&[("a", 2)]), &[fill("1.00", 2, 0)]).unwrap();
    assert_eq!(released(&desk), [("a".to_owned(), 1, 2)]);
    assert_eq!((desk.order.lines[0].filled, desk.order.lines[0].backordered), (2, 0));
    change(&mut desk, &wanted(&[("a", 5)]), &[fill("1.00", 2, 3)]).unwrap();
    assert!(desk.asks.is_empty(), "what is added was decided by its SKU before: {:?}", desk.asks);
}

#[test]
fn sellers_units_can_be_given_up_and_not_added() {
    let lines = [
        of_seller(line("a", "4.00", 3, 0), 0, "sam"),
        of_seller(line("a", "5.00", 2, 0), 1, "sue"),
        line("a", "6.00", 1, 0),
    ];
    let mut desk = Desk::with(&lines, &[]);
    assert_eq!(desk.order.of_house(&sku("a")), (1, 0), "sellers' units are not the house's");
    let known = desk.order.fill_known(&sku("a")).unwrap();
    assert_eq!((known.price, known.commission_bps), (eur("4.00"), 250));

    let ask = |lines: Vec<NewLine>| NewOrder::new(OrderId::new(START, 1), lines);
    for (lines, why) in [
        (vec![from_seller("a", 4, "sam")], "line 0 has 3 units of its seller"),
        (vec![from_seller("a", 1, "tom")], "units of sellers are not added"),
        (vec![from_seller("b", 1, "sam")], "units of sellers are not added"),
        (vec![from_seller("a", 0, "sam")], ""),
    ] {
        let refusal = edit(&desk.order, &ask(lines), desk.now).unwrap_err();
        assert!(refusal.to_string().contains(why), "{refusal}");
    }
    let kept = ask(vec![from_seller("a", 1, "sam"), NewLine::of_house(sku("a"), 1)]);
    change(&mut desk, &kept, &[fill("9.00", 1, 0)]).unwrap();
    assert_eq!(claims_given_up(&desk), [("a".to_owned(), 0, 2), ("a".to_owned(), 1, 2)]);
    assert!(released(&desk).is_empty(), "the house's unit stays");
    let lines: Vec<_> =
        desk.order.lines.iter().map(|line| (line.filled, line.unit_price, line.claim.is_some())).collect();
    assert_eq!(lines, [(1, amount("4.00"), true), (1, amount("6.00"), false)]);

    let all = ask(vec![from_seller("a", 1, "sam"), NewLine::of_house(sku("a"), 1)]);
    change(&mut desk, &all, &[fill("9.00", 1, 0)]).unwrap();
    assert!(desk.asks.is_empty(), "nothing is given up: {:?}", desk.asks);
}

#[test]
fn kits_stay_kits_at_their_price_and_their_components_go_back() {
    let mut desk =
        Desk::with(&[of_parts(line("k", "8.00", 3, 0), &[("p", 2), ("q", 1)]), line("p", "1.00", 1, 0)], &[]);
    let sold = desk.order.kit_sold(&sku("k")).unwrap();
    let parts = vec![KitPart { sku: sku("p"), quantity: 2 }, KitPart { sku: sku("q"), quantity: 1 }];
    assert_eq!(sold, Kit { price: eur("8.00"), hold_ttl_seconds: 0, parts });
    assert_eq!(desk.order.kit_sold(&sku("p")), None);
    assert_eq!(desk.order.of_house(&sku("p")), (7, 0), "of kits and by itself");
    let fills = [fill("9.00", 2, 0), fill("9.00", 1, 0)];
    change(&mut desk, &wanted(&[("k", 1)]), &fills).unwrap();
    assert_eq!(released(&desk), [("p".to_owned(), 5, 0), ("q".to_owned(), 2, 0)]);

    let short = [fill("9.00", 1, 1), fill("9.00", 1, 0)];
    let refusal = change(&mut desk, &wanted(&[("k", 1)]), &short).unwrap_err();
    assert_eq!(refusal.code(), "order_state_invalid", "a kit is whole");
    let mut plain = Desk::with(&[line("a", "1.00", 2, 0)], &[]);
    assert!(change(&mut plain, &wanted(&[("a", 3)]), &[fill("1.00", 2, 1)]).is_ok(), "plain units may wait");
}

#[test]
fn an_order_keeps_its_currency() {
    let mut desk = Desk::with(&[line("a", "5.00", 1, 0)], &[]);
    let dollars = Fill { price: crate::Money::parse("5.00 USD").unwrap(), ..fill("5.00", 1, 0) };
    let refusal = change(&mut desk, &wanted(&[("b", 1)]), &[dollars]).unwrap_err();
    assert_eq!(refusal.code(), "currency_mismatch");
    assert_eq!(refusal, Refusal::CurrencyMismatch { wanted: "EUR".into(), found: "USD".into() });
}

#[test]
fn an_order_of_which_nothing_is_left_to_be_paid_is_settled() {
    let mut desk = Desk::with(&[line("a", "5.00", 1, 0), line("free", "0.00", 1, 0)], &[]);
    assert!(!desk.order.secured);
    change(&mut desk, &wanted(&[("free", 1)]), &[fill("0.00", 1, 0)]).unwrap();
    assert!(desk.order.secured && desk.order.outcome == Outcome::Open);
    assert_eq!(released(&desk), [("a".to_owned(), 1, 0)]);
    assert!(desk.stock_asks().iter().any(|ask| matches!(ask, StockCommand::Settle { .. })));
    let mut dear = Desk::with(&[line("a", "5.00", 2, 0)], &[]);
    change(&mut dear, &wanted(&[("a", 1)]), &[fill("5.00", 1, 0)]).unwrap();
    assert!(!dear.stock_asks().iter().any(|ask| matches!(ask, StockCommand::Settle { .. })), "it waits for its money");
}

/// An order with a coupon and a promotion.
fn promoted() -> Desk {
    let mut desk = Desk::with(&[line("a", "5.00", 2, 0), line("gift", "0.00", 1, 0)], &[]);
    let uses = vec![used(Subject::Coupon(coupon("SPRING")), 0), used(of_promotion("sale"), 100)];
    desk.order.promoted = Some(Box::new(Promoted { uses: uses.into(), gifts: 1, round: 4, ..Promoted::default() }));
    desk
}

#[test]
fn coupons_stay_presented_and_gifts_are_granted_anew() {
    let desk = promoted();
    let read = edit(&desk.order, &wanted(&[("a", 1), ("gift", 1)]), desk.now).unwrap();
    let wish = read.order.promotions.as_ref().unwrap();
    assert_eq!((wish.round, &wish.coupons[..]), (4, &[coupon("SPRING")][..]));
    assert_eq!(read.order.lines[1].unit_price, None, "the gift's line is no line that was bought");
    let mut again = wanted(&[("a", 1)]);
    again.promotions_mut().coupons.push(coupon("SPRING"));
    again.promotions_mut().coupons.push(coupon("MORE"));
    let read = edit(&desk.order, &again, desk.now).unwrap();
    assert_eq!(
        read.order.promotions.unwrap().coupons[..],
        [coupon("SPRING"), coupon("MORE")],
        "none is presented twice"
    );
    assert_eq!(
        edit(&Desk::with(&[line("a", "1.00", 1, 0)], &[]).order, &wanted(&[("a", 1)]), START).unwrap().order.promotions,
        None
    );
}

#[test]
fn uses_that_nothing_needs_any_more_go_back_in_their_round() {
    let mut desk = promoted();
    change(&mut desk, &wanted(&[("a", 1)]), &[fill("5.00", 1, 0)]).unwrap();
    let uses = desk.asks.iter().filter_map(|ask| match ask {
        OrderAsk::Uses(subject, command) => Some((subject.clone(), command.clone())),
        _ => None,
    });
    let back = UsesCommand::Release { order: desk.order.id, round: 4 };
    assert_eq!(
        uses.collect::<Vec<_>>(),
        [(Subject::Coupon(coupon("SPRING")), back.clone()), (of_promotion("sale"), back)]
    );
}

#[test]
fn a_use_is_held_anew_when_its_amount_is_another_or_it_is_new() {
    let with = |uses: &[AppliedUse]| Promoted { uses: uses.into(), ..Promoted::default() };
    let (one, other) = (of_promotion("one"), of_promotion("other"));
    let before = with(&[used(one.clone(), 100)]);
    let hold = |before: Option<&Promoted>, after: &[AppliedUse]| -> Vec<(Subject, Amount)> {
        let after = with(after);
        uses_to_hold(before, &after).map(|(subject, amount)| (subject.clone(), amount)).collect()
    };
    let same = used(one.clone(), 100);
    assert_eq!(hold(Some(&before), std::slice::from_ref(&same)), []);
    assert_eq!(hold(None, &[same]), [(one.clone(), Amount(10_000))]);
    assert_eq!(hold(Some(&before), &[used(one.clone(), 200)]), [(one, Amount(20_000))]);
    assert_eq!(hold(Some(&before), &[used(other.clone(), 100)]), [(other, Amount(10_000))]);
}

#[test]
fn a_coupon_that_comes_to_nothing_is_dropped_and_no_other() {
    let mut order = wanted(&[("a", 1)]);
    order.promotions_mut().coupons.extend([coupon("ONE"), coupon("TWO")]);
    let invalid = |code: &str| Refusal::CouponInvalid { code: code.into(), why: "it has expired".into() };
    assert!(!drop_coupon(&mut order, &invalid("THREE")), "nobody presented it");
    assert!(!drop_coupon(&mut order, &Refusal::AlreadyPaid), "that is not about a coupon");
    assert!(drop_coupon(&mut order, &invalid("ONE")));
    assert_eq!(order.promotions.as_ref().unwrap().coupons[..], [coupon("TWO")]);
    assert!(!drop_coupon(&mut wanted(&[("a", 1)]), &invalid("ONE")));
}

#[test]
fn a_line_of_which_nothing_is_left_is_no_line_any_more() {
    let mut desk = Desk::with(&[line("a", "5.00", 1, 0), line("b", "1.00", 1, 0)], &[]);
    desk.run(super::cancel(&[(0, 1)])).unwrap();
    let read = edit(&desk.order, &wanted(&[("a", 1)]), desk.now).unwrap();
    assert_eq!(read.order.lines[0].unit_price, None);
    let order: &Order = &desk.order;
    assert_eq!(order.fill_known(&sku("c")), None);
    assert_eq!(order.fill_known(&sku("b")).map(|fill| (fill.price, fill.filled)), Some((eur("1.00"), 0)));
}
