//! What embedders write: SKUs, orders and payments, built from plain text and checked when they are used.

use stockade_domain::name::Region;
use stockade_domain::order::{self, Charge, ChargeKind, ChargeTime, LineSupply, NewLine, Tender};
use stockade_domain::payment::Method;
use stockade_domain::stock::market::Seller;
use stockade_domain::stock::{Admission, Definition, KitPart, SkuStatus, SourcingPlan, SourcingStrategy};
use stockade_domain::{CustomerId, Location, Money, NameError, OrderId, Quantity, Refusal, SkuId, Timestamp};

/// Turns a name that is none into a refusal that says which field it was in.
pub(crate) fn name<T>(field: &'static str, result: Result<T, NameError>) -> Result<T, Refusal> {
    result.map_err(|error| Refusal::BodyInvalid { field, why: error.to_string() })
}

/// A SKU and its definition.
#[derive(Debug, Clone)]
pub struct Sku {
    /// Its name.
    pub id: Result<SkuId, NameError>,
    /// What it is.
    pub definition: Definition,
}

impl Sku {
    /// An active SKU at a list price.
    pub fn new(id: impl AsRef<str>, price: Money) -> Self {
        Self { id: SkuId::new(id.as_ref()), definition: Definition::new(id, price) }
    }

    /// What people call it.
    #[must_use]
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.definition.name = name.as_ref().into();
        self
    }

    /// The most units one customer may have.
    #[must_use]
    pub fn limit_per_customer(mut self, limit: Quantity) -> Self {
        self.definition.limit_per_customer = Some(limit);
        self
    }

    /// How long unpaid stock stays held.
    #[must_use]
    pub fn hold_ttl_seconds(mut self, seconds: u32) -> Self {
        self.definition.hold_ttl_seconds = seconds;
        self
    }

    /// The most units that may wait for stock.
    #[must_use]
    pub fn backorder_max(mut self, units: Quantity) -> Self {
        self.definition.backorder_max = Some(units);
        self
    }

    /// Units per location that are never sold.
    #[must_use]
    pub fn safety_level(mut self, units: Quantity) -> Self {
        self.definition.safety_level = units;
        self
    }

    /// When no more than so many units are available, that is a fact: `sku.low_stock`.
    #[must_use]
    pub fn low_stock_level(mut self, units: Quantity) -> Self {
        self.definition.low_stock_level = Some(units);
        self
    }

    /// From which locations it is sent.
    #[must_use]
    pub fn sourcing(mut self, strategy: SourcingStrategy, locations: impl IntoIterator<Item = Location>) -> Self {
        let locations = locations.into_iter().collect();
        self.definition.sourcing = Some(Box::new(SourcingPlan { strategy, locations }));
        self
    }

    /// What it has not on hand it sells only against announced stock.
    #[must_use]
    pub fn preorder(mut self) -> Self {
        self.definition.preorder = true;
        self
    }

    /// Who is let in when stock is short.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.definition.admission = Some(Box::new(admission));
        self
    }

    /// A kit of these SKUs, each so many times.
    #[must_use]
    pub fn kit(mut self, parts: impl IntoIterator<Item = (SkuId, Quantity)>) -> Self {
        let parts = parts.into_iter().map(|(sku, quantity)| KitPart { sku, quantity });
        self.definition.kit = Some(Box::new(parts.collect()));
        self
    }

    /// Whether it sells.
    #[must_use]
    pub fn status(mut self, status: SkuStatus) -> Self {
        self.definition.status = status;
        self
    }
}

/// A way to pay.
#[derive(Debug, Clone)]
pub struct Payment(Tender);

impl Payment {
    /// From the customer's wallet.
    pub const fn wallet() -> Self {
        Self(Tender::by(Method::Wallet))
    }

    /// Through the card gateway, with this token.
    pub fn card(token: impl AsRef<str>) -> Self {
        Self(Tender { credential: Some(token.as_ref().into()), ..Tender::by(Method::Card) })
    }

    /// Its money is only set aside, until somebody captures it.
    #[must_use]
    pub const fn capture_later(mut self) -> Self {
        self.0.capture_later = true;
        self
    }

    /// Taken by the caller, who has this reference for it.
    pub fn external(reference: impl AsRef<str>) -> Self {
        Self(Tender { credential: Some(reference.as_ref().into()), ..Tender::by(Method::External) })
    }

    /// On account: paid by invoice.
    pub const fn account() -> Self {
        Self(Tender::by(Method::Account))
    }

    /// Only this much of the total.
    #[must_use]
    pub const fn amount(mut self, money: Money) -> Self {
        self.0.amount = Some(money);
        self
    }

    pub(crate) fn into_tender(self) -> Tender {
        self.0
    }
}

/// An order to be placed. Anything wrong with it is told when it is placed.
#[derive(Debug, Clone)]
pub struct NewOrder {
    pub(crate) order: Box<order::NewOrder>,
    /// The caller chose the id, so it may have been used before.
    pub(crate) has_own_id: bool,
    pub(crate) wrong: Option<Refusal>,
}

