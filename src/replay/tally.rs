//! The report of a replay: sums that are exact, because they are sums of integers.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// Rows, their units, and their money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many rows of the file.
    pub rows: u64,
    /// Their units, positive.
    pub units: u64,
    /// Quantity times price, with the sign of the row, in ten-thousandths.
    #[serde(serialize_with = "decimal")]
    pub money: i128,
}

impl Sum {
    /// Takes a row in.
    pub fn add(&mut self, units: u64, money: i128) {
        self.rows += 1;
        // A file may say 9 quintillion in three rows.
        self.units = self.units.saturating_add(units);
        self.money += money;
    }
}

/// Ten-thousandths as a decimal: at least two digits after the point, up to four where they say something.
pub fn decimal_text(money: i128) -> String {
    let sign = if money < 0 { "-" } else { "" };
    let (whole, fraction) = (money.unsigned_abs() / 10_000, money.unsigned_abs() % 10_000);
    match fraction {
        _ if fraction % 100 == 0 => format!("{sign}{whole}.{:02}", fraction / 100),
        _ if fraction % 10 == 0 => format!("{sign}{whole}.{:03}", fraction / 10),
        _ => format!("{sign}{whole}.{fraction:04}"),
    }
}

fn decimal<S: Serializer>(money: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&decimal_text(*money))
}

/// What became of the invoices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Orders {
    /// Invoices that sell goods.
    pub placed: u64,
    /// Of which the engine took.
    pub accepted: u64,
    /// Of which it refused, by code.
    pub rejected: BTreeMap<String, u64>,
}

/// Percentiles of the time from handing an order over to its durable answer, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: u64,
    /// One in a hundred took longer.
    pub p99: u64,
    /// One in a thousand took longer.
    pub p999: u64,
}

/// The report. All `rows` of its sums and all that was skipped add up to `rows`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Rows read.
    pub rows: u64,
    /// What became of the invoices.
    pub orders: Orders,
    /// Goods of accepted orders: rows with any unit filled, the filled units and their money.
    pub sold: Sum,
    /// Goods that came back.
    pub returned: Sum,
    /// Goods that went nowhere.
    pub written_off: Sum,
    /// Goods that appeared.
    pub found: Sum,
    /// Services that customers paid.
    pub service_charged: Sum,
    /// Services that were given back.
    pub service_credited: Sum,
    /// What nobody will pay.
    pub bad_debt: Sum,
    /// Rows of refused orders, and rows of which nothing was filled.
    pub refused: Sum,
    /// Rows that could not be done, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Units of sold rows that were not filled.
    pub units_unfilled: u64,
    /// Returns that belong to no known sale.
    pub returns_unlinked: u64,
    /// The ledger's balance of what rounding to pennies made of exact prices.
    #[serde(serialize_with = "decimal")]
    pub rounding: i128,
    /// Units sold that were not there.
    pub oversold: u64,
    /// SKUs whose stock in the engine is not what the answers add up to.
    pub stock_mismatches: u64,
    /// From the first command to the last durable answer.
    pub seconds: f64,
    /// Invoices over that time.
    pub orders_per_second: f64,
    /// Rows over that time.
    pub lines_per_second: f64,
    /// Of orders.
    pub latency_us: Latency,
}

impl Tally {
    /// Counts a row that could not be done.
    pub fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
    }

    /// Rows over all sums and reasons; equals `rows` when every row has been treated exactly once.
    pub fn rows_treated(&self) -> u64 {
        let sums = [
            &self.sold,
            &self.returned,
            &self.written_off,
            &self.found,
            &self.service_charged,
            &self.service_credited,
            &self.bad_debt,
            &self.refused,
        ];
        sums.iter().map(|sum| sum.rows).sum::<u64>() + self.skipped.values().sum::<u64>()
    }

    /// Whether the engine and the answers agree and nothing was oversold.
    pub const fn is_well(&self) -> bool {
        self.oversold == 0 && self.stock_mismatches == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_two_to_four_decimals() {
        for (money, text) in [
            (0, "0.00"),
            (25_500, "2.55"),
            (10, "0.001"),
            (-1, "-0.0001"),
            (-110_620_600, "-11062.06"),
            (i128::from(i64::MAX) * 2, "1844674407370955.1614"),
        ] {
            assert_eq!(decimal_text(money), text);
        }
    }

    #[test]
    fn the_report_has_the_keys_that_scripts_rely_on() {
        let json = serde_json::to_value(Tally::default()).unwrap();
        for key in [
            "rows",
            "orders",
            "sold",
            "returned",
            "written_off",
            "found",
            "service_charged",
            "service_credited",
            "bad_debt",
            "refused",
            "skipped",
            "units_unfilled",
            "returns_unlinked",
            "rounding",
            "oversold",
            "seconds",
            "orders_per_second",
            "lines_per_second",
            "latency_us",
        ] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(json["sold"], serde_json::json!({ "rows": 0, "units": 0, "money": "0.00" }));
        assert_eq!(json["rounding"], "0.00");
    }
}
