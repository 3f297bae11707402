//! Audits of real directories: what an engine wrote is clean over any number of partitions, and damage is named.

use std::path::Path;

use stockade::audit::{AuditError, AuditReport, Rule, audit};
use stockade::{Config, Engine, Money, NewOrder, Payment, Sku};
use stockade_domain::stock::Disposition;

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

fn config(dir: &Path, partitions: usize) -> Config {
    Config::at(dir).partitions(partitions).checkpoint_records(100)
}

/// A little of everything that an engine does.
fn trade(engine: &Engine, rounds: u64) {
    for sku in ["mug", "cup", "jug", "pot"] {
        engine.put_sku(Sku::new(sku, eur("9.995"))).wait().unwrap();
        engine.receive(sku, 50 * rounds).wait().unwrap();
    }
    engine.credit("ann", eur("100000.00")).wait().unwrap();
    for round in 0..rounds {
        let lines = || NewOrder::one("mug", 1 + round % 3).line("cup", 2).line("jug", 1).customer("ann");
        let bought = engine.place(lines().pay(Payment::external("cash"))).wait().unwrap();
        engine.ship(bought.id).wait().unwrap();
        engine.take_back(bought.id, vec![(1, 1, Disposition::Restock)]).wait().unwrap();
        let waiting = engine.place(lines()).wait().unwrap();
        engine.pay(waiting.id, Payment::wallet()).wait().unwrap();
        let cancelled = engine.place(lines().pay(Payment::wallet())).wait().unwrap();
        engine.cancel(cancelled.id).wait().unwrap();
        engine.place(lines().line("pot", 1).pay(Payment::card("tok_ok"))).wait().unwrap();
        engine.place(lines().pay(Payment::card("tok_declined"))).wait().unwrap_err();
        engine.place(NewOrder::one("pot", 1_000_000)).wait().unwrap_err();
    }
}

fn run(dir: &Path, partitions: usize, rounds: u64) {
    let engine = Engine::open(config(dir, partitions)).unwrap();
    trade(&engine, rounds);
    close(engine);
}

fn close(engine: Engine) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(engine.close()).unwrap();
}

fn audited(dir: &Path) -> AuditReport {
    let mut seen = (0, 0);
    let report = audit(dir, |read, of| seen = (read, of)).unwrap();
    assert!(!report.is_clean() || seen.0 == seen.1, "progress ends at the end: {seen:?}");
    report
}

#[test]
fn what_an_engine_wrote_is_clean_over_any_number_of_partitions() {
    for partitions in 1..=3 {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), partitions, 12);
        let report = audited(dir.path());
        assert!(report.is_clean(), "{partitions} partitions: {:#?}", report.faults);
        assert_eq!((report.skus, report.orders, report.oversold), (4, 60, 0));
    }
}

#[test]
fn snapshots_and_query_models_are_those_of_the_records() {
    let dir = tempfile::tempdir().unwrap();
    // A checkpoint is made beside the work, so the first run may end before it has one.
    for _ in 0..20 {
        run(dir.path(), 1, 20);
        let report = audited(dir.path());
        assert!(report.is_clean(), "{:#?}", report.faults);
        if report.snapshots > 0 && report.model_entries > 0 {
            return;
        }
    }
    panic!("no checkpoint was made in 20 runs");
}

#[test]
fn a_flipped_byte_in_the_journal_is_a_fault_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 1, 3);
    let segment = dir.path().join("journal-00000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let report = audited(dir.path());
    assert_eq!(report.exit_code(), 1);
    let fault = &report.faults[0];
    assert!(fault.rule == Rule::JournalDamaged && fault.detail.contains("journal-00000001.seg"), "{fault}");
    assert!(serde_json::to_value(&report).unwrap()["faults"][0]["rule"] == "journal_damaged");
}

#[test]
fn a_directory_without_a_journal_or_in_use_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(audit(dir.path(), |_, _| {}), Err(AuditError::NoJournal { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
    let engine = Engine::open(config(dir.path(), 1)).unwrap();
    assert!(matches!(audit(dir.path(), |_, _| {}), Err(AuditError::InUse { .. })));
    drop(engine);
}
#[test]
fn orders_that_are_placed_and_shipped_in_one_turn_are_in_every_list() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let engine = Engine::open(config(dir.path(), 1)).unwrap();
        engine.put_sku(Sku::new("mug", eur("1.00"))).wait().unwrap();
        engine.receive("mug", 1000).wait().unwrap();
        // Nobody waits in between, so one turn may take both.
        let ids: Vec<_> = (0..500).map(|_| engine.new_order_id()).collect();
        let place = |id| engine.place(NewOrder::one("mug", 1).id(id).customer("ann").pay(Payment::external("cash")));
        let pending: Vec<_> = ids.iter().map(|id| (place(*id), engine.ship(*id))).collect();
        for (placed, shipped) in pending {
            placed.wait().unwrap();
            shipped.wait().unwrap();
        }
        close(engine);
        let report = audited(dir.path());
        assert!(report.is_clean(), "{:#?}", report.faults);
        if report.model_entries > 0 {
            return;
        }
    }
    panic!("no checkpoint was made in 20 runs");
}
