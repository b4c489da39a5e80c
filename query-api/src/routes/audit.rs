//! `GET /v1/meter/audit`.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use metering_store::audit_log;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Admin, Page};
use crate::error::QueryError;
use crate::state::QueryState;

pub(super) fn router() -> OpenApiRouter<QueryState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Something that an administrator did.
#[derive(Debug, Serialize, ToSchema)]
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
    #[schema(value_type = Object)]
    detail: Value,
}

/// Latest first.
#[derive(Debug, Serialize, ToSchema)]
struct AuditList {
    data: Vec<Entry>,
    next_cursor: Option<String>,
}

/// List the audit log
///
/// What administrators did, latest first; a caller that is bound to a tenant sees what concerns this
/// tenant. Needs the scope `admin`.
#[utoipa::path(
    get, path = "/v1/meter/audit", operation_id = "list_audit_log", tag = "API keys",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Entries of a page; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "A page.", body = AuditList)),
)]
async fn list(
    State(state): State<QueryState>,
    Admin { caller, params }: Admin,
) -> Result<Json<AuditList>, QueryError> {
    let page = Page::parse("audit", params, &caller, &state)?;
    let tenant = caller.tenant_id.as_deref();
    let mut conn = state.read_as(&caller).await?;
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
