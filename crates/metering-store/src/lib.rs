//! All SQL: one file per table. Functions take `now`, a connection, and nothing else from outside.

pub mod aggregates;
pub mod alert;
pub mod api_key;
pub mod audit_log;
pub mod dead_letter;
pub mod decision;
pub mod dimension;
pub mod event_key;
pub mod events;
pub mod outbox;
pub mod partition_lock;
mod partitions;
pub mod progress;
pub mod quota;
pub mod quota_ledger;
pub mod quota_snapshot;
mod readers;
pub mod rebuild;
mod store;
pub mod tenants;
pub mod usage_aggregate;
pub mod usage_event;

pub use readers::{QUERY_ROLE, Readers, Sight};
pub use sqlx;
pub use store::{PrepareError, SchemaError, Store};

/// SQLSTATE of an error that Postgres reported, such as `23505`.
pub fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(String::from)
}

/// Log partitions and sequences are unsigned in the domain and signed in Postgres. The broker's
/// sequences stay below 2^63; a hash keeps its bits.
pub(crate) mod signed {
    pub(crate) fn partition(partition: u16) -> i16 {
        partition.cast_signed()
    }

    pub(crate) fn seq(seq: u64) -> i64 {
        seq.cast_signed()
    }

    pub(crate) fn index(index: u32) -> i32 {
        index.cast_signed()
    }
}
