//! The record: what one actor did in one turn, as the journal keeps it.
//!
//! The journal looks at nothing but the head; the events behind it belong to whoever wrote them.
//!
//! ```text
//! length of the body   varint
//! body:  kind          u8      0 system, 1 SKU, 2 order, 3 payment, 4 account, 5 ledger
//!        note          u8      what projections need to know without reading the events
//!        key           varint length, bytes
//!        time          i64     engine time in unix microseconds, little endian
//!        digests       varint length (16 for each), bytes: the idempotency keys that the record binds
//!        events        the rest
//! ```
//!
//! Sequences are not written: a record's place says which one it has.

use thiserror::Error;

/// Sequence of a record. The first record is 1; 0 is "nothing".
pub type Seq = u64;

/// A digest of an idempotency key together with its scope.
pub type KeyDigest = [u8; 16];

/// Kind of the records that the engine writes about itself, such as manifests of derived data. Their key is empty.
pub const KIND_SYSTEM: u8 = 0;
/// Kind of the records of SKUs; the key is the SKU's name.
pub const KIND_SKU: u8 = 1;
/// Kind of the records of orders; the key is the order's id, 16 bytes.
pub const KIND_ORDER: u8 = 2;
/// Kind of the records of payments; the key is the payment's id, 16 bytes.
pub const KIND_PAYMENT: u8 = 3;
/// Kind of the records of accounts; the key is the customer's name.
pub const KIND_ACCOUNT: u8 = 4;
/// Kind of the records of the ledger.
pub const KIND_LEDGER: u8 = 5;

/// What stands before the events of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHead<'a> {
    /// What kind of actor wrote it.
    pub kind: u8,
    /// Which one of them.
    pub key: &'a [u8],
    /// Engine time of the turn in unix microseconds.
    pub time: i64,
    /// What projections need to know without reading the events; the journal does not interpret it.
    pub note: u8,
    /// The idempotency keys bound by this record: one for each keyed command to its actor in the turn.
    pub digests: &'a [KeyDigest],
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The bytes end within a field.
    #[error("the record ends within its {0}; the journal is damaged or was written by something else")]
    Short(&'static str),
    /// A length that no writer makes.
    #[error("the record's {0} is out of range; the journal is damaged or was written by something else")]
    OutOfRange(&'static str),
}

/// Appends a record, its length first.
pub fn encode_record(out: &mut Vec<u8>, head: &RecordHead<'_>, events: &[u8]) {
    let digests = head.digests.as_flattened();
    let key_length = head.key.len() as u64;
    let digests_length = varint_length(digests.len() as u64) + digests.len();
    let body = 2 + varint_length(key_length) + head.key.len() + 8 + digests_length + events.len();
    out.reserve(varint_length(body as u64) + body);
    put_varint(out, body as u64);
    out.extend_from_slice(&[head.kind, head.note]);
    put_varint(out, key_length);
    out.extend_from_slice(head.key);
    out.extend_from_slice(&head.time.to_le_bytes());
    put_varint(out, digests.len() as u64);
    out.extend_from_slice(digests);
    out.extend_from_slice(events);
}

/// Splits a record's body into its head and its events.
///
/// # Errors
///
/// [`RecordError`] when the bytes were not made by [`encode_record`].
pub fn parse_record(body: &[u8]) -> Result<(RecordHead<'_>, &[u8]), RecordError> {
    let (&[kind, note], rest) = body.split_first_chunk().ok_or(RecordError::Short("kind"))?;
    let (key, rest) = take_counted(rest, "key")?;
    let (time, rest) = rest.split_first_chunk().ok_or(RecordError::Short("time"))?;
    let (digests, events) = take_counted(rest, "key digests")?;
    let (digests, []) = digests.as_chunks() else { return Err(RecordError::OutOfRange("key digests")) };
    Ok((RecordHead { kind, key, time: i64::from_le_bytes(*time), note, digests }, events))
}

/// Takes the next record's body off the front of a row of records.
///
/// # Errors
///
/// [`RecordError`] when the row ends within a record; it is then left as it was.
pub fn next_record<'a>(row: &mut &'a [u8]) -> Result<&'a [u8], RecordError> {
    let (body, rest) = take_counted(row, "body")?;
    *row = rest;
    Ok(body)
}

