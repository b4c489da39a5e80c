//! Answers questions about events and aggregates.

mod bodies;
pub mod config;
mod consumption;
mod cursor;
mod dead_letters;
pub mod error;
mod export;
mod format;
pub mod keys;
mod live;
mod metrics;
mod new_key;
mod openapi;
mod params;
mod routes;
pub mod state;
mod visibility;

use anyhow::Context as _;
use axum::{Router, middleware};
use metering_store::{Readers, Store};
use service_kit::auth;
use service_kit::health::Health;
use service_kit::metrics::Metrics;
use tokio_util::sync::CancellationToken;

/// Connections for what is nobody's answer: the poller, the distribution of keys, and writes.
const OWN_CONNECTIONS: u32 = 4;

pub use config::Config;
pub use openapi::openapi;
use state::Database;
pub use state::{QueryBroker, QueryState};

/// Connects and checks the schema. Answers that go on for long end with `shutdown`, so that whoever
/// waits for requests in flight does not wait for those.
///
/// Errors: settings that cannot work, Postgres away, a schema of another version.
pub async fn start(
    config: Config,
    postgres_url: &str,
    secret: &str,
    broker: QueryBroker,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> anyhow::Result<QueryState> {
    config.validate()?;
    let (connections, timeout) = (config.connections, config.statement_timeout());
    let store = Store::connect_with_timeout(postgres_url, OWN_CONNECTIONS, timeout).await?;
    store.check_schema().await?;
    let readers = Readers::connect(postgres_url, connections, timeout)
        .await
        .context("cannot read as the role of queries; run `meterd migrate`")?;
    let database = Database { store, readers };
    Ok(QueryState::new(database, secret, broker, metrics, shutdown))
}

/// The routes.
///
/// What they answer: what the worker has committed, never less than an earlier answer showed, and
/// with a receipt never less than the events it stands for. A listing shows what there was when
/// its first page was read, every event once. Sums are exact. A key that is bound to a tenant sees
/// that tenant only.
pub fn router(state: QueryState) -> Router {
    let keys = state.keys().clone();
    routes::router(state).layer(middleware::from_fn_with_state(keys, auth::authenticate))
}

/// Until `shutdown`: watches how far the log is projected, for the requests that wait for it
/// (without it, receipts are answered 503), reads the log for those who follow it, and keeps the
/// bucket of API keys what Postgres says.
pub fn run(
    state: QueryState,
    health: &Health,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    // Before it runs: whoever waits for all parts must not miss one that has not begun.
    let queries = health.part("query");
    let comparing = health.part("distribution of api keys");
    async move {
        let (store, bucket, keys) = (state.owner(), state.bucket(), state.keys());
        tokio::join!(
            Box::pin(state.visibility.poll(store, &queries, shutdown.clone())),
            Box::pin(keys::reconcile(store, bucket, keys, &comparing, &shutdown)),
            Box::pin(keys::note_uses(store, bucket, &shutdown)),
            Box::pin(
                state
                    .live
                    .run(state.readers(), &state.visibility, &shutdown)
            ),
        );
        state.bodies.ended().await;
    }
}
