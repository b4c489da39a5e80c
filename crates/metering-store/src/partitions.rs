//! Tables of days and months, made before the first row that belongs there.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgPool};

use crate::sqlstate;

/// Tables are made one at a time.
const LOCK: i64 = 0x6d65_7465_7264; // "meterd"
/// How often a locked parent is tried again, with a second's patience each time.
const ATTEMPTS: u32 = 30;
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Makes partition `name` of `parent` for `bounds` (as after `for values`) unless it is there.
///
/// In a transaction of its own, and by attaching: that lets readers and writers of the parent go
/// on, where `create table … partition of` would stop them all. A lock that somebody else holds is
/// waited for in short attempts, since everybody who comes later queues behind a waiting one.
pub(crate) async fn ensure(
    pool: &PgPool,
    parent: &str,
    name: &str,
    bounds: &str,
) -> Result<(), sqlx::Error> {
    let mut attempt = 1;
    loop {
        match try_ensure(pool, parent, name, bounds).await {
            Err(error)
                if attempt < ATTEMPTS
                    && sqlstate(&error).as_deref() == Some(LOCK_NOT_AVAILABLE) =>
            {
                tracing::warn!(table = name, attempt, "waiting for a lock to make a table");
                attempt += 1;
            }
            done => return done,
        }
    }
}

async fn try_ensure(
    pool: &PgPool,
    parent: &str,
    name: &str,
    bounds: &str,
) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    let timeout = format!(
        "set local lock_timeout = {}",
        Duration::from_secs(1).as_millis()
    );
    sqlx::query(AssertSqlSafe(timeout))
        .execute(&mut *tx)
        .await?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *tx)
        .await?;
    let attached: bool = sqlx::query_scalar(
        "select exists (select from pg_inherits
             where inhparent = $1::regclass and inhrelid = to_regclass($2) and not inhdetachpending)",
    )
    .bind(parent)
    .bind(name)
    .fetch_one(&mut *tx)
    .await?;
    if !attached {
        // The names are made from dates, the bounds from numbers and dates.
        let create = format!("create table if not exists {name} (like {parent} including all)");
        sqlx::query(AssertSqlSafe(create)).execute(&mut *tx).await?;
        let attach = format!("alter table {parent} attach partition {name} for values {bounds}");
        sqlx::query(AssertSqlSafe(attach)).execute(&mut *tx).await?;
        tracing::info!(table = name, "made a table");
    }
    tx.commit().await
}
