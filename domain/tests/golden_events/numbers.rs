//! The number of every event among those of its kind, as the journal writes it.

use stockade_domain::account::AccountEvent;
use stockade_domain::entity::{EntityKind, Event};
use stockade_domain::ledger::LedgerEvent;
use stockade_domain::order::OrderEvent;
use stockade_domain::payment::PaymentEvent;
use stockade_domain::promotion::uses::UsesEvent;
use stockade_domain::stock::StockEvent;

/// How many events a kind has. A new event does not compile below until it is counted here and has an example.
pub fn variants(kind: EntityKind) -> usize {
    match kind {
        EntityKind::Sku => 32,
        EntityKind::Order => 32,
        EntityKind::Payment => 35,
        EntityKind::Account => 7,
        EntityKind::Ledger => 1,
        EntityKind::Promotion => 11,
        // The same as a promotion's.
        EntityKind::Coupon => 0,
    }
}

/// The number of an event among those of its kind, as the journal writes it.
pub fn number(event: &Event) -> usize {
    match event {
        Event::Stock(event) => number_of_stock(event),
        Event::Order(event) => number_of_order(event),
        Event::Payment(event) => match event {
            PaymentEvent::Created { .. } => 0,
            PaymentEvent::Paid { .. } => 1,
            PaymentEvent::Failed { .. } => 2,
            PaymentEvent::VoidStarted => 3,
            PaymentEvent::RefundRequested { .. } => 4,
            PaymentEvent::Refunded { .. } => 5,
            PaymentEvent::RefundFailed { .. } => 6,
            PaymentEvent::RetryScheduled { .. } => 7,
            PaymentEvent::Opened { .. } => 8,
            PaymentEvent::Authorized { .. } => 9,
            PaymentEvent::CaptureStarted { .. } => 10,
            PaymentEvent::Captured { .. } => 11,
            PaymentEvent::CaptureFailed { .. } => 12,
            PaymentEvent::Cancelled { .. } => 13,
            PaymentEvent::ActionRequired { .. } => 14,
            PaymentEvent::ActionDone => 15,
            PaymentEvent::Queued { .. } => 16,
            PaymentEvent::GivenUp { .. } => 17,
            PaymentEvent::Resumed => 18,
            PaymentEvent::RenewalStarted { .. } => 19,
            PaymentEvent::Renewed { .. } => 20,
            PaymentEvent::Lapsed { .. } => 21,
            PaymentEvent::AuthenticationFailed { .. } => 22,
            PaymentEvent::IntegrityBroken { .. } => 23,
            PaymentEvent::LateSuccess { .. } => 24,
            PaymentEvent::AbandonNoted => 25,
            PaymentEvent::SettlementSent => 26,
            PaymentEvent::Settled => 27,
            PaymentEvent::RefundReversed { .. } => 28,
            PaymentEvent::DisputeOpened { .. } => 29,
            PaymentEvent::DisputeWon => 30,
            PaymentEvent::DisputeLost => 31,
            PaymentEvent::ChargedBack { .. } => 32,
            PaymentEvent::SurplusRequested { .. } => 33,
            PaymentEvent::RefundDeferred { .. } => 34,
        },
        Event::Account(event) => match event {
            AccountEvent::Credited { .. } => 0,
            AccountEvent::Held { .. } => 1,
            AccountEvent::Settled { .. } => 2,
            AccountEvent::Released { .. } => 3,
            AccountEvent::Spent { .. } => 4,
            AccountEvent::Refunded { .. } => 5,
            AccountEvent::SetAside { .. } => 6,
        },
        Event::Ledger(LedgerEvent::Entered { .. }) => 0,
        Event::Uses(event) => match event {
            UsesEvent::Defined { .. } => 0,
            UsesEvent::Held { .. } => 1,
            UsesEvent::Settled { .. } => 2,
            UsesEvent::Released { .. } => 3,
            UsesEvent::GivenBack { .. } => 4,
            UsesEvent::Promoted { .. } => 5,
            UsesEvent::Retired => 6,
            UsesEvent::Used { .. } => 7,
            UsesEvent::Returned { .. } => 8,
            UsesEvent::Heard { .. } => 9,
            UsesEvent::Taken { .. } => 10,
        },
    }
}

