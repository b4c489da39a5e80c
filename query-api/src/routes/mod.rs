//! One file per resource.

mod aggregates;
mod events;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use metering_core::receipt;
use service_kit::auth::{Caller, Scope};
use utoipa_axum::router::OpenApiRouter;

use crate::error::QueryError;
use crate::params::Params;
use crate::state::QueryState;

const METER_RECEIPT: &str = "meter-receipt";

pub(crate) fn router(state: QueryState) -> Router {
    routes().with_state(state).into()
}

pub(crate) fn routes() -> OpenApiRouter<QueryState> {
    OpenApiRouter::new()
        .merge(events::router())
        .merge(aggregates::router())
}

/// A caller that may read, its parameters, and whatever its receipt promises is persisted.
struct Reader {
    caller: Caller,
    params: Params,
}

impl FromRequestParts<QueryState> for Reader {
    type Rejection = QueryError;

    async fn from_request_parts(parts: &mut Parts, state: &QueryState) -> Result<Self, QueryError> {
        let caller = Caller::from_request_parts(parts, state)
            .await
            .map_err(QueryError::Scope)?;
        caller.require(Scope::Read).map_err(QueryError::Scope)?;
        let mut params = Params::from_request_parts(parts, state).await?;
        if let Some(token) = receipt_token(&parts.headers, &mut params)? {
            let seen = receipt::open(&state.receipts, &token).ok_or(QueryError::Receipt)?;
            let _timer = state.metrics.receipt_wait.start_timer();
            state.visibility.wait(&seen).await?;
        }
        Ok(Self { caller, params })
    }
}

/// From the header or the parameter.
fn receipt_token(headers: &HeaderMap, params: &mut Params) -> Result<Option<String>, QueryError> {
    let mut sent = headers.get_all(METER_RECEIPT).iter();
    let header = sent.next();
    match (header, sent.next(), params.take("receipt")) {
        (None, _, parameter) => Ok(parameter),
        (Some(value), None, None) => match value.to_str() {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(QueryError::Receipt),
        },
        (Some(_), _, _) => Err(QueryError::parameter("receipt", "is there more than once")),
    }
}
