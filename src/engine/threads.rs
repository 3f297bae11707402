//! The threads of an engine: one per partition with its actor, the writer, the projector; and how they end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actix::Actor;
use parking_lot::Mutex;
use stockade_actors::faults::Sender;
use stockade_actors::host::{Host, Shared};
use stockade_actors::mailbox::Mailbox;
use stockade_actors::partition::{Partition, Stop, Wake};
use stockade_actors::release::{Departure, Departures, Outlet, depart, give_up};
use stockade_storage::journal::{FileJournal, JournalError, Released, Room, Writer};
use stockade_sync::{GroupBuffer, Inbox};

use super::CLOSE_MAX;
use super::error::EngineError;
use super::history::History;
use super::projector::ProjectorHandle;
use super::write_times::{TimedJournal, WriteTimes};

/// When nothing was written for so long, a seal proves what was.
const SEAL_AFTER: Duration = Duration::from_millis(200);
/// How far the query models may lag behind, in records, before newcomers are told to wait.
const LAG_MAX: u64 = 16_000_000;

/// The threads of an engine, and what only they need.
pub(super) struct Threads {
    pub(super) history: Arc<History>,
    pub(super) failed: Arc<AtomicBool>,
    pub(super) room: Room,
    /// Bytes that everything on its way may need in the worst case.
    pub(super) room_wanted: u64,
    /// Whether what is closed can be opened again.
    pub(super) keeps: bool,
    pub(super) replayed: u64,
    pub(super) running: Mutex<Option<Running>>,
}

pub(super) struct Running {
    pub(super) partitions: Vec<(actix::Addr<Partition>, JoinHandle<()>)>,
    pub(super) writer: JoinHandle<()>,
    pub(super) projector: ProjectorHandle,
}

