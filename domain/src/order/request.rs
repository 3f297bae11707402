//! What a buyer asks for.

use compact_str::CompactString;
use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use super::charge::ChargeTime;
use super::promoted::PromotionWish;
use crate::payment::Method;
use crate::promotion::pricing::GrantedGift;
use crate::stock::HoldContext;
use crate::stock::market::Seller;
use crate::{Amount, Currency, CustomerId, Money, OrderId, Quantity, SkuId, codec};

/// The most lines of one order.
pub const LINES_MAX: usize = 2000;

/// A line as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLine {
    /// What.
    pub sku: SkuId,
    /// How many units.
    pub quantity: Quantity,
    /// The price of one unit, set by a trusted caller; the SKU's list price otherwise.
    pub unit_price: Option<Money>,
    /// From whom it may be bought instead of the house.
    pub supply: Option<Box<LineSupply>>,
}

/// A line that takes from the SKU's book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSupply {
    /// From whom.
    pub seller: Seller,
    /// What a unit may cost, at most.
    pub max_unit_price: Option<Money>,
}

impl NewLine {
    /// Units of the house at its list price.
    pub const fn of_house(sku: SkuId, quantity: Quantity) -> Self {
        Self { sku, quantity, unit_price: None, supply: None }
    }
}

/// What a charge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ChargeKind {
    /// Bringing it.
    #[n(0)]
    Shipping,
    /// The state's part.
    #[n(1)]
    Tax,
    /// Anything else.
    #[n(2)]
    Fee,
}

impl ChargeKind {
    /// Every kind with its public name.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Shipping, "shipping"), (Self::Tax, "tax"), (Self::Fee, "fee")];

    /// The public name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// A charge that the caller supplies; part of the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Charge {
    /// What for.
    #[n(0)]
    pub kind: ChargeKind,
    /// How much.
    #[n(1)]
    pub money: Money,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Tender {
    /// How.
    #[n(0)]
    pub method: Method,
    /// How much; the rest of the total otherwise.
    #[n(1)]
    pub amount: Option<Money>,
    /// A card's token or an external payment's reference.
    #[cbor(n(2), with = "codec::optional_text")]
    pub credential: Option<CompactString>,
    /// A card's money is only set aside, until somebody captures it.
    #[cbor(n(3), skip_if = "codec::is_false")]
    pub capture_later: bool,
}

impl Tender {
    /// Pays the rest of the total by this method.
    pub const fn by(method: Method) -> Self {
        Self { method, amount: None, credential: None, capture_later: false }
    }
}

/// An order as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// Its id; the idempotency key of the command.
    pub id: OrderId,
    /// Who buys; guests have none.
    pub customer: Option<CustomerId>,
    /// Who counts a guest's purchases against limits.
    pub purchaser_key: Option<CustomerId>,
    /// What.
    pub lines: SmallVec<[NewLine; 1]>,
    /// What comes on top.
    pub charges: SmallVec<[Charge; 1]>,
    /// How it is paid; nothing: the order awaits payment.
    pub payments: SmallVec<[Tender; 1]>,
    /// When its money is taken.
    pub charge: ChargeTime,
    /// Refuse when the total is higher.
    pub expected_total: Option<Money>,
    /// Fill what there is.
    pub allow_partial: bool,
    /// Let the rest wait for stock.
    pub allow_backorder: bool,
    /// Where its goods should come from.
    pub context: Option<Box<HoldContext>>,
    /// What promotions want to know.
    pub promotions: Option<Box<PromotionWish>>,
    /// How often an order with this id was refused before; the host counts.
    pub attempt: u32,
    /// A digest of the request: the same id with another digest is a conflict. Zero: nobody compares.
    pub body_digest: u64,
}

impl NewOrder {
    /// An order of one line.
    pub fn one(id: OrderId, sku: SkuId, quantity: Quantity) -> Self {
        Self::new(id, [NewLine::of_house(sku, quantity)])
    }

    /// An order of several lines.
    pub fn new(id: OrderId, lines: impl IntoIterator<Item = NewLine>) -> Self {
        Self {
            id,
            customer: None,
            purchaser_key: None,
            lines: lines.into_iter().collect(),
            charges: SmallVec::new(),
            payments: SmallVec::new(),
            charge: ChargeTime::AtOrder,
            expected_total: None,
            allow_partial: false,
            allow_backorder: false,
            context: None,
            promotions: None,
            attempt: 0,
            body_digest: 0,
        }
    }

    /// The promotions' wish, to be changed.
    pub fn promotions_mut(&mut self) -> &mut PromotionWish {
        self.promotions.get_or_insert_default()
    }

    /// Exchanges the lines of earlier gifts for those of these; the order is priced again.
    pub fn set_gifts(&mut self, gifts: Vec<GrantedGift>, currency: Currency) {
        self.drop_gifts();
        let price = Money::new(Amount::ZERO, currency);
        self.lines.extend(
            gifts
                .iter()
                .map(|gift| NewLine { unit_price: Some(price), ..NewLine::of_house(gift.sku.clone(), gift.quantity) }),
        );
        self.promotions_mut().gifts = gifts;
    }

    /// Takes the lines of gifts out.
    pub fn drop_gifts(&mut self) {
        let gifts = self.promotions.as_mut().map_or(0, |wish| std::mem::take(&mut wish.gifts).len());
        self.lines.truncate(self.lines.len() - gifts);
    }

    /// Who counts against limits: the customer, or a guest's key.
    pub fn buyer(&self) -> Option<&CustomerId> {
        self.customer.as_ref().or(self.purchaser_key.as_ref())
    }
}
