//! `log_outbox`: records the worker owes the log, committed with what made them necessary.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::signed;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub id: i64,
    /// Kind of the record.
    pub kind: u8,
    pub payload: Vec<u8>,
}

/// Owes records of one kind to a partition.
pub async fn insert(
    conn: &mut PgConnection,
    partition: u16,
    kind: u8,
    payloads: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if payloads.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into log_outbox (partition, kind, payload, created_at)
         select $1, $2, payload, $4 from unnest($3::bytea[]) as t(payload)",
        signed::partition(partition),
        i16::from(kind),
        payloads,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The oldest `limit` records owed to a partition, oldest first.
pub async fn list(
    conn: &mut PgConnection,
    partition: u16,
    limit: i64,
) -> Result<Vec<Owed>, sqlx::Error> {
    let rows = sqlx::query!(
        "select id, kind, payload from log_outbox where partition = $1 order by id limit $2",
        signed::partition(partition),
        limit
    )
    .fetch_all(conn)
    .await?;
    let owed = rows.into_iter().map(|row| Owed {
        id: row.id,
        kind: u8::try_from(row.kind).unwrap_or(0),
        payload: row.payload,
    });
    Ok(owed.collect())
}

/// Forgets records that the log has acknowledged.
pub async fn delete(conn: &mut PgConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from log_outbox where id = any($1)", ids)
        .execute(conn)
        .await?;
    Ok(())
}
