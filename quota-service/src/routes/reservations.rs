//! `POST /v1/meter/reservations/{id}/commit` and `…/release`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use metering_core::Record;
use metering_core::quota::{Reply, ResolveReply};
use metering_core::record::Resolve;
use metering_log::Priority;
use serde::Serialize;
use service_kit::auth::{Caller, Scope};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::{Fields, bytes, invalid_id, uuid};
use super::{require, tenant};
use crate::ask::not_after_us;
use crate::error::QuotaError;
use crate::state::QuotaState;

pub(super) fn router() -> OpenApiRouter<QuotaState> {
    OpenApiRouter::new()
        .routes(routes!(commit))
        .routes(routes!(release))
}

#[derive(Debug, Serialize, ToSchema)]
struct Resolved {
    id: Uuid,
    /// `committed` or `released`.
    status: &'static str,
    /// Units used.
    quantity: i64,
    as_of_seq: u64,
}

/// Commit a reservation
///
/// `quantity` units were used, all that are held unless said; the others are free again. More than
/// are held is refused, unless `overshoot` is true: then they count, even beyond the limit. To
/// commit again in the same way gives the same answer. Needs the scope `validate`.
#[utoipa::path(
    post, path = "/v1/meter/reservations/{id}/commit", operation_id = "commit_reservation", tag = "Quotas",
    params(("id" = Uuid, Path, description = "`reservation.id` of the answer")),
    responses((status = 200, description = "It is committed.", body = Resolved)),
)]
async fn commit(
    State(state): State<QuotaState>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Resolved>, QuotaError> {
    require(&caller, Scope::Validate)?;
    let id = uuid(&id).ok_or_else(invalid_id)?;
    let mut fields = fields(&bytes(body).await?)?;
    let named = fields.identifier("tenant_id")?;
    let quantity = fields.quantity(0)?;
    let overshoot = fields.flag("overshoot")?;
    fields.finish("tenant_id, quantity and overshoot")?;
    let tenant_id = tenant(&caller, named)?;
    let resolve = Resolve {
        id,
        attempt: Uuid::new_v4(),
        tenant_id: &tenant_id,
        quantity,
        overshoot,
        not_after_us: not_after_us(),
    };
    resolved(&state, &Record::Commit(resolve), resolve).await
}

/// Release a reservation
///
/// Nothing was used; its units are free again. To release again gives the same answer. Needs the
/// scope `validate`.
#[utoipa::path(
    post, path = "/v1/meter/reservations/{id}/release", operation_id = "release_reservation", tag = "Quotas",
    params(("id" = Uuid, Path, description = "`reservation.id` of the answer")),
    responses((status = 200, description = "It is released.", body = Resolved)),
)]
async fn release(
    State(state): State<QuotaState>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Resolved>, QuotaError> {
    require(&caller, Scope::Validate)?;
    let id = uuid(&id).ok_or_else(invalid_id)?;
    let mut fields = fields(&bytes(body).await?)?;
    let named = fields.identifier("tenant_id")?;
    fields.finish("tenant_id")?;
    let tenant_id = tenant(&caller, named)?;
    let resolve = Resolve {
        id,
        attempt: Uuid::new_v4(),
        tenant_id: &tenant_id,
        quantity: None,
        overshoot: false,
        not_after_us: not_after_us(),
    };
    resolved(&state, &Record::Release(resolve), resolve).await
}

/// A caller that is bound to a tenant, and takes the default, needs no body.
fn fields(json: &[u8]) -> Result<Fields, QuotaError> {
    Fields::parse(if json.is_empty() { b"{}" } else { json })
}

/// To resolve again what is resolved in the same way gives the same answer, so a time-out needs no
/// cancel.
async fn resolved(
    state: &QuotaState,
    record: &Record<'_>,
    resolve: Resolve<'_>,
) -> Result<Json<Resolved>, QuotaError> {
    let partition = state.partition(resolve.tenant_id);
    state.admit(partition)?;
    let patience = state.config.deadline();
    let folded = state
        .ask(partition, record, Priority::Control, patience)
        .await?;
    let done = |status, quantity| {
        Ok(Json(Resolved {
            id: resolve.id,
            status,
            quantity,
            as_of_seq: folded.seq,
        }))
    };
    match folded.reply {
        Reply::Resolved(ResolveReply::Committed { quantity }) => done("committed", quantity),
        Reply::Resolved(ResolveReply::Released) => done("released", 0),
        Reply::Resolved(ResolveReply::Expired) => Err(QuotaError::Expired),
        Reply::Resolved(ResolveReply::Conflict) => Err(QuotaError::ResolvedOtherwise),
        Reply::Resolved(ResolveReply::NotFound) => Err(QuotaError::NoReservation),
        Reply::Resolved(ResolveReply::ExceedsHold { held }) => {
            Err(QuotaError::ExceedsHold { held })
        }
        _ => Err(QuotaError::Unknown),
    }
}
