//! One name and one event type over all actors, as the journal sees them.

mod remote_step;

use crate::account::AccountEvent;
use crate::ledger::LedgerEvent;
use crate::order::OrderEvent;
use crate::payment::PaymentEvent;
use crate::promotion::uses::{Subject, UsesEvent};
use crate::promotion::{CouponCode, PromotionId};
use crate::stock::StockEvent;
use crate::{CustomerId, OrderId, PaymentId, SkuId};

pub use remote_step::{RemoteStep, StepCommand};

/// The kinds of actors; the number is the one in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum EntityKind {
    Sku = 1,
    Order = 2,
    Payment = 3,
    Account = 4,
    Ledger = 5,
    Promotion = 6,
    Coupon = 7,
}

impl EntityKind {
    /// Every kind with its public name.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Sku, "sku"),
        (Self::Order, "order"),
        (Self::Payment, "payment"),
        (Self::Account, "account"),
        (Self::Ledger, "ledger"),
        (Self::Promotion, "promotion"),
        (Self::Coupon, "coupon"),
    ];

    /// The public name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize - 1].1
    }

    /// The kind with this number in the journal.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.iter().map(|(kind, _)| *kind).find(|kind| *kind as u8 == byte)
    }
}

/// The name of one actor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKey {
    /// A SKU.
    Sku(SkuId),
    /// An order.
    Order(OrderId),
    /// A payment.
    Payment(PaymentId),
    /// A customer's wallet.
    Account(CustomerId),
    /// The manual entries of the books.
    Ledger,
    /// The owner of uses: a promotion, or a coupon.
    Uses(Subject),
}

impl EntityKey {
    /// Its kind.
    pub const fn kind(&self) -> EntityKind {
        match self {
            Self::Sku(_) => EntityKind::Sku,
            Self::Order(_) => EntityKind::Order,
            Self::Payment(_) => EntityKind::Payment,
            Self::Account(_) => EntityKind::Account,
            Self::Ledger => EntityKind::Ledger,
            Self::Uses(Subject::Promotion(_)) => EntityKind::Promotion,
            Self::Uses(Subject::Coupon(_)) => EntityKind::Coupon,
        }
    }

    /// Its key without the kind.
    pub fn with_bytes<R>(&self, use_them: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Sku(sku) => use_them(sku.as_str().as_bytes()),
            Self::Order(id) => use_them(&id.to_bytes()),
            Self::Payment(id) => use_them(&id.to_bytes()),
            Self::Account(customer) => use_them(customer.as_str().as_bytes()),
            Self::Ledger => use_them(&[]),
            Self::Uses(subject) => use_them(subject.name().as_bytes()),
        }
    }

    /// The reverse of `kind` and `with_bytes`.
    pub fn from_parts(kind: EntityKind, bytes: &[u8]) -> Option<Self> {
        let text = || std::str::from_utf8(bytes).ok();
        Some(match kind {
            EntityKind::Sku => Self::Sku(SkuId::new(text()?).ok()?),
            EntityKind::Order => Self::Order(OrderId::from_bytes(bytes.try_into().ok()?)),
            EntityKind::Payment => Self::Payment(PaymentId::from_bytes(bytes.try_into().ok()?)),
            EntityKind::Account => Self::Account(CustomerId::new(text()?).ok()?),
            EntityKind::Ledger => Self::Ledger,
            EntityKind::Promotion => Self::Uses(Subject::Promotion(PromotionId::new(text()?).ok()?)),
            EntityKind::Coupon => Self::Uses(Subject::Coupon(CouponCode::new(text()?).ok()?)),
        })
    }
}

impl std::fmt::Display for EntityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sku(sku) => write!(f, "sku/{sku}"),
            Self::Order(id) => write!(f, "order/{id}"),
            Self::Payment(id) => write!(f, "payment/{id}"),
            Self::Account(customer) => write!(f, "account/{customer}"),
            Self::Ledger => f.write_str("ledger"),
            Self::Uses(Subject::Promotion(id)) => write!(f, "promotion/{id}"),
            Self::Uses(Subject::Coupon(code)) => write!(f, "coupon/{code}"),
        }
    }
}

