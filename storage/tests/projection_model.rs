//! The fold of records into lists, against lists that are simply kept.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stockade_storage::projection::{Batch, Entry, Model, decode_entries, row_key};
use stockade_storage::record::{KIND_ACCOUNT, KIND_SKU, RecordHead, encode_record, next_record};

/// What a list is of: a SKU's movements or a wallet's, and the name.
type Name = (bool, Vec<u8>);

fn model(is_sku: bool) -> Model {
    if is_sku { Model::Movements } else { Model::Statements }
}

fn take(batch: &mut Batch, seq: u64, (is_sku, key): &Name) {
    let kind = if *is_sku { KIND_SKU } else { KIND_ACCOUNT };
    let head = RecordHead { kind, key, time: 0, note: 0, digests: &[] };
    let mut bytes = Vec::new();
    encode_record(&mut bytes, &head, b"events");
    batch.take(seq, next_record(&mut &bytes[..]).unwrap()).unwrap();
}

fn name() -> impl Strategy<Value = Name> {
    // Short ones and such as do not fit beside the table.
    (any::<bool>(), prop_oneof![4 => "[a-d]", 1 => "[ab]{30}"]).prop_map(|(is_sku, key)| (is_sku, key.into_bytes()))
}

proptest! {
    #[test]
    fn a_batch_holds_the_lists_of_its_records_and_is_empty_for_the_next(
        batches in proptest::collection::vec(proptest::collection::vec(name(), 1..60), 1..4),
    ) {
        let (mut batch, mut seq) = (Batch::default(), 0);
        for names in batches {
            let first = seq + 1;
            let mut lists: BTreeMap<Name, Vec<u64>> = BTreeMap::new();
            for name in &names {
                seq += 1;
                take(&mut batch, seq, name);
                lists.entry(name.clone()).or_default().push(seq);
            }
            prop_assert_eq!((batch.records(), batch.last()), (names.len() as u64, seq));
            let mut rows: BTreeMap<Name, Vec<u64>> = BTreeMap::new();
            let grouped = batch.grouped();
            for is_sku in [true, false] {
                for (key, value) in grouped.rows(model(is_sku)) {
                    let name = key[..key.len() - 9].to_vec();
                    prop_assert_eq!(&key, &row_key(&name, first));
                    let entries = decode_entries(model(is_sku), &value).unwrap();
                    rows.insert((is_sku, name), entries.iter().map(|entry| entry.seq).collect());
                }
            }
            prop_assert_eq!(&rows, &lists);
            for ((is_sku, key), list) in &lists {
                let newest: Vec<Entry> = batch.newest_first(model(*is_sku), key).collect();
                prop_assert!(newest.iter().map(|entry| entry.seq).eq(list.iter().rev().copied()));
            }
            prop_assert_eq!(batch.newest_first(Model::Movements, b"nobody").count(), 0);
            batch.clear();
            prop_assert_eq!(batch.grouped().rows(Model::Movements).count(), 0);
        }
    }
}
