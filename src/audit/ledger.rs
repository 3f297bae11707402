//! The auditor's own books: double entry, from formulas of its own.
//!
//! | what happened | debit | credit |
//! |---|---|---|
//! | a wallet was credited | cash | wallets |
//! | a payment was secured | its tender | deposits |
//! | an order was secured | deposits | revenue of the house's goods at exact prices, charges; the difference is rounding |
//! | the house's units of it were cancelled or came back | revenue at exact prices | deposits; the difference is rounding |
//! | units came back for less (or more) than they cost | deposits (goodwill) | goodwill (deposits) |
//! | money was given back without goods (and set off when goods are cancelled later: the other way) | goodwill | deposits |
//! | a refund went out | deposits | its tender |
//! | a seller's goods went out (came back: the other way) | deposits, goodwill for discounts | payable, commission |
//! | a bank took a payment back | bad debt | its tender |
//! | an entry by hand | as it says | as it says |

use std::collections::BTreeMap;

use stockade_domain::ledger::{ACCOUNTS, Ledger, LedgerAccount, LedgerEvent};
use stockade_domain::payment::Method;
use stockade_domain::{Amount, Currency, CustomerId};

use super::report::{Faults, Rule, Scene};

use LedgerAccount as A;

/// Amounts by currency.
pub(super) type Sums = BTreeMap<Currency, i128>;

/// Balances by currency: debits less credits, in ten-thousandths.
#[derive(Default)]
pub(super) struct Books {
    rows: BTreeMap<Currency, [i128; ACCOUNTS]>,
    /// What entries by hand moved, which no wallet and no order knows of.
    by_hand: BTreeMap<Currency, [i128; ACCOUNTS]>,
    /// The balances as of a checkpoint, while one is to be compared.
    at_cut: BTreeMap<Currency, [i128; ACCOUNTS]>,
    /// What sellers are owed, with the sign of the balances.
    sellers: BTreeMap<(CustomerId, Currency), i128>,
    sellers_at_cut: BTreeMap<(CustomerId, Currency), i128>,
    /// Whether the record at hand belongs to that checkpoint.
    pub(super) before_cut: bool,
}

impl Books {
    fn post(&mut self, currency: Currency, postings: &[(A, i128)]) {
        let books = [Some(&mut self.rows), self.before_cut.then_some(&mut self.at_cut)];
        for books in books.into_iter().flatten() {
            let row = books.entry(currency).or_default();
            for (account, amount) in postings {
                let balance = &mut row[*account as usize];
                *balance = balance.saturating_add(*amount);
            }
        }
    }

    pub(super) fn credit_wallet(&mut self, currency: Currency, amount: i128) {
        self.post(currency, &[(A::Cash, amount), (A::Wallets, -amount)]);
    }

    pub(super) fn secure(&mut self, currency: Currency, method: Method, amount: i128) {
        self.post(currency, &[(tender(method), amount), (A::Deposits, -amount)]);
    }

    pub(super) fn refund(&mut self, currency: Currency, method: Method, amount: i128) {
        self.post(currency, &[(A::Deposits, amount), (tender(method), -amount)]);
    }

    pub(super) fn charge_back(&mut self, currency: Currency, method: Method, amount: i128) {
        self.post(currency, &[(A::BadDebt, amount), (tender(method), -amount)]);
    }

    pub(super) fn recognise(&mut self, currency: Currency, exact: i128, due: i128, charges: i128) {
        let postings =
            [(A::Deposits, due + charges), (A::Revenue, -exact), (A::Charges, -charges), (A::Rounding, exact - due)];
        self.post(currency, &postings);
    }

    pub(super) fn give_up(&mut self, currency: Currency, exact: i128, worth: i128) {
        self.post(currency, &[(A::Revenue, exact), (A::Deposits, -worth), (A::Rounding, worth - exact)]);
    }

    pub(super) fn give_up_charges(&mut self, currency: Currency, charges: i128) {
        self.post(currency, &[(A::Charges, charges), (A::Deposits, -charges)]);
    }

    /// What is kept of what units were worth; below zero: given away.
    pub(super) fn keep(&mut self, currency: Currency, kept: i128) {
        self.post(currency, &[(A::Deposits, kept), (A::Goodwill, -kept)]);
    }

