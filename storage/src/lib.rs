//! Stockade: storage.

pub mod disk;
pub mod packed;
pub mod record;
