//! Answers questions about events and aggregates.

pub mod config;
mod cursor;
pub mod error;
mod metrics;
mod openapi;
mod params;
mod routes;
pub mod state;
mod visibility;

use axum::{Router, middleware};
use metering_store::Store;
use service_kit::auth::{self, Keys};
use service_kit::health::Health;
use service_kit::metrics::Metrics;
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use openapi::openapi;
pub use state::QueryState;

/// Connects and checks the schema.
///
/// Errors: settings that cannot work, Postgres away, a schema of another version.
pub async fn start(
    config: Config,
    postgres_url: &str,
    secret: &str,
    metrics: &Metrics,
) -> anyhow::Result<QueryState> {
    config.validate()?;
    let (connections, timeout) = (config.connections, config.statement_timeout());
    let store = Store::connect_for_reads(postgres_url, connections, timeout).await?;
    store.check_schema().await?;
    Ok(QueryState::new(store, secret, metrics))
}

/// The routes.
///
/// What they answer: what the worker has committed, never less than an earlier answer showed, and
/// with a receipt never less than the events it stands for. A listing shows what there was when
/// its first page was read, every event once. Sums are exact. A key that is bound to a tenant sees
/// that tenant only.
pub fn router(state: QueryState, keys: Keys) -> Router {
    routes::router(state).layer(middleware::from_fn_with_state(keys, auth::authenticate))
}

/// Watches how far the log is projected, for the requests that wait for it, until `shutdown`.
/// Without it, receipts are answered 503.
pub async fn run(state: QueryState, health: &Health, shutdown: CancellationToken) {
    let part = health.part("query");
    Box::pin(state.visibility.poll(&state.store, &part, shutdown)).await;
}
