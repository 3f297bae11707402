//! What was derived from a sale, right and wrong.

use std::sync::Arc;

use minicbor::bytes::ByteVec;
use stockade_actors::table::RecordSnapshot;
use stockade_domain::ledger::{Ledger, Posting, Postings};
use stockade_domain::order::{Order, OrderStatus, note};
use stockade_domain::payment::Payment;
use stockade_domain::stock::Stock;
use stockade_storage::packed::{Blocks, MemoryBlocks, Options, PackedStore, RowBatch, Space};
use stockade_storage::projection::{Batch, MODELS_VERSION, Model};

use super::super::derived::{Checkpoint, Derived};
use super::super::{Auditor, Rule};
use super::*;

/// A sale with everything that a checkpoint after it holds.
struct Checkpointed {
    journal: Journal,
    stock: Stock,
    stock_seq: u64,
    order: Order,
    payment: Payment,
    books: Ledger,
    without_payment: bool,
    batch: Batch,
    models: Option<u32>,
    /// In the place of the order's snapshot.
    order_row: Option<Vec<u8>>,
}

/// The snapshot of the order as it rests: its record, with this sequence; whole, or without what came after its beginning.
fn at_rest(seq: u64, is_whole: bool) -> Vec<u8> {
    let mut events = minicbor::to_vec(placed(2, 2, 0, &[(Method::External, 2000)])).unwrap();
    if is_whole {
        events.extend(minicbor::to_vec(secured(0)).unwrap());
    }
    RecordSnapshot { seq, time: START, events: &events }.encode()
}

impl Checkpointed {
    fn new() -> Self {
        let mut journal = sale();
        journal.records[2].1[1] = note::PLACED | OrderStatus::Paid as u8;
        let mut stock = Stock::new(SkuId::new("MUG").unwrap());
        [defined(|_| {}), received(10), allocated(1, 2)].iter().for_each(|event| stock.apply(event));
        let mut order = Order::create(id(1), &placed(2, 2, 0, &[(Method::External, 2000)]), Timestamp(START));
        order.apply(&secured(0));
        let mut payment = Payment::create(payment(1, 0), &created(1, Method::External, 2000), Timestamp(START));
        payment.apply(&got_paid(), Timestamp(START));
        let mut books = Ledger::default();
        let posting = |account, cents| Posting { account, amount: i128::from(eur(cents).amount.0) };
        let moved = [posting(LedgerAccount::Cash, 2000), posting(LedgerAccount::Revenue, -2000)];
        let moved = Postings { accounts: moved.into_iter().collect(), sellers: Vec::new() };
        books.post(eur(0).currency, &moved);
        let mut batch = Batch::default();
        journal.records.iter().for_each(|(seq, body)| batch.take(*seq, body).unwrap());
        Self {
            journal,
            stock,
            stock_seq: 2,
            order,
            payment,
            books,
            without_payment: false,
            batch,
            models: Some(MODELS_VERSION),
            order_row: None,
        }
    }

    /// Writes the checkpoint and returns its record.
    fn write(&self, blocks: &Arc<dyn Blocks>) -> Vec<(u64, Vec<u8>)> {
        let store = PackedStore::open(Arc::clone(blocks), Options::default()).unwrap();
        let mut rows = RowBatch::new();
        let mut put = |kind: EntityKind, key: &[u8], state: Vec<u8>| {
            rows.put(&[&[kind as u8], key].concat(), &state).unwrap();
        };
        put(EntityKind::Sku, b"MUG", minicbor::to_vec((self.stock_seq, Vec::<u64>::new(), &self.stock)).unwrap());
        let order = minicbor::to_vec((3u64, vec![3u64], &self.order)).unwrap();
        let order = self.order_row.clone().unwrap_or(order);
        put(EntityKind::Order, &id(1).to_bytes(), order);
        if !self.without_payment {
            let key = payment(1, 0).to_bytes();
            put(EntityKind::Payment, &key, minicbor::to_vec((4u64, Vec::<u64>::new(), &self.payment)).unwrap());
        }
        store.write_run(Space(Model::Snapshots as u8), &mut rows, 4).unwrap();
        for model in Model::FOLDED {
            let mut rows = RowBatch::new();
            self.batch.grouped().rows(model).for_each(|(key, value)| rows.put(&key, &value).unwrap());
            store.write_run(Space(model as u8), &mut rows, 4).unwrap();
        }
        let manifest = ByteVec::from(store.manifest().unwrap().encode());
        drop(store);
        let books = vec![ByteVec::from(minicbor::to_vec(&self.books).unwrap())];
        let checkpoint = Checkpoint { cuts: vec![4], books, projected: 4, manifest, models: self.models };
        vec![(5, minicbor::to_vec(&checkpoint).unwrap())]
    }

