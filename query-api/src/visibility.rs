//! Waiting until events are persisted: one poller a process tells everybody who waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metering_core::receipt::ReceiptPart;
use metering_store::{Store, progress, sqlx};
use service_kit::health::HealthReporter;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::QueryError;

/// How long a request waits for the events of its receipt.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(2);
/// Between two polls while somebody waits: a tenth of a batch's usual way through the worker.
const POLL_INTERVAL: Duration = Duration::from_millis(15);
/// Between two polls while nobody waits; they only tell whether Postgres answers.
const IDLE_INTERVAL: Duration = Duration::from_secs(2);

/// Incarnation and sequence that each partition is applied up to.
pub(crate) type Positions = BTreeMap<u16, (Uuid, u64)>;

/// The positions of the projection, as last read. Clones share them.
#[derive(Clone)]
pub(crate) struct Visibility {
    positions: Arc<watch::Sender<Positions>>,
    waiting: Arc<watch::Sender<usize>>,
}

impl Default for Visibility {
    fn default() -> Self {
        Self {
            positions: Arc::new(watch::Sender::default()),
            waiting: Arc::new(watch::Sender::default()),
        }
    }
}

impl Visibility {
    /// Returns when all of `parts` are persisted. Error: [`QueryError::NotYetVisible`] after
    /// [`MAX_WAIT`]. A receipt of a log that was replaced since is never visible.
    pub(crate) async fn wait(&self, parts: &[ReceiptPart]) -> Result<(), QueryError> {
        let reached = |positions: &Positions| {
            parts.iter().all(|part| {
                positions
                    .get(&part.partition)
                    .is_some_and(|(incarnation, seq)| {
                        *incarnation == part.incarnation && *seq >= part.seq
                    })
            })
        };
        let (_waiting, mut positions) = self.watch();
        match timeout(MAX_WAIT, positions.wait_for(reached)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(QueryError::NotYetVisible),
        }
    }

    /// The positions, which are read often for as long as the first of the two lives.
    pub(crate) fn watch(&self) -> (Waiting, watch::Receiver<Positions>) {
        let positions = self.positions.subscribe();
        (Waiting::new(self.waiting.clone()), positions)
    }

    /// Reads the positions, often while somebody waits, until `shutdown`.
    pub(crate) async fn poll(
        &self,
        store: &Store,
        part: &HealthReporter,
        shutdown: CancellationToken,
    ) {
        let polls = async {
            let mut waiting = self.waiting.subscribe();
            loop {
                match read(store).await {
                    Ok(positions) => {
                        part.ready();
                        self.positions.send_if_modified(|known| {
                            let moved = *known != positions;
                            *known = positions;
                            moved
                        });
                    }
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "cannot read the projection's positions"
                        );
                        part.not_ready("Postgres does not answer");
                        tokio::time::sleep(10 * POLL_INTERVAL).await;
                    }
                }
                tokio::time::sleep(POLL_INTERVAL).await;
                let someone = waiting.wait_for(|waiting| *waiting > 0);
                // Nobody within the interval: a poll that only looks after the database.
                let _ = timeout(IDLE_INTERVAL, someone).await;
            }
        };
        shutdown.run_until_cancelled(Box::pin(polls)).await;
    }
}

async fn read(store: &Store) -> Result<Positions, sqlx::Error> {
    let mut conn = store.pool().acquire().await?;
    let applied = progress::list_sequences(&mut conn).await?;
    let usage = applied
        .into_iter()
        .filter(|applied| applied.projection == progress::USAGE);
    Ok(usage
        .map(|a| (a.partition, (a.position.incarnation, a.position.seq)))
        .collect())
}

/// Counts one who waits for as long as it lives; clients that go away are not waited for.
pub(crate) struct Waiting(Arc<watch::Sender<usize>>);

impl Waiting {
    pub(crate) fn new(waiting: Arc<watch::Sender<usize>>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}
