//! `GET /v1/meter/aggregates`.

mod export;
mod request;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use metering_core::event::as_rfc3339;
use metering_store::aggregates::{self, Answer, Sum};
use metering_store::progress::{self, Applied};
use metering_store::sqlx::PgConnection;
use serde::Serialize;
use service_kit::openapi::integer;
use service_kit::{VERSION, clock};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::request::{MAX_ROWS, Request};
use super::Reader;
use crate::error::QueryError;
use crate::format::Format;
use crate::state::QueryState;

pub(super) fn router() -> OpenApiRouter<QueryState> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, ToSchema)]
struct AggregateList {
    data: Vec<AggregateRow>,
    /// Always null: an answer is whole, or refused for its size.
    next_cursor: Option<String>,
    /// The bounds used: those asked for, widened to whole windows.
    #[serde(serialize_with = "as_rfc3339")]
    from: DateTime<Utc>,
    #[serde(serialize_with = "as_rfc3339")]
    to: DateTime<Utc>,
    window: &'static str,
    timezone: &'static str,
    /// Over all groups, those below the top included.
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<Totals>,
    /// The same of the range that was asked for with `compare`.
    #[serde(skip_serializing_if = "Option::is_none")]
    compare: Option<Compared>,
}

/// Usage of an earlier range; its windows are of the same kind, those of equal place belong together.
#[derive(Debug, Serialize, ToSchema)]
struct Compared {
    data: Vec<AggregateRow>,
    #[serde(serialize_with = "as_rfc3339")]
    from: DateTime<Utc>,
    #[serde(serialize_with = "as_rfc3339")]
    to: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<Totals>,
}

/// Without what was not asked for: the window of `window=none`, the names that are not grouped by.
#[derive(Debug, Serialize, ToSchema)]
struct AggregateRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<String>,
    /// The member that is grouped by and the text of its value; null for events without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, Option<String>>>,
    /// All groups below the top together.
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    window_start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    window_end: Option<String>,
    #[serde(flatten)]
    totals: Totals,
}

/// Exact integers, beyond 2^63 too.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Totals {
    #[schema(schema_with = integer)]
    total_quantity: i128,
    #[schema(schema_with = integer)]
    event_count: i128,
}

impl From<Sum> for Totals {
    fn from(sum: Sum) -> Self {
        Self {
            total_quantity: sum.total_quantity,
            event_count: sum.event_count,
        }
    }
}

/// Add up usage
///
/// Per window and group, exact; without `group_by`, over everything the key may see. Windows begin
/// where the time zone says. An answer has at most 50,000 rows; with `Accept: application/x-ndjson` or
/// `text/csv` it has all there are, without `totals`, and is not whole if it breaks off. Needs the scope
/// `read`.
#[utoipa::path(
    get, path = "/v1/meter/aggregates", operation_id = "list_aggregates", tag = "Aggregates",
    params(
        ("window" = Option<String>, Query, pattern = "^(minute|hour|day|week|month|none)$",
            description = "Length of the windows, an hour unless said; `none` adds up the whole range; minutes for at most 48 hours"),
        ("timezone" = Option<String>, Query, description = "IANA name, UTC unless said"),
        ("group_by" = Option<String>, Query, description = "A list of `tenant_id`, `resource`, `feature` and one `metadata.KEY`, separated by commas; by metadata for at most 31 days and 1,000 values"),
        ("tenant_id" = Option<String>, Query, max_length = 128, description = "A key that is bound to a tenant sees that one only"),
        ("resource" = Option<String>, Query, max_length = 128),
        ("feature" = Option<String>, Query, max_length = 128),
        ("from" = Option<DateTime<Utc>>, Query, description = "Widened to whole windows; 24 hours before `to` unless said"),
        ("to" = Option<DateTime<Utc>>, Query, description = "Widened to whole windows; now unless said"),
        ("fill" = Option<String>, Query, pattern = "^zero$", description = "`zero`: rows for windows without usage too"),
        ("totals" = Option<bool>, Query, description = "`false`: leave out `totals`"),
        ("top" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Only the groups that used most; needs `group_by`"),
        ("other" = Option<bool>, Query, description = "`true`: all groups below the `top` as one row that has `other`"),
        ("compare" = Option<String>, Query, pattern = "^(previous|previous_year)$",
            description = "Usage of as many windows before as well, or of the same dates a year before"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer: 304 if nothing was applied since"),
        ("columns" = Option<String>, Query, description = "Of an export: members of a row, separated by commas"),
        ("receipt" = Option<String>, Query, description = "As `Meter-Receipt`"),
        ("Meter-Receipt" = Option<String>, Header, description = "Of a 202: the answer includes its events"),
    ),
    responses(
        (status = 200, description = "The sums.", content(
            (AggregateList = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"),
        ), headers(("ETag" = String, description = "Of a JSON answer: changes when something is applied."))),
        (status = 304, description = "Nothing was applied since the answer with this `ETag`."),
    ),
)]
async fn list(
    State(state): State<QueryState>,
    format: Format,
    headers: HeaderMap,
    reader: Reader,
) -> Result<Response, QueryError> {
    match format {
        Format::Json => whole(&state, &headers, reader).await,
        Format::Table(table) => export::export(&state, reader, table),
    }
}

async fn whole(
    state: &QueryState,
    headers: &HeaderMap,
    reader: Reader,
) -> Result<Response, QueryError> {
    let caller = reader.caller.clone();
    let request = Request::parse(reader, clock::now())?;
    let mut conn = state.read_as(&caller).await?;
    // What is read below is as of these positions or of later ones, never of earlier ones.
    let applied = progress::list_sequences(&mut conn).await?;
    let etag = etag(&applied, &request);
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(','));
    let header = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    if known.any(|tag| tag.trim().trim_start_matches("W/") == etag) {
        return Ok((StatusCode::NOT_MODIFIED, header).into_response());
    }
    let mut list = request.answer(ask(&mut conn, &request).await?)?;
    if let Some(earlier) = request.compare {
        let earlier = request.earlier(earlier)?;
        let answer = earlier.answer(ask(&mut conn, &earlier).await?)?;
        list.compare = Some(Compared {
            data: answer.data,
            from: answer.from,
            to: answer.to,
            totals: answer.totals,
        });
    }
    Ok((header, Json(list)).into_response())
}

async fn ask(conn: &mut PgConnection, request: &Request) -> Result<Answer, QueryError> {
    match &request.names {
        Some(names) => Ok(aggregates::list(conn, &request.question(names)).await?),
        None => Ok(Answer::default()),
    }
}

/// The answer to a request is what it was for as long as nothing is applied.
fn etag(applied: &[Applied], request: &Request) -> String {
    let usage = applied
        .iter()
        .filter(|applied| applied.projection == progress::USAGE);
    let positions: Vec<_> = usage
        .map(|applied| (applied.partition, applied.position))
        .collect();
    let text = format!("{VERSION} {positions:?} {request:?}");
    let hash: [u8; 32] = Sha256::digest(text).into();
    let half = hash.first_chunk().expect("a SHA-256 has 32 bytes");
    format!("\"{:032x}\"", u128::from_be_bytes(*half))
}

fn too_many_rows() -> QueryError {
    QueryError::parameter(
        "group_by",
        format!(
            "makes more than {MAX_ROWS} rows; ask for a `top`, a shorter range, longer windows or fewer groups"
        ),
    )
}
