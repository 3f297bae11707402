//! Promotions in an order: what the buyer presents, and what was taken off.

use std::borrow::Cow;

use compact_str::CompactString;
use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use super::event::PlacedLine;
use super::place::Fill;
use super::request::{NewOrder, Tender};
use super::state::Order;
use crate::promotion::pricing::{Considered, GrantedGift, Pricing, Target, Verdict};
use crate::promotion::uses::{Subject, Use, UsesCommand};
use crate::promotion::{
    Cart, CartContext, CartLine, CouponCode, PresentedCoupon, PromotionId, RuleSet, Unavailable, price,
};
use crate::{Amount, Currency, Refusal, Timestamp, codec};

/// The most coupons of one order.
pub const COUPONS_MAX: usize = 8;

/// What promotions want to know about a buyer, and what became of the order's pricings so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PromotionWish {
    /// Codes that the buyer presents.
    pub coupons: SmallVec<[CouponCode; 1]>,
    /// Whether the caller calls the customer new.
    pub new_customer: bool,
    /// How many orders the customer has made before, if the caller knows.
    pub orders_before: Option<u64>,
    /// The customer's tier.
    pub tier: Option<CompactString>,
    /// Where the buyer is.
    pub region: Option<CompactString>,
    /// Through what the order comes.
    pub channel: Option<CompactString>,
    /// Minutes east of UTC of the shop's clock.
    pub utc_offset_minutes: i16,
    /// Promotions whose owners have refused a use; the host counts.
    pub unavailable: Vec<(PromotionId, Unavailable)>,
    /// Gifts that an earlier pricing granted: the last lines of the order are theirs.
    pub gifts: Vec<GrantedGift>,
    /// In which try to place it across partitions; tries are numbered upwards.
    pub round: u64,
}

/// An amount off a line or a charge.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AppliedDiscount {
    /// Whose.
    #[n(0)]
    pub promotion: PromotionId,
    /// Off what.
    #[n(1)]
    pub target: Target,
    /// How much.
    #[n(2)]
    pub amount: Amount,
}

/// A use that an order has: held until it is paid, then settled.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AppliedUse {
    /// Of what.
    #[n(0)]
    pub subject: Subject,
    /// What it takes of a budget.
    #[n(1)]
    pub amount: Amount,
}

/// What promotions did to an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Promoted {
    /// Which version of the rules priced it.
    #[n(0)]
    pub version: u64,
    /// Who took what off.
    #[cbor(n(1), with = "codec::list")]
    pub discounts: SmallVec<[AppliedDiscount; 1]>,
    /// What it uses.
    #[cbor(n(2), with = "codec::list")]
    pub uses: SmallVec<[AppliedUse; 2]>,
    /// So many of its last lines are gifts.
    #[n(3)]
    pub gifts: u32,
    /// In which try it was placed.
    #[n(4)]
    pub round: u64,
}

impl Promoted {
    /// Whether any promotion did anything: an order that none touched need not remember them.
    pub(super) fn says_anything(&self) -> bool {
        !(self.discounts.is_empty() && self.uses.is_empty() && self.gifts == 0)
    }

    /// What is taken off its charges.
    pub fn off_charges(&self) -> Amount {
        let of_charges = self.discounts.iter().filter(|discount| matches!(discount.target, Target::Charge(_)));
        Amount(of_charges.map(|discount| discount.amount.0).sum())
    }

    /// What its uses are asked.
    pub fn asks<'a>(
        &'a self,
        command: impl Fn() -> UsesCommand + 'a,
    ) -> impl Iterator<Item = (Subject, UsesCommand)> + 'a {
        self.uses.iter().map(move |applied| (applied.subject.clone(), command()))
    }

    /// What holds its uses, for an order of this id.
    pub fn holds<'a>(
        &'a self,
        order: &'a NewOrder,
        currency: Currency,
    ) -> impl Iterator<Item = (&'a Subject, UsesCommand)> + 'a {
        self.uses.iter().map(move |applied| {
            let (amount, customer, round) = (applied.amount, order.buyer().cloned(), self.round);
            (&applied.subject, UsesCommand::Hold { order: order.id, amount, currency, customer, round })
        })
    }

    /// Whether an order has a use of this.
    pub fn uses(&self, subject: &Subject) -> bool {
        self.uses.iter().any(|applied| applied.subject == *subject)
    }
}

