//! How an engine is set up.

use std::path::PathBuf;
use std::sync::Arc;

use stockade_actors::ports::{Clock, Gateway, LogNotifier, Notifier, SystemClock};
use stockade_storage::disk::Disk;
use stockade_storage::packed::Blocks;

use stockade_domain::Location;
use stockade_domain::name::Region;
use stockade_domain::order::LatePayment;
use stockade_domain::promotion::Lane;
use stockade_domain::stock::Distances;

use crate::gateway::SimulatedGateway;

/// The configuration of one engine. Every field has a default that suits a shop on one machine.
#[derive(Clone)]
pub struct Config {
    /// The directory with all its state; none: in memory, gone when it is dropped.
    pub dir: Option<PathBuf>,
    /// How many partitions; one up to four cores.
    pub partitions: usize,
    /// How many requests may be inside at once; beyond them callers get `overloaded`.
    pub credits: u32,
    /// Size of a journal segment.
    pub segment_bytes: u64,
    /// Records between two checkpoints.
    pub checkpoint_records: u64,
    /// How many orders stay in memory although they could be loaded again.
    pub orders_in_memory_max: usize,
    /// Bytes of cache for derived records.
    pub cache_bytes: u64,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// The card gateway.
    pub gateway: Arc<dyn Gateway>,
    /// Who is told of payments.
    pub notifier: Arc<dyn Notifier>,
    /// In place of the directory: a disk for the journal, and blocks for what is derived from it. For simulations.
    pub storage: Option<(Arc<dyn Disk>, Arc<dyn Blocks>)>,
    /// How far locations are from buyers' regions, for SKUs that are sent from the nearest.
    pub distances: Distances,
    /// The lanes of promotions, in their order.
    pub lanes: Vec<Lane>,
    /// What becomes of money that a gateway has taken although it was silent for so long that its charge was being undone.
    pub late_payment: LatePayment,
    /// How much more than is set aside a card gateway may take, in ten-thousandths of it; the surplus goes back by itself, and
    /// what is beyond that is undone whole. Of a payment that is what was configured when it was made.
    pub overcapture_basis_points: u16,
    /// The key of the engine's own ids; none: random.
    pub id_key: Option<[u8; 32]>,
    /// Nobody relies on what it keeps: faults may be armed that break its promises by their nature.
    pub private: bool,
}

impl Config {
    /// An engine whose state lies in this directory.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: Some(dir.into()), ..Self::in_memory() }
    }

    /// An engine without a directory.
    pub fn in_memory() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            dir: None,
            partitions: cores.div_ceil(4),
            credits: 65_536,
            segment_bytes: 64 << 20,
            checkpoint_records: 2_000_000,
            orders_in_memory_max: 200_000,
            cache_bytes: 32 << 20,
            clock: Arc::new(SystemClock),
            gateway: Arc::new(SimulatedGateway::default()),
            notifier: Arc::new(LogNotifier),
            storage: None,
            distances: Distances::default(),
            lanes: Lane::standard(),
            late_payment: LatePayment::default(),
            overcapture_basis_points: 0,
            id_key: None,
            private: false,
        }
    }

    /// With this many partitions.
    #[must_use]
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = partitions.max(1);
        self
    }

    /// With this clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// On this disk and these blocks instead of a directory.
    #[must_use]
    pub fn on(mut self, disk: Arc<dyn Disk>, blocks: Arc<dyn Blocks>) -> Self {
        self.storage = Some((disk, blocks));
        self
    }

    /// With this distance between a region and a location.
    #[must_use]
    pub fn distance(mut self, region: Region, location: Location, distance: u32) -> Self {
        self.distances.set(region, location, distance);
        self
    }

    /// Nobody relies on what it keeps: an engine for experiments, also for those that damage its journal.
    #[must_use]
    pub const fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Permitting a card gateway to take so many ten-thousandths more than is set aside.
    #[must_use]
    pub const fn overcapture_basis_points(mut self, basis_points: u16) -> Self {
        self.overcapture_basis_points = basis_points;
        self
    }

    /// With this policy for money that comes late.
    #[must_use]
    pub const fn late_payment(mut self, policy: LatePayment) -> Self {
        self.late_payment = policy;
        self
    }

    /// With this gateway.
    #[must_use]
    pub fn gateway(mut self, gateway: impl Gateway + 'static) -> Self {
        self.gateway = Arc::new(gateway);
        self
    }

    /// With this many records between two checkpoints.
    #[must_use]
    pub const fn checkpoint_records(mut self, records: u64) -> Self {
        self.checkpoint_records = records;
        self
    }
}
