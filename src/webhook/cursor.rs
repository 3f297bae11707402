//! How far an endpoint was told: a file with a sequence. A cursor that is behind tells facts again; one that is lost begins
//! where the engine stands, so it is written before the first fact is told.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{Readable, replace, sync_directory};

/// A cursor in its file; without a directory it is forgotten with the process.
pub(super) struct Cursor {
    path: Option<PathBuf>,
    sequence: u64,
}

impl Cursor {
    /// Reads it; a new one begins at `start`, on disk.
    pub(super) fn open(dir: Option<&Path>, name: &str, start: u64) -> io::Result<Self> {
        let path = dir.map(|dir| path_of(dir, name));
        let known = match &path {
            Some(path) => match fs::read_to_string(path) {
                Ok(text) => Some(text.trim().parse().map_err(|_| {
                    let why = format!("{} is not a sequence: delete it to begin from now", path.display());
                    io::Error::new(io::ErrorKind::InvalidData, why)
                })?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let mut cursor = Self { path, sequence: known.unwrap_or(start) };
        if known.is_none() {
            cursor.save(start)?;
            if let Some(dir) = dir {
                // Else a power cut could take the whole cursor, and with it what is told meanwhile.
                sync_directory(dir)?;
            }
        }
        Ok(cursor)
    }

    /// Puts a cursor here, whatever was there; it is on disk when this returns.
    pub(super) fn put(dir: Option<&Path>, name: &str, sequence: u64) -> io::Result<()> {
        let Some(dir) = dir else { return Ok(()) };
        replace(&path_of(dir, name), format!("{sequence}\n").as_bytes(), Readable::ByAll)?;
        sync_directory(dir)
    }

    /// Forgets how far an endpoint was told.
    pub(super) fn remove(dir: &Path, name: &str) -> io::Result<()> {
        match fs::remove_file(path_of(dir, name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Everything up to here was told.
    pub(super) fn save(&mut self, sequence: u64) -> io::Result<()> {
        self.sequence = sequence;
        let Some(path) = &self.path else { return Ok(()) };
        replace(path, format!("{sequence}\n").as_bytes(), Readable::ByAll)
    }
}

fn path_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.cursor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_on_where_it_was_and_a_new_one_begins_now() {
        let dir = tempfile::tempdir().unwrap();
        let mut cursor = Cursor::open(Some(dir.path()), "shop", 7).unwrap();
        assert_eq!(cursor.sequence(), 7);
        cursor.save(9).unwrap();
        assert_eq!(Cursor::open(Some(dir.path()), "shop", 70).unwrap().sequence(), 9);
        assert_eq!(Cursor::open(Some(dir.path()), "other", 70).unwrap().sequence(), 70);
        fs::write(dir.path().join("shop.cursor"), "nine").unwrap();
        assert!(Cursor::open(Some(dir.path()), "shop", 7).is_err(), "what cannot be read is not forgotten");
        Cursor::put(Some(dir.path()), "shop", 3).unwrap();
        assert_eq!(Cursor::open(Some(dir.path()), "shop", 70).unwrap().sequence(), 3);
        Cursor::remove(dir.path(), "shop").unwrap();
        Cursor::remove(dir.path(), "shop").unwrap();
        assert_eq!(Cursor::open(Some(dir.path()), "shop", 70).unwrap().sequence(), 70);
    }
}
