//! `audit_log`: what administrators did.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// Something that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Action<'a> {
    pub at: DateTime<Utc>,
    /// Who did it. `None`: meterd itself, when it was installed.
    pub key_id: Option<&'a str>,
    /// What, such as `key.create`.
    pub action: &'static str,
    /// The id of what it was done to.
    pub target: &'a str,
    /// The tenant that the target belongs to, if it belongs to one.
    pub tenant_id: Option<&'a str>,
    pub request_id: Option<Uuid>,
    /// Holds no secret.
    pub detail: Value,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    pub id: i64,
    pub at: DateTime<Utc>,
    pub key_id: Option<String>,
    pub action: String,
    pub target: String,
    pub tenant_id: Option<String>,
    pub request_id: Option<Uuid>,
    pub detail: Value,
}

/// Belongs in the transaction that does it.
pub async fn insert(conn: &mut PgConnection, action: &Action<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into audit_log (at, key_id, action, target, tenant_id, request_id, detail)
         values ($1, $2, $3, $4, $5, $6, $7)",
        action.at,
        action.key_id,
        action.action,
        action.target,
        action.tenant_id,
        action.request_id,
        action.detail
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Latest first, those before `before`; only what concerns `tenant` if one is named.
pub async fn list(
    conn: &mut PgConnection,
    tenant: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<AuditRow>, sqlx::Error> {
    sqlx::query_as!(
        AuditRow,
        "select id, at, key_id, action, target, tenant_id, request_id, detail from audit_log
         where ($1::text is null or tenant_id = $1) and ($2::bigint is null or id < $2)
         order by id desc limit $3",
        tenant,
        before,
        limit
    )
    .fetch_all(conn)
    .await
}
