//! Stockade: storage.

pub mod disk;
pub mod record;
