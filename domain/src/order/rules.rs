//! The rules of an order, one by one, each as a sentence.

mod charging;
mod earning;
mod editing;
mod giving_back;
mod late;
mod learning;
mod placing;
mod promoting;
mod retry;
mod standing;
mod statuses;
mod table;

use super::{Fill, Order, OrderAsk, OrderCommand, OrderEvent, PlacedLine, PlannedPayment, decide};
use crate::payment::{Method, PaymentCommand};
use crate::stock::StockCommand;
use crate::{Amount, CustomerId, Money, OrderId, PaymentId, Quantity, Refusal, SkuId, Timestamp};

const START: Timestamp = Timestamp(1_700_000_000_000_000);

fn sku(name: &str) -> SkuId {
    SkuId::new(name).unwrap()
}

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

fn amount(text: &str) -> Amount {
    eur(text).amount
}

/// A line: its SKU, the price of one, units filled, units that wait.
/// What a shelf answers: at a price, so many units at once, and so many that wait.
fn fill(price: &str, filled: Quantity, backordered: Quantity) -> Fill {
    let (category, brand) = (None, None);
    Fill {
        price: eur(price),
        hold_ttl_seconds: 900,
        commission_bps: 0,
        filled,
        backordered,
        waiting: false,
        category,
        brand,
    }
}

fn line(name: &str, price: &str, filled: Quantity, backordered: Quantity) -> PlacedLine {
    let quantity = filled + backordered;
    PlacedLine {
        sku: sku(name),
        quantity,
        unit_price: amount(price),
        filled,
        backordered,
        kit: None,
        claim: None,
        discount: Amount::ZERO,
    }
}

/// An order on somebody's desk, with what it asked of others.
struct Desk {
    order: Order,
    now: Timestamp,
    asks: Vec<OrderAsk>,
}

impl Desk {
    fn with(lines: &[PlacedLine], payments: &[(Method, &str)]) -> Self {
        let payment =
            |(method, text): &(Method, &str)| PlannedPayment { method: *method, amount: amount(text), reference: None };
        let placed = OrderEvent::Placed {
            customer: Some(CustomerId::new("ann").unwrap()),
            purchaser_key: None,
            currency: "EUR".parse().unwrap(),
            lines: lines.iter().cloned().collect(),
            charges: [].into_iter().collect(),
            payments: payments.iter().map(payment).collect(),
            hold_expires_at: START.plus_seconds(900),
            body_digest: 0,
            attempt: 0,
            waiting: false,
            bid: None,
            promoted: None,
            deferred: None,
        };
        let order = Order::create(OrderId::new(START, 1), &placed, START);
        Self { order, now: START, asks: Vec::new() }
    }

    /// A paid order of one line.
    fn paid(price: &str, units: Quantity, total: &str) -> Self {
        let mut desk = Self::with(&[line("sku", price, units, 0)], &[(Method::External, total)]);
        desk.secure(0);
        assert!(desk.order.secured, "{total} pays for it");
        desk
    }

    fn id(&self, number: usize) -> PaymentId {
        self.order.payments[number].id
    }

    fn run(&mut self, command: OrderCommand) -> Result<Vec<&'static str>, Refusal> {
        let (mut events, mut asks) = (Vec::new(), Vec::new());
        let decision = decide(&self.order, &command, self.now, &mut events, &mut asks);
        if let Err(refusal) = decision {
            assert!(events.is_empty() && asks.is_empty(), "{refusal} left something behind");
            return Err(refusal);
        }
        events.iter().for_each(|event| self.order.apply(event));
        self.asks = asks;
        Ok(events.iter().map(OrderEvent::name).collect())
    }

    fn code(&mut self, command: OrderCommand) -> &'static str {
        self.run(command).expect_err("it is refused").code()
    }

    fn secure(&mut self, number: usize) -> Vec<&'static str> {
        let payment = self.id(number);
        self.run(OrderCommand::PaymentPaid { payment }).unwrap()
    }

    fn fail(&mut self, number: usize) -> Vec<&'static str> {
        let payment = self.id(number);
        self.run(OrderCommand::PaymentFailed { payment, reason: "no".into() }).unwrap()
    }

    fn ship(&mut self) {
        self.run(OrderCommand::Ship { lines: None, tracking: None }).unwrap();
    }

    /// The refunds asked for, as (payment number, amount).
    fn refunds(&self) -> Vec<(u32, Amount)> {
        let refund = |ask: &OrderAsk| match ask {
            OrderAsk::Payment(id, PaymentCommand::Refund { amount }) => {
                Some((self.order.payment_number(*id).unwrap(), *amount))
            }
            _ => None,
        };
        self.asks.iter().filter_map(refund).collect()
    }

    /// Ends the refund of a payment that is under way.
    fn end_refund(&mut self, number: usize, done: bool) -> Vec<&'static str> {
        let (payment, amount) = (self.id(number), self.order.payments[number].refunding);
        self.run(OrderCommand::PaymentRefunded { payment, amount, done }).unwrap()
    }

    fn abandoned(&self) -> Vec<u32> {
        let number = |ask: &OrderAsk| match ask {
            OrderAsk::Payment(id, PaymentCommand::Abandon) => self.order.payment_number(*id),
            _ => None,
        };
        self.asks.iter().filter_map(number).collect()
    }

    fn stock_asks(&self) -> Vec<StockCommand> {
        let stock = |ask: &OrderAsk| match ask {
            OrderAsk::Stock(_, command) => Some(command.clone()),
            OrderAsk::Payment(..) | OrderAsk::Uses(..) | OrderAsk::Charge(_) => None,
        };
        self.asks.iter().filter_map(stock).collect()
    }
}

fn cancel(lines: &[(u32, Quantity)]) -> OrderCommand {
    OrderCommand::Cancel { lines: Some(lines.iter().map(|(line, units)| (*line, Some(*units))).collect()) }
}

const CANCEL: OrderCommand = OrderCommand::Cancel { lines: None };
