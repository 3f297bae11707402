//! Every command of the engine: each as a future, and blocking for threads without a runtime.

use std::time::Duration;

use stockade_actors::command::{Answer, Command, KeyDigest};
use stockade_domain::account::AccountCommand;
use stockade_domain::ledger::{Ledger, LedgerEvent};
use stockade_domain::order::{OrderCommand, RefundChoice};
use stockade_domain::stock::{Disposition, StockCommand};
use stockade_domain::{CustomerId, Location, Money, OrderId, Quantity, Refusal, SkuId};
use stockade_sync::ReplyReceiver;

use super::request::{NewOrder, Payment, Sku, name};
use super::snapshot::{OrderSnapshot, SkuSnapshot, StockSnapshot, WalletSnapshot};
use super::{Engine, Target, porter};

/// How long a placed or paid order waits for its gateway before it is answered as under way.
pub const GATEWAY_WAIT: Duration = Duration::from_secs(10);

/// A command under way: a future of its answer, or `wait` on a thread without a runtime.
#[must_use = "the command is under way; its answer tells whether it was done"]
pub struct Pending<T> {
    receipt: Result<ReplyReceiver<Result<Answer, Refusal>>, Option<Refusal>>,
    read: fn(Answer) -> T,
}

impl<T> Pending<T> {
    pub(crate) fn new(receipt: Result<ReplyReceiver<Result<Answer, Refusal>>, Refusal>, read: fn(Answer) -> T) -> Self {
        Self { receipt: receipt.map_err(Some), read }
    }

    /// Blocks until the answer is there.
    pub fn wait(self) -> Result<T, Refusal> {
        let answer = match self.receipt {
            Ok(receipt) => receipt.wait().unwrap_or(Err(Refusal::StorageUnavailable))?,
            Err(refusal) => return Err(refusal.expect("a refusal is taken once")),
        };
        Ok((self.read)(answer))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Refusal>;

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        let this = self.get_mut();
        let answer = match &mut this.receipt {
            Ok(receipt) => std::task::ready!(porter::poll(receipt, cx)),
            Err(refusal) => Ok(Err(refusal.take().expect("a future is polled to its end once"))),
        };
        // A reply that was dropped: the engine ended before it could say.
        let answer = answer.unwrap_or(Err(Refusal::StorageUnavailable));
        std::task::Poll::Ready(answer.map(this.read))
    }
}

fn as_order(answer: Answer) -> OrderSnapshot {
    match answer {
        Answer::Order(view) => OrderSnapshot::from(view),
        other => unreachable!("an order's command is answered with an order, not {other:?}"),
    }
}

fn as_stock(answer: Answer) -> StockSnapshot {
    match answer {
        Answer::Stock(view) => StockSnapshot(*view),
        other => unreachable!("a SKU's command is answered with its stock, not {other:?}"),
    }
}

fn as_sku(answer: Answer) -> SkuSnapshot {
    SkuSnapshot(as_stock(answer).0)
}

fn as_wallet(answer: Answer) -> WalletSnapshot {
    match answer {
        Answer::Account(view) => WalletSnapshot(view),
        other => unreachable!("a wallet's command is answered with the wallet, not {other:?}"),
    }
}

fn as_ledger(answer: Answer) -> Ledger {
    match answer {
        Answer::Ledger(ledger) => *ledger,
        other => unreachable!("the books are answered with the books, not {other:?}"),
    }
}

fn as_count(answer: Answer) -> u64 {
    match answer {
        Answer::Count(count) => count,
        other => unreachable!("counted work is answered with a count, not {other:?}"),
    }
}

impl Engine {
    pub(super) fn sku_target(sku: impl AsRef<str>) -> Result<SkuId, Refusal> {
        SkuId::new(sku.as_ref()).map_err(|_| Refusal::SkuUnknown { sku: sku.as_ref().chars().take(80).collect() })
    }

    /// Runs a command on a SKU.
    pub fn stock(&self, sku: impl AsRef<str>, command: StockCommand) -> Pending<StockSnapshot> {
        let submit = |sku: SkuId| {
            self.submit(
                &Target::Name(sku.as_str()),
                Command::Stock { sku: sku.clone(), command: Box::new(command), key: None },
            )
        };
        Pending::new(Self::sku_target(sku).and_then(submit), as_stock)
    }

