//! What sellers earn: by goods that were shipped and kept, less the commission.

use super::{Desk, amount, cancel, line};
use crate::ledger::{Ledger, LedgerAccount, of_order};
use crate::order::{LineClaim, OrderCommand, OrderEvent, PlacedLine, RefundChoice, decide};
use crate::payment::Method;
use crate::stock::Disposition;
use crate::{Amount, CustomerId, Quantity};

fn bob() -> CustomerId {
    CustomerId::new("bob").unwrap()
}

/// A line of bob's, of which the house keeps 12.5 %.
fn of_bob(price: &str, units: Quantity, discount: &str) -> PlacedLine {
    let claim = Some(Box::new(LineClaim { number: 0, seller: bob(), commission_bps: 1_250 }));
    PlacedLine { claim, discount: amount(discount), ..line("sku", price, units, 0) }
}

fn ship(units: Quantity) -> OrderCommand {
    OrderCommand::Ship { lines: Some(vec![(0, units)]), tracking: None }
}

fn give_back(units: Quantity) -> OrderCommand {
    OrderCommand::Return { lines: vec![(0, units, Disposition::Restock)], refund: RefundChoice::Auto }
}

/// Runs a command with the books beside it; says what bob was told: owed, commission, promoted.
fn run(desk: &mut Desk, books: &mut Ledger, command: &OrderCommand) -> Vec<[Amount; 3]> {
    let (mut events, mut asks) = (Vec::new(), Vec::new());
    decide(&desk.order, command, desk.now, &mut events, &mut asks).unwrap();
    let mut told = Vec::new();
    for event in events {
        let before = desk.order.clone();
        desk.order.apply(&event);
        books.post(desk.order.currency, &of_order(Some(&before), &event, &desk.order));
        if let OrderEvent::PayoutDue { seller, amount, commission, promoted, .. } = event {
            assert_eq!(seller, bob());
            told.push([amount, commission, promoted]);
        }
    }
    books.check();
    told
}

/// A desk with an order that is paid, and its books.
fn paid(lines: &[PlacedLine], total: &str) -> (Desk, Ledger) {
    let (mut desk, mut books) = (Desk::with(lines, &[(Method::External, total)]), Ledger::default());
    let payment = desk.id(0);
    run(&mut desk, &mut books, &OrderCommand::PaymentPaid { payment });
    (desk, books)
}

fn row(amounts: [&str; 3]) -> [Amount; 3] {
    amounts.map(amount)
}

#[test]
fn a_seller_earns_by_what_is_shipped_in_parts_and_less_by_what_comes_back() {
    let (mut desk, mut books) = paid(&[of_bob("3.3333", 3, "0")], "10.00");
    assert_eq!(run(&mut desk, &mut books, &ship(1)), [row(["2.93", "0.41", "0"])], "of 3.34: 6.66 are not shipped");
    assert_eq!(run(&mut desk, &mut books, &ship(2)), [row(["5.82", "0.84", "0"])]);
    let balance = |books: &Ledger, account| books.balance(desk.order.currency, account);
    assert_eq!(balance(&books, LedgerAccount::Payable), -i128::from(amount("8.75").0), "10.00 less 1.25");
    assert_eq!(balance(&books, LedgerAccount::Revenue), 0, "it was never the house's");
    assert_eq!(run(&mut desk, &mut books, &give_back(1)), [row(["-2.91", "-0.42", "0"])]);
    desk.end_refund(0, true);
    assert_eq!(run(&mut desk, &mut books, &give_back(2)), [row(["-5.84", "-0.83", "0"])]);
    let left = |account| books.balance(desk.order.currency, account);
    let accounts = [LedgerAccount::Payable, LedgerAccount::Commission, LedgerAccount::Goodwill];
    assert_eq!(accounts.map(left), [0, 0, 0], "nothing was sold in the end");
    assert!(books.payable_to(&bob()).all(|(_, owed)| owed == 0));
}

#[test]
fn what_is_cancelled_was_never_earned_and_what_is_left_is_earned_whole() {
    let (mut desk, mut books) = paid(&[of_bob("3.3333", 3, "0"), line("own", "5.00", 1, 0)], "15.00");
    run(&mut desk, &mut books, &ship(1));
    run(&mut desk, &mut books, &cancel(&[(0, 1)]));
    desk.end_refund(0, true);
    run(&mut desk, &mut books, &OrderCommand::Ship { lines: None, tracking: None });
    let total = desk.order.total();
    let sold: i128 = [LedgerAccount::Payable, LedgerAccount::Commission, LedgerAccount::Revenue]
        .iter()
        .map(|account| -books.balance(desk.order.currency, *account))
        .sum();
    assert_eq!((total, sold), (amount("11.67"), i128::from(amount("11.67").0)));
}

#[test]
fn what_promotions_take_off_is_given_away_by_the_house_and_not_by_the_seller() {
    let (mut desk, mut books) = paid(&[of_bob("10.00", 2, "4.00")], "16.00");
    let told = run(&mut desk, &mut books, &OrderCommand::Ship { lines: None, tracking: None });
    assert_eq!(told, [row(["17.50", "2.50", "4.00"])]);
    assert_eq!(books.balance(desk.order.currency, LedgerAccount::Goodwill), i128::from(amount("4.00").0));
    assert_eq!(run(&mut desk, &mut books, &give_back(2)), [row(["-17.50", "-2.50", "-4.00"])]);
    assert_eq!(books.balance(desk.order.currency, LedgerAccount::Goodwill), 0);
}

#[test]
fn goods_of_the_house_owe_nobody() {
    let (mut desk, mut books) = paid(&[line("own", "5.00", 2, 0)], "10.00");
    assert!(run(&mut desk, &mut books, &OrderCommand::Ship { lines: None, tracking: None }).is_empty());
    assert_eq!(books.payables().count(), 0);
}
