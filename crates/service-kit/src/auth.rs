//! Who calls: from the headers to a [`Caller`], before a byte of the body is read.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq as _;

use crate::clock;
pub use crate::key::Scope;
use crate::key::{ApiKey, ApiKeySecret};
use crate::metrics::{IntGauge, Metrics, gauge};
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

crate::metrics! {
    struct KeyMetrics {
        /// API keys that the process knows.
        known: IntGauge = "meterd_auth_keys";
        /// 1 while the known keys are all there are; while 0, callers are answered 503.
        current: IntGauge = "meterd_auth_keys_current";
    }
}

/// The keys a service knows, kept current by whoever watches the key bucket.
#[derive(Clone, Default)]
pub struct Keys(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    by_id: HashMap<String, ApiKey>,
    /// False until the bucket has been read whole, and again while its link is away.
    current: bool,
}

impl Keys {
    pub fn put(&self, key: ApiKey) {
        self.write().by_id.insert(key.id.clone(), key);
    }

    pub fn remove(&self, id: &str) {
        self.write().by_id.remove(id);
    }

    /// Whether an unknown key is really unknown. While it is not, callers get 503, never 401.
    pub fn set_current(&self, current: bool) {
        self.write().current = current;
    }

    /// Forgets all keys and is not current any more: the bucket is about to be read anew.
    pub fn reset(&self) {
        *self.write() = Known::default();
    }

    /// Shows the state of the keys in the metrics.
    pub fn export(&self, metrics: &Metrics) {
        let keys = self.clone();
        let KeyMetrics { known, current } = KeyMetrics::register(&metrics.registry);
        metrics.before_scrape(move || {
            let keys = keys.0.read().unwrap_or_else(PoisonError::into_inner);
            known.set(gauge(keys.by_id.len()));
            current.set(i64::from(keys.current));
        });
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn caller(&self, secret: &ApiKeySecret) -> Result<Caller, Problem> {
        let known = self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !known.current {
            return Err(Problem::unavailable(
                "unavailable",
                "API keys cannot be checked right now; try again",
            ));
        }
        let key = known.by_id.get(secret.id()).ok_or_else(invalid_key)?;
        let same = bool::from(key.secret_sha256.ct_eq(&secret.sha256()));
        let expired = key.expires_at.is_some_and(|at| at <= clock::now());
        if !same || expired {
            return Err(invalid_key());
        }
        Ok(Caller {
            key_id: key.id.clone(),
            scopes: key.scopes.clone().into(),
            tenant_id: key.tenant_id.clone(),
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
    let caller = keys.caller(&secret)?;
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
