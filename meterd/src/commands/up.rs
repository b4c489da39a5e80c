//! `meterd up`: the whole system on this machine.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::admin_key;
use crate::demo;
use crate::embedded::binaries::BinaryArgs;
use crate::embedded::datadir::{DataDir, DataDirArgs};
use crate::embedded::roster::{Ready, Roster};
use crate::embedded::{ExternalServers, Purpose, Servers, open_log, orphans, random_hex, tail};
use crate::scrape::MetricsArgs;
use crate::signals::StopSignals;
use crate::stack::{self, ServiceConfigs, StackConfig};

pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:8686";
/// How long requests in flight may take once meterd was asked to stop.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct UpArgs {
    /// Address and port of the API and the dashboard
    #[arg(
        long,
        env = "METERD_LISTEN",
        value_name = "HOST:PORT",
        default_value = DEFAULT_LISTEN
    )]
    pub(crate) listen: String,

    #[command(flatten)]
    data_dir: DataDirArgs,

    /// Run in the background; return when it is ready
    #[arg(long, env = "METERD_DETACH")]
    detach: bool,

    /// Feed it the traffic of a made-up company, three weeks of it and whatever happens from now on
    #[arg(long, env = "METERD_DEMO")]
    demo: bool,

    /// Set by `--detach` for the process it leaves running
    #[arg(long, hide = true)]
    background: bool,

    /// Partitions of the log when it is created; later the log's own number counts
    #[arg(
        long,
        env = "METERD_PARTITIONS",
        value_name = "N",
        default_value_t = 2,
        value_parser = clap::value_parser!(u16).range(1..=256)
    )]
    partitions: u16,

    /// Key that cursors, receipts and webhooks are signed with [default: made once and kept in
    /// the data directory]
    #[arg(
        long,
        env = "METERD_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    secret: Option<String>,

    #[command(flatten)]
    external: ExternalServers,

    #[command(flatten)]
    binaries: BinaryArgs,

    #[command(flatten)]
    services: ServiceConfigs,

    #[command(flatten)]
    metrics: MetricsArgs,
}

pub(crate) async fn run(args: UpArgs) -> Result<ExitCode> {
    let (dir, note) = args.data_dir.locate()?;
    if args.detach && !args.background {
        return detach(&dir);
    }
    if args.background {
        nix::unistd::setsid().context("cannot leave the terminal")?;
    }
    if let Some(note) = note {
        tracing::info!("{note}");
    }
    dir.create()?;
    let lock = dir.lock()?;
    let listener = bind(&args.listen).await?;

    let roster = Arc::new(Roster::new(dir.clone()));
    let shutdown = CancellationToken::new();
    let last_rites = {
        let roster = roster.clone();
        move || roster.abandon()
    };
    let signals = StopSignals::listen()
        .context("cannot listen to signals")?
        .cancel(shutdown.clone(), last_rites);

    orphans::stop(&dir).await?;
    let started = tokio::select! {
        started = Servers::start(
            &dir, roster.clone(), &args.external, &args.binaries, Purpose::Installation,
        ) => started,
        () = shutdown.cancelled() => bail!("stopped while its servers were starting"),
    };
    let servers = started?;
    let served = serve(&args, &dir, &servers, &roster, listener, shutdown).await;
    roster.withdraw()?;
    servers.stop().await;
    drop(signals);
    drop(lock);
    served?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Runs the services until they are asked to stop, or fail.
async fn serve(
    args: &UpArgs,
    dir: &DataDir,
    servers: &Servers,
    roster: &Roster,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<()> {
    let url = format!("http://{}", reachable(listener.local_addr()?));
    let secret = match &args.secret {
        Some(secret) => secret.clone(),
        None => DataDir::secret_in(&dir.secret(), random_hex)?,
    };
    let urls = &servers.urls;
    let admin_key = DataDir::secret_in(&dir.admin_key(), admin_key::generate)?;
    let mut services = args.services.clone();
    services.quota.redis_url = Some(urls.redis.clone());
    services.query.redis_url = Some(urls.redis.clone());
    let config = StackConfig {
        nats_url: urls.nats.clone(),
        nats_monitor_url: urls.nats_monitor.clone(),
        postgres_url: urls.postgres.clone(),
        secret,
        admin_key: admin_key.clone(),
        partitions: args.partitions,
        services,
        metrics: args.metrics.clone(),
    };
    let mut announced = Ok(());
    let mut traffic = JoinSet::new();
    let drained = {
        let on_ready = |publisher| {
            if args.demo {
                let demo = demo::run(url.clone(), admin_key, publisher);
                traffic.spawn(shutdown.clone().run_until_cancelled_owned(demo));
            }
            announced = roster
                .announce(Ready::new(&url, urls))
                .map(|()| greet(&url, dir));
            if announced.is_err() {
                shutdown.cancel();
            }
        };
        let mut stack = Box::pin(stack::run(config, listener, on_ready, shutdown.clone()));
        tokio::select! {
            ended = &mut stack => Ok(ended),
            () = shutdown.cancelled() => timeout(DRAIN, &mut stack).await,
        }
    };
    if let Ok(ended) = drained {
        ended?;
    } else {
        tracing::warn!("requests still run after {} s, ended", DRAIN.as_secs());
    }
    announced
}

/// The one line of standard output, and a few for whoever reads along.
fn greet(url: &str, dir: &DataDir) {
    let key = dir.admin_key();
    let (key, data) = (key.display(), dir.root().display());
    // Written whole before the commentary. A reader that went away is no reason to stop.
    let _ = writeln!(std::io::stdout(), "meterd is ready: {url}");
    eprintln!(
        "  admin key  {key}
  data       {data}
  try        curl -H \"Authorization: Bearer $(cat '{key}')\" {url}/v1/meter/aggregates
  stop       Ctrl-C, or meterd down --data-dir '{data}'"
    );
}

async fn bind(listen: &str) -> Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| {
        if error.kind() == ErrorKind::AddrInUse {
            anyhow!("{listen} is taken by another program: name another address with --listen")
        } else {
            anyhow!(error).context(format!(
                "cannot listen on {listen}: name another address with --listen"
            ))
        }
    })
}

/// The address a client on this machine uses: nobody can connect to 0.0.0.0 everywhere.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Starts this command again in the background and waits for its word that it is ready.
fn detach(dir: &DataDir) -> Result<ExitCode> {
    dir.create()?;
    let log_path = dir.logs().join("meterd.log");
    let log = open_log(&log_path)
        .with_context(|| format!("cannot open the log {}", log_path.display()))?;
    let program = std::env::current_exe().context("cannot tell which program this is")?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg("--background")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("cannot start meterd in the background")?;
    let mut first_line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut first_line)?;
    }
    if first_line.is_empty() {
        let ended = child.wait()?;
        bail!(
            "meterd did not start ({ended}); its log {} ends with:\n{}",
            log_path.display(),
            tail(&log_path)
        );
    }
    print!("{first_line}");
    eprintln!(
        "  admin key  {key}
  log        {log}
  stop       meterd down --data-dir '{data}'",
        key = dir.admin_key().display(),
        log = log_path.display(),
        data = dir.root().display(),
    );
    Ok(ExitCode::SUCCESS)
}
