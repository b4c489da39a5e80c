//! `api_key`: who may call. Only hashes of the secrets are stored.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// A key's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRow {
    pub id: String,
    pub name: String,
    /// 32 bytes.
    pub secret_sha256: Vec<u8>,
    pub scopes: Vec<String>,
    pub tenant_id: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// To the minute, roughly.
    pub last_used_at: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
}

/// Where a listing goes on.
pub type After = (DateTime<Utc>, String);

/// Inserts a key. `false`: its id was there already, and nothing was changed.
pub async fn insert(conn: &mut PgConnection, key: &ApiKeyRow) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "insert into api_key (id, name, secret_sha256, scopes, tenant_id, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
        key.id,
        key.name,
        key.secret_sha256,
        &key.scopes,
        key.tenant_id,
        key.created_at,
        key.expires_at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The key with this id, deleted or not; only `tenant`'s if one is named.
pub async fn find(
    conn: &mut PgConnection,
    id: &str,
    tenant: Option<&str>,
) -> Result<Option<ApiKeyRow>, sqlx::Error> {
    sqlx::query_as!(
        ApiKeyRow,
        "select id, name, secret_sha256, scopes, tenant_id, created_at, expires_at, last_used_at,
             deleted_at
         from api_key where id = $1 and ($2::text is null or tenant_id = $2)",
        id,
        tenant
    )
    .fetch_optional(conn)
    .await
}

/// Keys that were not deleted, newest first; only `tenant`'s if one is named.
pub async fn list(
    conn: &mut PgConnection,
    tenant: Option<&str>,
    after: Option<After>,
    limit: i64,
) -> Result<Vec<ApiKeyRow>, sqlx::Error> {
    let (created_at, id) = after.unzip();
    sqlx::query_as!(
        ApiKeyRow,
        "select id, name, secret_sha256, scopes, tenant_id, created_at, expires_at, last_used_at,
             deleted_at
         from api_key
         where deleted_at is null and ($1::text is null or tenant_id = $1)
             and ($2::timestamptz is null or (created_at, id) < ($2, $3))
         order by created_at desc, id desc limit $4",
        tenant,
        created_at,
        id,
        limit
    )
    .fetch_all(conn)
    .await
}

/// Makes other writers of this table wait until the transaction ends, so that what it counts stays
/// so. The first statement of whoever deletes: a lock on a row before it could end in a deadlock.
pub async fn lock(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("lock table api_key in share row exclusive mode")
        .execute(conn)
        .await?;
    Ok(())
}

/// How many keys other than `id` work at `now`, are bound to no tenant, and have `scope`.
pub async fn count_others(
    conn: &mut PgConnection,
    id: &str,
    scope: &str,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from api_key
         where id <> $1 and $2 = any (scopes) and tenant_id is null and deleted_at is null
             and (expires_at is null or expires_at > $3)"#,
        id,
        scope,
        now
    )
    .fetch_one(conn)
    .await
}

/// Makes a key end at `expires_at`, unless it ends before that.
pub async fn end_at(
    conn: &mut PgConnection,
    id: &str,
    expires_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update api_key set expires_at = least(expires_at, $2) where id = $1",
        id,
        expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks a key as deleted; the first time counts.
pub async fn delete(
    conn: &mut PgConnection,
    id: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update api_key set deleted_at = $2 where id = $1 and deleted_at is null",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes when keys were used. Times only move forward; unknown ids are passed over.
pub async fn update_last_used(
    conn: &mut PgConnection,
    uses: &[(String, DateTime<Utc>)],
) -> Result<(), sqlx::Error> {
    let (ids, times): (Vec<String>, Vec<DateTime<Utc>>) = uses.iter().cloned().unzip();
    // In the order of ids, so that two writers cannot wait for each other.
    sqlx::query!(
        "with used as (
             select id, max(at) as at from unnest($1::text[], $2::timestamptz[]) as u (id, at)
             group by id
         ), locked as (
             select k.id, used.at from api_key k join used using (id) order by k.id for update of k
         )
         update api_key k set last_used_at = locked.at from locked
         where k.id = locked.id and (k.last_used_at is null or k.last_used_at < locked.at)",
        &ids,
        &times
    )
    .execute(conn)
    .await?;
    Ok(())
}
