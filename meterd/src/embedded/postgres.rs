//! The embedded database.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use metering_store::QUERY_ROLE;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::time::timeout;

use super::account::Account;
use super::binaries::Binary;
use super::datadir::{DataDir, remove_if_there, set_mode, sync_directory_of};
use super::passwords::Passwords;
use super::roster::Kind;
use super::supervisor::{Server, free_port, isolate};

/// Owns the cluster; nobody connects as it but this file and the tests of `meterd servers`.
const SUPERUSER: &str = "postgres";
/// The application's role and database. It is no superuser: one would bypass row-level security.
const ROLE: &str = "meterd";
const DATABASE: &str = "meterd";
/// What a cluster is called until it is complete.
const HALF_MADE: &str = "new-";
/// What the user adds to the settings, beside the file that is written at every start.
const LOCAL_SETTINGS: &str = "postgres.local.conf";
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// `invalid_password`: asking again changes nothing.
const WRONG_PASSWORD: &str = "28P01";

/// A cluster whose files are in place.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    binary: Binary,
    dir: DataDir,
    account: Option<Account>,
    passwords: Passwords,
}

impl Cluster {
    /// Finds the cluster in the data directory, or makes one.
    pub(crate) async fn prepare(
        binary: Binary,
        dir: &DataDir,
        passwords: &Passwords,
        durability: Durability,
    ) -> Result<Self> {
        let account = Account::for_postgres(&dir.postgres())?;
        let binary = match account {
            Some(account) => binary.runnable_by(account, dir)?,
            None => binary,
        };
        let cluster = Self {
            binary,
            dir: dir.clone(),
            account,
            passwords: passwords.clone(),
        };
        match fs::read_to_string(dir.postgres().join("PG_VERSION")) {
            Ok(major) => cluster.check_major(major.trim())?,
            Err(_) => cluster.initdb(durability).await?,
        }
        Ok(cluster)
    }

    /// The programs that serve it; perhaps a copy, which Postgres' account can run.
    pub(crate) fn into_binary(self) -> Binary {
        self.binary
    }

    fn check_major(&self, major: &str) -> Result<()> {
        let ours = self.binary.version.major.to_string();
        let data = self.dir.postgres();
        ensure!(
            major == ours,
            "{data} was written by Postgres {major}, and {program} is version {ours}, which cannot \
             read it. Run meterd once with the old programs \
             (METERD_POSTGRES_BIN_DIR=<directory of Postgres {major}>), dump it there with \
             `pg_dump --format=custom --file=meterd.dump <postgres_url of ready.json>`, run `meterd \
             down`, move {data} away, run meterd with the new programs and load the dump with \
             `pg_restore --clean --if-exists --dbname=<postgres_url of ready.json> meterd.dump`",
            data = data.display(),
            program = self.binary.program.display(),
        );
        Ok(())
    }

    /// Makes a new cluster. It appears under its name only when it is complete, so an interrupted
    /// attempt leaves nothing that the next one would take for data.
    async fn initdb(&self, durability: Durability) -> Result<()> {
        let data = self.dir.postgres();
        self.remove_half_made();
        // A name of its own: the initdb of a killed meterd may still write into the last one's.
        let half = data.with_extension(format!("{HALF_MADE}{}", std::process::id()));
        let pwfile = self.dir.root().join("postgres.password.new");
        fs::create_dir(&half).with_context(|| format!("cannot make {}", half.display()))?;
        set_mode(&half, 0o700)?;
        remove_if_there(&pwfile)?;
        OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&pwfile)
            .and_then(|mut file| file.write_all(self.passwords.postgres_superuser.as_bytes()))
            .with_context(|| format!("cannot write {}", pwfile.display()))?;
        if let Some(account) = self.account {
            account.give(&half)?;
            account.give(&pwfile)?;
        }
        let made = self.run_initdb(&half, &pwfile, durability).await;
        remove_if_there(&pwfile)?;
        made?;
        fs::rename(&half, &data)
            .and_then(|()| sync_directory_of(&data))
            .with_context(|| {
                format!(
                    "{} is in the way: it is not a Postgres data directory",
                    data.display()
                )
            })
    }

    /// Deletes what interrupted attempts left. Not being able to costs some disk, no more.
    fn remove_half_made(&self) {
        let prefix = format!("postgres.{HALF_MADE}");
        for entry in fs::read_dir(self.dir.root())
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(&prefix)
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::warn!("cannot delete {}: {error}", entry.path().display());
            }
        }
    }

    async fn run_initdb(&self, data: &Path, pwfile: &Path, durability: Durability) -> Result<()> {
        let mut command = Command::new(self.binary.sibling("initdb")?);
        command
            .arg("--pgdata")
            .arg(data)
            .arg("--pwfile")
            .arg(pwfile)
            .args(["--username", SUPERUSER, "--auth", "scram-sha-256"])
            .args(["--encoding", "UTF8", "--locale", "C"])
            .arg("--no-instructions")
            .current_dir(data);
        if durability == Durability::Disposable {
            command.arg("--no-sync");
        }
        self.as_account(&mut command);
        let output = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot run initdb")?;
        if !output.status.success() {
            bail!(
                "initdb failed ({}): {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    fn as_account(&self, command: &mut Command) {
        isolate(command);
        if let Some(account) = self.account {
            account.apply(command);
        }
    }

    /// Picks a port and writes the configuration for it.
    pub(crate) fn configure(&self) -> Result<Postgres> {
        let port = free_port()?;
        // Outside the cluster, which belongs to another account: root writes nothing there.
        let config = self.dir.root().join("postgres.conf");
        let mut text = settings(port);
        if self.dir.root().join(LOCAL_SETTINGS).exists() {
            text = format!("{text}\ninclude '{LOCAL_SETTINGS}'\n");
        }
        fs::write(&config, text)
            .and_then(|()| set_mode(&config, 0o644))
            .with_context(|| format!("cannot write {}", config.display()))?;
        Ok(Postgres {
            cluster: self.clone(),
            config,
            log: self.dir.logs().join("postgres.log"),
            port,
        })
    }
}

/// Whether a cluster has to outlive the machine's next crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Kept,
    /// Deleted at the end: syncing a thousand fresh files would only cost time.
    Disposable,
}

