//! A history in a real workbook says what the same history says as CSV.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use stockade::replay::{self, OnShort, OpeningStock, Options, ReplayError, Speed, Tally};
use zip::write::SimpleFileOptions;

const HEADER: [&str; 8] =
    ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"];
/// 4 January 2011 in days since the epoch of spreadsheets.
const DAY: f64 = 40_547.0;

/// Invoice, code, quantity, price, customer; a minute apart, from ten in the morning.
type Row = (&'static str, &'static str, i64, &'static str, &'static str);

const ROWS: [Row; 8] = [
    ("536365", "85123A", 6, "2.55", "17850"),
    ("536365", "71053", 6, "3.39", "17850"),
    ("536366", "22752", 2, "7.65", ""),
    ("C536367", "85123A", -1, "2.55", "17850"),
    ("536368", "POST", 1, "18.00", "12583"),
    ("536369", "71053", 100, "0.001", "12583"),
    ("A536370", "B", 1, "-11062.06", ""),
    ("536371", "22752", 1, "0", ""),
];

fn csv() -> String {
    let row = |(n, (invoice, code, quantity, price, customer)): (usize, &Row)| {
        format!(
            "{invoice},{code},\"MUG & \"\"CUP\"\" <{code}>\",{quantity},2011-01-04T10:{n:02}:00,{price},{customer},UK\n"
        )
    };
    HEADER.join(",") + "\n" + &ROWS.iter().enumerate().map(row).collect::<String>()
}

