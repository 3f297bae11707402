//! Promotions, coupons and quotes.

use serde::Serialize;
use serde_json::{Value, json};
use stockade_actors::command::{Answer, Command, UsesView};
use stockade_domain::order::{self, COUPONS_MAX};
use stockade_domain::promotion::coupon::CouponBatch;
use stockade_domain::promotion::pricing::{Explanation, GrantedGift, Pricing, Target as Off};
use stockade_domain::promotion::uses::{Subject, Terms, UsesCommand};
use stockade_domain::promotion::{
    Cart, CartContext, CartLine, CouponCode, Label, Lane, PresentedCoupon, Promotion, PromotionId, Unavailable,
};
use stockade_domain::{Amount, Money, Quantity, Refusal};

use super::admission::Target;
use super::commands::Pending;
use super::snapshot::{MoneyJson, Text};
use super::{Engine, NewOrder};

/// So many commands are under way at once where many are given.
const AT_ONCE: usize = 1_000;
/// The most codes that are made at once.
pub const CODES_MAX: u64 = 10_000;

/// A promotion as it is shown outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionSnapshot(pub UsesView);

/// A coupon as it is shown outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CouponSnapshot(pub UsesView);

fn uses_json(view: &UsesView) -> Value {
    let budget = view.terms.as_ref().and_then(|terms| terms.limits.budget).is_some();
    let mut uses = json!({"held": view.held, "settled": view.settled});
    if budget {
        uses["amount"] = view.amount.to_string().into();
    }
    uses
}

impl Serialize for PromotionSnapshot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let promotion = self.0.promotion.as_ref().expect("a promotion says what it is");
        let mut json = serde_json::to_value(promotion).map_err(serde::ser::Error::custom)?;
        json["retired"] = self.0.retired.into();
        json["uses"] = uses_json(&self.0);
        json["as_of"] = self.0.as_of.to_string().into();
        json.serialize(serializer)
    }
}

impl Serialize for CouponSnapshot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let terms = self.0.terms.as_ref();
        let mut json = json!({
            "code": self.0.subject.name(),
            "batch": terms.and_then(|terms| terms.batch.as_ref()).map(ToString::to_string),
            "revoked": terms.is_some_and(|terms| terms.revoked),
            "limits": terms.map(|terms| &terms.limits),
            "uses": uses_json(&self.0),
            "as_of": Text(self.0.as_of),
        });
        if let Some(terms) = terms.filter(|terms| !terms.window.is_open()) {
            json["window"] = serde_json::to_value(terms.window).map_err(serde::ser::Error::custom)?;
        }
        json.serialize(serializer)
    }
}

fn as_uses(answer: Answer) -> UsesView {
    match answer {
        Answer::Uses(view) => *view,
        other => unreachable!("an owner of uses is answered with them, not {other:?}"),
    }
}

/// What became of many promotions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PutPromotions {
    /// The version of the rules from now on.
    #[serde(rename = "rules_version", serialize_with = "as_text")]
    pub version: u64,
    /// New ones.
    pub created: u64,
    /// Known ones that are something else now.
    pub changed: u64,
    /// Those that were so already.
    pub unchanged: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn as_text<S: serde::Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// A cart, priced without holding anything.
#[derive(Debug, Clone)]
pub struct Quote {
    /// Which version of the rules priced it.
    pub version: u64,
    /// What the goods cost at list prices.
    pub subtotal: Money,
    /// All that is taken off, charges included.
    pub discount: Money,
    /// What comes on top, before discounts.
    pub charges: Money,
    /// What is to be paid.
    pub total: Money,
    /// What each line costs: before, and what is taken off.
    pub lines: Vec<(Money, Money)>,
    /// What was taken off what, by whom.
    pub discounts: Vec<(PromotionId, Off, Money)>,
    /// Who would send what along.
    pub gifts: Vec<(PromotionId, String, u64)>,
    /// Every promotion: whether it applies, and why or why not.
    pub promotions: Vec<Explanation>,
}

