//! A second reading of an online-retail file, by other code: what a replay must add up to.
//!
//! It shares nothing with `src/replay`: its own line splitter, plain strings as keys, ordered maps, and a naive shop
//! that treats one row after the other. Slow and obvious, on purpose.

use std::collections::{BTreeMap, VecDeque};

/// What to do when stock is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    Refuse,
    Partial,
    Backorder,
}

/// Rows, units and money (in ten-thousandths).
pub type Sum = (u64, u64, i128);

/// What the replay must report.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expected {
    pub rows: u64,
    pub sums: BTreeMap<&'static str, Sum>,
    pub accepted: u64,
    pub rejected: u64,
    pub skipped: BTreeMap<&'static str, u64>,
    pub units_unfilled: u64,
    pub returns_unlinked: u64,
}

#[derive(Debug, Clone)]
struct Line {
    invoice: String,
    code: String,
    quantity: i128,
    price: i128,
    customer: String,
}

/// Splits CSV text into records, quotes and line breaks within them included.
fn split(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            _ => field.push(letter),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

/// `-2.55` as -25,500, by hand.
fn ten_thousandths(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = whole.chars().chain(format!("{fraction:0<4}").chars()).filter(char::is_ascii_digit).collect();
    let value: i128 = digits.parse().expect("digits");
    if text.starts_with('-') { -value } else { value }
}

fn lines(text: &str, limit: usize) -> Vec<Line> {
    let line = |record: &Vec<String>| Line {
        invoice: record[0].trim().to_owned(),
        code: record[1].trim().to_uppercase(),
        quantity: record[3].parse().expect("a quantity"),
        price: ten_thousandths(&record[5]),
        customer: record[6].trim().to_owned(),
    };
    split(text).iter().skip(1).take(limit).map(line).collect()
}

fn service(code: &str) -> bool {
    let codes = "POST,DOT,M,D,S,C2,AMAZONFEE,BANK CHARGES,CRUK,B";
    codes.split(',').any(|service| service == code) || code.starts_with("GIFT_")
}

/// The contract's table.
fn class(line: &Line, invoice: &[&Line]) -> &'static str {
    let goods = |other: &&&Line| !service(&other.code) && other.quantity > 0 && other.price != 0;
    if line.invoice.starts_with('A') {
        "bad_debt"
    } else if service(&line.code) && line.quantity < 0 {
        "service_credited"
    } else if service(&line.code) && line.quantity > 0 {
        "service_charged"
    } else if line.invoice.starts_with('C') {
        "returned"
    } else if line.quantity < 0 {
        "written_off"
    } else if line.price == 0 && line.customer.is_empty() && invoice.iter().filter(goods).count() == 0 {
        "found"
    } else {
        "sold"
    }
}

/// A sold row and what became of it.
#[derive(Debug, Clone)]
struct Sale {
    line: usize,
    filled: i128,
    returned: i128,
    returned_unfilled: i128,
}

/// A naive shop.
struct Shop<'a> {
    lines: &'a [Line],
    short: Short,
    free: BTreeMap<&'a str, i128>,
    queues: BTreeMap<&'a str, VecDeque<usize>>,
    sales: Vec<Sale>,
    by_buyer: BTreeMap<(&'a str, &'a str, i128), Vec<usize>>,
    expected: Expected,
}

impl<'a> Shop<'a> {
    fn add(&mut self, class: &'static str, units: i128, money: i128) {
        let sum = self.expected.sums.entry(class).or_default();
        *sum = (sum.0 + 1, sum.1 + u64::try_from(units).expect("units"), sum.2 + money);
    }

    fn whole(&mut self, class: &'static str, line: usize) {
        let Line { quantity, price, .. } = self.lines[line];
        self.add(class, quantity.abs(), quantity * price);
    }

    /// Whether the order was taken.
    fn order(&mut self, sold: &[usize]) -> bool {
        let mut wanted: BTreeMap<&str, i128> = BTreeMap::new();
        for &line in sold {
            *wanted.entry(&self.lines[line].code).or_default() += self.lines[line].quantity;
        }
        let has = |code: &str| self.free.get(code).copied().unwrap_or(0);
        let taken = match self.short {
            Short::Refuse => wanted.iter().all(|(code, units)| has(code) >= *units),
            Short::Partial => wanted.keys().any(|code| has(code) > 0),
            Short::Backorder => true,
        };
        for &line in sold {
            let Line { code, customer, price, quantity, .. } = &self.lines[line];
            let number = self.sales.len();
            self.sales.push(Sale { line, filled: 0, returned: 0, returned_unfilled: 0 });
            if !customer.is_empty() {
                self.by_buyer.entry((customer, code, *price)).or_default().push(number);
            }
            if !taken {
                continue;
            }
            let free = self.free.entry(code).or_default();
            let filled = (*free).min(*quantity);
            *free -= filled;
            self.sales[number].filled = filled;
            if self.short == Short::Backorder && filled < *quantity {
                self.queues.entry(code).or_default().push_back(number);
            }
        }
        taken
    }

