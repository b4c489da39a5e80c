//! What can be set, with units.

use std::time::Duration;

use anyhow::{Result, ensure};

/// How much a query may use.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Connections to Postgres; as many queries run at once, others wait
    #[arg(
        id = "query-connections",
        long,
        env = "METERD_QUERY_CONNECTIONS",
        value_name = "N",
        default_value_t = 8
    )]
    pub connections: u32,

    /// Milliseconds one statement may run before it is given up
    #[arg(
        long = "query-statement-timeout-ms",
        env = "METERD_QUERY_STATEMENT_TIMEOUT_MS",
        value_name = "MS",
        default_value_t = 10_000
    )]
    pub statement_timeout_ms: u64,

    /// Redis or Valkey that answers are kept in; where it is, is for the program to say.
    #[arg(skip)]
    pub redis_url: Option<String>,
}

impl Config {
    /// Refuses what cannot work, in words.
    pub fn validate(&self) -> Result<()> {
        ensure!(
            self.connections >= 2,
            "METERD_QUERY_CONNECTIONS is {}; one is for the receipts, so at least 2 are needed",
            self.connections
        );
        ensure!(
            (100..=600_000).contains(&self.statement_timeout_ms),
            "METERD_QUERY_STATEMENT_TIMEOUT_MS is {}; it must be 100 to 600000",
            self.statement_timeout_ms
        );
        Ok(())
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }
}