impl Threads {
    pub(super) fn history(&self) -> &Arc<History> {
        &self.history
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Whether the journal has room for more work and the projector is not too far behind.
    pub(super) fn has_room(&self) -> bool {
        self.room.has_room(self.room_wanted)
    }

    pub(super) fn lags_too_far(&self) -> bool {
        self.history.lag() > LAG_MAX
    }

    /// How many records were read into actors when it was opened.
    pub(super) const fn replayed(&self) -> u64 {
        self.replayed
    }

    /// Stops everything, in the order in which work flows, so that nothing is lost on the way.
    pub(super) fn close(&self, buffer: &GroupBuffer, until: Instant) -> Result<(), EngineError> {
        let Some(running) = self.running.lock().take() else { return Ok(()) };
        let Running { partitions, writer, mut projector } = running;
        if self.keeps && !self.has_failed() && !projector.checkpoint(until) {
            tracing::warn!("closing without a checkpoint: the next start replays more");
        }
        for (address, _) in &partitions {
            address.do_send(Stop);
        }
        for (_, thread) in partitions {
            thread.join().map_err(|_| EngineError::Thread("a partition panicked".into()))?;
        }
        // All turns are appended: what is buffered is written, and then the projector has everything.
        let result = self.departures_settled();
        projector.stop();
        buffer.close();
        writer.join().map_err(|_| EngineError::Thread("the journal's writer panicked".into()))?;
        result
    }

    fn departures_settled(&self) -> Result<(), EngineError> {
        let last = self.history.buffer.last_appended();
        self.history.departures.wait(last).map_err(|_| {
            EngineError::Io("the journal failed: what was not acknowledged may be lost; open again".into())
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let buffer = Arc::clone(&self.history.buffer);
        if let Err(error) = self.close(&buffer, Instant::now() + CLOSE_MAX) {
            tracing::error!(%error, "the engine could not be closed in order");
        }
    }
}

/// What the writer gives back: answers leave, or are told that their outcome is unknown.
struct Departing {
    failed: Arc<AtomicBool>,
}

impl Released<Departure> for Departing {
    fn due(&mut self, items: &mut Vec<Departure>) {
        depart(items);
    }

    fn lost(&mut self, items: &mut Vec<Departure>, error: Option<&JournalError>) {
        if error.is_some() {
            self.failed.store(true, Ordering::Release);
        }
        give_up(items);
    }
}

pub(super) fn spawn_writer(
    journal: FileJournal,
    buffer: &Arc<GroupBuffer>,
    departures: &Arc<Departures>,
    failed: &Arc<AtomicBool>,
    times: &WriteTimes,
) -> Result<JoinHandle<()>, EngineError> {
    let journal = TimedJournal { journal, times: times.clone() };
    let departing = Box::new(Departing { failed: Arc::clone(failed) });
    Writer::new(Box::new(journal), Arc::clone(buffer), Arc::clone(departures), departing)
        .spawn(SEAL_AFTER)
        .map_err(|error| EngineError::Thread(error.to_string()))
}

/// A partition's thread, before it has its actor.
pub(super) struct Seat {
    index: usize,
    pub(super) mailbox: Mailbox,
    inbox: Arc<Inbox<stockade_actors::mailbox::Incoming>>,
    address: Arc<OnceLock<actix::Addr<Partition>>>,
    runtime: tokio::runtime::Handle,
    start: mpsc::Sender<(Host, Arc<dyn stockade_actors::ports::Clock>)>,
    started: mpsc::Receiver<actix::Addr<Partition>>,
    thread: JoinHandle<()>,
}

impl Seat {
    pub(super) fn new(index: usize) -> Result<Self, EngineError> {
        let address: Arc<OnceLock<actix::Addr<Partition>>> = Arc::default();
        let inbox: Arc<Inbox<_>> = Arc::default();
        let wake_address = Arc::clone(&address);
        // Before the actor has started nobody needs to wake it: it looks at its mail when it starts.
        let wake = Arc::new(move || {
            if let Some(address) = wake_address.get() {
                address.do_send(Wake);
            }
        });
        let mailbox = Mailbox::new(Arc::clone(&inbox), wake);
        let (start, to_start) = mpsc::channel();
        let (handle_out, handle_in) = mpsc::channel();
        let (started_out, started) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("stockade-partition-{index}"))
            .spawn(move || run_partition(&handle_out, &to_start, &started_out))
            .map_err(|error| EngineError::Thread(error.to_string()))?;
        let runtime = handle_in.recv().map_err(|_| EngineError::Thread("a partition did not start".into()))?;
        Ok(Self { index, mailbox, inbox, address, runtime, start, started, thread })
    }

    pub(super) fn host(&self, shared: &Shared, peers: Vec<Mailbox>) -> Host {
        let outlet = Outlet {
            gateway: Arc::clone(&shared.ports.gateway),
            notifier: Arc::clone(&shared.ports.notifier),
            runtime: self.runtime.clone(),
            mailbox: self.mailbox.through(&shared.ports.faults, Sender::Gateway, self.index),
        };
        Host::new(self.index, shared.clone(), Arc::clone(&self.inbox), outlet, peers)
    }

    pub(super) fn start(
        self,
        host: Host,
        clock: Arc<dyn stockade_actors::ports::Clock>,
    ) -> Result<(actix::Addr<Partition>, JoinHandle<()>), EngineError> {
        let gone = |_| EngineError::Thread("a partition ended before it began".into());
        self.start.send((host, clock)).map_err(|_| EngineError::Thread("a partition ended before it began".into()))?;
        let address = self.started.recv().map_err(gone)?;
        let _ = self.address.set(address.clone());
        // Mail that came between the start and now has found nobody to wake.
        address.do_send(Wake);
        Ok((address, self.thread))
    }
}

fn run_partition(
    handle: &mpsc::Sender<tokio::runtime::Handle>,
    start: &mpsc::Receiver<(Host, Arc<dyn stockade_actors::ports::Clock>)>,
    started: &mpsc::Sender<actix::Addr<Partition>>,
) {
    let system = actix::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
    });
    system.block_on(async {
        let _ = handle.send(tokio::runtime::Handle::current());
    });
    // An engine that could not be opened sends no host: then there is nothing to run.
    let Ok((host, clock)) = start.recv() else { return };
    system.block_on(async {
        let _ = started.send(Partition::new(host, clock).start());
    });
    if let Err(error) = system.run() {
        tracing::error!(%error, "a partition's system ended badly");
    }
}
