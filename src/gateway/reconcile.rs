//! What a gateway says it moved, against what the engine knows: every difference by name.
//!
//! A settlement file is CSV with the columns `payment`, `kind` (`capture`, `refund`, `chargeback`), `amount`, `currency`
//! and whatever else the gateway writes.

use std::collections::BTreeMap;
use std::io::Read;

use serde::{Deserialize, Serialize};
use stockade_domain::payment::{Method, Payment};
use stockade_domain::{Amount, Currency, Money, PaymentId};

/// The longest settlement file that is read, in rows.
const ROWS_MAX: usize = 10_000_000;

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementKind {
    /// Money was taken.
    Capture,
    /// Money went back.
    Refund,
    /// A bank took money back.
    Chargeback,
}

/// What a gateway says of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// In which currency.
    pub currency: Currency,
    /// What was taken.
    pub captured: Amount,
    /// What went back.
    pub refunded: Amount,
    /// What a bank took back.
    pub charged_back: Amount,
}

/// Why a settlement file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SettlementFileError {
    /// A row is not of the form.
    #[error("line {line}: {why}")]
    Row {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It has too many rows.
    #[error("more than {ROWS_MAX} rows")]
    TooLong,
}

/// A settlement file, by payment.
pub type Settlement = BTreeMap<PaymentId, Settled>;

#[derive(Deserialize)]
struct Row {
    payment: String,
    kind: SettlementKind,
    amount: String,
    currency: String,
}

/// Reads a settlement file; several rows of a payment are added up.
pub fn read_settlement(file: impl Read) -> Result<Settlement, SettlementFileError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let mut settlement = Settlement::new();
    for (index, row) in reader.deserialize::<Row>().enumerate() {
        if index == ROWS_MAX {
            return Err(SettlementFileError::TooLong);
        }
        // The header is line 1.
        let line = index as u64 + 2;
        let wrong = |why: String| SettlementFileError::Row { line, why };
        let row = row.map_err(|error| wrong(error.to_string()))?;
        let payment = PaymentId::parse(&row.payment).map_err(|error| wrong(error.to_string()))?;
        let money =
            Money::parse(&format!("{} {}", row.amount, row.currency)).map_err(|error| wrong(error.to_string()))?;
        if money.amount.0 <= 0 {
            return Err(wrong(format!("the amount {money} is not positive")));
        }
        let (none, currency) = (Amount::ZERO, money.currency);
        let nothing = Settled { currency, captured: none, refunded: none, charged_back: none };
        let settled = settlement.entry(payment).or_insert(nothing);
        if settled.currency != currency {
            return Err(wrong(format!("{currency}, where an earlier row of this payment has {}", settled.currency)));
        }
        let sum = match row.kind {
            SettlementKind::Capture => &mut settled.captured,
            SettlementKind::Refund => &mut settled.refunded,
            SettlementKind::Chargeback => &mut settled.charged_back,
        };
        *sum = sum.checked_add(money.amount).ok_or_else(|| wrong("more than can be counted".into()))?;
    }
    Ok(settlement)
}

/// How a payment differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "difference")]
pub enum Difference {
    /// The gateway names a payment that the engine never made.
    UnknownPayment,
    /// The engine took money that the file does not name.
    NotInFile {
        /// What the engine took.
        captured: String,
    },
    /// Not the same currency.
    Currency {
        /// The engine's.
        engine: String,
        /// The file's.
        file: String,
    },
    /// Not the same was taken.
    Captured {
        /// As the engine knows.
        engine: String,
        /// As the file says.
        file: String,
    },
    /// Not the same went back.
    Refunded {
        /// As the engine knows.
        engine: String,
        /// As the file says.
        file: String,
    },
    /// Not the same was taken back by a bank.
    ChargedBack {
        /// As the engine knows.
        engine: String,
        /// As the file says.
        file: String,
    },
}