/// A cell as spreadsheets write it: what is a number is one, what is text is in the table of texts.
fn cell(sheet: &mut String, texts: &mut Vec<String>, at: (usize, usize), value: &str) {
    let name = format!("{}{}", char::from(b'A' + at.1 as u8), at.0 + 1);
    if value.is_empty() {
        return;
    }
    if value.parse::<f64>().is_ok() {
        let _ = write!(sheet, r#"<c r="{name}"><v>{value}</v></c>"#);
        return;
    }
    let index = texts.iter().position(|text| text == value).unwrap_or(texts.len());
    if index == texts.len() {
        texts.push(value.to_owned());
    }
    let _ = write!(sheet, r#"<c r="{name}" t="s"><v>{index}</v></c>"#);
}

/// The sheet and the table of its texts.
fn sheet() -> (String, String) {
    let (mut cells, mut texts) = (String::from("<row r=\"1\">"), Vec::new());
    HEADER.iter().enumerate().for_each(|(column, name)| cell(&mut cells, &mut texts, (0, column), name));
    cells.push_str("</row>");
    for (n, (invoice, code, quantity, price, customer)) in ROWS.iter().enumerate() {
        let row = n + 1;
        let _ = write!(cells, r#"<row r="{}">"#, row + 1);
        let quantity = quantity.to_string();
        let description = format!("MUG & \"CUP\" <{code}>");
        for (column, value) in [(0, *invoice), (1, code), (2, &description), (3, &quantity)] {
            cell(&mut cells, &mut texts, (row, column), value);
        }
        let time = DAY + (600.0 + n as f64) / 1_440.0;
        let _ = write!(cells, r#"<c r="E{}" s="1"><v>{time}</v></c>"#, row + 1);
        for (column, value) in [(5, *price), (6, customer), (7, "UK")] {
            cell(&mut cells, &mut texts, (row, column), value);
        }
        cells.push_str("</row>");
    }
    let escaped = |text: &String| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!("<si><t>{text}</t></si>")
    };
    let texts: String = texts.iter().map(escaped).collect();
    let main = r#"xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main""#;
    (format!("<worksheet {main}><sheetData>{cells}</sheetData></worksheet>"), format!("<sst {main}>{texts}</sst>"))
}

/// Writes the smallest workbook that spreadsheet programs open.
fn write_workbook(path: &Path) {
    const MAIN: &str = r#"xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main""#;
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
    const SHEETML: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";
    let (sheet, texts) = sheet();
    let relationships = |rows: &[(&str, &str)]| {
        let row = |(n, (kind, target)): (usize, &(&str, &str))| {
            format!(r#"<Relationship Id="rId{}" Type="{OFFICE}/{kind}" Target="{target}"/>"#, n + 1)
        };
        let rows: String = rows.iter().enumerate().map(row).collect();
        format!(r#"<Relationships xmlns="{PACKAGE}/relationships">{rows}</Relationships>"#)
    };
    let parts = [
        ("workbook.xml", "sheet.main"),
        ("worksheets/sheet1.xml", "worksheet"),
        ("styles.xml", "styles"),
        ("sharedStrings.xml", "sharedStrings"),
    ];
    let part = |(name, kind): &(&str, &str)| {
        format!(r#"<Override PartName="/xl/{name}" ContentType="{SHEETML}.{kind}+xml"/>"#)
    };
    let types: String = parts.iter().map(part).collect();
    let rels = "application/vnd.openxmlformats-package.relationships+xml";
    let files = [
        (
            "[Content_Types].xml",
            format!(
                r#"<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType="{rels}"/>{types}</Types>"#
            ),
        ),
        ("_rels/.rels", relationships(&[("officeDocument", "xl/workbook.xml")])),
        (
            "xl/workbook.xml",
            format!(
                r#"<workbook {MAIN} xmlns:r="{OFFICE}"><sheets><sheet name="Online Retail" sheetId="1" r:id="rId1"/></sheets></workbook>"#
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            relationships(&[
                ("worksheet", "worksheets/sheet1.xml"),
                ("styles", "styles.xml"),
                ("sharedStrings", "sharedStrings.xml"),
            ]),
        ),
        // Style 1 is a date with a time.
        (
            "xl/styles.xml",
            format!(
                r#"<styleSheet {MAIN}><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>"#
            ),
        ),
        ("xl/sharedStrings.xml", texts),
        ("xl/worksheets/sheet1.xml", sheet),
    ];
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, text) in files {
        archive
            .start_file(name, SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored))
            .unwrap();
        archive.write_all(br#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
}

fn replay(file: &Path, dir: &Path) -> Result<Tally, ReplayError> {
    let options = Options {
        dir: dir.to_owned(),
        stock: OpeningStock::Ample,
        on_short: OnShort::Refuse,
        speed: Speed::Max,
        limit: None,
    };
    replay::run(file, &options, |_| {})
}

#[test]
fn a_workbook_is_replayed_like_the_csv_with_the_same_rows() {
    let place = tempfile::tempdir().unwrap();
    let (text, workbook) = (place.path().join("history.csv"), place.path().join("history.xlsx"));
    std::fs::write(&text, csv()).unwrap();
    write_workbook(&workbook);
    let (one, other) = (place.path().join("one"), place.path().join("other"));
    let from_text = replay(&text, &one).unwrap();
    let from_workbook = replay(&workbook, &other).unwrap();
    let shown = |tally: &Tally| {
        let Tally { rows, orders, sold, returned, service_charged, bad_debt, skipped, .. } = tally;
        format!("{rows} {orders:?} {sold:?} {returned:?} {service_charged:?} {bad_debt:?} {skipped:?}")
    };
    assert_eq!(shown(&from_workbook), shown(&from_text));
    assert_eq!((from_workbook.rows, from_workbook.orders.accepted), (ROWS.len() as u64, from_text.orders.accepted));
    assert!(from_workbook.sold.rows >= 4 && from_workbook.returned.rows == 1, "{from_workbook:?}");
    for dir in [one, other] {
        let report = stockade::audit::audit(&dir, |_, _| {}).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}

#[test]
fn a_workbook_that_was_cut_short_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let workbook = place.path().join("history.xlsx");
    write_workbook(&workbook);
    let bytes = std::fs::read(&workbook).unwrap();
    std::fs::write(&workbook, &bytes[..bytes.len() / 2]).unwrap();
    let error = replay(&workbook, &place.path().join("data")).unwrap_err();
    assert!(error.to_string().contains("history.xlsx"), "{error}");
}
