//! What was sold so far, and which sale a return belongs to.
//!
//! A return names no invoice. It belongs to the latest earlier line of the same customer, SKU and price of which its
//! whole quantity was filled and has not come back yet. If only lines fit that the engine refused, there is nothing
//! to take back; if none fits at all, it is unlinked.

use rustc_hash::FxHashMap;
use stockade_domain::OrderId;

use super::history::{History, Row};
use super::tally::Tally;

/// No earlier row.
const NONE: u32 = u32::MAX;

/// Where an invoice's order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    NotPlaced,
    UnderWay,
    Accepted(OrderId),
    Refused(&'static str),
}

/// Which sale a return belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// A line of this order.
    To {
        /// The order.
        order: OrderId,
        /// The index of its line.
        line: u32,
    },
    /// A sale that was refused: nothing was bought that could come back.
    Refused,
    /// None.
    Unlinked,
}

/// All sales so far.
pub struct Sales<'a> {
    history: &'a History,
    standing: Vec<Standing>,
    /// By row: units filled, and of these come back.
    filled: Vec<u64>,
    returned: Vec<u64>,
    /// By row: units never filled that somebody wanted to bring back.
    returned_unfilled: FxHashMap<u32, u64>,
    /// By row: the sale before it of the same customer, SKU and price.
    previous: Vec<u32>,
    latest: FxHashMap<(u32, u32, i64), u32>,
}

/// Customer, SKU and price; nothing for guests, whose returns cannot be told apart.
fn key(row: &Row) -> Option<(u32, u32, i64)> {
    row.customer.map(|customer| (customer.get(), row.sku, row.price.0))
}

impl<'a> Sales<'a> {
    /// None yet.
    pub fn new(history: &'a History) -> Self {
        let rows = history.rows.len();
        Self {
            history,
            standing: vec![Standing::NotPlaced; history.invoices()],
            filled: vec![0; rows],
            returned: vec![0; rows],
            returned_unfilled: FxHashMap::default(),
            previous: vec![NONE; rows],
            latest: FxHashMap::default(),
        }
    }

    /// An invoice's order has been handed to the engine.
    pub fn placed(&mut self, invoice: u32) {
        self.standing[invoice as usize] = Standing::UnderWay;
        for &number in &self.history.invoice(invoice).lines {
            if let Some(key) = key(&self.history.rows[number as usize]) {
                self.previous[number as usize] = self.latest.insert(key, number).unwrap_or(NONE);
            }
        }
    }

    /// The engine took it, and so much of each line is filled now.
    pub fn accepted(&mut self, invoice: u32, order: OrderId, fills: &[u64]) {
        self.standing[invoice as usize] = Standing::Accepted(order);
        let lines = &self.history.invoice(invoice).lines;
        assert_eq!(lines.len(), fills.len(), "every row is a line");
        for (&number, fill) in lines.iter().zip(fills) {
            self.filled[number as usize] = *fill;
        }
    }

    /// The engine refused it.
    pub fn refused(&mut self, invoice: u32, code: &'static str) {
        self.standing[invoice as usize] = Standing::Refused(code);
    }

    /// The order of an invoice, if the engine took it.
    pub fn order(&self, invoice: u32) -> Option<OrderId> {
        match self.standing[invoice as usize] {
            Standing::Accepted(order) => Some(order),
            _ => None,
        }
    }

    /// Units of a row that are filled.
    pub fn filled(&self, row: u32) -> u64 {
        self.filled[row as usize]
    }

    fn candidates(&self, row: &Row) -> impl Iterator<Item = u32> + use<'_, 'a> {
        let mut at = key(row).and_then(|key| self.latest.get(&key).copied()).unwrap_or(NONE);
        std::iter::from_fn(move || {
            let here = at;
            at = *self.previous.get(here as usize)?;
            Some(here)
        })
    }

    /// Whether an order that a return may belong to is not decided yet.
    pub fn must_wait_for(&self, row: &Row) -> bool {
        let invoice = |sale: u32| self.history.rows[sale as usize].invoice as usize;
        self.candidates(row).any(|sale| self.standing[invoice(sale)] == Standing::UnderWay)
    }

    /// Whether a line that a return may belong to lacks units, which may have come in since it was last looked at.
    pub fn may_grow(&self, row: &Row) -> bool {
        self.candidates(row).any(|sale| self.filled(sale) < self.history.rows[sale as usize].units())
    }

    /// Finds the sale of a return and counts its units as come back.
    pub fn link(&mut self, row: &Row) -> Link {
        let units = row.units();
        let fits = |sale: &u32| self.filled[*sale as usize] - self.returned[*sale as usize] >= units;
        let fitting = self.candidates(row).find(fits);
        if let Some(sale) = fitting {
            let invoice = self.history.rows[sale as usize].invoice;
            let order = self.order(invoice).expect("only accepted orders have filled lines");
            let line = self.history.invoice(invoice).lines.binary_search(&sale).expect("a sale is a line") as u32;
            self.returned[sale as usize] += units;
            return Link::To { order, line };
        }
        let unfilled = |sale: &u32| {
            let wanted = self.history.rows[*sale as usize].units() - self.filled[*sale as usize];
            wanted - self.returned_unfilled.get(sale).copied().unwrap_or(0) >= units
        };
        let refused = self.candidates(row).find(unfilled);
        match refused {
            Some(sale) => {
                *self.returned_unfilled.entry(sale).or_default() += units;
                Link::Refused
            }
            None => Link::Unlinked,
        }
    }

