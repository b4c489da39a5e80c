//! `GET /v1/meter/quotas`, `PUT /v1/meter/quotas`, `GET` and `DELETE /v1/meter/quotas/{id}`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use metering_core::Record;
use metering_core::quota::{ANY, DELETED, Enforcement, Quota, QuotaReply, QuotaStatus, Reply};
use metering_core::record::Document;
use metering_log::Priority;
use serde::Serialize;
use service_kit::auth::{Caller, Scope};
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::{bytes, invalid_id, uuid};
use super::require;
use crate::error::QuotaError;
use crate::partition::Partition;
use crate::state::QuotaState;

/// How long a change may take to be folded.
const CHANGE: Duration = Duration::from_secs(5);
/// How long its past may take to be counted.
const WARM: Duration = Duration::from_secs(20);

pub(super) fn router() -> OpenApiRouter<QuotaState> {
    OpenApiRouter::new()
        .routes(routes!(list, put))
        .routes(routes!(find, delete))
}

#[derive(Debug, Serialize, ToSchema)]
struct QuotaList {
    data: Vec<QuotaView>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quota)]
struct QuotaView {
    id: Uuid,
    tenant_id: String,
    feature: String,
    resource: Option<String>,
    name: String,
    limit: i64,
    period: &'static str,
    timezone: &'static str,
    anchor: Option<String>,
    /// `hard`, `soft` or `shadow`.
    #[schema(value_type = String)]
    enforcement: Enforcement,
    /// Percent of the limit.
    alert_threshold: Option<u8>,
    /// `active`, or `warming` while its past is being counted.
    status: &'static str,
}

impl QuotaView {
    fn new(quota: &Quota, status: &'static str) -> Self {
        Self {
            id: quota.id(),
            tenant_id: quota.tenant_id.clone(),
            feature: quota.feature.clone(),
            resource: quota.resource.clone(),
            name: quota.name.clone(),
            limit: quota.limit,
            period: quota.calendar.period.as_str(),
            timezone: quota.calendar.zone.name(),
            anchor: quota.calendar.anchor.map(|date| date.to_string()),
            enforcement: quota.enforcement,
            alert_threshold: quota.alert_threshold,
            status,
        }
    }
}

impl From<&QuotaStatus<'_>> for QuotaView {
    fn from(status: &QuotaStatus<'_>) -> Self {
        Self::new(
            status.quota,
            if status.warming { "warming" } else { "active" },
        )
    }
}

/// List quotas
///
/// All of them, a change that was answered included. A key that is bound to a tenant sees this
/// tenant's and those of every tenant. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/meter/quotas", operation_id = "list_quotas", tag = "Quotas",
    responses((status = 200, description = "The quotas.", body = QuotaList)),
)]
async fn list(
    State(state): State<QuotaState>,
    caller: Caller,
) -> Result<Json<QuotaList>, QuotaError> {
    require(&caller, Scope::Read)?;
    Ok(Json(QuotaList {
        data: visible(&state, &caller)?,
        next_cursor: None,
    }))
}

