//! Disks that are full or cannot be written: refused by name, nothing lost, and all well again when there is room.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/process.rs"]
mod process;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/wire.rs"]
mod wire;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use process::ServerProcess;
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use stockade::{Config, Engine, EngineError, Money, NewOrder, Payment, Refusal, Sku};
use stockade_storage::disk::{Fault, Operation, SimulatedDisk};
use stockade_storage::packed::MemoryBlocks;
use wire::Wire;

const SEGMENT: u64 = 1 << 20;
/// Long enough for a journal to be seen to fill up, and for a spare to be made again.
const PATIENCE: Duration = Duration::from_secs(120);

fn config(disk: &SimulatedDisk) -> Config {
    let mut config = Config::in_memory().on(Arc::new(disk.clone()), Arc::new(MemoryBlocks::new()));
    config.segment_bytes = 64 << 10;
    config
}

async fn shop(disk: &SimulatedDisk) -> Engine {
    let engine = Engine::open(config(disk)).unwrap();
    engine.put_sku(Sku::new("MUG", Money::parse("9.99 EUR").unwrap())).await.unwrap();
    engine.receive("MUG", 1_000_000).await.unwrap();
    engine.settled().await.unwrap();
    engine
}

fn order() -> NewOrder {
    NewOrder::one("MUG", 1).pay(Payment::external("cash"))
}

#[tokio::test]
async fn a_full_disk_refuses_new_orders_loses_none_and_takes_new_ones_when_there_is_space() {
    let disk = SimulatedDisk::new();
    let engine = shop(&disk).await;
    let mut placed = 0;
    for round in 0..3 {
        // The spare that is ready is used up; another one finds no space.
        disk.limit(Some(0));
        let refused = loop {
            // As many under way at once as a busy shop has, so that the last ones come when room runs out.
            let mut refused = None;
            for pending in engine.place_many((0..64).map(|_| order())) {
                match pending.await {
                    Ok(_) => placed += 1,
                    Err(refusal) => refused = Some(refusal),
                }
            }
            if let Some(refusal) = refused {
                break refusal;
            }
        };
        assert_eq!(refused, Refusal::StorageFull, "round {round}");
        assert!(!engine.has_failed(), "what was let in had room");
        assert_eq!(engine.place(order()).await.unwrap_err(), Refusal::StorageFull);
        let available = engine.read_stock("MUG").await.unwrap().0.levels.available;
        assert_eq!(available, 1_000_000 - placed, "reading goes on");
        disk.limit(None);
        engine.settled().await.unwrap();
        engine.place(order()).await.unwrap();
        placed += 1;
    }
    engine.close().await.unwrap();
    drop(engine);
    let engine = Engine::open(config(&disk)).unwrap();
    assert_eq!(engine.read_stock("MUG").await.unwrap().0.levels.available, 1_000_000 - placed);
    engine.close().await.unwrap();
}

#[tokio::test]
async fn a_disk_that_is_mounted_read_only_is_refused_by_name_and_left_as_it_is() {
    let disk = SimulatedDisk::new();
    let opening = {
        drop(Engine::open(config(&disk)).unwrap());
        disk.operations()
    };
    let disk = SimulatedDisk::new();
    let engine = shop(&disk).await;
    engine.place(order()).await.unwrap();
    engine.close().await.unwrap();
    drop(engine);
    for (world, fresh) in [(SimulatedDisk::new(), true), (disk, false)] {
        let mut refused = 0;
        for step in 0..opening.len().min(8) {
            let disk = world.copy();
            disk.arm(step, Fault::ReadOnly);
            let opened = Engine::open(config(&disk));
            let at = disk.operations().get(step).copied();
            if at.is_none_or(|at| at == Operation::Read) || disk.struck() == 0 {
                continue;
            }
            if let Err(error) = opened {
                assert!(matches!(error, EngineError::Unusable { .. }), "{at:?}: {error}");
                assert!(error.to_string().contains("read-only"), "{error}");
                refused += 1;
            }
            disk.disarm();
            disk.kill();
            let engine = Engine::open(config(&disk)).unwrap();
            let available = engine.read_stock("MUG").await.map(|stock| stock.0.levels.available);
            assert_eq!(available.ok(), if fresh { None } else { Some(999_999) }, "{at:?}");
            engine.close().await.unwrap();
        }
        assert!(refused > 0, "a disk that was {} is refused", if fresh { "empty" } else { "used" });
    }
}