impl Serialize for Quote {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let money = |money: &Money| json!(MoneyJson(*money));
        let line = |(at, (gross, off)): (usize, &(Money, Money))| {
            let net = Money::new(Amount(gross.amount.0 - off.amount.0), gross.currency);
            json!({"line": at, "subtotal": money(gross), "discount": money(off), "total": money(&net)})
        };
        let discount = |(promotion, off, amount): &(PromotionId, Off, Money)| {
            let (what, at) = match off {
                Off::Line(at) => ("line", at),
                Off::Charge(at) => ("charge", at),
            };
            json!({"promotion": promotion.as_str(), what: at, "amount": money(amount)})
        };
        let gift = |(promotion, sku, quantity): &(PromotionId, String, u64)| json!({"promotion": promotion.as_str(), "sku": sku, "quantity": quantity});
        let verdict = |said: &Explanation| {
            let amount = Money::new(said.amount, self.total.currency);
            json!({"id": said.promotion.as_str(), "version": said.version.to_string(), "code": said.code,
                "sentence": said.sentence, "amount": money(&amount)})
        };
        json!({
            "rules_version": Text(self.version),
            "lines": self.lines.iter().enumerate().map(line).collect::<Vec<_>>(),
            "totals": {"subtotal": money(&self.subtotal), "discount": money(&self.discount),
                "charges": money(&self.charges), "total": money(&self.total)},
            "discounts": self.discounts.iter().map(discount).collect::<Vec<_>>(),
            "gifts": self.gifts.iter().map(gift).collect::<Vec<_>>(),
            "promotions": self.promotions.iter().map(verdict).collect::<Vec<_>>(),
        })
        .serialize(serializer)
    }
}

impl Engine {
    /// Defines a promotion or changes it; orders are priced by it from the moment this returns.
    pub fn put_promotion(&self, promotion: Promotion) -> Pending<PromotionSnapshot> {
        let subject = Subject::Promotion(promotion.id.clone());
        let command = Box::new(UsesCommand::Promote { promotion: Box::new(promotion) });
        let command = Command::Uses { subject: subject.clone(), command, key: None };
        Pending::new(self.submit(&Target::Name(subject.name()), command), |answer| PromotionSnapshot(as_uses(answer)))
    }

    /// Defines many promotions, or changes them; those that are as they were stay. What is wrong with any of them is
    /// found before the first is written. Each is durable when this returns, and orders see all of them or none.
    pub async fn put_promotions(&self, promotions: Vec<Promotion>) -> Result<PutPromotions, Refusal> {
        let rules = &self.0.rules;
        rules.check_all(&promotions)?;
        let subject = |promotion: &Promotion| Subject::Promotion(promotion.id.clone());
        let promote = |promotion: Promotion| UsesCommand::Promote { promotion: Box::new(promotion) };
        // The owners know what only they know: in what currency a budget is spent.
        let mut changed = Vec::new();
        for some in promotions.chunks(AT_ONCE) {
            let asked: Vec<_> = some.iter().map(|of| self.peek_at(&subject(of), promote(of.clone()))).collect();
            for (promotion, answer) in some.iter().zip(asked) {
                if answer.await? > 0 {
                    changed.push(promotion.clone());
                }
            }
        }
        let unchanged = (promotions.len() - changed.len()) as u64;
        let held_back = rules.hold_back(changed.iter().map(|promotion| promotion.id.clone()));
        let mut put = PutPromotions { version: 0, created: 0, changed: 0, unchanged };
        for some in changed.chunks(AT_ONCE) {
            let asked: Vec<_> = some.iter().map(|promotion| self.put_promotion(promotion.clone())).collect();
            for answer in asked {
                match answer.await?.0.created {
                    true => put.created += 1,
                    false => put.changed += 1,
                }
            }
        }
        drop(held_back);
        put.version = rules.version();
        Ok(put)
    }

    /// The lanes that promotions are in, in their order.
    pub fn lanes(&self) -> &[Lane] {
        self.0.rules.lanes()
    }

    fn peek_at(&self, subject: &Subject, command: UsesCommand) -> Pending<u64> {
        let command = Command::PeekUse { subject: subject.clone(), command: Box::new(command) };
        Pending::new(self.submit(&Target::Name(subject.name()), command), |answer| match answer {
            Answer::Count(events) => events,
            other => unreachable!("a look is answered with a number, not {other:?}"),
        })
    }

