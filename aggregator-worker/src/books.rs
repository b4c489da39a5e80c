//! The books of all partitions as metrics: what became of every record, and how much is still to
//! be read. Of those partitions too that are stuck, or that nobody reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use metering_log::StreamInfo;
use metering_store::progress::{self, Counters, Progress, USAGE};
use service_kit::clock::now;
use service_kit::metrics::{Gauge, GaugeVec, IntCounterVec, IntGaugeVec, Metrics, gauge, raise};
use tokio_util::sync::CancellationToken;

use crate::state::State;

/// How old the figures of a scrape may be.
const INTERVAL: Duration = Duration::from_secs(2);

service_kit::metrics! {
    /// From the database and the log, so the same at every worker, and across restarts.
    struct BookMetrics {
        /// Records read from the log and decided on: `meterd_projection_records_total` of all outcomes.
        logged: IntCounterVec = "meterd_projection_logged_records_total" ["partition"];
        /// Records decided on, by outcome: persisted, duplicate or dead.
        records: IntCounterVec = "meterd_projection_records_total" ["partition", "outcome"];
        /// Those duplicates whose payload differed from the first one's.
        conflicts: IntCounterVec = "meterd_projection_conflicts_total" ["partition"];
        /// Sequence of the last message that is decided on.
        sequence: IntGaugeVec = "meterd_projection_sequence" ["partition"];
        /// Messages of the log, of many records each, that are not decided on yet.
        lag: IntGaugeVec = "meterd_projection_lag_messages" ["partition"];
        /// At most so long the oldest of them has been in the log.
        lag_seconds: GaugeVec = "meterd_projection_lag_seconds" ["partition"];
        /// When Postgres was last asked successfully.
        read: Gauge = "meterd_projection_read_timestamp_seconds";
    }
}

/// What was last seen; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Books(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    partitions: BTreeMap<u16, Book>,
    /// When the database last answered.
    at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Book {
    stream: Option<StreamInfo>,
    progress: Option<Progress>,
    first_seen_at: Option<DateTime<Utc>>,
    /// When there was last nothing to read.
    caught_up_at: Option<DateTime<Utc>>,
}

impl Books {
    /// Shows them in `metrics`.
    pub(crate) fn export(&self, metrics: &Metrics) {
        let books = self.clone();
        let figures = BookMetrics::register(&metrics.registry);
        metrics.before_scrape(move || {
            let seen = books.seen();
            for (partition, book) in &seen.partitions {
                figures.show(&partition.to_string(), book, now());
            }
            if let Some(at) = seen.at {
                figures.read.set(seconds(at.timestamp_millis()));
            }
        });
    }

    /// Looks again and again, until `shutdown`.
    pub(crate) async fn keep(self, state: State, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let look = Box::pin(self.look(&state));
            if let Some(Err(error)) = shutdown.run_until_cancelled(look).await {
                // Whoever works with the database says more.
                tracing::debug!(
                    error = &*error as &dyn std::error::Error,
                    "cannot read the books"
                );
            }
        }
    }

    /// The log before the database: what is written in between is no lag.
    async fn look(&self, state: &State) -> anyhow::Result<()> {
        for partition in 0..state.publisher.partitions() {
            // An older look is better than none.
            if let Ok(stream) = state.log.info(partition).await {
                let mut seen = self.seen();
                let book = seen.partitions.entry(partition).or_default();
                book.stream = Some(stream);
                book.first_seen_at.get_or_insert_with(now);
            }
        }
        let mut conn = state.store.pool().acquire().await?;
        let progress = progress::list(&mut conn, USAGE).await?;
        drop(conn);
        let mut seen = self.seen();
        for (partition, progress) in progress {
            seen.partitions.entry(partition).or_default().progress = Some(progress);
        }
        seen.at = Some(now());
        for book in seen.partitions.values_mut() {
            if book.lag() == 0 {
                book.caught_up_at = Some(now());
            }
        }
        Ok(())
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Messages still to be read; of a stream that was replaced, all.
    fn lag(&self) -> u64 {
        let Some(stream) = self.stream else { return 0 };
        match self.progress {
            Some(progress) if progress.position.incarnation == stream.incarnation => {
                stream.last_seq.saturating_sub(progress.position.seq)
            }
            _ => stream.last_seq,
        }
    }

    /// The oldest unread message came after the last read one, and after there was nothing to read.
    fn lag_time(&self, now: DateTime<Utc>) -> f64 {
        if self.lag() == 0 {
            return 0.0;
        }
        let read = self.progress.and_then(|progress| progress.stream_time);
        let since = self.caught_up_at.max(read).or(self.first_seen_at);
        since.map_or(0.0, |since| {
            seconds((now - since).num_milliseconds().max(0))
        })
    }
}

