//! The auditor's own fold of wallets, and what each did for each payment.

use rustc_hash::FxHashMap;
use stockade_domain::account::{AccountEvent, Backing};
use stockade_domain::{Currency, CustomerId, Money, PaymentId, Timestamp};

use super::ledger::Books;
use super::report::{Rule, Scene};

/// What a wallet did for one payment.
#[derive(Debug, Clone)]
pub(super) struct ForPayment {
    pub(super) owner: CustomerId,
    pub(super) held: i64,
    pub(super) spent: i64,
    pub(super) refunded: i64,
    last_refund: u32,
    /// When the money was last held.
    pub(super) since: Timestamp,
    pub(super) last_seq: u64,
}

/// What wallets did, by payment.
pub(super) type ForPayments = FxHashMap<PaymentId, ForPayment>;

/// A wallet as its records make it.
#[derive(Default)]
pub(super) struct Wallet {
    pub(super) last_time: Timestamp,
    pub(super) last_seq: u64,
    pub(super) currency: Option<Currency>,
    pub(super) balance: i64,
    pub(super) held: i64,
    /// What is set aside for bids.
    pub(super) bids: FxHashMap<PaymentId, ForBid>,
}

/// What a wallet sets aside for one bid.
pub(super) struct ForBid {
    pub(super) backing: Backing,
    pub(super) amount: i64,
    pub(super) last_seq: u64,
}

impl Wallet {
    fn set_aside(&mut self, payment: PaymentId, amount: i64, backing: &Backing, scene: &mut Scene<'_>) {
        scene.expect(amount >= 0, Rule::WalletMoney, || format!("{amount} was set aside"));
        let is_its_name = payment == PaymentId::of_bid(&backing.sku, backing.bid);
        scene.expect(is_its_name, Rule::BidMoney, || format!("bid {} does not go by {payment}", backing.bid));
        let before = self.bids.remove(&payment).map_or(0, |bid| bid.amount);
        self.held = self.held.saturating_add(amount - before);
        if amount > 0 {
            let backing = backing.clone();
            self.bids.insert(payment, ForBid { backing, amount, last_seq: scene.seq });
        }
    }

    /// Takes an event in.
    pub(super) fn take(
        &mut self,
        owner: &CustomerId,
        event: &AccountEvent,
        payments: &mut ForPayments,
        books: &mut Books,
        scene: &mut Scene<'_>,
    ) {
        use AccountEvent as E;
        let payment = match event {
            E::Credited { money, .. } => {
                self.add(*money, scene);
                books.credit_wallet(money.currency, i128::from(money.amount.0));
                return self.check(scene);
            }
            E::Held { payment, .. }
            | E::Settled { payment }
            | E::Released { payment }
            | E::Spent { payment, .. }
            | E::Refunded { payment, .. } => *payment,
            E::SetAside { payment, amount, backing } => {
                self.set_aside(*payment, amount.0, backing, scene);
                return self.check(scene);
            }
        };
        let (since, last_seq) = (scene.now, scene.seq);
        let entry = payments.entry(payment).or_insert_with(|| ForPayment {
            owner: owner.clone(),
            held: 0,
            spent: 0,
            refunded: 0,
            last_refund: 0,
            since,
            last_seq,
        });
        entry.last_seq = last_seq;
        scene.expect(entry.owner == *owner, Rule::WalletOnce, || format!("{} has money of {payment} too", entry.owner));
        match event {
            E::Credited { .. } | E::SetAside { .. } => {}
            E::Held { amount, .. } => {
                scene.expect(entry.held == 0 && entry.spent == 0, Rule::WalletOnce, || {
                    format!("{payment} has money already")
                });
                scene.expect(amount.0 > 0, Rule::WalletMoney, || format!("{amount} was held"));
                (entry.held, entry.since) = (amount.0, since);
                self.held = self.held.saturating_add(amount.0);
            }
            E::Settled { .. } | E::Released { .. } => {
                scene.expect(entry.held > 0, Rule::WalletOnce, || format!("nothing is held for {payment}"));
                let held = std::mem::take(&mut entry.held);
                self.held -= held;
                if matches!(event, E::Settled { .. }) {
                    entry.spent = entry.spent.saturating_add(held);
                    self.balance -= held;
                }
            }
            E::Spent { amount, .. } => {
                scene.expect(entry.held == 0 && entry.spent == 0, Rule::WalletOnce, || {
                    format!("{payment} has money already")
                });
                scene.expect(amount.0 > 0, Rule::WalletMoney, || format!("{amount} was spent"));
                entry.spent = entry.spent.saturating_add(amount.0);
                self.balance = self.balance.saturating_sub(amount.0);
            }
            E::Refunded { refund, money, .. } => {
                let before = std::mem::replace(&mut entry.last_refund, *refund);
                entry.refunded = entry.refunded.saturating_add(money.amount.0);
                let within = *refund > before && entry.refunded <= entry.spent;
                scene.expect(within, Rule::WalletOnce, || {
                    format!(
                        "refund {refund} of {payment} came after {before}; {} of {} went back",
                        entry.refunded, entry.spent
                    )
                });
                self.add(*money, scene);
            }
        }
        if entry.held == 0 && entry.spent == 0 {
            payments.remove(&payment);
        }
        self.check(scene);
    }

    /// How it differs from a snapshot, if it does.
    pub(super) fn differs(&self, state: &stockade_domain::account::Account) -> Option<String> {
        let held: i64 = state.holds.values().map(|amount| amount.0).sum();
        let (known, wanted) = ((state.balance.0, held), (self.balance, self.held));
        (known != wanted).then(|| format!("balance and held are {known:?}, not {wanted:?}"))
    }

    fn add(&mut self, money: Money, scene: &mut Scene<'_>) {
        let whole = money.amount.0 > 0 && money.amount.is_rounded(money.currency);
        scene.expect(whole, Rule::WalletMoney, || format!("{money} came in"));
        let wanted = *self.currency.get_or_insert(money.currency);
        scene.expect(wanted == money.currency, Rule::WalletMoney, || format!("{money} came into a wallet in {wanted}"));
        self.balance = self.balance.saturating_add(money.amount.0);
    }

    fn check(&self, scene: &mut Scene<'_>) {
        let (balance, held) = (self.balance, self.held);
        let whole = balance >= 0 && held >= 0 && held <= balance;
        scene.expect(whole, Rule::WalletNegative, || format!("the balance is {balance}, of which {held} are held"));
    }
}
