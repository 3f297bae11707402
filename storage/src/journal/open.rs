//! Opening a journal: everything is checked before anything is changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::catalog::{Catalog, Segment, Stage};
use super::damage::{OpenError, Reason};
use super::file_journal::{FileJournal, Writing};
use super::footer::Footer;
use super::frame::{ChainHash, CrcKey};
use super::options::JournalOptions;
use super::reader::JournalReader;
use super::segment::{
    ARCHIVE, SEGMENT_HEADER, SegmentHeader, UNFINISHED, archive_name, footer_name, number_of, segment_name,
};
use super::source::Source;
use super::spares::Spares;
use super::upkeep::Upkeep;
use super::verify::{Chain, Verified, read_header};
use crate::disk::{Disk, DiskFile, DiskLock};
use crate::record::Seq;

/// A journal that was opened.
#[derive(Debug)]
pub struct Opened {
    /// For the writer.
    pub journal: FileJournal,
    /// For everybody else: the records recovered are read with it.
    pub reader: JournalReader,
    /// For the thread that works behind the writer's back.
    pub upkeep: Upkeep,
    /// What was found.
    pub recovered: Recovered,
}

/// What opening a journal found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The last sequence; all up to it is durable.
    pub last_seq: Seq,
    /// Hash of the last frame.
    pub chain: ChainHash,
    /// How many segments there are, the archived ones included.
    pub segments: u64,
    /// How many of them are archived: their place in the chain was checked, not their content.
    pub archived: u64,
    /// Bytes of frames that were read and checked.
    pub bytes: u64,
    /// Bytes of a write that was begun and never acknowledged; a new segment was begun behind them.
    pub cut_bytes: u64,
    /// Whether there was no journal before.
    pub created: bool,
}

/// Opens the journal on a disk, or makes one.
///
/// The chain of all segments that are not archived is read and checked. What the last generation left in doubt is written
/// and synced again, and sealed, so that all of [`Recovered::last_seq`] is durable when this returns.
///
/// # Errors
///
/// [`OpenError`]. Nothing was changed, except when it is [`OpenError::Disk`].
pub fn open_journal(disk: Arc<dyn Disk>, options: &JournalOptions) -> Result<Opened, OpenError> {
    let lock = Arc::new(disk.lock()?);
    let files = Files::list(&*disk)?;
    let mut opening = Opening::begin(disk, files)?;
    opening.check_nothing_is_missing_at_the_end()?;
    opening.follow_chain(options.readers)?;
    let last = opening.judge_tail()?;
    opening.remove_leftovers()?;
    match last {
        Some(last) => opening.resume(last, options, lock),
        None => create(opening.disk, options, lock),
    }
}

/// The files of a journal.
struct Files {
    segments: BTreeSet<u64>,
    footers: BTreeSet<u64>,
    archives: BTreeSet<u64>,
    unfinished: Vec<String>,
}

impl Files {
    fn list(disk: &dyn Disk) -> Result<Self, OpenError> {
        let names = disk.list("")?;
        let archived = disk.list(ARCHIVE)?;
        let numbered = |names: &[String], ending| names.iter().filter_map(|name| number_of(name, ending)).collect();
        let unfinished = |names: &[String], ending: &str| -> Vec<String> {
            let ending = format!("{ending}{UNFINISHED}");
            names.iter().filter(|name| number_of(name, &ending).is_some()).cloned().collect()
        };
        let in_archive = unfinished(&archived, ".zst").into_iter().map(|name| format!("{ARCHIVE}/{name}"));
        Ok(Self {
            segments: numbered(&names, ".seg"),
            footers: numbered(&names, ".footer"),
            archives: numbered(&archived, ".zst"),
            unfinished: unfinished(&names, ".footer").into_iter().chain(in_archive).collect(),
        })
    }
}

struct Opening {
    disk: Arc<dyn Disk>,
    files: Files,
    /// The id of the journal, once a segment has told.
    journal: Option<[u8; 16]>,
    /// The headers of the segments that were used, by number from 1.
    headers: Vec<(SegmentHeader, Source)>,
    unused: Vec<u64>,
    segments: Vec<Segment>,
    chain: Chain,
    /// The segment that was written last.
    last: Option<Verified>,
    bytes: u64,
}

/// The segment that was written last, with its end judged.
struct Last {
    verified: Verified,
    /// Bytes of a write that was begun and never acknowledged.
    torn: u64,
}

