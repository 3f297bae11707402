//! How anything leaves the engine, and the only way it can.
//!
//! Two of the three rules on which everything rests are types here:
//!
//! - *Append before effect*: [`Effects`] can only be released with the [`Appended`] token of their turn.
//! - *Every answer carries its basis*: what leaves the engine goes through the watermark with the last sequence it
//!   rests on; a [`Reply`] has no other way to be sent.
//!
//! Messages to other partitions stay inside, so they go as soon as the turn is appended: log order is causal order.

use std::sync::Arc;

use stockade_domain::mistake::{Mistake, made};
use stockade_domain::order::Kit;
use stockade_domain::payment::PaymentState;
use stockade_domain::payment::gateway::GatewayCall;
use stockade_domain::{PaymentId, Refusal, SkuId};
use stockade_sync::{Appended, Credits, Parked, ReplyReceiver, ReplySender, SoldOutGauge, Watermark, once_reply};

use crate::command::{Answer, Command};
use crate::mailbox::{Incoming, Mailbox};
use crate::peer::PeerMessage;
use crate::ports::{Gateway, Notifier};
use crate::rules::RuleChange;

/// What a caller waits for.
pub type Receipt = ReplyReceiver<Result<Answer, Refusal>>;

/// The way back to a caller. It can be answered only through [`Effects`].
pub struct Reply {
    sender: ReplySender<Result<Answer, Refusal>>,
    /// The credit the command came in with; it goes back with the answer.
    _credits: Option<Credits>,
}

/// A command with the way back.
pub struct Envelope {
    /// What is asked.
    pub command: Command,
    /// Where the answer goes, exactly once.
    pub reply: Reply,
}

impl Envelope {
    /// Wraps a command that was let in with these credits.
    pub fn new(command: Command, credits: Option<Credits>) -> (Self, Receipt) {
        let (sender, receipt) = once_reply();
        (Self { command, reply: Reply { sender, _credits: credits } }, receipt)
    }
}

/// What an answer rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// A record of the turn at hand.
    Record(u32),
    /// All of the turn at hand and everything before it.
    Turn,
    /// A record of before.
    Seq(u64),
}

/// Where effects go once they may.
#[derive(Clone)]
pub struct Outlet {
    /// Cards.
    pub gateway: Arc<dyn Gateway>,
    /// Those who are told of payments.
    pub notifier: Arc<dyn Notifier>,
    /// The runtime on which gateway calls wait for their answers.
    pub runtime: tokio::runtime::Handle,
    /// The partition itself, for the gateway's answers.
    pub mailbox: Mailbox,
}

/// Answers, gauges and calls that wait for the same sequence.
pub struct Departure {
    replies: Vec<(Reply, Result<Answer, Refusal>)>,
    gauges: Vec<(Arc<SoldOutGauge>, u64, bool)>,
    calls: Vec<GatewayCall>,
    notices: Vec<(PaymentId, PaymentState)>,
    outlet: Arc<Outlet>,
}

/// The watermark of an engine, with all that waits for it.
pub type Departures = Watermark<Departure>;

impl Departure {
    /// Leaves the engine. Only what the watermark has handed out gets here.
    fn leave(self) {
        for (gauge, as_of, sold_out) in self.gauges {
            gauge.publish(as_of, sold_out);
        }
        for (reply, answer) in self.replies {
            reply.sender.send(answer);
        }
        for (payment, state) in self.notices {
            self.outlet.notifier.payment_changed(payment, state);
        }
        for call in self.calls {
            let answer = self.outlet.gateway.call(call.clone());
            let mailbox = self.outlet.mailbox.clone();
            self.outlet.runtime.spawn(async move {
                let outcome = answer.await;
                // A closed mailbox: the call is asked again, under the same key, when the engine is reopened.
                mailbox.send(Incoming::Gateway { payment: call.payment, operation: call.operation, outcome });
            });
        }
    }

    /// The generation has ended: whether it happened is unknown.
    fn fail(self) {
        for (reply, _) in self.replies {
            reply.sender.send(Err(Refusal::StorageUnavailable));
        }
    }
}

