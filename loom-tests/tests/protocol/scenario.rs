//! What a model is bounded by: a small shop, a few clients, and how often each thing may go wrong.

use std::time::Duration;

use stockade_actors::command::Command;
use stockade_actors::host::partition_of;
use stockade_domain::entity::EntityKey;
use stockade_domain::order::{NewLine, NewOrder, OrderCommand, Tender};
use stockade_domain::payment::Method;
use stockade_domain::{CustomerId, Money, OrderId, SkuId, Timestamp};

use super::rules::Outcome;

/// When every model begins.
pub const START: Timestamp = Timestamp(1_700_000_000_000_000);
/// How long an unpaid hold lasts, in seconds: short, so that few ticks reach it.
pub const HOLD_SECONDS: u32 = 2;

/// What clients ask, in terms of the scenario's orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Place the order with this number. Asked again when it was refused or its answer was lost.
    Place(usize),
    /// Cancel it, once it was acknowledged.
    Cancel(usize),
    /// Pay it from the wallet, once it was acknowledged.
    PayByWallet(usize),
}

/// An order that somebody may place: the SKUs it wants one unit of, and how it is paid.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The partition that it lives in.
    pub home: usize,
    /// Of which SKUs, by number.
    pub skus: &'static [usize],
    /// How it is paid; none: not with the order.
    pub method: Option<Method>,
}

/// How often each thing may happen on the way to a state.
#[derive(Debug, Clone, Copy, Default)]
pub struct Budget {
    /// Messages between partitions that are lost.
    pub losses: u8,
    /// Messages that come twice.
    pub duplicates: u8,
    /// Times the power goes.
    pub power_losses: u8,
    /// Times the clock moves to what is due next.
    pub ticks: u8,
    /// Gateway calls that are declined, or whose answer or request is lost.
    pub gateway_faults: u8,
    /// Times a client asks the same again.
    pub repeats: u8,
    /// Deliveries out of the order in which one partition told another.
    pub overtakings: u8,
}

/// One bounded model.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// How many partitions.
    pub partitions: usize,
    /// Units of each SKU; the SKU with number `n` lives in partition `n % partitions`.
    pub stock: &'static [u64],
    /// What the one customer has in the wallet, in units' prices, and where the wallet lives.
    pub wallet: Option<(i64, usize)>,
    /// The orders.
    pub orders: &'static [Wanted],
    /// What clients ask.
    pub asks: &'static [Ask],
    /// What may go wrong.
    pub budget: Budget,
    /// What has to happen in some state.
    pub shows: &'static [Outcome],
}

impl Scenario {
    /// The SKU with this number: a name that lives where it should.
    pub fn sku(&self, number: usize) -> SkuId {
        self.named(number % self.partitions, |tried| {
            let sku = SkuId::new(format!("sku{number}-{tried}")).expect("a SKU's name");
            (EntityKey::Sku(sku.clone()), sku)
        })
    }

    /// The one customer.
    pub fn customer(&self) -> CustomerId {
        self.named(self.wallet.map_or(0, |(_, home)| home), |tried| {
            let customer = CustomerId::new(format!("ann-{tried}")).expect("a customer's name");
            (EntityKey::Account(customer.clone()), customer)
        })
    }

    /// The order with this number.
    pub fn order(&self, number: usize) -> OrderId {
        self.named(self.orders[number].home, |tried| {
            let id = OrderId::new(START, 1 + number as u128 * 1_000 + tried as u128);
            (EntityKey::Order(id), id)
        })
    }

    fn named<T>(&self, home: usize, make: impl Fn(usize) -> (EntityKey, T)) -> T {
        let fits = |(key, _): &(EntityKey, T)| partition_of(key, self.partitions) == home;
        (0..1_000).map(make).find(fits).expect("one of a thousand names lives there").1
    }

    /// Whom to ask, and what.
    pub fn command(&self, ask: Ask) -> (EntityKey, Command) {
        let (key, wait) = (None, Duration::ZERO);
        match ask {
            Ask::Place(number) => {
                let (id, wanted) = (self.order(number), &self.orders[number]);
                let lines = wanted.skus.iter().map(|sku| NewLine::of_house(self.sku(*sku), 1));
                let mut order = NewOrder::new(id, lines);
                order.customer = self.wallet.is_some().then(|| self.customer());
                order.body_digest = 1 + number as u64;
                order.payments.extend(wanted.method.map(|method| Tender {
                    credential: (method == Method::Card).then(|| "card".into()),
                    ..Tender::by(method)
                }));
                (EntityKey::Order(id), Command::Place { order: Box::new(order), key, wait })
            }
            Ask::Cancel(number) => {
                let order = self.order(number);
                let command = Box::new(OrderCommand::Cancel { lines: None });
                (EntityKey::Order(order), Command::Order { order, command, key })
            }
            Ask::PayByWallet(number) => {
                let order = self.order(number);
                (EntityKey::Order(order), Command::Pay { order, payments: vec![Tender::by(Method::Wallet)], key, wait })
            }
        }
    }

    /// What the customer has at the start.
    pub fn credit(&self) -> Option<Money> {
        let (units, _) = self.wallet?;
        Money::parse(&format!("{units}.00 EUR")).ok()
    }
}
