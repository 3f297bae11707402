//! Stockade: domain.
