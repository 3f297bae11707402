//! An audit of a directory: the chain is verified, every record is read, and what is derived is compared.

use std::path::Path;
use std::sync::Arc;

use stockade_storage::disk::{Disk, RealDisk};
use stockade_storage::journal::{JournalOptions, JournalReader, OpenError, Opened, ReadError, open_journal};
use stockade_storage::record::{KIND_SYSTEM, parse_record};

use super::Auditor;
use super::derived::Derived;
use super::report::{AuditError, AuditReport, Rule};

/// Bytes of journal read at once.
const READ_BYTES: usize = 1 << 20;

/// Audits the journal in a directory, and what was derived from it. `progress` is told how many records of how many
/// are read.
///
/// It takes the directory's lock, so no engine may have it open, and settles the unproven end of the journal as any
/// opening does; nothing that is recorded is changed.
///
/// # Errors
///
/// [`AuditError`] when the audit could not run. Damage is no error but a fault in the report.
pub fn audit(dir: &Path, mut progress: impl FnMut(u64, u64)) -> Result<AuditReport, AuditError> {
    let disk = open_disk(dir)?;
    let mut auditor = Auditor::new();
    // Kept to the end: it holds the directory's lock.
    let opened: Opened = match open_journal(disk, &JournalOptions::new([0; 16])) {
        Ok(opened) => opened,
        Err(OpenError::Damaged(damage)) => {
            auditor.faults.add(0, "journal", Rule::JournalDamaged, damage.to_string());
            return Ok(auditor.report_as_is());
        }
        Err(OpenError::InUse { path }) => return Err(AuditError::InUse { dir: path }),
        Err(error @ OpenError::FormatNewer { .. }) => return Err(AuditError::Newer(error.to_string())),
        Err(OpenError::Disk(error)) => return Err(AuditError::Io(error.to_string())),
    };
    let last = opened.recovered.last_seq;
    let read = match checkpoints(&opened.reader, last) {
        Ok(checkpoints) => {
            auditor.derived = Derived::open(dir, &checkpoints, &mut auditor.faults)?;
            read_all(&opened.reader, last, &mut auditor, &mut progress)
        }
        Err(error) => Err(error),
    };
    match read {
        Ok(()) => Ok(auditor.finish()),
        Err(ReadError::Damaged(damage)) => {
            auditor.faults.add(auditor.last_seq + 1, "journal", Rule::JournalDamaged, damage.to_string());
            Ok(auditor.report_as_is())
        }
        Err(ReadError::Disk(error)) => Err(AuditError::Io(error.to_string())),
    }
}

fn open_disk(dir: &Path) -> Result<Arc<dyn Disk>, AuditError> {
    // Opening would make a journal where there is none.
    if !holds_journal(dir) {
        return Err(AuditError::NoJournal { dir: dir.display().to_string() });
    }
    match RealDisk::open(dir) {
        Ok(disk) => Ok(Arc::new(disk)),
        Err(error) => Err(AuditError::Io(error.to_string())),
    }
}

fn holds_journal(dir: &Path) -> bool {
    let is_segment = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.starts_with("journal-"))
    };
    [dir.to_path_buf(), dir.join("archive")]
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .any(|entries| entries.flatten().any(is_segment))
}

/// The last two checkpoints: where their records are, and what these say.
fn checkpoints(reader: &JournalReader, last: u64) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
    let mut found: Vec<(u64, Vec<u8>)> = Vec::new();
    reader.read_all(1, last, &mut |seq, body| {
        let Ok((head, events)) = parse_record(body) else { return };
        if head.kind == KIND_SYSTEM {
            found.push((seq, events.to_vec()));
            if found.len() > 2 {
                found.remove(0);
            }
        }
    })?;
    Ok(found)
}

fn read_all(
    reader: &JournalReader,
    last: u64,
    auditor: &mut Auditor,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(), ReadError> {
    let mut next = 1;
    while next <= last {
        let after = reader.read_from(next, READ_BYTES, &mut |seq, body| auditor.take(seq, body))?;
        if after == next {
            let detail = format!("the journal holds {last} records, and record {next} cannot be found");
            auditor.faults.add(next, "journal", Rule::SequenceBroken, detail);
            break;
        }
        next = after;
        progress(next - 1, last);
    }
    Ok(())
}
