//! Request bodies, and how each becomes a command. Unknown fields are refused; fields of what is not built yet are
//! refused by name, never ignored.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use stockade_domain::account::AccountCommand;
use stockade_domain::order::{OrderCommand, RefundChoice};
use stockade_domain::stock::{Definition, Disposition, SkuStatus, StockCommand, Unsellable};
use stockade_domain::{CustomerId, Location, Lot, OrderId, Refusal, SkuId, Timestamp};

use super::body::Object;
use super::fields::{DeltaField, MoneyField, QuantityField};
use super::market_body::MarketBody;
use super::order_body::{PaymentBody, payments};
use super::problem::{Code, Problem};
use super::stock_body::{AdmissionBody, KitPartBody, SourcingBody, kit};
use crate::engine::Payment;

pub(super) fn one_of<T: Copy>(field: &'static str, text: &str, all: &[(T, &'static str)]) -> Result<T, Problem> {
    let found = all.iter().find(|(_, name)| *name == text).map(|(value, _)| *value);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
        Problem::invalid(field, format!("send one of {}", names.join(", ")))
    })
}

pub(super) fn name<T>(
    field: &'static str,
    text: &str,
    read: impl Fn(&str) -> Result<T, stockade_domain::NameError>,
) -> Result<T, Problem> {
    read(text).map_err(|error| Problem::invalid(field, error))
}

pub(super) fn location(text: Option<&String>) -> Result<Location, Problem> {
    text.map_or_else(|| Ok(Location::main()), |text| name("location", text, |text| Location::new(text)))
}

pub(super) fn lot(text: Option<&String>) -> Result<Option<Lot>, Problem> {
    text.map(|text| name("lot", text, |text| Lot::new(text))).transpose()
}

