//! The balances that postings make.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use super::*;

/// The balances of one partition's share of the books; those of all partitions add up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    balances: SmallVec<[(Currency, [i128; ACCOUNTS]); 1]>,
    /// What `payable` consists of.
    sellers: BTreeMap<(CustomerId, Currency), i128>,
}

impl Ledger {
    /// Takes postings in; asserts that they sum to zero.
    pub fn post(&mut self, currency: Currency, postings: &Postings) {
        let accounts = &postings.accounts;
        assert_eq!(accounts.iter().map(|posting| posting.amount).sum::<i128>(), 0, "double entry sums to zero");
        let row = self.row(currency);
        for posting in accounts {
            row[posting.account as usize] += posting.amount;
        }
        for (seller, amount) in &postings.sellers {
            *self.sellers.entry((seller.clone(), currency)).or_default() += amount;
        }
    }

    fn row(&mut self, currency: Currency) -> &mut [i128; ACCOUNTS] {
        let index = self.balances.iter().position(|(known, _)| *known == currency).unwrap_or_else(|| {
            self.balances.push((currency, [0; ACCOUNTS]));
            self.balances.sort_by_key(|(currency, _)| *currency);
            self.balances.iter().position(|(known, _)| *known == currency).expect("it was just added")
        });
        &mut self.balances[index].1
    }

    /// Adds another share.
    pub fn add(&mut self, other: &Self) {
        for (currency, balances) in &other.balances {
            self.row(*currency).iter_mut().zip(balances).for_each(|(sum, amount)| *sum += amount);
        }
        for (whose, amount) in &other.sellers {
            *self.sellers.entry(whose.clone()).or_default() += amount;
        }
    }

    /// What sellers are owed (credits less debits), by seller and currency.
    pub fn payables(&self) -> impl Iterator<Item = (&CustomerId, Currency, i128)> {
        self.sellers.iter().map(|((seller, currency), amount)| (seller, *currency, -amount))
    }

    /// What one seller is owed, by currency.
    pub fn payable_to(&self, seller: &CustomerId) -> impl Iterator<Item = (Currency, i128)> {
        let from = (seller.clone(), Currency::MIN);
        let theirs = self.sellers.range(from..).take_while(move |((whose, _), _)| whose == seller);
        theirs.map(|((_, currency), amount)| (*currency, -amount))
    }

    /// The balance of an account: debits less credits, in ten-thousandths.
    pub fn balance(&self, currency: Currency, account: LedgerAccount) -> i128 {
        self.balances.iter().find(|(known, _)| *known == currency).map_or(0, |(_, row)| row[account as usize])
    }

    /// Every currency with its balances, in the order of `LedgerAccount::ALL`.
    pub fn rows(&self) -> &[(Currency, [i128; ACCOUNTS])] {
        &self.balances
    }

    /// Asserts that the books balance.
    pub fn check(&self) {
        for (currency, row) in &self.balances {
            assert_eq!(row.iter().sum::<i128>(), 0, "the {currency} books balance");
            let of_sellers: i128 = self.sellers.iter().filter(|((_, c), _)| c == currency).map(|(_, sum)| sum).sum();
            assert_eq!(
                of_sellers,
                row[LedgerAccount::Payable as usize],
                "sellers are owed what is payable in {currency}"
            );
        }
    }
}

