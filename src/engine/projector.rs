//! The projector: a low-priority thread that folds durable records into the query models, writes the partitions'
//! snapshots, and has the journal vouch for both with a manifest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use minicbor::{Decode, Encode};
use stockade_actors::command::Command;
use stockade_actors::host::{CheckpointPart, CheckpointSink};
use stockade_actors::mailbox::{Incoming, Mailbox};
use stockade_actors::ports::Clock;
use stockade_actors::release::Envelope;
use stockade_domain::Timestamp;
use stockade_storage::disk::DiskError;
use stockade_storage::journal::{Position, Upkeep};
use stockade_storage::packed::{Compaction, RowBatch};
use stockade_storage::projection::{MODELS_VERSION, Model};
use stockade_storage::record::{RecordHead, encode_record};
use stockade_sync::ReplySender;

use super::history::{History, HistoryError, actor_key, space};
use super::upkeep::Archivist;

/// Records folded before they are written as rows.
const BATCH_RECORDS: u64 = 65_536;
/// Bytes of journal read at once.
const READ_BYTES: usize = 1 << 20;
/// How long it lets records gather while it is ahead.
const PAUSE: Duration = Duration::from_millis(20);
/// How long it waits after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How long tidying rests after a failure, in seconds of engine time.
const TIDY_REST_SECONDS: u32 = 10;

/// What a checkpoint consists of; the journal holds it as a record of storage's own.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Checkpoint {
    /// For each partition the sequence up to which the snapshots go.
    #[n(0)]
    pub(crate) cuts: Vec<u64>,
    /// For each partition its books.
    #[cbor(n(1))]
    pub(crate) books: Vec<minicbor::bytes::ByteVec>,
    /// How far the query models go.
    #[n(2)]
    pub(crate) projected: u64,
    /// The runs, with their hashes.
    #[cbor(n(3))]
    pub(crate) manifest: minicbor::bytes::ByteVec,
    /// What the query models are; none in records of before they had a version.
    #[n(4)]
    pub(crate) models: Option<u32>,
}

impl Checkpoint {
    /// Every record up to here is in the snapshots.
    pub(crate) fn cut(&self) -> u64 {
        self.cuts.iter().copied().min().unwrap_or(0)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A checkpoint whose parts are coming in.
struct Collecting {
    cuts: Vec<Option<u64>>,
    books: Vec<Option<Vec<u8>>>,
}

impl Collecting {
    fn is_whole(&self) -> bool {
        self.books.iter().all(Option::is_some)
    }
}

/// Somebody waits for a checkpoint of everything there is.
struct Wanted {
    done: Sender<()>,
    /// The checkpoint under way is the one.
    begun: bool,
}

/// Where the last generation stopped.
pub(crate) struct Resume {
    /// The checkpoints that the journal holds and that were found good, the newest last; two at most.
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// Sequence of the newest one's record; 0 when there is none.
    pub(crate) checkpointed: u64,
}

/// Stops the projector.
pub(crate) struct ProjectorHandle {
    ask: Sender<Sender<()>>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl ProjectorHandle {
    /// Takes a checkpoint of everything, so that the next start has nothing to replay; false when it was not done in time.
    pub(crate) fn checkpoint(&self, until: Instant) -> bool {
        let (done, answer) = bounded(1);
        if self.ask.send(done).is_err() {
            return false;
        }
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        answer.recv_deadline(until).is_ok()
    }

    /// Lets it finish what is durable, and waits for it.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the projector panicked; what is derived is rebuilt at the next start");
            }
        }
    }
}

/// The projector's state machine; a thread merely drives it.
pub(crate) struct Projector {
    history: Arc<History>,
    upkeep: Upkeep,
    mailboxes: Vec<Mailbox>,
    /// Why no spare segment could be prepared, as it was said last.
    cannot_prepare: Option<String>,
    at: Position,
    last_cut: u64,
    /// Sequence of the last checkpoint's record if it covers all before it; 0 otherwise.
    checkpointed: u64,
    snapshots_through: u64,
    checkpoint_records: u64,
    collecting: Option<Collecting>,
    wanted: Option<Wanted>,
    asked: Receiver<Sender<()>>,
    ask: Sender<Sender<()>>,
    archivist: Archivist,
    clock: Arc<dyn Clock>,
    /// Tidying failed: not before this time again.
    tidies_after: Timestamp,
    /// Who is told when nothing is left to do.
    waiting: Vec<ReplySender<()>>,
    /// The part that is being written.
    part: Option<CheckpointPart>,
    /// Memory of the rows on their way into the store, used again and again.
    rows: RowBatch,
    parts: Receiver<CheckpointPart>,
    sink: Sender<CheckpointPart>,
}

