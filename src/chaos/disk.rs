//! The disk port: a disk on which operations fail, lie and take their time while faults are armed.

use std::io;
use std::sync::Arc;

use stockade_actors::faults::{Faults, Hit, Occasion};
use stockade_storage::disk::{Disk, DiskError, DiskFile, DiskLock};

use super::fault::{DiskFault, Fault, Port};

/// What a disk writes whole, or not at all.
const SECTOR_BYTES: usize = 512;

/// A disk behind the fault switch.
#[derive(Debug)]
pub(crate) struct FaultyDisk {
    inner: Arc<dyn Disk>,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn DiskFile>,
    faults: Arc<Faults>,
    name: String,
}

/// What strikes an operation, if anything. A slow one has waited when this returns; one that cannot be done has failed.
fn strike(faults: &Faults, operation: &'static str, name: &str) -> Result<Option<(DiskFault, u64)>, DiskError> {
    if !faults.is_armed(Port::Disk) {
        return Ok(None);
    }
    let is_wanted = |fault: &Fault| matches!(fault, Fault::Disk(fault) if fault.can_strike(operation));
    let Some(hit) = faults.strike(Port::Disk, is_wanted, || Occasion::of(operation, name)) else { return Ok(None) };
    let Hit { fault: Fault::Disk(fault), drawn, .. } = hit else { return Ok(None) };
    match fault {
        DiskFault::Slow(_) => {
            faults.pause(&hit);
            Ok(None)
        }
        DiskFault::Eio | DiskFault::FailedFsync => Err(failed(operation, name, rustix::io::Errno::IO)),
        DiskFault::Enospc if operation != "free_bytes" => Err(failed(operation, name, rustix::io::Errno::NOSPC)),
        _ => Ok(Some((fault, drawn))),
    }
}

fn failed(operation: &'static str, name: &str, errno: rustix::io::Errno) -> DiskError {
    DiskError::from_io(operation, name, io::Error::from(errno))
}

impl FaultyDisk {
    pub(crate) fn new(inner: Arc<dyn Disk>, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }

    fn file(&self, name: &str, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile { inner, faults: Arc::clone(&self.faults), name: name.into() })
    }
}

impl Disk for FaultyDisk {
    fn create(&self, name: &str) -> Result<Arc<dyn DiskFile>, DiskError> {
        strike(&self.faults, "create", name)?;
        self.inner.create(name).map(|file| self.file(name, file))
    }

