//! Admission: what is hopeless, too much or known already never reaches a partition.
//!
//! ```text
//!   idempotency key ─▶ sold-out gauge ─▶ room on the disk, lag ─▶ credit ─▶ mailbox of a partition
//! ```

use std::time::Duration;

use stockade_actors::command::{Answer, Command, KeyDigest};
use stockade_actors::host::partition_of_name;
use stockade_actors::mailbox::Incoming;
use stockade_actors::release::{Envelope, Receipt};
use stockade_domain::refusal::Shortage;
use stockade_domain::{Refusal, order};
use stockade_sync::once_reply;

use super::keys::{Admission, Binding, RequestKey};
use super::orphan::Undecided;
use super::{Engine, NewOrder, OrderSnapshot, porter};

/// Which partition a command is for.
pub(crate) enum Target<'a> {
    /// That of an order or payment.
    Route(u64),
    /// That of a SKU or customer.
    Name(&'a str),
    /// This one.
    Partition(usize),
}

impl Engine {
    fn partition(&self, target: &Target<'_>) -> usize {
        let partitions = self.0.mailboxes.len();
        match target {
            Target::Partition(index) => *index,
            _ if partitions == 1 => 0,
            Target::Route(route) => (route % partitions as u64) as usize,
            Target::Name(name) => partition_of_name(name, partitions),
        }
    }

    /// Takes credits for commands at the door, the only place where they are taken.
    fn admit(&self, writes: bool) -> Result<stockade_sync::Credits, Refusal> {
        if self.has_failed() {
            return Err(Refusal::StorageUnavailable);
        }
        if writes && !self.0.threads.has_room() {
            return Err(Refusal::StorageFull);
        }
        if writes && self.0.threads.lags_too_far() {
            return Err(Refusal::Overloaded);
        }
        match self.0.gate.try_take(1) {
            Some(credits) => Ok(credits),
            None if self.0.gate.is_closed() => Err(Refusal::StorageUnavailable),
            None => Err(Refusal::Overloaded),
        }
    }

    pub(crate) fn submit(&self, target: &Target<'_>, command: Command) -> Result<Receipt, Refusal> {
        let is_lost = self.0.switchboard.loses_reply(&command);
        let receipt = self.hand_over(target, command)?;
        // Who waits for an answer that is lost learns at once that there will be none.
        Ok(if is_lost { once_reply().1 } else { receipt })
    }

    fn hand_over(&self, target: &Target<'_>, command: Command) -> Result<Receipt, Refusal> {
        let credits = self.admit(command.writes())?;
        let (envelope, receipt) = Envelope::new(command, Some(credits));
        self.0.mailboxes[self.partition(target)].send(Incoming::Command(envelope));
        Ok(receipt)
    }

