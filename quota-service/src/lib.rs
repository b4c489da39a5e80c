//! Decides in log order whether a tenant may use more.

mod announcer;
mod ask;
mod auditor;
mod books;
mod checks;
pub mod config;
mod decider;
mod denials;
mod error;
mod fold;
mod metrics;
mod mirror;
mod openapi;
mod partition;
mod past;
mod receiver;
mod recorder;
mod routes;
mod seeder;
pub mod state;
mod verify;
mod waiting;
mod webhook;

use axum::{Router, middleware};
use metering_log::{Publisher, SharedBackend};
use metering_store::Store;
use service_kit::auth::{self, Keys};
use service_kit::health::Health;
use service_kit::metrics::Metrics;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::Config;
pub use openapi::openapi;
pub use state::QuotaState;
pub use verify::{Verified, verify};

/// Checks the settings and the schema.
///
/// Errors: settings that cannot work, Postgres away, a schema of another version.
pub async fn start(
    config: Config,
    log: SharedBackend,
    publisher: Publisher,
    store: Store,
    metrics: &Metrics,
) -> anyhow::Result<QuotaState> {
    config.validate()?;
    store.check_schema().await?;
    Ok(QuotaState::new(config, log, publisher, store, metrics))
}

/// The routes.
///
/// What they answer: a decision at a position of the log, which includes every event that was
/// acknowledged before the call began, or 503. Nothing is answered from anything else. After a 503
/// the same id may be sent again: it is taken once. Any number of these services may run.
pub fn router(state: QuotaState, keys: Keys) -> Router {
    routes::router(state).layer(middleware::from_fn_with_state(keys, auth::authenticate))
}

/// Folds every partition until `shutdown`, answers whoever waits, and keeps the books.
///
/// Delivery contract: every record is folded in order, once. Ledger, decisions, alerts and the
/// snapshot are written in one transaction that begins by moving the position from where it was
/// read. A gap in the log, another log, a record of an unknown kind, and rules that this program
/// does not know stop the partition: it answers 503 and the service is not ready.
pub async fn run(state: QuotaState, health: &Health, shutdown: CancellationToken) {
    let tasks = TaskTracker::new();
    let redis = state.config.redis_url.as_deref();
    let redis = redis.map(mirror::connect).transpose();
    let redis = redis.unwrap_or_else(|error| {
        tracing::error!(%error, "METERD_REDIS_URL is none; counters are not mirrored");
        None
    });
    for partition in state.partitions() {
        let part = health.part(format!("quotas of partition {}", partition.number));
        let stop = || shutdown.clone();
        tasks.spawn(stop().run_until_cancelled_owned(decider::run(
            state.clone(),
            partition.clone(),
            part,
        )));
        tasks
            .spawn(stop().run_until_cancelled_owned(checks::run(state.clone(), partition.clone())));
        tasks
            .spawn(stop().run_until_cancelled_owned(seeder::run(state.clone(), partition.clone())));
        let feed = redis.clone().map(|redis| {
            let (feed, mirror) = mirror::mirror();
            let run = mirror::run(state.clone(), redis, partition.number, mirror);
            tasks.spawn(stop().run_until_cancelled_owned(run));
            feed
        });
        tasks.spawn(stop().run_until_cancelled_owned(recorder::run(
            state.clone(),
            partition.clone(),
            feed,
        )));
        tasks
            .spawn(stop().run_until_cancelled_owned(auditor::run(state.clone(), partition.number)));
    }
    let stop = || shutdown.clone();
    tasks.spawn(stop().run_until_cancelled_owned(webhook::run(state.clone())));
    if let Some(stream) = state.config.alerts.clone() {
        tasks.spawn(stop().run_until_cancelled_owned(announcer::run(state.clone(), stream)));
    }
    tasks.close();
    tasks.wait().await;
    state.withdrawn().await;
}