/// A cluster with a port to serve it on.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    cluster: Cluster,
    config: PathBuf,
    log: PathBuf,
    port: u16,
}

impl Postgres {
    /// The application's own role and database.
    pub(crate) fn url(&self) -> String {
        let password = &self.cluster.passwords.postgres;
        format!(
            "postgres://{ROLE}:{password}@127.0.0.1:{}/{DATABASE}",
            self.port
        )
    }

    /// The role that may create databases.
    pub(crate) fn superuser_url(&self) -> String {
        let password = &self.cluster.passwords.postgres_superuser;
        format!(
            "postgres://{SUPERUSER}:{password}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// Creates the application's roles and database where they are missing.
    pub(crate) async fn create_database(&self) -> Result<()> {
        let create = async {
            let mut connection = self.connect().await?;
            let role = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
            if !exists(&mut connection, role, ROLE).await? {
                // Utility statements take no parameters; the password is hexadecimal.
                let password = &self.cluster.passwords.postgres;
                let sql = format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'");
                connection.execute(AssertSqlSafe(sql)).await?;
            }
            if !exists(&mut connection, role, QUERY_ROLE).await? {
                let sql = format!("CREATE ROLE {QUERY_ROLE} NOLOGIN");
                connection.execute(AssertSqlSafe(sql)).await?;
            }
            let member = "SELECT pg_has_role($1, 'meterd_query', 'SET')";
            if !exists(&mut connection, member, ROLE).await? {
                let sql = format!("GRANT {QUERY_ROLE} TO {ROLE} WITH INHERIT FALSE, SET TRUE");
                connection.execute(AssertSqlSafe(sql)).await?;
            }
            let database = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
            if !exists(&mut connection, database, DATABASE).await? {
                let sql = format!("CREATE DATABASE {DATABASE} OWNER {ROLE}");
                connection.execute(AssertSqlSafe(sql)).await?;
            }
            connection.close().await
        };
        create.await.context("cannot create the meterd database")
    }

    async fn connect(&self) -> sqlx::Result<PgConnection> {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(SUPERUSER)
            .password(&self.cluster.passwords.postgres_superuser)
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
            .connect()
            .await
    }
}

async fn exists(
    connection: &mut PgConnection,
    sql: &'static str,
    name: &'static str,
) -> sqlx::Result<bool> {
    sqlx::query_scalar(sql)
        .bind(name)
        .fetch_one(connection)
        .await
}

impl Server for Postgres {
    const KIND: Kind = Kind::Postgres;

    fn command(&self) -> Command {
        let mut config_file = OsString::from("config_file=");
        config_file.push(&self.config);
        let mut command = Command::new(&self.cluster.binary.program);
        command
            .arg("-D")
            .arg(self.cluster.dir.postgres())
            .arg("-c")
            .arg(config_file)
            .current_dir(self.cluster.dir.root());
        if let Some(account) = self.cluster.account {
            account.apply(&mut command);
        }
        command
    }

    fn log(&self) -> &Path {
        &self.log
    }

    async fn is_ready(&self) -> Result<bool> {
        let Ok(connected) = timeout(PROBE_TIMEOUT, self.connect()).await else {
            return Ok(false);
        };
        match connected {
            Ok(connection) => Ok(connection.close().await.is_ok()),
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some(WRONG_PASSWORD) =>
            {
                bail!(
                    "the password in {} is not the one {} was made with: restore that file",
                    self.cluster.dir.passwords().display(),
                    self.cluster.dir.postgres().display()
                )
            }
            Err(_) => Ok(false),
        }
    }
}

/// What does not depend on where the cluster is.
const SETTINGS: &str = include_str!("postgres.conf");

/// The whole of postgresql.conf.
fn settings(port: u16) -> String {
    format!(
        r"# Written by meterd at every start: changes are lost. Put yours into {LOCAL_SETTINGS}
# beside this file, which is read last.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''

{SETTINGS}"
    )
}
