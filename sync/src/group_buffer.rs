//! The buffer between the partitions, which append turns, and the journal writer, which takes them as one group.

use std::mem;
use std::time::Duration;

use crate::generation_ended::GenerationEnded;
use crate::primitives::{Condvar, Deadline, Mutex};

/// A recycled buffer keeps at most this many bytes, so that one burst does not hold its memory for ever.
const RECYCLED_BYTES_MAX: usize = 8 << 20;

/// Collects whole turns, numbers their records, and hands them to the journal writer in one swap.
///
/// A turn is appended in one step: its records are adjacent, in order, and in one group. Copying and numbering is all that
/// happens under the lock. Many threads append, one takes.
///
/// ```
/// use stockade_sync::{Group, GroupBuffer};
///
/// let buffer = GroupBuffer::new(1);
/// let appended = buffer.append(b"two records", 2)?;
/// assert_eq!((appended.first(), appended.last()), (1, 2));
///
/// let mut group = Group::default();
/// assert!(buffer.take(&mut group));
/// assert_eq!((group.first, group.records, group.bytes.as_slice()), (1, 2, b"two records".as_slice()));
/// # Ok::<(), stockade_sync::GenerationEnded>(())
/// ```
#[derive(Debug)]
pub struct GroupBuffer {
    inner: Mutex<Inner>,
    /// Notified when the buffer stops being empty, and when it ends.
    filled: Condvar,
}

#[derive(Debug)]
struct Inner {
    /// Sequence that the next record will get.
    next: u64,
    records: u32,
    bytes: Vec<u8>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// No more appends; the writer takes what is left.
    Closed,
    /// No more appends, and what was buffered is gone.
    Failed,
}

/// Proof that a turn's records have their sequences: the token with which the turn's effects are released.
///
/// Only [`GroupBuffer`] makes one, and it can be neither copied nor cloned: one append, one release.
///
/// ```compile_fail
/// let forged = stockade_sync::Appended { first: 1, last: 1 };
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the effects of a turn are released with this token"]
pub struct Appended {
    first: u64,
    last: u64,
}

impl Appended {
    /// Sequence of the turn's first record. For a turn that recorded nothing, one more than [`last`](Self::last).
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Sequence of the turn's last record. For a turn that recorded nothing, the last sequence appended before it: the
    /// basis of whatever the turn has seen.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether the turn recorded nothing.
    pub fn is_empty(&self) -> bool {
        self.first > self.last
    }
}

/// The turns that the writer takes in one swap, and writes as one frame with one sync.
///
/// The writer owns one and passes it in again and again: its `bytes` are what is swapped, so nothing is allocated once both
/// buffers have grown to size.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Group {
    /// Sequence of the first record; 0 in a group that has none.
    pub first: u64,
    /// Number of records.
    pub records: u32,
    /// The records, one after the other, as they were appended.
    pub bytes: Vec<u8>,
}

impl Group {
    /// Sequence of the last record; 0 in a group that has none.
    pub fn last(&self) -> u64 {
        if self.records == 0 { 0 } else { self.first + u64::from(self.records - 1) }
    }

    fn empty(&mut self) {
        self.first = 0;
        self.records = 0;
        self.bytes.clear();
        self.bytes.shrink_to(RECYCLED_BYTES_MAX);
    }
}

/// Why [`GroupBuffer::wait_take`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "only `Group` means that there is something to write"]
pub enum Taken {
    /// The group holds at least one record.
    Group,
    /// Nothing came in time.
    TimedOut,
    /// The buffer was closed and everything in it has been taken: seal the journal.
    Closed,
    /// The generation has failed: write nothing more.
    Failed,
}

impl GroupBuffer {
    /// An empty buffer whose first record will get the sequence `next_seq` (1 for an empty journal; 0 is nothing's
    /// sequence and means 1 too).
    pub fn new(next_seq: u64) -> Self {
        let inner = Inner { next: next_seq.max(1), records: 0, bytes: Vec::new(), phase: Phase::Open };
        Self { inner: Mutex::new(inner), filled: Condvar::new() }
    }

    /// Appends a turn of `records` encoded records and fixes their sequences.
    ///
    /// With no records it is [`observe`](Self::observe).
    ///
    /// # Errors
    ///
    /// [`GenerationEnded`] after [`fail`](Self::fail) or [`close`](Self::close), or when the sequences are used up.
    /// Nothing was appended.
    ///
    /// # Panics
    ///
    /// When there are bytes but no records: they would be written and belong to nobody.
    pub fn append(&self, bytes: &[u8], records: u32) -> Result<Appended, GenerationEnded> {
        if records == 0 {
            assert!(bytes.is_empty(), "a turn without records has no bytes");
            return self.observe();
        }
        let (appended, was_empty) = {
            let mut inner = self.inner.lock();
            inner.check_open()?;
            let next = inner.next.checked_add(u64::from(records)).ok_or(GenerationEnded)?;
            let grouped = inner.records.checked_add(records).ok_or(GenerationEnded)?;
            let was_empty = inner.records == 0;
            inner.bytes.extend_from_slice(bytes);
            inner.records = grouped;
            let first = mem::replace(&mut inner.next, next);
            (Appended { first, last: next - 1 }, was_empty)
        };
        // The writer sleeps only while the buffer is empty, so only the first turn of a group has to wake it.
        if was_empty {
            self.filled.notify_one();
        }
        Ok(appended)
    }

