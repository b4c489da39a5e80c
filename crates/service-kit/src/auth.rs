//! Who calls: from the headers to a [`Caller`], before a byte of the body is read.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::clock;
use crate::key::ApiKeySecret;
pub use crate::key::Scope;
pub use crate::keys::Keys;
use crate::keys::NoCaller;
use crate::problem::Problem;

/// The authenticated caller; an extractor behind [`authenticate`].
#[derive(Debug, Clone)]
pub struct Caller {
    pub key_id: String,
    pub scopes: Arc<[Scope]>,
    /// The only tenant this caller may read or write, if it is bound to one.
    pub tenant_id: Option<String>,
}

impl Caller {
    /// 403 `missing_scope` without `scope`; `admin` includes all.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin) {
            return Ok(());
        }
        let detail = format!("this key lacks the scope `{}`", scope.as_str());
        Err(Problem::new(StatusCode::FORBIDDEN, "missing_scope", detail))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| {
            tracing::error!("a route that needs a caller is not behind `authenticate`");
            Problem::internal()
        })
    }
}

/// Middleware: puts the [`Caller`] into the request's extensions, or answers 401 or 503.
pub async fn authenticate(
    State(keys): State<Keys>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let text = credentials(request.headers())?;
    let secret = ApiKeySecret::parse(text).ok_or_else(invalid_key)?;
    let caller = keys
        .caller(&secret, clock::now())
        .await
        .map_err(|no_caller| match no_caller {
            NoCaller::Invalid => invalid_key(),
            NoCaller::Unknowable => Problem::unavailable(
                "unavailable",
                "API keys cannot be checked right now; try again",
            ),
        })?;
    let key_id = caller.key_id.clone();
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    response
        .extensions_mut()
        .insert(crate::request_log::KeyId(key_id));
    Ok(response)
}

/// The key in `Authorization: Bearer` or, without that, `X-API-Key`; each at most once.
fn credentials(headers: &HeaderMap) -> Result<&str, Problem> {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next();
        (
            first.map(|value| value.to_str().ok()),
            values.next().is_some(),
        )
    };
    let found = match (one(header::AUTHORIZATION.as_str()), one("x-api-key")) {
        ((_, true), _) | (_, (_, true)) => None,
        ((Some(value), _), _) => value.and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
        }),
        (_, (value, _)) => value.flatten(),
    };
    found.filter(|key| !key.is_empty()).ok_or_else(|| {
        let detail = "send an API key as `Authorization: Bearer KEY` or `X-API-Key: KEY`";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    })
}

/// One answer for mistyped, unknown, revoked and expired keys: it tells a guesser nothing.
fn invalid_key() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "invalid_key",
        "this API key is not valid",
    )
}