/// What prices orders: the rules of now, and the coupons that their owners know.
#[derive(Clone, Copy, Default)]
pub struct Pricer<'a> {
    /// None: there are no promotions.
    pub rules: Option<&'a RuleSet>,
    /// Those of the order, with their batches.
    pub coupons: &'a [PresentedCoupon],
}

impl Pricer<'_> {
    /// Takes off what promotions take off; returns what they did, and the gifts that they grant.
    pub(super) fn apply(
        &self,
        order: &NewOrder,
        lines: &mut [PlacedLine],
        origins: &[Origin<'_>],
        currency: Currency,
        now: Timestamp,
    ) -> Result<Option<(Promoted, Vec<GrantedGift>)>, Refusal> {
        let Some(rules) = self.rules else {
            return match order.promotions.as_ref().and_then(|wish| wish.coupons.first()) {
                Some(code) => Err(invalid(code, "no promotion takes coupons")),
                None => Ok(None),
            };
        };
        let (wish, none) = (order.promotions.as_deref(), PromotionWish::default());
        let wish = wish.unwrap_or(&none);
        let is_known = |code: &&CouponCode| self.coupons.iter().any(|coupon| coupon.code == **code);
        if let Some(unknown) = wish.coupons.iter().find(|code| !is_known(code)) {
            return Err(invalid(unknown, "no promotion that takes it applies to this order"));
        }
        // Gifts are no part of what is priced; nor are lines that got nothing.
        let goods = order.lines.len() - wish.gifts.len();
        let priced: SmallVec<[u32; 8]> = (0..)
            .zip(origins)
            .zip(lines.iter())
            .filter(|((_, origin), line)| origin.line < goods && line.filled + line.backordered > 0)
            .map(|((at, _), _)| at)
            .collect();
        let cart_line = |at: &u32| {
            let (line, origin) = (&lines[*at as usize], &origins[*at as usize]);
            let (sku, quantity) = (line.sku.clone(), line.filled + line.backordered);
            let (category, brand) =
                origin.fill.map_or((None, None), |fill| (fill.category.clone(), fill.brand.clone()));
            CartLine { sku, category, brand, quantity, unit_price: line.unit_price }
        };
        let cart = Cart { currency, lines: priced.iter().map(cart_line).collect(), charges: order.charges.clone() };
        let mut context = CartContext {
            now,
            utc_offset_minutes: wish.utc_offset_minutes,
            customer: order.buyer().cloned(),
            new_customer: wish.new_customer,
            orders_before: wish.orders_before,
            tier: wish.tier.clone(),
            region: wish.region.clone(),
            channel: wish.channel.clone(),
            payments: order.payments.iter().map(|tender| tender.method).collect(),
            coupons: self.coupons.iter().cloned().collect(),
            unavailable: wish.unavailable.clone(),
        };
        let pricing = price_for_buyer(rules, &cart, &mut context, &order.payments)?;
        let mut promoted = Promoted { version: pricing.version, round: wish.round, ..Promoted::default() };
        for discount in &pricing.discounts {
            let target = match discount.target {
                Target::Line(line) => Target::Line(priced[line as usize]),
                charge @ Target::Charge(_) => charge,
            };
            if let Target::Line(line) = target {
                lines[line as usize].discount.0 += discount.amount.0;
            }
            let promotion = rules.promotion(discount.rule).id.clone();
            promoted.discounts.push(AppliedDiscount { promotion, target, amount: discount.amount });
        }
        let of_promotions = pricing.uses.promotions.iter();
        let of_promotions = of_promotions
            .map(|used| AppliedUse { subject: Subject::Promotion(used.promotion.clone()), amount: used.amount });
        let of_coupons = pricing.uses.coupons.iter();
        let of_coupons =
            of_coupons.map(|used| AppliedUse { subject: Subject::Coupon(used.code.clone()), amount: Amount::ZERO });
        promoted.uses = of_coupons.chain(of_promotions).collect();
        promoted.gifts = wish.gifts.len() as u32;
        Ok(Some((promoted, pricing.uses.gifts)))
    }
}

