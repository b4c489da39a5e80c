//! The fold that keeps the books. It reads the log once more, at its own pace: answers never wait
//! for Postgres, and while Postgres is away the log keeps what is to be written.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use metering_core::Position;
use metering_core::quota::State;
use metering_log::{BatchLimits, Delivery, Reader, ReaderError};
use metering_store::partition_lock::{LockSession, Purpose};
use metering_store::progress::{self, QUOTA};
use metering_store::{alert, decision, quota, quota_ledger, quota_snapshot, sqlx};
use service_kit::clock;
use service_kit::metrics::{IntGaugeVec, gauge};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;

use crate::books::Books;
use crate::fold::{self, Unknown};
use crate::mirror::Feed;
use crate::partition::Partition;
use crate::past::{LoadError, load};
use crate::state::QuotaState;

/// Messages read at once.
const LIMITS: BatchLimits = BatchLimits {
    max_records: 20_000,
    max_bytes: 16 * 1024 * 1024,
    max_wait: Duration::from_millis(200),
};
/// Decisions that are written at the latest; some 30 MB.
const MAX_DECISIONS: usize = 50_000;
/// A write takes at most one in so many parts of the time.
const WRITE_SHARE: u32 = 10;
const LONGEST_INTERVAL: Duration = Duration::from_secs(5);
/// How often the lock session shows that it is alive.
const PING: Duration = Duration::from_secs(1);
/// Pause after a failure, and between two looks whether the partition is free.
const PAUSE: Duration = Duration::from_secs(1);
/// How often what is too old is deleted, and how many decisions at a time.
const TIDY: Duration = Duration::from_mins(1);
const TIDY_ROWS: u32 = 10_000;
/// A lock session that does not answer for this long is lost.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Reader(#[from] ReaderError),
    #[error(transparent)]
    Unknown(#[from] Unknown),
    #[error("Postgres failed")]
    Database(#[from] sqlx::Error),
    #[error("Postgres does not answer")]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("another process writes this partition")]
    Overtaken,
    #[error("the position in Postgres and that of the snapshot differ")]
    Torn,
}

/// Writes for ever, whenever no other process does.
pub(crate) async fn run(state: QuotaState, answering: Arc<Partition>, feed: Option<Feed>) {
    let partition = answering.number;
    let mut recorder = Recorder {
        state,
        partition,
        answering,
        feed,
    };
    loop {
        let Err(ended) = Box::pin(recorder.record()).await;
        if matches!(ended, Ended::Overtaken) {
            tracing::debug!(partition, "another process keeps the books");
        } else {
            let error = &ended as &dyn std::error::Error;
            tracing::warn!(partition, error, "the books wait");
        }
        sleep(PAUSE).await;
    }
}

struct Recorder {
    state: QuotaState,
    partition: u16,
    /// The fold that answers, to compare with.
    answering: Arc<Partition>,
    /// The mirror, if there is one.
    feed: Option<Feed>,
}

impl Recorder {
    async fn record(&mut self) -> Result<Infallible, Ended> {
        // For efficiency only: what keeps two writers apart is the compare-and-set below.
        let mut lock = self.lock().await?;
        let (mut fold, mut from) = load(&self.state, self.partition).await?;
        self.begin(from).await?;
        let mut reader = Reader::open(self.state.log.clone(), self.partition, from).await?;
        let mut told = self.feed.as_ref().map(Feed::begin);
        let mut books = Books::default();
        let mut last: Option<Delivery> = None;
        let shortest = self.state.config.write_interval();
        let mut due = Instant::now() + shortest;
        let mut tidy = Instant::now();
        loop {
            let wake = due.min(Instant::now() + PING);
            if let Ok(batch) = timeout_at(wake, reader.next_batch(LIMITS)).await {
                for message in batch? {
                    fold::apply(
                        &mut fold,
                        self.partition,
                        &message,
                        |state, at, record, out| {
                            books.enter(state, at, record, out);
                        },
                    )?;
                    last = Some(message);
                }
            }
            if let Some(told) = &mut told {
                let at = last.as_ref().map_or(from, |last| Position {
                    seq: last.seq,
                    hash: last.hash,
                    ..from
                });
                told.tell(&fold, at);
            }
            let started = Instant::now();
            if started < due && books.decisions.len() < MAX_DECISIONS {
                timeout(PATIENCE, lock.count_readers()).await??;
                continue;
            }
            if let Some(last) = last.take() {
                let to = Position {
                    seq: last.seq,
                    hash: last.hash,
                    ..from
                };
                let step = (from, to, last.stream_time);
                self.write(step, &fold, &std::mem::take(&mut books)).await?;
                from = to;
                self.compare(&fold, to.seq);
            }
            if tidy <= started {
                let more = self.tidy().await?;
                tidy = started + if more { Duration::ZERO } else { TIDY };
            }
            timeout(PATIENCE, lock.count_readers()).await??;
            let interval = (started.elapsed() * WRITE_SHARE).clamp(shortest, LONGEST_INTERVAL);
            due = Instant::now() + interval;
        }
    }

    async fn lock(&self) -> Result<LockSession, Ended> {
        let [a, b, c, d, ..] = *Uuid::new_v4().as_bytes();
        let number = i32::from_le_bytes([a, b, c, d]);
        let open = LockSession::open(self.state.store.pool(), Purpose::Quota, number);
        let mut session = timeout(PATIENCE, open).await??;
        if timeout(PATIENCE, session.try_lock(self.partition)).await?? {
            return Ok(session);
        }
        session.close().await?;
        Err(Ended::Overtaken)
    }

    /// Makes sure that there is a position to move from.
    async fn begin(&self, position: Position) -> Result<(), Ended> {
        let mut conn = self.state.store.pool().acquire().await?;
        let now = clock::now();
        progress::insert_start(&mut conn, QUOTA, self.partition, position, now).await?;
        let found = progress::find(&mut conn, QUOTA, self.partition).await?;
        if found.is_some_and(|found| found.position == position) {
            return Ok(());
        }
        Err(Ended::Torn)
    }

    /// Position, ledger, decisions, alerts and snapshot: all or none.
    async fn write(
        &self,
        (from, to, time): (Position, Position, DateTime<Utc>),
        fold: &State,
        books: &Books,
    ) -> Result<(), Ended> {
        let (partition, now, started) = (self.partition, clock::now(), Instant::now());
        let mut tx = self.state.store.pool().begin().await?;
        let step = (from, to);
        if !progress::compare_and_set(&mut tx, QUOTA, partition, step, Some(time), now).await? {
            tx.rollback().await?;
            return Err(Ended::Overtaken);
        }
        quota_ledger::upsert(&mut tx, partition, &books.ledger()).await?;
        for change in &books.quotas {
            quota::apply(&mut tx, partition, change, now).await?;
        }
        decision::insert(&mut tx, &books.decisions).await?;
        for raised in &books.alerts {
            alert::insert(&mut tx, raised, now).await?;
        }
        quota_snapshot::upsert(&mut tx, partition, to, &fold.encode(), now).await?;
        tx.commit().await?;
        let (metrics, label) = (self.state.metrics(), partition.to_string());
        metrics.write.observe(started.elapsed().as_secs_f64());
        let set = |metric: &IntGaugeVec, value| metric.with_label_values(&[&label]).set(value);
        set(&metrics.written, gauge(to.seq));
        set(&metrics.counters, gauge(fold.counters().count()));
        Ok(())
    }

    /// Compares the fold with the one that answers, where that is at the same position.
    fn compare(&self, fold: &State, seq: u64) {
        let Some(is_equal) = self.answering.equals(fold, seq) else {
            return;
        };
        self.state.metrics().refolded(is_equal);
        if !is_equal {
            tracing::error!(
                partition = self.partition,
                seq,
                "ALARM: two folds of the same log differ; tell us, this is a bug"
            );
        }
    }

    /// Deletes what is older than it is kept. Whether there is more of it.
    async fn tidy(&self) -> Result<bool, sqlx::Error> {
        let days = TimeDelta::days(self.state.config.keep_days.into());
        let before = clock::now() - days;
        let mut conn = self.state.store.pool().acquire().await?;
        alert::delete_before(&mut conn, before).await?;
        let deleted = decision::delete_before(&mut conn, self.partition, before, TIDY_ROWS).await?;
        Ok(deleted == u64::from(TIDY_ROWS))
    }
}
