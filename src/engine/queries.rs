//! Lists and histories: what the query models say is where, and the actors or the journal say is true.

use serde::Serialize;
use std::sync::Arc;

use stockade_actors::census::Census;
use stockade_actors::command::{Answer, OrderView, StockView};
use stockade_domain::entity::{EntityKey, EntityKind, Event};
use stockade_domain::order::{Order, OrderEvent, OrderStatus};
use stockade_domain::stock::market::{ClaimFill, MarketEvent, NewClaim};
use stockade_domain::stock::{Picks, StockEvent, units};
use stockade_domain::{CustomerId, OrderId, Refusal, SkuId, Timestamp};
use stockade_storage::projection::{Model, status_key};
use stockade_storage::record::parse_record;

use super::history::HistoryError;
use super::snapshot::{MoneyJson, OrderSnapshot, SkuSnapshot, Text, TimeJson};
use super::{Engine, Target};
use stockade_actors::command::Command;

/// How many candidates one page looks at before it is handed out although it is not full.
pub(super) const CANDIDATES_MAX: usize = 10_000;

/// Which orders.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// In this status.
    pub status: Option<OrderStatus>,
    /// Placed after this time.
    pub created_after: Option<Timestamp>,
}

/// Which part of a list, newest first.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// At most this many.
    pub limit: usize,
    /// Only what is older than this sequence.
    pub before: Option<u64>,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// What is in it.
    pub items: Vec<T>,
    /// Where the next part begins; none: this was the last.
    pub next: Option<u64>,
}

/// One fact of an actor's history.
#[derive(Debug, Clone, Serialize)]
pub struct Movement {
    /// Its record's sequence.
    pub sequence: Text<u64>,
    /// When.
    pub at: TimeJson,
    /// What, by its public name.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// How many units, where that says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u64>,
    /// How much money, where that says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<MoneyJson>,
    /// For which payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
    /// For which order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a SKU is warned of, in figures.
    #[serde(flatten)]
    pub warning: Option<Warning>,
}

/// How a SKU stood when its stock ran low, or more was sold than there is and is coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Warning {
    /// `low_stock`.
    LowStock {
        /// Units for sale, over all locations.
        available: u64,
        /// The level that its definition names.
        level: u64,
    },
    /// `oversold_risk`.
    OversoldRisk {
        /// Units that customers wait for.
        backordered: u64,
        /// Units that are announced.
        incoming: u64,
    },
}

/// How much is under way, for those who operate the engine.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// SKUs that are defined.
    pub skus_known: usize,
    /// Requests that may be inside at once.
    pub credits: u32,
    /// Turns whose answers wait for the disk.
    pub parked_answers: usize,
    /// The last sequence that was given, on disk or not.
    pub appended: u64,
    /// The last sequence that the query models know.
    pub projected: u64,
}

pub(super) fn unreadable(error: &HistoryError) -> Refusal {
    tracing::error!(%error, "the past cannot be read");
    Refusal::StorageUnavailable
}

impl Engine {
    /// Who is in memory, by partition.
    pub fn census(&self) -> &[Census] {
        &self.0.census
    }

    /// How much is under way.
    pub fn load(&self) -> Load {
        let history = self.0.threads.history();
        Load {
            skus_known: self.0.gauges.len(),
            credits: self.0.gate.capacity(),
            parked_answers: self.0.departures.parked(),
            appended: self.0.buffer.last_appended(),
            projected: history.projected.durable(),
        }
    }

