//! One turn of a partition: the records it makes, ready to be appended in one piece.
//!
//! Each actor that changes has one record per turn; its events are encoded when they are applied. A command that
//! panics is cut out again: the records it touched go back to the length they had before it.

use smallvec::SmallVec;
use stockade_domain::Timestamp;
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::order::note::PLACED;
use stockade_domain::stock::TELLS_ALARMS;
use stockade_storage::record::{RecordHead, encode_record};

use crate::command::KeyDigest;
use crate::memory::Memory;

struct Record {
    key: EntityKey,
    note: u8,
    digests: SmallVec<[KeyDigest; 1]>,
    events: Vec<u8>,
    /// The last command that touched it, and what it was before that.
    command: u64,
    length_before: usize,
    digests_before: usize,
    note_before: u8,
}

/// The turn at hand.
#[derive(Default)]
pub struct Turn {
    records: Vec<Record>,
    /// Buffers of earlier turns.
    spare: Vec<Vec<u8>>,
    /// Records touched by the command at hand.
    touched: Vec<u32>,
    command: u64,
    bytes: Vec<u8>,
}

impl Turn {
    /// A new command begins.
    pub fn begin_command(&mut self) {
        self.command += 1;
        self.touched.clear();
    }

    /// The record of an actor that has none in this turn yet.
    pub fn add_record(&mut self, key: EntityKey) -> u32 {
        let events = self.spare.pop().unwrap_or_default();
        let command = 0;
        let note = if key.kind() == EntityKind::Sku { TELLS_ALARMS } else { 0 };
        self.records.push(Record {
            key,
            note,
            digests: SmallVec::new(),
            events,
            command,
            length_before: 0,
            digests_before: 0,
            note_before: note,
        });
        self.records.len() as u32 - 1
    }

    /// Encodes an event into a record.
    pub fn push_event<E: minicbor::Encode<()>>(&mut self, record: u32, event: &E) {
        self.touch(record);
        let events = &mut self.records[record as usize].events;
        minicbor::encode(event, Memory(events)).unwrap_or_else(|_| unreachable!("writing to memory cannot fail"));
    }

    /// Puts the idempotency key of the command at hand into a record.
    pub fn add_digest(&mut self, record: u32, digest: KeyDigest) {
        self.touch(record);
        self.records[record as usize].digests.push(digest);
    }

    /// Sets a record's note: what projections need to know without reading the events. That the record placed an
    /// order stays said, whatever else happens to the order in the same turn.
    pub fn set_note(&mut self, record: u32, note: u8) {
        self.touch(record);
        let row = &mut self.records[record as usize];
        row.note = note | row.note & PLACED;
    }

    /// The command at hand is about to change the owner of a record.
    pub fn touch(&mut self, record: u32) {
        let row = &mut self.records[record as usize];
        if row.command != self.command {
            row.command = self.command;
            row.length_before = row.events.len();
            row.digests_before = row.digests.len();
            row.note_before = row.note;
            self.touched.push(record);
        }
    }

    /// Whether the command at hand has made any record.
    pub fn command_wrote(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Takes the command at hand out of the turn, and says whose records it had touched.
    pub fn cut_command(&mut self) -> Vec<(u32, EntityKey)> {
        let touched = std::mem::take(&mut self.touched);
        for record in &touched {
            let row = &mut self.records[*record as usize];
            row.events.truncate(row.length_before);
            row.digests.truncate(row.digests_before);
            row.note = row.note_before;
        }
        touched.into_iter().map(|record| (record, self.records[record as usize].key.clone())).collect()
    }

    /// Whose records are in the turn.
    pub fn owners(&self) -> impl Iterator<Item = &EntityKey> {
        self.records.iter().map(|row| &row.key)
    }

    /// The events of a record so far.
    pub fn events(&self, record: u32) -> &[u8] {
        &self.records[record as usize].events
    }

    /// Whether nothing was recorded. Records that a cut command left empty do not count.
    pub fn is_empty(&self) -> bool {
        self.records.iter().all(|row| row.events.is_empty())
    }

    /// The turn as bytes for the journal, with the number of records. Empty records are left out, as in
    /// [`Self::number`].
    pub fn encode(&mut self, now: Timestamp) -> (&[u8], u32) {
        self.bytes.clear();
        let mut count = 0;
        for row in self.records.iter().filter(|row| !row.events.is_empty()) {
            row.key.with_bytes(|key| {
                let kind = row.key.kind() as u8;
                let head = RecordHead { kind, key, time: now.0, note: row.note, digests: &row.digests };
                encode_record(&mut self.bytes, &head, &row.events);
            });
            count += 1;
        }
        (&self.bytes, count)
    }

    /// The records' owners with the sequences that an append at `first` has given them; an empty record was not
    /// written and gets the one before it.
    pub fn number(&self, first: u64, sequences: &mut Vec<u64>) -> impl Iterator<Item = (&EntityKey, Option<u64>)> {
        let mut next = first;
        sequences.clear();
        for row in &self.records {
            next += u64::from(!row.events.is_empty());
            sequences.push(next - 1);
        }
        let sequences: &Vec<u64> = sequences;
        self.records.iter().zip(sequences).map(|(row, seq)| (&row.key, (!row.events.is_empty()).then_some(*seq)))
    }

    /// Forgets the turn and keeps its buffers.
    pub fn clear(&mut self) {
        for mut row in self.records.drain(..) {
            row.events.clear();
            if self.spare.len() < 4096 {
                self.spare.push(row.events);
            }
        }
        self.touched.clear();
    }
}

#[cfg(test)]
mod tests {
    use stockade_domain::SkuId;
    use stockade_storage::record::{next_record, parse_record};

    use super::*;

    /// Keys of all commands but the last used to be forgotten at the next start, and what they asked for was done twice.
    #[test]
    fn a_record_binds_the_keys_of_every_command_to_its_actor_in_the_turn() {
        let mut turn = Turn::default();
        turn.begin_command();
        let record = turn.add_record(EntityKey::Sku(SkuId::new("MUG").unwrap()));
        turn.push_event(record, &1u8);
        turn.add_digest(record, [1; 16]);
        turn.begin_command();
        turn.push_event(record, &2u8);
        turn.add_digest(record, [2; 16]);
        turn.begin_command();
        turn.push_event(record, &3u8);
        turn.add_digest(record, [3; 16]);
        turn.cut_command();
        let (bytes, count) = turn.encode(Timestamp(7));
        assert_eq!(count, 1);
        let (head, events) = parse_record(next_record(&mut &*bytes).unwrap()).unwrap();
        assert_eq!(head.digests, [[1; 16], [2; 16]], "a command that was cut binds nothing");
        assert_eq!(events, [1, 2]);
    }
}