/// Reads a time in RFC 3339.
pub(super) fn time(field: &'static str, text: &str) -> Result<Timestamp, Problem> {
    let read: Result<jiff::Timestamp, _> = text.parse();
    read.map(|time| Timestamp(time.as_microsecond()))
        .map_err(|_| Problem::invalid(field, "send a time such as 2026-11-22T12:00:00Z"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackorderBody {
    max: QuantityField,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SkuBody {
    name: String,
    price: MoneyField,
    status: Option<String>,
    category: Option<String>,
    brand: Option<String>,
    limit_per_customer: Option<QuantityField>,
    hold_ttl_seconds: Option<u32>,
    backorder: Option<Object<BackorderBody>>,
    admission: Option<Object<AdmissionBody>>,
    safety_level: Option<u64>,
    low_stock_level: Option<u64>,
    sourcing: Option<Object<SourcingBody>>,
    preorder: Option<bool>,
    kit: Option<Vec<Object<KitPartBody>>>,
    market: Option<Object<MarketBody>>,
}

impl SkuBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        if self.name.len() > 500 {
            return Err(Problem::invalid("name", "at most 500 bytes"));
        }
        let mut definition = Definition::new(&self.name, self.price.0);
        if let Some(status) = &self.status {
            definition.status = one_of("status", status, &SkuStatus::ALL)?;
        }
        definition.category = self.category.map(Into::into);
        definition.brand = self.brand.map(Into::into);
        definition.limit_per_customer = self.limit_per_customer.map(|limit| limit.0);
        definition.hold_ttl_seconds = self.hold_ttl_seconds.unwrap_or(Definition::HOLD_TTL_SECONDS_DEFAULT);
        definition.backorder_max = self.backorder.map(|backorder| backorder.0.max.0);
        definition.safety_level = self.safety_level.unwrap_or(0);
        definition.low_stock_level = self.low_stock_level;
        definition.sourcing = self.sourcing.map(|body| body.0.plan().map(Box::new)).transpose()?;
        definition.preorder = self.preorder.unwrap_or(false);
        definition.admission = match self.admission {
            Some(Object(body)) => body.admission()?.map(Box::new),
            None => None,
        };
        definition.kit = self.kit.map(|parts| kit(&parts).map(Box::new)).transpose()?;
        definition.market = match self.market {
            Some(Object(body)) => Some(Box::new(body.rules(self.price.0.currency)?)),
            None => None,
        };
        if definition.safety_level > stockade_domain::QUANTITY_MAX {
            return Err(Problem::new(Code::QuantityInvalid));
        }
        Ok(StockCommand::Define(Box::new(definition)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceiptBody {
    quantity: QuantityField,
    location: Option<String>,
    lot: Option<String>,
    expires_at: Option<String>,
    unit_cost: Option<MoneyField>,
}

impl ReceiptBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        Ok(StockCommand::Receive {
            location: location(self.location.as_ref())?,
            lot: lot(self.lot.as_ref())?,
            expires_at: self.expires_at.map(|text| time("expires_at", &text)).transpose()?,
            quantity: self.quantity.0,
            unit_cost: self.unit_cost.map(|money| money.0),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdjustmentBody {
    delta: DeltaField,
    reason: String,
    force: Option<bool>,
    location: Option<String>,
    lot: Option<String>,
}

impl AdjustmentBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        Ok(StockCommand::Adjust {
            location: location(self.location.as_ref())?,
            lot: lot(self.lot.as_ref())?,
            delta: self.delta.0,
            reason: self.reason.into(),
            force: self.force.unwrap_or(false),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReclassificationBody {
    from: String,
    to: String,
    quantity: QuantityField,
    location: Option<String>,
    lot: Option<String>,
}

impl ReclassificationBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        Ok(StockCommand::Reclassify {
            location: location(self.location.as_ref())?,
            lot: lot(self.lot.as_ref())?,
            from: one_of("from", &self.from, &Unsellable::ALL)?,
            to: one_of("to", &self.to, &Unsellable::ALL)?,
            quantity: self.quantity.0,
        })
    }
}

pub(super) fn refused(refusal: &Refusal) -> Problem {
    Problem::from(refusal)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PayBody<'a> {
    #[serde(borrow)]
    payments: Option<Vec<Object<PaymentBody<'a>>>>,
    #[serde(borrow)]
    payment: Option<Object<PaymentBody<'a>>>,
}

impl PayBody<'_> {
    pub(super) fn payments(self) -> Result<Vec<Payment>, Problem> {
        payments((self.payments, self.payment))?.collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineUnitsBody {
    line: u32,
    quantity: Option<QuantityField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtendBody {
    seconds: u32,
}

impl ExtendBody {
    pub(super) fn command(self) -> Result<OrderCommand, Problem> {
        Ok(OrderCommand::Extend { seconds: self.seconds })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelBody {
    lines: Option<Vec<Object<LineUnitsBody>>>,
}

impl CancelBody {
    pub(super) fn command(self) -> Result<OrderCommand, Problem> {
        let units = |Object(row): Object<LineUnitsBody>| (row.line, row.quantity.map(|quantity| quantity.0));
        Ok(OrderCommand::Cancel { lines: self.lines.map(|lines| lines.into_iter().map(units).collect()) })
    }
}

fn with_quantities(lines: Vec<Object<LineUnitsBody>>) -> Result<Vec<(u32, u64)>, Problem> {
    let units = |Object(row): Object<LineUnitsBody>| {
        let quantity = row.quantity.ok_or_else(|| Problem::invalid("lines", "each line needs its `quantity`"))?;
        Ok((row.line, quantity.0))
    };
    lines.into_iter().map(units).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShipBody {
    lines: Option<Vec<Object<LineUnitsBody>>>,
    tracking: Option<String>,
}

impl ShipBody {
    pub(super) fn command(self) -> Result<OrderCommand, Problem> {
        let lines = self.lines.map(with_quantities).transpose()?;
        Ok(OrderCommand::Ship { lines, tracking: self.tracking.map(Into::into) })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliverBody {}

impl DeliverBody {
    pub(super) fn command(self) -> Result<OrderCommand, Problem> {
        Ok(OrderCommand::Deliver)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReturnLineBody {
    line: u32,
    quantity: QuantityField,
    disposition: Option<String>,
}

/// Whether a return gives money back: `true` (as if absent), `false`, or so much.
///
/// Read by hand: serde's untagged enums forget why each of their variants did not fit, and so which code it has.
enum RefundBody {
    Whether(bool),
    Exactly(MoneyField),
}

impl<'de> Deserialize<'de> for RefundBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WhetherOrExactly;

        impl<'de> Visitor<'de> for WhetherOrExactly {
            type Value = RefundBody;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or money such as {\"amount\":\"19.99\",\"currency\":\"GBP\"}")
            }

            fn visit_bool<E: de::Error>(self, whether: bool) -> Result<RefundBody, E> {
                Ok(RefundBody::Whether(whether))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RefundBody, A::Error> {
                MoneyField::deserialize(MapAccessDeserializer::new(map)).map(RefundBody::Exactly)
            }
        }

        deserializer.deserialize_any(WhetherOrExactly)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReturnBody {
    lines: Vec<Object<ReturnLineBody>>,
    refund: Option<RefundBody>,
}

impl ReturnBody {
    pub(super) fn command(self) -> Result<OrderCommand, Problem> {
        let lines = self.lines.into_iter().map(|Object(row)| {
            let disposition = row.disposition.as_deref().unwrap_or("restock");
            Ok((row.line, row.quantity.0, one_of("disposition", disposition, &Disposition::ALL)?))
        });
        let refund = match self.refund {
            None | Some(RefundBody::Whether(true)) => RefundChoice::Auto,
            Some(RefundBody::Whether(false)) => RefundChoice::Nothing,
            Some(RefundBody::Exactly(money)) => RefundChoice::Exactly(money.0),
        };
        Ok(OrderCommand::Return { lines: lines.collect::<Result<_, Problem>>()?, refund })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundRequestBody {
    amount: Option<MoneyField>,
    lines: Option<Vec<Object<LineUnitsBody>>>,
    reason: String,
}

impl RefundRequestBody {
    pub(super) fn command(self) -> Result<OrderCommand, Problem> {
        let reason = self.reason.into();
        match (self.amount, self.lines) {
            (Some(amount), None) => Ok(OrderCommand::RefundAmount { amount: amount.0, reason }),
            (None, Some(lines)) => Ok(OrderCommand::RefundLines { lines: with_quantities(lines)?, reason }),
            _ => Err(Problem::invalid("amount", "send either `amount` or `lines`")),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreditBody {
    amount: MoneyField,
    reference: Option<String>,
}

impl CreditBody {
    pub(super) fn command(self) -> AccountCommand {
        AccountCommand::Credit { money: self.amount.0, reference: self.reference.map(Into::into) }
    }
}

/// A SKU in a path; a name that no SKU can have is one that is not known.
pub(super) fn sku_in_path(text: &str) -> Result<SkuId, Problem> {
    SkuId::new(text).map_err(|_| refused(&Refusal::SkuUnknown { sku: text.chars().take(80).collect() }).in_path())
}

/// An order in a path.
pub(super) fn order_in_path(text: &str) -> Result<OrderId, Problem> {
    OrderId::parse(text).map_err(|refusal| refused(&refusal).in_path())
}

/// A customer in a path or query.
pub(super) fn customer(text: &str) -> Result<CustomerId, Problem> {
    name("customer", text, |text| CustomerId::new(text))
}
