//! Stockade: actors.
