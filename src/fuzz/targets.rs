//! Who reads bytes from outside.

use std::sync::Arc;

use stockade_domain::Timestamp;
use stockade_domain::entity::{EntityKind, Event};
use stockade_storage::disk::{Disk, SimulatedDisk};
use stockade_storage::journal::{Journal, JournalOptions, open_journal};
use stockade_storage::record::{RecordHead, encode_record, next_record, parse_record};
use stockade_sync::{Group, GroupBuffer};

use crate::chaos::condition::Condition;
use crate::chaos::experiment::Document;
use crate::gateway::{Signer, protocol, read_settlement};
use crate::http::paging;
use crate::promotions::{PromotionFile, promotion_from_json};
use crate::replay::OpeningStock;

/// Somebody who reads.
pub(super) struct Target {
    pub(super) name: &'static str,
    /// How much dearer an input is than that of the cheapest.
    pub(super) cost: u64,
    /// Reads; says whether it was accepted, or what is wrong with how it was.
    pub(super) read: fn(&[u8]) -> Result<bool, String>,
}

pub(super) const TARGETS: &[Target] = &[
    Target { name: "order_body", cost: 1, read: crate::http::fuzz::order_body },
    Target { name: "stock_body", cost: 1, read: crate::http::fuzz::stock_body },
    Target { name: "webhook", cost: 1, read: webhook },
    Target { name: "cursor", cost: 1, read: cursor },
    Target { name: "promotions", cost: 2, read: promotions },
    Target { name: "experiments", cost: 2, read: experiments },
    Target { name: "replay_rows", cost: 2, read: replay_rows },
    Target { name: "match_lines", cost: 2, read: crate::cli::match_lines },
    Target { name: "settlement", cost: 1, read: settlement },
    Target { name: "record", cost: 1, read: record },
    Target { name: "journal", cost: 5, read: journal },
];

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

/// A header, a line feed, a body.
fn webhook(input: &[u8]) -> Result<bool, String> {
    let signer = Signer::new(["whsec_fuzz"]);
    let cut = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (header, body) = (String::from_utf8_lossy(&input[..cut]), input.get(cut + 1..).unwrap_or_default());
    let is_signed = signer.verify(&header, body, NOW).is_ok();
    let own = signer.sign(body, NOW);
    signer.verify(&own, body, NOW).map_err(|error| format!("its own signature is refused: {error}"))?;
    let code = own.split_once("v1=").expect("it signs so").1;
    if is_signed && !header.to_lowercase().contains(code) {
        return Err("a signature that nobody made is believed".into());
    }
    let is_told = protocol::parse_webhook(body).is_ok();
    drop(protocol::parse_outcome(body));
    Ok(is_signed || is_told)
}

/// The name of a list, a line feed, a cursor.
fn cursor(input: &[u8]) -> Result<bool, String> {
    let text = String::from_utf8_lossy(input);
    let (list, cursor) = text.split_once('\n').unwrap_or(("", &text));
    let Ok(place) = paging::place(list, cursor) else { return Ok(false) };
    let again = paging::cursor(list, &place);
    if paging::place(list, &again).as_deref().ok() != Some(&place) {
        return Err("a place is another one when it is wrapped again".into());
    }
    if paging::place(&format!("{list}x"), cursor).is_ok() {
        return Err("a cursor of one list is taken for another's".into());
    }
    Ok(true)
}

fn promotions(input: &[u8]) -> Result<bool, String> {
    let text = String::from_utf8_lossy(input);
    let file = PromotionFile::from_yaml(&text).is_ok_and(|file| file.compile(1).is_ok());
    Ok(promotion_from_json(input).is_ok() | file)
}

/// Files of experiments; what they say of conditions is read again as it is shown.
fn experiments(input: &[u8]) -> Result<bool, String> {
    let Ok(document) = Document::parse(&String::from_utf8_lossy(input)) else { return Ok(false) };
    for condition in document.experiments().into_iter().flat_map(|one| &one.abort) {
        if Condition::parse(&condition.to_string()).as_ref().map(ToString::to_string) != Ok(condition.to_string()) {
            return Err(format!("`{condition}` is another condition when it is read again"));
        }
    }
    Ok(true)
}

