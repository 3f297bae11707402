//! What moved a customer's wallet.

use stockade_domain::account::AccountEvent;
use stockade_domain::entity::{EntityKind, Event};
use stockade_domain::{Amount, Currency, CustomerId, Money, PaymentId, Refusal, Timestamp};
use stockade_storage::projection::Model;
use stockade_storage::record::parse_record;

use super::Engine;
use super::queries::{Listed, Movement, Page, movement, unreadable};
use super::snapshot::MoneyJson;

impl Engine {
    /// What moved a customer's wallet, newest first; pages as of [`movements`](Self::movements).
    pub async fn statement(&self, customer: &CustomerId, page: Page) -> Result<Listed<Movement>, Refusal> {
        let wallet = self.wallet(customer.as_str()).await?;
        let history = self.0.threads.history();
        history.caught_up(self.durable()).await?;
        let (before, key) = (page.before.unwrap_or(u64::MAX), customer.as_str().as_bytes());
        let entries = history.newest_before(Model::Statements, key, before, page.limit).map_err(|e| unreadable(&e))?;
        let mut listed = Listed { items: Vec::new(), next: None };
        for entry in &entries {
            let record = history.record(entry.seq).map_err(|e| unreadable(&e))?;
            let mut facts = statement_of(entry.seq, &record, wallet.0.currency)?;
            facts.reverse();
            listed.items.extend(facts);
            if listed.items.len() >= page.limit {
                listed.next = Some(entry.seq);
                break;
            }
        }
        if listed.next.is_none() {
            listed.next = entries.last().filter(|_| entries.len() == page.limit).map(|entry| entry.seq);
        }
        Ok(listed)
    }
}

/// A wallet's facts; amounts without a currency are in the wallet's own.
fn statement_of(seq: u64, record: &[u8], currency: Option<Currency>) -> Result<Vec<Movement>, Refusal> {
    let read = || {
        let (head, events) = parse_record(record).ok()?;
        let events = Event::decode_all(EntityKind::Account, events).ok()?;
        let fact = |event: &Event| {
            let mut fact = movement(seq, Timestamp(head.time), event);
            if let Event::Account(event) = event {
                let (amount, payment) = describe_account(event, currency);
                fact.amount = amount.map(MoneyJson);
                fact.payment = payment.map(|payment| payment.to_string());
                if let AccountEvent::Credited { reference, .. } = event {
                    fact.reason = reference.as_ref().map(ToString::to_string);
                }
            }
            fact
        };
        Some(events.iter().map(fact).collect())
    };
    read().ok_or(Refusal::StorageUnavailable)
}

fn describe_account(event: &AccountEvent, currency: Option<Currency>) -> (Option<Money>, Option<PaymentId>) {
    let own = |amount: Amount| currency.map(|currency| Money::new(amount, currency));
    match event {
        AccountEvent::Credited { money, .. } => (Some(*money), None),
        AccountEvent::Held { payment, amount } | AccountEvent::Spent { payment, amount } => {
            (own(*amount), Some(*payment))
        }
        AccountEvent::Settled { payment } | AccountEvent::Released { payment } => (None, Some(*payment)),
        AccountEvent::Refunded { payment, money, .. } => (Some(*money), Some(*payment)),
        AccountEvent::SetAside { amount, .. } => (own(*amount), None),
    }
}