    /// Ends a promotion: it prices nothing from the moment this returns, until it is put again. Orders that have it keep
    /// their discounts and uses. What is retired already stays so.
    pub fn retire_promotion(&self, id: &PromotionId) -> Pending<PromotionSnapshot> {
        let subject = Subject::Promotion(id.clone());
        let command = Command::Uses { subject, command: Box::new(UsesCommand::Retire), key: None };
        Pending::new(self.submit(&Target::Name(id.as_str()), command), |answer| PromotionSnapshot(as_uses(answer)))
    }

    /// A promotion and its uses, in force or retired.
    pub fn read_promotion(&self, id: &PromotionId) -> Pending<PromotionSnapshot> {
        let subject = Subject::Promotion(id.clone());
        Pending::new(self.submit(&Target::Name(id.as_str()), Command::ReadUses { subject }), |answer| {
            PromotionSnapshot(as_uses(answer))
        })
    }

    /// Every promotion in force, by id, after this one.
    pub async fn list_promotions(&self, after: Option<&str>, limit: usize) -> Result<Vec<PromotionSnapshot>, Refusal> {
        let all = self.0.rules.all();
        let mut listed = Vec::new();
        let start = after.map_or(0, |after| all.partition_point(|promotion| promotion.id.as_str() <= after));
        for promotion in all.iter().skip(start) {
            if listed.len() == limit {
                break;
            }
            let read = self.read_promotion(&promotion.id).await?;
            // It may have been retired since.
            listed.extend((!read.0.retired).then_some(read));
        }
        Ok(listed)
    }

    /// Defines a coupon or changes what it allows.
    pub fn put_coupon(&self, code: &CouponCode, terms: Terms) -> Pending<CouponSnapshot> {
        let subject = Subject::Coupon(code.clone());
        let command = Command::Uses { subject, command: Box::new(UsesCommand::Define { terms }), key: None };
        Pending::new(self.submit(&Target::Name(code.as_str()), command), |answer| CouponSnapshot(as_uses(answer)))
    }

    /// A coupon and its uses.
    pub fn read_coupon(&self, code: &CouponCode) -> Pending<CouponSnapshot> {
        let subject = Subject::Coupon(code.clone());
        Pending::new(self.submit(&Target::Name(code.as_str()), Command::ReadUses { subject }), |answer| {
            CouponSnapshot(as_uses(answer))
        })
    }

    /// Makes so many coupons of a batch, with codes that cannot be guessed; each may be used on these terms.
    pub async fn make_coupons(&self, prefix: &str, count: u64, terms: &Terms) -> Result<Vec<CouponCode>, Refusal> {
        let wrong = |field, why: String| Refusal::BodyInvalid { field, why };
        if count == 0 || count > CODES_MAX {
            return Err(wrong("count", format!("1 to {CODES_MAX} at once")));
        }
        let name = terms.batch.clone().ok_or_else(|| wrong("batch", "coupons are of a batch".into()))?;
        let seed = self.0.ids.seed();
        let batch = CouponBatch::new(name, prefix, count, seed).map_err(|error| wrong("prefix", error.to_string()))?;
        let codes: Vec<CouponCode> = batch.codes().collect();
        let made: Vec<_> = codes.iter().map(|code| self.put_coupon(code, terms.clone())).collect();
        for coupon in made {
            coupon.await?;
        }
        Ok(codes)
    }

    /// What an order would cost now, without holding anything. It is refused for what an order would be refused for, as far
    /// as prices and coupons go: whether there is stock of the goods, or money, is not looked at.
    pub async fn quote(&self, order: NewOrder) -> Result<Quote, Refusal> {
        if let Some(wrong) = order.wrong {
            return Err(wrong);
        }
        let order = *order.order;
        let rules = self.0.rules.current();
        let cart = self.cart_of(&order).await?;
        let wanted = self.context_of(&order).await?;
        let mut unavailable = Vec::new();
        // What promotions cannot have they do without, as in an order: each time one of them more.
        let (context, pricing) = loop {
            let mut context = CartContext { unavailable: unavailable.clone(), ..wanted.clone() };
            let pricing = order::price_for_buyer(&rules, &cart, &mut context, &order.payments)?;
            match self.first_unavailable(&order, &cart, &pricing).await? {
                Some(refused) => unavailable.push(refused),
                None => break (context, pricing),
            }
        };
        let money = |amount: Amount| Money::new(amount, cart.currency);
        let promotions = rules.explain(&pricing, &cart, &context)?;
        let id_of = |rule: u32| rules.promotion(rule).id.clone();
        Ok(Quote {
            version: pricing.version,
            subtotal: money(pricing.subtotal()),
            discount: money(pricing.discount()),
            charges: money(Amount(cart.charges.iter().map(|charge| charge.money.amount.0).sum())),
            total: money(pricing.total()),
            lines: pricing.lines.iter().map(|line| (money(line.gross), money(line.discount))).collect(),
            discounts: pricing.discounts.iter().map(|off| (id_of(off.rule), off.target, money(off.amount))).collect(),
            gifts: pricing
                .uses
                .gifts
                .iter()
                .map(|gift| (gift.promotion.clone(), gift.sku.to_string(), gift.quantity))
                .collect(),
            promotions,
        })
    }

