//! What happens in the shop: random acts of buyers, staff, the gateway and time.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use smallvec::SmallVec;

use super::gateway::Luck;
use super::shop::Shop;
use crate::order::{Charge, ChargeKind, Kit, NewLine, NewOrder, OrderCommand, RefundChoice, Tender};
use crate::payment::{Method, PaymentCommand};
use crate::stock::{Admission, Definition, Disposition, KitPart, StockCommand};
use crate::{Amount, CustomerId, Location, Lot, Money, OrderId, Quantity, Refusal, SkuId, Timestamp};

const SKUS: [(&str, i64); 4] = [("apple", 3_333), ("book", 99_900), ("car", 12_345_678), ("air", 0)];
/// One apple and two books, at a price of its own.
const KIT: &str = "set";
const CUSTOMERS: [&str; 2] = ["ann", "bob"];

/// A line of a cart: which SKU, how many, at which price if not the list price.
type Row = (usize, Quantity, Option<i64>);
/// A way to pay: how, and how many hundredths of a typical total, or all the rest.
type Tendered = (usize, Option<i64>);

#[derive(Debug, Clone)]
pub(super) struct Cart {
    rows: Vec<Row>,
    tenders: Vec<Tendered>,
    charge: Option<i64>,
    customer: Option<usize>,
    expected: Option<i64>,
    partial: bool,
    backorder: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    Place(Cart),
    Pay(usize, Vec<Tendered>),
    Extend(usize, u32),
    Cancel(usize, Option<Vec<(u32, Option<Quantity>)>>),
    Ship(usize, Option<Vec<(u32, Quantity)>>),
    Deliver(usize),
    Return(usize, Vec<(u32, Quantity, usize)>, Option<i64>),
    RefundAmount(usize, i64),
    RefundLines(usize, Vec<(u32, Quantity)>),
    Receive(usize, Quantity, bool),
    Adjust(usize, i64, bool),
    Define(usize, Quantity, Option<Quantity>),
    Credit(usize, i64),
    Wait(u32),
    Gateway(usize, Luck),
    AskAgain(usize),
}

fn tenders() -> impl Strategy<Value = Vec<Tendered>> {
    let tender = (0..4usize, weighted(0.4, 1..40i64));
    prop_oneof![2 => vec(tender.clone(), 0..2), 3 => vec(tender, 1..4), 4 => (0..4usize).prop_map(|method| vec![(method, None)])]
}

fn cart() -> impl Strategy<Value = Cart> {
    let row = (0..=SKUS.len(), 1..5u64, weighted(0.2, 0..50_000i64));
    let rows = prop_oneof![3 => vec(row.clone(), 1..2), 2 => vec(row, 2..5)];
    let rest = (weighted(0.3, 0..900i64), weighted(0.8, 0..2usize), weighted(0.2, 0..100_000_000i64));
    let modes = (weighted(0.4, Just(())), weighted(0.5, Just(())));
    (rows, tenders(), rest, modes).prop_map(|(rows, tenders, (charge, customer, expected), (partial, backorder))| {
        Cart { rows, tenders, charge, customer, expected, partial: partial.is_some(), backorder: backorder.is_some() }
    })
}

/// Somebody who stands in line, and pays when it is his turn.
fn queueing() -> impl Strategy<Value = Cart> {
    (3..7u64, 0..2usize).prop_map(|(quantity, customer)| Cart {
        rows: vec![(2, quantity, None)],
        tenders: Vec::new(),
        charge: None,
        customer: Some(customer),
        expected: None,
        partial: false,
        backorder: false,
    })
}

fn act() -> impl Strategy<Value = Act> {
    let order = || any::<usize>();
    let lines = || vec((0..3u32, 0..4u64), 1..3);
    let luck = any::<(bool, bool, bool)>().prop_map(|(heard, approves, answers)| Luck { heard, approves, answers });
    let returned = vec((0..3u32, 1..3u64, 0..3usize), 1..3);
    let of_orders = prop_oneof![
        7 => cart().prop_map(Act::Place),
        2 => queueing().prop_map(Act::Place),
        6 => (order(), tenders()).prop_map(|(order, tenders)| Act::Pay(order, tenders)),
        1 => (order(), 0..2000u32).prop_map(|(order, seconds)| Act::Extend(order, seconds)),
        2 => order().prop_map(|order| Act::Cancel(order, None)),
        4 => (order(), vec((0..3u32, weighted(0.7, 1..4u64)), 1..3)).prop_map(|(order, lines)| Act::Cancel(order, Some(lines))),
        4 => order().prop_map(|order| Act::Ship(order, None)),
        3 => (order(), lines()).prop_map(|(order, lines)| Act::Ship(order, Some(lines))),
        1 => order().prop_map(Act::Deliver),
        6 => (order(), returned, weighted(0.5, 0..20i64)).prop_map(|(order, lines, refund)| Act::Return(order, lines, refund)),
        3 => (order(), 0..120i64).prop_map(|(order, part)| Act::RefundAmount(order, part)),
        1 => (order(), lines()).prop_map(|(order, lines)| Act::RefundLines(order, lines)),
    ];
    let of_others = prop_oneof![
        4 => (0..SKUS.len(), 1..8u64, any::<bool>()).prop_map(|(sku, quantity, dated)| Act::Receive(sku, quantity, dated)),
        3 => (0..SKUS.len(), -6..3i64, any::<bool>()).prop_map(|(sku, delta, force)| Act::Adjust(sku, delta, force)),
        1 => (0..SKUS.len(), 0..2u64, weighted(0.8, 0..20u64)).prop_map(|(sku, safety, max)| Act::Define(sku, safety, max)),
        3 => (0..2usize, 1..9_000i64).prop_map(|(customer, minor)| Act::Credit(customer, minor)),
        2 => prop_oneof![1..60u32, 200..2000u32].prop_map(Act::Wait),
        12 => (any::<usize>(), luck).prop_map(|(call, luck)| Act::Gateway(call, luck)),
        1 => any::<usize>().prop_map(Act::AskAgain),
    ];
    prop_oneof![3 => of_orders, 2 => of_others]
}

