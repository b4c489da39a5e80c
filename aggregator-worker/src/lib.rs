//! Projects the log into raw events and aggregates, exactly once.

mod apply;
mod caches;
pub mod decode;
mod letters;
pub mod persist;