    /// The first promotion of a pricing whose gift or use is not to be had now. A coupon that is not is refused.
    async fn first_unavailable(
        &self,
        order: &order::NewOrder,
        cart: &Cart,
        pricing: &Pricing,
    ) -> Result<Option<(PromotionId, Unavailable)>, Refusal> {
        for gift in &pricing.uses.gifts {
            if !self.has_gift(order, cart, gift).await? {
                return Ok(Some((gift.promotion.clone(), Unavailable::Exhausted)));
            }
        }
        // All are asked at once; who comes first is as in an order.
        let coupons = pricing.uses.coupons.iter().map(|used| (Subject::Coupon(used.code.clone()), Amount::ZERO));
        let promotions = pricing.uses.promotions.iter();
        let promotions = promotions.map(|used| (Subject::Promotion(used.promotion.clone()), used.amount));
        let asked: Vec<_> = coupons.chain(promotions).map(|(of, amount)| self.peek(order, cart, of, amount)).collect();
        for (subject, answer) in asked {
            match (answer.await, subject) {
                (Ok(_), _) => {}
                (Err(Refusal::UsesExceeded(excess)), Subject::Promotion(promotion)) => {
                    return Ok(Some((promotion, excess.why)));
                }
                (Err(refusal), _) => return Err(refusal),
            }
        }
        Ok(None)
    }

    /// Whether an order would get a gift beside its goods. Orders that take what there is, or wait, get theirs so; kits
    /// are looked at when they are ordered.
    async fn has_gift(&self, order: &order::NewOrder, cart: &Cart, gift: &GrantedGift) -> Result<bool, Refusal> {
        let stock = match self.read_sku(gift.sku.as_str()).await {
            Ok(stock) => stock.0,
            Err(Refusal::NotFound { .. } | Refusal::SkuUnknown { .. }) => return Ok(false),
            Err(other) => return Err(other),
        };
        if order.allow_partial || order.allow_backorder || stock.definition.kit.is_some() {
            return Ok(true);
        }
        let of_cart: Quantity = cart.lines.iter().filter(|line| line.sku == gift.sku).map(|line| line.quantity).sum();
        Ok(stock.levels.available.saturating_sub(of_cart) >= gift.quantity)
    }

    /// Asks whether a use could be held for an order.
    fn peek(&self, order: &order::NewOrder, cart: &Cart, subject: Subject, amount: Amount) -> (Subject, Pending<u64>) {
        let (currency, customer) = (cart.currency, order.buyer().cloned());
        // Nobody has this id: what an order of the quoted id may hold already is not its.
        let hold = UsesCommand::Hold { order: self.0.ids.order(), amount, currency, customer, round: 0 };
        let answer = self.peek_at(&subject, hold);
        (subject, answer)
    }

    async fn cart_of(&self, order: &order::NewOrder) -> Result<Cart, Refusal> {
        // What is wrong with the request itself is refused as placing it would be.
        order::demand(order)?;
        let mut lines: Vec<CartLine> = Vec::with_capacity(order.lines.len());
        let mut currency = None;
        for line in &order.lines {
            let definition = self.read_sku(line.sku.as_str()).await?.0.definition;
            let of_book = line.supply.as_ref().and_then(|supply| supply.max_unit_price);
            let price = line.unit_price.or(of_book).unwrap_or(definition.price);
            let wanted = *currency.get_or_insert(price.currency);
            if wanted != price.currency {
                let (wanted, found) = (wanted.to_string(), price.currency.to_string());
                return Err(Refusal::CurrencyMismatch { wanted, found });
            }
            lines.push(CartLine {
                sku: line.sku.clone(),
                category: definition.category,
                brand: definition.brand,
                quantity: line.quantity,
                unit_price: price.amount,
            });
        }
        let currency = currency.expect("an order has a line");
        Ok(Cart { currency, lines, charges: order.charges.clone() })
    }

