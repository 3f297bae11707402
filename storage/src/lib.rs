//! Stockade: storage.