    /// A seller is owed `amount` more, the house keeps `commission` and has given away `promoted`.
    pub(super) fn owe_seller(&mut self, currency: Currency, seller: &CustomerId, sums: [i128; 3]) {
        let [amount, commission, promoted] = sums;
        let paid = amount + commission - promoted;
        let postings =
            [(A::Deposits, paid), (A::Goodwill, promoted), (A::Payable, -amount), (A::Commission, -commission)];
        self.post(currency, &postings);
        self.post_seller(currency, seller, -amount);
    }

    fn post_seller(&mut self, currency: Currency, seller: &CustomerId, amount: i128) {
        let books = [Some(&mut self.sellers), self.before_cut.then_some(&mut self.sellers_at_cut)];
        for books in books.into_iter().flatten() {
            let balance = books.entry((seller.clone(), currency)).or_default();
            *balance = balance.saturating_add(amount);
        }
    }

    pub(super) fn enter(&mut self, event: &LedgerEvent, scene: &mut Scene<'_>) {
        let LedgerEvent::Entered { debit, credit, money, seller, .. } = event;
        scene.expect(debit != credit, Rule::EntryInvalid, || format!("from {} to itself", debit.name()));
        let amount = i128::from(money.amount.0);
        let of_seller = *debit == A::Payable || *credit == A::Payable;
        scene.expect(of_seller == seller.is_some(), Rule::EntryInvalid, || "payable to nobody, or nobody's".into());
        if let Some(seller) = seller {
            self.post_seller(money.currency, seller, if *debit == A::Payable { amount } else { -amount });
        }
        self.post(money.currency, &[(*debit, amount), (*credit, -amount)]);
        let by_hand = self.by_hand.entry(money.currency).or_default();
        by_hand[*debit as usize] += amount;
        by_hand[*credit as usize] -= amount;
    }

    /// The books sum to zero, owe to wallets what wallets hold, and owe as deposits what orders paid and did not yet
    /// get goods for. Both are given by currency, with what the end of the journal cut short of them.
    pub(super) fn check(&self, wallets: &Sums, deposits: &Sums, last_seq: u64, faults: &mut Faults) {
        for (currency, row) in &self.rows {
            let sum: i128 = row.iter().sum();
            if sum != 0 {
                faults.add(last_seq, "ledger", Rule::BooksUnbalanced, format!("{currency} sums to {sum}"));
            }
        }
        let mut payable = Sums::new();
        for ((_, currency), amount) in &self.sellers {
            *payable.entry(*currency).or_default() += amount;
        }
        for (currency, row) in &self.rows {
            let (known, wanted) = (row[A::Payable as usize], payable.get(currency).copied().unwrap_or(0));
            if known != wanted {
                let detail = format!("payable in {currency} is {known}, of all sellers {wanted}");
                faults.add(last_seq, "ledger", Rule::BooksUnbalanced, detail);
            }
        }
        for (rule, account, sums) in
            [(Rule::BooksWallets, A::Wallets, wallets), (Rule::BooksUnbalanced, A::Deposits, deposits)]
        {
            let currencies: std::collections::BTreeSet<_> = self.rows.keys().chain(sums.keys()).collect();
            for currency in currencies {
                let by_hand = self.by_hand.get(currency).map_or(0, |row| row[account as usize]);
                let owed = by_hand - self.balance(*currency, account);
                let there = sums.get(currency).copied().unwrap_or(0);
                if owed != there {
                    let name = account.name();
                    let detail = format!("the books owe {owed} {currency} as {name}, where {there} is there");
                    faults.add(last_seq, "ledger", rule, detail);
                }
            }
        }
    }

    pub(super) fn balance(&self, currency: Currency, account: A) -> i128 {
        self.rows.get(&currency).map_or(0, |row| row[account as usize])
    }