/// Up to this many acts.
pub(super) fn acts(length: usize) -> impl Strategy<Value = Vec<Act>> {
    vec(act(), 1..length)
}

/// The last index is the kit's.
fn sku(index: usize) -> SkuId {
    SkuId::new(SKUS.get(index).map_or(KIT, |row| row.0)).unwrap()
}

/// What a kit is, in the currency of its components.
pub(super) fn kit(name: &SkuId, currency: crate::Currency) -> Option<Kit> {
    let part = |index: usize, quantity| KitPart { sku: sku(index), quantity };
    (name.as_str() == KIT).then(|| Kit {
        price: Money::new(Amount(66_650), currency),
        hold_ttl_seconds: 700,
        parts: vec![part(0, 1), part(1, 2)],
    })
}

impl Shop {
    /// Fills the shelves and the wallets.
    pub(super) fn open(&mut self) {
        for index in 0..SKUS.len() {
            self.define(index, 0, Some(15)).unwrap();
            self.receive(index, 6, false).unwrap();
        }
        for index in 0..CUSTOMERS.len() {
            self.credit_minor(index, 20_000).unwrap();
        }
    }

    fn money(&self, minor: i64) -> Money {
        Money::new(Amount(minor * self.currency.minor_unit()), self.currency)
    }

    fn define(&mut self, index: usize, safety_level: Quantity, backorder_max: Option<Quantity>) -> Result<(), Refusal> {
        let price = Money::new(Amount(SKUS[index].1), self.currency);
        // Cars are so scarce that buyers wait in line.
        let admission = (index == 2).then(|| Box::new(Admission::WaitingList { offer_seconds: 600 }));
        let plain = Definition::new(SKUS[index].0, price);
        let definition = Definition { safety_level, backorder_max, admission, ..plain };
        self.stock(&sku(index), &StockCommand::Define(Box::new(definition)))
    }

    fn receive(&mut self, index: usize, quantity: Quantity, dated: bool) -> Result<(), Refusal> {
        let lot = dated.then(|| Lot::new(format!("{}", self.now.0 / 500_000_000)).unwrap());
        let expires_at = dated.then(|| Timestamp((self.now.0 / 500_000_000 + 4) * 500_000_000));
        let receive = StockCommand::Receive { location: Location::main(), lot, expires_at, quantity, unit_cost: None };
        self.stock(&sku(index), &receive)
    }

    fn credit_minor(&mut self, index: usize, minor: i64) -> Result<(), Refusal> {
        self.credit(&CustomerId::new(CUSTOMERS[index]).unwrap(), self.money(minor))
    }

    fn tenders(&self, rows: &[Tendered]) -> SmallVec<[Tender; 1]> {
        let tender = |(method, minor): &Tendered| Tender {
            amount: minor.map(|minor| self.money(minor * 10)),
            credential: Some("token".into()),
            ..Tender::by(Method::ALL[*method].0)
        };
        rows.iter().map(tender).collect()
    }

    fn cart(&self, cart: &Cart) -> NewOrder {
        let line = |(index, quantity, price): &Row| NewLine {
            sku: sku(*index),
            quantity: *quantity,
            unit_price: price.map(|price| Money::new(Amount(price), self.currency)),
            supply: None,
        };
        let id = OrderId::new(self.now, self.orders.len() as u128 + 1);
        let mut order = NewOrder::new(id, cart.rows.iter().map(line));
        order.customer = cart.customer.map(|index| CustomerId::new(CUSTOMERS[index]).unwrap());
        order.charges.extend(cart.charge.map(|minor| Charge { kind: ChargeKind::Shipping, money: self.money(minor) }));
        order.payments = self.tenders(&cart.tenders);
        order.expected_total = cart.expected.map(|amount| Money::new(Amount(amount), self.currency));
        (order.allow_partial, order.allow_backorder) = (cart.partial, cart.backorder);
        order
    }