#[test]
fn directories_that_cannot_hold_a_journal_are_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    // Nobody may make files there, not even root.
    let not_ours = [Path::new("/sys/kernel"), Path::new("/proc/self")];
    assert!(not_ours.iter().all(|dir| dir.is_dir()), "a Linux machine has both");
    for dir in [not_ours[0], not_ours[1], &file, &file.join("data")] {
        let error = Engine::open(Config::at(dir)).err().expect("refused");
        assert!(matches!(error, EngineError::Unusable { .. }), "{}: {error}", dir.display());
        assert!(error.to_string().contains(dir.to_str().unwrap()), "{error}");
        let output = Command::new(env!("CARGO_BIN_EXE_stockade"))
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"])
            .arg(dir)
            .env("STOCKADE_LOG", "off")
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &report["error"]["code"]), (Some(3), &json!("directory_unusable")));
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"not a directory");
}

/// A server whose files may be limited in size while it runs.
fn start(data: &Path) -> ServerProcess {
    ServerProcess::start(data, |command| command.env("STOCKADE_SEGMENT_BYTES", SEGMENT.to_string()))
}

fn limit_files(server: &ServerProcess, bytes: Option<u64>) {
    let new = Rlimit { current: bytes, maximum: getrlimit(Resource::Fsize).maximum };
    prlimit(Some(server.pid()), Resource::Fsize, new).unwrap();
}

#[test]
fn a_real_server_whose_next_file_finds_no_room_refuses_orders_and_goes_on_when_it_does() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = start(&data);
    let mut wire = Wire::connect(server.address).unwrap();
    let lines: Vec<Value> = (0..200).map(|n| json!({"sku": format!("S{n}"), "quantity": 1})).collect();
    for n in 0..lines.len() {
        let sku = json!({"name": format!("sku {n}"), "price": {"amount": "1.00", "currency": "EUR"}});
        assert_eq!(wire.send("PUT", &format!("/api/v1/skus/S{n}"), &[], Some(&sku)).unwrap().status, 201);
        let receipt = wire.post(&format!("/api/v1/skus/S{n}/receipts"), &[], &json!({"quantity": 100_000})).unwrap();
        assert_eq!(receipt.status, 201);
    }
    // The segment being written and the spare are there; no other file can become as long as a segment.
    limit_files(&server, Some(SEGMENT - 1));
    let body = json!({"lines": lines});
    let (end, mut placed) = (Instant::now() + PATIENCE, 0_u64);
    let refused = loop {
        assert!(Instant::now() < end, "{placed} orders fit into two segments");
        let answer = wire.post("/api/v1/orders", &[], &body).unwrap();
        if answer.status != 201 {
            break answer;
        }
        placed += 1;
    };
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("storage_full")), "{}", refused.body);
    assert!(placed > 50, "what was reserved was used: {placed}");
    let available = |wire: &mut Wire| wire.get("/api/v1/skus/S7/stock").unwrap().body["available"].as_u64().unwrap();
    assert_eq!(available(&mut wire), 100_000 - placed, "reading goes on, and a refusal changed nothing");

    limit_files(&server, None);
    let (end, mut waited) = (Instant::now() + PATIENCE, 0);
    while wire.post("/api/v1/orders", &[], &body).unwrap().status != 201 {
        waited += 1;
        assert!(Instant::now() < end, "{waited} requests were refused although there is room again");
    }
    placed += 1;
    drop(wire);
    server.stop();
    let report = stockade::audit::audit(&data, |_, _| ()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let server = start(&data);
    assert_eq!(available(&mut Wire::connect(server.address).unwrap()), 100_000 - placed);
    server.stop();
}
