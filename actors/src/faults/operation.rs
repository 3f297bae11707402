//! What messages are called, whom they concern, and which may come twice.

use stockade_domain::OrderId;
use stockade_domain::entity::EntityKey;
use stockade_domain::order::OrderCommand;
use stockade_domain::payment::PaymentCommand;
use stockade_domain::promotion::uses::UsesCommand;
use stockade_domain::stock::StockCommand;
use stockade_domain::stock::market::MarketCommand;

use super::Occasion;
use crate::command::Command;
use crate::mailbox::Incoming;
use crate::peer::PeerMessage;
use crate::release::Envelope;

/// What callers ask.
pub const COMMANDS: &[&str] = &[
    "define_sku",
    "announce",
    "receive",
    "adjust",
    "reclassify",
    "write_off",
    "transfer",
    "offer",
    "bid",
    "amend",
    "withdraw",
    "stock",
    "read_stock",
    "read_book",
    "place",
    "pay",
    "extend",
    "cancel",
    "ship",
    "deliver",
    "return",
    "refund",
    "order",
    "edit",
    "read_order",
    "account",
    "read_account",
    "define_uses",
    "read_uses",
    "payment",
    "read_payment",
    "enter",
    "read_ledger",
    "engine",
];

/// What partitions and gateways say.
pub const PEER_MESSAGES: &[&str] = &[
    "hold",
    "held",
    "hold_money",
    "money_held",
    "hold_bid",
    "bid_held",
    "keep_for_bid",
    "inquire_bid",
    "hold_use",
    "use_held",
    "abort_use",
    "inquire_use",
    "use_known",
    "abort",
    "abort_money",
    "inquire",
    "inquire_money",
    "step",
    "step_done",
    "stock_is",
    "stock_heard",
    "tell_order",
    "gateway_answer",
    "timer",
];

/// A message as an occasion, without its sender's and its partition's own names.
pub(crate) fn concerns(incoming: &Incoming) -> Occasion {
    match incoming {
        Incoming::Command(envelope) => asked(&envelope.command),
        Incoming::Peer(message) => {
            let (from, to) = ends(message);
            let names = to.iter().chain(&from).cloned().collect();
            Occasion { names, from, to, operation: message.operation() }
        }
        Incoming::Gateway { payment, .. } => {
            let names = vec![EntityKey::Payment(*payment).to_string()];
            Occasion { to: names.clone(), names, from: Vec::new(), operation: "gateway_answer" }
        }
    }
}

/// A command as an occasion.
pub(super) fn asked(command: &Command) -> Occasion {
    let names = command_names(command);
    Occasion { to: names.clone(), names, from: Vec::new(), operation: command.operation() }
}

fn names_of(keys: impl IntoIterator<Item = EntityKey>) -> Vec<String> {
    keys.into_iter().map(|key| key.to_string()).collect()
}

fn command_names(command: &Command) -> Vec<String> {
    let of_order = |order: &OrderId| names_of([EntityKey::Order(*order)]);
    match command {
        Command::Stock { sku, .. }
        | Command::ReadStock { sku }
        | Command::ReadBook { sku, .. }
        | Command::ReadParty { sku, .. }
        | Command::ReadParties { sku, .. }
        | Command::ReadPartyMade { sku, .. } => names_of([EntityKey::Sku(sku.clone())]),
        Command::Place { order, .. } => {
            let skus = order.lines.iter().map(|line| EntityKey::Sku(line.sku.clone()));
            names_of(std::iter::once(EntityKey::Order(order.id)).chain(skus))
        }
        Command::Edit { order, edit, .. } => {
            let skus = edit.lines.iter().map(|line| EntityKey::Sku(line.sku.clone()));
            names_of(std::iter::once(EntityKey::Order(*order)).chain(skus))
        }
        Command::Pay { order, .. }
        | Command::Order { order, .. }
        | Command::ReadOrder { order }
        | Command::ReadOrderHistory { order } => of_order(order),
        Command::Account { customer, .. } | Command::ReadAccount { customer } => {
            names_of([EntityKey::Account(customer.clone())])
        }
        Command::Uses { subject, .. } | Command::ReadUses { subject } | Command::PeekUse { subject, .. } => {
            names_of([EntityKey::Uses(subject.clone())])
        }
        Command::Payment { payment, .. } | Command::RetryPayment { payment } | Command::ReadPayment { payment } => {
            names_of([EntityKey::Payment(*payment)])
        }
        Command::Enter { .. } | Command::ReadLedger => names_of([EntityKey::Ledger]),
        Command::ReadDeadLetters
        | Command::Checkpoint { .. }
        | Command::CheckpointDone { .. }
        | Command::Check
        | Command::StateHash => vec!["engine".into()],
    }
}

