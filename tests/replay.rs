//! Real order history through the engine, against an independent reading of the same file.

#[path = "support/independent_retail.rs"]
mod independent_retail;

use std::path::Path;

use independent_retail::{Expected, Short, expect};
use stockade::replay::{self, OnShort, OpeningStock, Options, ReplayError, Speed, Sum, Tally};

const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

/// Rows as `invoice code quantity price customer`, a minute apart.
fn csv(rows: &[(&str, &str, i64, &str, &str)]) -> String {
    let row = |(n, (invoice, code, quantity, price, customer)): (usize, &(&str, &str, i64, &str, &str))| {
        format!("{invoice},{code},\"THING, {code}\",{quantity},2011-01-04T10:{:02}:00,{price},{customer},UK\n", n % 60)
    };
    HEADER.to_owned() + &rows.iter().enumerate().map(row).collect::<String>()
}

fn options(dir: &Path, scarce: Option<u32>, short: Short) -> Options {
    Options {
        dir: dir.to_owned(),
        stock: scarce.map_or(OpeningStock::Ample, OpeningStock::Scarce),
        on_short: match short {
            Short::Refuse => OnShort::Refuse,
            Short::Partial => OnShort::Partial,
            Short::Backorder => OnShort::Backorder,
        },
        speed: Speed::Max,
        limit: None,
    }
}

/// What a tally says, in the shape of the independent reading.
fn as_expected(tally: &Tally) -> Expected {
    let sums = [
        ("sold", tally.sold),
        ("returned", tally.returned),
        ("written_off", tally.written_off),
        ("found", tally.found),
        ("service_charged", tally.service_charged),
        ("service_credited", tally.service_credited),
        ("bad_debt", tally.bad_debt),
        ("refused", tally.refused),
    ];
    let sums = sums.into_iter().filter(|(_, sum)| sum.rows > 0);
    let reason = |reason: &str| match reason {
        "sale_refused" => "sale_refused",
        "below_commitments" => "below_commitments",
        other => panic!("the independent reading skips nothing for {other}"),
    };
    Expected {
        rows: tally.rows,
        sums: sums.map(|(name, Sum { rows, units, money })| (name, (rows, units, money))).collect(),
        accepted: tally.orders.accepted,
        rejected: tally.orders.rejected.values().sum(),
        skipped: tally.skipped.iter().map(|(name, rows)| (reason(name), *rows)).collect(),
        units_unfilled: tally.units_unfilled,
        returns_unlinked: tally.returns_unlinked,
    }
}

/// Replays the text and holds it against the independent reading, and the journal against the auditor.
fn replayed(text: &str, scarce: Option<u32>, short: Short) -> Tally {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("history.csv");
    std::fs::write(&file, text).unwrap();
    let dir = place.path().join("data");
    let tally = replay::run(&file, &options(&dir, scarce, short), |_| {}).unwrap();
    assert_eq!(as_expected(&tally), expect(text, usize::MAX, scarce.map(i128::from), short));
    assert_eq!((tally.oversold, tally.stock_mismatches), (0, 0));
    let report = stockade::audit::audit(&dir, |_, _| {}).unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    tally
}

/// A history with one of everything, and every kind of dirt.
fn everything() -> String {
    csv(&[
        ("1", "85123A", 6, "2.55", "17850"),
        ("1", "85123a", 6, "2.55", "17850"),
        ("1", "POST", 1, "18.00", "17850"),
        ("2", "85123A", 4, "2.95", ""),
        ("2", "BANK CHARGES", 1, "0.001", ""),
        ("3", "71053", 100, "0.001", "12345"),
        ("4", "71053", -7, "0", ""),
        ("5", "71053", 9, "0", ""),
        ("1", "22752", 2, "7.65", "17850"),
        ("C6", "85123A", -5, "2.55", "17850"),
        ("C6", "85123A", -6, "2.55", "17850"),
        ("C6", "85123A", -6, "2.55", "17850"),
        ("C7", "22752", -1, "7.65", ""),
        ("C8", "D", -1, "27.50", "14527"),
        ("9", "M", 2, "3.50", ""),
        ("A10", "B", 1, "-11062.06", ""),
        ("11", "22752", 3, "0", "17850"),
        ("12", "22752", 30, "7.65", "17850"),
        ("13", "85123A", 10, "2.55", "17850"),
        ("C14", "22752", -30, "7.65", "17850"),
        ("15", "22752", 1, "7.65", "17850"),
    ])
}

#[test]
fn with_ample_stock_every_row_is_treated_as_the_table_says() {
    let tally = replayed(&everything(), None, Short::Refuse);
    assert_eq!(tally.orders.accepted, tally.orders.placed);
    assert_eq!((tally.returned.rows, tally.returns_unlinked), (5, 2));
    assert_eq!(tally.sold.money, 306_000 + 118_000 + 1_000 + 153_000 + 2_295_000 + 255_000 + 76_500);
    assert_eq!(tally.service_charged.money, 180_000 + 10 + 70_000);
    assert_eq!((tally.bad_debt.rows, tally.bad_debt.money), (1, -110_620_600));
}

#[test]
fn with_scarce_stock_an_order_is_refused_whole() {
    let tally = replayed(&everything(), Some(50), Short::Refuse);
    assert!(tally.orders.rejected["stock_exhausted"] > 0, "{tally:?}");
    assert!(tally.skipped["sale_refused"] > 0, "{tally:?}");
    assert_eq!(tally.units_unfilled, 0);
}

#[test]
fn with_scarce_stock_a_partial_order_fills_its_rows_in_order() {
    let tally = replayed(&everything(), Some(50), Short::Partial);
    assert!(tally.units_unfilled > 0, "{tally:?}");
}

