//! All services in one process, on one listener.

use anyhow::{Context, Result};
use axum::Router;
use ingest_gateway::GatewayState;
use metering_log::Publisher;
use metering_log::keys::KeyBucket;
use metering_store::Store;
use quota_service::QuotaState;
use service_kit::auth::Keys;
use service_kit::health::Health;
use service_kit::http::{self, HttpConfig};
use service_kit::key_watch::watch_keys;
use service_kit::metrics::Metrics;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin_key;
use crate::connect::{Broker, BrokerArgs, LogArgs, store};
use crate::dashboard;
use crate::openapi;
use crate::scrape::MetricsArgs;

/// The services' own settings.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServiceConfigs {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) gateway: ingest_gateway::Config,
    #[command(flatten)]
    pub(crate) worker: aggregator_worker::Config,
    #[command(flatten)]
    pub(crate) query: query_api::Config,
    #[command(flatten)]
    pub(crate) http: HttpConfig,
    #[command(flatten)]
    pub(crate) quota: quota_service::Config,
}

/// What the services need to know.
pub(crate) struct StackConfig {
    pub(crate) nats_url: String,
    pub(crate) nats_monitor_url: Option<String>,
    pub(crate) postgres_url: String,
    pub(crate) secret: String,
    pub(crate) admin_key: String,
    pub(crate) partitions: u16,
    pub(crate) services: ServiceConfigs,
    pub(crate) metrics: MetricsArgs,
}

/// Serves until `shutdown`, then drains: requests first, then the log's queues, then the worker.
/// Calls `on_ready`, with what appends to the log, once requests are answered.
pub(crate) async fn run(
    config: StackConfig,
    listener: TcpListener,
    on_ready: impl FnOnce(Publisher) + Send,
    shutdown: CancellationToken,
) -> Result<()> {
    let StackConfig {
        services, secret, ..
    } = config;
    let metrics = config.metrics.metrics("meterd")?;
    let broker = BrokerArgs {
        nats_url: config.nats_url,
        nats_monitor_url: config.nats_monitor_url,
        partitions: config.partitions,
        log: services.log,
    };
    let broker = Broker::connect(&broker, &metrics).await?;
    let worker_store = store(&config.postgres_url, services.worker.connections).await?;
    prepare(&worker_store, &broker.keys, &config.admin_key).await?;

    // Not `shutdown`: what accepted requests have queued is still to be sent and written.
    let behind = CancellationToken::new();
    let health = Health::default();
    health.export(&metrics);
    let keys = Keys::default();
    keys.export(&metrics);
    let tasks = TaskTracker::new();
    tasks.spawn(watch_api_keys(&broker.keys, &keys, &health, &behind));
    let publisher = broker.publisher(&metrics, behind.clone()).await?;
    let worker = tasks.spawn(aggregator_worker::run(
        services.worker,
        broker.log.clone(),
        publisher.clone(),
        worker_store,
        &health,
        &metrics,
        behind.clone(),
    ));
    let url = &config.postgres_url;
    let quota = start_quota(&broker, &publisher, url, (services.quota, &metrics)).await?;
    tasks.spawn(run_quota(quota.clone(), &health, &behind));
    let query = query_api::start(
        services.query,
        url,
        &secret,
        broker.for_queries(&publisher, &keys),
        &metrics,
        shutdown.clone(),
    );
    let query = Box::pin(query).await?;
    tasks.spawn(query_api::run(query.clone(), &health, behind.clone()));
    let gateway = GatewayState::new(
        services.gateway,
        publisher.clone(),
        &secret,
        broker.durability,
        &metrics,
    );
    let router = ingest_gateway::router(gateway, keys.clone())
        .merge(query_api::router(query))
        .merge(quota_service::router(quota, keys))
        .merge(beside_the_api(&health));
    let router = config
        .metrics
        .expose(&metrics, router, &services.http, (&tasks, &behind))
        .await?;
    health.wait_ready().await;
    on_ready(publisher.clone());
    let router = http::finish(router, &metrics);
    http::serve(listener, router, &services.http, shutdown).await;
    behind.cancel();
    publisher.drained().await;
    tasks.close();
    tasks.wait().await;
    metrics.spans.flush();
    worker.await.context("the worker panicked")?
}

/// What needs no key.
fn beside_the_api(health: &Health) -> Router {
    Router::new()
        .merge(health.router())
        .merge(openapi::router())
        .merge(dashboard::router())
}

/// This version's schema, and the key of whoever started this.
async fn prepare(store: &Store, keys: &KeyBucket, admin_key: &str) -> Result<()> {
    store
        .migrate()
        .await
        .context("cannot migrate the database")?;
    if !admin_key::install(store, keys, admin_key).await? {
        tracing::warn!("the key in admin.key was deleted; delete the file to get a new one");
    }
    Ok(())
}

/// The task that keeps `keys` current.
pub(crate) fn watch_api_keys(
    bucket: &KeyBucket,
    keys: &Keys,
    health: &Health,
    shutdown: &CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    watch_keys(
        bucket.clone(),
        keys.clone(),
        health.part("api keys"),
        shutdown.clone(),
    )
}

/// The quota service, with a connection to write and one to lock for each partition.
pub(crate) async fn start_quota(
    broker: &Broker,
    publisher: &Publisher,
    postgres_url: &str,
    (config, metrics): (quota_service::Config, &Metrics),
) -> Result<QuotaState> {
    let config = quota_service::Config {
        alerts: Some(broker.alerts.clone()),
        ..config
    };
    let connections = config.connections + u32::from(publisher.partitions());
    let store = store(postgres_url, connections).await?;
    let (log, publisher) = (broker.log.clone(), publisher.clone());
    quota_service::start(config, log, publisher, store, metrics).await
}

/// The task that decides and keeps the books.
pub(crate) fn run_quota(
    quota: QuotaState,
    health: &Health,
    shutdown: &CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let (health, shutdown) = (health.clone(), shutdown.clone());
    async move { quota_service::run(quota, &health, shutdown).await }
}
