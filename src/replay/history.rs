//! What each row of a history becomes, and in which order the rows run.
//!
//! The rules are those of the contract's table; the first that matches wins. Some of them look at the whole
//! invoice, whose rows need not be adjacent, so a history is read whole before any of it runs. Names are interned:
//! a row costs 40 bytes.
//!
//! *Rows run in file order, an invoice at its first row*: the sold rows of an invoice and its service rows run together
//! at the first row of that invoice, whatever that row itself is; every other row runs at its own place.

use std::num::NonZeroU32;

use compact_str::CompactString;
use rustc_hash::FxHashMap;

use super::source::Fields;
use stockade_domain::{Amount, QUANTITY_MAX};

/// Codes that are services and not goods; everything that begins with `GIFT_` is one too.
const SERVICE_CODES: [&str; 10] = ["POST", "DOT", "M", "D", "S", "C2", "AMAZONFEE", "BANK CHARGES", "CRUK", "B"];

/// What a row becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// A ledger entry: never paid.
    BadDebt,
    /// A ledger entry: a service given back.
    ServiceCredited,
    /// A charge of the invoice's order, or a ledger entry where the invoice sells no goods.
    ServiceCharged,
    /// Goods that come back.
    Return,
    /// Goods that are gone.
    WriteOff,
    /// Goods that appeared.
    Found,
    /// A line of the invoice's order.
    Sold,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// When, in unix microseconds.
    pub time: i64,
    /// Units, with the file's sign.
    pub quantity: i64,
    /// Of one unit.
    pub price: Amount,
    /// Index of its invoice.
    pub invoice: u32,
    /// Index of its SKU.
    pub sku: u32,
    /// Index of its customer.
    pub customer: Option<NonZeroU32>,
    /// What it becomes.
    pub treatment: Treatment,
}

impl Row {
    /// Units, positive.
    pub const fn units(&self) -> u64 {
        self.quantity.unsigned_abs()
    }

    /// Quantity times price, exact, in ten-thousandths.
    pub fn money(&self) -> i128 {
        i128::from(self.quantity) * i128::from(self.price.0)
    }
}

/// Names as small numbers, starting at 1.
#[derive(Debug, Default)]
struct Names {
    numbers: FxHashMap<CompactString, u32>,
    names: Vec<CompactString>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let name = CompactString::new(name);
        self.names.push(name.clone());
        let number = self.names.len() as u32;
        self.numbers.insert(name, number);
        number
    }

    fn name(&self, number: u32) -> &str {
        &self.names[number as usize - 1]
    }
}

/// An invoice over the whole file.
#[derive(Debug, Default)]
pub struct Invoice {
    /// Its rows that are sold, in file order: the lines of its order.
    pub lines: Vec<u32>,
    /// Its service charges, if it sells goods.
    pub charges: Vec<u32>,
    /// Services given back on it, if it sells goods: entries that are made once the order is accepted.
    pub credits: Vec<u32>,
}

/// What runs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The order of this invoice.
    Order(u32),
    /// This row by itself.
    Row(u32),
}

/// How much stock there is at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpeningStock {
    /// All that is sold and written off.
    Ample,
    /// This percentage of what is sold.
    Scarce(u32),
}

/// A history, ready to run.
#[derive(Debug, Default)]
pub struct History {
    /// Every row, in file order.
    pub rows: Vec<Row>,
    invoices: Vec<Invoice>,
    skus: Names,
    customers: Names,
    descriptions: FxHashMap<u32, CompactString>,
}

/// What must be known of an invoice before its rows can be classified.
#[derive(Default, Clone, Copy)]
struct Facts {
    prefix: u8,
    has_priced_goods: bool,
    sells_goods: bool,
}

/// Whether a code is a service.
pub fn is_service(code: &str) -> bool {
    SERVICE_CODES.contains(&code) || code.starts_with("GIFT_")
}

/// A history while its rows come in.
#[derive(Debug, Default)]
pub struct Reading {
    history: History,
    invoices: Names,
}

impl Reading {
    /// The next row of the file.
    pub fn add(&mut self, fields: &Fields) {
        let history = &mut self.history;
        let invoice = self.invoices.number(fields.invoice.trim()) - 1;
        let sku = history.skus.number(&fields.stock_code.trim().to_uppercase());
        if !fields.description.is_empty() {
            history.descriptions.entry(sku).or_insert_with(|| fields.description.clone());
        }
        let customer = match fields.customer.trim() {
            "" => None,
            name => NonZeroU32::new(history.customers.number(name)),
        };
        let &Fields { time, quantity, price, .. } = fields;
        history.rows.push(Row { time, quantity, price, invoice, sku, customer, treatment: Treatment::Sold });
    }

