//! Stockade: sync.
