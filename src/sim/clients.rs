//! The clients of a simulation: what they ask, what they were told, and what they may hold the engine to afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stockade_actors::command::{Answer, Command};
use stockade_actors::release::Receipt;
use stockade_domain::account::AccountCommand;
use stockade_domain::book::{Side, TimeInForce};
use stockade_domain::entity::EntityKey;
use stockade_domain::order::{ChargeTime, NewLine, NewOrder, OrderCommand, RefundChoice, Tender};
use stockade_domain::payment::Method;
use stockade_domain::promotion::uses::{Subject, Terms, UsesCommand};
use stockade_domain::promotion::{CouponCode, Label, Promotion};
use stockade_domain::stock::MarketRules;
use stockade_domain::stock::market::{BidPayment, NewBid, NewOffer, Seller};
use stockade_domain::stock::{Definition, Disposition, MarketCommand, StockCommand};
use stockade_domain::{
    Amount, BookOrderId, CustomerId, Location, Money, OrderId, PaymentId, Refusal, SkuId, Timestamp,
};

use super::dice::Dice;
use super::machine::Machine;

pub(super) const SKUS: [&str; 6] = ["APPLE", "BREAD", "CHEESE", "DATES", "EGGS", "FIGS"];
const CUSTOMERS: [&str; 6] = ["ann", "bob", "cem", "dora", "eli", "fay"];
const COUPONS: [&str; 2] = ["WELCOME", "THRICE"];
/// How long a caller waits for a gateway.
const WAIT: Duration = Duration::from_secs(10);
/// Requests that are under way at most.
const UNDER_WAY_MAX: usize = 64;

/// What a client waits for.
struct Waiting {
    what: String,
    order: Option<OrderId>,
    credit: i64,
    receipt: Receipt,
}

/// What was acknowledged, and what has to be true from then on.
#[derive(Default)]
pub(super) struct Promises {
    /// Orders that were accepted.
    pub(super) orders: BTreeSet<OrderId>,
    /// What wallets were credited with, in ten-thousandths.
    pub(super) credited: i128,
    /// What they may have been credited with beside: the outcome is unknown.
    pub(super) maybe_credited: i128,
}

/// All clients.
pub(super) struct Clients {
    dice: Dice,
    ids: u128,
    seed: u64,
    waiting: Vec<Waiting>,
    pub(super) promises: Promises,
    orders: Vec<OrderId>,
    parties: Vec<(SkuId, Side, BookOrderId)>,
    /// Card payments that failed, of orders that were seen since.
    failed: BTreeSet<PaymentId>,
    /// How often each answer came.
    pub(super) answers: BTreeMap<String, u64>,
    /// What was asked and answered, in order.
    pub(super) trace: Vec<String>,
}

fn sku(name: &str) -> SkuId {
    SkuId::new(name).expect("a name")
}

fn customer(name: &str) -> CustomerId {
    CustomerId::new(name).expect("a name")
}

fn eur(cents: u64) -> Money {
    Money::new(Amount(cents as i64 * 100), "EUR".parse().expect("a currency"))
}

