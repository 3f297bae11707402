//! Things as they are shown outside: to embedders as structs, over HTTP as their JSON. One shape for both.

use std::sync::Arc;

use serde::Serialize;
use stockade_actors::command::{AccountView, OrderView, StockView};
use stockade_domain::order::{AppliedDiscount, Order, Promoted};
use stockade_domain::payment::NextAction;
use stockade_domain::promotion::pricing::Target;
use stockade_domain::promotion::uses::Subject;
use stockade_domain::stock::{Admission, Counters, Definition};
use stockade_domain::{Amount, BookOrderId, Currency, Money, OrderId, Timestamp};

/// Money as JSON: `{"amount":"19.99","currency":"GBP"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoneyJson(pub Money);

impl Serialize for MoneyJson {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut json = serializer.serialize_struct("Money", 2)?;
        json.serialize_field("amount", &Text(self.0.amount))?;
        json.serialize_field("currency", self.0.currency.as_str())?;
        json.end()
    }
}

/// Anything that prints, as a JSON string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A time as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeJson(pub Timestamp);

impl std::fmt::Display for TimeJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => f.write_str("9999-12-31T23:59:59Z"),
        }
    }
}

impl Serialize for TimeJson {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An order as it is shown outside. Its JSON is that of `GET /orders/{id}`.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderSnapshot {
    /// Its id.
    pub id: OrderId,
    /// The overall status, by its public name.
    pub status: &'static str,
    /// Everything else.
    pub order: Arc<Order>,
    /// The sequence at which this was true.
    pub as_of: u64,
    /// The same request had been accepted before.
    pub replayed: bool,
}

impl From<OrderView> for OrderSnapshot {
    fn from(view: OrderView) -> Self {
        let OrderView { order, as_of, replayed } = view;
        Self { id: order.id, status: order.status().name(), order, as_of, replayed }
    }
}

impl OrderSnapshot {
    /// What it costs.
    pub fn total(&self) -> Money {
        Money::new(self.order.total(), self.order.currency)
    }
}

#[derive(Serialize)]
struct LineJson<'a> {
    line: usize,
    sku: &'a str,
    quantity: u64,
    unit_price: MoneyJson,
    total: MoneyJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount: Option<MoneyJson>,
    held: u64,
    allocated: u64,
    backordered: u64,
    unfilled: u64,
    cancelled: u64,
    shipped: u64,
    returned: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seller: Option<&'a str>,
}

/// What promotions did to an order: which version of the rules, what was taken off by whom, what it uses, its gifts.
#[derive(Serialize)]
pub(crate) struct PromotedJson<'a> {
    rules_version: Text<u64>,
    discounts: Vec<DiscountJson<'a>>,
    coupons: Vec<&'a str>,
    /// So many of the last lines are gifts.
    gifts: u32,
}

#[derive(Serialize)]
struct DiscountJson<'a> {
    promotion: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<u32>,
    amount: MoneyJson,
}

impl<'a> PromotedJson<'a> {
    pub(crate) fn new(promoted: &'a Promoted, currency: Currency) -> Self {
        let discount = |discount: &'a AppliedDiscount| {
            let (line, charge) = match discount.target {
                Target::Line(line) => (Some(line), None),
                Target::Charge(charge) => (None, Some(charge)),
            };
            let amount = MoneyJson(Money::new(discount.amount, currency));
            DiscountJson { promotion: discount.promotion.as_str(), line, charge, amount }
        };
        let coupons = promoted.uses.iter().filter(|used| matches!(used.subject, Subject::Coupon(_)));
        Self {
            rules_version: Text(promoted.version),
            discounts: promoted.discounts.iter().map(discount).collect(),
            coupons: coupons.map(|used| used.subject.name()).collect(),
            gifts: promoted.gifts,
        }
    }
}

#[derive(Serialize)]
struct ChargeJson {
    kind: &'static str,
    amount: MoneyJson,
}

