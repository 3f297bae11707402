//! The directory of a simulated disk: names as they are seen, and as a power loss would leave them.

use std::collections::BTreeMap;

use super::super::memory::names_in;

#[derive(Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    /// Changes that are seen but not yet durable, oldest first.
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Link(String, usize),
    Unlink(String),
    Rename(String, String),
}

impl Change {
    fn is_in(&self, directory: &str) -> bool {
        let (Self::Link(name, _) | Self::Unlink(name) | Self::Rename(_, name)) = self;
        name.rsplit_once('/').map_or("", |(parent, _)| parent) == directory
    }

    /// Whether the names were such that the change could be made.
    fn apply(&self, names: &mut BTreeMap<String, usize>) -> bool {
        match self {
            Self::Link(name, inode) => names.insert(name.clone(), *inode).is_none(),
            Self::Unlink(name) => names.remove(name).is_some(),
            Self::Rename(from, to) => match names.remove(from) {
                Some(inode) => {
                    names.insert(to.clone(), inode);
                    true
                }
                None => false,
            },
        }
    }
}

impl Names {
    pub(super) fn seen(&self, name: &str) -> Option<usize> {
        self.seen.get(name).copied()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, usize)> {
        self.seen.iter().map(|(name, inode)| (name.as_str(), *inode))
    }

    pub(super) fn list(&self, directory: &str) -> Vec<String> {
        names_in(self.seen.keys(), directory)
    }

    pub(super) fn put(&mut self, name: &str, inode: usize) {
        self.seen.insert(name.into(), inode);
        self.durable.insert(name.into(), inode);
    }

    pub(super) fn link(&mut self, name: &str, inode: usize) {
        self.change(Change::Link(name.into(), inode));
    }

    pub(super) fn unlink(&mut self, name: &str) -> bool {
        self.change(Change::Unlink(name.into()))
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        self.change(Change::Rename(from.into(), to.into()))
    }

    fn change(&mut self, change: Change) -> bool {
        let possible = change.apply(&mut self.seen);
        if possible {
            self.pending.push(change);
        }
        possible
    }

    pub(super) fn sync(&mut self, directory: &str) {
        let (synced, rest): (Vec<_>, Vec<_>) = self.pending.drain(..).partition(|change| change.is_in(directory));
        self.pending = rest;
        for change in synced {
            change.apply(&mut self.durable);
        }
    }

    /// A change whose predecessor was lost is lost with it: its `apply` finds nothing to change.
    pub(super) fn power_loss(&mut self, survives: &mut dyn FnMut() -> bool) {
        for change in std::mem::take(&mut self.pending) {
            if survives() {
                change.apply(&mut self.durable);
            }
        }
        self.seen = self.durable.clone();
    }
}