    /// Defines a SKU, or changes its definition.
    pub fn put_sku(&self, sku: Sku) -> Pending<SkuSnapshot> {
        let submit = |id: SkuId| {
            let command = Box::new(StockCommand::Define(Box::new(sku.definition)));
            self.submit(&Target::Name(id.as_str()), Command::Stock { sku: id.clone(), command, key: None })
        };
        Pending::new(name("sku", sku.id).and_then(submit), as_sku)
    }

    /// Units have arrived at the main location.
    pub fn receive(&self, sku: impl AsRef<str>, quantity: Quantity) -> Pending<StockSnapshot> {
        let location = Location::main();
        self.stock(sku, StockCommand::Receive { location, lot: None, expires_at: None, quantity, unit_cost: None })
    }

    /// How a SKU's stock stands.
    pub fn read_stock(&self, sku: impl AsRef<str>) -> Pending<StockSnapshot> {
        let submit = |sku: SkuId| self.submit(&Target::Name(sku.as_str()), Command::ReadStock { sku: sku.clone() });
        Pending::new(Self::sku_target(sku).and_then(submit), as_stock)
    }

    /// What a SKU is.
    pub fn read_sku(&self, sku: impl AsRef<str>) -> Pending<SkuSnapshot> {
        let submit = |sku: SkuId| self.submit(&Target::Name(sku.as_str()), Command::ReadStock { sku: sku.clone() });
        Pending::new(Self::sku_target(sku).and_then(submit), as_sku)
    }

    /// Puts money into a customer's wallet.
    pub fn credit(&self, customer: impl AsRef<str>, money: Money) -> Pending<WalletSnapshot> {
        let submit = |customer: CustomerId| {
            let command = AccountCommand::Credit { money, reference: None };
            let target = Target::Name(customer.as_str());
            self.submit(&target, Command::Account { customer: customer.clone(), command, key: None })
        };
        Pending::new(name("customer", CustomerId::new(customer.as_ref())).and_then(submit), as_wallet)
    }

    /// How a wallet stands.
    pub fn wallet(&self, customer: impl AsRef<str>) -> Pending<WalletSnapshot> {
        let submit = |customer: CustomerId| {
            let target = Target::Name(customer.as_str());
            self.submit(&target, Command::ReadAccount { customer: customer.clone() })
        };
        Pending::new(name("customer", CustomerId::new(customer.as_ref())).and_then(submit), as_wallet)
    }

    /// Places an order. It is durable when this returns.
    pub fn place(&self, order: NewOrder) -> Pending<OrderSnapshot> {
        self.place_waiting(order, GATEWAY_WAIT)
    }

    /// Places an order and waits at most this long for its gateway.
    pub fn place_waiting(&self, order: NewOrder, wait: Duration) -> Pending<OrderSnapshot> {
        let submit = |(target, command)| self.submit(&target, command);
        Pending::new(self.placement(order, wait, None).and_then(submit), as_order)
    }

    /// Places many orders with one hand-over; each is decided by itself and answered in its place.
    pub fn place_many(&self, orders: impl IntoIterator<Item = NewOrder>) -> Vec<Pending<OrderSnapshot>> {
        let placements = orders.into_iter().map(|order| self.placement(order, GATEWAY_WAIT, None)).collect();
        self.submit_many(placements).into_iter().map(|receipt| Pending::new(receipt, as_order)).collect()
    }

    /// Pays an order.
    pub fn pay(&self, order: OrderId, payment: Payment) -> Pending<OrderSnapshot> {
        self.pay_by(order, [payment], GATEWAY_WAIT)
    }

    /// Pays an order with several payments.
    pub fn pay_by(
        &self,
        order: OrderId,
        payments: impl IntoIterator<Item = Payment>,
        wait: Duration,
    ) -> Pending<OrderSnapshot> {
        let payments = payments.into_iter().map(Payment::into_tender).collect();
        let command = Command::Pay { order, payments, key: None, wait };
        Pending::new(self.submit(&Target::Route(order.route()), command), as_order)
    }