    /// The token for a turn that recorded nothing: its effects rest on everything appended so far.
    ///
    /// # Errors
    ///
    /// [`GenerationEnded`] after [`fail`](Self::fail) or [`close`](Self::close).
    pub fn observe(&self) -> Result<Appended, GenerationEnded> {
        let inner = self.inner.lock();
        inner.check_open()?;
        Ok(Appended { first: inner.next, last: inner.next - 1 })
    }

    /// Sequence of the last record appended; what it rests on need not be durable.
    pub fn last_appended(&self) -> u64 {
        self.inner.lock().next - 1
    }

    /// Bytes that wait for the writer.
    pub fn buffered_bytes(&self) -> usize {
        self.inner.lock().bytes.len()
    }

    /// Swaps everything buffered into `group` without waiting; false, and an empty group, if there was nothing.
    pub fn take(&self, group: &mut Group) -> bool {
        group.empty();
        self.inner.lock().swap_into(group)
    }

    /// Waits until there is something to take, and takes it as [`take`](Self::take) does. No timeout: as long as it takes.
    pub fn wait_take(&self, group: &mut Group, timeout: Option<Duration>) -> Taken {
        group.empty();
        let deadline = Deadline::after(timeout);
        let mut timed_out = false;
        let mut inner = self.inner.lock();
        loop {
            if inner.swap_into(group) {
                return Taken::Group;
            }
            match inner.phase {
                Phase::Failed => return Taken::Failed,
                Phase::Closed => return Taken::Closed,
                Phase::Open if timed_out => return Taken::TimedOut,
                Phase::Open => (inner, timed_out) = self.filled.wait(inner, &deadline),
            }
        }
    }

    /// Ends the generation after a failed write: later appends are refused, and what is buffered is dropped, because it
    /// rests on records that never became durable.
    pub fn fail(&self) {
        {
            let mut inner = self.inner.lock();
            inner.phase = Phase::Failed;
            inner.records = 0;
            inner.bytes = Vec::new();
        }
        self.filled.notify_all();
    }

    /// Orderly end: later appends are refused; the writer takes what is left and is then told [`Taken::Closed`].
    pub fn close(&self) {
        {
            let mut inner = self.inner.lock();
            // A failure stays one: there is nothing left that could be written in order.
            if inner.phase == Phase::Open {
                inner.phase = Phase::Closed;
            }
        }
        self.filled.notify_all();
    }
}

impl Inner {
    fn check_open(&self) -> Result<(), GenerationEnded> {
        if self.phase == Phase::Open { Ok(()) } else { Err(GenerationEnded) }
    }

