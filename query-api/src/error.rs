//! What a query can be answered other than 200.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use metering_core::code::Refusal;
use metering_store::{sqlstate, sqlx};
use service_kit::fields::unprocessable;
use service_kit::problem::Problem;

use crate::dead_letters::DeadLetterError;
use crate::keys::KeyError;

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The detail names the parameter and says what to do.
    #[error("invalid parameter: {0}")]
    Parameter(String),
    #[error("a cursor of another query")]
    Cursor,
    #[error("not a receipt of this deployment")]
    Receipt,
    #[error("the receipt's events are not persisted yet")]
    NotYetVisible,
    #[error("the key is bound to no tenant and the request names none")]
    TenantRequired,
    #[error("no such event")]
    NotFound,
    #[error("as many exports are under way as there may be")]
    TooManyExports,
    #[error("no such tenant")]
    NoTenant,
    #[error("refused before anything was asked")]
    Refused(Problem),
    #[error(transparent)]
    DeadLetter(#[from] DeadLetterError),
    #[error("no such key")]
    NoKey,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl QueryError {
    pub(crate) fn parameter(name: &str, detail: impl std::fmt::Display) -> Self {
        Self::Parameter(format!("`{name}` {detail}"))
    }
}

const QUERY_CANCELED: &str = "57014";

impl IntoResponse for QueryError {
    fn into_response(self) -> Response {
        problem(self).into_response()
    }
}

fn problem(error: QueryError) -> Problem {
    let bad = |code, detail: &str| Problem::new(StatusCode::BAD_REQUEST, code, detail);
    match error {
        QueryError::Parameter(detail) => bad("invalid_parameter", &detail),
        QueryError::Cursor => bad(
            "invalid_cursor",
            "this cursor was not made for this query; send `next_cursor` as it was, with the same filters and a key of the same tenant",
        ),
        QueryError::Receipt => bad(
            "invalid_receipt",
            "this is not a receipt of this deployment; send what a 202 carried as `receipt`",
        ),
        QueryError::NotYetVisible => Problem::unavailable(
            "not_yet_visible",
            "the events of this receipt are accepted and not yet persisted; try again",
        ),
        QueryError::TenantRequired => bad(
            "tenant_required",
            "this key is bound to no tenant; add `tenant_id`, since an id is only unique within one",
        ),
        QueryError::NotFound => Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "this tenant has no counted event with this id",
        ),
        QueryError::TooManyExports => Problem::unavailable(
            "too_many_exports",
            "too many exports are under way; try again",
        ),
        QueryError::NoTenant => Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is no such tenant that has used anything; GET /v1/meter/tenants lists them",
        ),
        QueryError::Refused(problem) => problem,
        QueryError::DeadLetter(error) => dead_letter_problem(error),
        QueryError::NoKey => no_key(),
        QueryError::Key(error) => key_problem(error),
        QueryError::Database(error) => database_problem(&error),
    }
}

fn no_key() -> Problem {
    let detail =
        "there is no key with this id, or it is another tenant's; GET /v1/meter/keys lists yours";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
}

fn dead_letter_problem(error: DeadLetterError) -> Problem {
    let conflict = |code, detail| Problem::new(StatusCode::CONFLICT, code, detail);
    match error {
        DeadLetterError::NotFound => Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is no dead letter with this id, or it is another tenant's",
        ),
        DeadLetterError::Resolved => conflict(
            "already_resolved",
            "this dead letter was replayed or discarded before; GET /v1/meter/dead-letters?state=replayed shows as what",
        ),
        DeadLetterError::Unreadable => conflict(
            "not_replayable",
            "nothing could be read of this dead letter, so there is no event to replay; discard it",
        ),
        DeadLetterError::TenantMismatch => Problem::new(
            StatusCode::FORBIDDEN,
            "tenant_mismatch",
            "this key is bound to another tenant than the event would have",
        ),
        DeadLetterError::Event(Refusal { code, detail }) => unprocessable(code.as_str(), detail),
        DeadLetterError::Database(error) => database_problem(&error),
        DeadLetterError::Log(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a dead letter was not appended to the log"
            );
            let detail =
                "the log did not confirm the event; send the same request again, it counts once";
            Problem::unavailable("unavailable", detail)
        }
    }
}

fn key_problem(error: KeyError) -> Problem {
    match error {
        KeyError::NotFound => no_key(),
        KeyError::LastAdmin => Problem::new(
            StatusCode::CONFLICT,
            "last_admin_key",
            "this is the last key that may manage all keys; create another admin key without a tenant first",
        ),
        KeyError::Database(error) => database_problem(&error),
        KeyError::Bucket(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a change of keys was not confirmed by the broker"
            );
            let detail = "NATS did not confirm the change of this key; send the request again";
            Problem::unavailable("unavailable", detail)
        }
        KeyError::Exists | KeyError::Malformed => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a key is in the way"
            );
            Problem::internal()
        }
    }
}

fn database_problem(error: &sqlx::Error) -> Problem {
    if sqlstate(error).as_deref() == Some(QUERY_CANCELED) {
        tracing::warn!("a query took too long and was given up");
        let detail = "this query takes too long; ask for a shorter range or fewer groups, or name a `tenant_id`";
        return Problem::unavailable("query_timeout", detail);
    }
    tracing::error!(error = error as &dyn std::error::Error, "a query failed");
    let away = match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Tls(_)
        | sqlx::Error::WorkerCrashed => true,
        // Class 57: shutting down or starting; class 53: out of connections, memory or disk.
        other => sqlstate(other).is_some_and(|s| s.starts_with("57") || s.starts_with("53")),
    };
    if away {
        Problem::unavailable("unavailable", "the database is away; try again")
    } else {
        Problem::internal()
    }
}
