//! `GET /v1/meter/audit`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use metering_store::audit_log;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Admin, Page};
use crate::error::QueryError;
use crate::state::QueryState;

pub(super) fn router() -> Router<QueryState> {
    Router::new().route("/v1/meter/audit", get(list))
}

/// Something that an administrator did.
#[derive(Debug, Serialize)]
struct Entry {
    at: DateTime<Utc>,
    /// The key that did it. Null: meterd itself, when it was installed.
    key_id: Option<String>,
    /// Such as `key.create`.
    action: String,
    /// The id of what it was done to.
    target: String,
    tenant_id: Option<String>,
    request_id: Option<Uuid>,
    detail: Value,
}

/// Latest first.
#[derive(Debug, Serialize)]
struct AuditList {
    data: Vec<Entry>,
    next_cursor: Option<String>,
}

async fn list(
    State(state): State<QueryState>,
    Admin { caller, params }: Admin,
) -> Result<Json<AuditList>, QueryError> {
    let page = Page::parse("audit", params, &caller, &state)?;
    let tenant = caller.tenant_id.as_deref();
    let mut conn = state.store.pool().acquire().await?;
    let rows = audit_log::list(&mut conn, tenant, page.after, page.fetch()).await?;
    let (rows, next_cursor) = page.cut(rows, &state, |row| row.id);
    let entries = rows.into_iter().map(|row| Entry {
        at: row.at,
        key_id: row.key_id,
        action: row.action,
        target: row.target,
        tenant_id: row.tenant_id,
        request_id: row.request_id,
        detail: row.detail,
    });
    let data = entries.collect();
    Ok(Json(AuditList { data, next_cursor }))
}
