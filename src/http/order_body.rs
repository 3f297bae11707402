//! What an order is placed with: its body, and how that becomes an order.
//!
//! Its texts are borrowed from the request where they need no unescaping: this is the hot request.

use serde::Deserialize;
use serde_json::Value;
use stockade_domain::order::{ChargeKind, ChargeTime, LINES_MAX};
use stockade_domain::payment::Method;
use stockade_domain::stock::market::Seller;
use stockade_domain::{CustomerId, OrderId, Refusal};

use super::body::Object;
use super::fields::{MoneyField, QuantityField, Text};
use super::problem::Problem;
use super::requests::{name, one_of, refused};
use super::stock_body::ContextBody;
use crate::engine::{NewOrder, Payment};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineBody<'a> {
    #[serde(borrow)]
    sku: Text<'a>,
    quantity: QuantityField,
    unit_price: Option<MoneyField>,
    #[serde(borrow)]
    seller: Option<Text<'a>>,
    max_unit_price: Option<MoneyField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChargeBody<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    amount: MoneyField,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaymentBody<'a> {
    #[serde(borrow)]
    method: Text<'a>,
    amount: Option<MoneyField>,
    #[serde(borrow)]
    token: Option<Text<'a>>,
    #[serde(borrow)]
    reference: Option<Text<'a>>,
    /// `automatic` (the default), or `manual`: the money is only set aside.
    #[serde(borrow)]
    capture: Option<Text<'a>>,
}

impl PaymentBody<'_> {
    fn payment(self) -> Result<Payment, Problem> {
        let payment = match one_of("payments", &self.method.0, &Method::ALL)? {
            Method::Wallet => Payment::wallet(),
            Method::Account => Payment::account(),
            Method::Card => Payment::card(self.token.as_deref().unwrap_or_default()),
            Method::External => Payment::external(self.reference.as_deref().unwrap_or_default()),
        };
        let payment = match self.capture.as_deref() {
            None | Some("automatic") => payment,
            Some("manual") => payment.capture_later(),
            Some(_) => return Err(Problem::invalid("payments", "`capture` is `automatic` or `manual`")),
        };
        Ok(match self.amount {
            Some(amount) => payment.amount(amount.0),
            None => payment,
        })
    }
}

/// The list form or the single one of a body's payments.
type Payments<'a> = (Option<Vec<Object<PaymentBody<'a>>>>, Option<Object<PaymentBody<'a>>>);

pub(super) fn payments<'a>(
    (list, single): Payments<'a>,
) -> Result<impl Iterator<Item = Result<Payment, Problem>> + 'a, Problem> {
    if list.is_some() && single.is_some() {
        return Err(Problem::invalid("payment", "send either `payment` or `payments`"));
    }
    Ok(list.unwrap_or_default().into_iter().chain(single).map(|body| body.0.payment()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderBody<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    customer: Option<Text<'a>>,
    #[serde(borrow)]
    purchaser_key: Option<Text<'a>>,
    #[serde(borrow)]
    lines: Option<Vec<Object<LineBody<'a>>>>,
    #[serde(borrow)]
    sku: Option<Text<'a>>,
    quantity: Option<QuantityField>,
    #[serde(borrow)]
    charges: Option<Vec<Object<ChargeBody<'a>>>>,
    #[serde(borrow)]
    coupon: Option<Text<'a>>,
    #[serde(borrow)]
    coupons: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    context: Option<Object<ContextBody<'a>>>,
    #[serde(borrow)]
    payments: Option<Vec<Object<PaymentBody<'a>>>>,
    #[serde(borrow)]
    payment: Option<Object<PaymentBody<'a>>>,
    expected_total: Option<MoneyField>,
    allow_backorder: Option<bool>,
    allow_partial: Option<bool>,
    #[serde(borrow)]
    charge: Option<Text<'a>>,
}

impl OrderBody<'_> {
    /// The order; `body` is the text it was read from, so that an id used again can be compared.
    pub(super) fn order(self, body: &[u8]) -> Result<NewOrder, Problem> {
        let lines = match (self.lines, self.sku, self.quantity) {
            (Some(lines), None, None) => Ok(lines),
            (None, Some(sku), Some(quantity)) => Err((sku, quantity)),
            _ => return Err(Problem::invalid("lines", "send `lines`, or `sku` and `quantity`")),
        };
        let mut order = match lines {
            Ok(lines) => several(lines)?,
            Err((sku, quantity)) => NewOrder::one(&*sku, quantity.0),
        };
        for Object(charge) in self.charges.unwrap_or_default() {
            order = order.charge(one_of("kind", &charge.kind, &ChargeKind::ALL)?, charge.amount.0);
        }
        for payment in payments((self.payments, self.payment))? {
            order = order.pay(payment?);
        }
        if let Some(customer) = self.customer.as_deref() {
            order = order.customer(customer);
        }
        if let Some(key) = self.purchaser_key.as_deref() {
            order = order.purchaser_key(key);
        }
        if let Some(total) = self.expected_total {
            order = order.expected_total(total.0);
        }
        if let Some(Object(context)) = &self.context {
            order.order.context = context.context()?;
            order = context.for_promotions(order)?;
        }
        for code in self.coupons.iter().flatten().chain(&self.coupon) {
            order = order.coupon(&*code.0);
        }
        if let Some(charge) = self.charge.as_deref() {
            order = order.charge_time(one_of("charge", charge, &ChargeTime::ALL)?);
        }
        order.order.allow_partial = self.allow_partial.unwrap_or(false);
        order.order.allow_backorder = self.allow_backorder.unwrap_or(false);
        if let Some(id) = self.id.as_deref() {
            order = order.id(OrderId::parse(id).map_err(|refusal| refused(&refusal))?);
            order.order.body_digest = body_digest(body);
        }
        Ok(order)
    }
}

