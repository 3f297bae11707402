//! One name and one event type over all actors, as the journal sees them.

use minicbor::{Decode, Encode};

use crate::account::{AccountCommand, AccountEvent};
use crate::ledger::LedgerEvent;
use crate::order::OrderEvent;
use crate::payment::PaymentEvent;
use crate::promotion::uses::{Subject, UsesCommand, UsesEvent};
use crate::promotion::{CouponCode, PromotionId};
use crate::stock::{Disposition, ReleaseReason, StockCommand, StockEvent};
use crate::{CustomerId, Money, OrderId, PaymentId, Quantity, SkuId};

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

/// What an order asks of an actor in another partition; it is part of the order's record, so that it survives a
/// crash and is repeated until it is done.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "the fields are those of the commands they become")]
pub enum RemoteStep {
    #[n(0)]
    Confirm {
        #[n(0)]
        sku: SkuId,
    },
    #[n(1)]
    Settle {
        #[n(0)]
        sku: SkuId,
    },
    #[n(2)]
    ReleaseAll {
        #[n(0)]
        sku: SkuId,
        #[n(1)]
        reason: ReleaseReason,
    },
    #[n(3)]
    Release {
        #[n(0)]
        sku: SkuId,
        #[n(1)]
        filled: Quantity,
        #[n(2)]
        backordered: Quantity,
        #[n(3)]
        reason: ReleaseReason,
    },
    #[n(4)]
    Ship {
        #[n(0)]
        sku: SkuId,
        #[n(1)]
        quantity: Quantity,
    },
    #[n(5)]
    Return {
        #[n(0)]
        sku: SkuId,
        #[n(1)]
        quantity: Quantity,
        #[n(2)]
        disposition: Disposition,
        #[n(3)]
        buyer: Option<CustomerId>,
    },
    #[n(6)]
    AccountSettle {
        #[n(0)]
        customer: CustomerId,
        #[n(1)]
        payment: PaymentId,
    },
    #[n(9)]
    ReleaseClaim {
        #[n(0)]
        sku: SkuId,
        #[n(1)]
        claim: u32,
        #[n(2)]
        quantity: Quantity,
        #[n(3)]
        reason: ReleaseReason,
    },
    #[n(10)]
    ShipClaim {
        #[n(0)]
        sku: SkuId,
        #[n(1)]
        claim: u32,
        #[n(2)]
        quantity: Quantity,
    },
    #[n(11)]
    ReturnClaim {
        #[n(0)]
        sku: SkuId,
        #[n(1)]
        claim: u32,
        #[n(2)]
        quantity: Quantity,
        #[n(3)]
        buyer: Option<CustomerId>,
    },
    #[n(7)]
    AccountRelease {
        #[n(0)]
        customer: CustomerId,
        #[n(1)]
        payment: PaymentId,
    },
    #[n(8)]
    AccountRefund {
        #[n(0)]
        customer: CustomerId,
        #[n(1)]
        payment: PaymentId,
        #[n(2)]
        refund: u32,
        #[n(3)]
        money: Money,
    },
    #[n(12)]
    UsesSettle {
        #[n(0)]
        subject: Subject,
    },
    #[n(13)]
    UsesRelease {
        #[n(0)]
        subject: Subject,
        #[n(1)]
        round: u64,
    },
    #[n(14)]
    UsesGiveBack {
        #[n(0)]
        subject: Subject,
    },
}

/// The command that a step becomes where it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepCommand {
    /// For a SKU.
    Stock(SkuId, StockCommand),
    /// For a wallet.
    Account(CustomerId, AccountCommand),
    /// For the owner of a use.
    Uses(Subject, UsesCommand),
}

impl RemoteStep {
    /// Whom it is for.
    pub fn target(&self) -> EntityKey {
        match self {
            Self::Confirm { sku }
            | Self::Settle { sku }
            | Self::ReleaseAll { sku, .. }
            | Self::Release { sku, .. }
            | Self::Ship { sku, .. }
            | Self::Return { sku, .. }
            | Self::ReleaseClaim { sku, .. }
            | Self::ShipClaim { sku, .. }
            | Self::ReturnClaim { sku, .. } => EntityKey::Sku(sku.clone()),
            Self::AccountSettle { customer, .. }
            | Self::AccountRelease { customer, .. }
            | Self::AccountRefund { customer, .. } => EntityKey::Account(customer.clone()),
            Self::UsesSettle { subject } | Self::UsesRelease { subject, .. } | Self::UsesGiveBack { subject } => {
                EntityKey::Uses(subject.clone())
            }
        }
    }

