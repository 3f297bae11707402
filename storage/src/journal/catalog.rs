//! Which segments there are, and up to where they are durable: what the writer tells the readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::damage::ReadError;
use super::footer::Footer;
use super::frame::{ChainHash, CrcKey};
use super::recent::Recent;
use super::segment::{SEGMENT_HEADER, footer_name};
use super::source::Source;
use super::sparse_index::SparseIndex;
use crate::disk::{Disk, DiskError};
use crate::record::Seq;

/// Files of sealed segments, and as many footers, that are kept open.
const OPEN_MAX: usize = 64;

/// Shared by the journal, its readers and its upkeep. Locks are held to copy, never while a file is read.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub disk: Arc<dyn Disk>,
    pub journal: [u8; 16],
    pub key: CrcKey,
    /// Ascending and without gaps; the last one is being written.
    segments: RwLock<Vec<Segment>>,
    durable: AtomicU64,
    sources: Recent<Source>,
    footers: Recent<Arc<Footer>>,
}

/// What is known of a segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub number: u64,
    pub first: Seq,
    /// One less than `first` when there is no record in it.
    pub last: Seq,
    /// Where its last durable frame ends.
    pub end: u64,
    pub previous: ChainHash,
    pub stage: Stage,
    pub archived: bool,
}

/// How far a segment has come.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// It has no footer yet; being written if it is the last one.
    Open { source: Source, index: SparseIndex },
    /// It has a footer.
    Sealed { time_max: i64 },
}

/// Where to begin reading for a sequence.
pub(crate) struct Place {
    pub number: u64,
    pub source: Source,
    pub start: u64,
    pub end: u64,
}

/// A segment as it was when it was found.
struct Found {
    number: u64,
    archived: bool,
    end: u64,
    /// Of a segment without a footer: its bytes, and where to begin.
    open: Option<(Source, Option<u64>)>,
}

impl Catalog {
    pub(crate) fn new(disk: Arc<dyn Disk>, journal: [u8; 16], segments: Vec<Segment>) -> Self {
        let durable = segments.last().map_or(0, |segment| segment.last);
        Self {
            disk,
            journal,
            key: CrcKey::of_journal(&journal),
            segments: RwLock::new(segments),
            durable: AtomicU64::new(durable),
            sources: Recent::new(OPEN_MAX),
            footers: Recent::new(OPEN_MAX),
        }
    }

    /// The last durable sequence. Whoever sees it can read it.
    pub(crate) fn durable(&self) -> Seq {
        self.durable.load(Ordering::Acquire)
    }

