//! `GET /v1/meter/decisions/{id}`.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use metering_core::event::{as_rfc3339, is_identifier};
use metering_store::decision;
use metering_store::progress::{self, QUOTA};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service_kit::auth::{Caller, Scope};
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::{invalid_id, uuid};
use super::{require, tenant};
use crate::error::QuotaError;
use crate::state::QuotaState;

/// Decisions with one id that are shown; a denied id may be asked for again and again.
const MAX_DECISIONS: i64 = 100;
/// How long the books may take to have what has been folded.
const PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);

pub(super) fn router() -> OpenApiRouter<QuotaState> {
    OpenApiRouter::new().routes(routes!(find))
}

#[derive(Debug, Deserialize)]
struct Parameters {
    tenant_id: Option<String>,
}

/// An id that was denied may have been asked for again: each answer is one.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionList {
    data: Vec<DecisionView>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decision)]
struct DecisionView {
    decision_id: Uuid,
    tenant_id: String,
    mode: String,
    feature: String,
    resource: Option<String>,
    quantity: i64,
    outcome: String,
    /// The limits as they stood at the position, and what was taken.
    #[schema(value_type = Option<Object>)]
    answer: Option<Box<RawValue>>,
    partition: u16,
    as_of_seq: u64,
    index: u32,
    #[serde(serialize_with = "as_rfc3339")]
    decided_at: chrono::DateTime<chrono::Utc>,
}

/// Show a decision
///
/// What was asked with this id, what was answered, and the limits as they stood at its position in
/// the log. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/meter/decisions/{id}", operation_id = "get_decision", tag = "Quotas",
    params(
        ("id" = Uuid, Path, description = "`decision_id` of an answer"),
        ("tenant_id" = Option<String>, Query, max_length = 128, description = "Ids are unique within a tenant; a key that is bound to one need not name it"),
    ),
    responses((status = 200, description = "The decisions with this id.", body = DecisionList)),
)]
async fn find(
    State(state): State<QuotaState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<DecisionList>, QuotaError> {
    require(&caller, Scope::Read)?;
    let id = uuid(&id).ok_or_else(invalid_id)?;
    let tenant_id = tenant(&caller, parameters.tenant_id)?;
    if !is_identifier(&tenant_id) {
        return Err(QuotaError::NoDecision);
    }
    let decisions = recorded(&state, &tenant_id, id).await?;
    if decisions.is_empty() {
        return Err(QuotaError::NoDecision);
    }
    Ok(Json(DecisionList {
        data: decisions.into_iter().map(DecisionView::from).collect(),
        next_cursor: None,
    }))
}

/// Looks until it is there, or the books have all that was folded when it was asked for.
async fn recorded(
    state: &QuotaState,
    tenant_id: &str,
    id: Uuid,
) -> Result<Vec<decision::Decision>, QuotaError> {
    let partition = state.partition(tenant_id);
    let goal = *partition.folded().borrow();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut conn = state.store.pool().acquire().await?;
        let found = progress::find(&mut conn, QUOTA, partition.number).await?;
        let written = found.map_or(0, |found| found.position.seq);
        let decisions = decision::list(&mut conn, tenant_id, id, MAX_DECISIONS).await?;
        drop(conn);
        if !decisions.is_empty() || written >= goal || Instant::now() >= deadline {
            return Ok(decisions);
        }
        sleep(POLL).await;
    }
}

impl From<decision::Decision> for DecisionView {
    fn from(decision: decision::Decision) -> Self {
        let answer = decision.answer.map(RawValue::from_string);
        Self {
            decision_id: decision.id,
            tenant_id: decision.tenant_id,
            mode: decision.kind,
            feature: decision.feature,
            resource: decision.resource,
            quantity: decision.quantity,
            outcome: decision.outcome,
            answer: answer.and_then(Result::ok),
            partition: decision.position.partition,
            as_of_seq: decision.position.seq,
            index: decision.position.index,
            decided_at: decision.decided_at,
        }
    }
}
