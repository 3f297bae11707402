//! Double entry: every event that moves money has postings that sum to zero. They are derived, never decided, so
//! the books follow from the journal alone.
//!
//! `deposits` is what customers have given for orders and goods have not yet been recognised for:
//!
//! | event | debit | credit |
//! |---|---|---|
//! | wallet credited | cash | wallets |
//! | payment secured, or a part of it captured | its tender | deposits |
//! | order secured | deposits | revenue (exact), charges, rounding: of what the house sells |
//! | units of a secured order cancelled or returned | revenue (exact), charges, rounding | deposits |
//! | a seller's goods shipped (come back: the other way) | deposits; goodwill for what promotions took off | payable to the seller, commission |
//! | a seller paid out, by hand | payable to the seller | cash |
//! | refund without goods, or for less than the goods | goodwill | deposits |
//! | refund done | deposits | its tender |
//! | refund reversed | its tender | deposits |
//! | charged back by a bank | bad debt | its tender |

mod balances;

use compact_str::CompactString;
use minicbor::{Decode, Encode};
use smallvec::{SmallVec, smallvec};

use crate::account::AccountEvent;
use crate::order::{Order, OrderEvent, Outcome};
use crate::payment::{Method, Payment, PaymentEvent};
use crate::{Amount, Currency, CustomerId, Money, Quantity, Refusal, codec};

pub use balances::Ledger;

/// The accounts of the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum LedgerAccount {
    /// Taken by the caller in whatever way.
    #[n(0)]
    Cash,
    /// With the card gateway.
    #[n(1)]
    Card,
    /// Owed by customers on account.
    #[n(2)]
    Receivable,
    /// Owed to customers' wallets.
    #[n(3)]
    Wallets,
    /// Given for orders, not yet recognised.
    #[n(4)]
    Deposits,
    /// Goods sold, at exact prices.
    #[n(5)]
    Revenue,
    /// Shipping, tax, fees.
    #[n(6)]
    Charges,
    /// What rounding to minor units made of exact prices.
    #[n(7)]
    Rounding,
    /// Given away.
    #[n(8)]
    Goodwill,
    /// Owed and never paid.
    #[n(9)]
    BadDebt,
    /// Owed to sellers for goods that were shipped; `payable:{seller}` for each.
    #[n(10)]
    Payable,
    /// What the house keeps of sellers' sales.
    #[n(11)]
    Commission,
}

/// How many accounts there are.
pub const ACCOUNTS: usize = 12;

impl LedgerAccount {
    /// Every account with its public name.
    pub const ALL: [(Self, &'static str); ACCOUNTS] = [
        (Self::Cash, "cash"),
        (Self::Card, "card"),
        (Self::Receivable, "receivable"),
        (Self::Wallets, "wallets"),
        (Self::Deposits, "deposits"),
        (Self::Revenue, "revenue"),
        (Self::Charges, "charges"),
        (Self::Rounding, "rounding"),
        (Self::Goodwill, "goodwill"),
        (Self::BadDebt, "bad_debt"),
        (Self::Payable, "payable"),
        (Self::Commission, "commission"),
    ];

    /// The public name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Where a payment method's money is.
    pub const fn of_tender(method: Method) -> Self {
        match method {
            Method::Wallet => Self::Wallets,
            Method::Card => Self::Card,
            Method::External => Self::Cash,
            Method::Account => Self::Receivable,
        }
    }
}

/// An entry that somebody makes by hand.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum LedgerEvent {
    /// This much from one account to another.
    #[n(0)]
    Entered {
        /// The account that gains.
        #[n(0)]
        debit: LedgerAccount,
        /// The account that gives.
        #[n(1)]
        credit: LedgerAccount,
        /// How much.
        #[n(2)]
        money: Money,
        /// Why.
        #[cbor(n(3), with = "codec::text")]
        memo: CompactString,
        /// Whose, if one of the accounts is what sellers are owed.
        #[n(4)]
        seller: Option<CustomerId>,
    },
}

/// A debit (positive) or credit (negative).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// Where.
    pub account: LedgerAccount,
    /// How much.
    pub amount: i128,
}

/// The postings of one event; they sum to zero.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Postings {
    /// By account.
    pub accounts: SmallVec<[Posting; 4]>,
    /// Whose the movements of `payable` are: debits less credits; they sum to its postings.
    pub sellers: Vec<(CustomerId, i128)>,
}

impl Postings {
    /// Whether nothing is posted.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }
}

impl From<SmallVec<[Posting; 4]>> for Postings {
    fn from(accounts: SmallVec<[Posting; 4]>) -> Self {
        Self { accounts, sellers: Vec::new() }
    }
}

