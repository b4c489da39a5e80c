//! What can be set, with units.

use std::time::Duration;

use anyhow::{Result, ensure};

/// How a worker reads, writes and trims.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Records written in one transaction: bigger is cheaper per event and takes more memory
    #[arg(
        long = "worker-batch-max-records",
        env = "METERD_WORKER_BATCH_MAX_RECORDS",
        value_name = "N",
        default_value_t = 20_000
    )]
    pub batch_max_records: usize,

    /// Bytes of messages written in one transaction
    #[arg(
        long = "worker-batch-max-bytes",
        env = "METERD_WORKER_BATCH_MAX_BYTES",
        value_name = "BYTES",
        default_value_t = 16 * 1024 * 1024
    )]
    pub batch_max_bytes: usize,

    /// Milliseconds a record may wait for others to share its transaction
    #[arg(
        long = "worker-batch-max-wait-ms",
        env = "METERD_WORKER_BATCH_MAX_WAIT_MS",
        value_name = "MS",
        default_value_t = 20
    )]
    pub batch_max_wait_ms: u64,

    /// Connections to Postgres; each partition this worker has uses one
    #[arg(
        id = "worker-connections",
        long,
        env = "METERD_WORKER_CONNECTIONS",
        value_name = "N",
        default_value_t = 8
    )]
    pub connections: u32,

    /// Messages kept in each partition behind the slowest projection
    #[arg(
        long = "worker-trim-margin",
        env = "METERD_WORKER_TRIM_MARGIN",
        value_name = "N",
        default_value_t = 1_000
    )]
    pub trim_margin: u64,

    /// Seconds between two trims of the log
    #[arg(
        long = "worker-trim-interval",
        env = "METERD_WORKER_TRIM_INTERVAL",
        value_name = "SECONDS",
        default_value_t = 30
    )]
    pub trim_interval_seconds: u64,
}

impl Config {
    /// Refuses what cannot work, in words.
    pub fn validate(&self) -> Result<()> {
        ensure!(
            (1..=100_000).contains(&self.batch_max_records),
            "METERD_WORKER_BATCH_MAX_RECORDS is {}; it must be 1 to 100000, or the sums of one \
             batch might overflow",
            self.batch_max_records
        );
        let envelope = metering_core::limits::MAX_ENVELOPE_BYTES;
        ensure!(
            self.batch_max_bytes >= envelope,
            "METERD_WORKER_BATCH_MAX_BYTES is {}; a single message may have {envelope}",
            self.batch_max_bytes
        );
        ensure!(
            self.batch_max_wait_ms <= 60_000,
            "METERD_WORKER_BATCH_MAX_WAIT_MS is {}; more than a minute is no freshness",
            self.batch_max_wait_ms
        );
        ensure!(
            self.connections >= 2,
            "METERD_WORKER_CONNECTIONS is {}; a worker needs at least 2",
            self.connections
        );
        ensure!(
            self.trim_interval_seconds >= 1,
            "METERD_WORKER_TRIM_INTERVAL must be at least 1 second"
        );
        Ok(())
    }

    pub(crate) fn batch_max_wait(&self) -> Duration {
        Duration::from_millis(self.batch_max_wait_ms)
    }

    pub(crate) fn trim_interval(&self) -> Duration {
        Duration::from_secs(self.trim_interval_seconds)
    }
}
