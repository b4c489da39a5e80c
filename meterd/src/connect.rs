//! The way to the servers a role works with.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use metering_log::alerts::AlertStream;
use metering_log::keys::KeyBucket;
use metering_log::nats::ConnectError;
use metering_log::{
    BackendError, Durability, NatsBackend, NatsConfig, Publisher, PublisherConfig, SharedBackend,
    partitions, topology,
};
use metering_store::Store;
use query_api::QueryBroker;
use service_kit::auth::Keys;
use service_kit::clock;
use service_kit::health::HealthReporter;
use service_kit::log_metrics::{self, MeasuredLog};
use service_kit::metrics::Metrics;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long the broker may take to confirm an envelope: long for a disk, short for a client.
const BROKER_TIMEOUT: Duration = Duration::from_millis(1800);
/// Pause before a broker that is away is tried again.
const RETRY: Duration = Duration::from_millis(500);

const CANNOT_USE: &str = "cannot use the NATS of METERD_NATS_URL";

/// What is tried with the streams at a start, when it fails.
const STREAMS: &str =
    "cannot read or create the log's streams; see METERD_LOG_MAX_BYTES and the broker's disk";

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
    pub(crate) alerts: AlertStream,
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
        let log = Box::pin(NatsBackend::connect(config))
            .await
            .context(CANNOT_USE)?;
        let partitions = partitions::open(&log, args.partitions)
            .await
            .context(STREAMS)?;
        if partitions != args.partitions {
            tracing::warn!(
                found = partitions,
                wanted = args.partitions,
                "the log has another number of partitions; its own counts"
            );
        }
        let keys = KeyBucket::open(log.client(), topology::KEY_BUCKET, args.log.log_replicas)
            .await
            .context("cannot open the bucket of API keys")?;
        Ok(Self {
            durability: log.durability(),
            alerts: AlertStream::new(log.client(), args.log.log_replicas),
            log: Arc::new(MeasuredLog::new(Arc::new(log), metrics)),
            keys,
            partitions,
        })
    }

    /// Connects, and tries again for as long as the broker is away; whoever asks `part` is told why.
    pub(crate) async fn connect_patiently(
        args: &BrokerArgs,
        metrics: &Metrics,
        part: &HealthReporter,
    ) -> Result<Self> {
        loop {
            match Box::pin(Self::connect(args, metrics)).await {
                Err(error) if is_away(&error) => {
                    tracing::warn!("{error:#}; trying again");
                    part.not_ready("NATS does not answer");
                    tokio::time::sleep(RETRY).await;
                }
                ended => return ended,
            }
        }
    }

    /// What a query server has of it.
    pub(crate) fn for_queries(&self, publisher: &Publisher, keys: &Keys) -> QueryBroker {
        QueryBroker {
            log: self.log.clone(),
            publisher: publisher.clone(),
            bucket: self.keys.clone(),
            keys: keys.clone(),
        }
    }

    /// The publisher of this process.
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
            .context(STREAMS)?;
        log_metrics::export(&publisher, metrics);
        Ok(publisher)
    }
}

/// The log as whoever only reads it needs it: nothing is made, and what is confirmed does not matter.
pub(crate) async fn log_to_look_at(
    url: String,
    monitor_url: Option<String>,
) -> Result<NatsBackend> {
    let config = NatsConfig {
        url,
        monitor_url,
        generation: topology::GENERATION,
        replicas: 1,
        max_bytes_per_partition: 0,
        timeout: BROKER_TIMEOUT,
        allow_async_durability: true,
    };
    let connecting = Box::pin(NatsBackend::connect(config));
    connecting.await.context(CANNOT_USE)
}

/// Whether the broker is away or only just starting, rather than one that cannot be used.
fn is_away(error: &anyhow::Error) -> bool {
    use async_nats::ConnectErrorKind::{Dns, Io, TimedOut};
    error.chain().any(|cause| {
        let log = cause.downcast_ref::<BackendError>();
        let away = match cause.downcast_ref::<ConnectError>() {
            Some(ConnectError::Connect(error)) => matches!(error.kind(), Dns | Io | TimedOut),
            Some(ConnectError::Monitor(_)) => true,
            _ => false,
        };
        away || matches!(
            log,
            Some(BackendError::Timeout | BackendError::Unavailable(_))
        )
    })
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

/// Where counters are mirrored.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Mirror")]
pub(crate) struct RedisArgs {
    /// Redis or Valkey that the quotas' counters are mirrored in for other readers [default: none]
    #[arg(
        long,
        env = "METERD_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) redis_url: Option<String>,
}

pub(crate) async fn store(url: &str, connections: u32) -> Result<Store> {
    Store::connect(url, connections)
        .await
        .context("cannot connect to the Postgres of METERD_POSTGRES_URL")
}
