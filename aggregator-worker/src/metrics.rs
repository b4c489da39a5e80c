//! What a worker measures of its own work. What has become of all events is in [`crate::books`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use metering_store::Store;
use service_kit::metrics::{
    Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, LATENCY_SECONDS, Metrics, float,
    gauge,
};

use crate::decode::Decoded;

/// A batch's usual way to a rewound or restored log, which is as old as it is.
const FRESHNESS_SECONDS: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0,
];
/// Up to the usual limit of a batch.
const RECORDS: &[f64] = &[
    1.0, 5.0, 20.0, 100.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 20_000.0,
];

service_kit::metrics! {
    pub(crate) struct WorkerMetrics {
        /// Records of a committed batch.
        batch: Histogram = "meterd_worker_batch_records" in RECORDS;
        /// Of a batch that was committed, from its first statement to behind its commit.
        transaction: Histogram = "meterd_worker_transaction_duration_seconds" in LATENCY_SECONDS;
        /// From a gateway's receiving an event to its being visible in Postgres.
        freshness: Histogram = "meterd_worker_freshness_seconds" in FRESHNESS_SECONDS;
        /// Records that this worker put among the dead letters, by reason.
        dead_letters: IntCounterVec = "meterd_worker_dead_letters_total" ["code"];
        /// Times that reading a partition began again after a failure of Postgres or the broker.
        retries: IntCounter = "meterd_worker_retries_total";
        /// Batches that another worker had written first.
        overtaken: IntCounter = "meterd_worker_overtaken_total";
        /// Times that a stream was not the one read before, so that all of it was read again.
        rewinds: IntCounter = "meterd_worker_rewinds_total";
        /// Partitions that this worker reads.
        partitions: IntGauge = "meterd_worker_partitions";
        /// 1 while a partition stands still until somebody looks.
        alarm: IntGaugeVec = "meterd_worker_alarm" ["partition"];
        /// Connections to Postgres, by whether a statement uses them.
        connections: IntGaugeVec = "meterd_worker_postgres_connections" ["state"];
    }
}

impl WorkerMetrics {
    pub(crate) fn new(metrics: &Metrics, store: &Store) -> Self {
        let new = Self::register(&metrics.registry);
        let (connections, pool) = (new.connections.clone(), store.pool().clone());
        metrics.before_scrape(move || {
            let idle = pool.num_idle();
            let used = (pool.size() as usize).saturating_sub(idle);
            connections.with_label_values(&["idle"]).set(gauge(idle));
            connections.with_label_values(&["used"]).set(gauge(used));
        });
        new
    }

    /// A batch that is in Postgres at `now`.
    pub(crate) fn committed(&self, batch: &Decoded<'_>, took: Duration, now: DateTime<Utc>) {
        self.batch
            .observe(float(batch.reports.len() + batch.letters.len()));
        self.transaction.observe(took.as_secs_f64());
        let freshness = self.freshness.local();
        for logged in &batch.reports {
            let waited_us = now.timestamp_micros() - logged.report.received_us;
            let waited = Duration::from_micros(waited_us.try_into().unwrap_or(0));
            freshness.observe(waited.as_secs_f64());
        }
        freshness.flush();
    }
}