impl Projector {
    pub(crate) fn new(
        history: Arc<History>,
        upkeep: Upkeep,
        mailboxes: Vec<Mailbox>,
        resume: &Resume,
        clock: Arc<dyn Clock>,
        checkpoint_records: u64,
    ) -> Self {
        let (sink, parts) = unbounded();
        let (ask, asked) = unbounded();
        let at = Position::before(history.projected.durable() + 1);
        let snapshots_through = history.store.through(space(Model::Snapshots));
        Self {
            history,
            upkeep,
            mailboxes,
            at,
            last_cut: resume.checkpoints.last().map_or(0, Checkpoint::cut),
            checkpointed: alone_at(resume.checkpointed, resume.checkpoints.last().map_or(0, Checkpoint::cut)),
            snapshots_through,
            checkpoint_records,
            cannot_prepare: None,
            collecting: None,
            wanted: None,
            asked,
            ask,
            archivist: Archivist::new(&resume.checkpoints),
            clock,
            tidies_after: Timestamp(i64::MIN),
            waiting: Vec::new(),
            part: None,
            rows: RowBatch::new(),
            parts,
            sink,
        }
    }

    /// Drives it on a thread of its own.
    pub(crate) fn spawn(mut self) -> std::io::Result<ProjectorHandle> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let history = Arc::clone(&self.history);
        let ask = self.ask.clone();
        let thread = thread::Builder::new().name("stockade-projector".into()).spawn(move || {
            // Lower priority than those who answer; without the right to it, it runs like everybody else.
            let _ = rustix::process::nice(5);
            self.run(&stopping);
            self.history.end();
        })?;
        history.set_projector(thread.thread().clone());
        Ok(ProjectorHandle { ask, stop, thread: Some(thread) })
    }

    fn run(&mut self, stop: &AtomicBool) {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            let stopping = stop.load(Ordering::Acquire);
            self.waiting.extend(self.history.take_waiting());
            // What is only tidying can wait for the next start.
            match if stopping { self.take_in() } else { self.step() } {
                Ok(true) => continue,
                Ok(false) if stopping => break,
                Ok(false) if self.collecting.is_none() => self.waiting.drain(..).for_each(|waiting| waiting.send(())),
                Ok(false) => {}
                Err(error) => {
                    // Whoever closes the engine need not wait for a checkpoint that cannot be written.
                    self.wanted = None;
                    while self.asked.try_recv().is_ok() {}
                    if self.history.departures.poll_reached(u64::MAX, &mut context).is_ready() {
                        tracing::error!(%error, "lists and snapshots end with this generation of the engine");
                        self.history.projected.close(&mut Vec::new());
                        return;
                    }
                    if stopping {
                        break;
                    }
                    // A disk that is full now may have room later; what is true is in the journal all the while.
                    tracing::warn!(%error, "lists or snapshots could not be written; it is tried again");
                    thread::park_timeout(RETRY);
                    continue;
                }
            }
            if self.history.departures.poll_reached(self.at.next(), &mut context).is_pending() {
                thread::park_timeout(Duration::from_secs(1));
            } else {
                thread::park_timeout(PAUSE);
            }
        }
        if let Err(error) = self.flush() {
            tracing::error!(%error, "the query models could not be written; they are rebuilt at the next start");
        }
    }

    /// One bounded piece of work; says whether there is more.
    pub(crate) fn step(&mut self) -> Result<bool, HistoryError> {
        self.prepare();
        if self.take_in()? {
            return Ok(true);
        }
        Ok(self.tidy())
    }

    /// One piece of the work that nobody waits for; says whether there is more. A failure costs room or speed, no truth.
    fn tidy(&mut self) -> bool {
        let now = self.clock.now();
        if now < self.tidies_after {
            return false;
        }
        self.try_tidy(now).unwrap_or_else(|error| {
            tracing::warn!(%error, "segments or lists could not be tidied; it is tried again later");
            self.tidies_after = now.plus_seconds(TIDY_REST_SECONDS);
            false
        })
    }

    fn try_tidy(&mut self, now: Timestamp) -> Result<bool, HistoryError> {
        if self.upkeep.seal_step().map_err(HistoryError::of)?.is_some() {
            return Ok(true);
        }
        let compacted = self.history.store.compact_step(1 << 20).map_err(HistoryError::of)?;
        Ok(compacted == Compaction::Pending || self.archivist.step(now, &self.upkeep, &self.history.store)?)
    }

    /// Takes in what others have made: records, and parts of checkpoints.
    fn take_in(&mut self) -> Result<bool, HistoryError> {
        let folded = self.fold()?;
        let collected = self.collect()?;
        if let Ok(done) = self.asked.try_recv() {
            self.wanted = Some(Wanted { done, begun: false });
        }
        if self.collecting.is_none() && !folded {
            self.begin_checkpoint_if_due();
        }
        Ok(folded || collected)
    }

    fn begin_checkpoint_if_due(&mut self) {
        let durable = self.history.departures.durable();
        match &mut self.wanted {
            Some(_) if durable == self.checkpointed => self.tell_wanted(),
            Some(wanted) => {
                wanted.begun = true;
                self.start_checkpoint();
            }
            None if durable.saturating_sub(self.last_cut) >= self.checkpoint_records => self.start_checkpoint(),
            None => {}
        }
    }

    fn tell_wanted(&mut self) {
        if let Some(wanted) = self.wanted.take() {
            // Whoever asked may have stopped waiting.
            let _ = wanted.done.send(());
        }
    }

    /// Keeps a spare segment ready. A full disk is no failure here: admission refuses new work before it is needed. What is
    /// wrong is said when it begins and when it ends, not at every attempt.
    fn prepare(&mut self) {
        let wrong = self.upkeep.prepare().err();
        let said = wrong.as_ref().map(ToString::to_string);
        if said == self.cannot_prepare {
            return;
        }
        match &wrong {
            Some(error @ DiskError::Full { .. }) => {
                tracing::warn!(%error, "new work is refused as `storage_full` until there is room again");
            }
            Some(error) => tracing::warn!(%error, "no spare segment can be prepared; it is tried again and again"),
            None => tracing::info!("spare segments can be prepared again: new work is welcome"),
        }
        self.cannot_prepare = said;
    }

    /// Takes the next durable records in.
    fn fold(&mut self) -> Result<bool, HistoryError> {
        let durable = self.history.departures.durable();
        let before = self.at.next();
        if before > durable {
            return Ok(false);
        }
        let mut wrong = None;
        {
            let mut batch = self.history.batch.write();
            let mut visit = |seq: u64, record: &[u8]| {
                if let Err(error) = batch.take(seq, record) {
                    wrong = Some(HistoryError::of(error));
                }
            };
            self.history.reader.read_on(&mut self.at, READ_BYTES, &mut visit).map_err(HistoryError::of)?;
        }
        if let Some(error) = wrong {
            return Err(error);
        }
        let after = self.at.next();
        self.history.projected.publish(after - 1, &mut Vec::new());
        if self.history.batch.read().records() >= BATCH_RECORDS {
            self.flush()?;
        }
        Ok(after > before)
    }

    /// Writes the folded batch as rows.
    fn flush(&mut self) -> Result<(), HistoryError> {
        let mut batch = self.history.batch.write();
        if batch.records() == 0 {
            return Ok(());
        }
        let (through, grouped) = (batch.last(), batch.grouped());
        for model in Model::FOLDED {
            let rows = &mut self.rows;
            rows.clear();
            for (key, value) in grouped.rows(model) {
                rows.put(&key, &value).map_err(HistoryError::of)?;
            }
            if !rows.is_empty() {
                self.history.store.write_run(space(model), rows, through).map_err(HistoryError::of)?;
            }
        }
        batch.clear();
        Ok(())
    }

    fn start_checkpoint(&mut self) {
        let partitions = self.mailboxes.len();
        self.collecting = Some(Collecting { cuts: vec![None; partitions], books: vec![None; partitions] });
        self.last_cut = self.history.departures.durable();
        let history = Arc::clone(&self.history);
        let parts = self.sink.clone();
        let sink: CheckpointSink = Arc::new(move |part| {
            // A projector that is gone needs no parts.
            let _ = parts.send(part);
            history.nudge();
        });
        for mailbox in &self.mailboxes {
            let (envelope, _) = Envelope::new(Command::Checkpoint { sink: Arc::clone(&sink) }, None);
            mailbox.send(Incoming::Command(envelope));
        }
    }

    /// Writes a part of a checkpoint; with the last one, the manifest. What could not be written is kept for the next
    /// attempt: its actors count as written and will not be sent again.
    fn collect(&mut self) -> Result<bool, HistoryError> {
        if self.part.is_none() {
            self.part = self.parts.try_recv().ok();
        }
        if let Some(part) = self.part.take() {
            let written = self.write_part(&part);
            self.part = Some(part);
            self.snapshots_through = written?;
        }
        let part = self.part.take();
        let Some(collecting) = &mut self.collecting else { return Ok(part.is_some()) };
        if let Some(CheckpointPart { partition, cut, books: Some(books), .. }) = part {
            collecting.cuts[partition] = Some(cut);
            collecting.books[partition] = Some(books);
            if collecting.is_whole() {
                self.finish_checkpoint()?;
            }
            return Ok(true);
        }
        if collecting.is_whole() {
            // It could not be finished before.
            self.finish_checkpoint()?;
            return Ok(true);
        }
        Ok(part.is_some())
    }

    /// Writes the rows of a part, and says up to where the snapshots go then.
    fn write_part(&mut self, part: &CheckpointPart) -> Result<u64, HistoryError> {
        // Snapshots hold only what is durable.
        self.history.departures.wait(part.cut).map_err(HistoryError::of)?;
        let store = &self.history.store;
        let (snapshots, mut due) = (&mut self.rows, RowBatch::new());
        snapshots.clear();
        for row in &part.rows {
            let key = actor_key(row.kind as u8, &row.key);
            snapshots.put(&key, &row.state).map_err(HistoryError::of)?;
            match row.due {
                Some(at) => due.put(&key, &at.0.to_be_bytes()).map_err(HistoryError::of)?,
                // Most actors were never due, and a row that removes nothing would be read at every start.
                None if store.get(space(Model::Due), &key).map_err(HistoryError::of)?.is_none() => {}
                None => due.remove(&key).map_err(HistoryError::of)?,
            }
        }
        for row in part.rows_at_rest() {
            snapshots.put(&actor_key(row.kind as u8, &row.key), &row.state).map_err(HistoryError::of)?;
        }
        if part.is_empty() {
            return Ok(self.snapshots_through);
        }
        let through = self.snapshots_through.max(part.cut);
        for (model, rows) in [(Model::Snapshots, snapshots), (Model::Due, &mut due)] {
            store.write_run(space(model), rows, through).map_err(HistoryError::of)?;
        }
        Ok(through)
    }

    fn finish_checkpoint(&mut self) -> Result<(), HistoryError> {
        self.flush()?;
        let Some(Collecting { cuts, books }) = &self.collecting else { return Ok(()) };
        let manifest = self.history.store.manifest().map_err(HistoryError::of)?;
        let checkpoint = Checkpoint {
            models: Some(MODELS_VERSION),
            cuts: cuts.iter().copied().flatten().collect(),
            books: books.iter().flatten().cloned().map(Into::into).collect(),
            projected: self.at.next() - 1,
            manifest: manifest.encode().into(),
        };
        let events = minicbor::to_vec(&checkpoint).map_err(HistoryError::of)?;
        let head = RecordHead { kind: 0, key: &[], time: 0, note: 0, digests: &[] };
        let mut record = Vec::new();
        encode_record(&mut record, &head, &events);
        let appended = self.history.buffer.append(&record, 1).map_err(HistoryError::of)?;
        self.history.departures.wait(appended.last()).map_err(HistoryError::of)?;
        self.collecting = None;
        self.history.store.journaled(manifest.number);
        let cut = checkpoint.cut();
        self.checkpointed = alone_at(appended.last(), cut);
        self.archivist.checkpointed(cut, &manifest);
        if self.wanted.as_ref().is_some_and(|wanted| wanted.begun) {
            self.tell_wanted();
        }
        for mailbox in &self.mailboxes {
            let (envelope, _) = Envelope::new(Command::CheckpointDone { cut }, None);
            mailbox.send(Incoming::Command(envelope));
        }
        tracing::debug!(cut, runs = manifest.runs.len(), "checkpoint");
        Ok(())
    }
}

/// The sequence of a checkpoint's record if nothing came between its cut and the record, so that whoever finds it last in the
/// journal has everything; otherwise none.
fn alone_at(record: u64, cut: u64) -> u64 {
    if record == cut + 1 { record } else { 0 }
}