#[test]
fn with_scarce_stock_backorders_are_filled_by_what_comes_back_first_come_first() {
    let tally = replayed(&everything(), Some(50), Short::Backorder);
    assert!(tally.orders.rejected.is_empty(), "{tally:?}");
    assert!(tally.units_unfilled > 0 && tally.returned.rows > 0, "{tally:?}");
}

#[test]
fn with_no_stock_at_all_nothing_is_sold_but_what_comes_in() {
    let text =
        csv(&[("1", "a", 2, "1", "7"), ("2", "a", 5, "0", ""), ("3", "a", 4, "1", "7"), ("4", "a", -1, "0", "")]);
    let tally = replayed(&text, Some(0), Short::Refuse);
    assert_eq!((tally.sold.units, tally.refused.units, tally.written_off.units), (4, 2, 1));
    let tally = replayed(&text, Some(0), Short::Backorder);
    assert_eq!((tally.sold.units, tally.units_unfilled, tally.skipped["below_commitments"]), (5, 1, 1));
}

#[test]
fn service_rows_of_a_refused_order_are_refused_with_it_whatever_their_sign() {
    let text = csv(&[("1", "a", 5, "2", "7"), ("1", "D", -1, "3", "7"), ("1", "POST", 1, "4", "7")]);
    let tally = replayed(&text, Some(0), Short::Refuse);
    assert_eq!((tally.refused.rows, tally.refused.money), (3, 100_000 - 30_000 + 40_000));
    let tally = replayed(&text, None, Short::Refuse);
    assert_eq!((tally.service_credited.rows, tally.service_charged.rows, tally.sold.rows), (1, 1, 1));
}

#[test]
fn numbers_beyond_all_measure_cost_their_rows_and_nothing_else() {
    const MOST: i64 = i64::MAX;
    let text = csv(&[
        ("1", "a", MOST, "2", "7"),
        ("2", "a", MOST, "2", "7"),
        ("3", "a", MOST, "2", "7"),
        ("4", "a", 1, "2", "7"),
        ("4", "M", MOST, "900000000000000", "7"),
        ("C5", "a", -MOST, "2", "7"),
        ("C6", "a", -1000000000, "900000000000000", "7"),
        ("C7", "no/sku", -1, "2", "7"),
        ("8", "a", -MOST, "0", ""),
        ("9", "a", 1, "2", "7"),
    ]);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("history.csv");
    std::fs::write(&file, &text).unwrap();
    let dir = place.path().join("data");
    let tally = replay::run(&file, &options(&dir, None, Short::Refuse), |_| {}).unwrap();
    assert_eq!((tally.rows_treated(), tally.rows), (10, 10));
    assert_eq!((tally.sold.rows, tally.refused.rows), (1, 5));
    assert_eq!((tally.refused.units, tally.skipped.values().sum::<u64>()), (u64::MAX, 4), "{:?}", tally.skipped);
    assert_eq!((tally.oversold, tally.stock_mismatches), (0, 0));
    let report = stockade::audit::audit(&dir, |_, _| {}).unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
}

/// A history drawn at random: few SKUs, customers and prices, so that rows meet.
fn drawn(seed: u64, rows: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = move |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let row = |n: u64| {
        let code = ["a", "B", "c-1", "POST"][below(4) as usize];
        let price = ["2.55", "0.001", "0", "1.5"][below(4) as usize];
        let customer = ["", "7", "8"][below(3) as usize];
        let units = below(9) as i64 + 1;
        let number = n / 3 + below(3);
        let (invoice, quantity) = match below(8) {
            0 | 1 => (format!("C{number}"), -units),
            2 => (format!("W{number}"), -units),
            _ => (format!("{number}"), units),
        };
        format!("{invoice},{code},,{quantity},2011-01-04T10:00:00,{price},{customer},UK\n")
    };
    HEADER.to_owned() + &(0..rows as u64).map(row).collect::<String>()
}

#[test]
fn histories_drawn_at_random_add_up_whatever_is_short() {
    for seed in 1..=4 {
        let text = drawn(seed, 400);
        replayed(&text, None, Short::Refuse);
        for short in [Short::Refuse, Short::Partial, Short::Backorder] {
            replayed(&text, Some(60), short);
        }
    }
}

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("history.csv");
    std::fs::write(&file, everything()).unwrap();
    let error = replay::run(&file, &options(place.path(), None, Short::Refuse), |_| {}).unwrap_err();
    assert!(matches!(error, ReplayError::DirectoryNotEmpty(_)), "{error}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_does_not_read_makes_no_directory() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("history.csv");
    std::fs::write(&file, HEADER.to_owned() + "1,a,,x,2011-01-04T10:00:00,1,,UK\n").unwrap();
    let dir = place.path().join("data");
    let error = replay::run(&file, &options(&dir, None, Short::Refuse), |_| {}).unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
    assert!(!dir.exists());
}

#[test]
#[ignore = "needs ../shared/data; run by .ci/run"]
fn the_whole_file_adds_up_under_every_policy() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/online_retail_to_2011-09.csv.zst");
    let text = zstd::decode_all(std::fs::File::open(&file).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let runs =
        [(None, Short::Refuse), (Some(70), Short::Refuse), (Some(70), Short::Partial), (Some(70), Short::Backorder)];
    for (scarce, short) in runs {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("data");
        let tally = replay::run(&file, &options(&dir, scarce, short), |_| {}).unwrap();
        assert_eq!(as_expected(&tally), expect(&text, usize::MAX, scarce.map(i128::from), short));
        assert_eq!((tally.oversold, tally.stock_mismatches), (0, 0));
        let report = stockade::audit::audit(&dir, |_, _| {}).unwrap();
        assert!(report.faults.is_empty(), "{:?}", &report.faults[..report.faults.len().min(10)]);
    }
}
