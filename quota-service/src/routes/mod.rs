//! One file per resource.

mod alerts;
mod body;
mod decisions;
mod quotas;
mod reservations;
mod validate;
mod view;

use axum::Router;
use service_kit::auth::{Caller, Scope};
use utoipa_axum::router::OpenApiRouter;

use crate::error::QuotaError;
use crate::state::QuotaState;

pub(crate) fn router(state: QuotaState) -> Router {
    routes().with_state(state).into()
}

pub(crate) fn routes() -> OpenApiRouter<QuotaState> {
    OpenApiRouter::new()
        .merge(validate::router())
        .merge(reservations::router())
        .merge(quotas::router())
        .merge(decisions::router())
        .merge(alerts::router())
}

/// The tenant that a caller asks about: the one it names, or the one it is bound to.
fn tenant(caller: &Caller, named: Option<String>) -> Result<String, QuotaError> {
    match (&caller.tenant_id, named) {
        (Some(bound), Some(named)) if *bound != named => Err(QuotaError::TenantMismatch),
        (Some(bound), _) => Ok(bound.clone()),
        (None, Some(named)) => Ok(named),
        (None, None) => Err(QuotaError::TenantRequired),
    }
}

fn require(caller: &Caller, scope: Scope) -> Result<(), QuotaError> {
    caller.require(scope).map_err(QuotaError::Refused)
}