impl Clients {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::of(seed, "clients"),
            ids: 0,
            seed,
            waiting: Vec::new(),
            promises: Promises::default(),
            orders: Vec::new(),
            parties: Vec::new(),
            failed: BTreeSet::new(),
            answers: BTreeMap::new(),
            trace: Vec::new(),
        }
    }

    fn bits(&mut self) -> u128 {
        self.ids += 1;
        let hash = blake3::hash(format!("{}/{}", self.seed, self.ids).as_bytes());
        u128::from_le_bytes(hash.as_bytes()[..16].try_into().expect("sixteen bytes"))
    }

    /// The shop as it opens.
    pub(super) fn open_shop(&mut self, machine: &Machine) {
        for (at, name) in SKUS.iter().enumerate() {
            let mut definition = Definition::new(name, eur(500 + 250 * at as u64));
            definition.backorder_max = Some(20);
            definition.hold_ttl_seconds = 60 + 60 * at as u32;
            definition.category = Some(if at % 2 == 0 { "fresh" } else { "dry" }.into());
            let rules = MarketRules { commission_bps: 1_250, ..MarketRules::default() };
            definition.market = (at % 2 == 1).then(|| Box::new(rules));
            definition.limit_per_customer = (at == 5).then_some(12);
            definition.low_stock_level = (at % 3 != 1).then_some(4 * at as u64);
            self.ask_stock(machine, name, StockCommand::Define(Box::new(definition)));
            self.ask_stock(machine, name, receive(20));
        }
        let promotions = [
            r#"{"id":"fresh-10","name":"Fresh","lane":"goods","limits":{"uses":25},
                "when":[{"category":["fresh"]}],"then":{"line":{"percent":10}}}"#,
            r#"{"id":"coupon-2","name":"Coupon","lane":"coupon","coupon":["mail"],"currency":"EUR",
                "limits":{"budget":60},"then":{"order":{"amount":2}}}"#,
            r#"{"id":"one-each","name":"One each","lane":"order","limits":{"per_customer":1},
                "then":{"order":{"percent":5}}}"#,
        ];
        for text in promotions {
            let promotion: Promotion = serde_json::from_str(text).expect("a promotion");
            let subject = Subject::Promotion(promotion.id.clone());
            self.ask_uses(machine, subject, UsesCommand::Promote { promotion: Box::new(promotion) });
        }
        for (code, uses) in COUPONS.iter().zip([1, 3]) {
            let subject = Subject::Coupon(CouponCode::new(code).expect("a code"));
            let terms = Terms::of_coupon(Label::new("mail").expect("a label"), Some(uses));
            self.ask_uses(machine, subject, UsesCommand::Define { terms });
        }
    }

    fn wait_for(&mut self, what: String, order: Option<OrderId>, credit: i64, receipt: Receipt) {
        self.waiting.push(Waiting { what, order, credit, receipt });
    }

    fn ask_stock(&mut self, machine: &Machine, name: &str, command: StockCommand) {
        let sku = sku(name);
        let what = format!("{name} {command:?}");
        let key = EntityKey::Sku(sku.clone());
        let receipt = machine.send(&key, Command::Stock { sku, command: Box::new(command), key: None });
        self.wait_for(what, None, 0, receipt);
    }

    fn ask_uses(&mut self, machine: &Machine, subject: Subject, command: UsesCommand) {
        let what = format!("{} {command:?}", subject.name());
        let key = EntityKey::Uses(subject.clone());
        let receipt = machine.send(&key, Command::Uses { subject, command: Box::new(command), key: None });
        self.wait_for(what, None, 0, receipt);
    }

    fn ask_order(&mut self, machine: &Machine, order: OrderId, command: OrderCommand) {
        let what = format!("order {order} {command:?}");
        let command = Command::Order { order, command: Box::new(command), key: None };
        let receipt = machine.send(&EntityKey::Order(order), command);
        self.wait_for(what, None, 0, receipt);
    }

    /// Somebody does something, unless too much is under way.
    pub(super) fn act(&mut self, machine: &Machine) {
        if self.waiting.len() >= UNDER_WAY_MAX {
            return;
        }
        match self.dice.below(100) {
            0..=34 => self.place(machine),
            35..=41 => self.pay(machine),
            42..=44 => self.retry(machine),
            45..=70 => self.change_order(machine),
            71..=80 => self.move_stock(machine),
            81..=90 => self.trade(machine),
            91..=95 => self.credit(machine),
            _ => self.place_again(machine),
        }
    }

    fn any_customer(&mut self) -> CustomerId {
        let name: &&str = self.dice.pick(&CUSTOMERS);
        customer(name)
    }

    fn any_sku(&mut self) -> SkuId {
        let name: &&str = self.dice.pick(&SKUS);
        sku(name)
    }

    fn tender(&mut self) -> Option<Tender> {
        let card = |token: &str| Tender { credential: Some(token.into()), ..Tender::by(Method::Card) };
        Some(match self.dice.below(10) {
            0..=2 => return None,
            3..=5 => Tender::by(Method::Wallet),
            6 => Tender::by(Method::External),
            7 => Tender { capture_later: true, ..card("tok") },
            _ => card("tok"),
        })
    }

    fn place(&mut self, machine: &Machine) {
        let id = OrderId::new(machine.now(), self.bits());
        let lines = 1 + self.dice.below(3);
        let mut order = NewOrder::new(id, []);
        for _ in 0..lines {
            let (name, quantity) = (*self.dice.pick(&SKUS), 1 + self.dice.below(4));
            let mut line = NewLine::of_house(sku(name), quantity);
            if self.dice.per_mille(150) {
                let max_unit_price = Some(eur(300 + self.dice.below(2_000)));
                line.supply =
                    Some(Box::new(stockade_domain::order::LineSupply { seller: Seller::Any, max_unit_price }));
            }
            order.lines.push(line);
        }
        order.customer = Some(self.any_customer());
        order.payments.extend(self.tender());
        order.allow_partial = self.dice.per_mille(200);
        order.allow_backorder = self.dice.per_mille(200);
        let by_card = order.payments.iter().any(|tender| tender.method == Method::Card);
        order.charge = match self.dice.below(6) {
            0 if !order.payments.is_empty() => ChargeTime::AtFill,
            1 if by_card => ChargeTime::AtShip,
            _ => ChargeTime::AtOrder,
        };
        if self.dice.per_mille(150) {
            let code = CouponCode::new(*self.dice.pick(&COUPONS)).expect("a code");
            order.promotions_mut().coupons.push(code);
        }
        order.body_digest = 1 + self.dice.below(1 << 20);
        self.send_order(machine, order);
    }

    fn send_order(&mut self, machine: &Machine, order: NewOrder) {
        let (id, what) = (order.id, format!("place {}", order.id));
        let command = Command::Place { order: Box::new(order), key: None, wait: WAIT };
        let receipt = machine.send(&EntityKey::Order(id), command);
        self.wait_for(what, Some(id), 0, receipt);
    }

    /// The same id again, with another body: a conflict, or, if it was refused, another try.
    fn place_again(&mut self, machine: &Machine) {
        let Some(id) = self.known_order() else { return self.place(machine) };
        let mut order = NewOrder::one(id, self.any_sku(), 1);
        order.body_digest = 7;
        let command = Command::Place { order: Box::new(order), key: None, wait: WAIT };
        let receipt = machine.send(&EntityKey::Order(id), command);
        self.wait_for(format!("place again {id}"), None, 0, receipt);
    }

    fn known_order(&mut self) -> Option<OrderId> {
        if self.orders.is_empty() {
            return None;
        }
        // The late ones are more alive.
        let from = self.orders.len().saturating_sub(40);
        let at = from + self.dice.below((self.orders.len() - from) as u64) as usize;
        Some(self.orders[at])
    }

    /// Tries a card again that failed.
    fn retry(&mut self, machine: &Machine) {
        let at = self.dice.below(self.failed.len().max(1) as u64) as usize;
        let Some(payment) = self.failed.iter().nth(at).copied() else { return self.pay(machine) };
        let receipt = machine.send(&EntityKey::Payment(payment), Command::RetryPayment { payment });
        self.wait_for(format!("try {payment} again"), None, 0, receipt);
    }

    fn pay(&mut self, machine: &Machine) {
        let (Some(order), Some(tender)) = (self.known_order(), self.tender()) else { return };
        let what = format!("pay {order} by {}", tender.method.name());
        let command = Command::Pay { order, payments: vec![tender], key: None, wait: WAIT };
        let receipt = machine.send(&EntityKey::Order(order), command);
        self.wait_for(what, None, 0, receipt);
    }

    fn change_order(&mut self, machine: &Machine) {
        let Some(order) = self.known_order() else { return };
        let (line, quantity) = (self.dice.below(2) as u32, 1 + self.dice.below(2));
        let dispositions = [Disposition::Restock, Disposition::QualityControl, Disposition::WriteOff];
        let command = match self.dice.below(10) {
            0..=3 => OrderCommand::Ship { lines: None, tracking: None },
            4 => OrderCommand::Ship { lines: Some(vec![(line, quantity)]), tracking: None },
            5 => OrderCommand::Cancel { lines: None },
            6 => OrderCommand::Cancel { lines: Some(vec![(line, Some(quantity))]) },
            7 => {
                let lines = vec![(line, quantity, *self.dice.pick(&dispositions))];
                OrderCommand::Return { lines, refund: RefundChoice::Auto }
            }
            8 => OrderCommand::Deliver,
            _ => OrderCommand::Extend { seconds: 30 },
        };
        self.ask_order(machine, order, command);
    }

    fn move_stock(&mut self, machine: &Machine) {
        let name = *self.dice.pick(&SKUS);
        let units = 1 + self.dice.below(8);
        let command = match self.dice.below(6) {
            0..=3 => receive(units),
            4 => StockCommand::Adjust {
                location: Location::main(),
                lot: None,
                delta: -(units as i64),
                reason: "counted".into(),
                force: self.dice.per_mille(300),
            },
            _ => StockCommand::Announce { quantity: units, available_from: None, reference: None },
        };
        self.ask_stock(machine, name, command);
    }

    fn trade(&mut self, machine: &Machine) {
        let name = *self.dice.pick(&SKUS);
        let who = self.any_customer();
        let (quantity, price) = (1 + self.dice.below(4), eur(300 + self.dice.below(2_000)));
        let id = BookOrderId::from(OrderId::new(machine.now(), self.bits()));
        let (time_in_force, body_digest) = (TimeInForce::Gtc, 1);
        let (side, command) = match self.dice.below(5) {
            0 | 1 => {
                let offer = NewOffer {
                    id,
                    seller: who,
                    quantity,
                    unit_price: price,
                    time_in_force,
                    post_only: false,
                    minimum: 0,
                    displayed: None,
                    serials: Vec::new(),
                    body_digest,
                };
                (Side::Supply, MarketCommand::Offer(offer))
            }
            2 | 3 => {
                let payment = match self.dice.per_mille(500) {
                    true => BidPayment::Wallet,
                    false => BidPayment::Card { token: "tok".into() },
                };
                let bid = NewBid {
                    id,
                    customer: who,
                    quantity,
                    limit_price: price,
                    time_in_force,
                    post_only: false,
                    minimum: 0,
                    seller: None,
                    payment,
                    body_digest,
                };
                (Side::Demand, MarketCommand::Bid(bid))
            }
            _ => {
                if self.parties.is_empty() {
                    return;
                }
                let (sku, side, id) = self.dice.pick(&self.parties).clone();
                let command = MarketCommand::Withdraw { id, side };
                return self.ask_stock(machine, sku.as_str(), StockCommand::Market(Box::new(command)));
            }
        };
        self.parties.push((sku(name), side, id));
        self.ask_stock(machine, name, StockCommand::Market(Box::new(command)));
    }

    fn credit(&mut self, machine: &Machine) {
        let name = *self.dice.pick(&CUSTOMERS);
        let money = eur(100 * (1 + self.dice.below(200)));
        let customer = customer(name);
        let what = format!("credit {name} {money}");
        let command = AccountCommand::Credit { money, reference: None };
        let key = EntityKey::Account(customer.clone());
        let receipt = machine.send(&key, Command::Account { customer, command, key: None });
        self.wait_for(what, None, money.amount.0, receipt);
    }

    /// Takes the answers that are there.
    pub(super) fn hear(&mut self) {
        let mut still = Vec::with_capacity(self.waiting.len());
        for mut waiting in std::mem::take(&mut self.waiting) {
            match waiting.receipt.try_receive() {
                None => still.push(waiting),
                Some(Ok(answer)) => self.take_answer(&waiting, &answer),
                // The machine went down before anybody could answer.
                Some(Err(_)) => self.take_answer(&waiting, &Err(Refusal::StorageUnavailable)),
            }
        }
        self.waiting = still;
    }

    fn take_answer(&mut self, asked: &Waiting, answer: &Result<Answer, Refusal>) {
        let name = match answer {
            Ok(_) => "ok",
            Err(refusal) => refusal.code(),
        };
        *self.answers.entry(name.to_owned()).or_default() += 1;
        self.trace.push(format!("{} -> {name}", asked.what));
        let is_unknown = matches!(answer, Err(Refusal::StorageUnavailable | Refusal::ActorFailed));
        match (answer, asked.order) {
            (Ok(_), Some(order)) => {
                self.promises.orders.insert(order);
                self.orders.push(order);
            }
            (Err(_), Some(order)) if is_unknown => self.orders.push(order),
            _ => {}
        }
        if let Ok(Answer::Order(view)) = answer {
            let cards = view.order.payments.iter().filter(|payment| payment.method == Method::Card);
            self.failed.extend(cards.filter(|card| card.failure.is_some()).map(|card| card.id));
        }
        if asked.credit > 0 {
            match answer {
                Ok(_) => self.promises.credited += i128::from(asked.credit),
                Err(_) if is_unknown => self.promises.maybe_credited += i128::from(asked.credit),
                Err(_) => {}
            }
        }
    }

    /// The machine went down: whoever still waits never hears.
    pub(super) fn hang_up(&mut self) {
        self.hear();
        for waiting in std::mem::take(&mut self.waiting) {
            self.take_answer(&waiting, &Err(Refusal::StorageUnavailable));
        }
    }

    /// Somebody waits for what nobody will answer.
    #[cfg(test)]
    pub(super) fn forget_an_answer(&mut self) {
        let (sender, receipt) = stockade_sync::once_reply();
        std::mem::forget(sender);
        self.wait_for("a question".into(), None, 0, receipt);
    }

    /// Who still waits.
    pub(super) fn waiting(&self) -> Vec<&str> {
        self.waiting.iter().map(|waiting| waiting.what.as_str()).collect()
    }
}

fn receive(quantity: u64) -> StockCommand {
    let (location, expires_at) = (Location::main(), None::<Timestamp>);
    StockCommand::Receive { location, lot: None, expires_at, quantity, unit_cost: None }
}
