//! `POST /v1/meter/events`.

use axum::body::Body as RequestBody;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::future::join_all;
use metering_core::parse::{parse_binary_cloud_event, parse_body};
use metering_core::receipt::{self, ReceiptPart};
use metering_log::backend::Durability;
use metering_log::publisher::{AppendError, Priority};
use serde::Serialize;
use service_kit::auth::{Caller, Scope};
use service_kit::clock;
use service_kit::problem::Problem;
use service_kit::rate_limit::Allowance;
use service_kit::trace_context::TraceContext;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::admit::{Admitted, Share, Terms, admit};
use crate::answer;
use crate::body::{self, OWN_BYTES};
use crate::content::{Content, attributes, content, encoding};
use crate::error::{IngestError, Rejected};
use crate::state::GatewayState;

const METER_RECEIPT: HeaderName = HeaderName::from_static("meter-receipt");

pub fn router(state: GatewayState) -> Router {
    routes().with_state(state).into()
}

pub(crate) fn routes() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::new().routes(routes!(ingest))
}

/// The body of a 202. `accepted + duplicates + rejected` is the number of events sent.
#[derive(Debug, Serialize, ToSchema)]
struct Receipted {
    /// Distinct events that are in the log now.
    accepted: usize,
    /// Repeats within this request. Repeats of earlier requests are found later, and not counted.
    duplicates: usize,
    rejected: Vec<Rejected>,
    /// By place in the request, when the server made at least one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<Option<Uuid>>>,
    /// Send it as `Meter-Receipt` to read answers that include these events.
    receipt: String,
    /// What the acceptance is worth: `fsync` survives a power cut.
    #[schema(value_type = String, pattern = "^(fsync|unverified|async)$")]
    durability: Durability,
}

/// Send events
///
/// One event, a list of them, or `{"events": […]}`. The answer comes when the log has made them
/// durable, and says of each event whether it was accepted. An event counts once, however often its
/// `tenant_id` and `id` are sent. Needs the scope `ingest`.
#[utoipa::path(
    post, path = "/v1/meter/events", operation_id = "ingest_events", tag = "Events",
    params(
        ("atomic" = Option<bool>, Query, description = "`true`: with one event refused, none is accepted"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "Visible ASCII. Makes the ids of events without one: the same key, the same ids"),
    ),
    responses((
        status = 202, description = "At least one event is in the log.", body = Receipted,
        headers(("Meter-Receipt" = String, description = "As `receipt` in the body.")),
    )),
)]
async fn ingest(
    State(state): State<GatewayState>,
    caller: Caller,
    Extension(trace): Extension<TraceContext>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response, Problem> {
    caller.require(Scope::Ingest)?;
    let mut allowance = state.bounds.rates.allowance(&caller.key_id);
    let sent = Sent {
        key_id: &caller.key_id,
        request_id: trace.trace_id,
        bound_to: caller.tenant_id,
        query,
        headers,
        body,
    };
    let accepted = accept(&state, sent, &mut allowance).await;
    let refused = |error: &IngestError| state.metrics.refused(&caller.key_id, error);
    let accepted = accepted.inspect_err(refused);
    let mut response = accepted.unwrap_or_else(IntoResponse::into_response);
    if let Some(allowance) = allowance {
        allowance.describe(response.headers_mut());
    }
    Ok(response)
}

/// A request by a caller who may make it.
struct Sent<'a> {
    key_id: &'a str,
    request_id: Uuid,
    bound_to: Option<String>,
    query: Option<String>,
    headers: HeaderMap,
    body: RequestBody,
}

