//! `api_key`: who may call. Only hashes of the secrets are stored.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// A key's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRow<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub secret_sha256: &'a [u8; 32],
    pub scopes: &'a [String],
    pub tenant_id: Option<&'a str>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Inserts a key, or does nothing if it is there already.
pub async fn insert_if_absent(
    conn: &mut PgConnection,
    key: &ApiKeyRow<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into api_key (id, name, secret_sha256, scopes, tenant_id, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
    )
    .bind(key.id)
    .bind(key.name)
    .bind(&key.secret_sha256[..])
    .bind(key.scopes)
    .bind(key.tenant_id)
    .bind(key.created_at)
    .bind(key.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}
