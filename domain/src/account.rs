//! A customer's wallet: money held for an order, then spent or given back, exactly once; never below zero.

use compact_str::CompactString;
use minicbor::{Decode, Encode};
use rustc_hash::FxHashMap;

use crate::mistake::{Mistake, made};
use crate::{Amount, BookOrderId, Currency, CustomerId, Money, PaymentId, Refusal, SkuId, codec};

/// The bid that money is set aside for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Backing {
    /// In whose book it stands.
    #[n(0)]
    pub sku: SkuId,
    /// The bid.
    #[n(1)]
    pub bid: BookOrderId,
}

/// What happened to a wallet.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "the fields are the values that the variant's sentence names")]
pub enum AccountEvent {
    /// Money came in from outside.
    #[n(0)]
    Credited {
        #[n(0)]
        money: Money,
        #[cbor(n(1), with = "codec::optional_text")]
        reference: Option<CompactString>,
    },
    /// Money was set aside for a payment.
    #[n(1)]
    Held {
        #[n(0)]
        payment: PaymentId,
        #[n(1)]
        amount: Amount,
    },
    /// What was set aside was spent.
    #[n(2)]
    Settled {
        #[n(0)]
        payment: PaymentId,
    },
    /// What was set aside is free again.
    #[n(3)]
    Released {
        #[n(0)]
        payment: PaymentId,
    },
    /// Held and spent in one step.
    #[n(4)]
    Spent {
        #[n(0)]
        payment: PaymentId,
        #[n(1)]
        amount: Amount,
    },
    /// A payment gave money back; its number guards against doing it twice.
    #[n(5)]
    Refunded {
        #[n(0)]
        payment: PaymentId,
        #[n(1)]
        refund: u32,
        #[n(2)]
        money: Money,
    },
    /// So much is set aside for a bid now; zero: nothing any more.
    #[n(6)]
    SetAside {
        #[n(0)]
        payment: PaymentId,
        #[n(1)]
        amount: Amount,
        #[n(2)]
        backing: Backing,
    },
}

impl AccountEvent {
    /// The public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Credited { .. } => "credited",
            Self::Held { .. } => "held",
            Self::Settled { .. } => "settled",
            Self::Released { .. } => "released",
            Self::Spent { .. } => "spent",
            Self::Refunded { .. } => "refunded",
            Self::SetAside { .. } => "set_aside",
        }
    }
}

/// What a wallet can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the events")]
pub enum AccountCommand {
    Credit {
        money: Money,
        reference: Option<CompactString>,
    },
    Hold {
        payment: PaymentId,
        money: Money,
        spend: bool,
    },
    Settle {
        payment: PaymentId,
    },
    Release {
        payment: PaymentId,
    },
    /// Sets so much aside for a bid, under a name of its own: what it may still cost.
    SetAside {
        payment: PaymentId,
        money: Money,
        backing: Box<Backing>,
    },
    Refund {
        payment: PaymentId,
        refund: u32,
        money: Money,
    },
}

/// A wallet; it has the currency of its first credit.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// Whose.
    #[n(0)]
    pub customer: CustomerId,
    /// In what; none before the first credit.
    #[n(1)]
    pub currency: Option<Currency>,
    /// All that is there, what is held included.
    #[n(2)]
    pub balance: Amount,
    /// Set aside, by payment.
    #[cbor(n(3), with = "codec::map")]
    pub holds: FxHashMap<PaymentId, Amount>,
    /// The highest refund number taken in, by payment; it guards against a repeated message.
    #[cbor(n(4), with = "codec::map")]
    pub refunds: FxHashMap<PaymentId, u32>,
    /// All that ever came in from outside: what was spent may come back, and then it must still be countable.
    #[n(5)]
    pub credited: Amount,
    /// Which of the holds back bids, and which.
    #[cbor(n(6), with = "codec::map")]
    pub bids: FxHashMap<PaymentId, Backing>,
}

impl Account {
    /// An empty wallet.
    pub fn new(customer: CustomerId) -> Self {
        Self {
            customer,
            currency: None,
            balance: Amount::ZERO,
            holds: FxHashMap::default(),
            refunds: FxHashMap::default(),
            credited: Amount::ZERO,
            bids: FxHashMap::default(),
        }
    }

    /// Set aside for payments.
    pub fn held(&self) -> Amount {
        Amount(self.holds.values().map(|amount| amount.0).sum())
    }

    /// Free to spend.
    pub fn available(&self) -> Amount {
        Amount(self.balance.0 - self.held().0)
    }