#[derive(Serialize)]
struct TotalsJson {
    lines: MoneyJson,
    charges: MoneyJson,
    total: MoneyJson,
    paid: MoneyJson,
    refunded: MoneyJson,
    due: MoneyJson,
}

#[derive(Serialize)]
struct PaymentJson<'a> {
    id: Text<stockade_domain::PaymentId>,
    method: &'static str,
    amount: MoneyJson,
    status: &'static str,
    sub_status: &'static str,
    public_status: &'static str,
    refunded: MoneyJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_action: Option<NextActionJson<'a>>,
}

/// What somebody has to do before a gateway goes on.
#[derive(Serialize)]
pub(crate) struct NextActionJson<'a> {
    kind: &'static str,
    next: &'a str,
}

impl<'a> From<&'a NextAction> for NextActionJson<'a> {
    fn from(action: &'a NextAction) -> Self {
        Self { kind: action.kind.name(), next: &action.next }
    }
}

#[derive(Serialize)]
struct OrderJson<'a> {
    id: Text<OrderId>,
    status: &'static str,
    payment_status: &'static str,
    fulfillment_status: &'static str,
    return_status: &'static str,
    customer: Option<&'a str>,
    lines: Vec<LineJson<'a>>,
    charges: Vec<ChargeJson>,
    totals: TotalsJson,
    payments: Vec<PaymentJson<'a>>,
    hold_expires_at: Option<TimeJson>,
    created_at: TimeJson,
    tracking: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    promotions: Option<PromotedJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid: Option<Text<BookOrderId>>,
    as_of: Text<u64>,
}

impl Serialize for OrderSnapshot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let order = &self.order;
        let money = |amount: Amount| MoneyJson(Money::new(amount, order.currency));
        let lines = order.lines.iter().enumerate().map(|(line, row)| {
            let open = row.filled - row.shipped;
            let (held, allocated) = if order.secured { (0, open) } else { (open, 0) };
            LineJson {
                line,
                sku: row.sku.as_str(),
                quantity: row.quantity,
                unit_price: money(row.unit_price),
                total: money(row.due(order.currency)),
                discount: (row.discount.0 != 0).then(|| money(row.discount)),
                held,
                allocated,
                backordered: row.backordered,
                unfilled: row.unfilled,
                cancelled: row.cancelled,
                shipped: row.shipped,
                returned: row.returned,
                seller: row.claim.as_ref().map(|claim| claim.seller.as_str()),
            }
        });
        let payments = order.payments.iter().map(|payment| PaymentJson {
            id: Text(payment.id),
            method: payment.method.name(),
            amount: money(payment.amount),
            status: payment.stage().main().name(),
            sub_status: payment.stage().sub_name(),
            public_status: payment.stage().public().name(),
            refunded: money(payment.refunded),
            failure: payment.failure.as_deref(),
            next_action: payment.next_action.as_deref().map(NextActionJson::from),
        });
        let (total, charges, paid) = (order.total(), order.charges_total(), order.paid());
        let due = if order.awaits_payment() { Amount((total.0 - paid.0).max(0)) } else { Amount::ZERO };
        OrderJson {
            id: Text(order.id),
            status: self.status,
            payment_status: order.payment_status().name(),
            fulfillment_status: order.fulfillment_status().name(),
            return_status: order.return_status().name(),
            customer: order.customer.as_ref().map(|customer| customer.as_str()),
            lines: lines.collect(),
            charges: order
                .charges
                .iter()
                .map(|charge| ChargeJson { kind: charge.kind.name(), amount: MoneyJson(charge.money) })
                .collect(),
            totals: TotalsJson {
                lines: money(Amount(total.0 - charges.0)),
                charges: money(charges),
                total: money(total),
                paid: money(paid),
                refunded: money(order.refunded()),
                due: money(due),
            },
            payments: payments.collect(),
            hold_expires_at: order.deadline().map(TimeJson),
            created_at: TimeJson(order.created_at),
            tracking: order.tracking.as_deref(),
            promotions: order.promoted.as_ref().map(|promoted| PromotedJson::new(promoted, order.currency)),
            bid: order.bid.as_deref().map(|bid| Text(*bid)),
            as_of: Text(self.as_of),
        }
        .serialize(serializer)
    }
}

