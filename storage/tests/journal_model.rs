//! Random lives of a journal against the plainest model of it: a count of records.

mod journal_support;

use journal_support::*;
use proptest::prelude::*;
use stockade_storage::disk::{SimulatedDisk, Survival};
use stockade_storage::journal::{Journal, Opened};

#[derive(Debug, Clone)]
enum Act {
    Submit(u32),
    Seal,
    Prepare,
    SealSegment,
    Archive,
    CloseAndOpen,
    KillAndOpen,
    LosePowerAndOpen(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (1..12_u32).prop_map(Act::Submit),
        1 => (100..200_u32).prop_map(Act::Submit),
        1 => Just(Act::Seal),
        2 => Just(Act::Prepare),
        2 => Just(Act::SealSegment),
        2 => Just(Act::Archive),
        1 => Just(Act::CloseAndOpen),
        1 => Just(Act::KillAndOpen),
        1 => any::<u64>().prop_map(Act::LosePowerAndOpen),
    ]
}

fn check(opened: &Opened, last: u64) {
    assert_eq!(opened.journal.durable_to(), last);
    assert_eq!(check_records(&opened.reader), last);
    let sealed = opened.reader.sealed_to();
    for seq in (6..=last).step_by(6) {
        let expected: Vec<u64> = [seq, seq + 2, seq + 4].into_iter().filter(|seq| *seq <= sealed).collect();
        assert_eq!(opened.reader.lookup_order(order_of(seq), i64::MIN).unwrap(), expected);
        let bound = opened.reader.lookup_key(&digest_of(seq).unwrap(), i64::MIN).unwrap();
        assert_eq!(bound, (seq <= sealed).then_some(seq));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_a_journal_it_holds_what_was_acknowledged(acts in prop::collection::vec(act(), 1..60)) {
        let disk = SimulatedDisk::new();
        let mut opened = open(&disk, 2048).unwrap();
        let mut last = 0;
        for act in acts {
            match act {
                Act::Submit(records) => last = submit_next(&mut opened.journal, records).unwrap(),
                Act::Seal => opened.journal.seal().unwrap(),
                Act::Prepare => drop(opened.upkeep.prepare().unwrap()),
                Act::SealSegment => drop(opened.upkeep.seal_step().unwrap()),
                Act::Archive => drop(archive_next(&opened.upkeep, last / 2).unwrap()),
                Act::CloseAndOpen => {
                    opened.journal.close().unwrap();
                    drop(opened);
                    opened = open(&disk, 2048).unwrap();
                }
                Act::KillAndOpen => {
                    disk.kill();
                    drop(opened);
                    opened = open(&disk, 2048).unwrap();
                }
                Act::LosePowerAndOpen(seed) => {
                    disk.power_loss(Survival::Random(seed));
                    drop(opened);
                    opened = open(&disk, 2048).unwrap();
                }
            }
            prop_assert_eq!(opened.journal.durable_to(), last);
        }
        check(&opened, last);
        drop(opened);
        check(&open(&disk, 2048).unwrap(), last);
    }
}
