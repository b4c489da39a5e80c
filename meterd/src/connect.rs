//! The way to the servers a role works with.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use metering_log::keys::KeyBucket;
use metering_log::{
    Backend as _, BackendError, Durability, NatsBackend, NatsConfig, Publisher, PublisherConfig,
    SharedBackend, topology,
};
use metering_store::Store;
use service_kit::clock;
use service_kit::log_metrics::{self, MeasuredLog};
use service_kit::metrics::Metrics;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long the broker may take to confirm an envelope: long for a disk, short for a client.
const BROKER_TIMEOUT: Duration = Duration::from_millis(1800);

/// Which broker, and how its streams are made.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Broker")]
// Named, because a struct with a flattened one has an empty group otherwise, and where this one
// is optional it would always be missing.
#[group(args = ["nats_url"])]
pub(crate) struct BrokerArgs {
    /// NATS broker with JetStream
    #[arg(
        long,
        env = "METERD_NATS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) nats_url: String,

    /// The monitoring address of that broker, which tells whether it syncs every write
    #[arg(
        long,
        env = "METERD_NATS_MONITOR_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) nats_monitor_url: Option<String>,

    /// Partitions of the log when it is created; later the log's own number counts
    #[arg(long, env = "METERD_PARTITIONS", value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) partitions: u16,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// How the log's streams are made and what is asked of the broker.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// Copies of each stream in a cluster: 1 or 3
    #[arg(
        long,
        env = "METERD_LOG_REPLICAS",
        value_name = "N",
        default_value_t = 1
    )]
    pub(crate) log_replicas: usize,

    /// Bytes each partition may hold; at nine tenths of it events are refused with 503
    #[arg(long, env = "METERD_LOG_MAX_BYTES", value_name = "BYTES", default_value_t = 4 << 30)]
    pub(crate) log_max_bytes: i64,

    /// Go on with a broker that confirms before it fsyncs; every answer then says so
    #[arg(long, env = "METERD_ALLOW_ASYNC_DURABILITY")]
    pub(crate) allow_async_durability: bool,
}

/// A connected broker.
pub(crate) struct Broker {
    pub(crate) log: SharedBackend,
    /// What its confirmations are worth.
    pub(crate) durability: Durability,
    pub(crate) keys: KeyBucket,
    /// What the log has, which is not always what was asked for.
    pub(crate) partitions: u16,
}

impl Broker {
    pub(crate) async fn connect(args: &BrokerArgs, metrics: &Metrics) -> Result<Self> {
        let config = NatsConfig {
            url: args.nats_url.clone(),
            monitor_url: args.nats_monitor_url.clone(),
            generation: topology::GENERATION,
            replicas: args.log.log_replicas,
            max_bytes_per_partition: args.log.log_max_bytes,
            timeout: BROKER_TIMEOUT,
            allow_async_durability: args.log.allow_async_durability,
        };
        let log = NatsBackend::connect(config)
            .await
            .context("cannot use the NATS of METERD_NATS_URL")?;
        let partitions = partitions(&log, args.partitions)
            .await
            .context("cannot read the log's streams")?;
        let keys = KeyBucket::open(log.client(), args.log.log_replicas)
            .await
            .context("cannot open the bucket of API keys")?;
        Ok(Self {
            durability: log.durability(),
            log: Arc::new(MeasuredLog::new(Arc::new(log), metrics)),
            keys,
            partitions,
        })
    }

    /// The publisher of this process; it creates the streams that are missing.
    pub(crate) async fn publisher(
        &self,
        metrics: &Metrics,
        shutdown: CancellationToken,
    ) -> Result<Publisher> {
        let config = PublisherConfig {
            generation: topology::GENERATION,
            partitions: self.partitions,
            boot_id: Uuid::new_v4(),
            publish_timeout: BROKER_TIMEOUT,
            clock: clock::now,
        };
        let publisher = Publisher::start(self.log.clone(), config, shutdown)
            .await
            .context(
                "cannot create the log's streams; see METERD_LOG_MAX_BYTES and the broker's disk",
            )?;
        log_metrics::export(&publisher, metrics);
        Ok(publisher)
    }
}

/// The number of streams there are, or `wanted` where there are none yet: with another number
/// tenants would move to other partitions.
async fn partitions(log: &NatsBackend, wanted: u16) -> Result<u16, BackendError> {
    let mut found = 0;
    loop {
        match log.info(found).await {
            Ok(_) => found += 1,
            Err(BackendError::NoSuchStream(_)) if found == 0 => return Ok(wanted),
            Err(BackendError::NoSuchStream(_)) => {
                if found != wanted {
                    tracing::warn!(
                        found,
                        wanted,
                        "the log has another number of partitions; its own counts"
                    );
                }
                return Ok(found);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Which database.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Database")]
pub(crate) struct DatabaseArgs {
    /// Postgres database
    #[arg(
        long,
        env = "METERD_POSTGRES_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) postgres_url: String,
}

pub(crate) async fn store(url: &str, connections: u32) -> Result<Store> {
    Store::connect(url, connections)
        .await
        .context("cannot connect to the Postgres of METERD_POSTGRES_URL")
}
