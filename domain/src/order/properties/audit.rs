//! What must hold in the shop after every step, recomputed from the actors' states by plain sums.

use std::collections::{BTreeMap, BTreeSet};

use super::shop::Shop;
use super::{stall, worth};
use crate::account::Account;
use crate::entity::{EntityKey, Event};
use crate::ledger::{self, Ledger, LedgerAccount};
use crate::order::{Order, OrderEvent, Outcome};
use crate::payment::{Method, Payment, PaymentEvent, PaymentState, Stage};
use crate::promotion::uses::UsesState;
use crate::stock::Stock;
use crate::{OrderId, Quantity, SkuId};

impl Shop {
    /// Everything that is true between any two steps.
    pub(super) fn check(&self) {
        self.orders.values().for_each(Order::check);
        self.stocks.values().for_each(Stock::check);
        self.accounts.values().for_each(Account::check);
        self.ledger.check();
        self.check_commitments();
        self.check_payments();
        self.check_books();
        self.check_uses();
        self.stall.check(&self.orders);
    }

    /// What the SKUs have committed is what the orders think they have.
    fn check_commitments(&self) {
        type Units = (Quantity, Quantity, Quantity);
        let mut wanted: BTreeMap<(&SkuId, OrderId), Units> = BTreeMap::new();
        for order in self.orders.values() {
            let of_house = order.lines.iter().filter(|line| line.claim.is_none());
            for line in of_house.filter(|line| line.unshipped() + line.backordered > 0) {
                assert_eq!(order.outcome, Outcome::Open, "an order that is over has nothing");
                for (((sku, kept), (_, waits)), (_, shipped)) in
                    line.kept().zip(line.awaited()).zip(line.in_stock(line.shipped))
                {
                    let row = wanted.entry((sku, order.id)).or_default();
                    row.2 += waits;
                    *(if order.secured { &mut row.1 } else { &mut row.0 }) += kept - shipped;
                }
            }
        }
        let mut found: BTreeMap<(&SkuId, OrderId), Units> = BTreeMap::new();
        for stock in self.stocks.values() {
            for (order, commitment) in &stock.commitments {
                (found.entry((&stock.sku, *order)).or_default().0, found.get_mut(&(&stock.sku, *order)).unwrap().1) =
                    commitment.units();
            }
            for backorder in &stock.backorders {
                found.entry((&stock.sku, backorder.order)).or_default().2 += backorder.quantity;
            }
        }
        wanted.retain(|_, row| *row != (0, 0, 0));
        assert_eq!(found, wanted, "(held, allocated, waiting) by SKU and order");
    }

    /// An order's view of a payment is the payment's own.
    fn check_payments(&self) {
        let mut count = 0;
        for order in self.orders.values() {
            let open_charge = order.payments.iter().any(|seen| seen.is_pending() && seen.method == Method::Card);
            assert!(order.outcome == Outcome::Open || !open_charge, "void first, release after");
            for seen in &order.payments {
                let payment = &self.payments[&seen.id];
                count += 1;
                assert_eq!(seen.stage(), payment.stage(), "{payment:?}");
                assert_eq!(seen.next_action.as_deref(), payment.next_action().as_ref());
                assert_eq!(seen.amount, payment.money.amount);
                // The order waits until all of it is taken; what came too late it counts as failed.
                let in_part = seen.is_pending() && payment.stage() == Stage::PartiallyCaptured;
                let late = seen.state == PaymentState::Failed && payment.goes_back_by_itself();
                assert!(in_part || late || seen.state == payment.state, "{seen:?} {payment:?}");
                if !late {
                    assert_eq!(seen.refunded, payment.refunding());
                    assert_eq!(seen.refunding.0, payment.refunding().0 - payment.refunded().0);
                }
                let held = payment.payer.as_ref().and_then(|payer| self.accounts.get(payer));
                let held = held.and_then(|account| account.holds.get(&payment.id));
                let pending_wallet = payment.method == Method::Wallet && payment.state == PaymentState::Pending;
                assert_eq!(
                    held.copied(),
                    pending_wallet.then_some(payment.money.amount),
                    "a hold ends with its payment"
                );
            }
        }
        assert_eq!(count, self.payments.len(), "every payment belongs to an order");
        let holds: usize = self.accounts.values().map(|account| account.holds.len()).sum();
        let pending = |payment: &&Payment| payment.method == Method::Wallet && payment.state == PaymentState::Pending;
        assert_eq!(holds, self.payments.values().filter(pending).count());
    }

    fn balance(&self, account: LedgerAccount) -> i128 {
        self.ledger.balance(self.currency, account)
    }

