//! What the gateway can answer other than 202.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use metering_core::code::Code;
use metering_core::parse::BodyError;
use serde_json::{Value, json};
use service_kit::problem::Problem;
use uuid::Uuid;

/// A refused event of a batch.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Rejected {
    /// Place in the request, from 0.
    pub index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    pub code: Code,
    pub detail: String,
}

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("unsupported media type")]
    MediaType,
    #[error("unsupported content encoding")]
    Encoding,
    #[error("unknown query parameter")]
    Parameter(String),
    #[error("malformed Idempotency-Key")]
    IdempotencyKey,
    #[error("body over {0} bytes")]
    BodyTooLarge(usize),
    #[error("body not sent in time")]
    BodyTimeout,
    #[error("the client broke off")]
    BodyBroken,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("an event names another tenant than the key's")]
    TenantMismatch { index: usize },
    #[error("the one event was refused")]
    Single(Rejected),
    #[error("all events were refused")]
    AllRejected(Vec<Rejected>),
    #[error("atomic, and some were refused")]
    NotAtomic(Vec<Rejected>),
    #[error("the log did not take all events")]
    Log {
        ids: Vec<Option<Uuid>>,
        outcomes: Vec<&'static str>,
        full: bool,
    },
}

impl IntoResponse for IngestError {
    fn into_response(self) -> Response {
        problem(self).into_response()
    }
}

fn problem(error: IngestError) -> Problem {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    const TOO_LARGE: StatusCode = StatusCode::PAYLOAD_TOO_LARGE;
    match error {
        IngestError::MediaType => {
            let detail = "send the events as `Content-Type: application/json`";
            Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                detail,
            )
        }
        IngestError::Encoding => {
            let detail = "this Content-Encoding is not understood; send the body as it is";
            Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_encoding",
                detail,
            )
        }
        IngestError::Parameter(name) => Problem::new(
            BAD,
            "invalid_parameter",
            format!("{name}: only `atomic=true` or `atomic=false` is understood here"),
        ),
        IngestError::IdempotencyKey => Problem::new(
            BAD,
            "invalid_parameter",
            "Idempotency-Key must be 1 to 255 visible ASCII characters",
        ),
        IngestError::BodyTooLarge(limit) => Problem::new(
            TOO_LARGE,
            "body_too_large",
            format!("the body may have at most {limit} bytes; send smaller batches"),
        ),
        IngestError::BodyTimeout => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            "the body did not arrive in time",
        ),
        IngestError::BodyBroken => Problem::new(
            BAD,
            "body_incomplete",
            "the body ended before it was complete",
        ),
        IngestError::Body(error) => {
            let detail = error.to_string();
            match error {
                BodyError::Empty => Problem::new(BAD, "empty_body", detail),
                BodyError::InvalidJson(_) => Problem::new(BAD, "invalid_json", detail),
                BodyError::TooDeep => Problem::new(BAD, "too_deep", detail),
                BodyError::InvalidShape => Problem::new(BAD, "invalid_shape", detail),
                BodyError::EmptyBatch => Problem::new(UNPROCESSABLE, "empty_batch", detail),
                BodyError::BatchTooLarge(_) => Problem::new(TOO_LARGE, "batch_too_large", detail),
            }
        }
        IngestError::TenantMismatch { index } => {
            let detail = format!(
                "event {index} names a tenant that this key is not bound to; nothing was accepted"
            );
            Problem::new(StatusCode::FORBIDDEN, "tenant_mismatch", detail)
        }
        IngestError::Single(Rejected { code, detail, .. }) => Problem::new(
            if code.is_syntax() { BAD } else { UNPROCESSABLE },
            code.as_str(),
            detail,
        ),
        IngestError::AllRejected(errors) => Problem::new(
            UNPROCESSABLE,
            "all_rejected",
            "no event of the batch was accepted; see `errors`",
        )
        .with("errors", json!(errors)),
        IngestError::NotAtomic(errors) => {
            let detail = "the batch is atomic and some of its events were refused, so none was accepted; see `errors`";
            Problem::new(UNPROCESSABLE, "not_atomic", detail).with("errors", json!(errors))
        }
        IngestError::Log {
            ids,
            outcomes,
            full,
        } => {
            let reason = if full {
                "the log is nearly full"
            } else {
                "the log did not confirm all events"
            };
            let detail =
                format!("{reason}; send the same ids again, each event will be counted once");
            Problem::unavailable("unavailable", detail)
                .with("ids", json!(ids))
                .with("outcomes", Value::from(outcomes))
        }
    }
}