/// How many records stand in a row, if it consists of whole records.
///
/// # Errors
///
/// [`RecordError`] when it does not.
pub fn count_records(mut row: &[u8]) -> Result<u64, RecordError> {
    let mut count = 0;
    while !row.is_empty() {
        next_record(&mut row)?;
        count += 1;
    }
    Ok(count)
}

fn take_counted<'a>(bytes: &'a [u8], field: &'static str) -> Result<(&'a [u8], &'a [u8]), RecordError> {
    let (length, rest) = take_varint(bytes, field)?;
    let length = usize::try_from(length).map_err(|_| RecordError::OutOfRange(field))?;
    rest.split_at_checked(length).ok_or(RecordError::Short(field))
}

/// Reads an LEB128 number. Only the shortest form is one: two spellings of one record would have two hashes.
fn take_varint<'a>(bytes: &'a [u8], field: &'static str) -> Result<(u64, &'a [u8]), RecordError> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = place as u32 * 7;
        if shift > 63 || (bits << shift) >> shift != bits {
            return Err(RecordError::OutOfRange(field));
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let shortest = *byte != 0 || place == 0;
            return if shortest { Ok((value, &bytes[place + 1..])) } else { Err(RecordError::OutOfRange(field)) };
        }
    }
    Err(RecordError::Short(field))
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_length(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(head: &RecordHead<'_>, events: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode_record(&mut out, head, events);
        out
    }

    #[test]
    fn a_record_has_exactly_the_documented_bytes() {
        let digest = [7; 16];
        let head = RecordHead { kind: KIND_SKU, key: b"MUG", time: 0x0102, note: 9, digests: &[digest] };
        let mut expected = vec![2 + 4 + 8 + 17 + 2, 1, 9, 3, b'M', b'U', b'G', 2, 1, 0, 0, 0, 0, 0, 0, 16];
        expected.extend([7; 16]);
        expected.extend(b"ev");
        assert_eq!(encoded(&head, b"ev"), expected);
    }

    #[test]
    fn a_record_cut_anywhere_is_refused_or_shorter_by_its_events_only() {
        let head = RecordHead { kind: KIND_ORDER, key: &[1; 16], time: -1, note: 0, digests: &[] };
        let bytes = encoded(&head, b"events");
        let mut row = bytes.as_slice();
        let body = next_record(&mut row).unwrap();
        assert!(row.is_empty());
        for cut in 0..body.len() {
            match parse_record(&body[..cut]) {
                Ok((parsed, events)) => assert_eq!((parsed, events), (head, &b"events"[..events.len()])),
                Err(error) => assert!(matches!(error, RecordError::Short(_)) && cut < body.len() - 6),
            }
        }
        for cut in 0..bytes.len() {
            assert!(next_record(&mut &bytes[..cut]).is_err());
        }
    }

    #[test]
    fn lengths_that_no_writer_makes_are_refused() {
        let table: &[(&str, &[u8])] = &[
            ("longer than 64 bits", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
            ("more than ten bytes", &[0x80; 11]),
            ("not the shortest form", &[0x80, 0x00]),
        ];
        for (name, bytes) in table {
            assert_eq!(next_record(&mut &bytes[..]), Err(RecordError::OutOfRange("body")), "{name}");
        }
        let mut body = vec![KIND_SKU, 0, 0];
        body.extend([0; 8]);
        body.extend([3, 1, 2, 3]);
        assert_eq!(parse_record(&body), Err(RecordError::OutOfRange("key digest")));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_parsed(
            kind: u8, note: u8, time: i64, key: Vec<u8>, digests: Vec<[u8; 16]>, events: Vec<u8>,
        ) {
            let head = RecordHead { kind, key: &key, time, note, digests: &digests };
            let bytes = [encoded(&head, &events), encoded(&head, b"")].concat();
            prop_assert_eq!(count_records(&bytes), Ok(2));
            let mut row = bytes.as_slice();
            prop_assert_eq!(parse_record(next_record(&mut row).unwrap()), Ok((head, events.as_slice())));
        }

        #[test]
        fn numbers_have_one_spelling(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(bytes.len(), varint_length(value));
            prop_assert_eq!(take_varint(&bytes, "number"), Ok((value, &[][..])));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse_record(&bytes);
            let _ = count_records(&bytes);
        }
    }
}
