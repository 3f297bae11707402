//! What an order asks of actors in other partitions.

use minicbor::{Decode, Encode};

use super::EntityKey;
use crate::account::AccountCommand;
use crate::promotion::uses::{Subject, UsesCommand};
use crate::stock::{Disposition, ReleaseReason, StockCommand};
use crate::{CustomerId, Money, OrderId, PaymentId, Quantity, SkuId};

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
    use super::super::tests::{START, ann, order, sku};
    use super::*;
    use crate::promotion::PromotionId;

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
}
