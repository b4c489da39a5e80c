//! Which partitions this worker reads: its fair share of those that nobody else reads.

use std::collections::BTreeMap;
use std::time::Duration;

use metering_store::partition_lock::{LockSession, Purpose};
use metering_store::sqlx;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::partition::Partition;
use crate::state::State;

/// How soon a partition that became free is picked up.
const TICK: Duration = Duration::from_secs(1);
/// A lock session that does not answer for this long is lost, and its partitions with it.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the lock session failed")]
    Session(#[from] sqlx::Error),
    #[error("the lock session does not answer")]
    Silent(#[from] tokio::time::error::Elapsed),
}

/// Reads partitions until shutdown. `worker` is a random number that no other worker has.
pub(crate) async fn own_partitions(state: State, worker: i32, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let mut owned = Owned::new(state.clone());
        let opened = timeout(
            PATIENCE,
            LockSession::open(state.store.pool(), Purpose::Usage, worker),
        )
        .await;
        let lost = match opened {
            Ok(Ok(session)) => owned.hold(session, &shutdown).await,
            Ok(Err(error)) => Err(error.into()),
            Err(silent) => Err(silent.into()),
        };
        owned.release_all().await;
        if let Err(error) = lost {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "gave up all partitions"
            );
            state.alarms.no_database();
            shutdown.run_until_cancelled(tokio::time::sleep(TICK)).await;
        }
    }
}

struct Reading {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

struct Owned {
    state: State,
    tasks: TaskTracker,
    partitions: BTreeMap<u16, Reading>,
}

impl Owned {
    fn new(state: State) -> Self {
        Self {
            state,
            tasks: TaskTracker::new(),
            partitions: BTreeMap::new(),
        }
    }

    /// Keeps a fair share of the partitions until shutdown or until the session is lost.
    async fn hold(
        &mut self,
        mut session: LockSession,
        shutdown: &CancellationToken,
    ) -> Result<(), Lost> {
        self.state.alarms.database();
        let mut ticks = tokio::time::interval(TICK);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            self.balance(&mut session).await?;
        }
        // Readers first: whoever takes a partition next should not race with them.
        self.release_all().await;
        timeout(PATIENCE, session.close()).await??;
        Ok(())
    }

    async fn balance(&mut self, session: &mut LockSession) -> Result<(), Lost> {
        let workers = timeout(PATIENCE, session.count_readers()).await??;
        let workers = usize::try_from(workers).unwrap_or(1).max(1);
        let share = usize::from(self.state.publisher.partitions()).div_ceil(workers);
        let ended = self.partitions.iter().filter(|(_, r)| r.task.is_finished());
        let mut leaving: Vec<u16> = ended.map(|(partition, _)| *partition).collect();
        let surplus = self.partitions.len().saturating_sub(share);
        leaving.extend(self.partitions.keys().rev().take(surplus));
        for partition in leaving {
            self.release(partition).await;
            timeout(PATIENCE, session.unlock(partition)).await??;
        }
        for partition in 0..self.state.publisher.partitions() {
            if self.partitions.len() < share
                && !self.partitions.contains_key(&partition)
                && timeout(PATIENCE, session.try_lock(partition)).await??
            {
                self.read(partition);
            }
        }
        Ok(())
    }

    fn read(&mut self, number: u16) {
        tracing::info!(partition = number, "reading a partition");
        let stop = CancellationToken::new();
        let partition = Partition::new(number, self.state.clone());
        let task = self.tasks.spawn(partition.run(stop.clone()));
        self.partitions.insert(number, Reading { stop, task });
        self.state.metrics.partitions.inc();
    }

    async fn release(&mut self, partition: u16) {
        let Some(Reading { stop, task }) = self.partitions.remove(&partition) else {
            return;
        };
        self.state.metrics.partitions.dec();
        stop.cancel();
        match timeout(PATIENCE, task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(partition, %error, "the partition's reader died"),
            // It ends with its statement; until then the position keeps others safe from it.
            Err(_) => tracing::warn!(partition, "the partition's reader waits for Postgres"),
        }
        self.state.alarms.clear(partition);
        tracing::info!(partition, "gave up a partition");
    }

    async fn release_all(&mut self) {
        for reading in self.partitions.values() {
            reading.stop.cancel();
        }
        while let Some(partition) = self.partitions.keys().next().copied() {
            self.release(partition).await;
        }
    }
}
