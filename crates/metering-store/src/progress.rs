//! `progress`: how far each projection has applied each partition.

use chrono::{DateTime, Utc};
use metering_core::Position;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::signed;

/// The worker's projection: keys, raw events, aggregates.
pub const USAGE: &str = "usage";
/// The quota service's: ledger, decisions, alerts, snapshot.
pub const QUOTA: &str = "quota";

/// What became of the records up to a position; `logged = persisted + duplicate + dead`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub logged: i64,
    pub persisted: i64,
    pub duplicate: i64,
    /// Those duplicates whose payload differed from the first one.
    pub conflict: i64,
    pub dead: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub position: Position,
    /// Log time of the message at the position.
    pub stream_time: Option<DateTime<Utc>>,
    pub counters: Counters,
}

/// One row of [`list_sequences`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub projection: String,
    pub partition: u16,
    pub position: Position,
}

/// Makes the row of a partition nobody has read yet; an existing one stays as it is.
pub async fn insert_start(
    conn: &mut PgConnection,
    projection: &str,
    partition: u16,
    start: Position,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into progress (projection, partition, incarnation, seq, hash, updated_at)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
        projection,
        signed::partition(partition),
        start.incarnation,
        signed::seq(start.seq),
        start.hash.cast_signed(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

struct Row {
    partition: i16,
    incarnation: Uuid,
    seq: i64,
    hash: i64,
    stream_time: Option<DateTime<Utc>>,
    logged: i64,
    persisted: i64,
    duplicate: i64,
    conflict: i64,
    dead: i64,
}

impl Row {
    fn progress(self) -> (u16, Progress) {
        let progress = Progress {
            position: Position {
                incarnation: self.incarnation,
                seq: self.seq.cast_unsigned(),
                hash: self.hash.cast_unsigned(),
            },
            stream_time: self.stream_time,
            counters: Counters {
                logged: self.logged,
                persisted: self.persisted,
                duplicate: self.duplicate,
                conflict: self.conflict,
                dead: self.dead,
            },
        };
        (self.partition.cast_unsigned(), progress)
    }
}

pub async fn find(
    conn: &mut PgConnection,
    projection: &str,
    partition: u16,
) -> Result<Option<Progress>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        "select partition, incarnation, seq, hash, stream_time,
             logged, persisted, duplicate, conflict, dead
         from progress where projection = $1 and partition = $2",
        projection,
        signed::partition(partition)
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| row.progress().1))
}

/// How far a projection is in each partition that it has begun to read.
pub async fn list(
    conn: &mut PgConnection,
    projection: &str,
) -> Result<Vec<(u16, Progress)>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "select partition, incarnation, seq, hash, stream_time,
             logged, persisted, duplicate, conflict, dead
         from progress where projection = $1",
        projection
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Row::progress).collect())
}

/// Where every projection stands in every partition.
pub async fn list_sequences(conn: &mut PgConnection) -> Result<Vec<Applied>, sqlx::Error> {
    let rows = sqlx::query!(
        "select projection, partition, incarnation, seq, hash from progress order by partition"
    )
    .fetch_all(conn)
    .await?;
    let applied = rows.into_iter().map(|row| Applied {
        projection: row.projection,
        partition: row.partition.cast_unsigned(),
        position: Position {
            incarnation: row.incarnation,
            seq: row.seq.cast_unsigned(),
            hash: row.hash.cast_unsigned(),
        },
    });
    Ok(applied.collect())
}

/// Moves the position if it still is `from`; the first statement of every transaction that writes
/// a projection. `false`: somebody else moved it, and the transaction must write nothing.
pub async fn compare_and_set(
    conn: &mut PgConnection,
    projection: &str,
    partition: u16,
    (from, to): (Position, Position),
    stream_time: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update progress
         set incarnation = $6, seq = $7, hash = $8, stream_time = $9, updated_at = $10
         where projection = $1 and partition = $2 and incarnation = $3 and seq = $4 and hash = $5",
        projection,
        signed::partition(partition),
        from.incarnation,
        signed::seq(from.seq),
        from.hash.cast_signed(),
        to.incarnation,
        signed::seq(to.seq),
        to.hash.cast_signed(),
        stream_time,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Adds to the counters of a partition, in the transaction that moved its position.
pub async fn add(
    conn: &mut PgConnection,
    projection: &str,
    partition: u16,
    counters: Counters,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update progress set logged = logged + $3, persisted = persisted + $4,
             duplicate = duplicate + $5, conflict = conflict + $6, dead = dead + $7
         where projection = $1 and partition = $2",
        projection,
        signed::partition(partition),
        counters.logged,
        counters.persisted,
        counters.duplicate,
        counters.conflict,
        counters.dead
    )
    .execute(conn)
    .await?;
    Ok(())
}