    /// All rows are there: each is classified.
    pub fn finish(self) -> History {
        let Self { mut history, invoices } = self;
        history.classify(&invoices);
        history
    }
}

impl History {
    fn classify(&mut self, invoices: &Names) {
        let services: Vec<bool> = self.skus.names.iter().map(|code| is_service(code)).collect();
        let is_service = |row: &Row| services[row.sku as usize - 1];
        let prefix = |name: &CompactString| Facts { prefix: name.bytes().next().unwrap_or(0), ..Facts::default() };
        let mut facts: Vec<Facts> = invoices.names.iter().map(prefix).collect();
        for row in &self.rows {
            let is_priced = row.price.0 != 0 && row.quantity > 0;
            facts[row.invoice as usize].has_priced_goods |= is_priced && !is_service(row);
        }
        for row in &mut self.rows {
            row.treatment = treatment(row, services[row.sku as usize - 1], facts[row.invoice as usize]);
            facts[row.invoice as usize].sells_goods |= row.treatment == Treatment::Sold;
        }
        self.invoices.resize_with(facts.len(), Invoice::default);
        for (number, row) in self.rows.iter().enumerate() {
            let invoice = &mut self.invoices[row.invoice as usize];
            match row.treatment {
                Treatment::Sold => invoice.lines.push(number as u32),
                Treatment::ServiceCharged if facts[row.invoice as usize].sells_goods => {
                    invoice.charges.push(number as u32);
                }
                Treatment::ServiceCredited if facts[row.invoice as usize].sells_goods => {
                    invoice.credits.push(number as u32);
                }
                _ => {}
            }
        }
    }

    /// The steps in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        let mut begun = vec![false; self.invoices.len()];
        self.rows.iter().enumerate().flat_map(move |(number, row)| {
            let invoice = &self.invoices[row.invoice as usize];
            let is_first = !std::mem::replace(&mut begun[row.invoice as usize], true);
            let order = (is_first && !invoice.lines.is_empty()).then_some(Step::Order(row.invoice));
            let in_order = match row.treatment {
                Treatment::Sold => true,
                Treatment::ServiceCharged | Treatment::ServiceCredited => !invoice.lines.is_empty(),
                _ => false,
            };
            let alone = (!in_order).then_some(Step::Row(number as u32));
            order.into_iter().chain(alone)
        })
    }

    /// An invoice.
    pub fn invoice(&self, number: u32) -> &Invoice {
        &self.invoices[number as usize]
    }

    /// How many invoices there are, whatever they are.
    pub fn invoices(&self) -> usize {
        self.invoices.len()
    }

    /// How many codes there are, services too; they are numbered from 1.
    pub fn skus(&self) -> usize {
        self.skus.names.len()
    }

    /// The name of a SKU.
    pub fn sku(&self, number: u32) -> &str {
        self.skus.name(number)
    }

    /// What the file calls a SKU where it first says so.
    pub fn description(&self, sku: u32) -> &str {
        self.descriptions.get(&sku).map_or_else(|| self.sku(sku), CompactString::as_str)
    }

    /// The name of a row's customer.
    pub fn customer(&self, row: &Row) -> Option<&str> {
        row.customer.map(|customer| self.customers.name(customer.get()))
    }

    /// The opening stock of each SKU that goods move in, by its number; nothing for services.
    pub fn opening(&self, stock: OpeningStock) -> Vec<Option<u64>> {
        let mut opening: Vec<Option<(u64, u64)>> = vec![None; self.skus.names.len() + 1];
        // What is larger than any quantity is refused by name, so it needs no stock.
        for row in self.rows.iter().filter(|row| row.units() <= QUANTITY_MAX) {
            let sold = match row.treatment {
                Treatment::Sold => (row.quantity.max(0).unsigned_abs(), 0),
                Treatment::WriteOff => (0, row.units()),
                Treatment::Return | Treatment::Found => (0, 0),
                Treatment::BadDebt | Treatment::ServiceCredited | Treatment::ServiceCharged => continue,
            };
            let sums = opening[row.sku as usize].get_or_insert_default();
            *sums = (sums.0 + sold.0, sums.1 + sold.1);
        }
        let units = |(sold, written_off): (u64, u64)| match stock {
            OpeningStock::Ample => sold + written_off,
            OpeningStock::Scarce(percent) => (u128::from(sold) * u128::from(percent) / 100) as u64,
        };
        opening.into_iter().map(|sums| sums.map(units)).collect()
    }

    /// The price at which a SKU was first sold: its list price.
    pub fn list_prices(&self) -> Vec<Amount> {
        let mut prices = vec![None; self.skus.names.len() + 1];
        for row in self.rows.iter().filter(|row| row.treatment == Treatment::Sold && row.price.0 > 0) {
            prices[row.sku as usize].get_or_insert(row.price);
        }
        prices.into_iter().map(Option::unwrap_or_default).collect()
    }
}