/// A SKU's stock as it is shown outside. Its JSON is that of `GET /skus/{sku}/stock`.
#[derive(Debug, Clone, PartialEq)]
pub struct StockSnapshot(pub StockView);

#[derive(Serialize)]
struct UnavailableJson {
    damaged: u64,
    quality_control: u64,
    expired: u64,
    safety: u64,
}

#[derive(Serialize)]
struct LocationJson<'a> {
    location: &'a str,
    on_hand: u64,
    free: u64,
    held: u64,
    allocated: u64,
    unavailable: UnavailableJson,
}

#[derive(Serialize)]
struct AnnouncementJson<'a> {
    quantity: u64,
    available_from: Option<TimeJson>,
    reference: Option<&'a str>,
}

#[derive(Serialize)]
struct StockJson<'a> {
    sku: &'a str,
    on_hand: u64,
    available: u64,
    held: u64,
    allocated: u64,
    incoming: u64,
    promised: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    announcements: Vec<AnnouncementJson<'a>>,
    in_transit: u64,
    lost: u64,
    backordered: u64,
    offered: u64,
    unavailable: UnavailableJson,
    locations: Vec<LocationJson<'a>>,
    as_of: Text<u64>,
}

fn unavailable(counters: &Counters, safety: u64) -> UnavailableJson {
    let Counters { damaged, quality_control, expired, .. } = *counters;
    UnavailableJson { damaged, quality_control, expired, safety }
}

impl Serialize for StockSnapshot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (view, levels) = (&self.0, &self.0.levels);
        let totals = &levels.totals;
        let locations = view.locations.iter().map(|(location, counters)| LocationJson {
            location: location.as_str(),
            on_hand: counters.on_hand(),
            free: counters.free,
            held: counters.held,
            allocated: counters.allocated,
            unavailable: unavailable(counters, counters.free.min(view.definition.safety_level)),
        });
        let announcements = view.announcements.iter().map(|row| AnnouncementJson {
            quantity: row.quantity,
            available_from: row.available_from.map(TimeJson),
            reference: row.reference.as_deref(),
        });
        StockJson {
            sku: view.sku.as_str(),
            on_hand: totals.on_hand(),
            available: levels.available,
            held: totals.held,
            allocated: totals.allocated,
            incoming: levels.incoming,
            promised: view.promised,
            announcements: announcements.collect(),
            in_transit: view.in_transit.0,
            lost: view.in_transit.1,
            backordered: levels.backordered,
            offered: self.0.offered,
            unavailable: unavailable(totals, levels.safety),
            locations: locations.collect(),
            as_of: Text(view.as_of),
        }
        .serialize(serializer)
    }
}

/// A SKU's rule of admission.
#[derive(Serialize)]
struct AdmissionJson {
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_at: Option<TimeJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closes_at: Option<TimeJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed_commitment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    losers: Option<&'static str>,
}

impl AdmissionJson {
    fn of(definition: &Definition) -> Self {
        let rule = definition.admission.as_deref().map_or("fifo", Admission::name);
        let plain =
            Self { rule, offer_seconds: None, opens_at: None, closes_at: None, seed_commitment: None, losers: None };
        match definition.admission.as_deref() {
            Some(Admission::WaitingList { offer_seconds }) => Self { offer_seconds: Some(*offer_seconds), ..plain },
            Some(Admission::Lottery(lottery)) => Self {
                opens_at: Some(TimeJson(lottery.opens_at)),
                closes_at: Some(TimeJson(lottery.closes_at)),
                seed_commitment: Some(blake3::Hash::from_bytes(lottery.seed_commitment).to_hex().to_string()),
                losers: Some(if lottery.refuse_losers { "refuse" } else { "wait" }),
                ..plain
            },
            Some(Admission::ProRata) | None => plain,
        }
    }
}

