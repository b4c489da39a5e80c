//! What the gateway can answer other than 202.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use metering_core::code::Code;
use metering_core::parse::BodyError;
use serde_json::json;
use service_kit::problem::Problem;
use service_kit::rate_limit::Exceeded;
use uuid::Uuid;

use crate::body::OWN_BYTES;

const MEDIA_TYPES: &str = "application/json, application/x-ndjson, application/cloudevents+json, \
                           application/cloudevents-batch+json";
const ENCODINGS: &str = "gzip, zstd";

/// A refused event of a batch.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Rejected {
    /// Place in the request, from 0.
    pub index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    #[schema(value_type = String)]
    pub code: Code,
    pub detail: String,
}

/// The texts are what the client reads.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("one Content-Type of {MEDIA_TYPES}; the data of a CloudEvent in binary mode is JSON")]
    MediaType,
    #[error("one Content-Encoding of {ENCODINGS} is understood, or none")]
    Encoding,
    #[error("`{0}`: only `atomic=true` or `atomic=false` is understood here")]
    Parameter(String),
    #[error("Idempotency-Key must be 1 to 255 visible ASCII characters, once")]
    IdempotencyKey,
    #[error("the body may have at most {0} bytes; send smaller batches")]
    BodyTooLarge(usize),
    #[error("the body may have at most {0} bytes when it is decompressed; send smaller batches")]
    InflatedTooLarge(usize),
    #[error("the body is not what its Content-Encoding says, or ends too early")]
    Undecodable,
    #[error(
        "too many large requests are being read; send it again, or at most {OWN_BYTES} bytes at a time"
    )]
    Busy,
    #[error("this key has sent its quota of events; see Retry-After")]
    RateLimited(Duration),
    #[error(
        "a request of this key may have at most {0} events, its rate limit's burst; send smaller batches"
    )]
    BeyondBurst(NonZeroU32),
    #[error("the body did not arrive in time")]
    BodyTimeout,
    #[error("the body ended too early")]
    BodyBroken,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("event {index} names a tenant that this key is not bound to; nothing was accepted")]
    TenantMismatch { index: usize },
    #[error("{}", .0.detail)]
    Single(Rejected),
    #[error("no event was accepted; see `errors`")]
    AllRejected(Vec<Rejected>),
    #[error("the batch is atomic and some events were refused, so none was accepted; see `errors`")]
    NotAtomic(Vec<Rejected>),
    #[error("the log did not take all events; send the same ids again, each will be counted once")]
    Log {
        ids: Vec<Option<Uuid>>,
        outcomes: Vec<&'static str>,
    },
}

impl From<Exceeded> for IngestError {
    fn from(exceeded: Exceeded) -> Self {
        match exceeded {
            Exceeded::Until(wait) => IngestError::RateLimited(wait),
            Exceeded::Burst(burst) => IngestError::BeyondBurst(burst),
        }
    }
}

impl IntoResponse for IngestError {
    fn into_response(self) -> Response {
        let (status, code) = status_and_code(&self);
        let detail = self.to_string();
        let problem = match self {
            IngestError::AllRejected(errors) | IngestError::NotAtomic(errors) => {
                Problem::new(status, code, detail).with("errors", json!(errors))
            }
            IngestError::Log { ids, outcomes } => Problem::unavailable(code, detail)
                .with("ids", json!(ids))
                .with("outcomes", json!(outcomes)),
            IngestError::RateLimited(wait) => {
                let problem = Problem::new(status, code, detail);
                problem.retry_after(wait)
            }
            IngestError::Busy => Problem::unavailable(code, detail),
            IngestError::MediaType => {
                return (
                    [(header::ACCEPT, MEDIA_TYPES)],
                    Problem::new(status, code, detail),
                )
                    .into_response();
            }
            IngestError::Encoding => {
                return (
                    [(header::ACCEPT_ENCODING, ENCODINGS)],
                    Problem::new(status, code, detail),
                )
                    .into_response();
            }
            _ => Problem::new(status, code, detail),
        };
        problem.into_response()
    }
}

fn status_and_code(error: &IngestError) -> (StatusCode, &'static str) {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    const TOO_LARGE: StatusCode = StatusCode::PAYLOAD_TOO_LARGE;
    match error {
        IngestError::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
        IngestError::Encoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding"),
        IngestError::Parameter(_) | IngestError::IdempotencyKey => (BAD, "invalid_parameter"),
        IngestError::BodyTooLarge(_) | IngestError::InflatedTooLarge(_) => {
            (TOO_LARGE, "body_too_large")
        }
        IngestError::Undecodable => (BAD, "invalid_encoding"),
        IngestError::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
        IngestError::BodyBroken => (BAD, "body_incomplete"),
        IngestError::Body(BodyError::Empty) => (BAD, "empty_body"),
        IngestError::Body(BodyError::InvalidJson(_)) => (BAD, "invalid_json"),
        IngestError::Body(BodyError::TooDeep) => (BAD, "too_deep"),
        IngestError::Body(BodyError::InvalidShape(_)) => (BAD, "invalid_shape"),
        IngestError::Body(BodyError::EmptyBatch) => (UNPROCESSABLE, "empty_batch"),
        IngestError::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
        IngestError::BeyondBurst(_) | IngestError::Body(BodyError::BatchTooLarge(_)) => {
            (TOO_LARGE, "batch_too_large")
        }
        IngestError::TenantMismatch { .. } => (StatusCode::FORBIDDEN, "tenant_mismatch"),
        IngestError::Single(Rejected { code, .. }) if code.is_syntax() => (BAD, code.as_str()),
        IngestError::Single(Rejected { code, .. }) => (UNPROCESSABLE, code.as_str()),
        IngestError::AllRejected(_) => (UNPROCESSABLE, "all_rejected"),
        IngestError::NotAtomic(_) => (UNPROCESSABLE, "not_atomic"),
        IngestError::Busy | IngestError::Log { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    }
}
