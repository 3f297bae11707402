//! Stockade: loom-tests.