fn debit(account: LedgerAccount, amount: Amount) -> Posting {
    Posting { account, amount: i128::from(amount.0) }
}

fn credit(account: LedgerAccount, amount: Amount) -> Posting {
    Posting { account, amount: -i128::from(amount.0) }
}

fn accounts<const N: usize>(postings: [Posting; N]) -> Postings {
    SmallVec::from_iter(postings).into()
}

/// Postings of a manual entry.
pub fn of_entry(event: &LedgerEvent) -> (Currency, Postings) {
    let LedgerEvent::Entered { debit: to, credit: from, money, seller, .. } = event;
    let accounts = smallvec![debit(*to, money.amount), credit(*from, money.amount)];
    let sign = if *to == LedgerAccount::Payable { 1 } else { -1 };
    let sellers = seller.iter().map(|seller| (seller.clone(), sign * i128::from(money.amount.0))).collect();
    (money.currency, Postings { accounts, sellers })
}

/// Checks a manual entry.
pub fn decide(event: &LedgerEvent) -> Result<(), Refusal> {
    let LedgerEvent::Entered { debit, credit, money, seller, .. } = event;
    if debit == credit {
        return Err(Refusal::BodyInvalid { field: "credit", why: "an entry moves money between two accounts".into() });
    }
    if seller.is_some() != [debit, credit].contains(&&LedgerAccount::Payable) {
        let why = "an entry of `payable` says whose it is, and no other does".into();
        return Err(Refusal::BodyInvalid { field: "seller", why });
    }
    if money.amount.0 == i64::MIN {
        return Err(Refusal::MoneyInvalid { why: "larger than can be counted".into() });
    }
    Ok(())
}

/// Postings of a wallet's event.
pub fn of_account(event: &AccountEvent) -> Option<(Currency, Postings)> {
    match event {
        AccountEvent::Credited { money, .. } => Some((
            money.currency,
            accounts([debit(LedgerAccount::Cash, money.amount), credit(LedgerAccount::Wallets, money.amount)]),
        )),
        // Spending and refunding are posted by the payment that they belong to.
        _ => None,
    }
}

/// Postings of a payment's event, given the payment before it.
pub fn of_payment(before: &Payment, event: &PaymentEvent) -> Option<(Currency, Postings)> {
    let tender = LedgerAccount::of_tender(before.method);
    let postings: SmallVec<[Posting; 4]> = match event {
        PaymentEvent::Paid { .. } => {
            smallvec![debit(tender, before.money.amount), credit(LedgerAccount::Deposits, before.money.amount)]
        }
        PaymentEvent::Captured { moved, .. } => {
            smallvec![debit(tender, *moved), credit(LedgerAccount::Deposits, *moved)]
        }
        PaymentEvent::RefundReversed { number } => {
            let amount = before.refunds[*number as usize - 1].amount;
            smallvec![debit(tender, amount), credit(LedgerAccount::Deposits, amount)]
        }
        PaymentEvent::ChargedBack { amount } => {
            smallvec![debit(LedgerAccount::BadDebt, *amount), credit(tender, *amount)]
        }
        PaymentEvent::Refunded { number } => {
            let amount = before.refunds[*number as usize - 1].amount;
            smallvec![debit(LedgerAccount::Deposits, amount), credit(tender, amount)]
        }
        _ => return None,
    };
    Some((before.money.currency, postings.into()))
}

/// Postings of an order's event, given the order before (none: it is being placed) and after it.
pub fn of_order(before: Option<&Order>, event: &OrderEvent, after: &Order) -> Postings {
    let was_secured = before.is_some_and(|order| order.secured);
    if !was_secured {
        let mut postings = if after.secured { recognise(after) } else { Postings::default() };
        if let OrderEvent::PaidAtOnce { number } = event {
            let payment = &after.payments[*number as usize];
            let tender = LedgerAccount::of_tender(payment.method);
            postings.accounts.push(debit(tender, payment.amount));
            postings.accounts.push(credit(LedgerAccount::Deposits, payment.amount));
        }
        return postings;
    }
    let before = before.expect("a secured order was there before");
    match event {
        OrderEvent::Cancelled { .. } => {
            let mut postings = give_up(before, |index| after.lines[index].cancelled - before.lines[index].cancelled);
            let charges = Amount(before.charges_total().0 - after.charges_total().0);
            if charges.0 != 0 {
                postings.extend([debit(LedgerAccount::Charges, charges), credit(LedgerAccount::Deposits, charges)]);
            }
            postings.extend(keep(before, after));
            postings.into()
        }
        OrderEvent::Returned { .. } => {
            let mut postings = give_up(before, |index| after.lines[index].returned - before.lines[index].returned);
            postings.extend(keep(before, after));
            postings.into()
        }
        OrderEvent::RefundGranted { .. } => keep(before, after).into(),
        OrderEvent::PayoutDue { seller, amount, commission, promoted, .. } => {
            let paid = Amount(amount.0 + commission.0 - promoted.0);
            let mut accounts = smallvec![
                debit(LedgerAccount::Deposits, paid),
                credit(LedgerAccount::Payable, *amount),
                credit(LedgerAccount::Commission, *commission),
            ];
            if promoted.0 != 0 {
                accounts.push(debit(LedgerAccount::Goodwill, *promoted));
            }
            Postings { accounts, sellers: vec![(seller.clone(), -i128::from(amount.0))] }
        }
        _ => Postings::default(),
    }
}

