//! The services one by one, on servers that run elsewhere.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::any;
use ingest_gateway::GatewayState;
use service_kit::auth::Keys;
use service_kit::health::{Health, HealthReporter};
use service_kit::http::{self, HttpConfig};
use service_kit::metrics::Metrics;
use service_kit::problem::Problem;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connect::{Broker, BrokerArgs, DatabaseArgs, RedisArgs, store};
use crate::dashboard;
use crate::openapi;
use crate::scrape::MetricsArgs;
use crate::signals::StopSignals;
use crate::stack::{run_quota, start_quota, watch_api_keys};

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
    http: HttpConfig,

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
    redis: RedisArgs,
    #[command(flatten)]
    config: query_api::Config,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct QuotaArgs {
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    broker: BrokerArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    redis: RedisArgs,
    #[command(flatten)]
    config: quota_service::Config,
}

pub(crate) async fn gateway(args: GatewayArgs) -> Result<ExitCode> {
    let role = Role::start("gateway", &args.listen).await?;
    let Some(broker) = role.connect(&args.broker).await? else {
        return Ok(ExitCode::SUCCESS);
    };
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
    let Some(broker) = role.connect(&args.broker).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let publisher = broker.publisher(&role.metrics, role.behind.clone()).await?;
    let store = store(&args.database.postgres_url, args.config.connections).await?;
    store.check_schema().await?;
    let (stop, behind) = (role.shutdown.clone(), role.behind.clone());
    let running = aggregator_worker::run(
        args.config,
        broker.log.clone(),
        publisher,
        store,
        &role.health,
        &role.metrics,
        behind,
    );
    let worker = role.tasks.spawn(async move {
        let ended = running.await;
        // Without its worker the process is of no use; whoever supervises it starts it again.
        stop.cancel();
        ended
    });
    role.serve(Router::new()).await?;
    worker.await.context("the worker panicked")??;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn quota(args: QuotaArgs) -> Result<ExitCode> {
    let role = Role::start("quota", &args.listen).await?;
    let Some(broker) = role.connect(&args.broker).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let publisher = broker.publisher(&role.metrics, role.behind.clone()).await?;
    let keys = Keys::default();
    keys.export(&role.metrics);
    role.tasks.spawn(watch_api_keys(
        &broker.keys,
        &keys,
        &role.health,
        &role.behind,
    ));
    let url = &args.database.postgres_url;
    let config = quota_service::Config {
        redis_url: args.redis.redis_url,
        ..args.config
    };
    let state = start_quota(&broker, &publisher, url, (config, &role.metrics)).await?;
    role.tasks
        .spawn(run_quota(state.clone(), &role.health, &role.behind));
    role.serve(quota_service::router(state, keys)).await?;
    publisher.drained().await;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn query(args: QueryArgs) -> Result<ExitCode> {
    let role = Role::start("query", &args.listen).await?;
    let Some(broker) = role.connect(&args.broker).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let publisher = broker.publisher(&role.metrics, role.behind.clone()).await?;
    let keys = Keys::default();
    role.tasks.spawn(watch_api_keys(
        &broker.keys,
        &keys,
        &role.health,
        &role.behind,
    ));
    let config = query_api::Config {
        redis_url: args.redis.redis_url,
        ..args.config
    };
    let starting = query_api::start(
        config,
        &args.database.postgres_url,
        &args.secret.secret,
        broker.for_queries(&publisher, &keys),
        &role.metrics,
        role.shutdown.clone(),
    );
    let state = Box::pin(starting).await?;
    let behind = role.behind.clone();
    role.tasks
        .spawn(query_api::run(state.clone(), &role.health, behind));
    let routes = query_api::router(state).merge(dashboard::router());
    role.serve(routes).await?;
    publisher.drained().await;
    Ok(ExitCode::SUCCESS)
}

/// What all roles do the same way.
struct Role {
    name: &'static str,
    listener: TcpListener,
    http: HttpConfig,
    health: Health,
    /// Ready once all other parts are known: until then nobody may take those for all there are.
    start: HealthReporter,
    /// Until it is cancelled, every request is answered that the role is starting.
    starting: CancellationToken,
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
        let (listener, same) = twice(listener).context("cannot share the listener")?;
        let (health, metrics) = (Health::default(), args.metrics.metrics(name)?);
        health.export(&metrics);
        let start = health.part("start");
        let starting = shutdown.child_token();
        let unavailable = Router::new()
            .route("/", any(is_starting))
            .route("/{*path}", any(is_starting))
            .merge(health.router());
        let unavailable = http::finish(unavailable, &metrics);
        let tasks = TaskTracker::new();
        let (http, until) = (args.http.clone(), starting.clone());
        tasks.spawn(async move { http::serve(same, unavailable, &http, until).await });
        Ok(Self {
            name,
            listener,
            http: args.http.clone(),
            health,
            start,
            starting,
            metrics,
            metrics_at: args.metrics.clone(),
            tasks,
            shutdown,
            behind,
            signals,
        })
    }

    /// The broker, for as long as it takes. `None`: the role was asked to stop first.
    async fn connect(&self, args: &BrokerArgs) -> Result<Option<Broker>> {
        let connecting = Broker::connect_patiently(args, &self.metrics, &self.start);
        let connected = self.shutdown.run_until_cancelled(connecting).await;
        connected.transpose()
    }

    /// Says that it is ready once it is, serves until it is asked to stop, and ends its tasks.
    async fn serve(self, routes: Router) -> Result<()> {
        let url = format!("http://{}", self.listener.local_addr()?);
        let (health, name) = (self.health.clone(), self.name);
        let routes = routes.merge(self.health.router()).merge(openapi::router());
        let ending = (&self.tasks, &self.behind);
        let exposed = self
            .metrics_at
            .expose(&self.metrics, routes, &self.http, ending);
        let router = http::finish(exposed.await?, &self.metrics);
        self.starting.cancel();
        self.start.ready();
        self.tasks
            .spawn(self.behind.clone().run_until_cancelled_owned(async move {
                health.wait_ready().await;
                // A reader that went away is no reason to stop.
                let _ = writeln!(std::io::stdout(), "meterd {name} is ready: {url}");
            }));
        http::serve(self.listener, router, &self.http, self.shutdown).await;
        self.behind.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.metrics.spans.flush();
        drop(self.signals);
        Ok(())
    }
}

/// Two handles of one socket.
fn twice(listener: TcpListener) -> std::io::Result<(TcpListener, TcpListener)> {
    let listener = listener.into_std()?;
    let same = listener.try_clone()?;
    Ok((
        TcpListener::from_std(listener)?,
        TcpListener::from_std(same)?,
    ))
}

/// Nothing can be said of any key or event yet.
async fn is_starting() -> Problem {
    Problem::unavailable(
        "unavailable",
        "meterd is starting; /readyz tells what it waits for",
    )
}
