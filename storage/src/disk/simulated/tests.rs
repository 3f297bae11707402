use super::*;

fn read(disk: &SimulatedDisk, name: &str) -> Vec<u8> {
    disk.contents(name).unwrap_or_default()
}

fn with_file(bytes: &[u8]) -> (SimulatedDisk, Arc<dyn DiskFile>) {
    let disk = SimulatedDisk::new();
    disk.put("a", bytes);
    let file = disk.open("a").unwrap();
    (disk, file)
}

#[test]
fn only_what_was_synced_is_sure_to_survive() {
    let (disk, file) = with_file(&[0; 4]);
    file.write_at(0, &[b"ab"]).unwrap();
    file.sync_data().unwrap();
    file.write_at(2, &[b"cd"]).unwrap();
    assert_eq!(read(&disk, "a"), b"abcd", "a write is seen at once");
    disk.power_loss(Survival::Nothing);
    assert_eq!(read(&disk, "a"), b"ab\0\0");
    assert!(file.length().is_err(), "handles of before the power loss are dead");
}

#[test]
fn any_subset_of_sectors_survives_and_the_same_one_for_the_same_seed() {
    let outcome = |seed| {
        let (disk, file) = with_file(&[0; 4 * 512]);
        file.write_at(0, &[&[1; 4 * 512]]).unwrap();
        disk.power_loss(Survival::Random(seed));
        let bytes = read(&disk, "a");
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "a sector is whole");
        bytes.chunks(512).map(|sector| sector[0]).collect::<Vec<_>>()
    };
    let seen: std::collections::BTreeSet<_> = (0..200).map(outcome).collect();
    assert_eq!(seen.len(), 16, "every subset of four sectors happens");
    assert_eq!(outcome(7), outcome(7));
}

#[test]
fn names_survive_only_with_a_sync_of_their_directory() {
    let disk = SimulatedDisk::new();
    disk.create("kept").unwrap();
    disk.sync_directory("").unwrap();
    disk.create("lost").unwrap();
    disk.rename("kept", "renamed").unwrap();
    assert_eq!(disk.list("").unwrap(), ["lost", "renamed"]);
    disk.power_loss(Survival::Nothing);
    assert_eq!(disk.list("").unwrap(), ["kept"]);
}

#[test]
fn a_failed_sync_loses_what_can_still_be_read() {
    let (disk, file) = with_file(&[0; 2]);
    disk.arm(1, Fault::Error);
    file.write_at(0, &[b"ab"]).unwrap();
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(read(&disk, "a"), b"ab", "the page cache still has it");
    disk.power_loss(Survival::Everything);
    assert_eq!(read(&disk, "a"), b"\0\0", "the second sync did not write it");
    assert_eq!(disk.struck(), 1);
}

#[test]
fn a_fault_strikes_the_operation_it_was_armed_for() {
    let table = [
        (Fault::Error, &b"\0\0\0\0"[..]),
        (Fault::Full, b"\0\0\0\0"),
        (Fault::ShortWrite { bytes: 3 }, b"abc\0"),
        (Fault::PowerCut { bytes: 1 }, b"a\0\0\0"),
    ];
    for (fault, expected) in table {
        let (disk, file) = with_file(&[0; 4]);
        disk.arm(1, fault);
        file.sync_data().unwrap();
        assert!(file.write_at(0, &[b"ab", b"cd"]).is_err(), "{fault:?}");
        assert_eq!(file.sync_data().is_err(), matches!(fault, Fault::PowerCut { .. }), "{fault:?}");
        disk.power_loss(Survival::Everything);
        assert_eq!((read(&disk, "a").as_slice(), disk.struck()), (expected, 1), "{fault:?}");
    }
}

#[test]
fn a_limit_refuses_growth_and_a_kill_keeps_what_was_seen() {
    let (disk, file) = with_file(&[0; 4]);
    disk.limit(Some(8));
    assert!(matches!(file.preallocate(9), Err(DiskError::Full { .. })));
    file.preallocate(8).unwrap();
    assert!(matches!(file.write_at(7, &[b"ab"]), Err(DiskError::Full { .. })));
    assert_eq!(disk.free_bytes().unwrap(), 0);
    file.write_at(0, &[b"x"]).unwrap();
    let lock = disk.lock().unwrap();
    disk.kill();
    drop(lock);
    assert_eq!(read(&disk, "a"), b"x\0\0\0\0\0\0\0");
    let _second = disk.lock().unwrap();
    assert!(matches!(disk.lock(), Err(DiskError::InUse { .. })));
    disk.power_loss(Survival::Nothing);
    assert_eq!(read(&disk, "a"), [0; 8]);
}
