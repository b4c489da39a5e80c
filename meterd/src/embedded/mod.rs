//! The three servers meterd brings along, so that it runs where nothing is installed: a NATS
//! broker, a Postgres and a Valkey as supervised child processes, their data under one directory.
//!
//! Each can be replaced by a real one with its URL; what is left is started. They listen on
//! 127.0.0.1 only, on ports that are picked anew at every start, and ask for passwords that were
//! generated for this data directory.

mod account;
pub(crate) mod binaries;
pub(crate) mod datadir;
mod nats;
pub(crate) mod orphans;
mod passwords;
mod postgres;
pub(crate) mod process;
pub(crate) mod roster;
mod supervisor;
mod valkey;

use std::sync::Arc;

use anyhow::Result;

use self::binaries::{Binary, BinaryArgs};
use self::datadir::DataDir;
use self::nats::Nats;
use self::passwords::Passwords;
use self::postgres::{Cluster, Durability};
use self::roster::{Kind, Roster};
use self::supervisor::Supervised;
use self::valkey::Valkey;

pub(crate) use self::account::Account;
pub(crate) use self::passwords::random_hex;
pub(crate) use self::supervisor::{open_log, tail};

/// Servers that run elsewhere and are used instead of the embedded ones.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Servers to use instead of the embedded ones")]
pub(crate) struct ExternalServers {
    /// NATS broker with JetStream
    #[arg(
        long = "nats-url",
        env = "METERD_NATS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    nats: Option<String>,

    /// The monitoring address of that broker, which tells whether it syncs every write
    #[arg(
        long = "nats-monitor-url",
        env = "METERD_NATS_MONITOR_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    nats_monitor: Option<String>,

    /// Postgres database
    #[arg(
        long = "postgres-url",
        env = "METERD_POSTGRES_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    postgres: Option<String>,

    /// Redis or Valkey
    #[arg(
        long = "redis-url",
        env = "METERD_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    redis: Option<String>,
}

/// Where the servers are, embedded or not.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    pub(crate) nats: String,
    pub(crate) nats_monitor: Option<String>,
    pub(crate) postgres: String,
    pub(crate) redis: String,
}

/// Who will use the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An installation: the application's own role, data that survives.
    Installation,
    /// A test run: the superuser, who can create a database for each test, and a directory that
    /// is deleted afterwards.
    Tests,
}

/// The running servers.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) urls: Urls,
    /// The programs of those that were started here.
    pub(crate) programs: Vec<Binary>,
    roster: Arc<Roster>,
    /// In the order in which they are stopped.
    running: Vec<Supervised>,
}

impl Servers {
    /// Starts the servers that are not external ones and waits until they answer. The caller
    /// holds the directory's lock. If one fails, or the future is dropped, none is left running.
    pub(crate) async fn start(
        dir: &DataDir,
        roster: Arc<Roster>,
        external: &ExternalServers,
        binaries: &BinaryArgs,
        purpose: Purpose,
    ) -> Result<Self> {
        let start = Start {
            dir,
            roster: roster.clone(),
            binaries,
            passwords: Passwords::of(dir)?,
            purpose,
        };
        let (nats, postgres, valkey) = tokio::try_join!(
            unless(external.nats.is_some(), start.nats()),
            unless(external.postgres.is_some(), start.postgres()),
            unless(external.redis.is_some(), start.valkey()),
        )?;
        // Where nothing was started there is a URL, and the other way round.
        let url = |external: &Option<String>, started: &Option<Started>| {
            let started = started.as_ref().map(|started| started.url.clone());
            started.or_else(|| external.clone()).unwrap_or_default()
        };
        let monitor = nats.as_ref().and_then(|nats| nats.monitor_url.clone());
        let urls = Urls {
            nats: url(&external.nats, &nats),
            nats_monitor: monitor.or_else(|| external.nats_monitor.clone()),
            postgres: url(&external.postgres, &postgres),
            redis: url(&external.redis, &valkey),
        };
        let (running, programs) = [valkey, nats, postgres]
            .into_iter()
            .flatten()
            .map(|started| (started.running, started.program))
            .unzip();
        Ok(Self {
            urls,
            programs,
            roster,
            running,
        })
    }

    /// Stops the servers: the mirror, the log, the database.
    pub(crate) async fn stop(self) {
        for server in self.running {
            server.stop().await;
        }
        if let Err(error) = self.roster.withdraw() {
            tracing::warn!("{error:#}");
        }
    }
}

/// A server that was started here.
struct Started {
    running: Supervised,
    program: Binary,
    url: String,
    monitor_url: Option<String>,
}

struct Start<'a> {
    dir: &'a DataDir,
    roster: Arc<Roster>,
    binaries: &'a BinaryArgs,
    passwords: Passwords,
    purpose: Purpose,
}

impl Start<'_> {
    async fn nats(&self) -> Result<Started> {
        let program = self.binaries.find(Kind::Nats)?;
        let password = &self.passwords.nats;
        let configure = || Nats::configure(&program, self.dir, password);
        let (running, nats) = Supervised::start(self.roster.clone(), configure).await?;
        Ok(Started {
            running,
            program,
            url: nats.url(password),
            monitor_url: Some(nats.monitor_url()),
        })
    }

    async fn postgres(&self) -> Result<Started> {
        let program = self.binaries.find(Kind::Postgres)?;
        let durability = match self.purpose {
            Purpose::Installation => Durability::Kept,
            Purpose::Tests => Durability::Disposable,
        };
        let cluster = Cluster::prepare(program, self.dir, &self.passwords, durability).await?;
        let configure = || cluster.configure();
        let (running, postgres) = Supervised::start(self.roster.clone(), configure).await?;
        let url = match self.purpose {
            Purpose::Installation => {
                postgres.create_database().await?;
                postgres.url()
            }
            Purpose::Tests => postgres.superuser_url(),
        };
        Ok(Started {
            running,
            program: cluster.into_binary(),
            url,
            monitor_url: None,
        })
    }

    async fn valkey(&self) -> Result<Started> {
        let program = self.binaries.find(Kind::Valkey)?;
        let configure = || Valkey::configure(&program, self.dir, &self.passwords.valkey);
        let (running, valkey) = Supervised::start(self.roster.clone(), configure).await?;
        Ok(Started {
            running,
            program,
            url: valkey.url(),
            monitor_url: None,
        })
    }
}

async fn unless(
    external: bool,
    start: impl Future<Output = Result<Started>>,
) -> Result<Option<Started>> {
    if external {
        Ok(None)
    } else {
        start.await.map(Some)
    }
}