impl BookMetrics {
    fn show(&self, partition: &str, book: &Book, now: DateTime<Utc>) {
        let Counters {
            logged,
            persisted,
            duplicate,
            conflict,
            dead,
        } = book.progress.map(|p| p.counters).unwrap_or_default();
        let total = |counter: &IntCounterVec, labels: &[&str], total: i64| {
            raise(&counter.with_label_values(labels), total.unsigned_abs());
        };
        total(&self.logged, &[partition], logged);
        total(&self.records, &[partition, "persisted"], persisted);
        total(&self.records, &[partition, "duplicate"], duplicate);
        total(&self.records, &[partition, "dead"], dead);
        total(&self.conflicts, &[partition], conflict);
        let sequence = book.progress.map_or(0, |p| p.position.seq);
        let labels = &[partition];
        self.sequence.with_label_values(labels).set(gauge(sequence));
        self.lag.with_label_values(labels).set(gauge(book.lag()));
        let lag_seconds = self.lag_seconds.with_label_values(labels);
        lag_seconds.set(book.lag_time(now));
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^52 ms are 142,000 years")]
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use metering_core::Position;
    use uuid::Uuid;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).expect("a time")
    }

    fn stream(incarnation: u128, last_seq: u64) -> StreamInfo {
        StreamInfo {
            incarnation: Uuid::from_u128(incarnation),
            first_seq: 1,
            last_seq,
            bytes: 0,
            max_bytes: 1,
        }
    }

    fn read(seq: u64, stream_second: i64) -> Progress {
        Progress {
            position: Position {
                seq,
                ..Position::start(Uuid::from_u128(1))
            },
            stream_time: Some(at(stream_second)),
            counters: Counters::default(),
        }
    }

    #[test]
    fn lag_is_what_waits_and_since_when() {
        let book = |stream, progress, caught_up: Option<i64>| Book {
            stream,
            progress,
            first_seen_at: Some(at(50)),
            caught_up_at: caught_up.map(at),
        };
        let cases = [
            (
                "all read",
                book(Some(stream(1, 7)), Some(read(7, 10)), None),
                0,
                0.0,
            ),
            (
                "behind",
                book(Some(stream(1, 9)), Some(read(7, 10)), None),
                2,
                90.0,
            ),
            (
                "idle before",
                book(Some(stream(1, 9)), Some(read(7, 10)), Some(95)),
                2,
                5.0,
            ),
            ("never read", book(Some(stream(1, 9)), None, None), 9, 50.0),
            (
                "replaced",
                book(Some(stream(2, 3)), Some(read(7, 10)), None),
                3,
                90.0,
            ),
            (
                "further than seen",
                book(Some(stream(1, 5)), Some(read(7, 10)), None),
                0,
                0.0,
            ),
            ("no log yet", book(None, Some(read(7, 10)), None), 0, 0.0),
            (
                "clocks differ",
                book(Some(stream(1, 9)), Some(read(7, 200)), None),
                2,
                0.0,
            ),
        ];
        for (name, book, messages, seconds) in cases {
            assert_eq!(
                (book.lag(), book.lag_time(at(100))),
                (messages, seconds),
                "{name}"
            );
        }
    }
}