/// Lets everything leave that the watermark has just handed out; for the writer.
pub fn depart(due: &mut Vec<Departure>) {
    due.drain(..).for_each(Departure::leave);
}

/// Answers everything that the end of the generation has left over; for the writer.
pub fn give_up(leftovers: &mut Vec<Departure>) {
    leftovers.drain(..).for_each(Departure::fail);
}

/// Refuses a command that never reached a partition.
pub fn refuse_unhandled(incoming: Incoming, refusal: &Refusal) {
    if let Incoming::Command(envelope) = incoming {
        envelope.reply.sender.send(Err(refusal.clone()));
    }
}

/// Everything that a turn wants to do to the world.
#[derive(Default)]
pub struct Effects {
    /// Answers that rest on this turn.
    written: Vec<(Reply, Result<Answer, Refusal>, u32)>,
    /// Answers that rest on earlier records.
    read: Vec<(Reply, Result<Answer, Refusal>, u64)>,
    gauges: Vec<(Arc<SoldOutGauge>, u32, bool)>,
    calls: Vec<GatewayCall>,
    notices: Vec<(PaymentId, PaymentState)>,
    peers: Vec<(usize, PeerMessage)>,
    kits: Vec<(SkuId, Option<Kit>)>,
    promotions: Vec<(u32, RuleChange)>,
}

/// In place of a record: the last of the turn.
const WHOLE_TURN: u32 = u32::MAX;

/// How much a command had added to the effects, so that a panic can take it out.
#[derive(Debug, Clone, Copy)]
pub struct Mark([usize; 6]);

impl Effects {
    /// Answers a command.
    pub fn answer(&mut self, reply: Reply, answer: Result<Answer, Refusal>, basis: Basis) {
        match basis {
            Basis::Record(record) => self.written.push((reply, answer, record)),
            Basis::Turn => self.written.push((reply, answer, WHOLE_TURN)),
            Basis::Seq(seq) => self.read.push((reply, answer, seq)),
        }
    }

    /// Sets a SKU's gauge, as of a record of this turn.
    pub fn set_gauge(&mut self, gauge: Arc<SoldOutGauge>, record: u32, sold_out: bool) {
        self.gauges.push((gauge, record, sold_out));
    }

    /// Calls the gateway.
    pub fn call_gateway(&mut self, call: GatewayCall) {
        self.calls.push(call);
    }

    /// Tells those who follow a payment.
    pub fn notify(&mut self, payment: PaymentId, state: PaymentState) {
        self.notices.push((payment, state));
    }

    /// Tells another partition.
    pub fn tell(&mut self, partition: usize, message: PeerMessage) {
        self.peers.push((partition, message));
    }

    /// Tells all partitions whether a SKU is a kit that sells.
    pub fn make_known(&mut self, sku: SkuId, kit: Option<Kit>) {
        self.kits.push((sku, kit));
    }

