//! What can be answered other than a decision.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use metering_core::quota;
use metering_store::sqlx;
use service_kit::fields::unprocessable;
use service_kit::problem::Problem;

/// The texts are what the client reads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuotaError {
    #[error("the log is still being read; try again with the same id")]
    NotFolded,
    #[error("there are more requests than can be decided in time; try again with the same id")]
    Overloaded,
    #[error(
        "the clocks of this service and of the broker differ by more than 5 s: nothing is asked until \
         they are set right; nothing was taken"
    )]
    WrongClock,
    #[error("the log takes no records right now; nothing was taken; try again with the same id")]
    NotAppended,
    #[error("the decision is not known in time; try again with the same id, which is taken once")]
    Unknown,
    #[error("there are as many reservations as there may be; commit or release some")]
    TooManyHolds,
    #[error("this id was used with another quantity or feature; use a new id")]
    IdConflict,
    #[error("this reservation was resolved in another way before")]
    ResolvedOtherwise,
    #[error("the reservation has expired; its units are free again; reserve anew with a new id")]
    Expired,
    #[error("the reservation with this id has ended; use a new id")]
    Ended,
    #[error("there is no such reservation")]
    NoReservation,
    #[error("only {held} units are held; commit at most these, or send `overshoot: true`")]
    ExceedsHold { held: i64 },
    #[error("there is no such quota")]
    NoQuota,
    #[error("no decision has this id")]
    NoDecision,
    #[error(
        "the quota is set and will be enforced once its past has been counted; set it again or \
         list the quotas to see when"
    )]
    Warming,
    #[error("this key is bound to another tenant")]
    TenantMismatch,
    #[error("this key is bound to no tenant; name a `tenant_id`")]
    TenantRequired,
    #[error(transparent)]
    Quota(#[from] quota::QuotaError),
    #[error("{}", .0.code())]
    Refused(Problem),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl QuotaError {
    /// Whether nothing was decided, rather than that the request was refused.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(
            self,
            Self::NotFolded
                | Self::WrongClock
                | Self::Overloaded
                | Self::NotAppended
                | Self::Unknown
        )
    }

    /// 422.
    pub(crate) fn field(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Refused(unprocessable(code, detail))
    }
}

impl IntoResponse for QuotaError {
    fn into_response(self) -> Response {
        problem(self).into_response()
    }
}

fn problem(error: QuotaError) -> Problem {
    let detail = error.to_string();
    let conflict = |code| Problem::new(StatusCode::CONFLICT, code, detail.clone());
    let missing = || Problem::new(StatusCode::NOT_FOUND, "not_found", detail.clone());
    match error {
        QuotaError::NotFolded
        | QuotaError::WrongClock
        | QuotaError::Overloaded
        | QuotaError::Unknown => Problem::unavailable("decision_unknown", detail),
        QuotaError::NotAppended | QuotaError::TooManyHolds | QuotaError::Warming => {
            Problem::unavailable("unavailable", detail)
        }
        QuotaError::IdConflict | QuotaError::ResolvedOtherwise => conflict("id_conflict"),
        QuotaError::Expired | QuotaError::Ended => conflict("reservation_expired"),
        QuotaError::NoReservation | QuotaError::NoQuota | QuotaError::NoDecision => missing(),
        QuotaError::ExceedsHold { held } => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "exceeds_hold", detail)
                .with("held", held)
        }
        QuotaError::TenantMismatch => {
            Problem::new(StatusCode::FORBIDDEN, "tenant_mismatch", detail)
        }
        QuotaError::TenantRequired => {
            Problem::new(StatusCode::BAD_REQUEST, "tenant_required", detail)
        }
        QuotaError::Quota(error) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.code(), detail)
        }
        QuotaError::Refused(problem) => problem,
        QuotaError::Database(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "a query failed");
            Problem::unavailable("unavailable", "the database is away; try again")
        }
    }
}