/// What the house keeps of a paid order beyond what it still costs, or gave away, is no longer the customer's.
fn keep(before: &Order, after: &Order) -> SmallVec<[Posting; 4]> {
    let kept = Amount(after.kept.0 - before.kept.0);
    match kept.0 {
        0 => SmallVec::new(),
        _ => smallvec![debit(LedgerAccount::Deposits, kept), credit(LedgerAccount::Goodwill, kept)],
    }
}

/// Goods of the house and charges of an order that has just been paid. What sellers sell is theirs once it is shipped.
fn recognise(order: &Order) -> Postings {
    let (mut goods, mut due) = (0i128, 0i128);
    for line in order.lines.iter().filter(|line| line.claim.is_none()) {
        let worth = line.due(order.currency);
        goods += line.booked(line.units() - line.given_up(), worth);
        due += i128::from(worth.0);
    }
    let charges = order.charges_total();
    let mut postings: SmallVec<[Posting; 4]> = smallvec![
        Posting { account: LedgerAccount::Deposits, amount: due + i128::from(charges.0) },
        Posting { account: LedgerAccount::Revenue, amount: -goods },
    ];
    if charges.0 != 0 {
        postings.push(credit(LedgerAccount::Charges, charges));
    }
    if due != goods {
        postings.push(Posting { account: LedgerAccount::Rounding, amount: goods - due });
    }
    postings.into()
}

/// Takes the house's units of a paid order back out of the books.
fn give_up(order: &Order, units: impl Fn(usize) -> Quantity) -> SmallVec<[Posting; 4]> {
    assert_eq!(order.outcome, Outcome::Open, "an order that is over gives up nothing more");
    let (mut exact, mut worth) = (0i128, 0i128);
    for (index, line) in order.lines.iter().enumerate().filter(|(_, line)| line.claim.is_none()) {
        let share = line.share(units(index), order.currency);
        exact += line.booked(units(index), share);
        worth += i128::from(share.0);
    }
    let mut postings: SmallVec<[Posting; 4]> = smallvec![
        Posting { account: LedgerAccount::Revenue, amount: exact },
        Posting { account: LedgerAccount::Deposits, amount: -worth },
    ];
    if exact != worth {
        postings.push(Posting { account: LedgerAccount::Rounding, amount: worth - exact });
    }
    postings
}

#[cfg(test)]
mod tests {
    use super::*;
    use LedgerAccount as A;

    pub(super) fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    pub(super) fn name(text: &str) -> CustomerId {
        CustomerId::new(text).unwrap()
    }

    pub(super) fn entry(debit: A, credit: A, text: &str, seller: Option<&str>) -> LedgerEvent {
        LedgerEvent::Entered { debit, credit, money: money(text), memo: "memo".into(), seller: seller.map(name) }
    }

    #[test]
    fn an_entry_moves_money_between_two_accounts_and_says_whose_payable_it_is() {
        for (entry, code) in [
            (entry(A::Cash, A::Deposits, "1.00 EUR", None), None),
            (entry(A::Cash, A::Cash, "1.00 EUR", None), Some("body_invalid")),
            (entry(A::Payable, A::Cash, "1.00 EUR", Some("sam")), None),
            (entry(A::Cash, A::Payable, "1.00 EUR", Some("sam")), None),
            (entry(A::Payable, A::Cash, "1.00 EUR", None), Some("body_invalid")),
            (entry(A::Card, A::Cash, "1.00 EUR", Some("sam")), Some("body_invalid")),
        ] {
            assert_eq!(decide(&entry).err().map(|refusal| refusal.code()), code, "{entry:?}");
        }
        let LedgerEvent::Entered { debit, credit, money, memo, seller } = entry(A::Cash, A::Card, "1.00 EUR", None);
        let money = Money::new(Amount(i64::MIN), money.currency);
        assert_eq!(
            decide(&LedgerEvent::Entered { debit, credit, money, memo, seller }).unwrap_err().code(),
            "money_invalid"
        );
    }
}