    fn swap_into(&mut self, group: &mut Group) -> bool {
        if self.records == 0 {
            return false;
        }
        group.records = mem::take(&mut self.records);
        group.first = self.next - u64::from(group.records);
        mem::swap(&mut self.bytes, &mut group.bytes);
        true
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::thread;

    use super::*;

    fn numbers(appended: &Appended) -> (u64, u64) {
        (appended.first(), appended.last())
    }

    #[test]
    fn turns_are_numbered_in_the_order_in_which_they_are_appended() {
        let buffer = GroupBuffer::new(10);
        assert_eq!(buffer.append(b"ab", 2).map(|token| numbers(&token)), Ok((10, 11)));
        assert_eq!(buffer.append(b"c", 1).map(|token| numbers(&token)), Ok((12, 12)));
        let mut group = Group::default();
        assert!(buffer.take(&mut group));
        assert_eq!(group, Group { first: 10, records: 3, bytes: b"abc".to_vec() });
        assert_eq!(group.last(), 12);
        assert!(buffer.append(b"d", 1).is_ok());
        assert!(buffer.take(&mut group));
        assert_eq!(group, Group { first: 13, records: 1, bytes: b"d".to_vec() });
    }

    #[test]
    fn a_turn_that_recorded_nothing_rests_on_everything_before_it() {
        let buffer = GroupBuffer::new(1);
        for (appended, expected) in [(buffer.observe(), (1, 0)), (buffer.append(b"", 0), (1, 0))] {
            let token = appended.expect("the buffer is open");
            assert!(token.is_empty());
            assert_eq!(numbers(&token), expected);
        }
        assert!(buffer.append(b"a", 1).is_ok_and(|token| !token.is_empty()));
        assert_eq!(buffer.observe().map(|token| token.last()), Ok(1));
        assert_eq!(buffer.last_appended(), 1);
    }

    #[test]
    #[should_panic(expected = "a turn without records has no bytes")]
    fn bytes_without_records_are_a_mistake() {
        let _ = GroupBuffer::new(1).append(b"a", 0);
    }

    #[test]
    fn taking_from_an_empty_buffer_empties_the_group() {
        let buffer = GroupBuffer::new(1);
        let mut group = Group { first: 1, records: 1, bytes: b"written before".to_vec() };
        assert!(!buffer.take(&mut group));
        assert_eq!((group.first, group.records, group.last()), (0, 0, 0));
        assert!(group.bytes.is_empty());
    }

    #[test]
    fn the_two_buffers_are_recycled_but_not_those_of_a_burst() {
        let buffer = GroupBuffer::new(1);
        let mut group = Group { bytes: Vec::with_capacity(4096), ..Group::default() };
        assert!(buffer.append(b"a", 1).is_ok());
        assert!(buffer.take(&mut group));
        assert!(buffer.inner.lock().bytes.capacity() >= 4096, "the caller's allocation is the next buffer");
        group.bytes.reserve(RECYCLED_BYTES_MAX * 2);
        assert!(!buffer.take(&mut group));
        assert!(group.bytes.capacity() < RECYCLED_BYTES_MAX * 2);
    }

    #[test]
    fn after_a_failure_nothing_is_appended_and_nothing_is_taken() {
        let buffer = GroupBuffer::new(1);
        assert!(buffer.append(b"a", 1).is_ok());
        buffer.fail();
        buffer.close();
        let mut group = Group::default();
        assert_eq!(buffer.append(b"b", 1), Err(GenerationEnded));
        assert_eq!(buffer.observe(), Err(GenerationEnded));
        assert!(!buffer.take(&mut group));
        assert_eq!(buffer.wait_take(&mut group, None), Taken::Failed, "closing does not mend it");
        assert_eq!(buffer.buffered_bytes(), 0);
    }

    #[test]
    fn a_closed_buffer_is_taken_to_its_end() {
        let buffer = GroupBuffer::new(1);
        assert!(buffer.append(b"a", 1).is_ok());
        buffer.close();
        let mut group = Group::default();
        assert_eq!(buffer.append(b"b", 1), Err(GenerationEnded));
        assert_eq!(buffer.wait_take(&mut group, None), Taken::Group);
        assert_eq!(group.bytes, b"a");
        assert_eq!(buffer.wait_take(&mut group, None), Taken::Closed);
    }

    #[test]
    fn a_writer_without_work_gives_up_in_time() {
        let buffer = GroupBuffer::new(1);
        assert_eq!(buffer.wait_take(&mut Group::default(), Some(Duration::ZERO)), Taken::TimedOut);
        assert!(buffer.append(b"a", 1).is_ok());
        assert_eq!(buffer.wait_take(&mut Group::default(), Some(Duration::ZERO)), Taken::Group);
    }

    #[test]
    fn sequences_that_cannot_be_numbered_are_refused_and_change_nothing() {
        let buffer = GroupBuffer::new(u64::MAX);
        assert_eq!(buffer.append(b"a", 1), Err(GenerationEnded));
        let buffer = GroupBuffer::new(1);
        assert!(buffer.append(b"a", u32::MAX).is_ok());
        assert_eq!(buffer.append(b"b", 1), Err(GenerationEnded));
        assert_eq!((buffer.last_appended(), buffer.buffered_bytes()), (u64::from(u32::MAX), 1));
    }

    #[test]
    fn many_partitions_and_a_writer_agree_on_every_number() {
        const TURNS: u64 = 2_000;
        let buffer = GroupBuffer::new(1);
        thread::scope(|scope| {
            let partitions = [1u8, 2, 3].map(|partition| {
                let buffer = &buffer;
                scope.spawn(move || {
                    let turns = (0..TURNS).map(|turn| {
                        let records = turn % 3 + 1;
                        let bytes = vec![partition; records as usize];
                        (partition, numbers(&buffer.append(&bytes, records as u32).expect("the buffer is open")))
                    });
                    turns.collect::<Vec<_>>()
                })
            });
            let writer = scope.spawn(|| {
                let (mut group, mut written) = (Group::default(), Vec::new());
                while buffer.wait_take(&mut group, None) == Taken::Group {
                    assert_eq!(group.first, written.len() as u64 + 1);
                    written.extend_from_slice(&group.bytes);
                }
                written
            });
            let turns = partitions.map(|partition| partition.join().unwrap());
            buffer.close();
            let written = writer.join().unwrap();
            for (partition, (first, last)) in turns.into_iter().flatten() {
                let records = &written[first as usize - 1..last as usize];
                assert!(records.iter().all(|record| *record == partition));
            }
        });
    }
}
