//! A history file as rows: CSV, plain or compressed, or the original spreadsheet.
//!
//! What a file is, its first bytes say; names may lie. Nothing is guessed about a value that does not read: the
//! error names the line and what was expected.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use compact_str::CompactString;
use stockade_domain::Amount;

/// The days from the spreadsheet's epoch to 1970-01-01.
const SPREADSHEET_EPOCH_DAYS: f64 = 25_569.0;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// One row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// InvoiceNo.
    pub invoice: CompactString,
    /// StockCode, as it is written.
    pub stock_code: CompactString,
    /// Description.
    pub description: CompactString,
    /// Quantity, signed.
    pub quantity: i64,
    /// InvoiceDate in unix microseconds; a time without a zone is UTC.
    pub time: i64,
    /// UnitPrice, signed.
    pub price: Amount,
    /// CustomerID; empty for a guest.
    pub customer: CompactString,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be opened or read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A column is missing.
    #[error(
        "the file has no column `{column}`: its first line must name InvoiceNo, StockCode, Quantity, InvoiceDate, UnitPrice, CustomerID"
    )]
    Header {
        /// Which.
        column: &'static str,
    },
    /// A value is not what its column holds.
    #[error("line {line}: {column} `{text}` is not {wanted}")]
    Value {
        /// Counted from 1, the header included.
        line: u64,
        /// Where.
        column: &'static str,
        /// What is there.
        text: String,
        /// What should be.
        wanted: &'static str,
    },
    /// The line as a whole does not read.
    #[error("line {line}: {why}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// Why.
        why: String,
    },
}

/// The columns that are read, each with the names it goes by.
const COLUMNS: [(&str, &[&str]); 7] = [
    ("InvoiceNo", &["Invoice"]),
    ("StockCode", &[]),
    ("Description", &[]),
    ("Quantity", &[]),
    ("InvoiceDate", &[]),
    ("UnitPrice", &["Price"]),
    ("CustomerID", &["Customer ID"]),
];
const DESCRIPTION: usize = 2;

/// Where each of `COLUMNS` is in the file; a history may lack descriptions, nothing else.
struct Header([Option<usize>; 7]);

impl Header {
    fn read<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, SourceError> {
        let names: Vec<&str> = names.map(|name| name.trim_start_matches('\u{feff}').trim()).collect();
        let mut at = [None; 7];
        for (index, (column, aliases)) in COLUMNS.iter().enumerate() {
            let is_it = |name: &&str| name.eq_ignore_ascii_case(column) || aliases.contains(name);
            at[index] = names.iter().position(is_it);
            if at[index].is_none() && index != DESCRIPTION {
                return Err(SourceError::Header { column });
            }
        }
        Ok(Self(at))
    }

    fn fields<'a>(&self, line: u64, value: impl Fn(usize) -> Option<&'a str>) -> Result<Fields, SourceError> {
        let text = |index: usize| self.0[index].and_then(&value).unwrap_or("").trim();
        let wrong = |index: usize, wanted: &'static str| SourceError::Value {
            line,
            column: COLUMNS[index].0,
            text: text(index).chars().take(40).collect(),
            wanted,
        };
        for index in [0, 1] {
            if text(index).is_empty() {
                return Err(wrong(index, "there"));
            }
        }
        Ok(Fields {
            invoice: CompactString::new(text(0)),
            stock_code: CompactString::new(text(1)),
            description: CompactString::new(text(2)),
            quantity: text(3).parse().map_err(|_| wrong(3, "a whole number"))?,
            time: parse_time(text(4)).ok_or_else(|| wrong(4, "a time such as 2010-12-01T08:26:00"))?,
            price: text(5).parse().map_err(|_| wrong(5, "a price with at most four decimals"))?,
            customer: CompactString::new(text(6)),
        })
    }
}

/// The length of a time without a zone, to the second.
const TIME_LENGTH: usize = "2010-12-01T08:26:00".len();