impl<C> Encode<C> for Ledger {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?.map(self.balances.len() as u64)?;
        for (currency, row) in &self.balances {
            currency.encode(e, ctx)?;
            e.array(ACCOUNTS as u64)?;
            for amount in row {
                e.bytes(&amount.to_be_bytes())?;
            }
        }
        e.array(self.sellers.len() as u64)?;
        for ((seller, currency), amount) in &self.sellers {
            e.array(3)?;
            seller.encode(e, ctx)?;
            currency.encode(e, ctx)?;
            e.bytes(&amount.to_be_bytes())?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Ledger {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let wrong = || minicbor::decode::Error::message("a balance has 16 bytes, a currency one for each account");
        let amount = |d: &mut minicbor::Decoder<'b>| {
            Ok::<_, minicbor::decode::Error>(i128::from_be_bytes(d.bytes()?.try_into().map_err(|_| wrong())?))
        };
        let mut ledger = Self::default();
        // Books of before there were sellers are their balances alone, of fewer accounts.
        let has_sellers = d.datatype()? == minicbor::data::Type::Array;
        if has_sellers && d.array()? != Some(2) {
            return Err(wrong());
        }
        for _ in 0..d.map()?.ok_or_else(wrong)? {
            let currency = Currency::decode(d, ctx)?;
            let known = d.array()?.filter(|known| *known <= ACCOUNTS as u64).ok_or_else(wrong)?;
            for balance in ledger.row(currency).iter_mut().take(known as usize) {
                *balance = amount(d)?;
            }
        }
        let sellers = if has_sellers { d.array()?.ok_or_else(wrong)? } else { 0 };
        for _ in 0..sellers {
            if d.array()? != Some(3) {
                return Err(wrong());
            }
            let whose = (CustomerId::decode(d, ctx)?, Currency::decode(d, ctx)?);
            let amount = amount(d)?;
            ledger.sellers.insert(whose, amount);
        }
        Ok(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{entry, name};
    use super::*;
    use LedgerAccount as A;

    fn posted(entries: &[LedgerEvent]) -> Ledger {
        let mut ledger = Ledger::default();
        for entry in entries {
            let (currency, postings) = of_entry(entry);
            ledger.post(currency, &postings);
            ledger.check();
        }
        ledger
    }

    #[test]
    fn sellers_are_owed_what_is_payable_by_currency() {
        let ledger = posted(&[
            entry(A::Deposits, A::Payable, "5.00 EUR", Some("sam")),
            entry(A::Deposits, A::Payable, "7.00 USD", Some("sam")),
            entry(A::Deposits, A::Payable, "3.00 EUR", Some("sue")),
            entry(A::Payable, A::Cash, "2.00 EUR", Some("sam")),
        ]);
        let (eur, usd): (Currency, Currency) = ("EUR".parse().unwrap(), "USD".parse().unwrap());
        assert_eq!(ledger.balance(eur, A::Payable), -60_000, "5.00 + 3.00 - 2.00");
        assert_eq!(ledger.balance("GBP".parse().unwrap(), A::Payable), 0);
        assert_eq!(ledger.payable_to(&name("sam")).collect::<Vec<_>>(), [(eur, 30_000), (usd, 70_000)]);
        assert_eq!(ledger.payable_to(&name("sal")).count(), 0);
        let all: Vec<_> =
            ledger.payables().map(|(seller, currency, owed)| (seller.to_string(), currency, owed)).collect();
        assert_eq!(
            all,
            [("sam".to_owned(), eur, 30_000), ("sam".to_owned(), usd, 70_000), ("sue".to_owned(), eur, 30_000)]
        );
        assert_eq!(ledger.rows().iter().map(|(currency, _)| *currency).collect::<Vec<_>>(), [eur, usd]);
    }

    #[test]
    fn shares_of_the_books_add_up_and_are_read_as_they_were_written() {
        let entries = [
            entry(A::Deposits, A::Payable, "5.00 EUR", Some("sam")),
            entry(A::Cash, A::Wallets, "7.00 USD", None),
            entry(A::Payable, A::Cash, "1.00 EUR", Some("sam")),
        ];
        let mut sum = posted(&entries[..1]);
        sum.add(&posted(&entries[1..]));
        assert_eq!(sum, posted(&entries));
        let bytes = minicbor::to_vec(&sum).unwrap();
        assert_eq!(minicbor::decode::<Ledger>(&bytes).unwrap(), sum);

        // Books of before there were sellers: currencies with the accounts that there were.
        let mut old = Vec::new();
        let mut e = minicbor::Encoder::new(&mut old);
        e.map(1).unwrap().str("EUR").unwrap().array(2).unwrap();
        e.bytes(&7i128.to_be_bytes()).unwrap().bytes(&(-7i128).to_be_bytes()).unwrap();
        let read: Ledger = minicbor::decode(&old).unwrap();
        let eur = "EUR".parse().unwrap();
        assert_eq!([A::Cash, A::Card, A::Receivable].map(|account| read.balance(eur, account)), [7, -7, 0]);

        for wrong in ["83a080", "82a163455552 8d", "82a08182"] {
            let hex: String = wrong.split(' ').collect();
            let bytes: Vec<u8> =
                (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
            assert!(minicbor::decode::<Ledger>(&bytes).is_err(), "{wrong}");
        }
    }

    #[test]
    #[should_panic(expected = "books balance")]
    fn books_that_do_not_balance_are_found() {
        let mut ledger = posted(&[entry(A::Cash, A::Wallets, "7.00 USD", None)]);
        ledger.row("USD".parse().unwrap())[0] += 1;
        ledger.check();
    }

    #[test]
    #[should_panic(expected = "sellers are owed what is payable")]
    fn what_is_payable_to_nobody_is_found() {
        let mut ledger = posted(&[entry(A::Deposits, A::Payable, "5.00 EUR", Some("sam"))]);
        ledger.sellers.clear();
        ledger.check();
    }

    #[test]
    #[should_panic(expected = "double entry")]
    fn a_posting_without_its_counterpart_is_refused() {
        let half = accounts([debit(A::Cash, Amount(1))]);
        Ledger::default().post("EUR".parse().unwrap(), &half);
    }
}