    /// Every account of the books is what the actors say it is.
    fn check_books(&self) {
        let tender = |method: Method| -> i128 {
            let rows = self.payments.values().filter(|payment| payment.method == method);
            rows.map(|payment| i128::from(brought(payment) - payment.refunded().0)).sum()
        };
        let wallets: i128 = self.accounts.values().map(|account| i128::from(account.balance.0)).sum();
        assert_eq!(-self.balance(LedgerAccount::Wallets), wallets);
        assert_eq!(self.balance(LedgerAccount::Card), tender(Method::Card));
        assert_eq!(self.balance(LedgerAccount::Receivable), tender(Method::Account));
        let credited: i128 = wallets + tender(Method::Wallet);
        assert_eq!(self.balance(LedgerAccount::Cash), tender(Method::External) + credited);
        let (mut revenue, mut due, mut charges, mut kept, mut deposits) = (0, 0, 0, 0, 0);
        let (mut payable, mut commissions, mut promoted) = (BTreeMap::new(), 0, 0);
        for order in self.orders.values() {
            let payments = order.payments.iter().map(|seen| &self.payments[&seen.id]);
            deposits += payments.map(|payment| i128::from(brought(payment) - payment.refunded().0)).sum::<i128>();
            if order.secured {
                for line in order.lines.iter().filter(|line| line.claim.is_none()) {
                    let units = i128::from(line.units()) - i128::from(line.cancelled) - i128::from(line.returned);
                    let worth = i128::from(worth::kept(line, order.currency));
                    // Where promotions took something off, the books have what the units are worth.
                    revenue += if line.discount.0 == 0 { i128::from(line.unit_price.0) * units } else { worth };
                    due += worth;
                }
                for (line, claim) in order.lines.iter().filter_map(|line| Some((line, line.claim.as_ref()?))) {
                    let (gross, commission, off) = worth::earned(line, stall::COMMISSION_BPS, order.currency);
                    *payable.entry(claim.seller.clone()).or_insert(0i128) += i128::from(gross - commission);
                    commissions += i128::from(commission);
                    promoted += i128::from(off);
                    deposits -= i128::from(gross - off);
                }
                if order.outcome == Outcome::Open {
                    charges += i128::from(worth::charges(order));
                }
                kept += i128::from(order.kept.0);
            } else {
                assert_eq!(order.kept.0, 0, "only a paid order keeps or gives");
            }
            assert!(order.owed_back().0 >= 0, "the house owes nothing below zero: {order:?}");
        }
        assert_eq!(-self.balance(LedgerAccount::Revenue), revenue, "revenue is exact");
        assert_eq!(-self.balance(LedgerAccount::Rounding), due - revenue);
        assert_eq!(-self.balance(LedgerAccount::Charges), charges);
        assert_eq!(-self.balance(LedgerAccount::Goodwill), kept - promoted);
        assert_eq!(-self.balance(LedgerAccount::Payable), payable.values().sum::<i128>());
        for (seller, owed) in payable {
            assert_eq!(self.ledger.payable_to(&seller).map(|(_, amount)| amount).sum::<i128>(), owed, "{seller}");
        }
        assert_eq!(-self.balance(LedgerAccount::Commission), commissions);
        let all: i128 = LedgerAccount::ALL.iter().map(|(account, _)| self.balance(*account)).sum();
        assert_eq!(all, 0, "double entry sums to zero");
        assert_eq!(-self.balance(LedgerAccount::Deposits), deposits - due - charges - kept, "given and not yet earned");
        assert_eq!(self.balance(LedgerAccount::BadDebt), 0);
    }

    /// When nothing is under way any more: whoever kept goods has paid for them and for nothing else, the gateway
    /// took what the books say, and no deposit is left but what a failed refund owes.
    pub(super) fn check_at_rest(&self) {
        let mut owed = 0;
        for order in self.orders.values() {
            assert!(!order.is_pinned() && order.payments.iter().all(|payment| payment.refunding.0 == 0));
            let payments = || order.payments.iter().map(|seen| &self.payments[&seen.id]);
            let captured: i64 = payments().map(|payment| brought(payment) - payment.refunded().0).sum();
            assert_eq!(order.total().0, worth::total(order), "{order:?}");
            if order.awaits_payment() {
                owed += captured;
                continue;
            }
            let total = worth::total(order) + order.kept.0 + order.owed_back().0;
            assert_eq!(captured, total, "paid for what was kept, to the last unit");
            let failed = payments().any(|payment| payment.refunds.iter().any(|refund| refund.done == Some(false)));
            assert!(failed || order.owed_back().0 == 0, "all that was owed went back");
            owed += order.owed_back().0;
            // What sellers earn they earn when it is sent.
            for line in order.lines.iter().filter(|line| line.claim.is_some()) {
                let (gross, _, off) = worth::earned(line, stall::COMMISSION_BPS, order.currency);
                owed += worth::kept(line, order.currency) - (gross - off);
            }
        }
        assert_eq!(-self.balance(LedgerAccount::Deposits), i128::from(owed));
        for payment in self.payments.values().filter(|payment| payment.method == Method::Card) {
            let booked = brought(payment) - payment.refunded().0;
            assert_eq!(
                self.gateway.taken(payment.id).0,
                booked,
                "the gateway's money is the books' money: {payment:?}"
            );
        }
    }

    fn check_each_payment_ends_once(&self) {
        let mut ended = BTreeSet::new();
        for (key, event, _) in &self.journal {
            if let Event::Order(
                OrderEvent::PaymentSecured { number }
                | OrderEvent::PaidAtOnce { number }
                | OrderEvent::PaymentFailed { number, .. },
            ) = event
            {
                assert!(ended.insert((key.clone(), *number)), "payment {number} of {key} ended twice");
            }
        }
    }

