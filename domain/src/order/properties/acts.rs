//! What happens in the shop: random acts of buyers, staff, the gateway and time.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use smallvec::SmallVec;

use super::gateway::{Luck, PLAIN};
use super::promotions::COUPONS;
use super::shop::Shop;
use super::{stall, worth};
use crate::entity::{EntityKey, Event};
use crate::order::{
    Charge, ChargeKind, ChargeTime, Kit, LineSupply, NewLine, NewOrder, OrderCommand, OrderEvent, RefundChoice, Tender,
};
use crate::payment::gateway::Notice;
use crate::payment::{Method, PaymentCommand};
use crate::promotion::CouponCode;
use crate::stock::market::Seller;
use crate::stock::{Admission, Definition, Disposition, KitPart, StockCommand};
use crate::{Amount, CustomerId, Location, Lot, Money, OrderId, PaymentId, Quantity, Refusal, SkuId, Timestamp};

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
    /// When it is charged, by its place among all such times.
    charge_time: usize,
    coupon: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    Place(Cart),
    Pay(usize, Vec<Tendered>),
    Extend(usize, u32),
    Cancel(usize, Option<Vec<(u32, Option<Quantity>)>>),
    Ship(usize, Option<Vec<(u32, Quantity)>>),
    Deliver(usize),
    Complete(usize),
    /// Other lines, and a coupon.
    Edit(usize, Vec<Row>, Option<usize>),
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
    /// So many hundredths of what is set aside, or all of it.
    Capture(usize, Option<i64>),
    Void(usize),
    /// The buyer did what was wanted.
    ActionDone(usize),
    Resume(usize),
}

fn tenders() -> impl Strategy<Value = Vec<Tendered>> {
    let tender = (0..4usize, weighted(0.4, 1..40i64));
    prop_oneof![2 => vec(tender.clone(), 0..2), 3 => vec(tender, 1..4), 4 => (0..4usize).prop_map(|method| vec![(method, None)])]
}

fn cart() -> impl Strategy<Value = Cart> {
    let rows = prop_oneof![3 => vec(row(), 1..2), 2 => vec(row(), 2..5)];
    let rest = (weighted(0.3, 0..900i64), weighted(0.8, 0..2usize), weighted(0.2, 0..100_000_000i64));
    let modes = (any::<bool>(), any::<bool>(), 0..6usize, weighted(0.3, 0..COUPONS.len()));
    (rows, tenders(), rest, modes).prop_map(
        |(rows, tenders, (charge, customer, expected), (partial, backorder, charge_time, coupon))| {
            let charge_time = charge_time.saturating_sub(3);
            Cart { rows, tenders, charge, customer, expected, partial, backorder, charge_time, coupon }
        },
    )
}

/// The last but one is the kit, the last is what sellers offer.
fn row() -> impl Strategy<Value = Row> {
    (0..=SKUS.len() + 1, 1..5u64, weighted(0.2, 0..50_000i64))
}

/// An order that waits for goods and is charged when they have come.
fn patient() -> impl Strategy<Value = Cart> {
    // Some cost more than there is in a wallet when the goods have come.
    let price = prop_oneof![3 => Just(10_000), 1 => Just(500_000)];
    (0..2usize, 5..9u64, 0..4usize, price).prop_map(|(sku, quantity, method, price)| Cart {
        rows: vec![(sku, quantity, Some(price))],
        tenders: vec![(method, None)],
        charge: None,
        customer: Some(0),
        expected: None,
        partial: false,
        backorder: true,
        charge_time: 1,
        coupon: None,
    })
}

/// An order whose card is charged when its goods are sent.
fn unhurried() -> impl Strategy<Value = Cart> {
    (vec((0..2usize, 1..4u64), 1..3), weighted(0.5, 1..9i64)).prop_map(|(rows, wallet)| Cart {
        rows: rows.into_iter().map(|(sku, quantity)| (sku, quantity, None)).collect(),
        tenders: wallet.into_iter().map(|part| (0, Some(part))).chain([(1, None)]).collect(),
        charge: Some(490),
        customer: Some(1),
        expected: None,
        partial: false,
        backorder: false,
        charge_time: 2,
        coupon: None,
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
        charge_time: 0,
        coupon: None,
    })
}

