//! x

mod decimal;
mod lines;
mod tracebook;