    /// Counts every row of every order.
    pub fn count(&self, tally: &mut Tally) {
        for (invoice, standing) in self.standing.iter().enumerate() {
            let invoice = self.history.invoice(invoice as u32);
            let rows = |numbers: &'a [u32]| numbers.iter().map(|&number| (number, &self.history.rows[number as usize]));
            match standing {
                Standing::NotPlaced | Standing::UnderWay => {}
                Standing::Accepted(_) => {
                    tally.orders.placed += 1;
                    tally.orders.accepted += 1;
                    for (number, row) in rows(&invoice.lines) {
                        match self.filled(number) {
                            0 => tally.refused.add(row.units(), row.money()),
                            filled => {
                                tally.sold.add(filled, i128::from(filled) * i128::from(row.price.0));
                                tally.units_unfilled += row.units() - filled;
                            }
                        }
                    }
                    rows(&invoice.charges).for_each(|(_, row)| tally.service_charged.add(row.units(), row.money()));
                }
                Standing::Refused(code) => {
                    tally.orders.placed += 1;
                    *tally.orders.rejected.entry((*code).to_owned()).or_default() += 1;
                    let all = rows(&invoice.lines).chain(rows(&invoice.charges)).chain(rows(&invoice.credits));
                    all.for_each(|(_, row)| tally.refused.add(row.units(), row.money()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use compact_str::CompactString;
    use stockade_domain::Timestamp;

    use super::super::history::Reading;
    use super::super::source::Fields;
    use super::*;

    /// Rows as `invoice quantity price customer`, all of one SKU.
    fn history(rows: &[(&str, i64, &str, &str)]) -> History {
        let mut reading = Reading::default();
        for (invoice, quantity, price, customer) in rows {
            reading.add(&Fields {
                invoice: (*invoice).into(),
                stock_code: "a".into(),
                description: CompactString::default(),
                quantity: *quantity,
                time: 0,
                price: price.parse().unwrap(),
                customer: (*customer).into(),
            });
        }
        reading.finish()
    }

    fn order(n: u128) -> OrderId {
        OrderId::new(Timestamp(0), n)
    }

    #[test]
    fn a_return_links_to_the_latest_sale_that_has_all_of_it_unreturned() {
        let history = history(&[("1", 5, "2", "7"), ("2", 3, "2", "7"), ("C3", -3, "2", "7"), ("C4", -4, "2", "7")]);
        let mut sales = Sales::new(&history);
        sales.placed(0);
        assert!(sales.must_wait_for(&history.rows[2]));
        sales.accepted(0, order(1), &[5]);
        sales.placed(1);
        sales.accepted(1, order(2), &[3]);
        assert!(!sales.must_wait_for(&history.rows[2]));
        assert!(!sales.may_grow(&history.rows[2]));
        assert_eq!(sales.link(&history.rows[2]), Link::To { order: order(2), line: 0 });
        assert_eq!(sales.link(&history.rows[3]), Link::To { order: order(1), line: 0 });
        assert_eq!(sales.link(&history.rows[3]), Link::Unlinked);
    }

    #[test]
    fn another_customer_price_or_none_is_no_link() {
        let history = history(&[("1", 5, "2", "7"), ("C1", -1, "2", "8"), ("C1", -1, "2.5", "7"), ("C1", -1, "2", "")]);
        let mut sales = Sales::new(&history);
        sales.placed(0);
        sales.accepted(0, order(1), &[5]);
        for row in 1..4 {
            assert_eq!(sales.link(&history.rows[row]), Link::Unlinked, "{row}");
        }
    }

    #[test]
    fn a_return_of_a_refused_sale_is_known_as_such_once() {
        let history = history(&[("1", 5, "2", "7"), ("C2", -5, "2", "7")]);
        let mut sales = Sales::new(&history);
        sales.placed(0);
        sales.refused(0, "stock_exhausted");
        assert_eq!(sales.link(&history.rows[1]), Link::Refused);
        assert_eq!(sales.link(&history.rows[1]), Link::Unlinked);
        let mut tally = Tally::default();
        sales.count(&mut tally);
        assert_eq!((tally.refused.rows, tally.refused.units, tally.refused.money), (1, 5, 100_000));
        assert_eq!(tally.orders.rejected["stock_exhausted"], 1);
    }

    #[test]
    fn lines_count_as_sold_by_what_was_filled() {
        let history = history(&[("1", 5, "2", "7"), ("1", 4, "3", "7")]);
        let mut sales = Sales::new(&history);
        sales.placed(0);
        sales.accepted(0, order(1), &[2, 0]);
        let mut tally = Tally::default();
        sales.count(&mut tally);
        assert_eq!((tally.sold.rows, tally.sold.units, tally.sold.money), (1, 2, 40_000));
        assert_eq!((tally.refused.rows, tally.refused.units, tally.units_unfilled), (1, 4, 3));
    }
}