    async fn context_of(&self, order: &order::NewOrder) -> Result<CartContext, Refusal> {
        let wish = order.promotions.as_deref().cloned().unwrap_or_default();
        let mut coupons = smallvec::SmallVec::new();
        for code in &wish.coupons {
            let unknown = || Refusal::CouponInvalid { code: code.to_string(), why: "it is not known".into() };
            let view = self.read_coupon(code).await.map_err(|refusal| match refusal {
                Refusal::NotFound { .. } => unknown(),
                other => other,
            })?;
            let batch = view.0.terms.and_then(|terms| terms.batch).ok_or_else(unknown)?;
            coupons.push(PresentedCoupon { code: code.clone(), batch });
        }
        Ok(CartContext {
            now: self.0.ids.now(),
            utc_offset_minutes: wish.utc_offset_minutes,
            customer: order.buyer().cloned(),
            new_customer: wish.new_customer,
            orders_before: wish.orders_before,
            tier: wish.tier,
            region: wish.region,
            channel: wish.channel,
            payments: order.payments.iter().map(|tender| tender.method).collect(),
            coupons,
            unavailable: Vec::new(),
        })
    }

    /// The answer that a key of such a request is bound to.
    pub(crate) async fn read_uses_view(&self, subject: Subject) -> Result<Answer, Refusal> {
        let name = subject.name().to_owned();
        let view: Pending<UsesView> =
            Pending::new(self.submit(&Target::Name(&name), Command::ReadUses { subject }), as_uses);
        Ok(Answer::Uses(Box::new(view.await?)))
    }
}

impl NewOrder {
    /// A coupon that the buyer presents; the order is refused if it cannot be used.
    #[must_use]
    pub fn coupon(mut self, code: impl AsRef<str>) -> Self {
        match CouponCode::new(code.as_ref()) {
            Ok(code) => {
                let coupons = &mut self.order.promotions_mut().coupons;
                if coupons.contains(&code) {
                    return self;
                }
                coupons.push(code);
                if coupons.len() > COUPONS_MAX {
                    let why = format!("at most {COUPONS_MAX} coupons");
                    self.wrong = Some(Refusal::BodyInvalid { field: "coupon", why });
                }
            }
            Err(_) => {
                let code = code.as_ref().chars().take(80).collect();
                self.wrong = Some(Refusal::CouponInvalid { code, why: "it is not written like a coupon".into() });
            }
        }
        self
    }

    /// The customer is new, as far as the caller knows.
    #[must_use]
    pub fn new_customer(mut self) -> Self {
        self.order.promotions_mut().new_customer = true;
        self
    }

    /// How many orders the customer has made before.
    #[must_use]
    pub fn orders_before(mut self, orders: u64) -> Self {
        self.order.promotions_mut().orders_before = Some(orders);
        self
    }

    /// The customer's tier, for promotions.
    #[must_use]
    pub fn tier(mut self, tier: impl AsRef<str>) -> Self {
        self.order.promotions_mut().tier = Some(tier.as_ref().into());
        self
    }

    /// Through what the order comes, for promotions.
    #[must_use]
    pub fn channel(mut self, channel: impl AsRef<str>) -> Self {
        self.order.promotions_mut().channel = Some(channel.as_ref().into());
        self
    }
}

/// A coupon's terms: of a batch, and how often it may be used.
pub fn coupon_terms(batch: impl AsRef<str>, uses: Option<u64>) -> Result<Terms, Refusal> {
    let wrong = |error: stockade_domain::promotion::names::LabelError| Refusal::BodyInvalid {
        field: "batch",
        why: error.to_string(),
    };
    Ok(Terms::of_coupon(Label::new(batch).map_err(wrong)?, uses))
}