/// The contract's table, top to bottom.
fn treatment(row: &Row, is_service: bool, facts: Facts) -> Treatment {
    match () {
        () if facts.prefix == b'A' => Treatment::BadDebt,
        () if is_service && row.quantity < 0 => Treatment::ServiceCredited,
        () if is_service && row.quantity > 0 => Treatment::ServiceCharged,
        () if facts.prefix == b'C' => Treatment::Return,
        () if row.quantity < 0 => Treatment::WriteOff,
        () if row.price.0 == 0 && row.customer.is_none() && !facts.has_priced_goods => Treatment::Found,
        () => Treatment::Sold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows as `invoice code quantity price customer`.
    fn history(rows: &[(&str, &str, i64, &str, &str)]) -> History {
        let mut reading = Reading::default();
        for (invoice, code, quantity, price, customer) in rows {
            reading.add(&Fields {
                invoice: (*invoice).into(),
                stock_code: (*code).into(),
                description: CompactString::default(),
                quantity: *quantity,
                time: 0,
                price: price.parse().unwrap(),
                customer: (*customer).into(),
            });
        }
        reading.finish()
    }

    fn treatments(history: &History) -> Vec<Treatment> {
        history.rows.iter().map(|row| row.treatment).collect()
    }

    #[test]
    fn the_first_rule_that_matches_wins() {
        use Treatment::*;
        for (row, expected) in [
            (("A1", "B", 1, "-5", ""), BadDebt),
            (("C1", "POST", -1, "18", "7"), ServiceCredited),
            (("1", "D", -1, "18", "7"), ServiceCredited),
            (("1", "gift_0001_20", 1, "18", ""), ServiceCharged),
            (("1", "BANK CHARGES", 1, "0.001", "7"), ServiceCharged),
            (("C1", "85123A", -1, "2.55", "7"), Return),
            (("1", "85123A", -1, "0", ""), WriteOff),
            (("1", "85123A", 1, "0", ""), Found),
            (("1", "85123A", 1, "0", "7"), Sold),
            (("1", "85123A", 1, "2.55", ""), Sold),
            (("1", "M1", 1, "2.55", ""), Sold),
        ] {
            assert_eq!(treatments(&history(&[row])), [expected], "{row:?}");
        }
    }

    #[test]
    fn a_free_row_is_sold_where_the_invoice_has_priced_goods_anywhere_in_the_file() {
        use Treatment::*;
        let rows = [("1", "x", 1, "0", ""), ("2", "y", 1, "0", ""), ("1", "z", 1, "2", ""), ("2", "POST", 1, "2", "")];
        assert_eq!(treatments(&history(&rows)), [Sold, Found, Sold, ServiceCharged]);
    }

    #[test]
    fn an_invoice_runs_whole_at_its_first_row_and_the_rest_in_file_order() {
        let history = history(&[
            ("1", "POST", 1, "5", "7"),
            ("2", "x", -3, "0", ""),
            ("1", "x", 1, "2", "7"),
            ("3", "POST", 1, "5", ""),
            ("C4", "x", -1, "2", "7"),
            ("1", "y", 1, "2", "7"),
        ]);
        let steps: Vec<Step> = history.steps().collect();
        assert_eq!(steps, [Step::Order(0), Step::Row(1), Step::Row(3), Step::Row(4)]);
        assert_eq!(history.invoice(0).lines, [2, 5]);
        assert_eq!(history.invoice(0).charges, [0]);
    }

    #[test]
    fn codes_that_differ_only_by_case_are_one_sku() {
        let history = history(&[("1", " 85123a ", 1, "1", ""), ("2", "85123A", 2, "1", "")]);
        assert_eq!(history.skus(), 1);
        assert_eq!(history.sku(1), "85123A");
    }

    #[test]
    fn ample_stock_covers_sales_and_write_offs_and_scarce_a_floored_share_of_sales() {
        let history = history(&[
            ("1", "x", 7, "1", ""),
            ("2", "x", -2, "0", ""),
            ("C3", "y", -2, "1", ""),
            ("4", "POST", 1, "1", ""),
        ]);
        assert_eq!(history.opening(OpeningStock::Ample), [None, Some(9), Some(0), None]);
        assert_eq!(history.opening(OpeningStock::Scarce(70)), [None, Some(4), Some(0), None]);
    }
}
