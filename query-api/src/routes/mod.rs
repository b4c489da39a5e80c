//! One file per resource.

mod aggregates;
mod audit;
mod dead_letters;
mod events;
mod keys;
mod stream;
mod tenants;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use metering_core::receipt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_kit::auth::{Caller, Scope};
use utoipa_axum::router::OpenApiRouter;

use crate::cursor::{self, Fingerprint};
use crate::error::QueryError;
use crate::params::Params;
use crate::state::QueryState;

const METER_RECEIPT: &str = "meter-receipt";
/// Rows of a page.
const MAX_LIMIT: u32 = 1000;
const DEFAULT_LIMIT: u32 = 100;
/// Conditions on metadata; each one is looked at in every row.
const MAX_METADATA_FILTERS: usize = 8;

pub(crate) fn router(state: QueryState) -> Router {
    routes().with_state(state).into()
}

pub(crate) fn routes() -> OpenApiRouter<QueryState> {
    OpenApiRouter::new()
        .merge(events::router())
        .merge(stream::router())
        .merge(aggregates::router())
        .merge(tenants::router())
        .merge(dead_letters::router())
        .merge(keys::router())
        .merge(audit::router())
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
            .map_err(QueryError::Refused)?;
        caller.require(Scope::Read).map_err(QueryError::Refused)?;
        let mut params = Params::from_request_parts(parts, state).await?;
        if let Some(token) = receipt_token(&parts.headers, &mut params)? {
            let seen = receipt::open(&state.receipts, &token).ok_or(QueryError::Receipt)?;
            let _timer = state.metrics.receipt_wait.start_timer();
            state.visibility.wait(&seen).await?;
        }
        Ok(Self { caller, params })
    }
}

/// A caller that may administer, and its parameters.
struct Admin {
    caller: Caller,
    params: Params,
}

impl FromRequestParts<QueryState> for Admin {
    type Rejection = QueryError;

    async fn from_request_parts(parts: &mut Parts, state: &QueryState) -> Result<Self, QueryError> {
        let caller = Caller::from_request_parts(parts, state)
            .await
            .map_err(QueryError::Refused)?;
        caller.require(Scope::Admin).map_err(QueryError::Refused)?;
        let params = Params::from_request_parts(parts, state).await?;
        Ok(Self { caller, params })
    }
}

/// A page of a listing in the order of `K`.
struct Page<K> {
    query: Fingerprint,
    limit: u32,
    /// Where the page before ended.
    after: Option<K>,
}

impl<K: Serialize + DeserializeOwned> Page<K> {
    /// From `limit` and `cursor`, which are all there may be.
    fn parse(
        listing: &str,
        mut params: Params,
        caller: &Caller,
        state: &QueryState,
    ) -> Result<Self, QueryError> {
        let page = Self::take(listing, &mut params, caller, state)?;
        params.finish("limit and cursor")?;
        Ok(page)
    }

    /// From `limit` and `cursor`. `listing` names what is listed, with all that selects from it.
    fn take(
        listing: &str,
        params: &mut Params,
        caller: &Caller,
        state: &QueryState,
    ) -> Result<Self, QueryError> {
        let limit = params.take_count("limit", MAX_LIMIT)?;
        let token = params.take("cursor");
        let selection = [(listing.to_owned(), String::new())];
        let query = cursor::fingerprint(&selection, caller.tenant_id.as_deref());
        let open = |token: String| cursor::open(&state.cursors, query, &token);
        let after = token.map(|token| open(token).ok_or(QueryError::Cursor));
        Ok(Self {
            query,
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            after: after.transpose()?,
        })
    }

    /// One row more than the page has tells whether there is another page.
    fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page's rows, and the cursor of the next page if there is one.
    fn cut<R>(
        &self,
        mut rows: Vec<R>,
        state: &QueryState,
        key: impl Fn(&R) -> K,
    ) -> (Vec<R>, Option<String>) {
        let limit = self.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more).map(key);
        let next = last.map(|last| cursor::seal(&state.cursors, self.query, &last));
        (rows, next)
    }
}

/// The conditions `metadata.KEY=VALUE`.
fn take_metadata(params: &mut Params) -> Result<Vec<(String, String)>, QueryError> {
    let metadata = params.take_prefixed("metadata.");
    if metadata.len() > MAX_METADATA_FILTERS {
        let detail = format!("may be there {MAX_METADATA_FILTERS} times at most");
        return Err(QueryError::parameter("metadata.KEY", detail));
    }
    Ok(metadata)
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