/// The actors that a message between partitions is from and to, as far as it names them.
fn ends(message: &PeerMessage) -> (Vec<String>, Vec<String>) {
    use EntityKey::{Account, Order, Payment, Sku, Uses};
    let one = |from: EntityKey, to: EntityKey| (names_of([from]), names_of([to]));
    match message {
        PeerMessage::Hold { request, .. } => {
            (names_of([Order(request.order)]), names_of(request.items.iter().map(|(sku, _)| Sku(sku.clone()))))
        }
        PeerMessage::Held { order, .. } | PeerMessage::StepDone { order, .. } => {
            (Vec::new(), names_of([Order(*order)]))
        }
        PeerMessage::HoldMoney { order, customer, .. } => one(Order(*order), Account(customer.clone())),
        PeerMessage::MoneyHeld { order, payment, .. } => (names_of([Payment(*payment)]), names_of([Order(*order)])),
        PeerMessage::HoldBid { customer, backing, .. } | PeerMessage::KeepForBid { customer, backing, .. } => {
            one(Sku(backing.sku.clone()), Account(customer.clone()))
        }
        PeerMessage::InquireBid { customer, backing, .. } => one(Account(customer.clone()), Sku(backing.sku.clone())),
        PeerMessage::BidHeld { payment, .. } => (Vec::new(), names_of([Payment(*payment)])),
        PeerMessage::HoldUse { request, .. } => one(Order(request.order), Uses(request.subject.clone())),
        PeerMessage::AbortUse { order, subject, .. } | PeerMessage::UseKnown { order, subject } => {
            one(Order(*order), Uses(subject.clone()))
        }
        PeerMessage::UseHeld { order, subject, .. }
        | PeerMessage::InquireReturn { order, subject, .. }
        | PeerMessage::ReturnHeard { order, subject, .. }
        | PeerMessage::InquireUse { order, subject, .. } => one(Uses(subject.clone()), Order(*order)),
        PeerMessage::Abort { order, skus, .. } => (names_of([Order(*order)]), names_of(skus.iter().cloned().map(Sku))),
        PeerMessage::AbortMoney { payment, customer, .. } => one(Payment(*payment), Account(customer.clone())),
        PeerMessage::InquireMoney { payment, customer, .. } => one(Account(customer.clone()), Payment(*payment)),
        PeerMessage::Inquire { order, sku, .. } | PeerMessage::StockIs { order, sku, .. } => {
            one(Sku(sku.clone()), Order(*order))
        }
        PeerMessage::StockHeard { order, sku, .. } => one(Order(*order), Sku(sku.clone())),
        PeerMessage::Step { order, what, .. } => one(Order(*order), what.target()),
        PeerMessage::Order { order, .. } => (Vec::new(), names_of([Order(*order)])),
    }
}

impl Command {
    /// What it is called: one of [`COMMANDS`].
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Stock { command, .. } => stock_operation(command),
            Self::ReadStock { .. } => "read_stock",
            Self::ReadBook { .. } | Self::ReadParty { .. } | Self::ReadParties { .. } | Self::ReadPartyMade { .. } => {
                "read_book"
            }
            Self::Place { .. } => "place",
            Self::Pay { .. } => "pay",
            Self::Order { command, .. } => order_operation(command),
            Self::Edit { .. } => "edit",
            Self::ReadOrder { .. } | Self::ReadOrderHistory { .. } => "read_order",
            Self::Account { .. } => "account",
            Self::ReadAccount { .. } => "read_account",
            Self::Uses { command, .. } => match &**command {
                UsesCommand::Define { .. } | UsesCommand::Promote { .. } | UsesCommand::Retire => "define_uses",
                _ => "engine",
            },
            Self::ReadUses { .. } | Self::PeekUse { .. } => "read_uses",
            Self::Payment { .. } | Self::RetryPayment { .. } => "payment",
            Self::ReadPayment { .. } | Self::ReadDeadLetters => "read_payment",
            Self::Enter { .. } => "enter",
            Self::ReadLedger => "read_ledger",
            Self::Checkpoint { .. } | Self::CheckpointDone { .. } | Self::Check | Self::StateHash => "engine",
        }
    }

    /// Whether it does no more when it is done twice: it reads, or names what it makes, or can be done only once.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::Place { .. } | Self::Pay { .. } => true,
            Self::Order { command, .. } => matches!(**command, OrderCommand::Cancel { lines: None }),
            Self::Payment { command, .. } => matches!(**command, PaymentCommand::Notice(_)),
            Self::Stock { command, .. } => matches!(**command, StockCommand::Define(_)),
            Self::Edit { .. }
            | Self::RetryPayment { .. }
            | Self::Account { .. }
            | Self::Uses { .. }
            | Self::Enter { .. }
            | Self::Checkpoint { .. }
            | Self::CheckpointDone { .. } => false,
            _ => !self.writes(),
        }
    }
}