    /// Mostly the newest order, so that much happens to one.
    fn some_order(&self, choice: usize) -> Option<OrderId> {
        let back = if choice.is_multiple_of(3) { choice / 3 % self.orders.len().clamp(1, 5) } else { 0 };
        self.orders.keys().rev().nth(back).copied()
    }

    /// Does what can be done of an act; a refusal is an answer too.
    pub(super) fn act(&mut self, act: &Act) -> Result<(), Refusal> {
        let command = |command| Some(command);
        let (choice, command) = match act {
            Act::Place(cart) => return self.place(&self.cart(cart)),
            Act::Pay(choice, tenders) => {
                let tenders = self.tenders(tenders);
                return self.some_order(*choice).map_or(Ok(()), |order| self.pay(order, &tenders));
            }
            Act::Extend(choice, seconds) => (choice, command(OrderCommand::Extend { seconds: *seconds })),
            Act::Cancel(choice, lines) => (choice, command(OrderCommand::Cancel { lines: lines.clone() })),
            Act::Ship(choice, lines) => (choice, command(OrderCommand::Ship { lines: lines.clone(), tracking: None })),
            Act::Deliver(choice) => (choice, command(OrderCommand::Deliver)),
            Act::Return(choice, lines, refund) => {
                let refund = match refund {
                    None => RefundChoice::Auto,
                    Some(0..10) => RefundChoice::Nothing,
                    Some(minor) => RefundChoice::Exactly(self.money(*minor)),
                };
                let row = |(line, quantity, way): &(u32, Quantity, usize)| (*line, *quantity, Disposition::ALL[*way].0);
                (choice, command(OrderCommand::Return { lines: lines.iter().map(row).collect(), refund }))
            }
            Act::RefundAmount(choice, part) => (choice, self.part_of(*choice, *part)),
            Act::RefundLines(choice, lines) => {
                (choice, command(OrderCommand::RefundLines { lines: lines.clone(), reason: "late".into() }))
            }
            _ => return self.act_of_others(act),
        };
        match (self.some_order(*choice), command) {
            (Some(order), Some(command)) => self.order(order, &command),
            _ => Ok(()),
        }
    }

    fn act_of_others(&mut self, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::Receive(index, quantity, dated) => self.receive(*index, *quantity, *dated),
            Act::Define(index, safety, max) => self.define(*index, *safety, *max),
            Act::Adjust(index, delta, force) => {
                let (location, reason) = (Location::main(), "counted".into());
                self.stock(
                    &sku(*index),
                    &StockCommand::Adjust { location, lot: None, delta: *delta, reason, force: *force },
                )
            }
            Act::Credit(index, minor) => self.credit_minor(*index, *minor),
            Act::Wait(seconds) => {
                self.wait(*seconds);
                Ok(())
            }
            Act::Gateway(choice, luck) => {
                if !self.gateway.calls.is_empty() {
                    // Mostly what was asked last, sometimes what was answered long ago.
                    let count = self.gateway.calls.len();
                    let recent = count - 1 - choice % count.min(4);
                    self.answer(if choice.is_multiple_of(7) { choice % count } else { recent }, *luck);
                }
                Ok(())
            }
            Act::AskAgain(choice) => {
                if let Some(id) = self.payments.keys().nth(choice % self.payments.len().max(1)).copied() {
                    self.payment(id, &PaymentCommand::AskAgain);
                }
                Ok(())
            }
            _ => unreachable!("{act:?} is an order's"),
        }
    }

    /// This many hundredths of what was paid and is still here.
    fn part_of(&self, choice: usize, part: i64) -> Option<OrderCommand> {
        let order = &self.orders[&self.some_order(choice)?];
        let amount = Amount((order.paid().0 - order.refunded().0) * part / 100).rounded(self.currency)?;
        Some(OrderCommand::RefundAmount { amount: Money::new(amount, self.currency), reason: "sorry".into() })
    }

    fn answer(&mut self, index: usize, luck: Luck) {
        let call = self.gateway.calls[index].clone();
        let outcome = self.gateway.answer(&call, luck);
        self.payment(call.payment, &PaymentCommand::Answer { operation: call.operation, outcome });
    }

    /// The gateway answers everything that is open.
    pub(super) fn drain(&mut self) {
        for _ in 0..20 {
            let open = self.payments.values().any(|payment| payment.open.is_some());
            if !open {
                return;
            }
            for index in 0..self.gateway.calls.len() {
                let luck = Luck { heard: true, approves: index % 3 != 0, answers: true };
                self.answer(index, luck);
            }
        }
        panic!("a payment never ends");
    }
}
