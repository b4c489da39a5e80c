//! Answers questions about events and aggregates.

pub mod config;
mod cursor;
pub mod error;
pub mod keys;
mod metrics;
mod new_key;
mod openapi;
mod params;
mod routes;
pub mod state;
mod visibility;

use axum::{Router, middleware};
use metering_log::keys::KeyBucket;
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
    keys: KeyBucket,
    metrics: &Metrics,
) -> anyhow::Result<QueryState> {
    config.validate()?;
    let (connections, timeout) = (config.connections, config.statement_timeout());
    let store = Store::connect_for_reads(postgres_url, connections, timeout).await?;
    store.check_schema().await?;
    Ok(QueryState::new(store, secret, keys, metrics))
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

/// Until `shutdown`: watches how far the log is projected, for the requests that wait for it
/// (without it, receipts are answered 503), and keeps the bucket of API keys what Postgres says.
/// `keys` are those of the router, which somebody else keeps current.
pub fn run(
    state: QueryState,
    keys: Keys,
    health: &Health,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    // Before it runs: whoever waits for all parts must not miss one that has not begun.
    let queries = health.part("query");
    let comparing = health.part("distribution of api keys");
    async move {
        let (store, bucket) = (&state.store, state.bucket());
        tokio::join!(
            Box::pin(state.visibility.poll(store, &queries, shutdown.clone())),
            Box::pin(keys::reconcile(store, bucket, &keys, &comparing, &shutdown)),
            Box::pin(keys::note_uses(store, bucket, &shutdown)),
        );
    }
}