    /// Hands many commands over with one wake-up for each partition.
    pub(super) fn submit_many(
        &self,
        commands: Vec<Result<(Target<'static>, Command), Refusal>>,
    ) -> Vec<Result<Receipt, Refusal>> {
        let mut batches: Vec<Vec<Incoming>> = self.0.mailboxes.iter().map(|_| Vec::new()).collect();
        let receipts = commands
            .into_iter()
            .map(|command| {
                let (target, command) = command?;
                let credits = self.admit(true)?;
                let is_lost = self.0.switchboard.loses_reply(&command);
                let (envelope, receipt) = Envelope::new(command, Some(credits));
                batches[self.partition(&target)].push(Incoming::Command(envelope));
                Ok(if is_lost { once_reply().1 } else { receipt })
            })
            .collect();
        for (mailbox, mut batch) in self.0.mailboxes.iter().zip(batches) {
            mailbox.send_many(&mut batch);
        }
        receipts
    }

    /// An order as a command, unless it can be refused at the door.
    pub(super) fn placement(
        &self,
        order: NewOrder,
        wait: Duration,
        key: Option<KeyDigest>,
    ) -> Result<(Target<'static>, Command), Refusal> {
        let NewOrder { mut order, has_own_id, wrong } = order;
        if let Some(refusal) = wrong {
            return Err(refusal);
        }
        if has_own_id {
            if order.body_digest == 0 {
                order.body_digest = digest_of(&order);
            }
        } else {
            order.id = self.0.ids.order();
            order.body_digest = 0;
            self.refuse_sold_out(&order)?;
        }
        let target = Target::Route(order.id.route());
        Ok((target, Command::Place { order, key, wait }))
    }

    /// Refuses the hopeless at the door: a SKU whose gauge says that nothing was left at its last durable record.
    fn refuse_sold_out(&self, order: &order::NewOrder) -> Result<(), Refusal> {
        if order.allow_backorder || order.allow_partial || order.lines.len() > order::LINES_MAX {
            return Ok(());
        }
        let mut items: Vec<Shortage> = Vec::new();
        let mut last = 0;
        for line in &order.lines {
            stockade_domain::check_quantity(line.quantity)?;
            let sold_out = self.0.gauges.get(&line.sku).and_then(|gauge| gauge.read());
            if let Some(as_of) = sold_out {
                last = last.max(as_of);
                match items.iter_mut().find(|item| item.sku == line.sku) {
                    Some(item) => item.requested += line.quantity,
                    None => items.push(Shortage { sku: line.sku.clone(), requested: line.quantity, available: 0 }),
                }
            }
        }
        if items.is_empty() { Ok(()) } else { Err(Refusal::StockExhausted { items, as_of: last }) }
    }

    /// Runs a command under an idempotency key: an accepted answer is repeated, a refusal is decided anew. Says whether
    /// the answer is a repeated one.
    pub(crate) async fn keyed(
        &self,
        key: Option<RequestKey>,
        target: Target<'_>,
        command: impl FnOnce(Option<KeyDigest>) -> Result<Command, Refusal>,
    ) -> Result<(Answer, bool), Refusal> {
        self.decide_once(key, |digest| Ok((target, command(digest)?))).await
    }

    /// Places an order under an idempotency key.
    pub async fn place_keyed(
        &self,
        order: NewOrder,
        key: Option<RequestKey>,
        wait: Duration,
    ) -> Result<OrderSnapshot, Refusal> {
        let (answer, repeated) = self.decide_once(key, |digest| self.placement(order, wait, digest)).await?;
        // The key may have been used for something else by a request that looks the same.
        let Answer::Order(view) = answer else { return Err(Refusal::IdempotencyKeyReused) };
        let snapshot = OrderSnapshot::from(view);
        Ok(OrderSnapshot { replayed: snapshot.replayed || repeated, ..snapshot })
    }

    /// The key is looked up before anything else, so an accepted request is repeated even when nothing is left.
    async fn decide_once<'a>(
        &self,
        key: Option<RequestKey>,
        command: impl FnOnce(Option<KeyDigest>) -> Result<(Target<'a>, Command), Refusal>,
    ) -> Result<(Answer, bool), Refusal> {
        let owner = match key {
            None => None,
            Some(key) => match self.0.keys.admit(key).await? {
                Admission::Decide(owner) => Some(owner),
                Admission::Repeat(Binding::Answer(answer)) => return Ok(((*answer).clone(), true)),
                Admission::Repeat(Binding::Made(made, seq)) => return Ok((self.answer_of(made, seq).await?, true)),
            },
        };
        let (target, command) = command(key.map(|key| key.0))?;
        let is_lost = self.0.switchboard.loses_reply(&command);
        let receipt = self.hand_over(&target, command)?;
        let answer = match owner {
            None => porter::receive(receipt).await.unwrap_or(Err(Refusal::StorageUnavailable)),
            Some(owner) => Undecided::new(owner, receipt, &self.0.config.clock).decided().await,
        };
        if is_lost { Err(Refusal::StorageUnavailable) } else { Ok((answer?, false)) }
    }
}

/// A digest of an order's content, for orders that bring their own id and no body to compare.
fn digest_of(order: &order::NewOrder) -> u64 {
    let bare = order::NewOrder { body_digest: 0, ..order.clone() };
    let digest = blake3::hash(format!("{bare:?}").as_bytes());
    u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("eight bytes")).max(1)
}