/// Show a quota
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/meter/quotas/{id}", operation_id = "get_quota", tag = "Quotas",
    params(("id" = Uuid, Path)),
    responses((status = 200, description = "The quota.", body = QuotaView)),
)]
async fn find(
    State(state): State<QuotaState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<QuotaView>, QuotaError> {
    require(&caller, Scope::Read)?;
    let id = uuid(&id).ok_or_else(invalid_id)?;
    let quotas = visible(&state, &caller)?;
    let found = quotas.into_iter().find(|quota| quota.id == id);
    found.map(Json).ok_or(QuotaError::NoQuota)
}

/// The quotas that a caller may see, each once: its tenant's, and those of every tenant.
fn visible(state: &QuotaState, caller: &Caller) -> Result<Vec<QuotaView>, QuotaError> {
    let mut quotas = Vec::new();
    for partition in state.partitions() {
        state.admit(partition)?;
        for status in partition.state().quotas() {
            let tenant = status.quota.tenant_id.as_str();
            let bound = caller.tenant_id.as_deref();
            let is_seen = bound.is_none_or(|bound| tenant == bound || tenant == ANY);
            // What is the same in every partition is shown from the first one.
            if is_seen && (tenant != ANY || partition.number == 0) {
                quotas.push(QuotaView::from(&status));
            }
        }
    }
    quotas.sort_by(|a, b| {
        let key = |q: &QuotaView| (q.tenant_id.clone(), q.feature.clone(), q.period, q.id);
        key(a).cmp(&key(b))
    });
    Ok(quotas)
}

/// Set a quota
///
/// A quota of the same tenant, feature, resource and period is replaced. When this is answered the
/// quota is in force and what was used before is counted. Needs the scope `admin`.
#[utoipa::path(
    put, path = "/v1/meter/quotas", operation_id = "put_quota", tag = "Quotas",
    responses((status = 200, description = "It is in force.", body = QuotaView)),
)]
async fn put(
    State(state): State<QuotaState>,
    caller: Caller,
    body: Body,
) -> Result<Json<QuotaView>, QuotaError> {
    require(&caller, Scope::Admin)?;
    let quota = Quota::parse(&bytes(body).await?)?;
    allowed(&caller, &quota.tenant_id)?;
    let json = quota.to_record();
    for partition in concerned(&state, &quota.tenant_id) {
        let (version, reply) = change(&state, partition, quota.id(), &json).await?;
        match reply {
            QuotaReply::InEffect => {}
            QuotaReply::Warming => warmed(partition, quota.id(), version).await?,
            QuotaReply::Deleted | QuotaReply::NotFound | QuotaReply::Ignored => {
                return Err(QuotaError::Unknown);
            }
        }
    }
    Ok(Json(QuotaView::new(&quota, "active")))
}

/// Delete a quota
///
/// When this is answered it is not in force any more. Needs the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/meter/quotas/{id}", operation_id = "delete_quota", tag = "Quotas",
    params(("id" = Uuid, Path)),
    responses((status = 204, description = "It is deleted.")),
)]
async fn delete(
    State(state): State<QuotaState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, QuotaError> {
    require(&caller, Scope::Admin)?;
    let id = uuid(&id).ok_or_else(invalid_id)?;
    let quotas = visible(&state, &caller)?;
    let quota = quotas.into_iter().find(|quota| quota.id == id);
    let quota = quota.ok_or(QuotaError::NoQuota)?;
    allowed(&caller, &quota.tenant_id)?;
    for partition in concerned(&state, &quota.tenant_id) {
        change(&state, partition, id, DELETED).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn allowed(caller: &Caller, tenant_id: &str) -> Result<(), QuotaError> {
    match &caller.tenant_id {
        Some(bound) if bound != tenant_id => Err(QuotaError::TenantMismatch),
        _ => Ok(()),
    }
}

/// The partitions that a quota of this tenant is in.
fn concerned<'s>(state: &'s QuotaState, tenant_id: &str) -> &'s [Arc<Partition>] {
    if tenant_id == ANY {
        return state.partitions();
    }
    let number = usize::from(state.partition(tenant_id).number);
    &state.partitions()[number..=number]
}

/// Appends a change and waits until it is folded; returns its number.
async fn change(
    state: &QuotaState,
    partition: &Partition,
    id: Uuid,
    json: &str,
) -> Result<(u64, QuotaReply), QuotaError> {
    state.admit(partition)?;
    let (version, _) = Uuid::new_v4().as_u64_pair();
    let record = Record::Quota(Document { id, version, json });
    let folded = state
        .ask(partition, &record, Priority::Control, CHANGE)
        .await?;
    match folded.reply {
        Reply::Quota(reply) => Ok((version, reply)),
        _ => Err(QuotaError::Unknown),
    }
}

/// Waits until a change does not warm any more: it is enforced, or a later one has replaced it.
async fn warmed(partition: &Partition, id: Uuid, version: u64) -> Result<(), QuotaError> {
    let mut folded = partition.folded();
    let warmed = folded.wait_for(|_| partition.state().warms_since(id, version).is_none());
    match timeout(WARM, warmed).await {
        Ok(_) => Ok(()),
        Err(_) => Err(QuotaError::Warming),
    }
}