    /// Orders, newest first.
    pub async fn list_orders(&self, filter: &OrderFilter, page: Page) -> Result<Listed<OrderSnapshot>, Refusal> {
        let history = self.0.threads.history();
        history.caught_up(self.durable()).await?;
        let (model, key) = match (&filter.customer, filter.status) {
            (Some(customer), _) => (Model::OrdersByCustomer, customer.as_str().as_bytes().to_vec()),
            (None, Some(status)) => (Model::OrdersByStatus, status_key(status).to_vec()),
            (None, None) => (Model::Orders, Vec::new()),
        };
        let mut listed = Listed { items: Vec::new(), next: None };
        let mut before = page.before.unwrap_or(u64::MAX);
        let mut seen = 0;
        loop {
            let entries = history.newest_before(model, &key, before, page.limit).map_err(|e| unreadable(&e))?;
            let exhausted = entries.len() < page.limit;
            for entry in entries {
                before = entry.seq;
                seen += 1;
                let id = OrderId::from_bytes(entry.order);
                // An attempt that was refused after it was recorded was never an order.
                let order = match self.read_order(id).await {
                    Ok(order) => order,
                    Err(Refusal::NotFound { .. }) => continue,
                    Err(refusal) => return Err(refusal),
                };
                if filter.created_after.is_some_and(|after| order.order.created_at <= after) {
                    if model == Model::OrdersByStatus {
                        continue;
                    }
                    return Ok(listed);
                }
                let matches = filter.status.is_none_or(|status| order.order.status() == status);
                if matches && listed.items.iter().all(|item: &OrderSnapshot| item.id != id) {
                    listed.items.push(order);
                }
                if listed.items.len() == page.limit || seen == CANDIDATES_MAX {
                    listed.next = Some(before);
                    return Ok(listed);
                }
            }
            if exhausted {
                return Ok(listed);
            }
        }
    }

    /// What moved a SKU's stock, newest first. A record's movements stay together, so a page may be longer than its
    /// limit by the last record.
    pub async fn movements(&self, sku: &str, page: Page) -> Result<Listed<Movement>, Refusal> {
        self.read_sku(sku).await?;
        let history = self.0.threads.history();
        history.caught_up(self.durable()).await?;
        let before = page.before.unwrap_or(u64::MAX);
        let entries =
            history.newest_before(Model::Movements, sku.as_bytes(), before, page.limit).map_err(|e| unreadable(&e))?;
        let mut listed = self.facts(entries.iter().map(|entry| entry.seq), page.limit)?;
        if listed.next.is_none() {
            listed.next = entries.last().filter(|_| entries.len() == page.limit).map(|entry| entry.seq);
        }
        Ok(listed)
    }

    /// Everything that happened to an order, newest first; pages as of [`movements`](Self::movements).
    pub async fn order_events(&self, order: OrderId, page: Page) -> Result<Listed<Movement>, Refusal> {
        let before = page.before.unwrap_or(u64::MAX);
        let sequences = self.history_of(order).await?;
        self.facts(sequences.into_iter().rev().filter(|seq| *seq < before), page.limit)
    }

    /// The facts of these records, newest first, until there are enough.
    fn facts(&self, sequences: impl Iterator<Item = u64>, limit: usize) -> Result<Listed<Movement>, Refusal> {
        let history = self.0.threads.history();
        let mut listed = Listed { items: Vec::new(), next: None };
        let mut sequences = sequences.peekable();
        while let Some(seq) = sequences.next() {
            let record = history.record(seq).map_err(|e| unreadable(&e))?;
            let mut facts = movements_of(seq, &record)?;
            facts.reverse();
            listed.items.extend(facts);
            if listed.items.len() >= limit {
                listed.next = sequences.peek().map(|_| seq);
                break;
            }
        }
        Ok(listed)
    }

    /// The names of all SKUs, sorted; sorted anew only when there are more of them.
    fn sku_names(&self) -> Arc<Vec<SkuId>> {
        let mut names = self.0.sku_names.lock();
        if names.len() != self.0.gauges.len() {
            let mut sorted: Vec<SkuId> = self.0.gauges.iter().map(|entry| entry.key().clone()).collect();
            sorted.sort();
            *names = Arc::new(sorted);
        }
        Arc::clone(&names)
    }