    /// Takes an event into the state.
    pub fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Credited { money, .. } => {
                self.credited.0 += money.amount.0;
                self.add(*money);
            }
            AccountEvent::Held { payment, amount } => {
                let before = self.holds.insert(*payment, *amount);
                assert!(before.is_none(), "a payment holds money once");
            }
            AccountEvent::Settled { payment } => {
                let amount = self.holds.remove(payment).expect("settled money is held");
                self.balance.0 -= amount.0;
            }
            AccountEvent::Released { payment } => {
                self.holds.remove(payment).expect("released money is held");
            }
            AccountEvent::SetAside { payment, amount, backing } => {
                if amount.0 == 0 {
                    self.holds.remove(payment);
                    self.bids.remove(payment);
                } else {
                    self.holds.insert(*payment, *amount);
                    self.bids.insert(*payment, backing.clone());
                }
            }
            AccountEvent::Spent { amount, .. } => self.balance.0 -= amount.0,
            AccountEvent::Refunded { payment, refund, money } => {
                self.refunds.insert(*payment, *refund);
                self.add(*money);
            }
        }
        self.check();
    }

    fn add(&mut self, money: Money) {
        self.currency = Some(money.currency);
        self.balance.0 += money.amount.0;
    }

    /// Asserts that nothing is negative: not the balance, not what is free.
    pub fn check(&self) {
        assert!(self.balance.0 >= 0 && self.available().0 >= 0, "a wallet is never below zero: {self:?}");
    }
}

/// Decides a command; the events go to `out`.
pub fn decide(account: &Account, command: &AccountCommand, out: &mut Vec<AccountEvent>) -> Result<(), Refusal> {
    match command {
        AccountCommand::Credit { money, reference } => {
            check_amount(account, *money)?;
            out.push(AccountEvent::Credited { money: *money, reference: reference.clone() });
        }
        AccountCommand::Hold { payment, money, spend } => {
            let held = account.holds.get(payment).copied();
            if held == Some(money.amount) {
                // It was asked before, perhaps from afar and in another life of the engine; now it may be spent at once.
                out.extend(spend.then_some(AccountEvent::Settled { payment: *payment }));
                return Ok(());
            }
            if account.currency.is_some() {
                check_currency(account, money.currency)?;
            }
            let set_aside =
                if made(Mistake::WalletSpendsHeld) { account.held().0 } else { held.map_or(0, |held| held.0) };
            let available = Amount(account.available().0 + set_aside);
            if money.amount > available {
                let (customer, needed) = (account.customer.clone(), money.amount);
                return Err(Refusal::InsufficientBalance { customer, available, needed });
            }
            // What an earlier try has left is not this one's.
            out.extend(held.map(|_| AccountEvent::Released { payment: *payment }));
            out.push(match spend {
                true => AccountEvent::Spent { payment: *payment, amount: money.amount },
                false => AccountEvent::Held { payment: *payment, amount: money.amount },
            });
        }
        AccountCommand::SetAside { payment, money, backing } => {
            let held = account.holds.get(payment).copied().unwrap_or(Amount::ZERO);
            let more = money.amount.0 - held.0;
            if account.currency.is_some() {
                check_currency(account, money.currency)?;
            }
            if more > account.available().0 {
                let (customer, available) = (account.customer.clone(), account.available());
                return Err(Refusal::InsufficientBalance { customer, available, needed: Amount(more) });
            }
            if more != 0 {
                let (payment, amount, backing) = (*payment, money.amount, (**backing).clone());
                out.push(AccountEvent::SetAside { payment, amount, backing });
            }
        }
        AccountCommand::Settle { payment } if account.holds.contains_key(payment) => {
            out.push(AccountEvent::Settled { payment: *payment });
        }
        AccountCommand::Release { payment } if account.holds.contains_key(payment) => {
            out.push(AccountEvent::Released { payment: *payment });
        }
        AccountCommand::Settle { .. } | AccountCommand::Release { .. } => {}
        AccountCommand::Refund { payment, refund, money } => {
            if account.refunds.get(payment).is_none_or(|done| done < refund) {
                check_currency(account, money.currency)?;
                out.push(AccountEvent::Refunded { payment: *payment, refund: *refund, money: *money });
            }
        }
    }
    Ok(())
}