    /// Everything rebuilt from the journal, and everything read back from snapshots, is what is live.
    pub(super) fn check_rebuilt(&self) {
        let mut stocks: BTreeMap<_, Stock> = BTreeMap::new();
        let mut orders: BTreeMap<_, Order> = BTreeMap::new();
        let mut payments: BTreeMap<_, Payment> = BTreeMap::new();
        let mut accounts: BTreeMap<_, Account> = BTreeMap::new();
        let mut uses: BTreeMap<_, UsesState> = BTreeMap::new();
        let mut books = Ledger::default();
        for (key, event, at) in &self.journal {
            let event = &reread(key, event);
            match (key, event) {
                (EntityKey::Sku(sku), Event::Stock(event)) => {
                    stocks.entry(sku.clone()).or_insert_with(|| Stock::new(sku.clone())).apply(event);
                }
                (EntityKey::Order(id), Event::Order(event)) => {
                    let before = orders.get(id).cloned();
                    if let OrderEvent::Placed { .. } = event {
                        orders.insert(*id, Order::create(*id, event, *at));
                    } else {
                        orders.get_mut(id).unwrap().apply(event);
                    }
                    books.post(self.currency, &ledger::of_order(before.as_ref(), event, &orders[id]));
                    if let OrderEvent::PaidAtOnce { number } = event {
                        let seen = &orders[id].payments[*number as usize];
                        let implied = PaymentEvent::opened(&orders[id], seen);
                        payments.insert(seen.id, Payment::create(seen.id, &implied, *at));
                    }
                }
                (EntityKey::Payment(id), Event::Payment(event)) => {
                    match payments.get_mut(id).filter(|_| !event.begins()) {
                        Some(payment) => {
                            let rows = ledger::of_payment(payment, event);
                            payment.apply(event, *at);
                            rows.into_iter().for_each(|(currency, postings)| books.post(currency, &postings));
                        }
                        None => drop(payments.insert(*id, Payment::create(*id, event, *at))),
                    }
                }
                (EntityKey::Account(id), Event::Account(event)) => {
                    accounts.entry(id.clone()).or_insert_with(|| Account::new(id.clone())).apply(event);
                    let rows = ledger::of_account(event);
                    rows.into_iter().for_each(|(currency, postings)| books.post(currency, &postings));
                }
                (EntityKey::Uses(subject), Event::Uses(event)) => {
                    uses.entry(subject.clone()).or_insert_with(|| UsesState::new(subject.clone())).apply(event);
                }
                _ => unreachable!("{key} has no {event:?}"),
            }
        }
        self.check_each_payment_ends_once();
        assert_eq!(stocks, restored(&self.stocks));
        assert_eq!(orders, restored(&self.orders));
        assert_eq!(uses, restored(&self.uses));
        assert_eq!(payments, restored(&self.payments));
        assert_eq!(accounts.into_iter().collect::<Vec<_>>(), touched(restored(&self.accounts)));
        assert_eq!(books.rows(), self.ledger.rows());
        let bytes = minicbor::to_vec(&self.ledger).unwrap();
        assert_eq!(minicbor::decode::<Ledger>(&bytes).unwrap(), self.ledger);
        let mut whole = minicbor::Decoder::new(&bytes);
        whole.skip().unwrap();
        assert_eq!(whole.position(), bytes.len(), "the books are one well-formed item");
    }
}

/// Wallets that something ever happened to.
fn touched<K>(accounts: BTreeMap<K, Account>) -> Vec<(K, Account)> {
    accounts.into_iter().filter(|(_, account)| account.currency.is_some()).collect()
}

/// What a payment brought, refunds not counted.
fn brought(payment: &Payment) -> i64 {
    payment.captured().0
}

/// The event as the journal gives it back.
fn reread(key: &EntityKey, event: &Event) -> Event {
    let bytes = match event {
        Event::Stock(event) => minicbor::to_vec(event),
        Event::Order(event) => minicbor::to_vec(event),
        Event::Payment(event) => minicbor::to_vec(event),
        Event::Account(event) => minicbor::to_vec(event),
        Event::Ledger(event) => minicbor::to_vec(event),
        Event::Uses(event) => minicbor::to_vec(event),
    };
    let read = Event::decode_all(key.kind(), &bytes.unwrap()).unwrap();
    assert_eq!(read, std::slice::from_ref(event));
    read.into_iter().next().unwrap()
}

/// Every state as its snapshot gives it back, with equal bytes.
fn restored<K: Ord + Clone, T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>>(
    live: &BTreeMap<K, T>,
) -> BTreeMap<K, T> {
    let mut restored = BTreeMap::new();
    for (key, state) in live {
        let bytes = minicbor::to_vec(state).unwrap();
        let read: T = minicbor::decode(&bytes).unwrap();
        assert_eq!(minicbor::to_vec(&read).unwrap(), bytes);
        restored.insert(key.clone(), read);
    }
    restored
}