/// A SKU's definition as it is shown outside. Its JSON is that of `GET /skus/{sku}`.
#[derive(Debug, Clone, PartialEq)]
pub struct SkuSnapshot(pub StockView);

impl Serialize for SkuSnapshot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Json<'a> {
            sku: &'a str,
            name: &'a str,
            price: MoneyJson,
            status: &'static str,
            category: Option<&'a str>,
            brand: Option<&'a str>,
            limit_per_customer: Option<u64>,
            hold_ttl_seconds: u32,
            backorder: Option<Backorder>,
            safety_level: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            low_stock_level: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            sourcing: Option<Sourcing<'a>>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            preorder: bool,
            admission: AdmissionJson,
            #[serde(skip_serializing_if = "Option::is_none")]
            kit: Option<Vec<Part<'a>>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            market: Option<MarketJson>,
            as_of: Text<u64>,
        }
        #[derive(Serialize)]
        struct Sourcing<'a> {
            strategy: &'static str,
            locations: Vec<&'a str>,
        }
        #[derive(Serialize)]
        struct Part<'a> {
            sku: &'a str,
            quantity: u64,
        }
        #[derive(Serialize)]
        struct Backorder {
            max: u64,
        }
        #[derive(Serialize)]
        struct MarketJson {
            tick: MoneyJson,
            lot: u64,
            band: Option<Band>,
            self_trade: &'static str,
            commission_bps: u32,
        }
        #[derive(Serialize)]
        struct Band {
            low: MoneyJson,
            high: MoneyJson,
        }
        let definition = &self.0.definition;
        let money = |amount| MoneyJson(Money::new(amount, definition.price.currency));
        let market = definition.market.as_deref().map(|rules| MarketJson {
            tick: money(rules.tick),
            lot: rules.lot,
            band: rules.band.map(|(low, high)| Band { low: money(low), high: money(high) }),
            self_trade: rules.self_trade.name(),
            commission_bps: rules.commission_bps,
        });
        Json {
            sku: self.0.sku.as_str(),
            name: &definition.name,
            price: MoneyJson(definition.price),
            status: definition.status.name(),
            category: definition.category.as_deref(),
            brand: definition.brand.as_deref(),
            limit_per_customer: definition.limit_per_customer,
            hold_ttl_seconds: definition.hold_ttl_seconds,
            backorder: definition.backorder_max.map(|max| Backorder { max }),
            safety_level: definition.safety_level,
            low_stock_level: definition.low_stock_level,
            sourcing: definition.sourcing.as_ref().map(|plan| Sourcing {
                strategy: plan.strategy.name(),
                locations: plan.locations.iter().map(|location| location.as_str()).collect(),
            }),
            preorder: definition.preorder,
            admission: AdmissionJson::of(definition),
            kit: definition.kit.as_ref().map(|parts| {
                parts.iter().map(|part| Part { sku: part.sku.as_str(), quantity: part.quantity }).collect()
            }),
            market,
            as_of: Text(self.0.as_of),
        }
        .serialize(serializer)
    }
}

/// A wallet as it is shown outside. Its JSON is that of `GET /wallets/{customer}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletSnapshot(pub AccountView);

impl Serialize for WalletSnapshot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Json<'a> {
            customer: &'a str,
            balance: Option<MoneyJson>,
            held: Option<MoneyJson>,
            as_of: Text<u64>,
        }
        let view = &self.0;
        let money = |amount| view.currency.map(|currency: Currency| MoneyJson(Money::new(amount, currency)));
        Json {
            customer: view.customer.as_str(),
            balance: money(view.balance),
            held: money(view.held),
            as_of: Text(view.as_of),
        }
        .serialize(serializer)
    }
}
