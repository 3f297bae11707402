//! Small files that are whole on disk, as they were or as they are now: written beside, synced, and put in place.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readable {
    /// Whoever may read the directory.
    ByAll,
    /// Whoever runs the engine: there are secrets in it.
    ByOwner,
}

/// Puts a file in place of the one of before.
pub(super) fn replace(path: &Path, bytes: &[u8], readable: Readable) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    // What a power cut left here may be readable by others.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readable == Readable::ByOwner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    // One that a power cut leaves empty could not be read; one that is old does no harm.
    file.sync_data()?;
    fs::rename(&new, path)
}

/// What was put into a directory, or taken out of it, stays so after a power cut.
pub(super) fn sync_directory(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}
