//! `/healthz`: the process runs. `/readyz`: it can do its work, and if not, why.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::watch;

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
        let health = self.clone();
        Router::new()
            .route(
                "/healthz",
                get(|| async { Json(json!({ "status": "ok" })) }),
            )
            .route("/readyz", get(move || async move { health.readiness() }))
    }

    fn readiness(&self) -> Response {
        let parts = self.0.borrow().clone();
        let ready = parts.values().all(Result::is_ok);
        let parts: BTreeMap<_, _> = parts
            .into_iter()
            .map(|(name, state)| (name, state.err().unwrap_or_else(|| "ok".to_owned())))
            .collect();
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (status, Json(json!({ "ready": ready, "parts": parts }))).into_response()
    }
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
