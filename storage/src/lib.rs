//! Stockade: storage.

pub mod disk;
pub mod journal;
pub mod packed;
pub mod projection;
pub mod record;
