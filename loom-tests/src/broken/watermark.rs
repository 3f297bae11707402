//! Roles and twins of [`Watermark`].

use std::mem;

use crate::generation_ended::GenerationEnded;
use crate::primitives::{AtomicU64, Mutex, Ordering, Thread, current, park};
use crate::watermark::{Parked, Watermark};

/// Keeps items until their basis is durable. In the models an item is its own basis.
pub trait Parks: Send + Sync + 'static {
    /// A watermark at 0.
    fn new() -> Self;
    /// See [`Watermark::park`].
    fn park(&self, basis: u64, item: u64) -> Parked<u64>;
    /// See [`Watermark::publish`].
    fn publish(&self, seq: u64, out: &mut Vec<u64>);
}

impl Parks for Watermark<u64> {
    fn new() -> Self {
        Self::new(0)
    }

    fn park(&self, basis: u64, item: u64) -> Parked<u64> {
        self.park(basis, item)
    }

    fn publish(&self, seq: u64, out: &mut Vec<u64>) {
        self.publish(seq, out);
    }
}

/// Looks at the watermark before it takes the lock, and not again.
#[derive(Debug)]
pub struct ParksUnchecked {
    durable: AtomicU64,
    parked: Mutex<Vec<(u64, u64)>>,
}

impl Parks for ParksUnchecked {
    fn new() -> Self {
        Self { durable: AtomicU64::new(0), parked: Mutex::new(Vec::new()) }
    }

    fn park(&self, basis: u64, item: u64) -> Parked<u64> {
        if basis <= self.durable.load(Ordering::Acquire) {
            return Parked::Due(item);
        }
        // BUG: the watermark may pass the basis here, and then nobody comes back for the item.
        self.parked.lock().push((basis, item));
        Parked::Waits
    }

    fn publish(&self, seq: u64, out: &mut Vec<u64>) {
        let mut parked = self.parked.lock();
        self.durable.store(seq, Ordering::Release);
        out.extend(parked.extract_if(.., |(basis, _)| *basis <= seq).map(|(_, item)| item));
    }
}

/// Keeps items in order of arrival, as if bases always arrived in order.
#[derive(Debug)]
pub struct ParksInOrderOfArrival {
    durable: AtomicU64,
    parked: Mutex<Vec<(u64, u64)>>,
}

impl Parks for ParksInOrderOfArrival {
    fn new() -> Self {
        Self { durable: AtomicU64::new(0), parked: Mutex::new(Vec::new()) }
    }

    fn park(&self, basis: u64, item: u64) -> Parked<u64> {
        let mut parked = self.parked.lock();
        if basis <= self.durable.load(Ordering::Relaxed) {
            return Parked::Due(item);
        }
        parked.push((basis, item));
        Parked::Waits
    }

    fn publish(&self, seq: u64, out: &mut Vec<u64>) {
        let mut parked = self.parked.lock();
        self.durable.store(seq, Ordering::Release);
        // BUG: everything before the last item that is due goes out, whatever its basis.
        let due = parked.iter().rposition(|(basis, _)| *basis <= seq).map_or(0, |last| last + 1);
        out.extend(parked.drain(..due).map(|(_, item)| item));
    }
}

/// Shows how far the disk has got.
pub trait Shows: Send + Sync + 'static {
    /// A watermark at 0.
    fn new() -> Self;
    /// See [`Watermark::durable`].
    fn durable(&self) -> u64;
    /// See [`Watermark::publish`]; nothing is parked.
    fn publish(&self, seq: u64);
}

impl Shows for Watermark<u64> {
    fn new() -> Self {
        Self::new(0)
    }

    fn durable(&self) -> u64 {
        self.durable()
    }

    fn publish(&self, seq: u64) {
        self.publish(seq, &mut Vec::new());
    }
}

/// Says that a sequence is durable without passing on what its publisher has done before.
#[derive(Debug)]
pub struct PublishesRelaxed {
    durable: AtomicU64,
}

impl Shows for PublishesRelaxed {
    fn new() -> Self {
        Self { durable: AtomicU64::new(0) }
    }

    fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    fn publish(&self, seq: u64) {
        // BUG: `Release` is what makes the publisher's earlier writes visible.
        self.durable.store(seq, Ordering::Relaxed);
    }
}

/// Ends, and gives back what waits.
pub trait Closes: Send + Sync + 'static {
    /// A watermark at 0.
    fn new() -> Self;
    /// See [`Watermark::park`].
    fn park(&self, basis: u64, item: u64) -> Parked<u64>;
    /// See [`Watermark::close`].
    fn close(&self, out: &mut Vec<u64>);
}

impl Closes for Watermark<u64> {
    fn new() -> Self {
        Self::new(0)
    }

    fn park(&self, basis: u64, item: u64) -> Parked<u64> {
        self.park(basis, item)
    }

    fn close(&self, out: &mut Vec<u64>) {
        self.close(out);
    }
}

/// Closing hands out what is parked, and forgets that it was closed.
#[derive(Debug)]
pub struct ClosesOnce {
    parked: Mutex<Vec<u64>>,
}

impl Closes for ClosesOnce {
    fn new() -> Self {
        Self { parked: Mutex::new(Vec::new()) }
    }

    fn park(&self, _basis: u64, item: u64) -> Parked<u64> {
        // BUG: after the end of the generation nobody will publish or close again.
        self.parked.lock().push(item);
        Parked::Waits
    }

    fn close(&self, out: &mut Vec<u64>) {
        out.append(&mut self.parked.lock());
    }
}

/// Wakes threads that wait for a sequence.
pub trait Wakes: Send + Sync + 'static {
    /// A watermark at 0.
    fn new() -> Self;
    /// See [`Watermark::wait`].
    fn wait(&self, seq: u64) -> Result<(), GenerationEnded>;
    /// See [`Watermark::publish`]; nothing is parked.
    fn publish(&self, seq: u64);
}

impl Wakes for Watermark<u64> {
    fn new() -> Self {
        Self::new(0)
    }

    fn wait(&self, seq: u64) -> Result<(), GenerationEnded> {
        self.wait(seq)
    }

    fn publish(&self, seq: u64) {
        self.publish(seq, &mut Vec::new());
    }
}

/// A thread that waits enlists after it has looked.
#[derive(Debug)]
pub struct EnlistsLate {
    durable: AtomicU64,
    sleepers: Mutex<Vec<Thread>>,
}

impl Wakes for EnlistsLate {
    fn new() -> Self {
        Self { durable: AtomicU64::new(0), sleepers: Mutex::new(Vec::new()) }
    }

    fn wait(&self, seq: u64) -> Result<(), GenerationEnded> {
        while self.durable.load(Ordering::Acquire) < seq {
            // BUG: the sequence may be published here, when there is nobody to wake yet.
            self.sleepers.lock().push(current());
            park();
        }
        Ok(())
    }

    fn publish(&self, seq: u64) {
        self.durable.store(seq, Ordering::Release);
        let woken = mem::take(&mut *self.sleepers.lock());
        woken.into_iter().for_each(|thread| thread.unpark());
    }
}
