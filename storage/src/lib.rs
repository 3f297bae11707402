//! Stockade: storage.

pub mod record;
