//! Reading what is durable, while the writer goes on.

use std::sync::Arc;

use super::catalog::{Catalog, Place, Segment};
use super::damage::{ReadError, Reason};
use super::fingerprint::Fingerprint;
use super::follow::follow;
use super::frame::{Frame, NoFrame};
use super::scan::{FrameScanner, READ_AHEAD, Scanned};
use super::segment::SEGMENT_HEADER;
use crate::record::{KIND_ORDER, KeyDigest, RecordHead, Seq, next_record, parse_record};

/// Read ahead when one record is wanted: about the distance between two entries of the index.
const READ_ONE: usize = 16 << 10;
/// Bytes of records that are shown in one piece when all are read.
const PIECE: usize = 1 << 20;

/// Reads durable records. Cheap to clone; any number of them read at once, and none waits for the writer's disk.
#[derive(Debug, Clone)]
pub struct JournalReader {
    catalog: Arc<Catalog>,
}

/// How far somebody has read.
#[derive(Debug, Clone)]
pub struct Position {
    next: Seq,
    /// A segment's number, and where in it the first frame begins that was not read.
    frame: Option<(u64, u64)>,
}

impl Position {
    /// Before the record with this sequence.
    pub fn before(seq: Seq) -> Self {
        Self { next: seq.max(1), frame: None }
    }

    /// The sequence of the next record.
    pub const fn next(&self) -> Seq {
        self.next
    }
}