/// `2010-12-01T08:26:00`, with a space for the `T` or with a zone as well, or `12/1/2010 8:26` as the original CSV has
/// it.
fn parse_time(text: &str) -> Option<i64> {
    // First, because a time without a zone is also read from one that has it, and the zone dropped.
    if text.len() > TIME_LENGTH
        && let Ok(time) = text.parse::<jiff::Timestamp>()
    {
        return Some(time.as_microsecond());
    }
    let time: jiff::civil::DateTime = match text.split_once('/') {
        None => text.parse().ok()?,
        Some((month, rest)) => {
            let (day, rest) = rest.split_once('/')?;
            let (year, clock) = rest.split_once(' ')?;
            let (hour, minute) = clock.split_once(':')?;
            let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
            jiff::civil::DateTime::new(year, month, day, hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?
        }
    };
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

/// Reads a file to its end, or to so many rows. `progress` hears bytes read and bytes in all.
pub fn read(
    path: &Path,
    limit: Option<u64>,
    mut progress: impl FnMut(u64, u64),
    mut each: impl FnMut(&Fields),
) -> Result<(), SourceError> {
    let unreadable = |error: io::Error| SourceError::Unreadable { path: path.to_owned(), why: error.to_string() };
    let mut file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let mut magic = [0; 4];
    let known = read_up_to(&mut file, &mut magic).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let limit = limit.unwrap_or(u64::MAX);
    if magic == *b"PK\x03\x04" {
        return read_spreadsheet(path, file, limit, &mut each);
    }
    let counted = Counted { file, read: Arc::default() };
    let done = Arc::clone(&counted.read);
    let file = BufReader::with_capacity(256 << 10, counted);
    let text: Box<dyn Read> = match &magic[..known] {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::with_buffer(file).map_err(unreadable)?),
        _ => Box::new(file),
    };
    let mut told = 0;
    read_csv(text, limit, &mut |row| {
        each(row);
        let done = done.load(Ordering::Relaxed);
        if done != told {
            told = done;
            progress(done, bytes);
        }
    })
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            more => filled += more,
        }
    }
    Ok(filled)
}

/// Counts compressed bytes, which is what the length of the file is about.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

pub(crate) fn read_csv(text: impl Read, limit: u64, each: &mut impl FnMut(&Fields)) -> Result<(), SourceError> {
    let mut records = Records::of(text);
    let mut header: Option<(Header, usize)> = None;
    let mut rows = 0;
    while (header.is_none() || rows < limit) && records.next()? {
        let (line, record) = (records.line, &records.record);
        match &header {
            None => header = Some((Header::read(record.iter())?, record.len())),
            Some((_, width)) if *width != record.len() => {
                let why = format!("{} fields where the header has {width}", record.len());
                return Err(SourceError::Line { line, why });
            }
            Some((header, _)) => {
                each(&header.fields(line, |column| record.get(column))?);
                rows += 1;
            }
        }
    }
    if header.is_none() {
        return Err(SourceError::Header { column: COLUMNS[0].0 });
    }
    Ok(())
}

/// The most bytes of one record. A quote that is never closed, in a file that unpacks to gigabytes, must not fill memory.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// A text that ends with an error when a record does not end in time.
struct Bounded<R> {
    text: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            let why = format!("a record is longer than {RECORD_BYTES_MAX} bytes: is a quote not closed?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let read = self.text.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(read));
        Ok(read)
    }
}

/// Records that are not blank, each with the line on which it begins.
struct Records<R> {
    reader: csv::Reader<Bounded<io::Chain<R, &'static [u8]>>>,
    /// Bytes that may still come before the record at hand must have ended.
    left: Rc<Cell<usize>>,
    record: csv::StringRecord,
    line: u64,
}

impl<R: Read> Records<R> {
    /// Only `\n` ends a line, and the text ends with one, so that lines can be counted; a `\r` before it goes when
    /// fields are trimmed.
    fn of(text: R) -> Self {
        let left = Rc::new(Cell::new(RECORD_BYTES_MAX));
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(Bounded { text: text.chain(&b"\n"[..]), left: Rc::clone(&left) });
        Self { reader, left, record: csv::StringRecord::new(), line: 0 }
    }

    /// Reads the next record; false at the end.
    fn next(&mut self) -> Result<bool, SourceError> {
        loop {
            let before = self.reader.position().line();
            self.left.set(RECORD_BYTES_MAX);
            match self.reader.read_record(&mut self.record) {
                Ok(false) => return Ok(false),
                Ok(true) => {}
                Err(error) => return Err(self.wrong(&error, before)),
            }
            // Before the record stand the blank lines in front of it; after it, only its own lines do. A quote that is
            // never closed ends without a terminator, and only `before` is right about it.
            let inside: usize = self.record.iter().map(|field| field.matches('\n').count()).sum();
            self.line = self.reader.position().line().saturating_sub(1 + inside as u64).max(before);
            if self.record.iter().any(|field| !field.trim().is_empty()) {
                return Ok(true);
            }
        }
    }

