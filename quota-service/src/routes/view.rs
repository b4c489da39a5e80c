//! An answer as JSON.

use chrono::{DateTime, Utc};
use metering_core::event::rfc3339;
use metering_core::quota::{Answer, Enforcement, LimitState};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// What `validate` answers; the first five members are the documented ones and keep their shape.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaAnswer)]
pub(crate) struct AnswerView {
    allowed: bool,
    /// Units left; before taking for a check, after taking for the others. null: no limit; 0: none
    /// counts this, and what none counts is denied here.
    remaining: Option<i64>,
    limit: Option<i64>,
    period: Option<&'static str>,
    reset_at: Option<String>,
    /// Always true: what is not exact is a 503.
    exact: bool,
    /// Where in the log it was decided.
    as_of_seq: u64,
    decision_id: Uuid,
    quota_id: Option<Uuid>,
    /// Of a soft limit: units by which it is exceeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    overage: Option<i64>,
    limits: Vec<LimitView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reservation: Option<ReservationView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaLimit)]
struct LimitView {
    quota_id: Uuid,
    name: String,
    period: &'static str,
    limit: i64,
    /// Before this request; an integer as text: it may have more digits than a double.
    used: String,
    reserved: String,
    remaining: i64,
    reset_at: Option<String>,
    #[schema(value_type = String)]
    enforcement: Enforcement,
    fits: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reservation)]
struct ReservationView {
    id: Uuid,
    expires_at: String,
}

impl AnswerView {
    pub(crate) fn is_allowed(&self) -> bool {
        self.allowed
    }

    pub(crate) fn new(answer: &Answer, id: Uuid, seq: u64) -> Self {
        let binding = answer.binding();
        let soft = binding.filter(|limit| limit.enforcement == Enforcement::Soft);
        Self {
            allowed: answer.allowed,
            remaining: binding
                .map(|limit| answer.remaining(limit))
                .or((!answer.allowed).then_some(0)),
            limit: binding.map(|limit| limit.limit),
            period: binding.map(|limit| limit.period.as_str()),
            reset_at: answer.reset_at_us().and_then(instant),
            exact: true,
            as_of_seq: seq,
            decision_id: id,
            quota_id: binding.map(|limit| limit.quota_id),
            overage: soft.map(|limit| answer.overage(limit)),
            limits: answer
                .limits
                .iter()
                .map(|limit| LimitView::new(answer, limit))
                .collect(),
            reservation: answer
                .expires_at_us
                .and_then(instant)
                .map(|expires_at| ReservationView { id, expires_at }),
        }
    }
}

impl LimitView {
    fn new(answer: &Answer, limit: &LimitState) -> Self {
        Self {
            quota_id: limit.quota_id,
            name: limit.name.clone(),
            period: limit.period.as_str(),
            limit: limit.limit,
            used: limit.used.to_string(),
            reserved: limit.reserved.to_string(),
            remaining: answer.remaining(limit),
            reset_at: limit.reset_at_us.and_then(instant),
            enforcement: limit.enforcement,
            fits: limit.fits(answer.quantity),
        }
    }
}

pub(crate) fn instant(us: i64) -> Option<String> {
    DateTime::<Utc>::from_timestamp_micros(us).map(rfc3339)
}