async fn accept(
    state: &GatewayState,
    sent: Sent<'_>,
    allowance: &mut Option<Allowance>,
) -> Result<Response, IngestError> {
    // Before the body is read: who has no quota left sends it in vain.
    allowance.as_mut().map_or(Ok(()), Allowance::take_first)?;
    let Sent { headers, body, .. } = sent;
    let idempotency_key = idempotency_key(&headers)?;
    let atomic = is_atomic(sent.query.as_deref())?;
    let (content, encoding) = (content(&headers)?, encoding(&headers)?);
    let held = body::read(body, encoding, &state.config, &state.bounds.memory).await?;
    let is_large = held.bytes.len() > OWN_BYTES;
    let max_events = state.config.max_events;
    let terms = Terms {
        now: clock::now(),
        request_id: sent.request_id,
        idempotency_key,
        bound_to: sent.bound_to,
        atomic,
        partitions: state.publisher.partitions(),
        secrets: state.secrets.clone(),
        new_id: Uuid::now_v7,
    };
    let work = move || {
        let body = match content {
            Content::Events(format) => parse_body(&held.bytes, format, max_events, terms.now),
            Content::BinaryCloudEvent => {
                parse_binary_cloud_event(attributes(&headers), &held.bytes, terms.now)
            }
        };
        admit(body?, &terms)
    };
    let admitted = if is_large {
        // Milliseconds of work would keep everyone else's requests waiting here.
        // The slot goes along, because the work goes on if the client does not wait for its end.
        let slot = state.bounds.parsers.clone().acquire_owned().await;
        let parsed = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        });
        parsed.await.expect("parsing neither panics nor is aborted")
    } else {
        work()
    };
    let paid = answer::pay(&admitted, &state.bounds.memory)?;
    let answer = match admitted {
        Ok(admitted) => take_and_append(admitted, state, sent.key_id, allowance).await,
        Err(error) => Err(error),
    };
    let Some(paid) = paid else {
        return answer;
    };
    let answer = answer.unwrap_or_else(IntoResponse::into_response);
    Ok(answer::hold(answer, paid).await)
}

async fn take_and_append(
    admitted: Admitted,
    state: &GatewayState,
    key_id: &str,
    allowance: &mut Option<Allowance>,
) -> Result<Response, IngestError> {
    if let Some(allowance) = allowance {
        allowance.take_rest(admitted.ids.len())?;
    }
    append(admitted, state, key_id).await
}

/// Appends to all partitions at once and answers when each has fsynced, or one has not.
async fn append(
    mut admitted: Admitted,
    state: &GatewayState,
    key_id: &str,
) -> Result<Response, IngestError> {
    let publisher = &state.publisher;
    let shares = std::mem::take(&mut admitted.partitions);
    let appends = shares
        .into_iter()
        .map(|(partition, Share { records, indexes })| async move {
            (
                partition,
                indexes,
                publisher.append(partition, records, Priority::Report).await,
            )
        });
    let mut parts = Vec::new();
    let mut failed: Vec<(Vec<usize>, AppendError)> = Vec::new();
    for (partition, indexes, appended) in join_all(appends).await {
        match appended {
            Ok(at) => parts.push(ReceiptPart {
                incarnation: at.incarnation,
                partition,
                seq: at.seq,
            }),
            Err(error) => failed.push((indexes, error)),
        }
    }
    if !failed.is_empty() {
        return Err(log_error(admitted, &failed));
    }
    let receipt = receipt::seal(&state.secrets.receipts, &parts);
    let header = [(METER_RECEIPT, receipt.clone())];
    let Admitted {
        accepted,
        duplicates,
        rejected,
        ids,
        made_ids,
        ..
    } = admitted;
    let metrics = &state.metrics;
    metrics.accepted(key_id, accepted, duplicates, &rejected);
    let ids = made_ids.then_some(ids);
    let answer = Receipted {
        accepted,
        duplicates,
        rejected,
        ids,
        receipt,
        durability: state.durability,
    };
    Ok((StatusCode::ACCEPTED, header, Json(answer)).into_response())
}

/// Names for each event of the request what became of it.
fn log_error(admitted: Admitted, failed: &[(Vec<usize>, AppendError)]) -> IngestError {
    let mut outcomes: Vec<_> = admitted
        .ids
        .iter()
        .map(|id| if id.is_some() { "accepted" } else { "rejected" })
        .collect();
    for (indexes, _) in failed {
        for index in indexes {
            outcomes[*index] = "unknown";
        }
    }
    IngestError::Log {
        ids: admitted.ids,
        outcomes,
    }
}

fn is_atomic(query: Option<&str>) -> Result<bool, IngestError> {
    match query {
        None | Some("" | "atomic=false") => Ok(false),
        Some("atomic=true") => Ok(true),
        Some(other) => Err(IngestError::Parameter(other.chars().take(64).collect())),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, IngestError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
    key.filter(|_| values.next().is_none())
        .map(|key| Some(key.to_owned()))
        .ok_or(IngestError::IdempotencyKey)
}