    /// The step that carries a SKU's command; only commands that end or confirm commitments can be steps.
    pub fn of_stock(sku: SkuId, command: &StockCommand) -> Option<Self> {
        Some(match command {
            StockCommand::Confirm { .. } => Self::Confirm { sku },
            StockCommand::Settle { .. } => Self::Settle { sku },
            StockCommand::ReleaseAll { reason, .. } => Self::ReleaseAll { sku, reason: *reason },
            StockCommand::Release { filled, backordered, reason, .. } => {
                Self::Release { sku, filled: *filled, backordered: *backordered, reason: *reason }
            }
            StockCommand::Ship { quantity, .. } => Self::Ship { sku, quantity: *quantity },
            StockCommand::Return { quantity, disposition, buyer, .. } => {
                Self::Return { sku, quantity: *quantity, disposition: *disposition, buyer: buyer.clone() }
            }
            StockCommand::ReleaseClaim { claim, quantity, reason, .. } => {
                Self::ReleaseClaim { sku, claim: *claim, quantity: *quantity, reason: *reason }
            }
            StockCommand::ShipClaim { claim, quantity, .. } => {
                Self::ShipClaim { sku, claim: *claim, quantity: *quantity }
            }
            StockCommand::ReturnClaim { claim, quantity, buyer, .. } => {
                Self::ReturnClaim { sku, claim: *claim, quantity: *quantity, buyer: buyer.clone() }
            }
            _ => return None,
        })
    }

    /// The step that carries a wallet's command.
    pub fn of_account(customer: CustomerId, command: &AccountCommand) -> Option<Self> {
        Some(match command {
            AccountCommand::Settle { payment } => Self::AccountSettle { customer, payment: *payment },
            AccountCommand::Release { payment } => Self::AccountRelease { customer, payment: *payment },
            AccountCommand::Refund { payment, refund, money } => {
                Self::AccountRefund { customer, payment: *payment, refund: *refund, money: *money }
            }
            AccountCommand::Credit { .. } | AccountCommand::Hold { .. } | AccountCommand::SetAside { .. } => {
                return None;
            }
        })
    }

    /// The step that carries what is asked of the owner of a use.
    pub fn of_uses(subject: Subject, command: &UsesCommand) -> Option<Self> {
        Some(match command {
            UsesCommand::Settle { .. } => Self::UsesSettle { subject },
            UsesCommand::Release { round, .. } => Self::UsesRelease { subject, round: *round },
            UsesCommand::GiveBack { .. } => Self::UsesGiveBack { subject },
            _ => return None,
        })
    }

