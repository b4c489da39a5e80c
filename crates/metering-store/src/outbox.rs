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

pub async fn insert(
    conn: &mut PgConnection,
    partition: u16,
    kind: u8,
    payload: &[u8],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into log_outbox (partition, kind, payload, created_at) values ($1, $2, $3, $4)",
        signed::partition(partition),
        i16::from(kind),
        payload,
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