fn check_amount(account: &Account, money: Money) -> Result<(), Refusal> {
    if money.amount.0 <= 0 || !money.amount.is_rounded(money.currency) {
        return Err(Refusal::MoneyInvalid { why: "a credit is a positive amount in whole minor units".into() });
    }
    if account.credited.checked_add(money.amount).is_none_or(|sum| sum.0 > i64::MAX / 4) {
        return Err(Refusal::MoneyInvalid { why: "the wallet would have taken in more than can be counted".into() });
    }
    check_currency(account, money.currency)
}

fn check_currency(account: &Account, currency: Currency) -> Result<(), Refusal> {
    match account.currency {
        Some(wanted) if wanted != currency => {
            Err(Refusal::CurrencyMismatch { wanted: wanted.to_string(), found: currency.to_string() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OrderId, Timestamp};

    fn payment(n: u32) -> PaymentId {
        PaymentId::of_order(OrderId::new(Timestamp(0), 1), n, Timestamp(0))
    }

    fn run(account: &mut Account, command: AccountCommand) -> Result<usize, Refusal> {
        let mut events = Vec::new();
        decide(account, &command, &mut events)?;
        events.iter().for_each(|event| account.apply(event));
        Ok(events.len())
    }

    fn eur(text: &str) -> Money {
        Money::parse(&format!("{text} EUR")).unwrap()
    }

    #[test]
    fn money_is_held_once_and_ends_once() {
        let mut account = Account::new(CustomerId::new("ann").unwrap());
        run(&mut account, AccountCommand::Credit { money: eur("50.00"), reference: None }).unwrap();
        let hold = AccountCommand::Hold { payment: payment(1), money: eur("30.00"), spend: false };
        assert_eq!(run(&mut account, hold.clone()), Ok(1));
        assert_eq!(run(&mut account, hold), Ok(0), "a repeated message changes nothing");
        assert_eq!((account.available(), account.held()), (Amount(200_000), Amount(300_000)));
        let too_much = AccountCommand::Hold { payment: payment(2), money: eur("20.01"), spend: true };
        assert!(matches!(run(&mut account, too_much), Err(Refusal::InsufficientBalance { .. })));
        assert_eq!(run(&mut account, AccountCommand::Settle { payment: payment(1) }), Ok(1));
        assert_eq!(run(&mut account, AccountCommand::Release { payment: payment(1) }), Ok(0));
        assert_eq!((account.balance, account.held()), (Amount(200_000), Amount(0)));
        let refund = AccountCommand::Refund { payment: payment(1), refund: 1, money: eur("30.00") };
        assert_eq!(run(&mut account, refund.clone()), Ok(1));
        assert_eq!(run(&mut account, refund), Ok(0), "a refund is taken in once");
        assert_eq!(account.balance, Amount(500_000));
    }

    /// A hold that an earlier try had left was taken for the payment's own, and stayed held for ever.
    #[test]
    fn money_that_is_held_already_is_spent_and_another_amount_is_held_anew() {
        let mut account = Account::new(CustomerId::new("ann").unwrap());
        run(&mut account, AccountCommand::Credit { money: eur("50.00"), reference: None }).unwrap();
        let hold = |text, spend| AccountCommand::Hold { payment: payment(1), money: eur(text), spend };
        assert_eq!(run(&mut account, hold("30.00", false)), Ok(1));
        assert_eq!(run(&mut account, hold("40.00", false)), Ok(2), "what is held for it counts as free");
        assert_eq!(account.held(), Amount(400_000));
        assert!(matches!(run(&mut account, hold("50.01", true)), Err(Refusal::InsufficientBalance { .. })));
        assert_eq!(account.held(), Amount(400_000), "a refusal changes nothing");
        assert_eq!(run(&mut account, hold("40.00", true)), Ok(1));
        assert_eq!((account.balance, account.held()), (Amount(100_000), Amount(0)));
    }

    #[test]
    fn a_wallet_keeps_its_currency_and_refuses_odd_amounts() {
        let mut account = Account::new(CustomerId::new("ann").unwrap());
        run(&mut account, AccountCommand::Credit { money: eur("1.00"), reference: None }).unwrap();
        for (text, code) in [
            ("1.00 USD", "currency_mismatch"),
            ("0.00 EUR", "money_invalid"),
            ("-1.00 EUR", "money_invalid"),
            ("0.001 EUR", "money_invalid"),
        ] {
            let refused =
                run(&mut account, AccountCommand::Credit { money: Money::parse(text).unwrap(), reference: None });
            assert_eq!(refused.unwrap_err().code(), code, "{text}");
        }
    }

    /// What is set aside for a bid is told as a whole, so that telling it twice does no harm.
    #[test]
    fn money_that_is_set_aside_for_a_bid_is_so_much_and_not_so_much_more() {
        let mut account = Account::new(CustomerId::new("ann").unwrap());
        run(&mut account, AccountCommand::Credit { money: eur("50.00"), reference: None }).unwrap();
        let backing = || {
            Box::new(Backing { sku: crate::SkuId::new("MUG").unwrap(), bid: crate::BookOrderId::new(Timestamp(0), 1) })
        };
        let aside = |text: &str| AccountCommand::SetAside { payment: payment(1), money: eur(text), backing: backing() };
        assert_eq!(run(&mut account, aside("30.00")), Ok(1));
        assert_eq!(run(&mut account, aside("30.00")), Ok(0), "told twice");
        assert_eq!((account.held(), account.available()), (Amount(300_000), Amount(200_000)));
        assert_eq!(run(&mut account, aside("50.00")), Ok(1), "what is set aside already counts");
        assert_eq!((account.held(), account.available()), (Amount(500_000), Amount(0)));
        assert!(matches!(
            run(&mut account, aside("50.01")),
            Err(Refusal::InsufficientBalance { needed: Amount(100), .. })
        ));
        assert_eq!(run(&mut account, aside("20.00")), Ok(1), "less");
        assert_eq!((account.held(), account.available()), (Amount(200_000), Amount(300_000)));
        let dollars = AccountCommand::SetAside {
            payment: payment(2),
            money: Money::parse("1.00 USD").unwrap(),
            backing: backing(),
        };
        assert_eq!(run(&mut account, dollars).unwrap_err().code(), "currency_mismatch");
        assert_eq!(account.balance, Amount(500_000), "nothing is spent");
    }

    #[test]
    fn a_refund_is_taken_in_once_by_its_number_and_adds_to_the_balance() {
        let mut account = Account::new(CustomerId::new("ann").unwrap());
        run(&mut account, AccountCommand::Credit { money: eur("1.00"), reference: None }).unwrap();
        let refund = |n, refund| AccountCommand::Refund { payment: payment(n), refund, money: eur("2.00") };
        for (command, events, balance) in
            [(refund(1, 1), 1, 30_000), (refund(1, 2), 1, 50_000), (refund(1, 1), 0, 50_000), (refund(2, 1), 1, 70_000)]
        {
            assert_eq!((run(&mut account, command), account.balance), (Ok(events), Amount(balance)));
        }
        assert_eq!((account.held(), account.available()), (Amount(0), Amount(70_000)));
    }

    #[test]
    fn a_wallet_takes_in_what_can_be_counted_and_no_more() {
        let mut account = Account::new(CustomerId::new("ann").unwrap());
        let most = Amount(i64::MAX / 4 / 100 * 100);
        let credit =
            |amount| AccountCommand::Credit { money: Money::new(amount, eur("1.00").currency), reference: None };
        assert_eq!(run(&mut account, credit(most)), Ok(1));
        assert_eq!(run(&mut account, credit(Amount(100))).unwrap_err().code(), "money_invalid");
        assert_eq!(run(&mut account, credit(Amount(i64::MAX / 100 * 100))).unwrap_err().code(), "money_invalid");
    }

    #[test]
    #[should_panic(expected = "never below zero")]
    fn a_wallet_that_has_spent_what_it_had_not_is_found() {
        Account::new(CustomerId::new("ann").unwrap())
            .apply(&AccountEvent::Spent { payment: payment(1), amount: Amount(1) });
    }

    #[test]
    fn nothing_is_settled_or_released_that_is_not_held_and_a_bid_that_is_over_holds_nothing() {
        let mut account = Account::new(CustomerId::new("ann").unwrap());
        run(&mut account, AccountCommand::Credit { money: eur("5.00"), reference: None }).unwrap();
        assert_eq!(run(&mut account, AccountCommand::Settle { payment: payment(1) }), Ok(0));
        assert_eq!(run(&mut account, AccountCommand::Release { payment: payment(1) }), Ok(0));
        let backing = || Box::new(Backing { sku: SkuId::new("MUG").unwrap(), bid: BookOrderId::new(Timestamp(0), 1) });
        for (text, bids) in [("5.00", 1), ("0.00", 0)] {
            let command = AccountCommand::SetAside { payment: payment(1), money: eur(text), backing: backing() };
            assert_eq!((run(&mut account, command), account.bids.len()), (Ok(1), bids));
        }
        assert_eq!(account.available(), Amount(50_000));
    }
}