fn act() -> impl Strategy<Value = Act> {
    let order = || any::<usize>();
    let lines = || vec((0..3u32, 0..4u64), 1..3);
    let luck = (any::<(bool, bool, bool)>(), prop_oneof![2 => Just(PLAIN), 3 => 1..6u8]);
    let luck = luck.prop_map(|((heard, approves, answers), odd)| Luck { heard, approves, answers, odd });
    let line = || prop_oneof![3 => Just(0u32), 1 => 1..3u32];
    let returned = vec((line(), 1..3u64, 0..3usize), 1..3);
    let of_orders = prop_oneof![
        7 => cart().prop_map(Act::Place),
        2 => queueing().prop_map(Act::Place),
        2 => patient().prop_map(Act::Place),
        2 => unhurried().prop_map(Act::Place),
        4 => (order(), vec(row(), 1..4), weighted(0.2, 0..COUPONS.len()))
            .prop_map(|(order, rows, coupon)| Act::Edit(order, rows, coupon)),
        1 => order().prop_map(Act::Complete),
        6 => (order(), tenders()).prop_map(|(order, tenders)| Act::Pay(order, tenders)),
        1 => (order(), 0..2000u32).prop_map(|(order, seconds)| Act::Extend(order, seconds)),
        2 => order().prop_map(|order| Act::Cancel(order, None)),
        4 => (order(), vec((0..3u32, weighted(0.7, 1..4u64)), 1..3)).prop_map(|(order, lines)| Act::Cancel(order, Some(lines))),
        6 => order().prop_map(|order| Act::Ship(order, None)),
        3 => (order(), lines()).prop_map(|(order, lines)| Act::Ship(order, Some(lines))),
        1 => order().prop_map(Act::Deliver),
        9 => (order(), returned, weighted(0.4, 0..20i64)).prop_map(|(order, lines, refund)| Act::Return(order, lines, refund)),
        3 => (order(), 0..120i64).prop_map(|(order, part)| Act::RefundAmount(order, part)),
        2 => (order(), vec((line(), 1..3u64), 1..3)).prop_map(|(order, lines)| Act::RefundLines(order, lines)),
    ];
    let of_others = prop_oneof![
        4 => (0..SKUS.len(), 1..8u64, any::<bool>()).prop_map(|(sku, quantity, dated)| Act::Receive(sku, quantity, dated)),
        3 => (0..SKUS.len(), -6..3i64, any::<bool>()).prop_map(|(sku, delta, force)| Act::Adjust(sku, delta, force)),
        1 => (0..SKUS.len(), 0..2u64, weighted(0.8, 0..20u64)).prop_map(|(sku, safety, max)| Act::Define(sku, safety, max)),
        3 => (0..2usize, 1..9_000i64).prop_map(|(customer, minor)| Act::Credit(customer, minor)),
        2 => prop_oneof![1..60u32, 200..2000u32].prop_map(Act::Wait),
        12 => (any::<usize>(), luck).prop_map(|(call, luck)| Act::Gateway(call, luck)),
        1 => any::<usize>().prop_map(Act::AskAgain),
        1 => (any::<usize>(), weighted(0.6, 1..120i64)).prop_map(|(payment, part)| Act::Capture(payment, part)),
        1 => any::<usize>().prop_map(Act::Void),
        1 => any::<usize>().prop_map(Act::ActionDone),
        1 => any::<usize>().prop_map(Act::Resume),
    ];
    prop_oneof![3 => of_orders, 2 => of_others]
}