impl JournalReader {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog }
    }

    /// The last durable sequence.
    pub fn durable_to(&self) -> Seq {
        self.catalog.durable()
    }

    /// Bytes of the journal up to its last durable frame, archived ones as they were before.
    pub fn bytes(&self) -> u64 {
        self.catalog.bytes()
    }

    /// How many segments there are, and how many of them are archived.
    pub fn segments(&self) -> (u64, u64) {
        self.catalog.count()
    }

    /// The id of the journal.
    pub fn journal_id(&self) -> [u8; 16] {
        self.catalog.journal
    }

    /// The last sequence that [`lookup_order`](Self::lookup_order) and its siblings cover. Whoever asks them keeps the ids
    /// and keys of later records in memory.
    pub fn sealed_to(&self) -> Seq {
        self.catalog.sealed_to()
    }

    /// Shows the durable records from `seq` on, and says from where to go on.
    ///
    /// It stops behind the frame in which `limit_bytes` of records have been shown; the answer is `seq` itself when there
    /// is nothing to show.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; what was shown before it is good.
    pub fn read_from(&self, seq: Seq, limit_bytes: usize, visit: &mut dyn FnMut(Seq, &[u8])) -> Result<Seq, ReadError> {
        let mut at = Position::before(seq);
        self.read_on(&mut at, limit_bytes, visit)?;
        Ok(at.next())
    }

    /// Shows all records from `first` to `last`, in pieces; says which was not there, if one was not.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; what was shown before it is good.
    pub fn read_all(&self, first: Seq, last: Seq, visit: &mut dyn FnMut(Seq, &[u8])) -> Result<Option<Seq>, ReadError> {
        let mut next = first;
        while next <= last {
            let after = self.read_from(next, PIECE, visit)?;
            if after == next {
                return Ok(Some(next));
            }
            next = after;
        }
        Ok(None)
    }

    /// As [`read_from`](Self::read_from), for somebody who follows the writer: each read begins at the very frame at
    /// which the one before it ended, where the index would lead to one of its neighbours.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; what was shown before it is good, and the position is behind it.
    pub fn read_on(
        &self,
        at: &mut Position,
        limit_bytes: usize,
        visit: &mut dyn FnMut(Seq, &[u8]),
    ) -> Result<(), ReadError> {
        let mut shown = 0;
        let durable = self.catalog.durable();
        while at.next <= durable && shown < limit_bytes {
            let Some(mut place) = self.catalog.locate(at.next)? else { break };
            if let Some((number, offset)) = at.frame
                && number == place.number
            {
                place.start = place.start.max(offset);
            }
            let from = at.next;
            let next = &mut at.next;
            let end = self.frames(&place, READ_AHEAD, &mut |frame| {
                shown += show_records(frame, *next, &mut |seq, body| visit(seq, body))?;
                *next = (*next).max(frame.header.last() + 1);
                Some(shown < limit_bytes)
            })?;
            at.frame = Some((place.number, end));
            if at.next == from {
                // The catalog promised a record that the segment does not hold.
                return Err(ReadError::damaged(place.source.file_name(place.number), place.end, Reason::Sequence));
            }
        }
        Ok(())
    }

    /// One record's body; none if it is not durable.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn record(&self, seq: Seq) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(place) = self.catalog.locate(seq)?.filter(|_| seq > 0) else { return Ok(None) };
        let mut found = None;
        self.frames(&place, READ_ONE, &mut |frame| {
            if frame.header.last() < seq {
                return Some(true);
            }
            show_records(frame, seq, &mut |shown, body| {
                if shown == seq {
                    found = Some(body.to_vec());
                }
            })?;
            Some(false)
        })?;
        Ok(found)
    }

    /// Reads everything durable, archives included, and checks that each frame follows the one before it; says up to which
    /// record. `seen` is told the bytes of each segment when it has been read.
    ///
    /// Opening a journal takes archived segments at their footers' word; this does not.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn verify(&self, seen: &mut dyn FnMut(u64)) -> Result<Seq, ReadError> {
        let mut chain = [0; 32];
        let mut last = 0;
        for segment in self.catalog.all() {
            let source = self.catalog.source(&segment)?;
            if (segment.previous, segment.first) != (chain, last + 1) {
                return Err(ReadError::damaged(source.file_name(segment.number), 0, Reason::Chain));
            }
            let followed = follow(&self.catalog, &segment, &source)?;
            (chain, last) = (followed.facts().chain, segment.last);
            seen(segment.end);
        }
        Ok(last)
    }

    /// The sequences of all records of an order in the sealed segments, ascending. Only segments with a record of
    /// `since` (engine time in unix microseconds) or later are looked at.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn lookup_order(&self, id: [u8; 16], since: i64) -> Result<Vec<Seq>, ReadError> {
        self.lookup_actor(KIND_ORDER, &id, since)
    }

    /// As [`lookup_order`](Self::lookup_order), for orders and payments by kind and key. Records of other kinds are not
    /// indexed: for them the answer is always empty.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn lookup_actor(&self, kind: u8, key: &[u8], since: i64) -> Result<Vec<Seq>, ReadError> {
        let fingerprint = Fingerprint::of_actor(kind, key);
        let is_it = |head: &RecordHead<'_>| head.kind == kind && head.key == key;
        let mut found = Vec::new();
        for segment in self.catalog.sealed_since(since) {
            self.look_into(&segment, &fingerprint, &is_it, &mut found)?;
        }
        Ok(found)
    }

    /// The last record in the sealed segments that binds an idempotency key; segments as in
    /// [`lookup_order`](Self::lookup_order).
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn lookup_key(&self, digest: &KeyDigest, since: i64) -> Result<Option<Seq>, ReadError> {
        let fingerprint = Fingerprint::of_digest(digest);
        let is_it = |head: &RecordHead<'_>| head.digests.contains(digest);
        let mut found = Vec::new();
        for segment in self.catalog.sealed_since(since).iter().rev() {
            self.look_into(segment, &fingerprint, &is_it, &mut found)?;
            if let Some(last) = found.last() {
                return Ok(Some(*last));
            }
        }
        Ok(None)
    }

    /// Looks into one sealed segment, by its footer, or by reading it through when the footer cannot be believed.
    fn look_into(
        &self,
        segment: &Segment,
        fingerprint: &Fingerprint,
        is_it: &dyn Fn(&RecordHead<'_>) -> bool,
        found: &mut Vec<Seq>,
    ) -> Result<(), ReadError> {
        let mut candidates = Vec::new();
        let looked =
            self.catalog.footer(segment.number).and_then(|footer| footer.candidates(fingerprint, &mut candidates));
        if let Err(error) = looked {
            tracing::warn!(segment = segment.number, %error, "the index is unusable, so the segment is read through");
            return self.read_through(segment, is_it, found);
        }
        for seq in candidates {
            let body = self.record(seq)?;
            if body.is_some_and(|body| parse_record(&body).is_ok_and(|(head, _)| is_it(&head))) {
                found.push(seq);
            }
        }
        Ok(())
    }

    fn read_through(
        &self,
        segment: &Segment,
        is_it: &dyn Fn(&RecordHead<'_>) -> bool,
        found: &mut Vec<Seq>,
    ) -> Result<(), ReadError> {
        let source = self.catalog.source(segment)?;
        let place = Place { number: segment.number, source, start: SEGMENT_HEADER as u64, end: segment.end };
        self.frames(&place, READ_AHEAD, &mut |frame| {
            show_records(frame, 0, &mut |seq, body| {
                if parse_record(body).is_ok_and(|(head, _)| is_it(&head)) {
                    found.push(seq);
                }
            })
            .map(|_| true)
        })
        .map(|_| ())
    }

    /// Shows the frames from a place on, up to the end of its segment or until `visit` says false, and says behind which
    /// byte it stopped; none from it means that the frame's records are not what they should be.
    fn frames(
        &self,
        place: &Place,
        read_ahead: usize,
        visit: &mut dyn FnMut(&Frame<'_>) -> Option<bool>,
    ) -> Result<u64, ReadError> {
        let key = self.catalog.key;
        let mut scanner = FrameScanner::new(place.source.clone(), key, place.start, place.end, read_ahead);
        loop {
            let offset = scanner.offset();
            let reason = match scanner.next()? {
                Scanned::End if offset == place.end => return Ok(offset),
                Scanned::Frame(frame) => match visit(&frame) {
                    Some(true) => continue,
                    Some(false) => return Ok(frame.end()),
                    None => Reason::Records,
                },
                Scanned::End => Reason::SegmentEnds,
                Scanned::Nothing(NoFrame::Header(_)) => Reason::FrameHeader,
                Scanned::Nothing(NoFrame::Body(_, reason)) => reason,
            };
            return Err(ReadError::damaged(place.source.file_name(place.number), offset, reason));
        }
    }
}

/// Shows a frame's records from a sequence on, and counts their bytes; none if it does not consist of records.
fn show_records(frame: &Frame<'_>, from: Seq, visit: &mut dyn FnMut(Seq, &[u8])) -> Option<usize> {
    let mut row = frame.payload;
    let mut seq = frame.header.first;
    let mut bytes = 0;
    while !row.is_empty() {
        let body = next_record(&mut row).ok()?;
        if seq >= from {
            visit(seq, body);
            bytes += body.len();
        }
        seq += 1;
    }
    Some(bytes)
}