    /// What an appended turn says of kits.
    pub fn kits(&mut self, _: &Appended) -> std::vec::Drain<'_, (SkuId, Option<Kit>)> {
        self.kits.drain(..)
    }

    /// Tells all partitions what a promotion is from now on, as of a record of this turn.
    pub fn change_rules(&mut self, record: u32, change: RuleChange) {
        self.promotions.push((record, change));
    }

    /// Whether the turn says anything of promotions.
    pub fn changes_rules(&self) -> bool {
        !self.promotions.is_empty()
    }

    /// What an appended turn says of promotions, with the records that say it.
    pub fn rule_changes(&mut self, _: &Appended) -> std::vec::Drain<'_, (u32, RuleChange)> {
        self.promotions.drain(..)
    }

    /// Where the effects stand.
    pub fn mark(&self) -> Mark {
        let (kits, promotions) = (self.kits.len(), self.promotions.len());
        Mark([self.gauges.len(), self.calls.len(), self.notices.len(), self.peers.len(), kits, promotions])
    }

    /// Takes back what was added since the mark; answers are added only when a command has ended.
    pub fn cut(&mut self, mark: Mark) {
        self.gauges.truncate(mark.0[0]);
        self.calls.truncate(mark.0[1]);
        self.notices.truncate(mark.0[2]);
        self.peers.truncate(mark.0[3]);
        self.kits.truncate(mark.0[4]);
        self.promotions.truncate(mark.0[5]);
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
            && self.read.is_empty()
            && self.gauges.is_empty()
            && self.calls.is_empty()
            && self.notices.is_empty()
            && self.peers.is_empty()
            && self.kits.is_empty()
            && self.promotions.is_empty()
    }

    /// The messages for other partitions of an appended turn. They are delivered before anything is released: a caller
    /// who has an answer may send what must come after them.
    pub fn peers(&mut self, _: &Appended) -> std::vec::Drain<'_, (usize, PeerMessage)> {
        self.peers.drain(..)
    }

    /// Lets everything else of an appended turn go when its basis is durable. `sequences` are those of the turn's
    /// records.
    pub fn release(&mut self, appended: &Appended, sequences: &[u64], departures: &Departures, outlet: &Arc<Outlet>) {
        assert!(self.peers.is_empty(), "partitions are told before callers");
        let gauges = self.gauges.drain(..).map(|(gauge, record, out)| (gauge, sequences[record as usize], out));
        let departure = Departure {
            replies: self
                .written
                .drain(..)
                .map(|(reply, answer, record)| {
                    let seq = if record == WHOLE_TURN { appended.last() } else { sequences[record as usize] };
                    (reply, stamp(answer, seq))
                })
                .collect(),
            gauges: gauges.collect(),
            calls: std::mem::take(&mut self.calls),
            notices: std::mem::take(&mut self.notices),
            outlet: Arc::clone(outlet),
        };
        if made(Mistake::AcknowledgeEarly) {
            return departure.leave();
        }
        park(departures, appended.last(), departure);
        for (reply, answer, seq) in self.read.drain(..) {
            let replies = vec![(reply, stamp(answer, seq))];
            let (gauges, calls, notices) = (Vec::new(), Vec::new(), Vec::new());
            park(departures, seq, Departure { replies, gauges, calls, notices, outlet: Arc::clone(outlet) });
        }
    }

    /// The turn could not be appended: everybody is told that the outcome is unknown, and nothing else happens.
    pub fn abandon(&mut self) {
        let written = self.written.drain(..).map(|(reply, ..)| reply);
        for reply in written.chain(self.read.drain(..).map(|(reply, ..)| reply)) {
            reply.sender.send(Err(Refusal::StorageUnavailable));
        }
        self.cut(Mark([0; 6]));
    }
}

fn park(departures: &Departures, basis: u64, departure: Departure) {
    match departures.park(basis, departure) {
        Parked::Waits => {}
        Parked::Due(departure) => departure.leave(),
        Parked::Closed(departure) => departure.fail(),
    }
}

/// Puts the sequence that an answer rests on into it.
fn stamp(answer: Result<Answer, Refusal>, seq: u64) -> Result<Answer, Refusal> {
    match answer {
        Ok(Answer::Stock(mut view)) => {
            view.as_of = seq;
            Ok(Answer::Stock(view))
        }
        Ok(Answer::Order(mut view)) => {
            view.as_of = seq;
            Ok(Answer::Order(view))
        }
        Ok(Answer::Book(mut view)) => {
            view.as_of = seq;
            Ok(Answer::Book(view))
        }
        Ok(Answer::Party(mut view)) => {
            view.as_of = seq;
            Ok(Answer::Party(view))
        }
        Ok(Answer::Parties(mut views)) => {
            views.iter_mut().for_each(|view| view.as_of = seq);
            Ok(Answer::Parties(views))
        }
        Ok(Answer::Uses(mut view)) => {
            view.as_of = seq;
            Ok(Answer::Uses(view))
        }
        Ok(Answer::Account(view)) => Ok(Answer::Account(crate::command::AccountView { as_of: seq, ..view })),
        Err(Refusal::StockExhausted { items, .. }) => Err(Refusal::StockExhausted { items, as_of: seq }),
        other => other,
    }
}