    fn restock(&mut self, code: &'a str, units: i128) {
        let free = self.free.entry(code).or_default();
        *free += units;
        let queue = self.queues.entry(code).or_default();
        while let Some(&first) = queue.front() {
            let sale = &mut self.sales[first];
            let missing = self.lines[sale.line].quantity - sale.filled;
            let got = missing.min(*free);
            sale.filled += got;
            *free -= got;
            if got < missing {
                break;
            }
            queue.pop_front();
        }
    }

    fn take_back(&mut self, number: usize) {
        let line = &self.lines[number];
        let units = -line.quantity;
        let empty = Vec::new();
        let sales = match line.customer.as_str() {
            "" => &empty,
            customer => self.by_buyer.get(&(customer, &line.code, line.price)).unwrap_or(&empty),
        };
        let bought = sales.iter().rev().find(|sale| {
            let sale = &self.sales[**sale];
            sale.filled - sale.returned >= units
        });
        let refused = sales.iter().rev().find(|sale| {
            let sale = &self.sales[**sale];
            self.lines[sale.line].quantity - sale.filled - sale.returned_unfilled >= units
        });
        match (bought.copied(), refused.copied()) {
            (Some(sale), _) => self.sales[sale].returned += units,
            (None, Some(sale)) => {
                self.sales[sale].returned_unfilled += units;
                *self.expected.skipped.entry("sale_refused").or_default() += 1;
                return;
            }
            (None, None) => self.expected.returns_unlinked += 1,
        }
        self.restock(&line.code, units);
        self.whole("returned", number);
    }

    fn write_off(&mut self, number: usize) {
        let units = -self.lines[number].quantity;
        let free = self.free.entry(&self.lines[number].code).or_default();
        if *free < units {
            *self.expected.skipped.entry("below_commitments").or_default() += 1;
            return;
        }
        *free -= units;
        self.whole("written_off", number);
    }
}

/// What a replay of this text must report. `scarce` is a percentage; none is ample.
pub fn expect(text: &str, limit: usize, scarce: Option<i128>, short: Short) -> Expected {
    let lines = lines(text, limit);
    let mut invoices: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, line) in lines.iter().enumerate() {
        invoices.entry(&line.invoice).or_default().push(number);
    }
    let mut classes = vec![""; lines.len()];
    for numbers in invoices.values() {
        let rows: Vec<&Line> = numbers.iter().map(|number| &lines[*number]).collect();
        numbers.iter().for_each(|number| classes[*number] = class(&lines[*number], &rows));
    }
    let (mut sold, mut gone) = (BTreeMap::<&str, i128>::new(), BTreeMap::<&str, i128>::new());
    for (line, class) in lines.iter().zip(&classes) {
        match *class {
            "sold" => *sold.entry(&line.code).or_default() += line.quantity,
            "written_off" => *gone.entry(&line.code).or_default() -= line.quantity,
            _ => {}
        }
    }
    let mut free = sold;
    match scarce {
        Some(percent) => free.values_mut().for_each(|units| *units = *units * percent / 100),
        None => gone.into_iter().for_each(|(code, units)| *free.entry(code).or_default() += units),
    }
    let expected = Expected { rows: lines.len() as u64, ..Expected::default() };
    let (queues, sales, by_buyer) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    let mut shop = Shop { lines: &lines, short, free, queues, sales, by_buyer, expected };
    for (number, line) in lines.iter().enumerate() {
        let invoice = &invoices[line.invoice.as_str()];
        let of = |wanted: &str| invoice.iter().copied().filter(|row| classes[*row] == wanted).collect::<Vec<usize>>();
        let goods = of("sold");
        if invoice[0] == number && !goods.is_empty() {
            let taken = shop.order(&goods);
            *(if taken { &mut shop.expected.accepted } else { &mut shop.expected.rejected }) += 1;
            let class = if taken { "service_charged" } else { "refused" };
            of("service_charged").into_iter().for_each(|row| shop.whole(class, row));
            let class = if taken { "service_credited" } else { "refused" };
            of("service_credited").into_iter().for_each(|row| shop.whole(class, row));
        }
        match classes[number] {
            "returned" => shop.take_back(number),
            "written_off" => shop.write_off(number),
            "found" => {
                shop.restock(&line.code, line.quantity);
                shop.whole("found", number);
            }
            "service_charged" | "service_credited" if !goods.is_empty() => {}
            "sold" => {}
            alone => shop.whole(alone, number),
        }
    }
    for sale in std::mem::take(&mut shop.sales) {
        let Line { quantity, price, .. } = lines[sale.line];
        if sale.filled > 0 {
            shop.add("sold", sale.filled, sale.filled * price);
            shop.expected.units_unfilled += u64::try_from(quantity - sale.filled).expect("units");
        } else {
            shop.add("refused", quantity, quantity * price);
        }
    }
    shop.expected
}