    /// Runs a command on an order.
    pub fn order(&self, order: OrderId, command: OrderCommand) -> Pending<OrderSnapshot> {
        let command = Command::Order { order, command: Box::new(command), key: None };
        Pending::new(self.submit(&Target::Route(order.route()), command), as_order)
    }

    /// How an order stands.
    pub fn read_order(&self, order: OrderId) -> Pending<OrderSnapshot> {
        Pending::new(self.submit(&Target::Route(order.route()), Command::ReadOrder { order }), as_order)
    }

    /// Changes the lines of an unpaid order: it has those of `lines` from now on, all or nothing. A line that it has already
    /// (the same SKU and seller, and no other price) keeps its price; what is new has today's. Of `lines`, everything but
    /// its lines, its context and its expected total stays as the order has it.
    pub fn edit(&self, order: OrderId, lines: NewOrder) -> Pending<OrderSnapshot> {
        let command = Self::edit_command(order, lines, None);
        Pending::new(command.and_then(|command| self.submit(&Target::Route(order.route()), command)), as_order)
    }

    pub(crate) fn edit_command(order: OrderId, lines: NewOrder, key: Option<KeyDigest>) -> Result<Command, Refusal> {
        match lines.wrong {
            Some(refusal) => Err(refusal),
            None => Ok(Command::Edit { order, edit: lines.order, key }),
        }
    }

    /// Gives an order more time to be paid.
    pub fn extend(&self, order: OrderId, seconds: u32) -> Pending<OrderSnapshot> {
        self.order(order, OrderCommand::Extend { seconds })
    }

    /// Cancels an order; what was paid goes back.
    pub fn cancel(&self, order: OrderId) -> Pending<OrderSnapshot> {
        self.order(order, OrderCommand::Cancel { lines: None })
    }

    /// Ships all that is paid and not shipped.
    pub fn ship(&self, order: OrderId) -> Pending<OrderSnapshot> {
        self.order(order, OrderCommand::Ship { lines: None, tracking: None })
    }

    /// Takes shipped units back and refunds what they cost.
    pub fn take_back(&self, order: OrderId, lines: Vec<(u32, Quantity, Disposition)>) -> Pending<OrderSnapshot> {
        self.order(order, OrderCommand::Return { lines, refund: RefundChoice::Auto })
    }

    /// Makes an entry in the books by hand.
    pub fn enter(&self, entry: LedgerEvent) -> Pending<u64> {
        Pending::new(self.submit(&Target::Partition(0), Command::Enter { event: Box::new(entry), key: None }), as_count)
    }

    /// One partition's share of the books.
    pub(crate) fn read_ledger(&self, partition: usize) -> Pending<Ledger> {
        Pending::new(self.submit(&Target::Partition(partition), Command::ReadLedger), as_ledger)
    }

    /// The books: every account's balance.
    pub async fn ledger(&self) -> Result<Ledger, Refusal> {
        let mut books = Ledger::default();
        for partition in 0..self.partitions() {
            books.add(&self.read_ledger(partition).await?);
        }
        Ok(books)
    }

    /// Asserts every invariant of every actor in memory; a broken one is reported as `internal_error`.
    pub async fn check(&self) -> Result<u64, Refusal> {
        Ok(self.counts(|| Command::Check).await?.iter().sum())
    }

    /// One number for what there is: the stock, wallets, uses of promotions and coupons and orders that are in memory, and
    /// the books. What was refused leaves it as it was.
    pub async fn state_hash(&self) -> Result<u64, Refusal> {
        Ok(self.counts(|| Command::StateHash).await?.into_iter().fold(0, u64::wrapping_add))
    }

    /// What every partition answers.
    async fn counts(&self, command: impl Fn() -> Command) -> Result<Vec<u64>, Refusal> {
        let mut counts = Vec::with_capacity(self.partitions());
        for partition in 0..self.partitions() {
            counts.push(Pending::new(self.submit(&Target::Partition(partition), command()), as_count).await?);
        }
        Ok(counts)
    }
}
