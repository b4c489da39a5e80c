//! The pool, and the version of the schema it finds.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::sqlstate;

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");
/// Makes the role that [`Readers`](crate::Readers) read with, and says what it may read.
const PREPARE_QUERY_ROLE: &str = include_str!("query_role.sql");
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// A request or a batch that gets no connection for this long is told so and tries again.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Handle to the database; clones share one pool.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

/// Why this program does not work with the schema it finds.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("the database has no meterd schema; run `meterd migrate`")]
    Missing,
    #[error(
        "the database's schema has version {found} and this meterd needs {needed}; run `meterd migrate`"
    )]
    Old { found: i64, needed: i64 },
    #[error(
        "the database's schema has version {found} and this meterd knows {needed}; run the meterd that migrated it, or a newer one"
    )]
    New { found: i64, needed: i64 },
    #[error("cannot read the schema's version")]
    Database(#[from] sqlx::Error),
}

/// Why the schema is not of this program's version.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error(
        "this database role may not make the role that queries read with; as one that may, run: CREATE ROLE meterd_query NOLOGIN; GRANT meterd_query TO the role of METERD_POSTGRES_URL WITH INHERIT FALSE, SET TRUE"
    )]
    MayNotMakeRoles(#[source] sqlx::Error),
    #[error("the role that queries read with is not prepared")]
    Database(#[source] sqlx::Error),
}

impl Store {
    /// Connects with at most `max_connections` connections.
    ///
    /// A session that stops within a transaction for 10 s loses it: a worker that is suspended must
    /// not hold a partition's position for ever.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self, sqlx::Error> {
        let pool = connect(url.parse()?, max_connections).await?;
        Ok(Self { pool })
    }

    /// The same, and no statement runs for longer than `timeout` (SQLSTATE 57014): for whoever has a
    /// client that waits.
    pub async fn connect_with_timeout(
        url: &str,
        max_connections: u32,
        timeout: Duration,
    ) -> Result<Self, sqlx::Error> {
        let options = url.parse::<PgConnectOptions>()?;
        let options = options.options([("statement_timeout", timeout.as_millis().to_string())]);
        let pool = connect(options, max_connections).await?;
        Ok(Self { pool })
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Brings the schema to this program's version. Several programs may do so at once.
    pub async fn migrate(&self) -> Result<(), PrepareError> {
        MIGRATOR.run(&self.pool).await?;
        let prepared = sqlx::raw_sql(PREPARE_QUERY_ROLE).execute(&self.pool).await;
        prepared.map_err(|error| match sqlstate(&error).as_deref() {
            Some(INSUFFICIENT_PRIVILEGE) => PrepareError::MayNotMakeRoles(error),
            _ => PrepareError::Database(error),
        })?;
        Ok(())
    }

    /// Refuses a schema of another version with a sentence that says what to do.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        let needed = MIGRATOR.iter().map(|m| m.version).max().unwrap_or(0);
        let exists: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
            .fetch_one(&self.pool)
            .await?;
        if !exists {
            return Err(SchemaError::Missing);
        }
        // The table belongs to the migrator and does not exist where queries are checked.
        let found: Option<i64> =
            sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
                .fetch_one(&self.pool)
                .await?;
        match found {
            None => Err(SchemaError::Missing),
            Some(found) if found < needed => Err(SchemaError::Old { found, needed }),
            Some(found) if found > needed => Err(SchemaError::New { found, needed }),
            Some(_) => Ok(()),
        }
    }
}

pub(crate) async fn connect(
    options: PgConnectOptions,
    max_connections: u32,
) -> Result<PgPool, sqlx::Error> {
    let options = options.options([
        ("idle_in_transaction_session_timeout", "10s"),
        ("timezone", "UTC"),
        // Statements here are short: compiling one costs more than it saves.
        ("jit", "off"),
    ]);
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
}