    /// Audits the journal with one more record beside what was derived.
    fn audit_over(&self, blocks: &Arc<dyn Blocks>, checkpoints: &[(u64, Vec<u8>)]) -> AuditReport {
        let mut auditor = Auditor::new();
        auditor.derived = Derived::over(blocks, checkpoints, &mut auditor.faults);
        let mut journal = self.journal.clone();
        journal.sku(&[received(1)]);
        journal.records.iter().for_each(|(seq, body)| auditor.take(*seq, body));
        auditor.finish()
    }

    fn audit(&self) -> AuditReport {
        let blocks: Arc<dyn Blocks> = Arc::new(MemoryBlocks::new());
        let checkpoints = self.write(&blocks);
        self.audit_over(&blocks, &checkpoints)
    }
}

#[test]
fn what_is_derived_rightly_is_compared_and_clean() {
    let report = Checkpointed::new().audit();
    assert!(report.is_clean(), "{:#?}", report.faults);
    // Two movements, one order in four lists.
    assert_eq!((report.snapshots, report.model_entries), (3, 6));
}

/// The snapshot of an order at rest is its record.
#[test]
fn an_order_whose_snapshot_is_its_record_is_clean() {
    let mut sale = Checkpointed::new();
    sale.order_row = Some(at_rest(3, true));
    let report = sale.audit();
    assert!(report.is_clean(), "{:#?}", report.faults);
    assert_eq!(report.snapshots, 3);
}

/// Models that were others then are no faults: the engine makes the store anew.
#[test]
fn a_store_of_another_version_is_not_compared() {
    for models in [None, Some(MODELS_VERSION + 1)] {
        let mut sale = Checkpointed::new();
        (sale.models, sale.without_payment) = (models, true);
        let report = sale.audit();
        assert!(report.is_clean(), "{:#?}", report.faults);
        assert_eq!((report.snapshots, report.model_entries), (0, 0));
    }
}

#[test]
fn whatever_is_derived_wrongly_is_named() {
    type Spoil = fn(&mut Checkpointed);
    let table: [(&str, Rule, Spoil); 11] = [
        ("sku/MUG", Rule::SnapshotDiffers, |sale| sale.stock.bins[0].counters.free += 1),
        ("sku/MUG", Rule::SnapshotDiffers, |sale| sale.stock.commitments.clear()),
        ("sku/MUG", Rule::SnapshotDiffers, |sale| sale.stock_seq = 1),
        ("order/", Rule::SnapshotDiffers, |sale| sale.order.lines[0].shipped += 1),
        ("order/", Rule::SnapshotDiffers, |sale| sale.order_row = Some(at_rest(2, true))),
        ("order/", Rule::SnapshotDiffers, |sale| sale.order_row = Some(at_rest(3, false))),
        ("order/", Rule::SnapshotDiffers, |sale| sale.order_row = Some(b"nonsense".to_vec())),
        ("payment/", Rule::SnapshotDiffers, |sale| sale.payment.money = eur(1)),
        ("payment/", Rule::SnapshotDiffers, |sale| sale.without_payment = true),
        ("ledger", Rule::SnapshotDiffers, |sale| sale.books = Ledger::default()),
        ("Movements/MUG", Rule::ModelDiffers, |sale| {
            let mut fewer = Batch::default();
            sale.journal.records.iter().skip(1).for_each(|(seq, body)| fewer.take(*seq, body).unwrap());
            sale.batch = fewer;
        }),
    ];
    for (at, (actor, rule, spoil)) in table.into_iter().enumerate() {
        let mut sale = Checkpointed::new();
        spoil(&mut sale);
        let report = sale.audit();
        let [fault] = &report.faults[..] else { panic!("row {at}: {:#?}", report.faults) };
        assert!(fault.actor.starts_with(actor) && fault.rule == rule, "row {at}: {fault}");
    }
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_damage_and_a_lost_one_is_rebuilt() {
    let blocks: Arc<dyn Blocks> = Arc::new(MemoryBlocks::new());
    let mut auditor = Auditor::new();
    auditor.derived = Derived::over(&blocks, &[(1, b"nonsense".to_vec())], &mut auditor.faults);
    let report = auditor.finish();
    assert_eq!(report.faults[0].rule, Rule::DerivedDamaged);

    let sale = Checkpointed::new();
    let memory = Arc::new(MemoryBlocks::new());
    let blocks: Arc<dyn Blocks> = Arc::clone(&memory) as _;
    let checkpoints = sale.write(&blocks);
    assert_eq!(sale.audit_over(&blocks, &checkpoints).snapshots, 3);
    assert!(memory.corrupt(0, 0, 100));
    let report = sale.audit_over(&blocks, &checkpoints);
    assert_eq!((report.faults[0].rule, report.snapshots), (Rule::DerivedDamaged, 0));
    assert!(memory.lose(0, 0));
    let report = sale.audit_over(&blocks, &checkpoints);
    assert!(report.is_clean() && report.snapshots == 0, "{:#?}", report.faults);
}