fn replay_rows(input: &[u8]) -> Result<bool, String> {
    let mut reading = crate::replay::history::Reading::default();
    let mut rows = 0;
    let read = crate::replay::source::read_csv(input, 200, &mut |fields| {
        rows += 1;
        reading.add(fields);
    });
    let history = reading.finish();
    let steps = history.steps().count();
    drop((history.opening(OpeningStock::Ample), history.list_prices()));
    if rows > 0 && steps == 0 && read.is_ok() {
        return Err(format!("{rows} rows are read, and nothing is to be done"));
    }
    Ok(read.is_ok())
}

fn settlement(input: &[u8]) -> Result<bool, String> {
    Ok(read_settlement(input).is_ok())
}

/// A kind's byte, then events; or a whole record; or several.
fn record(input: &[u8]) -> Result<bool, String> {
    let mut rows = input;
    while !rows.is_empty() && next_record(&mut rows).is_ok() {}
    let mut is_known = false;
    if let Ok((head, events)) = parse_record(input) {
        let kind = EntityKind::from_byte(head.kind);
        is_known = kind.is_some_and(|kind| Event::decode_all(kind, events).is_ok());
        let mut again = Vec::new();
        encode_record(&mut again, &head, events);
        let mut row = &again[..];
        let body =
            next_record(&mut row).map_err(|error| format!("a record that was read is not when written: {error}"))?;
        let (same, same_events) = parse_record(body).map_err(|error| error.to_string())?;
        if (same.kind, same.key, same.time, same_events) != (head.kind, head.key, head.time, events) {
            return Err("a record is another one when it is written again".into());
        }
    }
    if let Some((kind, events)) = input.split_first() {
        let kind = EntityKind::from_byte(*kind);
        is_known |= kind.is_some_and(|kind| Event::decode_all(kind, events).is_ok());
    }
    Ok(is_known)
}

/// Where to damage a journal of twelve records, and with what: a place of four bytes, then the bytes.
fn journal(input: &[u8]) -> Result<bool, String> {
    let options = JournalOptions { segment_bytes: 16 << 10, free_bytes_min: 0, ..JournalOptions::new([7; 16]) };
    let (disk, written) = written_journal(&options)?;
    let Some((place, bytes)) = input.split_first_chunk::<4>() else { return Ok(false) };
    let names = segments(&disk);
    let place = u32::from_le_bytes(*place) as usize;
    let name = &names[place % names.len()];
    let file = disk.open(name).map_err(|error| error.to_string())?;
    let length = file.length().map_err(|error| error.to_string())?;
    // Most of a segment is empty: damage goes where records are.
    let at = (place / names.len()) as u64 % length.min(3_000);
    let bytes = &bytes[..bytes.len().min((length - at) as usize)];
    file.write_at(at, &[bytes]).map_err(|error| error.to_string())?;
    drop(file);
    let Ok(opened) = open_journal(Arc::new(disk), &options) else { return Ok(false) };
    let last = opened.recovered.last_seq;
    let mut read: Vec<Vec<u8>> = Vec::new();
    let whole = opened.reader.read_all(1, last, &mut |_, bytes| read.push(bytes.to_vec()));
    if !written.starts_with(&read) {
        return Err(format!("of {} records {} are read, and they are not what was written", written.len(), read.len()));
    }
    Ok(whole.is_ok() && last == written.len() as u64)
}

fn segments(disk: &SimulatedDisk) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for directory in ["", "journal"] {
        for name in disk.list(directory).unwrap_or_default() {
            let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            if disk.open(&path).is_ok_and(|file| file.length().is_ok_and(|length| length > 0)) {
                names.push(path);
            }
        }
    }
    names.sort();
    names
}

fn written_journal(options: &JournalOptions) -> Result<(SimulatedDisk, Vec<Vec<u8>>), String> {
    let disk = SimulatedDisk::new();
    let mut opened = open_journal(Arc::new(disk.clone()), options).map_err(|error| error.to_string())?;
    drop(opened.upkeep.prepare());
    let (buffer, mut written) = (GroupBuffer::new(1), Vec::new());
    for number in 0..12u8 {
        let head = RecordHead { kind: 1, key: &[b'a' + number], time: NOW.0, note: 0, digests: &[] };
        let mut row = Vec::new();
        encode_record(&mut row, &head, &[number; 30]);
        written.push(next_record(&mut &row[..]).map_err(|error| error.to_string())?.to_vec());
        let _appended = buffer.append(&row, 1).map_err(|error| error.to_string())?;
        let mut group = Group::default();
        buffer.take(&mut group);
        opened.journal.submit(&group, u64::from(number)).map_err(|error| error.to_string())?;
    }
    drop(opened);
    disk.kill();
    Ok((disk, written))
}