impl Opening {
    /// Reads the headers, and tells the segments that were used from those that were only prepared.
    fn begin(disk: Arc<dyn Disk>, files: Files) -> Result<Self, OpenError> {
        let chain = Chain { hash: [0; 32], last: 0 };
        let (headers, unused, segments) = (Vec::new(), Vec::new(), Vec::new());
        let mut opening = Self { disk, files, journal: None, headers, unused, segments, chain, last: None, bytes: 0 };
        let numbers: BTreeSet<u64> = opening.files.segments.union(&opening.files.archives).copied().collect();
        for number in numbers {
            // A segment that was being archived still has its own file, and that one is the original.
            let archived = !opening.files.segments.contains(&number);
            let source = Source::open(&*opening.disk, number, archived)?;
            let key = opening.journal.as_ref().map(CrcKey::of_journal);
            let Some(header) = read_header(&source, number, key)? else {
                opening.unused.push(number);
                continue;
            };
            let expected = opening.headers.len() as u64 + 1;
            if let Some(unused) = opening.unused.first() {
                return Err(OpenError::damaged(segment_name(*unused), 0, Reason::SegmentHeader));
            }
            if number != expected {
                return Err(OpenError::damaged(segment_name(expected), 0, Reason::SegmentMissing));
            }
            if *opening.journal.get_or_insert(header.journal) != header.journal {
                return Err(OpenError::damaged(source.file_name(number), 0, Reason::SegmentPlace));
            }
            opening.headers.push((header, source));
        }
        Ok(opening)
    }

    fn key(&self) -> CrcKey {
        CrcKey::of_journal(&self.journal.unwrap_or_default())
    }

    /// Follows the chain through all segments.
    fn follow_chain(&mut self, readers: usize) -> Result<(), OpenError> {
        let headers = std::mem::take(&mut self.headers);
        let followed = follow_ahead(&headers, self.key(), readers);
        for ((header, source), followed) in headers.into_iter().zip(followed) {
            if header.previous != self.chain.hash || header.first != self.chain.last + 1 {
                // The header is good, so it is the segment before it that has lost its end.
                return Err(match &self.last {
                    Some(before) => before.stopped_as_damage(),
                    None => OpenError::damaged(source.file_name(header.number), 0, Reason::Chain),
                });
            }
            self.close_last();
            match self.footer_of_archived(&header, &source) {
                Some(footer) => self.push_sealed(&footer, true),
                None => {
                    let verified = followed.unwrap_or_else(|| Verified::follow(source, &header, self.key()))?;
                    self.bytes += verified.segment.end - SEGMENT_HEADER as u64;
                    self.chain = verified.chain;
                    self.last = Some(verified);
                }
            }
        }
        Ok(())
    }

    /// The segment followed last turns out not to be the one that was written last.
    fn close_last(&mut self) {
        let Some(mut verified) = self.last.take() else { return };
        let footer = self.open_footer(verified.segment.number);
        if let Some(footer) = footer.filter(|footer| verified.fits(footer.facts()) && footer.verify().is_ok()) {
            verified.segment.stage = Stage::Sealed { time_max: footer.facts().time_max };
        }
        self.segments.push(verified.segment);
    }

    /// An archived segment is taken at its footer's word: the content has been compared when it was archived, and each
    /// frame is checked again when it is read.
    fn footer_of_archived(&self, header: &SegmentHeader, source: &Source) -> Option<Footer> {
        let Source::Archived(file) = source else { return None };
        let footer = self.open_footer(header.number)?;
        let facts = footer.facts();
        let fits = (facts.first, facts.previous, facts.end) == (header.first, header.previous, file.length());
        fits.then_some(footer)
    }

    fn open_footer(&self, number: u64) -> Option<Footer> {
        if !self.files.footers.contains(&number) {
            return None;
        }
        let journal = self.journal?;
        let opened = self.disk.open(&footer_name(number)).map_err(super::ReadError::from);
        match opened.and_then(|file| Footer::open(file, self.key(), &journal, number)) {
            Ok(footer) => Some(footer),
            Err(error) => {
                tracing::warn!(segment = number, %error, "an index is unusable and will be made anew");
                None
            }
        }
    }

    fn push_sealed(&mut self, footer: &Footer, archived: bool) {
        let facts = footer.facts();
        self.chain = Chain { hash: facts.chain, last: facts.last };
        self.segments.push(Segment {
            number: facts.number,
            first: facts.first,
            last: facts.last,
            end: facts.end,
            previous: facts.previous,
            stage: Stage::Sealed { time_max: facts.time_max },
            archived,
        });
    }

    fn judge_tail(&mut self) -> Result<Option<Last>, OpenError> {
        let key = self.key();
        let Some(mut verified) = self.last.take() else { return Ok(None) };
        let torn = verified.judge_tail(key)?;
        self.chain = verified.chain;
        Ok(Some(Last { verified, torn }))
    }

    /// A segment gets a footer, and goes into the archive, only when the next one is being written already.
    fn check_nothing_is_missing_at_the_end(&self) -> Result<(), OpenError> {
        let finished = self.files.footers.last().max(self.files.archives.last()).copied().unwrap_or(0);
        let used = self.headers.len() as u64;
        if finished > 0 && finished >= used {
            return Err(OpenError::damaged(segment_name(used + 1), 0, Reason::SegmentMissing));
        }
        Ok(())
    }

    fn remove_leftovers(&mut self) -> Result<(), OpenError> {
        let mut names: Vec<String> = self.unused.iter().map(|number| segment_name(*number)).collect();
        let doubled = self.files.archives.intersection(&self.files.segments);
        names.extend(doubled.map(|number| archive_name(*number)));
        names.append(&mut self.files.unfinished);
        for name in &names {
            self.disk.remove(name)?;
        }
        if !names.is_empty() {
            self.disk.sync_directory("")?;
        }
        if !self.files.archives.is_empty() {
            self.disk.sync_directory(ARCHIVE)?;
        }
        Ok(())
    }