    /// What to do, for this order.
    pub fn command(&self, order: OrderId) -> StepCommand {
        use StockCommand as C;
        let (sku, command) = match self.clone() {
            Self::Confirm { sku } => (sku, C::Confirm { order }),
            Self::Settle { sku } => (sku, C::Settle { order }),
            Self::ReleaseAll { sku, reason } => (sku, C::ReleaseAll { order, reason }),
            Self::Release { sku, filled, backordered, reason } => {
                (sku, C::Release { order, filled, backordered, reason })
            }
            Self::Ship { sku, quantity } => (sku, C::ShipRecorded { order, quantity }),
            Self::Return { sku, quantity, disposition, buyer } => {
                (sku, C::Return { order: Some(order), location: None, lot: None, quantity, disposition, buyer })
            }
            Self::ReleaseClaim { sku, claim, quantity, reason } => {
                (sku, C::ReleaseClaim { order, claim, quantity, reason })
            }
            Self::ShipClaim { sku, claim, quantity } => (sku, C::ShipClaim { order, claim, quantity }),
            Self::ReturnClaim { sku, claim, quantity, buyer } => {
                (sku, C::ReturnClaim { order, claim, quantity, buyer })
            }
            Self::UsesSettle { subject } => return StepCommand::Uses(subject, UsesCommand::Settle { order }),
            Self::UsesRelease { subject, round } => {
                return StepCommand::Uses(subject, UsesCommand::Release { order, round });
            }
            Self::UsesGiveBack { subject } => {
                // What it was the order says when it asks.
                return StepCommand::Uses(subject, UsesCommand::GiveBack { order, taken: None, step: None });
            }
            Self::AccountSettle { customer, payment } => {
                return StepCommand::Account(customer, AccountCommand::Settle { payment });
            }
            Self::AccountRelease { customer, payment } => {
                return StepCommand::Account(customer, AccountCommand::Release { payment });
            }
            Self::AccountRefund { customer, payment, refund, money } => {
                return StepCommand::Account(customer, AccountCommand::Refund { payment, refund, money });
            }
        };
        StepCommand::Stock(sku, command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    const START: Timestamp = Timestamp(1_700_000_000_000_000);

    fn order() -> OrderId {
        OrderId::new(START, 1)
    }

    fn sku() -> SkuId {
        SkuId::new("MUG").unwrap()
    }

    fn ann() -> CustomerId {
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

    /// A step goes through the journal and comes to the actor as the command that it carried; a shipment that is recorded
    /// already is not refused there.
    #[test]
    fn a_step_carries_a_command_to_another_partition_and_back() {
        let (id, reason, payment) = (order(), ReleaseReason::Expired, PaymentId::of_order(order(), 0, START));
        let (buyer, disposition) = (Some(ann()), Disposition::Restock);
        let of_stock = [
            StockCommand::Confirm { order: id },
            StockCommand::Settle { order: id },
            StockCommand::ReleaseAll { order: id, reason },
            StockCommand::Release { order: id, filled: 2, backordered: 3, reason },
            StockCommand::Ship { order: id, quantity: 4 },
            StockCommand::Return {
                order: Some(id),
                location: None,
                lot: None,
                quantity: 5,
                disposition,
                buyer: buyer.clone(),
            },
            StockCommand::ReleaseClaim { order: id, claim: 6, quantity: 7, reason },
            StockCommand::ShipClaim { order: id, claim: 8, quantity: 9 },
            StockCommand::ReturnClaim { order: id, claim: 10, quantity: 11, buyer },
        ];
        for command in of_stock {
            let step = RemoteStep::of_stock(sku(), &command).unwrap_or_else(|| panic!("{command:?}"));
            let step: RemoteStep = minicbor::decode(&minicbor::to_vec(&step).unwrap()).unwrap();
            assert_eq!(step.target(), EntityKey::Sku(sku()));
            let done = match command {
                StockCommand::Ship { order, quantity } => StockCommand::ShipRecorded { order, quantity },
                other => other,
            };
            assert_eq!(step.command(id), StepCommand::Stock(sku(), done));
        }
        assert_eq!(RemoteStep::of_stock(sku(), &StockCommand::ShipRecorded { order: id, quantity: 1 }), None);

        let money = Money::parse("1.00 EUR").unwrap();
        for command in [
            AccountCommand::Settle { payment },
            AccountCommand::Release { payment },
            AccountCommand::Refund { payment, refund: 2, money },
        ] {
            let step = RemoteStep::of_account(ann(), &command).unwrap_or_else(|| panic!("{command:?}"));
            assert_eq!(step.target(), EntityKey::Account(ann()));
            assert_eq!(step.command(id), StepCommand::Account(ann(), command));
        }
        assert_eq!(RemoteStep::of_account(ann(), &AccountCommand::Credit { money, reference: None }), None);

        let subject = Subject::Promotion(PromotionId::new("sale").unwrap());
        for command in [
            UsesCommand::Settle { order: id },
            UsesCommand::Release { order: id, round: 3 },
            UsesCommand::GiveBack { order: id, taken: None, step: None },
        ] {
            let step = RemoteStep::of_uses(subject.clone(), &command).unwrap_or_else(|| panic!("{command:?}"));
            assert_eq!(step.target(), EntityKey::Uses(subject.clone()));
            assert_eq!(step.command(id), StepCommand::Uses(subject.clone(), command));
        }
        let hold =
            UsesCommand::Hold { order: id, amount: money.amount, currency: money.currency, customer: None, round: 0 };
        assert_eq!(RemoteStep::of_uses(subject, &hold), None, "acquiring can be refused, so it is no step");
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