    /// SKUs by name, after this one.
    pub async fn list_skus(&self, after: Option<String>, limit: usize) -> Result<Vec<SkuSnapshot>, Refusal> {
        let names = self.sku_names();
        let start = after.map_or(0, |after| names.partition_point(|name| name.as_str() <= after.as_str()));
        let mut listed = Vec::new();
        for name in names.iter().skip(start) {
            if listed.len() == limit {
                break;
            }
            // The gauge of a SKU is there a moment before its definition is durable.
            match self.read_sku(name.as_str()).await {
                Ok(sku) => listed.push(sku),
                Err(Refusal::SkuUnknown { .. }) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(listed)
    }

    async fn history_of(&self, order: OrderId) -> Result<Vec<u64>, Refusal> {
        let command = Command::ReadOrderHistory { order };
        let receipt = self.submit(&Target::Route(order.route()), command)?;
        match receipt.await.unwrap_or(Err(Refusal::StorageUnavailable))? {
            Answer::Sequences(sequences) => Ok(sequences),
            other => unreachable!("a history is answered with sequences, not {other:?}"),
        }
    }

    /// The answer that a key found in the journal is bound to: what was made, as it was when it was answered.
    pub(crate) async fn answer_of(&self, made: EntityKey, seq: u64) -> Result<Answer, Refusal> {
        match made {
            EntityKey::Order(order) => {
                let now = self.read_order(order).await?;
                let order = self.order_as_answered(order, seq).await.map_or(now.order, Arc::new);
                Ok(Answer::Order(OrderView { order, as_of: seq, replayed: true }))
            }
            EntityKey::Sku(sku) => {
                let view: StockView = self.read_stock(sku.as_str()).await?.0;
                Ok(Answer::Stock(Box::new(view)))
            }
            EntityKey::Account(customer) => Ok(Answer::Account(self.wallet(customer.as_str()).await?.0)),
            EntityKey::Uses(subject) => self.read_uses_view(subject).await,
            EntityKey::Payment(_) | EntityKey::Ledger => Ok(Answer::Count(1)),
        }
    }

    /// The order as of the record at `seq`, or, while its first payment was awaited, as of the first one after it.
    async fn order_as_answered(&self, id: OrderId, seq: u64) -> Option<Order> {
        let sequences = self.history_of(id).await.ok()?;
        let history = self.0.threads.history();
        let mut order: Option<Order> = None;
        for at in sequences {
            if at > seq && order.as_ref().is_some_and(|order| !order.placing) {
                break;
            }
            let record = history.record(at).ok()?;
            let (head, events) = parse_record(&record).ok()?;
            for event in Event::decode_all(EntityKind::Order, events).ok()? {
                let Event::Order(event) = event else { return None };
                match (&mut order, &event) {
                    (order, OrderEvent::Placed { .. }) => {
                        *order = Some(Order::create(id, &event, Timestamp(head.time)));
                    }
                    (Some(order), event) => order.apply(event),
                    (None, _) => return None,
                }
            }
        }
        order
    }
}

fn movements_of(seq: u64, record: &[u8]) -> Result<Vec<Movement>, Refusal> {
    let read = || {
        let (head, events) = parse_record(record).ok()?;
        let kind = EntityKind::from_byte(head.kind)?;
        let events = Event::decode_all(kind, events).ok()?;
        Some(events.iter().map(|event| movement(seq, Timestamp(head.time), event)).collect())
    };
    read().ok_or(Refusal::StorageUnavailable)
}

pub(super) fn movement(seq: u64, at: Timestamp, event: &Event) -> Movement {
    let mut movement = Movement {
        sequence: Text(seq),
        at: TimeJson(at),
        kind: event.name(),
        quantity: None,
        amount: None,
        payment: None,
        order: None,
        reason: None,
        warning: None,
    };
    if let Event::Stock(event) = event {
        movement.warning = warning(event);
        let (quantity, order, reason) = describe(event);
        movement.quantity = quantity;
        movement.order = order.map(|order| order.to_string());
        movement.reason = reason;
    }
    movement
}

const fn warning(event: &StockEvent) -> Option<Warning> {
    match *event {
        StockEvent::LowStock { available, level } => Some(Warning::LowStock { available, level }),
        StockEvent::OversoldRisk { backordered, incoming } => Some(Warning::OversoldRisk { backordered, incoming }),
        _ => None,
    }
}

fn describe(event: &StockEvent) -> (Option<u64>, Option<OrderId>, Option<String>) {
    let both = |a: &Picks, b: &Picks| Some(units(a) + units(b));
    match event {
        StockEvent::Announced { quantity, reference, .. }
        | StockEvent::AnnouncementWithdrawn { quantity, reference } => {
            (Some(*quantity), None, reference.as_ref().map(ToString::to_string))
        }
        StockEvent::Received { quantity, .. }
        | StockEvent::TransferredIn { quantity, .. }
        | StockEvent::TransferLost { quantity } => (Some(*quantity), None, None),
        StockEvent::AdjustedUp { quantity, reason, .. } => (Some(*quantity), None, Some(reason.to_string())),
        StockEvent::AdjustedDown { picks, reason } => (Some(units(picks)), None, Some(reason.to_string())),
        StockEvent::Returned { quantity, order, .. } => (Some(*quantity), *order, None),
        StockEvent::Held { picks, backordered, order, .. } => (Some(units(picks) + backordered), Some(*order), None),
        StockEvent::BackorderFilled { picks, order }
        | StockEvent::HeldMore { picks, order }
        | StockEvent::Shipped { picks, order } => (Some(units(picks)), Some(*order), None),
        StockEvent::BackorderCancelled { quantity, order }
        | StockEvent::Unpromised { quantity, order }
        | StockEvent::ShippedShort { quantity, order }
        | StockEvent::NotDrawn { quantity, order } => (Some(*quantity), Some(*order), None),
        // Whoever wants to draw again needs the seed.
        StockEvent::Drawn { seed } => (None, None, Some(format!("seed {}", blake3::Hash::from_bytes(*seed).to_hex()))),
        StockEvent::Released { held, allocated, order, .. } | StockEvent::Displaced { held, allocated, order } => {
            (both(held, allocated), Some(*order), None)
        }
        StockEvent::Settled { order }
        | StockEvent::Confirmed { order }
        | StockEvent::Handled { order, .. }
        | StockEvent::Untold { order }
        | StockEvent::Heard { order } => (None, Some(*order), None),
        StockEvent::Reclassified { pick, .. }
        | StockEvent::LotExpired { pick }
        | StockEvent::TransferredOut { pick, .. } => (Some(pick.quantity), None, None),
        StockEvent::WrittenOff { pick, reason, .. } => (Some(pick.quantity), None, Some(reason.to_string())),
        StockEvent::Market(event) => describe_market(event),
        StockEvent::Defined(_) | StockEvent::LowStock { .. } | StockEvent::OversoldRisk { .. } => (None, None, None),
    }
}

fn describe_market(event: &MarketEvent) -> (Option<u64>, Option<OrderId>, Option<String>) {
    let sum = |fills: &[ClaimFill]| Some(fills.iter().map(|fill| fill.quantity).sum());
    match event {
        MarketEvent::Offered { quantity, seller, .. } => (Some(*quantity), None, Some(format!("seller {seller}"))),
        MarketEvent::Bid { quantity, customer, .. } => (Some(*quantity), None, Some(format!("customer {customer}"))),
        MarketEvent::Claimed { order, claims, .. } => {
            (Some(claims.iter().map(NewClaim::units).sum()), Some(*order), None)
        }
        MarketEvent::ClaimReleased { order, fills, .. } => (sum(fills), Some(*order), None),
        MarketEvent::ClaimShipped { order, fills, serials, .. } => {
            let names = serials.as_ref().map(|names| {
                let names: Vec<&str> = names.iter().map(|serial| serial.as_str()).collect();
                format!("serials {}", names.join(", "))
            });
            (sum(fills), Some(*order), names)
        }
        MarketEvent::ClaimReturned { order, quantity, .. } => (Some(*quantity), Some(*order), None),
        MarketEvent::ClaimsConfirmed { order } | MarketEvent::ClaimsSettled { order } => (None, Some(*order), None),
        MarketEvent::Opened(_) | MarketEvent::Traded { .. } | MarketEvent::Forgotten { .. } => (None, None, None),
    }
}
