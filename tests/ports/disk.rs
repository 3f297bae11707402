//! Disk operations that fail, lie and take their time: a failed write ends the generation and loses nothing that was
//! acknowledged; what was written wrongly is found, never served.

use std::sync::Arc;

use stockade::audit::{Rule, audit};
use stockade::chaos::{ArmError, Delay, DiskFault, Fault, FaultSpec, Selector};
use stockade::engine::Page;
use stockade::{Config, Engine, EngineError, NewOrder, Payment, Refusal, Sku};
use stockade_storage::disk::{SimulatedDisk, Survival};
use stockade_storage::packed::MemoryBlocks;

use super::shop::{Shop, eur, strike};

#[test]
fn a_failed_write_ends_the_generation_and_loses_nothing() {
    let table = [
        (DiskFault::Eio, "write"),
        (DiskFault::Eio, "sync"),
        (DiskFault::Enospc, "write"),
        (DiskFault::ShortWrite, "write"),
        (DiskFault::TornWrite, "write"),
        (DiskFault::FailedFsync, "sync"),
    ];
    let mut shop = Shop::open(1);
    let mut placed = 0;
    for (fault, operation) in table {
        let name = Fault::Disk(fault).name();
        let before = shop.order("a");
        let acknowledged = shop.place(&before).unwrap().id;
        shop.arm([strike(Fault::Disk(fault), operation, 1)]);
        let struck = shop.order("a");
        assert_eq!(shop.place(&struck).unwrap_err(), Refusal::StorageUnavailable, "{name} {operation}");
        assert_eq!(shop.fired(name), 1, "{name} {operation}");
        assert!(shop.engine.has_failed(), "{name} {operation}");
        let after = shop.order("a");
        assert_eq!(shop.place(&after).unwrap_err(), Refusal::StorageUnavailable, "nothing is decided any more");
        shop = shop.reopen();
        assert!(!shop.engine.switchboard().is_armed(), "a new generation begins with nothing armed");
        assert_eq!(shop.status(acknowledged), "paid", "what was acknowledged is there: {name}");
        for order in [&before, &struck, &after] {
            assert_eq!(shop.place(order).unwrap().status, "paid", "{name}");
            placed += 1;
        }
        assert_eq!(shop.allocated("a"), placed, "{name} {operation}");
    }
    shop.disarm();
    shop.end();
}

#[test]
fn a_slow_disk_is_slow_and_no_more() {
    let shop = Shop::open(1);
    let slow = DiskFault::Slow(Delay { fixed_ms: 20, jitter_ms: 5, correlation: 50.0 });
    shop.arm([strike(Fault::Disk(slow), "sync", 3)]);
    let begun = std::time::Instant::now();
    while shop.fired("slow") < 3 {
        assert_eq!(shop.place(&shop.order("a")).unwrap().status, "paid");
    }
    assert!(begun.elapsed().as_millis() >= 30, "two syncs at least were waited for");
    assert!(!shop.engine.has_failed());
    // However slow it is, disarming ends it.
    shop.arm([strike(Fault::Disk(DiskFault::Slow(Delay::fixed(600_000))), "sync", 1)]);
    let pending = shop.engine.place(shop.order("a"));
    while shop.engine.switchboard().held_back() == 0 {
        std::thread::yield_now();
    }
    shop.disarm();
    assert_eq!(pending.wait().unwrap().status, "paid");
    shop.end();
}

#[test]
fn a_disk_without_space_refuses_new_work_and_takes_it_again_when_there_is_some() {
    let disk = SimulatedDisk::new();
    let mut config = Config::in_memory().on(Arc::new(disk), Arc::new(MemoryBlocks::new()));
    config.segment_bytes = 64 << 10;
    let engine = Engine::open(config).unwrap();
    engine.put_sku(Sku::new("a", eur("1.00"))).wait().unwrap();
    engine.receive("a", 1_000_000).wait().unwrap();
    let order = || NewOrder::one("a", 1).pay(Payment::external("cash"));
    let full = |operation: &str| strike(Fault::Disk(DiskFault::Enospc), operation, u64::MAX);
    engine.switchboard().arm(["create", "preallocate", "free_bytes"].map(full).into()).unwrap();
    let mut placed = 0;
    let refused = loop {
        let mut refused = None;
        for pending in engine.place_many((0..64).map(|_| order())) {
            match pending.wait() {
                Ok(_) => placed += 1,
                Err(refusal) => refused = Some(refusal),
            }
        }
        if let Some(refusal) = refused {
            break refusal;
        }
    };
    assert_eq!(refused, Refusal::StorageFull);
    assert!(!engine.has_failed() && engine.switchboard().fired_in_all() > 0);
    engine.switchboard().disarm();
    while engine.place(order()).wait().is_err() {
        std::thread::yield_now();
    }
    assert_eq!(engine.read_stock("a").wait().unwrap().0.levels.available, 1_000_000 - placed - 1);
    engine.close_blocking().unwrap();
}

