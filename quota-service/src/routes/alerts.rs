//! `GET /v1/meter/alerts`.

use axum::Json;
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use metering_core::event::as_rfc3339;
use metering_store::alert;
use serde::{Deserialize, Serialize};
use service_kit::auth::{Caller, Scope};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::require;
use crate::error::QuotaError;
use crate::state::QuotaState;

/// Alerts in one answer: the newest ones.
const MAX_ALERTS: i64 = 1_000;

pub(super) fn router() -> OpenApiRouter<QuotaState> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize)]
struct Parameters {
    tenant_id: Option<String>,
}

/// The newest ones first; there is no other page.
#[derive(Debug, Serialize, ToSchema)]
struct AlertList {
    data: Vec<AlertView>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
struct AlertView {
    id: Uuid,
    #[serde(rename = "type")]
    kind: String,
    quota_id: Uuid,
    tenant_id: String,
    feature: String,
    #[serde(serialize_with = "as_rfc3339")]
    window_start: DateTime<Utc>,
    reset_at: Option<DateTime<Utc>>,
    limit: i64,
    /// Percent of the limit.
    alert_threshold: i16,
    /// An integer as text: it may have more digits than a double.
    used: String,
    #[serde(serialize_with = "as_rfc3339")]
    raised_at: DateTime<Utc>,
    /// null: not yet, or nobody is told (`METERD_ALERT_WEBHOOK_URL`).
    delivered_at: Option<DateTime<Utc>>,
    /// Attempts to deliver it.
    attempts: i32,
    /// Why the last attempt failed.
    last_error: Option<String>,
}

/// List alerts
///
/// The newest 1,000: a limit reached its threshold, once per window. A key that is bound to a tenant
/// sees this tenant's. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/meter/alerts", operation_id = "list_alerts", tag = "Quotas",
    params(("tenant_id" = Option<String>, Query, max_length = 128)),
    responses((status = 200, description = "The alerts.", body = AlertList)),
)]
async fn list(
    State(state): State<QuotaState>,
    caller: Caller,
    Query(parameters): Query<Parameters>,
) -> Result<Json<AlertList>, QuotaError> {
    require(&caller, Scope::Read)?;
    let named = parameters.tenant_id;
    let tenant_id = match (&caller.tenant_id, named) {
        (Some(bound), Some(named)) if *bound != named => return Ok(answer(Vec::new())),
        (Some(bound), _) => Some(bound.clone()),
        (None, named) => named,
    };
    let tenant_id = tenant_id.as_deref().filter(|tenant| !tenant.contains('\0'));
    let mut conn = state.store.pool().acquire().await?;
    let alerts = alert::list(&mut conn, tenant_id, MAX_ALERTS).await?;
    Ok(answer(alerts.into_iter().map(AlertView::from).collect()))
}

fn answer(data: Vec<AlertView>) -> Json<AlertList> {
    Json(AlertList {
        data,
        next_cursor: None,
    })
}

impl From<alert::Alert> for AlertView {
    fn from(alert: alert::Alert) -> Self {
        Self {
            id: alert.id,
            kind: alert.kind,
            quota_id: alert.quota_id,
            tenant_id: alert.tenant_id,
            feature: alert.feature,
            window_start: alert.window_start,
            reset_at: alert.window_end,
            limit: alert.limit,
            alert_threshold: alert.threshold,
            used: alert.used,
            raised_at: alert.raised_at,
            delivered_at: alert.delivered_at,
            attempts: alert.attempts,
            last_error: alert.last_error,
        }
    }
}