fn stock_operation(command: &StockCommand) -> &'static str {
    match command {
        StockCommand::Define(_) => "define_sku",
        StockCommand::Announce { .. } | StockCommand::WithdrawAnnouncement { .. } => "announce",
        StockCommand::Receive { .. } => "receive",
        StockCommand::Adjust { .. } => "adjust",
        StockCommand::Reclassify { .. } => "reclassify",
        StockCommand::WriteOff { .. } => "write_off",
        StockCommand::TransferOut { .. }
        | StockCommand::TransferIn { .. }
        | StockCommand::TransferLost { .. }
        | StockCommand::Transfer { .. } => "transfer",
        StockCommand::Market(command) => match &**command {
            MarketCommand::Offer(_) => "offer",
            MarketCommand::Bid(_) => "bid",
            MarketCommand::Amend { .. } => "amend",
            MarketCommand::Withdraw { .. } | MarketCommand::WithdrawAll { .. } => "withdraw",
        },
        _ => "stock",
    }
}

fn order_operation(command: &OrderCommand) -> &'static str {
    match command {
        OrderCommand::Extend { .. } => "extend",
        OrderCommand::Cancel { .. } => "cancel",
        OrderCommand::Ship { .. } => "ship",
        OrderCommand::Deliver => "deliver",
        OrderCommand::Return { .. } => "return",
        OrderCommand::RefundAmount { .. } | OrderCommand::RefundLines { .. } => "refund",
        _ => "order",
    }
}

impl PeerMessage {
    /// What it is called: one of [`PEER_MESSAGES`].
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Hold { .. } => "hold",
            Self::Held { .. } => "held",
            Self::HoldMoney { .. } => "hold_money",
            Self::MoneyHeld { .. } => "money_held",
            Self::HoldBid { .. } => "hold_bid",
            Self::BidHeld { .. } => "bid_held",
            Self::KeepForBid { .. } => "keep_for_bid",
            Self::InquireBid { .. } => "inquire_bid",
            Self::HoldUse { .. } => "hold_use",
            Self::UseHeld { .. } => "use_held",
            Self::InquireReturn { .. } => "inquire_return",
            Self::ReturnHeard { .. } => "return_heard",
            Self::AbortUse { .. } => "abort_use",
            Self::InquireUse { .. } => "inquire_use",
            Self::UseKnown { .. } => "use_known",
            Self::Abort { .. } => "abort",
            Self::AbortMoney { .. } => "abort_money",
            Self::Inquire { .. } => "inquire",
            Self::InquireMoney { .. } => "inquire_money",
            Self::Step { .. } => "step",
            Self::StepDone { .. } => "step_done",
            Self::StockIs { .. } => "stock_is",
            Self::StockHeard { .. } => "stock_heard",
            Self::Order { .. } => "tell_order",
        }
    }
}

impl Incoming {
    /// What it is called.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Command(envelope) => envelope.command.operation(),
            Self::Peer(message) => message.operation(),
            Self::Gateway { .. } => "gateway_answer",
        }
    }

    /// Whether it may come twice.
    pub(super) fn is_repeatable(&self) -> bool {
        match self {
            Self::Command(envelope) => envelope.command.is_repeatable(),
            Self::Peer(_) | Self::Gateway { .. } => true,
        }
    }

    /// The same once more; nobody waits for the copy's answer.
    pub(super) fn copy(&self) -> Option<Self> {
        match self {
            Self::Command(envelope) if envelope.command.is_repeatable() => {
                Some(Self::Command(Envelope::new(envelope.command.clone(), None).0))
            }
            Self::Command(_) => None,
            Self::Peer(message) => Some(Self::Peer(message.clone())),
            Self::Gateway { payment, operation, outcome } => {
                let (payment, operation, outcome) = (*payment, operation.clone(), outcome.clone());
                Some(Self::Gateway { payment, operation, outcome })
            }
        }
    }
}