fn number_of_stock(event: &StockEvent) -> usize {
    match event {
        StockEvent::Defined(_) => 0,
        StockEvent::Announced { .. } => 1,
        StockEvent::Received { .. } => 2,
        StockEvent::Held { .. } => 3,
        StockEvent::Confirmed { .. } => 4,
        StockEvent::Settled { .. } => 5,
        StockEvent::Released { .. } => 6,
        StockEvent::BackorderFilled { .. } => 7,
        StockEvent::BackorderCancelled { .. } => 8,
        StockEvent::Shipped { .. } => 9,
        StockEvent::Returned { .. } => 10,
        StockEvent::AdjustedUp { .. } => 11,
        StockEvent::AdjustedDown { .. } => 12,
        StockEvent::Displaced { .. } => 13,
        StockEvent::Reclassified { .. } => 14,
        StockEvent::LotExpired { .. } => 15,
        StockEvent::WrittenOff { .. } => 16,
        StockEvent::TransferredOut { .. } => 17,
        StockEvent::TransferredIn { .. } => 18,
        StockEvent::TransferLost { .. } => 19,
        StockEvent::Handled { .. } => 20,
        StockEvent::AnnouncementWithdrawn { .. } => 21,
        StockEvent::Unpromised { .. } => 22,
        StockEvent::ShippedShort { .. } => 23,
        StockEvent::Drawn { .. } => 24,
        StockEvent::NotDrawn { .. } => 25,
        StockEvent::Market(_) => 26,
        StockEvent::HeldMore { .. } => 27,
        StockEvent::Untold { .. } => 28,
        StockEvent::Heard { .. } => 29,
        StockEvent::LowStock { .. } => 30,
        StockEvent::OversoldRisk { .. } => 31,
    }
}

fn number_of_order(event: &OrderEvent) -> usize {
    match event {
        OrderEvent::Placed { .. } => 0,
        OrderEvent::PaymentsStarted { .. } => 1,
        OrderEvent::PaymentSecured { .. } => 2,
        OrderEvent::PaymentFailed { .. } => 3,
        OrderEvent::Extended { .. } => 4,
        OrderEvent::CancelRequested => 5,
        OrderEvent::Cancelled { .. } => 6,
        OrderEvent::Expired => 7,
        OrderEvent::Refused { .. } => 8,
        OrderEvent::BackorderFilled { .. } => 9,
        OrderEvent::Displaced { .. } => 10,
        OrderEvent::Shipped { .. } => 11,
        OrderEvent::Delivered => 12,
        OrderEvent::Returned { .. } => 13,
        OrderEvent::RefundGranted { .. } => 14,
        OrderEvent::Refunded { .. } => 15,
        OrderEvent::StepOwed { .. } => 16,
        OrderEvent::StepDone { .. } => 17,
        OrderEvent::RefundStarted { .. } => 18,
        OrderEvent::PaidAtOnce { .. } => 19,
        OrderEvent::Offered { .. } => 20,
        OrderEvent::ShippedShort { .. } => 21,
        OrderEvent::PartMissing { .. } => 22,
        OrderEvent::Completed => 23,
        OrderEvent::Edited { .. } => 24,
        OrderEvent::PayoutDue { .. } => 25,
        OrderEvent::ChargeDue { .. } => 26,
        OrderEvent::ShipRequested { .. } => 27,
        OrderEvent::ShipmentDropped { .. } => 28,
        OrderEvent::Accepted => 29,
        OrderEvent::RefundReversed { .. } => 30,
        OrderEvent::PaymentStands { .. } => 31,
    }
}
