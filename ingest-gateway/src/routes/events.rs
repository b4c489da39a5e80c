//! `POST /v1/meter/events`.

use std::time::Duration;

use axum::body::Body as RequestBody;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures::future::join_all;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use metering_core::parse::parse_body;
use metering_core::receipt::{self, ReceiptPart};
use metering_core::signed::SigningKey;
use metering_log::backend::Durability;
use metering_log::publisher::{AppendError, Priority, Publisher};
use serde::Serialize;
use service_kit::auth::{Caller, Scope};
use service_kit::clock;
use service_kit::request_log::RequestId;
use uuid::Uuid;

use crate::admit::{Admitted, Share, Terms, admit};
use crate::config::Config;
use crate::error::{IngestError, Rejected};
use crate::state::GatewayState;

const METER_RECEIPT: HeaderName = HeaderName::from_static("meter-receipt");

pub fn router(state: GatewayState) -> Router {
    Router::new()
        .route("/v1/meter/events", post(ingest))
        .with_state(state)
}

/// The body of a 202. `accepted + duplicates + rejected` is the number of events sent.
#[derive(Debug, Serialize)]
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
    durability: Durability,
}

async fn ingest(
    State(state): State<GatewayState>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response, Response> {
    caller
        .require(Scope::Ingest)
        .map_err(IntoResponse::into_response)?;
    let refuse = IntoResponse::into_response;
    let atomic = is_atomic(query.as_deref()).map_err(refuse)?;
    let idempotency_key = idempotency_key(&headers).map_err(refuse)?;
    check_content(&headers).map_err(refuse)?;
    let bytes = read(body, &state.config).await.map_err(refuse)?;
    let now = clock::now();
    let (partitions, bound_to) = (state.publisher.partitions(), caller.tenant_id.as_deref());
    let terms = Terms {
        now,
        request_id,
        idempotency_key,
        bound_to,
        atomic,
        partitions,
        new_id: Uuid::now_v7,
    };
    let body = parse_body(&bytes, state.config.max_events, now).map_err(|e| refuse(e.into()))?;
    let admitted = admit(body, &terms).map_err(refuse)?;
    append(
        admitted,
        &state.publisher,
        &state.receipts,
        state.durability,
    )
    .await
    .map_err(refuse)
}

/// Appends to all partitions at once and answers when each has fsynced, or one has not.
async fn append(
    mut admitted: Admitted,
    publisher: &Publisher,
    receipts: &SigningKey,
    durability: Durability,
) -> Result<Response, IngestError> {
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
    let receipt = receipt::seal(receipts, &parts);
    let header = [(METER_RECEIPT, receipt.clone())];
    let Admitted {
        accepted,
        duplicates,
        rejected,
        ids,
        made_ids,
        ..
    } = admitted;
    let ids = made_ids.then_some(ids);
    let answer = Receipted {
        accepted,
        duplicates,
        rejected,
        ids,
        receipt,
        durability,
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

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, IngestError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
    key.filter(|_| values.next().is_none())
        .map(Some)
        .ok_or(IngestError::IdempotencyKey)
}

/// JSON, not encoded. Parameters such as `charset=utf-8` are passed over: JSON is UTF-8 anyway.
fn check_content(headers: &HeaderMap) -> Result<(), IngestError> {
    let text = |name| {
        headers
            .get(name)
            .map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or_default())
    };
    let media_type = text(header::CONTENT_TYPE)
        .unwrap_or("application/json")
        .split(';')
        .next()
        .unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        return Err(IngestError::MediaType);
    }
    match text(header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(encoding) if encoding.eq_ignore_ascii_case("identity") => Ok(()),
        Some(_) => Err(IngestError::Encoding),
    }
}

async fn read(body: RequestBody, config: &Config) -> Result<axum::body::Bytes, IngestError> {
    let timeout: Duration = config.body_timeout;
    let collected =
        tokio::time::timeout(timeout, Limited::new(body, config.max_body_bytes).collect()).await;
    match collected.map_err(|_| IngestError::BodyTimeout)? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(IngestError::BodyTooLarge(config.max_body_bytes))
        }
        Err(_) => Err(IngestError::BodyBroken),
    }
}