    /// Bytes of all segments up to their last durable frames.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.read().iter().map(|segment| segment.end).sum()
    }

    /// A new segment is written from now on.
    pub(crate) fn begin_segment(&self, segment: Segment) {
        self.segments.write().push(segment);
    }

    /// A frame of the segment being written is durable.
    pub(crate) fn extend(&self, first: Seq, last: Seq, offset: u64, end: u64) {
        let mut segments = self.segments.write();
        if let Some(segment) = segments.last_mut() {
            segment.last = last;
            segment.end = end;
            if let Stage::Open { index, .. } = &mut segment.stage
                && first <= last
            {
                index.note(first, offset);
            }
        }
        drop(segments);
        self.durable.store(last, Ordering::Release);
    }

    /// Where the record with this sequence is found; none beyond the last durable one.
    pub(crate) fn locate(&self, seq: Seq) -> Result<Option<Place>, ReadError> {
        if seq > self.durable() {
            return Ok(None);
        }
        self.find(seq).map(|found| self.place(&found, seq)).transpose()
    }

    fn find(&self, seq: Seq) -> Option<Found> {
        let segments = self.segments.read();
        let behind = segments.partition_point(|segment| segment.first <= seq);
        let segment = &segments[behind.checked_sub(1)?];
        let open = match &segment.stage {
            Stage::Open { source, index } => Some((source.clone(), index.start_for(seq))),
            Stage::Sealed { .. } => None,
        };
        Some(Found { number: segment.number, archived: segment.archived, end: segment.end, open })
    }

    fn place(&self, found: &Found, seq: Seq) -> Result<Place, ReadError> {
        let (source, start) = match &found.open {
            Some((source, start)) => (source.clone(), *start),
            None => (self.sealed_source(found.number, found.archived)?, self.footer(found.number)?.start_for(seq)),
        };
        let start = start.unwrap_or(SEGMENT_HEADER as u64);
        Ok(Place { number: found.number, source, start, end: found.end })
    }

    /// The bytes of a segment.
    pub(crate) fn source(&self, segment: &Segment) -> Result<Source, ReadError> {
        if let Stage::Open { source, .. } = &segment.stage {
            return Ok(source.clone());
        }
        self.sealed_source(segment.number, segment.archived)
    }

    fn sealed_source(&self, number: u64, archived: bool) -> Result<Source, ReadError> {
        let open =
            |archived| self.sources.get(source_key(number, archived), || Source::open(&*self.disk, number, archived));
        match open(archived) {
            // It was archived, and its file removed, since it was looked up.
            Err(ReadError::Disk(DiskError::NotFound { .. })) if !archived => open(true),
            result => result,
        }
    }

    /// The footer of a sealed segment.
    pub(crate) fn footer(&self, number: u64) -> Result<Arc<Footer>, ReadError> {
        self.footers.get(number, || {
            let file = self.disk.open(&footer_name(number))?;
            Ok(Arc::new(Footer::open(file, self.key, &self.journal, number)?))
        })
    }

    /// All segments as they are now.
    pub(crate) fn all(&self) -> Vec<Segment> {
        self.segments.read().clone()
    }

    /// The last sequence that the footers cover: what is later, the partitions know themselves.
    pub(crate) fn sealed_to(&self) -> Seq {
        let segments = self.segments.read();
        let open = segments.iter().find(|segment| matches!(segment.stage, Stage::Open { .. }));
        open.map_or(0, |segment| segment.first - 1)
    }

    /// The sealed segments with a record of this engine time or later, oldest first.
    pub(crate) fn sealed_since(&self, time: i64) -> Vec<Segment> {
        let segments = self.segments.read();
        let since = |segment: &&Segment| matches!(segment.stage, Stage::Sealed { time_max } if time_max >= time);
        segments.iter().filter(since).cloned().collect()
    }

    /// The oldest segment that is written no more and has no footer.
    pub(crate) fn first_to_seal(&self) -> Option<Segment> {
        let segments = self.segments.read();
        let (_, closed) = segments.split_last()?;
        closed.iter().find(|segment| matches!(segment.stage, Stage::Open { .. })).cloned()
    }

    pub(crate) fn mark_sealed(&self, number: u64, time_max: i64) {
        self.footers.forget(number);
        self.change(number, |segment| segment.stage = Stage::Sealed { time_max });
    }

    /// The oldest sealed segment that is not archived, if all its records are below this sequence and before this engine
    /// time.
    pub(crate) fn first_to_archive(&self, below: Seq, before: i64) -> Option<Segment> {
        let segments = self.segments.read();
        let segment = segments.iter().find(|segment| !segment.archived)?;
        let is_old = matches!(segment.stage, Stage::Sealed { time_max } if time_max < before);
        (is_old && segment.last < below).then(|| segment.clone())
    }

    /// How many segments there are, and how many of them are archived.
    pub(crate) fn count(&self) -> (u64, u64) {
        let segments = self.segments.read();
        let archived = segments.iter().filter(|segment| segment.archived).count();
        (segments.len() as u64, archived as u64)
    }

    pub(crate) fn mark_archived(&self, number: u64) {
        self.change(number, |segment| segment.archived = true);
        self.sources.forget(source_key(number, false));
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Segment)) {
        if let Some(segment) = self.segments.write().iter_mut().find(|segment| segment.number == number) {
            change(segment);
        }
    }
}

/// A segment's file and its archive are not to be taken for each other, whoever opened one of them late.
fn source_key(number: u64, archived: bool) -> u64 {
    number << 1 | u64::from(archived)
}