    /// How the books of a checkpoint differ, if they do: the shares of all partitions add up.
    pub(super) fn differs_at_cut(&self, shares: &[Ledger]) -> Option<String> {
        let mut sums: BTreeMap<Currency, [i128; ACCOUNTS]> = BTreeMap::new();
        for (currency, share) in shares.iter().flat_map(|share| share.rows()) {
            sums.entry(*currency).or_default().iter_mut().zip(share).for_each(|(sum, amount)| *sum += amount);
        }
        let moved = |rows: &BTreeMap<Currency, [i128; ACCOUNTS]>| {
            rows.iter()
                .filter(|(_, row)| row.iter().any(|amount| *amount != 0))
                .map(|(c, row)| (*c, *row))
                .collect::<Vec<_>>()
        };
        let (known, wanted) = (moved(&sums), moved(&self.at_cut));
        if known != wanted {
            return Some(format!("the checkpoint's books are {known:?}, not {wanted:?}"));
        }
        let mut sellers = BTreeMap::new();
        for (seller, currency, owed) in shares.iter().flat_map(Ledger::payables) {
            *sellers.entry((seller.clone(), currency)).or_default() -= owed;
        }
        let differing = self.sellers_at_cut.iter().find(|(whose, sum)| sellers.get(*whose).unwrap_or(&0) != *sum);
        differing.map(|((seller, currency), sum)| {
            format!("the checkpoint owes {seller} another sum than {} {currency}", -sum)
        })
    }

    /// The balances as the report shows them.
    pub(super) fn report(&self) -> BTreeMap<String, BTreeMap<&'static str, String>> {
        let accounts = |row: &[i128; ACCOUNTS]| {
            A::ALL.iter().map(|(account, name)| (*name, text(row[*account as usize]))).collect()
        };
        self.rows.iter().map(|(currency, row)| (currency.to_string(), accounts(row))).collect()
    }
}

fn text(amount: i128) -> String {
    i64::try_from(amount).map_or_else(|_| format!("{amount}e-4"), |amount| Amount(amount).to_string())
}

const fn tender(method: Method) -> A {
    match method {
        Method::Wallet => A::Wallets,
        Method::Card => A::Card,
        Method::External => A::Cash,
        Method::Account => A::Receivable,
    }
}

/// Rounded to whole minor units, half away from zero.
pub(super) fn rounded(amount: i128, currency: Currency) -> i128 {
    let unit = i128::from(currency.minor_unit());
    let half = if amount < 0 { -unit / 2 } else { unit / 2 };
    (amount + half) / unit * unit
}

/// What units `from + 1 ..= from + k` out of `n` cost when all cost `net`: in whole minor units, the k-th costs
/// `floor(k net / n) - floor((k - 1) net / n)`.
pub(super) fn share(net: i128, n: i64, from: i64, k: i64, currency: Currency) -> i128 {
    let (unit, n) = (i128::from(currency.minor_unit()), i128::from(n));
    if n <= 0 {
        return 0;
    }
    let up_to = |units: i64| (net / unit * i128::from(units)).div_euclid(n);
    (up_to(from.saturating_add(k)) - up_to(from)) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur() -> Currency {
        "EUR".parse().unwrap()
    }

    #[test]
    fn shares_of_a_line_sum_to_its_net_in_any_cut() {
        let net = 100_000;
        for cut in 0..=3 {
            assert_eq!(share(net, 3, 0, cut, eur()) + share(net, 3, cut, 3 - cut, eur()), net);
        }
        let each: Vec<i128> = (0..3).map(|from| share(net, 3, from, 1, eur())).collect();
        assert_eq!(each, [33_300, 33_300, 33_400]);
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        let table = [(12_349, 12_300), (12_350, 12_400), (-12_350, -12_400), (0, 0)];
        assert!(table.iter().all(|(amount, wanted)| rounded(*amount, eur()) == *wanted));
    }

    #[test]
    fn a_sale_with_rounding_is_booked_exactly_and_given_up_whole() {
        let mut books = Books::default();
        books.recognise(eur(), 10_050, 10_100, 500);
        assert_eq!(books.balance(eur(), A::Rounding), -50);
        books.give_up(eur(), 10_050, 10_100);
        books.give_up_charges(eur(), 500);
        assert!(books.rows.values().all(|row| row.iter().all(|balance| *balance == 0)));
    }

    #[test]
    fn wallets_that_hold_more_than_the_books_owe_are_reported() {
        let (mut books, mut faults) = (Books::default(), Faults::default());
        books.credit_wallet(eur(), 100);
        books.check(&Sums::from([(eur(), 100)]), &Sums::new(), 1, &mut faults);
        assert_eq!(faults.found, 0);
        books.check(&Sums::from([(eur(), 101)]), &Sums::new(), 1, &mut faults);
        assert_eq!(faults.listed[0].rule, Rule::BooksWallets);
    }
}