/// What an unpaid order is changed to: all its lines from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EditBody<'a> {
    #[serde(borrow)]
    lines: Vec<Object<LineBody<'a>>>,
    #[serde(borrow)]
    context: Option<Object<ContextBody<'a>>>,
    expected_total: Option<MoneyField>,
}

impl EditBody<'_> {
    pub(super) fn lines(self) -> Result<NewOrder, Problem> {
        let mut order = several(self.lines)?;
        if let Some(total) = self.expected_total {
            order = order.expected_total(total.0);
        }
        if let Some(Object(context)) = &self.context {
            order.order.context = context.context()?;
            order = context.for_promotions(order)?;
        }
        Ok(order)
    }
}

fn several(lines: Vec<Object<LineBody<'_>>>) -> Result<NewOrder, Problem> {
    if lines.len() > LINES_MAX {
        return Err(refused(&Refusal::TooManyLines { limit: LINES_MAX, found: lines.len() }));
    }
    let mut order = NewOrder::empty();
    for Object(line) in lines {
        let supply = supply(&line)?;
        order = match line.unit_price {
            Some(_) if supply.is_some() => {
                let why = "a line that names a `seller` is paid at the seller's price";
                return Err(Problem::invalid("unit_price", why));
            }
            None if let Some(seller) = supply => {
                let max = line.max_unit_price.map(|price| price.0);
                order.add_supplied(&line.sku, line.quantity.0, seller, max)
            }
            Some(price) => order.line_at(&*line.sku, line.quantity.0, price.0),
            None => order.line(&*line.sku, line.quantity.0),
        };
    }
    Ok(order)
}

/// Whose units a line may have, if it names somebody.
fn supply(line: &LineBody<'_>) -> Result<Option<Seller>, Problem> {
    match (line.seller.as_deref(), &line.max_unit_price) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Problem::invalid("max_unit_price", "goes with a `seller`, or with `any`")),
        (Some("any"), None) => Err(Problem::invalid("max_unit_price", "a line that buys from `any` names it")),
        (Some("any"), Some(_)) => Ok(Some(Seller::Any)),
        (Some(seller), _) => Ok(Some(Seller::Named(name("seller", seller, |text| CustomerId::new(text))?))),
    }
}

/// A digest of a body's meaning: the same JSON in another order of members or spacing is the same body.
pub(super) fn body_digest(body: &[u8]) -> u64 {
    // What cannot be read as one value (a number beyond any float, say) is compared byte by byte.
    let digest = match serde_json::from_slice::<Value>(body) {
        Ok(value) => blake3::hash(value.to_string().as_bytes()),
        Err(_) => blake3::hash(body),
    };
    u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("eight bytes")).max(1)
}
