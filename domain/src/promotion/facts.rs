//! What the rules ask about a cart, worked out once: names as numbers, sums as sums.

use smallvec::SmallVec;

use super::cart::{Cart, CartContext};
use super::civil;
use super::compile::RuleSet;
use crate::order::TOTAL_MAX;
use crate::{Amount, Refusal, check_quantity};

/// A kind of names that promotions are looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Sku,
    Brand,
    Category,
    Coupon,
    Tier,
    Region,
    Channel,
}

/// How many kinds there are.
pub(super) const KINDS: usize = 7;

/// A name that no rule mentions.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// A line in numbers.
pub(super) struct LineFacts {
    /// SKU, brand, category: the first three kinds.
    pub names: [u32; 3],
    pub quantity: u64,
    pub unit_price: i64,
    /// Rounded to the minor unit.
    pub gross: i64,
}

/// A cart in numbers.
pub(super) struct Facts<'a> {
    pub cart: &'a Cart,
    pub context: &'a CartContext,
    pub lines: SmallVec<[LineFacts; 16]>,
    /// What the lines come to at list prices.
    pub subtotal: i64,
    /// How many units the lines are.
    pub units: u64,
    /// Tier, region, channel.
    pub buyer: [u32; 3],
    pub coupons: SmallVec<[u32; 2]>,
    pub weekday: usize,
    pub minute: u16,
    /// The currency's minor unit.
    pub unit: i64,
}

impl<'a> Facts<'a> {
    /// Checks the cart and works it out.
    pub fn new(rules: &RuleSet, cart: &'a Cart, context: &'a CartContext) -> Result<Self, Refusal> {
        let mut total = Amount::ZERO;
        let mut lines = SmallVec::new();
        for line in &cart.lines {
            check_quantity(line.quantity)?;
            let gross = line.unit_price.checked_times(line.quantity).and_then(|sum| sum.rounded(cart.currency));
            let gross = gross.filter(|_| !line.unit_price.is_negative()).ok_or_else(too_large)?;
            total = total.checked_add(gross).ok_or_else(too_large)?;
            let name = |kind, text: Option<&str>| text.map_or(UNKNOWN, |text| rules.name(kind, text));
            lines.push(LineFacts {
                names: [
                    rules.name(Kind::Sku, line.sku.as_str()),
                    name(Kind::Brand, line.brand.as_deref()),
                    name(Kind::Category, line.category.as_deref()),
                ],
                quantity: line.quantity,
                unit_price: line.unit_price.0,
                gross: gross.0,
            });
        }
        let subtotal = total.0;
        let units = cart.lines.iter().map(|line| line.quantity).sum();
        for charge in &cart.charges {
            if charge.money.currency != cart.currency {
                let (wanted, found) = (cart.currency.to_string(), charge.money.currency.to_string());
                return Err(Refusal::CurrencyMismatch { wanted, found });
            }
            if charge.money.amount.is_negative() || !charge.money.amount.is_rounded(cart.currency) {
                return Err(Refusal::MoneyInvalid { why: "a charge is a positive amount in whole minor units".into() });
            }
            total = total.checked_add(charge.money.amount).ok_or_else(too_large)?;
        }
        if total.0 > TOTAL_MAX {
            return Err(too_large());
        }
        let of_buyer =
            [(Kind::Tier, &context.tier), (Kind::Region, &context.region), (Kind::Channel, &context.channel)];
        let buyer = of_buyer.map(|(kind, text)| text.as_ref().map_or(UNKNOWN, |text| rules.name(kind, text)));
        let coupons = context.coupons.iter().map(|coupon| rules.name(Kind::Coupon, coupon.batch.as_str())).collect();
        let (weekday, minute) = civil::weekday_and_minute(context.now, context.utc_offset_minutes);
        Ok(Self {
            cart,
            context,
            lines,
            subtotal,
            units,
            buyer,
            coupons,
            weekday,
            minute,
            unit: cart.currency.minor_unit(),
        })
    }
}

fn too_large() -> Refusal {
    Refusal::MoneyInvalid { why: "a price is not negative, and the total must be countable".into() }
}