impl NewOrder {
    /// No lines yet.
    pub fn empty() -> Self {
        let id = OrderId::new(Timestamp(0), 0);
        Self { order: Box::new(order::NewOrder::new(id, [])), has_own_id: false, wrong: None }
    }

    /// One line.
    pub fn one(sku: impl AsRef<str>, quantity: Quantity) -> Self {
        Self::empty().line(sku, quantity)
    }

    /// Another line, at the SKU's list price.
    #[must_use]
    pub fn line(self, sku: impl AsRef<str>, quantity: Quantity) -> Self {
        self.add_line(sku.as_ref(), quantity, None)
    }

    /// Another line, at a price that the trusted caller sets.
    #[must_use]
    pub fn line_at(self, sku: impl AsRef<str>, quantity: Quantity, unit_price: Money) -> Self {
        self.add_line(sku.as_ref(), quantity, Some(unit_price))
    }

    /// Another line, from offers of this seller.
    #[must_use]
    pub fn line_from(self, sku: impl AsRef<str>, quantity: Quantity, seller: impl AsRef<str>) -> Self {
        match name("seller", CustomerId::new(seller.as_ref())) {
            Ok(seller) => self.add_supplied(sku.as_ref(), quantity, Seller::Named(seller), None),
            Err(refusal) => Self { wrong: Some(refusal), ..self },
        }
    }

    /// Another line, from whoever sells at the lowest price, at most this one.
    #[must_use]
    pub fn line_any(self, sku: impl AsRef<str>, quantity: Quantity, max_unit_price: Money) -> Self {
        self.add_supplied(sku.as_ref(), quantity, Seller::Any, Some(max_unit_price))
    }

    /// Another line that takes from the SKU's book.
    #[must_use]
    pub(crate) fn add_supplied(
        self,
        sku: &str,
        quantity: Quantity,
        seller: Seller,
        max_unit_price: Option<Money>,
    ) -> Self {
        let before = self.order.lines.len();
        let mut order = self.add_line(sku, quantity, None);
        if let Some(line) = order.order.lines.get_mut(before) {
            line.supply = Some(Box::new(LineSupply { seller, max_unit_price }));
        }
        order
    }

    fn add_line(mut self, sku: &str, quantity: Quantity, unit_price: Option<Money>) -> Self {
        match SkuId::new(sku) {
            Ok(sku) => self.order.lines.push(NewLine { sku, quantity, unit_price, supply: None }),
            // A name that no SKU can have is one that is not known.
            Err(_) => self.wrong = Some(Refusal::SkuUnknown { sku: sku.chars().take(80).collect() }),
        }
        self
    }

    fn set_name(mut self, field: &'static str, text: &str, set: impl FnOnce(&mut order::NewOrder, CustomerId)) -> Self {
        match name(field, CustomerId::new(text)) {
            Ok(name) => set(&mut self.order, name),
            Err(refusal) => self.wrong = Some(refusal),
        }
        self
    }

    /// Who buys.
    #[must_use]
    pub fn customer(self, customer: impl AsRef<str>) -> Self {
        self.set_name("customer", customer.as_ref(), |order, name| order.customer = Some(name))
    }

    /// Who counts a guest's purchases against limits.
    #[must_use]
    pub fn purchaser_key(self, key: impl AsRef<str>) -> Self {
        self.set_name("purchaser_key", key.as_ref(), |order, name| order.purchaser_key = Some(name))
    }

    /// Its id; placing the same order with the same id again gives the same order.
    #[must_use]
    pub fn id(mut self, id: OrderId) -> Self {
        self.order.id = id;
        self.has_own_id = true;
        self
    }

    /// A charge that is part of the total.
    #[must_use]
    pub fn charge(mut self, kind: ChargeKind, money: Money) -> Self {
        self.order.charges.push(Charge { kind, money });
        self
    }

    /// Pays at once; without payment the order holds its stock until paid, cancelled or expired.
    #[must_use]
    pub fn pay(mut self, payment: Payment) -> Self {
        self.order.payments.push(payment.into_tender());
        self
    }

    /// When its money is taken: at once, when the last of its units is there, or when goods are sent.
    #[must_use]
    pub fn charge_time(mut self, time: ChargeTime) -> Self {
        self.order.charge = time;
        self
    }

    /// Refuse when the total is higher.
    #[must_use]
    pub fn expected_total(mut self, total: Money) -> Self {
        self.order.expected_total = Some(total);
        self
    }

    /// Where the buyer is, for SKUs that are sent from the nearest location.
    #[must_use]
    pub fn region(mut self, region: Region) -> Self {
        self.order.context.get_or_insert_default().region = Some(region);
        self
    }

    /// From which locations its goods should come, whatever the SKUs say.
    #[must_use]
    pub fn sourcing(mut self, strategy: SourcingStrategy) -> Self {
        self.order.context.get_or_insert_default().sourcing = Some(strategy);
        self
    }

    /// Fill what there is.
    #[must_use]
    pub fn allow_partial(mut self) -> Self {
        self.order.allow_partial = true;
        self
    }

    /// Let the rest wait for stock.
    #[must_use]
    pub fn allow_backorder(mut self) -> Self {
        self.order.allow_backorder = true;
        self
    }
}
