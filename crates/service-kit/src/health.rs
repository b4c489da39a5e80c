//! `/healthz`: the process runs. `/readyz`: it can do its work, and if not, why.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::metrics::{IntGaugeVec, Metrics};

crate::metrics! {
    struct HealthMetrics {
        /// 1 where a part of the process can do its work, 0 where `/readyz` says why not.
        ready: IntGaugeVec = "meterd_ready" ["part"];
    }
}

/// The state of everything a process depends on. Clones share it.
#[derive(Clone, Default)]
pub struct Health(Arc<watch::Sender<BTreeMap<String, Result<(), String>>>>);

/// Reports the state of one dependency.
#[derive(Clone)]
pub struct HealthReporter {
    health: Health,
    part: String,
}

impl Health {
    /// A part that is not ready until it says so.
    pub fn part(&self, name: impl Into<String>) -> HealthReporter {
        let reporter = HealthReporter {
            health: self.clone(),
            part: name.into(),
        };
        reporter.not_ready("starting");
        reporter
    }

    pub fn is_ready(&self) -> bool {
        self.0.borrow().values().all(Result::is_ok)
    }

    /// Returns once every part is ready.
    pub async fn wait_ready(&self) {
        // Its sender is `self`, so it cannot be closed.
        let _ = self
            .0
            .subscribe()
            .wait_for(|parts| parts.values().all(Result::is_ok))
            .await;
    }

    /// Shows the parts in the metrics.
    pub fn export(&self, metrics: &Metrics) {
        let health = self.clone();
        let HealthMetrics { ready } = HealthMetrics::register(&metrics.registry);
        metrics.before_scrape(move || {
            for (part, state) in &*health.0.borrow() {
                let ready = ready.with_label_values(&[part.as_str()]);
                ready.set(i64::from(state.is_ok()));
            }
        });
    }

    /// `/healthz` and `/readyz`; they need no key.
    pub fn router(&self) -> Router {
        routes().with_state(self.clone()).into()
    }
}

/// The description of these routes.
pub fn openapi() -> OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<Health> {
    OpenApiRouter::new()
        .routes(routes!(get_health))
        .routes(routes!(get_readiness))
}

#[derive(Serialize, ToSchema)]
struct Alive {
    #[schema(pattern = "^ok$")]
    status: &'static str,
}

/// Whether the process runs
///
/// For whoever starts it again when it does not.
#[utoipa::path(
    get, path = "/healthz", tag = "Health", security(()),
    responses((status = 200, description = "It runs.", body = Alive)),
)]
async fn get_health() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

#[derive(Serialize, ToSchema)]
struct Readiness {
    ready: bool,
    /// What the process depends on: `ok`, or what is wrong.
    parts: BTreeMap<String, String>,
}

/// Whether the process can do its work
///
/// For whoever sends it requests: a load balancer, an orchestrator.
#[utoipa::path(
    get, path = "/readyz", tag = "Health", security(()),
    responses(
        (status = 200, description = "It can.", body = Readiness),
        (status = 503, description = "It cannot; `parts` says why.", body = Readiness),
    ),
)]
async fn get_readiness(State(health): State<Health>) -> (StatusCode, Json<Readiness>) {
    let parts = health.0.borrow().clone();
    let ready = parts.values().all(Result::is_ok);
    let parts = parts.into_iter();
    let readiness = Readiness {
        ready,
        parts: parts
            .map(|(name, state)| (name, state.err().unwrap_or_else(|| "ok".to_owned())))
            .collect(),
    };
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}

impl HealthReporter {
    pub fn ready(&self) {
        self.set(&Ok(()));
    }

    /// `reason` is shown to whoever asks `/readyz`: it holds no secret.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(&Err(reason.into()));
    }

    fn set(&self, state: &Result<(), String>) {
        let part = &self.part;
        self.health.0.send_if_modified(|parts| {
            let before = parts.insert(part.clone(), state.clone());
            match (&before, state) {
                (Some(Err(_)), Ok(())) => tracing::info!(part, "ready"),
                (Some(Ok(())), Err(reason)) => tracing::warn!(part, reason, "not ready"),
                _ => {}
            }
            before.as_ref() != Some(state)
        });
    }
}