#[test]
fn what_was_written_wrongly_is_found_at_the_next_opening() {
    for fault in [DiskFault::BitFlip, DiskFault::MisdirectedWrite] {
        let shop = Shop::open(1);
        let name = Fault::Disk(fault).name();
        shop.arm([strike(Fault::Disk(fault), "write", 1)]);
        assert_eq!(shop.place(&shop.order("a")).unwrap().status, "paid", "a disk that lies is believed for now");
        assert_eq!(shop.fired(name), 1);
        shop.disarm();
        // It is written and proven that more came after it.
        shop.engine.close_blocking().unwrap();
        let Shop { dir, engine, .. } = shop;
        drop(engine);
        let report = audit(dir.path(), |_, _| ()).unwrap();
        assert!(report.faults.iter().any(|fault| fault.rule == Rule::JournalDamaged), "{name}: {:?}", report.faults);
        match Engine::open(Config::at(dir.path())) {
            Err(EngineError::Damaged(why)) => assert!(!why.is_empty()),
            other => panic!("{name}: {:?}", other.map(|_| "opened")),
        }
    }
}

/// A bit that is flipped on the way back is found by whoever reads, and the next read is good again.
#[test]
fn what_is_read_wrongly_is_not_believed() {
    let shop = Shop::open(1);
    let id = shop.place(&shop.order("a")).unwrap().id;
    let history = |what: &str| {
        let facts = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let facts = facts.block_on(shop.engine.order_events(id, Page { limit: 50, before: None }));
        facts.map(|listed| listed.items.len()).map_err(|refusal| format!("{what}: {}", refusal.code()))
    };
    let good = history("before").unwrap();
    assert!(good > 0);
    for fault in [DiskFault::BitFlip, DiskFault::Eio] {
        shop.arm([strike(Fault::Disk(fault), "read", 1)]);
        let struck = history("struck");
        assert!(struck.is_err() || struck == Ok(good), "never something else: {struck:?}");
        shop.disarm();
        assert_eq!(history("after").unwrap(), good);
    }
    shop.end();
}

#[test]
fn what_breaks_promises_by_nature_needs_an_engine_on_which_nobody_relies() {
    let lies = [DiskFault::LostUnsynced, DiskFault::BitFlip, DiskFault::MisdirectedWrite];
    let engine = Engine::in_memory().unwrap();
    for fault in lies {
        let error = engine.switchboard().arm(vec![FaultSpec::always(Fault::Disk(fault))]).unwrap_err();
        assert_eq!(error, ArmError::NeedsPrivateEngine { index: 0, fault: Fault::Disk(fault).name() });
        assert!(!engine.switchboard().is_armed());
    }
    engine.close_blocking().unwrap();
}

/// The counter-example: with a disk that says that it has synced and has not, an acknowledged order is gone with the power.
#[test]
fn what_a_lying_sync_loses_with_the_power_is_lost() {
    let disk = SimulatedDisk::new();
    let config = || Config::in_memory().on(Arc::new(disk.clone()), Arc::new(MemoryBlocks::new())).private();
    let engine = Engine::open(config()).unwrap();
    engine.put_sku(Sku::new("a", eur("1.00"))).wait().unwrap();
    engine.receive("a", 10).wait().unwrap();
    let lost = |select: Selector| FaultSpec { fault: Fault::Disk(DiskFault::LostUnsynced), select };
    engine.switchboard().arm(vec![lost(Selector::default())]).unwrap();
    engine.place(NewOrder::one("a", 1).pay(Payment::external("cash"))).wait().unwrap();
    assert!(engine.switchboard().fired_in_all() > 0);
    disk.power_loss(Survival::Nothing);
    let _ended = engine.close_blocking();
    drop(engine);
    disk.kill();
    let engine = Engine::open(config()).unwrap();
    assert_eq!(engine.read_stock("a").wait().unwrap().0.levels.available, 10, "the order is gone");
    engine.close_blocking().unwrap();
}
