//! `quota_snapshot`: the fold's whole state at a position, one per partition.

use chrono::{DateTime, Utc};
use metering_core::Position;
use sqlx::PgConnection;

use crate::signed;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub position: Position,
    pub state: Vec<u8>,
}

pub async fn find(
    conn: &mut PgConnection,
    partition: u16,
) -> Result<Option<Snapshot>, sqlx::Error> {
    let row = sqlx::query!(
        "select incarnation, seq, hash, state from quota_snapshot where partition = $1",
        signed::partition(partition)
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Snapshot {
        position: Position {
            incarnation: row.incarnation,
            seq: row.seq.cast_unsigned(),
            hash: row.hash.cast_unsigned(),
        },
        state: row.state,
    }))
}

/// Replaces the partition's snapshot, in the transaction that moved its position there.
pub async fn upsert(
    conn: &mut PgConnection,
    partition: u16,
    position: Position,
    state: &[u8],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into quota_snapshot (partition, incarnation, seq, hash, state, created_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (partition) do update
         set incarnation = excluded.incarnation, seq = excluded.seq, hash = excluded.hash,
             state = excluded.state, created_at = excluded.created_at",
        signed::partition(partition),
        position.incarnation,
        signed::seq(position.seq),
        position.hash.cast_signed(),
        state,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