/// A fact about any actor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Event {
    Stock(StockEvent),
    Order(OrderEvent),
    Payment(PaymentEvent),
    Account(AccountEvent),
    Ledger(LedgerEvent),
    Uses(UsesEvent),
}

impl Event {
    /// The public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stock(event) => event.name(),
            Self::Order(event) => event.name(),
            Self::Payment(event) => event.name(),
            Self::Account(event) => event.name(),
            Self::Ledger(_) => "entered",
            Self::Uses(event) => event.name(),
        }
    }

    /// Reads the events of one record, in order.
    pub fn decode_all(kind: EntityKind, bytes: &[u8]) -> Result<Vec<Self>, minicbor::decode::Error> {
        let mut decoder = minicbor::Decoder::new(bytes);
        let mut events = Vec::new();
        while decoder.position() < bytes.len() {
            events.push(match kind {
                EntityKind::Sku => Self::Stock(decoder.decode()?),
                EntityKind::Order => Self::Order(decoder.decode()?),
                EntityKind::Payment => Self::Payment(decoder.decode()?),
                EntityKind::Account => Self::Account(decoder.decode()?),
                EntityKind::Ledger => Self::Ledger(decoder.decode()?),
                EntityKind::Promotion | EntityKind::Coupon => Self::Uses(decoder.decode()?),
            });
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    pub(super) const START: Timestamp = Timestamp(1_700_000_000_000_000);

    pub(super) fn order() -> OrderId {
        OrderId::new(START, 1)
    }

    pub(super) fn sku() -> SkuId {
        SkuId::new("MUG").unwrap()
    }

    pub(super) fn ann() -> CustomerId {
        CustomerId::new("ann").unwrap()
    }

    #[test]
    fn a_key_is_its_kind_and_its_bytes_and_prints_both() {
        let payment = PaymentId::of_order(order(), 0, START);
        for (key, kind, printed) in [
            (EntityKey::Sku(sku()), "sku", "sku/MUG".to_owned()),
            (EntityKey::Order(order()), "order", format!("order/{}", order())),
            (EntityKey::Payment(payment), "payment", format!("payment/{payment}")),
            (EntityKey::Account(ann()), "account", "account/ann".to_owned()),
            (EntityKey::Ledger, "ledger", "ledger".to_owned()),
            (
                EntityKey::Uses(Subject::Promotion(PromotionId::new("sale").unwrap())),
                "promotion",
                "promotion/sale".to_owned(),
            ),
            (EntityKey::Uses(Subject::Coupon(CouponCode::new("TEN").unwrap())), "coupon", "coupon/TEN".to_owned()),
        ] {
            assert_eq!((key.kind().name(), key.to_string()), (kind, printed));
            assert_eq!(EntityKind::from_byte(key.kind() as u8), Some(key.kind()));
            let bytes = key.with_bytes(<[u8]>::to_vec);
            assert_eq!(EntityKey::from_parts(key.kind(), &bytes).as_ref(), Some(&key));
        }
        assert_eq!((EntityKind::from_byte(0), EntityKind::from_byte(8)), (None, None));
        for (kind, bytes) in [
            (EntityKind::Sku, &b""[..]),
            (EntityKind::Account, &[0xff]),
            (EntityKind::Order, b"short"),
            (EntityKind::Payment, b"short"),
            (EntityKind::Promotion, b"no blanks"),
            (EntityKind::Coupon, b"no blanks"),
        ] {
            assert_eq!(EntityKey::from_parts(kind, bytes), None, "{kind:?}");
        }
    }

    #[test]
    fn a_record_is_its_events_one_after_the_other() {
        let events = [UsesEvent::Settled { order: order() }, UsesEvent::GivenBack { order: order() }];
        let bytes: Vec<u8> = events.iter().flat_map(|event| minicbor::to_vec(event).unwrap()).collect();
        let read = Event::decode_all(EntityKind::Coupon, &bytes).unwrap();
        assert_eq!(read, events.map(Event::Uses));
        assert_eq!(read.iter().map(Event::name).collect::<Vec<_>>(), ["settled", "given_back"]);
        assert_eq!(Event::decode_all(EntityKind::Sku, &[]).unwrap(), []);
        assert!(Event::decode_all(EntityKind::Coupon, &bytes[..bytes.len() - 1]).is_err(), "half an event is none");
    }
}