/// Compares one payment; a payment may differ in several ways. `None` for what one side does not know.
pub fn compare(engine: Option<&Payment>, file: Option<&Settled>) -> Vec<Difference> {
    let shown = |amount: Amount, currency: Currency| Money::new(amount, currency).to_string();
    let (payment, settled) = match (engine, file) {
        (None, None) => return Vec::new(),
        (None, Some(_)) => return vec![Difference::UnknownPayment],
        (Some(payment), None) => {
            let took = payment.method == Method::Card && payment.captured().0 > 0;
            let captured = shown(payment.captured(), payment.money.currency);
            return took.then_some(Difference::NotInFile { captured }).into_iter().collect();
        }
        (Some(payment), Some(settled)) => (payment, settled),
    };
    let currency = payment.money.currency;
    if currency != settled.currency {
        return vec![Difference::Currency { engine: currency.to_string(), file: settled.currency.to_string() }];
    }
    let mut found = Vec::new();
    let mut differ = |ours: Amount, theirs: Amount, named: fn(String, String) -> Difference| {
        if ours != theirs {
            found.push(named(shown(ours, currency), shown(theirs, currency)));
        }
    };
    differ(payment.captured(), settled.captured, |engine, file| Difference::Captured { engine, file });
    differ(payment.refunded(), settled.refunded, |engine, file| Difference::Refunded { engine, file });
    differ(payment.charged_back(), settled.charged_back, |engine, file| Difference::ChargedBack { engine, file });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockade_domain::payment::PaymentEvent;
    use stockade_domain::{OrderId, Timestamp};

    const START: Timestamp = Timestamp(1_790_000_000_000_000);

    fn paid() -> Payment {
        let order = OrderId::new(START, 1);
        let created = PaymentEvent::Created {
            order,
            method: Method::Card,
            money: Money::parse("10.00 EUR").unwrap(),
            payer: None,
            credential: Some("tok".into()),
            capture_later: false,
            overcapture: Amount::ZERO,
            retry_of: None,
        };
        let mut payment = Payment::create(PaymentId::of_order(order, 0, START), &created, START);
        payment.apply(&PaymentEvent::Paid { reference: None }, START);
        payment
    }

    fn read(rows: &str) -> Result<Settlement, SettlementFileError> {
        read_settlement(format!("payment,kind,amount,currency,reference\n{rows}").as_bytes())
    }

    #[test]
    fn rows_of_a_payment_are_added_up_and_compared() {
        let payment = paid();
        let id = payment.id;
        let file = read(&format!("{id}, capture, 4.00, EUR, a\n{id},capture,6.00,EUR,b\n")).unwrap();
        assert_eq!(compare(Some(&payment), file.get(&id)), []);
        let file = read(&format!("{id},capture,10.01,EUR,a\n{id},refund,1.00,EUR,b\n{id},chargeback,2.00,EUR,c\n"));
        let eur = |text: &str| format!("{text} EUR");
        assert_eq!(
            compare(Some(&payment), file.unwrap().get(&id)),
            [
                Difference::Captured { engine: eur("10.00"), file: eur("10.01") },
                Difference::Refunded { engine: eur("0.00"), file: eur("1.00") },
                Difference::ChargedBack { engine: eur("0.00"), file: eur("2.00") },
            ]
        );
        let file = read(&format!("{id},capture,10.00,USD,a\n")).unwrap();
        assert!(matches!(compare(Some(&payment), file.get(&id))[..], [Difference::Currency { .. }]));
    }

    #[test]
    fn what_only_one_side_knows_is_named() {
        let payment = paid();
        assert!(matches!(compare(Some(&payment), None)[..], [Difference::NotInFile { .. }]));
        let file = read(&format!("{},capture,1.00,EUR,a\n", payment.id)).unwrap();
        assert_eq!(compare(None, file.get(&payment.id)), [Difference::UnknownPayment]);
    }

    #[test]
    fn a_row_that_cannot_be_read_is_refused_with_its_line() {
        let id = paid().id;
        for row in [
            "x,capture,1.00,EUR,a".to_owned(),
            format!("{id},tip,1.00,EUR,a"),
            format!("{id},capture,-1.00,EUR,a"),
            format!("{id},capture,lots,EUR,a"),
            format!("{id},capture,1.00,EURO,a"),
            format!("{id},capture"),
        ] {
            let error = read(&format!("{id},capture,1.00,EUR,a\n{row}\n")).unwrap_err();
            assert!(error.to_string().starts_with("line 3: "), "{row}: {error}");
        }
    }
}
