//! `/v1/meter/dead-letters`.

use axum::Json;
use axum::extract::{Extension, Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use metering_core::event::as_rfc3339;
use metering_core::receipt;
use metering_store::dead_letter::{self, DeadLetterRow, State};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use service_kit::auth::Caller;
use service_kit::clock;
use service_kit::fields::Fields;
use service_kit::problem::Problem;
use service_kit::request_log::RequestId;
use service_kit::trace_context::TraceContext;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Admin, METER_RECEIPT, Page, Reader};
use crate::dead_letters::{self, Clerk, DeadLetterError, Log};
use crate::error::QueryError;
use crate::state::QueryState;

/// What of an event can be changed. Its metadata cannot: some of it may be redacted at the gateway.
const CHANGEABLE: [&str; 5] = ["tenant_id", "resource", "feature", "quantity", "timestamp"];

pub(super) fn router() -> OpenApiRouter<QueryState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(discard))
        .routes(routes!(replay))
}

/// Latest first.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLetterList {
    data: Vec<Letter>,
    next_cursor: Option<String>,
}

/// A record that reached the log and cannot count.
#[derive(Debug, Serialize, ToSchema)]
struct Letter {
    id: i64,
    #[schema(pattern = "^(open|replayed|discarded)$")]
    state: String,
    /// Stable; the detail is for people.
    code: String,
    detail: String,
    /// What can be done.
    hint: &'static str,
    tenant_id: Option<String>,
    /// As far as it could be read.
    #[schema(value_type = Option<Object>)]
    event: Option<Box<RawValue>>,
    /// Its place in the log.
    partition: i16,
    seq: i64,
    /// `null`: the whole message.
    index: Option<i32>,
    #[serde(serialize_with = "as_rfc3339")]
    created_at: DateTime<Utc>,
    resolved_at: Option<DateTime<Utc>>,
    /// The id of the event that was made of it.
    replayed_as: Option<Uuid>,
}

impl From<DeadLetterRow> for Letter {
    fn from(row: DeadLetterRow) -> Self {
        let event = row.event.map(RawValue::from_string);
        Self {
            id: row.id,
            state: row.state,
            hint: hint(&row.code),
            code: row.code,
            detail: row.detail,
            tenant_id: row.tenant_id,
            event: event.and_then(Result::ok),
            partition: row.partition,
            seq: row.seq,
            index: row.record_index,
            created_at: row.created_at,
            resolved_at: row.resolved_at,
            replayed_as: row.replayed_as,
        }
    }
}

fn hint(code: &str) -> &'static str {
    match code {
        "total_overflow" => {
            "A sum cannot hold it: replay it with another `feature` or `timestamp`, or a smaller `quantity`."
        }
        "invalid_event" => "Replay it with the field changed that `detail` names.",
        "broken_envelope" => {
            "The message is damaged and nothing can be read of it: look after the broker's disk, ask the producers to send again, and discard it."
        }
        "malformed_record" => {
            "Nothing can be read of it: ask its producer to send it again, and discard it."
        }
        _ => "See `detail`.",
    }
}

/// List dead letters
///
/// Records that the log has and that cannot count, with the reason and what can be done. Latest first.
/// Those of which not even the tenant can be read are shown to keys without a tenant. Needs the scope
/// `read`.
#[utoipa::path(
    get, path = "/v1/meter/dead-letters", operation_id = "list_dead_letters", tag = "Dead letters",
    params(
        ("state" = Option<String>, Query, pattern = "^(open|replayed|discarded)$", description = "`open` unless said"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Letters of a page; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same state"),
        ("receipt" = Option<String>, Query, description = "As `Meter-Receipt`"),
        ("Meter-Receipt" = Option<String>, Header, description = "Of a 202: the answer includes its events"),
    ),
    responses((status = 200, description = "A page.", body = DeadLetterList)),
)]
async fn list(
    Shared(state): Shared<QueryState>,
    Reader { caller, mut params }: Reader,
) -> Result<Json<DeadLetterList>, QueryError> {
    let which = params.take_parsed("state", "open, replayed or discarded", State::parse)?;
    let which = which.unwrap_or(State::Open);
    let listing = format!("dead letters {}", which.as_str());
    let page: Page<i64> = Page::take(&listing, &mut params, &caller, &state)?;
    params.finish("state, limit, cursor and receipt")?;
    let mut conn = state.read_as(&caller).await?;
    let tenant = caller.tenant_id.as_deref();
    let rows = dead_letter::list(&mut conn, tenant, which, page.after, page.fetch()).await?;
    let (rows, next_cursor) = page.cut(rows, &state, |row| row.id);
    let data = rows.into_iter().map(Letter::from).collect();
    Ok(Json(DeadLetterList { data, next_cursor }))
}

