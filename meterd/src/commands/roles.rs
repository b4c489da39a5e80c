//! The services one by one, on servers that run elsewhere.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result};
use axum::Router;
use ingest_gateway::GatewayState;
use service_kit::auth::Keys;
use service_kit::health::Health;
use service_kit::http;
use service_kit::metrics::Metrics;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connect::{Broker, BrokerArgs, DatabaseArgs, store};
use crate::openapi;
use crate::scrape::MetricsArgs;
use crate::signals::StopSignals;
use crate::stack::{watch_api_keys, watch_positions};

/// Where a role listens.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// Address and port of the role's HTTP endpoints
    #[arg(
        long,
        env = "METERD_LISTEN",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8686"
    )]
    listen: String,

    #[command(flatten)]
    metrics: MetricsArgs,
}

/// The deployment's one secret.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SecretArgs {
    /// Key that cursors and receipts are signed with, the same for all roles
    #[arg(
        long,
        env = "METERD_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    secret: String,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GatewayArgs {
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    broker: BrokerArgs,
    #[command(flatten)]
    config: ingest_gateway::Config,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    broker: BrokerArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    config: aggregator_worker::Config,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    broker: BrokerArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    config: query_api::Config,
}

pub(crate) async fn gateway(args: GatewayArgs) -> Result<ExitCode> {
    let role = Role::start("gateway", &args.listen).await?;
    let broker = Broker::connect(&args.broker, &role.metrics).await?;
    let publisher = broker.publisher(&role.metrics, role.behind.clone()).await?;
    let keys = Keys::default();
    keys.export(&role.metrics);
    role.tasks.spawn(watch_api_keys(
        &broker.keys,
        &keys,
        &role.health,
        &role.behind,
    ));
    let state = GatewayState::new(
        args.config,
        publisher.clone(),
        &args.secret.secret,
        broker.durability,
        &role.metrics,
    );
    role.serve(ingest_gateway::router(state, keys)).await?;
    publisher.drained().await;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn worker(args: WorkerArgs) -> Result<ExitCode> {
    let role = Role::start("worker", &args.listen).await?;
    let broker = Broker::connect(&args.broker, &role.metrics).await?;
    let publisher = broker.publisher(&role.metrics, role.behind.clone()).await?;
    let store = store(&args.database.postgres_url, args.config.connections).await?;
    store.check_schema().await?;
    let config = args.config;
    let (log, health, behind) = (broker.log.clone(), role.health.clone(), role.behind.clone());
    let (metrics, stop) = (role.metrics.clone(), role.shutdown.clone());
    let worker = role.tasks.spawn(async move {
        let run = aggregator_worker::run;
        let ended = run(config, log, publisher, store, &health, &metrics, behind).await;
        // Without its worker the process is of no use; whoever supervises it starts it again.
        stop.cancel();
        ended
    });
    role.serve(Router::new()).await?;
    worker.await.context("the worker panicked")??;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn query(args: QueryArgs) -> Result<ExitCode> {
    let role = Role::start("query", &args.listen).await?;
    let broker = Broker::connect(&args.broker, &role.metrics).await?;
    let keys = Keys::default();
    keys.export(&role.metrics);
    role.tasks.spawn(watch_api_keys(
        &broker.keys,
        &keys,
        &role.health,
        &role.behind,
    ));
    let url = &args.database.postgres_url;
    let state = query_api::start(args.config, url, &args.secret.secret, &role.metrics).await?;
    role.tasks
        .spawn(watch_positions(state.clone(), &role.health, &role.behind));
    role.serve(query_api::router(state, keys)).await?;
    Ok(ExitCode::SUCCESS)
}

/// What all roles do the same way.
struct Role {
    name: &'static str,
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    metrics_at: MetricsArgs,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    /// Cancelled when the last request has been answered.
    behind: CancellationToken,
    signals: tokio::task::JoinSet<()>,
}

impl Role {
    async fn start(name: &'static str, args: &ListenArgs) -> Result<Self> {
        let listen = &args.listen;
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("cannot listen on {listen}: name another address with --listen")
        })?;
        let shutdown = CancellationToken::new();
        let signals = StopSignals::listen()
            .context("cannot listen to signals")?
            .cancel(shutdown.clone(), || {});
        let behind = CancellationToken::new();
        let (health, metrics) = (Health::default(), Metrics::default());
        health.export(&metrics);
        Ok(Self {
            name,
            listener,
            health,
            metrics,
            metrics_at: args.metrics.clone(),
            tasks: TaskTracker::new(),
            shutdown,
            behind,
            signals,
        })
    }

    /// Says that it is ready once it is, serves until it is asked to stop, and ends its tasks.
    async fn serve(self, routes: Router) -> Result<()> {
        let url = format!("http://{}", self.listener.local_addr()?);
        let (health, name) = (self.health.clone(), self.name);
        self.tasks
            .spawn(self.behind.clone().run_until_cancelled_owned(async move {
                health.wait_ready().await;
                // A reader that went away is no reason to stop.
                let _ = writeln!(std::io::stdout(), "meterd {name} is ready: {url}");
            }));
        let routes = self
            .metrics_at
            .expose(
                &self.metrics,
                routes.merge(self.health.router()).merge(openapi::router()),
                &self.tasks,
                &self.behind,
            )
            .await?;
        let router = http::finish(routes, &self.metrics);
        http::serve(self.listener, router, self.shutdown).await;
        self.behind.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        drop(self.signals);
        Ok(())
    }
}