    /// Goes on where the last generation stopped: behind its last frame, or in a new segment when something stands there.
    /// Nothing but zeros is ever written over, so a power loss while this runs leaves nothing that looks like damage.
    fn resume(mut self, last: Last, options: &JournalOptions, lock: Arc<DiskLock>) -> Result<Opened, OpenError> {
        let Last { verified: last, torn } = last;
        let Source::Plain(file) = last.source.clone() else {
            return Err(OpenError::damaged(last.file(), 0, Reason::SegmentPlace));
        };
        write_last_frame_again(&last, &*file)?;
        let (number, end) = (last.segment.number, last.segment.end);
        let spares = Spares::new(Arc::clone(&self.disk), options, number + 1);
        let archived = self.segments.iter().filter(|segment| segment.archived).count() as u64;
        let recovered = Recovered {
            last_seq: self.chain.last,
            chain: self.chain.hash,
            segments: number + u64::from(torn > 0),
            archived,
            bytes: self.bytes,
            cut_bytes: torn,
            created: false,
        };
        let journal = self.journal.unwrap_or(options.journal_id);
        let (writing, sealed) = if torn > 0 {
            let spare = spares.take(options.segment_length())?;
            (Writing::spare(spare, journal, self.chain.last + 1, self.chain.hash), false)
        } else {
            let sealed = last.last_frame.is_some_and(|(_, is_seal)| is_seal);
            (Writing { number, length: file.length()?, file, offset: end, header: None }, sealed)
        };
        self.segments.push(last.segment);
        let catalog = Catalog::new(self.disk, journal, self.segments);
        start(catalog, spares, writing, self.chain, sealed, recovered, lock)
    }
}

/// Follows segments by several threads at once: each header says what the segment's chain begins with, and whether that
/// is what the segment before it ends with is checked afterwards, in order. What is archived, and what one reader alone
/// would follow, is left to be followed then.
fn follow_ahead(
    headers: &[(SegmentHeader, Source)],
    key: CrcKey,
    readers: usize,
) -> Vec<Option<Result<Verified, OpenError>>> {
    let followed: Vec<Mutex<Option<_>>> = headers.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let readers = readers.min(headers.len());
    if readers > 1 {
        thread::scope(|scope| {
            for _ in 0..readers {
                scope.spawn(|| {
                    while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < headers.len()) {
                        let (header, source) = &headers[at];
                        if matches!(source, Source::Plain(_)) {
                            *followed[at].lock() = Some(Verified::follow(source.clone(), header, key));
                        }
                    }
                });
            }
        });
    }
    followed.into_iter().map(Mutex::into_inner).collect()
}

/// Writes the frame in doubt once more: what can be read now need not be on the disk, and after a failed sync a sync alone
/// would not bring it there.
fn write_last_frame_again(last: &Verified, file: &dyn DiskFile) -> Result<(), OpenError> {
    let first_frame = SEGMENT_HEADER as u64;
    // The header went out together with the first frame.
    let from = last.last_frame.map_or(0, |(offset, _)| if offset > first_frame { offset } else { 0 });
    file.write_at(from, &[&last.bytes_from(from)?])?;
    file.sync_data()?;
    Ok(())
}

/// Begins a journal.
fn create(disk: Arc<dyn Disk>, options: &JournalOptions, lock: Arc<DiskLock>) -> Result<Opened, OpenError> {
    let chain = Chain { hash: [0; 32], last: 0 };
    let spares = Spares::new(Arc::clone(&disk), options, 1);
    let writing = Writing::spare(spares.take(options.segment_length())?, options.journal_id, 1, chain.hash);
    let catalog = Catalog::new(disk, options.journal_id, Vec::new());
    let recovered =
        Recovered { last_seq: 0, chain: chain.hash, segments: 1, archived: 0, bytes: 0, cut_bytes: 0, created: true };
    start(catalog, spares, writing, chain, false, recovered, lock)
}

fn start(
    catalog: Catalog,
    spares: Spares,
    writing: Writing,
    chain: Chain,
    sealed: bool,
    recovered: Recovered,
    lock: Arc<DiskLock>,
) -> Result<Opened, OpenError> {
    let (catalog, spares) = (Arc::new(catalog), Arc::new(spares));
    let mut journal = FileJournal {
        catalog: Arc::clone(&catalog),
        spares: Arc::clone(&spares),
        lock: Arc::clone(&lock),
        segment: writing,
        last: chain.last,
        chain: chain.hash,
        sealed,
        ended: false,
    };
    journal.begin()?;
    let recovered = Recovered { chain: journal.chain, ..recovered };
    let upkeep = Upkeep { catalog: Arc::clone(&catalog), spares, archiving: Mutex::new(None), lock };
    Ok(Opened { journal, reader: JournalReader::new(catalog), upkeep, recovered })
}
