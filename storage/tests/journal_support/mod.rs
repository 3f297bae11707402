//! What the journal's tests share: records, groups, and a journal that is opened again and again.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;

use stockade_storage::disk::Disk;
use stockade_storage::journal::{
    ArchiveStep, Journal, JournalError, JournalOptions, JournalReader, OpenError, Opened, ReadError, Upkeep,
    open_journal,
};
use stockade_storage::record::{KIND_ORDER, KIND_SKU, RecordHead, encode_record};
use stockade_sync::Group;

pub const JOURNAL_ID: [u8; 16] = *b"a journal's id !";

/// Options with small segments.
pub fn options(segment_bytes: u64) -> JournalOptions {
    JournalOptions { segment_bytes, free_bytes_min: 0, ..JournalOptions::new(JOURNAL_ID) }
}

pub fn open(disk: &(impl Disk + Clone + 'static), segment_bytes: u64) -> Result<Opened, OpenError> {
    open_journal(Arc::new(disk.clone()), &options(segment_bytes))
}

/// The id of the order that the record with this sequence is about: every order has three records.
pub fn order_of(seq: u64) -> [u8; 16] {
    u128::from(seq / 6).to_be_bytes()
}

/// The idempotency key that the record binds, if it binds one.
pub fn digest_of(seq: u64) -> Option<[u8; 16]> {
    seq.is_multiple_of(6).then(|| u128::from(seq).to_le_bytes())
}

/// The record with this sequence, length first: the same whenever it is made. Even ones are orders', odd ones SKUs'.
pub fn record(seq: u64) -> Vec<u8> {
    let order = order_of(seq);
    let digest = digest_of(seq);
    let (kind, key) = if seq.is_multiple_of(2) { (KIND_ORDER, &order[..]) } else { (KIND_SKU, &b"MUG"[..]) };
    let head = RecordHead { kind, key, time: seq as i64 * 1_000, note: seq as u8, digests: digest.as_slice() };
    let mut bytes = Vec::new();
    encode_record(&mut bytes, &head, &vec![seq as u8 | 1; (seq * 7 % 23) as usize]);
    bytes
}

/// The body of the record with this sequence.
pub fn body(seq: u64) -> Vec<u8> {
    let bytes = record(seq);
    assert!(bytes[0] < 0x80, "these records are short");
    bytes[1..].to_vec()
}

/// The group of so many records from this sequence on.
pub fn group(first: u64, records: u32) -> Group {
    Group { first, records, bytes: (first..first + u64::from(records)).flat_map(record).collect() }
}

/// Submits the next group of this size.
pub fn submit_next(journal: &mut dyn Journal, records: u32) -> Result<u64, JournalError> {
    let last = journal.durable_to();
    journal.submit(&group(last + 1, records), last)?;
    Ok(journal.durable_to())
}

/// How many records each of the groups has that tests write.
pub fn group_size(turn: u64) -> u32 {
    1 + (turn * turn % 5) as u32
}

/// Reads everything, and checks that it is what was written; says how many records there are.
pub fn check_records(reader: &JournalReader) -> u64 {
    let mut next = 1;
    while next <= reader.durable_to() {
        let before = next;
        next = reader
            .read_from(next, 100, &mut |seq, bytes| {
                assert_eq!(bytes, body(seq), "record {seq}");
            })
            .unwrap();
        assert!(next > before);
    }
    next - 1
}

/// Archives one segment below a sequence, however old; says up to which record it goes.
pub fn archive_next(upkeep: &Upkeep, below: u64) -> Result<Option<u64>, ReadError> {
    loop {
        match upkeep.archive_step(below, i64::MAX)? {
            ArchiveStep::Nothing => return Ok(None),
            ArchiveStep::More => {}
            ArchiveStep::Archived(last) => return Ok(Some(last)),
        }
    }
}