/// Prices a cart for a buyer who pays it by these tenders, as an order and a quote of it are priced. Refuses coupons
/// that come to nothing: whoever presents one wants it to count.
pub fn price_for_buyer(
    rules: &RuleSet,
    cart: &Cart,
    context: &mut CartContext,
    tenders: &[Tender],
) -> Result<Box<Pricing>, Refusal> {
    let pricing = price_as_paid(rules, cart, context, tenders)?;
    let is_used = |coupon: &&PresentedCoupon| pricing.uses.coupons.iter().any(|used| used.code == coupon.code);
    match context.coupons.iter().find(|coupon| !is_used(coupon)) {
        Some(unused) => Err(unused_coupon(rules, cart, &pricing, unused)),
        None => Ok(pricing),
    }
}

/// What the tenders leave open may be paid in any way later: then no condition on payment is true.
fn price_as_paid(
    rules: &RuleSet,
    cart: &Cart,
    context: &mut CartContext,
    tenders: &[Tender],
) -> Result<Box<Pricing>, Refusal> {
    let pricing = price(rules, cart, context)?;
    let named = tenders.iter().map(|tender| tender.amount.map(|money| money.amount.0));
    let named = named.reduce(|sum, amount| Some(sum?.saturating_add(amount?))).flatten();
    if named.is_none_or(|named| named >= pricing.total().0) {
        return Ok(pricing);
    }
    context.payments.clear();
    price(rules, cart, context)
}

/// Where a placed line comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    /// The line of the request.
    pub line: usize,
    /// What its SKU gave; a kit has several SKUs and is of no category.
    pub fill: Option<&'a Fill>,
}

fn invalid(code: &CouponCode, why: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::CouponInvalid { code: code.to_string(), why: why.into() }
}

/// Says of a coupon that comes to nothing what the promotion says that takes it.
fn unused_coupon(rules: &RuleSet, cart: &Cart, pricing: &Pricing, unused: &PresentedCoupon) -> Refusal {
    let takes = |considered: &&Considered| rules.promotion(considered.rule).coupon.contains(&unused.batch);
    match pricing.considered.iter().find(takes) {
        None => invalid(&unused.code, "no promotion takes it"),
        Some(Considered { verdict: Verdict::Applied(_), .. }) => {
            invalid(&unused.code, "another coupon of its batch is used")
        }
        Some(refused) => {
            let said = rules.explanation(refused.rule, refused.verdict, cart.currency);
            invalid(&unused.code, said.sentence)
        }
    }
}

impl Order {
    /// What it has of this, held or used.
    pub fn use_of(&self, subject: &Subject) -> Option<Use> {
        let promoted = self.promoted.as_ref()?;
        let used = promoted.uses.iter().find(|used| used.subject == *subject)?;
        let customer = self.customer.clone().or_else(|| self.purchaser_key.clone());
        Some(Use { amount: used.amount, customer, round: promoted.round })
    }

    /// What releases its uses, or gives them back if it was paid.
    pub(super) fn end_uses(&self) -> impl Iterator<Item = (Subject, UsesCommand)> + '_ {
        self.promoted.iter().flat_map(move |promoted| {
            promoted.uses.iter().map(move |used| {
                let (order, round) = (self.id, promoted.round);
                let command = match self.secured {
                    true => UsesCommand::GiveBack { order, taken: self.use_of(&used.subject), step: None },
                    false => UsesCommand::Release { order, round },
                };
                (used.subject.clone(), command)
            })
        })
    }
}