/// Up to this many acts.
pub(super) fn acts(length: usize) -> impl Strategy<Value = Vec<Act>> {
    vec(act(), 1..length)
}

fn sku(index: usize) -> SkuId {
    let beyond = if index == SKUS.len() { KIT } else { stall::SKU };
    SkuId::new(SKUS.get(index).map_or(beyond, |row| row.0)).unwrap()
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

    fn line(&self, (index, quantity, price): &Row) -> NewLine {
        let of_sellers = *index > SKUS.len();
        let seller = price.map_or(Seller::Any, |price| Seller::Named(stall::seller(price as usize % 2)));
        let unit_price = price.map(|price| Money::new(Amount(price), self.currency)).filter(|_| !of_sellers);
        let supply = of_sellers.then(|| Box::new(LineSupply { seller, max_unit_price: None }));
        NewLine { sku: sku(*index), quantity: *quantity, unit_price, supply }
    }

    fn cart(&self, cart: &Cart) -> NewOrder {
        let id = OrderId::new(self.now, self.orders.len() as u128 + 1);
        let mut order = NewOrder::new(id, cart.rows.iter().map(|row| self.line(row)));
        order.charge = ChargeTime::ALL[cart.charge_time].0;
        if let Some(index) = cart.coupon {
            order.promotions_mut().coupons.push(CouponCode::new(COUPONS[index]).unwrap());
        }
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
            Act::Complete(choice) => (choice, command(OrderCommand::Complete)),
            Act::Edit(choice, rows, coupon) => {
                let Some(order) = self.some_order(*choice) else { return Ok(()) };
                let mut wanted = NewOrder::new(order, rows.iter().map(|row| self.line(row)));
                if let Some(index) = coupon {
                    wanted.promotions_mut().coupons.push(CouponCode::new(COUPONS[*index]).unwrap());
                }
                return self.edit(order, &wanted);
            }
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
            (Some(order), Some(command)) => self.command(order, &command),
            _ => Ok(()),
        }
    }

    /// A command to an order; what it gives back is told by plain sums too.
    fn command(&mut self, id: OrderId, command: &OrderCommand) -> Result<(), Refusal> {
        if matches!(command, OrderCommand::Ship { .. }) && !self.may_ship(id) {
            return Ok(());
        }
        let before = self.orders[&id].clone();
        let discounted = before.lines.iter().any(|line| line.discount.0 > 0);
        self.order(id, command)?;
        match command {
            OrderCommand::Return { lines, refund: RefundChoice::Auto } => {
                let (mut lines_left, mut due) = (before.lines.clone(), 0);
                for (index, quantity, _) in lines {
                    let line = &mut lines_left[*index as usize];
                    due += worth::of_next(line, *quantity, self.currency);
                    line.returned += quantity;
                }
                let returned = self.journal.iter().rev().find_map(|(key, event, _)| match event {
                    Event::Order(OrderEvent::Returned { refund, .. }) if *key == EntityKey::Order(id) => Some(*refund),
                    _ => None,
                });
                let left = before.paid().0 - before.refunded().0;
                assert_eq!(returned, Some(Amount(due.min(left))), "each unit gives back its own share");
                self.note(if discounted { "discounted units returned" } else { "units returned" });
                let of_seller =
                    |(line, ..): &(u32, Quantity, Disposition)| before.lines[*line as usize].claim.is_some();
                if lines.iter().any(of_seller) {
                    self.note("a seller's units returned");
                }
            }
            OrderCommand::RefundLines { .. } if discounted => self.note("discounted units refunded"),
            OrderCommand::Cancel { lines: Some(_) } if before.secured && discounted => {
                self.note("discounted units cancelled");
            }
            OrderCommand::Cancel { lines: None } if before.secured && discounted => {
                self.note("a discounted order cancelled");
            }
            _ => {}
        }
        Ok(())
    }

    /// Unpaid goods are sent only when the money of every card is set aside.
    fn may_ship(&self, id: OrderId) -> bool {
        let order = &self.orders[&id];
        let open = order.payments.iter().filter(|seen| seen.is_pending() && seen.method == Method::Card);
        order.secured || open.map(|seen| &self.payments[&seen.id]).all(|card| card.has_money_set_aside())
    }

    fn some_card(&self, choice: usize) -> Option<PaymentId> {
        let cards = self.payments.values().filter(|payment| payment.method == Method::Card);
        let ids: Vec<_> = cards.map(|payment| payment.id).collect();
        (!ids.is_empty()).then(|| ids[ids.len() - 1 - choice % ids.len().min(4)])
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
            Act::AskAgain(choice) => match self.payments.keys().nth(choice % self.payments.len().max(1)).copied() {
                Some(id) => self.payment(id, &PaymentCommand::AskAgain),
                None => Ok(()),
            },
            Act::Capture(..) | Act::Void(_) | Act::ActionDone(_) | Act::Resume(_) => self.act_on_card(act),
            _ => unreachable!("{act:?} is an order's"),
        }
    }

    fn act_on_card(&mut self, act: &Act) -> Result<(), Refusal> {
        let (Act::Capture(choice, _) | Act::Void(choice) | Act::ActionDone(choice) | Act::Resume(choice)) = act else {
            unreachable!("{act:?} is not about a card")
        };
        let Some(id) = self.some_card(*choice) else { return Ok(()) };
        let set_aside = self.payments[&id].capturable().0;
        let part = |part: i64| Amount(set_aside * part / 100).rounded(self.currency).expect("it is small");
        let command = match act {
            Act::Capture(_, wanted) => PaymentCommand::Capture { amount: wanted.map(part) },
            Act::Void(_) => PaymentCommand::Void,
            Act::Resume(_) => PaymentCommand::Resume,
            _ => PaymentCommand::Notice(Notice::ActionDone),
        };
        self.payment(id, &command)
    }

    /// This many hundredths of what was paid and is still here.
    fn part_of(&self, choice: usize, part: i64) -> Option<OrderCommand> {
        let order = &self.orders[&self.some_order(choice)?];
        let amount = Amount((order.paid().0 - order.refunded().0) * part / 100).rounded(self.currency)?;
        Some(OrderCommand::RefundAmount { amount: Money::new(amount, self.currency), reason: "sorry".into() })
    }

    fn answer(&mut self, index: usize, luck: Luck) {
        let call = self.gateway.calls[index].clone();
        let outcome = self.gateway.answer(&call, luck, self.now);
        let answer = PaymentCommand::Answer { operation: call.operation, outcome };
        self.payment(call.payment, &answer).expect("an answer is not refused");
    }

    /// The gateway answers everything that is open, operators see to what it gave up, and whoever has only set money aside
    /// is sent his goods, or cancels.
    pub(super) fn drain(&mut self) {
        for round in 0..30 {
            let given_up: Vec<_> = self.payments.values().filter(|it| it.is_given_up()).map(|it| it.id).collect();
            for id in given_up {
                self.payment(id, &PaymentCommand::Resume).expect("what was given up can be resumed");
            }
            for index in 0..self.gateway.calls.len() {
                let luck = Luck { heard: true, approves: (index + round) % 3 != 0, answers: true, odd: PLAIN };
                self.answer(index, luck);
            }
            if self.payments.values().any(|it| it.open.is_some() || it.is_given_up()) {
                continue;
            }
            let pinned: Vec<_> = self.orders.values().filter(|it| it.is_pinned()).map(|it| it.id).collect();
            if pinned.is_empty() {
                return;
            }
            for id in pinned {
                let ships = OrderCommand::Ship { lines: None, tracking: None };
                let is_sent = round % 2 == 0 && self.command(id, &ships).is_ok();
                if !is_sent {
                    let _ = self.command(id, &OrderCommand::Cancel { lines: None });
                }
            }
        }
        panic!("a payment never ends");
    }
}
