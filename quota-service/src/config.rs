//! What can be set, with units.

use std::time::Duration;

use anyhow::{Result, ensure};
use metering_core::quota::Rules;
use metering_log::alerts::AlertStream;

use crate::webhook::WebhookConfig;

/// What is answered where no quota says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Unmatched {
    Allow,
    Deny,
}

/// How long answers may take and how often the books are written.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Milliseconds until a decision that is not known yet is answered 503
    #[arg(
        long = "quota-deadline-ms",
        env = "METERD_QUOTA_DEADLINE_MS",
        value_name = "MS",
        default_value_t = 150
    )]
    pub deadline_ms: u64,

    /// Milliseconds by which the fold may lag before requests are refused at once
    #[arg(
        long = "quota-max-lag-ms",
        env = "METERD_QUOTA_MAX_LAG_MS",
        value_name = "MS",
        default_value_t = 50
    )]
    pub max_lag_ms: u64,

    /// Milliseconds between two writes of ledger, decisions, alerts and snapshot
    #[arg(
        long = "quota-write-interval-ms",
        env = "METERD_QUOTA_WRITE_INTERVAL_MS",
        value_name = "MS",
        default_value_t = 1_000
    )]
    pub write_interval_ms: u64,

    /// What use that no quota counts is answered. Services that are set otherwise than the one that
    /// started last do not answer
    #[arg(
        long = "quota-default",
        env = "METERD_QUOTA_DEFAULT",
        value_name = "ANSWER",
        default_value = "allow"
    )]
    pub default: Unmatched,

    /// Connections to Postgres, besides two for each partition
    #[arg(
        id = "quota-connections",
        long,
        env = "METERD_QUOTA_CONNECTIONS",
        value_name = "N",
        default_value_t = 4
    )]
    pub connections: u32,

    /// Days after which decisions and alerts are deleted
    #[arg(
        id = "quota-keep-days",
        long,
        env = "METERD_QUOTA_KEEP_DAYS",
        value_name = "DAYS",
        default_value_t = 90,
        value_parser = clap::value_parser!(u32).range(1..=36_500)
    )]
    pub keep_days: u32,

    /// Redis or Valkey that the counters are mirrored in; where it is, is for the program to say.
    #[arg(skip)]
    pub redis_url: Option<String>,

    /// Where alerts are announced; where that is, is for the program to say.
    #[arg(skip)]
    pub alerts: Option<AlertStream>,

    #[command(flatten)]
    pub webhook: WebhookConfig,
}

impl Config {
    /// Refuses what cannot work, in words.
    pub fn validate(&self) -> Result<()> {
        ensure!(
            (1..=10_000).contains(&self.deadline_ms),
            "METERD_QUOTA_DEADLINE_MS is {}; it must be 1 to 10000",
            self.deadline_ms
        );
        ensure!(
            (10..=5_000).contains(&self.write_interval_ms),
            "METERD_QUOTA_WRITE_INTERVAL_MS is {}; it must be 10 to 5000",
            self.write_interval_ms
        );
        ensure!(
            self.connections >= 1,
            "METERD_QUOTA_CONNECTIONS must be at least 1"
        );
        self.webhook.receiver()?;
        Ok(())
    }

    /// The rules that this service decides by.
    pub(crate) fn rules(&self) -> Rules {
        Rules::built_in(self.default == Unmatched::Deny)
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    pub(crate) fn max_lag(&self) -> Duration {
        Duration::from_millis(self.max_lag_ms)
    }

    pub(crate) fn write_interval(&self) -> Duration {
        Duration::from_millis(self.write_interval_ms)
    }
}