/// The body of a 202.
#[derive(Debug, Serialize, ToSchema)]
struct Replayed {
    /// Of the event that was made of the letter; the letter's own id stays dead.
    id: Uuid,
    tenant_id: String,
    /// Send it as `Meter-Receipt` to read answers that include the event.
    receipt: String,
}

/// Replay a dead letter
///
/// Appends its event to the log again, changed as the body says, with another id that is the same for
/// every attempt: after a 503, and whenever an answer is lost, send the same request again. Needs the
/// scope `admin`.
#[utoipa::path(
    post, path = "/v1/meter/dead-letters/{id}/replay", operation_id = "replay_dead_letter", tag = "Dead letters",
    params(("id" = i64, Path)),
    responses((
        status = 202, description = "The event is in the log.", body = Replayed,
        headers(("Meter-Receipt" = String, description = "As `receipt` in the body.")),
    )),
)]
async fn replay(
    Shared(state): Shared<QueryState>,
    Path(id): Path<String>,
    Admin { caller, params }: Admin,
    Extension(request_id): Extension<RequestId>,
    Extension(trace): Extension<TraceContext>,
    fields: Result<Fields, Problem>,
) -> Result<Response, QueryError> {
    params.finish("none")?;
    let changes = changes(fields).map_err(QueryError::Refused)?;
    let log = Log {
        publisher: state.publisher(),
        payloads: &state.payloads,
        trace_id: trace.trace_id,
    };
    let clerk = clerk(&caller, request_id);
    let replayed =
        dead_letters::replay(state.owner(), log, letter_id(&id)?, changes, &clerk).await?;
    let receipt = receipt::seal(&state.receipts, &[replayed.part]);
    let header = [(METER_RECEIPT, receipt.clone())];
    let answer = Replayed {
        id: replayed.id,
        tenant_id: replayed.tenant_id,
        receipt,
    };
    Ok((StatusCode::ACCEPTED, header, Json(answer)).into_response())
}

fn changes(fields: Result<Fields, Problem>) -> Result<Map<String, Value>, Problem> {
    let mut fields = fields?;
    let mut changes = Map::new();
    for name in CHANGEABLE {
        changes.extend(fields.take(name).map(|value| (name.to_owned(), value)));
    }
    fields.finish(&CHANGEABLE.join(", "))?;
    Ok(changes)
}

/// Discard a dead letter
///
/// It stays in the list of those that were discarded. Doing it again changes nothing. Needs the scope
/// `admin`.
#[utoipa::path(
    delete, path = "/v1/meter/dead-letters/{id}", operation_id = "discard_dead_letter", tag = "Dead letters",
    params(("id" = i64, Path)),
    responses((status = 204, description = "It is discarded.")),
)]
async fn discard(
    Shared(state): Shared<QueryState>,
    Path(id): Path<String>,
    Admin { caller, params }: Admin,
    Extension(request_id): Extension<RequestId>,
) -> Result<StatusCode, QueryError> {
    params.finish("none")?;
    let clerk = clerk(&caller, request_id);
    dead_letters::discard(state.owner(), letter_id(&id)?, &clerk).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn clerk(caller: &Caller, RequestId(request_id): RequestId) -> Clerk<'_> {
    Clerk {
        key_id: &caller.key_id,
        tenant_id: caller.tenant_id.as_deref(),
        request_id,
        now: clock::now(),
    }
}

/// What is no number is no letter either.
fn letter_id(text: &str) -> Result<i64, QueryError> {
    Ok(text.parse().map_err(|_| DeadLetterError::NotFound)?)
}