    fn open(&self, name: &str) -> Result<Arc<dyn DiskFile>, DiskError> {
        strike(&self.faults, "open", name)?;
        self.inner.open(name).map(|file| self.file(name, file))
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, DiskError> {
        self.inner.list(directory)
    }

    fn create_directory(&self, directory: &str) -> Result<(), DiskError> {
        self.inner.create_directory(directory)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        strike(&self.faults, "rename", from)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        strike(&self.faults, "remove", name)?;
        self.inner.remove(name)
    }

    fn sync_directory(&self, directory: &str) -> Result<(), DiskError> {
        strike(&self.faults, "sync_directory", directory)?;
        self.inner.sync_directory(directory)
    }

    fn lock(&self) -> Result<DiskLock, DiskError> {
        self.inner.lock()
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        match strike(&self.faults, "free_bytes", "")? {
            Some((DiskFault::Enospc, _)) => Ok(0),
            _ => self.inner.free_bytes(),
        }
    }
}

impl DiskFile for FaultyFile {
    fn length(&self) -> Result<u64, DiskError> {
        self.inner.length()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let struck = strike(&self.faults, "read", &self.name)?;
        let count = self.inner.read_at(offset, into)?;
        if let Some((DiskFault::BitFlip, drawn)) = struck {
            flip(&mut into[..count], drawn);
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> Result<(), DiskError> {
        match strike(&self.faults, "write", &self.name)? {
            None => self.inner.write_at(offset, parts),
            Some((fault, drawn)) => self.write_wrongly(offset, parts.concat(), fault, drawn),
        }
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        match strike(&self.faults, "sync", &self.name)? {
            Some((DiskFault::LostUnsynced, _)) => Ok(()),
            _ => self.inner.sync_data(),
        }
    }

    fn preallocate(&self, length: u64) -> Result<(), DiskError> {
        strike(&self.faults, "preallocate", &self.name)?;
        self.inner.preallocate(length)
    }

    fn truncate(&self, length: u64) -> Result<(), DiskError> {
        strike(&self.faults, "truncate", &self.name)?;
        self.inner.truncate(length)
    }
}

impl FaultyFile {
    fn write_wrongly(&self, offset: u64, mut bytes: Vec<u8>, fault: DiskFault, drawn: u64) -> Result<(), DiskError> {
        match fault {
            DiskFault::ShortWrite => {
                self.inner.write_at(offset, &[&bytes[..bytes.len() / 2]])?;
                Err(failed("write", &self.name, rustix::io::Errno::IO))
            }
            DiskFault::TornWrite => {
                self.write_some_sectors(offset, &bytes, drawn)?;
                Err(failed("write", &self.name, rustix::io::Errno::IO))
            }
            DiskFault::BitFlip => {
                flip(&mut bytes, drawn);
                self.inner.write_at(offset, &[&bytes])
            }
            // Where it should have gone stays as it was.
            DiskFault::MisdirectedWrite => self.inner.write_at(offset + SECTOR_BYTES as u64, &[&bytes]),
            _ => self.inner.write_at(offset, &[&bytes]),
        }
    }

    /// Every sector by a coin; the first is lost, so that it never arrives whole.
    fn write_some_sectors(&self, offset: u64, bytes: &[u8], drawn: u64) -> Result<(), DiskError> {
        let mut at = (SECTOR_BYTES - (offset % SECTOR_BYTES as u64) as usize).min(bytes.len());
        let mut coin = drawn;
        while at < bytes.len() {
            let end = (at + SECTOR_BYTES).min(bytes.len());
            if coin & 1 == 1 {
                self.inner.write_at(offset + at as u64, &[&bytes[at..end]])?;
            }
            coin = coin.rotate_right(1);
            at = end;
        }
        Ok(())
    }
}

/// Turns one bit, if there is one.
fn flip(bytes: &mut [u8], drawn: u64) {
    let Some(bits) = (bytes.len() as u64).checked_mul(8).filter(|bits| *bits > 0) else { return };
    let bit = drawn % bits;
    bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
}

#[cfg(test)]
mod tests {
    use stockade_actors::faults::FaultRule;
    use stockade_storage::disk::MemoryDisk;

    use super::*;

    fn armed(fault: DiskFault) -> (Arc<Faults>, Arc<dyn DiskFile>) {
        let faults = Arc::new(Faults::default());
        let disk = FaultyDisk::new(Arc::new(MemoryDisk::new()), Arc::clone(&faults));
        let file = disk.create("a").unwrap();
        file.write_at(0, &[&[7; 2_048]]).unwrap();
        faults.arm(vec![FaultRule::always(Fault::Disk(fault))]);
        (faults, file)
    }

    fn contents(faults: &Faults, file: &dyn DiskFile) -> Vec<u8> {
        faults.disarm();
        let mut bytes = vec![0; 4_096];
        let count = file.read_at(0, &mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    }

    #[test]
    fn what_fails_says_so_and_leaves_what_it_must() {
        type Leaves = fn(&[u8]) -> bool;
        let table: [(DiskFault, Leaves); 4] = [
            (DiskFault::Eio, |bytes| bytes == [7; 2_048]),
            (DiskFault::Enospc, |bytes| bytes == [7; 2_048]),
            (DiskFault::ShortWrite, |bytes| bytes[..1_024] == [9; 1_024] && bytes[1_024..] == [7; 1_024]),
            (DiskFault::TornWrite, |bytes| bytes[..512] == [7; 512]),
        ];
        for (fault, leaves) in table {
            let (faults, file) = armed(fault);
            let error = file.write_at(0, &[&[9; 1_000], &[9; 1_048]]).unwrap_err();
            assert_eq!(matches!(error, DiskError::Full { .. }), fault == DiskFault::Enospc, "{error}");
            assert_eq!(faults.fired(), 1);
            let bytes = contents(&faults, &*file);
            assert!(leaves(&bytes), "{fault:?}");
            assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "a sector is whole");
        }
    }

    #[test]
    fn what_lies_says_nothing() {
        let (faults, file) = armed(DiskFault::BitFlip);
        file.write_at(0, &[&[7; 2_048]]).unwrap();
        let bits: u32 = contents(&faults, &*file).iter().map(|byte| (byte ^ 7).count_ones()).sum();
        assert_eq!(bits, 1);
        let (faults, file) = armed(DiskFault::MisdirectedWrite);
        file.write_at(0, &[&[9; 512]]).unwrap();
        let bytes = contents(&faults, &*file);
        assert_eq!((bytes[0], bytes[512], bytes[1_024]), (7, 9, 7));
        let (faults, file) = armed(DiskFault::FailedFsync);
        assert!(file.sync_data().is_err() && file.write_at(0, &[b"x"]).is_ok());
        assert_eq!(faults.fired(), 1);
    }
}