    fn wrong(&self, error: &csv::Error, before: u64) -> SourceError {
        match error.kind() {
            csv::ErrorKind::Utf8 { .. } => {
                let line = self.reader.position().line().saturating_sub(1).max(before);
                SourceError::Line { line, why: "the text is not UTF-8".into() }
            }
            _ => SourceError::Line { line: before, why: error.to_string() },
        }
    }
}

/// The first sheet, cell by cell: a sheet as a whole would need several times the memory of the history.
fn read_spreadsheet(path: &Path, file: File, limit: u64, each: &mut impl FnMut(&Fields)) -> Result<(), SourceError> {
    use calamine::Reader;
    let unreadable =
        |error: calamine::XlsxError| SourceError::Unreadable { path: path.to_owned(), why: error.to_string() };
    let mut workbook = calamine::Xlsx::new(BufReader::new(file)).map_err(unreadable)?;
    let sheet = workbook.sheet_names().first().cloned().unwrap_or_default();
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(unreadable)?;
    let mut sink = Sheet { header: None, rows: 0, values: Vec::new() };
    let mut row = 0;
    while let Some(cell) = cells.next_cell().map_err(unreadable)? {
        let (at, column) = cell.get_position();
        if at != row {
            sink.end_row(u64::from(row) + 1, each)?;
            row = at;
        }
        if sink.rows == limit {
            return Ok(());
        }
        let column = column as usize;
        if column < 64 {
            sink.values.resize(sink.values.len().max(column + 1), String::new());
            sink.values[column] = cell_text(cell.get_value());
        }
    }
    sink.end_row(u64::from(row) + 1, each)?;
    sink.header.map(|_| ()).ok_or(SourceError::Header { column: COLUMNS[0].0 })
}

/// A spreadsheet's row while its cells come in.
struct Sheet {
    header: Option<Header>,
    rows: u64,
    values: Vec<String>,
}

impl Sheet {
    fn end_row(&mut self, line: u64, each: &mut impl FnMut(&Fields)) -> Result<(), SourceError> {
        let values = std::mem::take(&mut self.values);
        if values.iter().all(String::is_empty) {
            return Ok(());
        }
        match &self.header {
            None => self.header = Some(Header::read(values.iter().map(String::as_str))?),
            Some(header) => {
                each(&header.fields(line, |column| values.get(column).map(String::as_str))?);
                self.rows += 1;
            }
        }
        Ok(())
    }
}

