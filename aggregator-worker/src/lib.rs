//! Projects the log into raw events and aggregates, exactly once.

mod alarms;
mod apply;
mod books;
mod caches;
pub mod config;
pub mod decode;
mod letters;
mod metrics;
mod ownership;
mod partition;
pub mod persist;
mod report;
mod state;
mod trim;

use std::sync::Arc;

use metering_log::{Publisher, SharedBackend};
use metering_store::Store;
use service_kit::health::Health;
use service_kit::metrics::Metrics;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::alarms::Alarms;
use crate::books::Books;
pub use crate::config::Config;
use crate::metrics::WorkerMetrics;
use crate::state::State;

/// Runs a worker until `shutdown`.
///
/// Delivery contract: every record of the log is read in order, at least once; what it changes in
/// Postgres is changed exactly once, because keys, raw rows, aggregates, dead letters, counters and
/// the position are one transaction that begins by moving the position from where it was read.
/// Any number of workers may run: they share the partitions, and when two believe that they have
/// the same one, only one of them commits. A record that cannot count is in `dead_letter`; of those
/// that Postgres refused, the log is told at least once by a `void`. A gap in the log and a record
/// of an unknown kind stop the partition and make the worker not ready; nothing is skipped.
///
/// Errors: settings that cannot work, or a schema of another version. Postgres or the broker being
/// away later is no error; the worker waits and goes on.
pub fn run(
    config: Config,
    log: SharedBackend,
    publisher: Publisher,
    store: Store,
    health: &Health,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
    let books = Books::default();
    books.export(metrics);
    let spans = metrics.spans.clone();
    let metrics = WorkerMetrics::new(metrics, &store);
    let state = State {
        config: Arc::new(config),
        log,
        publisher,
        store,
        // Before it runs: whoever waits for all parts must not miss one that has not begun.
        alarms: Alarms::new(health.part("worker"), metrics.alarm.clone()),
        metrics,
        spans,
    };
    work(state, books, shutdown)
}

async fn work(state: State, books: Books, shutdown: CancellationToken) -> anyhow::Result<()> {
    state.config.validate()?;
    state.store.check_schema().await?;
    // Distinguishes this worker's session from the others'; 32 random bits are plenty for a few.
    let [a, b, c, d, ..] = *Uuid::new_v4().as_bytes();
    let worker = i32::from_le_bytes([a, b, c, d]);
    let tasks = TaskTracker::new();
    tasks.spawn(trim::trim_for_ever(state.clone(), shutdown.clone()));
    tasks.spawn(books.keep(state.clone(), shutdown.clone()));
    tasks.spawn(ownership::own_partitions(state, worker, shutdown));
    tasks.close();
    tasks.wait().await;
    Ok(())
}
