//! `POST /v1/meter/validate`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use metering_core::quota::{MAX_TTL_SECONDS, Reply, TakeReply};
use metering_core::record::Take;
use service_kit::auth::{Caller, Scope};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::{Fields, bytes};
use super::view::AnswerView;
use super::{require, tenant};
use crate::ask::not_after_us;
use crate::checks::Check;
use crate::error::QuotaError;
use crate::state::QuotaState;
use crate::waiting::Folded;

/// How long a reservation lasts unless the caller says so.
const DEFAULT_TTL_SECONDS: u32 = 300;
const FIELDS: &str = "tenant_id, feature, resource, quantity, mode, id and ttl_seconds";

pub(super) fn router() -> OpenApiRouter<QuotaState> {
    OpenApiRouter::new().routes(routes!(validate))
}

struct Request {
    tenant_id: String,
    feature: String,
    resource: Option<String>,
    quantity: i64,
    mode: Mode,
    id: Uuid,
}

enum Mode {
    Check,
    Consume,
    Reserve { ttl_seconds: u32 },
}

impl Mode {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Consume => "consume",
            Self::Reserve { .. } => "reserve",
        }
    }
}

/// Ask whether a tenant may use more
///
/// `check` only looks, `consume` takes the units, `reserve` holds them until they are committed,
/// released, or `ttl_seconds` are over. The answer includes every event that was accepted before
/// this was sent, or it is a 503: then send the same `id` again, which is taken once. A denial is a
/// 200 with `allowed: false`. Needs the scope `validate`.
#[utoipa::path(
    post, path = "/v1/meter/validate", operation_id = "validate_usage", tag = "Quotas",
    responses((status = 200, description = "The decision.", body = AnswerView)),
)]
async fn validate(
    State(state): State<QuotaState>,
    caller: Caller,
    body: Body,
) -> Result<Json<AnswerView>, QuotaError> {
    require(&caller, Scope::Validate)?;
    let request = Request::parse(&bytes(body).await?, &caller)?;
    let (mode, started) = (request.mode.as_str(), Instant::now());
    let (tenant_id, feature) = (&request.tenant_id, &request.feature);
    let answer = match request.mode {
        Mode::Check => check(&state, &request).await.map(|checked| checked.1),
        Mode::Consume => take(&state, &request, None).await,
        Mode::Reserve { ttl_seconds } => take(&state, &request, Some(ttl_seconds)).await,
    };
    let allowed = answer.as_ref().map(AnswerView::is_allowed);
    if let Ok(false) = allowed {
        state.denials().note(tenant_id, feature);
    }
    state.metrics().decided(mode, allowed, started.elapsed());
    answer.map(Json)
}

/// The answer at the position of a barrier, and whether the id is known there.
async fn check(state: &QuotaState, request: &Request) -> Result<(bool, AnswerView), QuotaError> {
    let partition = state.partition(&request.tenant_id);
    state.admit(partition)?;
    let (sender, answer) = oneshot::channel();
    let queued = partition.check(Check {
        tenant_id: request.tenant_id.clone(),
        feature: request.feature.clone(),
        resource: request.resource.clone(),
        quantity: request.quantity,
        id: request.id,
        answer: sender,
    });
    if !queued {
        return Err(QuotaError::Overloaded);
    }
    let answered = timeout(state.config.deadline(), answer).await;
    let checked = answered
        .map_err(|_| QuotaError::Unknown)?
        .map_err(|_| QuotaError::NotAppended)?;
    let answer = AnswerView::new(&checked.answer, request.id, checked.seq);
    Ok((checked.is_known, answer))
}

async fn take(
    state: &QuotaState,
    request: &Request,
    ttl_seconds: Option<u32>,
) -> Result<AnswerView, QuotaError> {
    let (tenant_id, feature) = (&request.tenant_id, &request.feature);
    let deadline = Instant::now() + state.config.deadline();
    if state.denials().are_recent(tenant_id, feature) {
        let (is_known, answer) = check(state, request).await?;
        if !is_known && !answer.is_allowed() {
            return Ok(answer);
        }
    }
    let partition = state.partition(tenant_id);
    state.admit(partition)?;
    let take = Take {
        id: request.id,
        attempt: Uuid::new_v4(),
        tenant_id,
        feature,
        resource: request.resource.as_deref(),
        quantity: request.quantity,
        ttl_seconds,
        not_after_us: not_after_us(),
    };
    let patience = deadline.saturating_duration_since(Instant::now());
    let Folded { reply, seq } = state.take(partition, take, patience).await?;
    match reply {
        Reply::Take(TakeReply::Answered { answer, .. }) => {
            Ok(AnswerView::new(&answer, request.id, seq))
        }
        Reply::Take(TakeReply::Conflict) => Err(QuotaError::IdConflict),
        Reply::Take(TakeReply::Ended) => Err(QuotaError::Ended),
        Reply::Take(TakeReply::TooManyHolds) => Err(QuotaError::TooManyHolds),
        _ => Err(QuotaError::Unknown),
    }
}

impl Request {
    fn parse(json: &[u8], caller: &Caller) -> Result<Self, QuotaError> {
        let mut fields = Fields::parse(json)?;
        let named = fields.identifier("tenant_id")?;
        let feature = fields.identifier("feature")?;
        let resource = fields.identifier("resource")?;
        let quantity = fields.quantity(1)?.unwrap_or(1);
        let id = fields.id()?;
        let (mode, ttl) = (fields.take("mode"), fields.take("ttl_seconds"));
        fields.finish(FIELDS)?;
        let mode = mode.as_ref().map_or(Some("check"), |mode| mode.as_str());
        let mode = match (mode, ttl) {
            (Some("check"), None) => Mode::Check,
            (Some("consume"), None) => Mode::Consume,
            (Some("reserve"), ttl) => Mode::Reserve {
                ttl_seconds: match ttl {
                    None => DEFAULT_TTL_SECONDS,
                    Some(ttl) => seconds(&ttl)?,
                },
            },
            (Some("check" | "consume"), Some(_)) => {
                let detail = "ttl_seconds belongs to the mode reserve";
                return Err(QuotaError::field("invalid_mode", detail));
            }
            _ => {
                let detail = "mode must be check, consume or reserve";
                return Err(QuotaError::field("invalid_mode", detail));
            }
        };
        Ok(Self {
            tenant_id: tenant(caller, named)?,
            feature: Fields::required("feature", feature)?,
            resource,
            quantity,
            mode,
            id: id.unwrap_or_else(Uuid::now_v7),
        })
    }
}

fn seconds(ttl: &serde_json::Value) -> Result<u32, QuotaError> {
    let seconds = ttl.as_u64().and_then(|ttl| u32::try_from(ttl).ok());
    seconds
        .filter(|ttl| (1..=MAX_TTL_SECONDS).contains(ttl))
        .ok_or_else(|| {
            let detail = format!("ttl_seconds must be an integer from 1 to {MAX_TTL_SECONDS}");
            QuotaError::field("invalid_ttl", detail)
        })
}