/// A cell as the text that a CSV would have in its place.
fn cell_text(value: &calamine::DataRef<'_>) -> String {
    use calamine::DataRef;
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => decimal_of(*number),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(truth) => truth.to_string(),
        DataRef::DateTime(time) => time_of(time.as_f64()),
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

/// A double as the decimal of at most four places that it stands for; any other is left as it is, to be refused.
fn decimal_of(number: f64) -> String {
    let scaled = (number * 10_000.0).round();
    if scaled.abs() < 9.0e15 && (scaled / 10_000.0 - number).abs() <= number.abs() * 1e-12 {
        let amount = Amount(scaled as i64);
        return if amount.0 % 10_000 == 0 { (amount.0 / 10_000).to_string() } else { amount.to_string() };
    }
    number.to_string()
}

/// Days since the spreadsheet's epoch as a time, to the second, which is more exact than the file.
fn time_of(days: f64) -> String {
    let seconds = ((days - SPREADSHEET_EPOCH_DAYS) * 86_400.0).round();
    let time = jiff::Timestamp::from_microsecond((seconds as i64).saturating_mul(MICROS_PER_SECOND));
    time.map_or_else(|_| days.to_string(), |time| time.to_zoned(jiff::tz::TimeZone::UTC).datetime().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

    fn rows(bytes: &[u8], limit: Option<u64>) -> Result<Vec<Fields>, SourceError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut rows = Vec::new();
        read(file.path(), limit, |_, _| {}, |row| rows.push(row.clone()))?;
        Ok(rows)
    }

    #[test]
    fn a_record_that_does_not_end_is_refused_before_it_fills_memory() {
        let mut text = format!("{HEADER}1,A,\"");
        text.push_str(&"x".repeat(3 * RECORD_BYTES_MAX));
        let error = rows(text.as_bytes(), None).unwrap_err();
        assert!(error.to_string().contains("is a quote not closed?"), "{error}");
    }

    fn csv() -> String {
        format!(
            "{HEADER}1,85123a,\"A, \"\"B\"\"\nC\",-6,2010-12-01T08:26:00,0.001,17850,UK\n2,x,,1,12/1/2010 8:26,-2.5,,UK\n"
        )
    }

    trait Lines {
        fn join_lines_with_cr(self) -> Vec<u8>;
    }

    impl Lines for Vec<u8> {
        fn join_lines_with_cr(self) -> Vec<u8> {
            String::from_utf8(self).unwrap().replace('\n', "\r\n").into_bytes()
        }
    }

    #[test]
    fn a_time_is_utc_unless_it_names_its_zone() {
        for text in ["2010-12-01T08:26:00", "2010-12-01 08:26", "2010-12-01T08:26:00Z", "2010-12-01T09:26:00+01:00"] {
            assert_eq!(parse_time(text), Some(1_291_191_960_000_000), "{text}");
        }
    }

    #[test]
    fn a_file_reads_the_same_plain_and_compressed() {
        let plain = rows(csv().as_bytes(), None).unwrap();
        assert_eq!(plain.len(), 2);
        assert_eq!((plain[0].quantity, plain[0].price, plain[0].time), (-6, Amount(10), 1_291_191_960_000_000));
        assert_eq!(plain[0].description, "A, \"B\"\nC");
        assert_eq!((plain[1].price, plain[1].customer.as_str()), (Amount(-25_000), ""));
        assert_eq!(plain[1].time, plain[0].time);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut gzip, csv().as_bytes()).unwrap();
        assert_eq!(rows(&gzip.finish().unwrap(), None).unwrap(), plain);
        assert_eq!(rows(&zstd::encode_all(csv().as_bytes(), 1).unwrap(), None).unwrap(), plain);
    }

    #[test]
    fn a_limit_counts_rows_and_not_the_header() {
        assert_eq!(rows(csv().as_bytes(), Some(1)).unwrap().len(), 1);
        assert_eq!(rows(csv().as_bytes(), Some(0)).unwrap().len(), 0);
    }

    #[test]
    fn whatever_does_not_read_is_named_with_its_line() {
        let with = |row: &str| format!("{HEADER}1,a,,1,2010-12-01T08:26:00,1,,UK\n{row}\n").into_bytes();
        for (bytes, part) in [
            (Vec::new(), "no column `InvoiceNo`"),
            (b"a,b\n".to_vec(), "no column `InvoiceNo`"),
            (b"InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID\n".to_vec(), "no column `UnitPrice`"),
            (with("2,a,,x,2010-12-01T08:26:00,1,,UK"), "line 3: Quantity `x`"),
            (with("2,a,,1.5,2010-12-01T08:26:00,1,,UK"), "line 3: Quantity `1.5`"),
            (with("2,a,,1,yesterday,1,,UK"), "line 3: InvoiceDate `yesterday`"),
            (with("2,a,,1,2010-12-01T08:26:00,1.23456,,UK"), "line 3: UnitPrice `1.23456`"),
            (with(",a,,1,2010-12-01T08:26:00,1,,UK"), "line 3: InvoiceNo ``"),
            (with("2,a,,1"), "line 3: 4 fields"),
            (with("\n \n2,a,,x,2010-12-01T08:26:00,1,,UK"), "line 5: Quantity `x`"),
            (
                with("2,a,\"b\nc\",1,2010-12-01T08:26:00,1,,UK\n3,a,,x,2010-12-01T08:26:00,1,,UK"),
                "line 5: Quantity `x`",
            ),
            (with("2,a,,x,2010-12-01T08:26:00,1,,UK").join_lines_with_cr(), "line 3: Quantity `x`"),
            (with("2,a,\"never closed,1,2010-12-01T08:26:00,1,,UK\n"), "line 3: 3 fields"),
        ] {
            let error = rows(&bytes, None).unwrap_err().to_string();
            assert!(error.contains(part), "{error} does not say {part}");
        }
        let mut latin = with("2,a,caf");
        latin.extend_from_slice(b"\xe9,1,2010-12-01T08:26:00,1,,UK\n");
        let error = rows(&latin, None).unwrap_err().to_string();
        assert!(error.contains("line"), "{error}");
        assert!(rows(b"\x28\xb5\x2f\xfdgarbage", None).is_err());
        assert!(rows(b"PK\x03\x04garbage", None).is_err());
    }

    #[test]
    fn numbers_and_days_of_a_spreadsheet_are_the_decimals_and_times_they_stand_for() {
        for (number, text) in [(536_365.0, "536365"), (2.55, "2.55"), (0.001, "0.001"), (-11_062.06, "-11062.06")] {
            assert_eq!(decimal_of(number), text);
        }
        assert!(decimal_of(0.000_001).parse::<Amount>().is_err());
        assert_eq!(time_of(40_513.351_388_888_9), "2010-12-01T08:26:00");
    }
}
