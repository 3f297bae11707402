//! What only some payments have: money set aside and taken in parts, what a gateway waits for, what a bank questions.

use compact_str::CompactString;
use minicbor::{Decode, Encode};

use super::event::PaymentEvent;
use super::gateway::ActionKind;
use crate::{Amount, Timestamp, codec};

/// How long before it lapses money is set aside anew.
const RENEW_EARLY_MICROS: i64 = 24 * 3600 * 1_000_000;
/// The shortest time between two renewals.
const RENEW_PAUSE_SECONDS: u32 = 60;

/// A capture of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Capture {
    /// How much was asked for.
    #[n(0)]
    pub amount: Amount,
    /// None while it is under way, then how much moved.
    #[n(1)]
    pub moved: Option<Amount>,
}

/// What somebody has to do before a gateway goes on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NextAction {
    /// What.
    #[n(0)]
    pub kind: ActionKind,
    /// Where that is done.
    #[cbor(n(1), with = "codec::text")]
    pub next: CompactString,
}

/// What the plain way of a payment does not need.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Progress {
    /// Its money is only set aside, and captured when somebody asks for that.
    #[n(0)]
    pub capture_later: bool,
    /// How much was set aside.
    #[n(1)]
    pub authorized: Amount,
    /// When to set it aside anew, before that lapses.
    #[n(2)]
    pub renew_at: Option<Timestamp>,
    /// How often it was set aside anew.
    #[n(3)]
    pub renewals: u32,
    /// Every capture, by number from 1.
    #[n(4)]
    pub captures: Vec<Capture>,
    /// What moved beyond what was asked for.
    #[n(5)]
    pub overcharged: Amount,
    /// What is questioned now.
    #[n(6)]
    pub disputed: Amount,
    /// What the bank took back.
    #[n(7)]
    pub charged_back: Amount,
    /// The gateway's names of all disputes.
    #[n(8)]
    pub disputes: Vec<String>,
    /// What the gateway waits for.
    #[n(9)]
    pub action: Option<ActionKind>,
    /// Where that is done.
    #[cbor(n(10), with = "codec::optional_text")]
    pub next_action: Option<CompactString>,
    /// It is not asked any more until somebody says so.
    #[n(11)]
    pub given_up: bool,
    /// It came when nobody waited for it.
    #[n(12)]
    pub automatic: bool,
    /// Another amount moved than was asked for.
    #[n(13)]
    pub integrity_broken: bool,
    /// Its order gave up while some of the money was being taken.
    #[n(14)]
    pub abandoned: bool,
    /// What its order wants back when the surplus has gone back.
    #[cbor(n(15), skip_if = "codec::is_zero")]
    pub deferred_refund: Amount,
}

impl Progress {
    /// What was taken.
    pub fn captured(&self) -> Amount {
        Amount(self.captures.iter().filter_map(|capture| capture.moved).map(|moved| moved.0).sum())
    }

    /// What was taken or is being taken, as it was asked for.
    pub fn capturing(&self) -> Amount {
        let counts = |capture: &Capture| capture.moved.map_or(capture.amount.0, |moved| moved.0.min(capture.amount.0));
        Amount(self.captures.iter().map(counts).sum())
    }

    pub(super) fn apply(&mut self, event: &PaymentEvent, now: Timestamp) {
        match event {
            PaymentEvent::Authorized { amount, expires_at, .. } => {
                self.authorized = *amount;
                self.renew_at = expires_at.map(|until| renew_at(until, now));
                self.wants_nothing();
            }
            PaymentEvent::CaptureStarted { number, amount } => {
                assert_eq!(*number as usize, self.captures.len() + 1, "captures are numbered in order");
                self.captures.push(Capture { amount: *amount, moved: None });
            }
            PaymentEvent::Captured { number, moved, .. } => {
                let capture = &mut self.captures[*number as usize - 1];
                capture.moved = Some(*moved);
                self.overcharged.0 += (moved.0 - capture.amount.0).max(0);
            }
            PaymentEvent::CaptureFailed { number, .. } => {
                self.captures[*number as usize - 1].moved = Some(Amount::ZERO);
            }
            PaymentEvent::Renewed { number, expires_at } => {
                self.renewals = *number;
                self.renew_at = expires_at.map(|until| renew_at(until, now));
            }
            PaymentEvent::ActionRequired { kind, next } => {
                self.action = Some(*kind);
                self.next_action = Some(next.clone());
            }
            PaymentEvent::ActionDone => self.wants_nothing(),
            PaymentEvent::GivenUp { .. } => self.given_up = true,
            PaymentEvent::Resumed => self.given_up = false,
            PaymentEvent::IntegrityBroken { .. } => self.integrity_broken = true,
            PaymentEvent::LateSuccess { .. } => self.automatic = true,
            PaymentEvent::AbandonNoted => self.abandoned = true,
            PaymentEvent::RefundDeferred { amount } => self.deferred_refund = *amount,
            PaymentEvent::DisputeOpened { amount, reference } => {
                self.disputed = *amount;
                self.disputes.push(reference.to_string());
            }
            PaymentEvent::DisputeWon => self.disputed = Amount::ZERO,
            PaymentEvent::ChargedBack { amount } => {
                self.disputed = Amount::ZERO;
                self.charged_back.0 += amount.0;
            }
            _ => {}
        }
    }

    fn wants_nothing(&mut self) {
        self.action = None;
        self.next_action = None;
    }
}

/// A day early, or half way where that is later; never at once, or it would be renewed without end.
fn renew_at(until: Timestamp, now: Timestamp) -> Timestamp {
    let left = until.0.saturating_sub(now.0);
    Timestamp(until.0 - RENEW_EARLY_MICROS.min(left / 2)).max(now.plus_seconds(RENEW_PAUSE_SECONDS))
}
