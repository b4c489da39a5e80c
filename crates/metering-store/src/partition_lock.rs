//! Who reads which partition: session advisory locks, for efficiency only. What makes two readers
//! of one partition harmless is the compare-and-set of its position.

use sqlx::{Connection as _, PgConnection, PgPool};

/// Namespace of the locks on partitions ("mtrP").
const PARTITIONS: i32 = 0x6d74_7250;
/// Namespace in which every live worker holds a lock on a number of its own ("mtrW").
const WORKERS: i32 = 0x6d74_7257;

/// A session of its own whose end, however it comes, gives up all its partitions.
#[derive(Debug)]
pub struct LockSession {
    conn: PgConnection,
}

impl LockSession {
    /// Opens the session of the worker `worker`, a random number.
    ///
    /// The server ends it when nothing is heard of it for 5 s: a suspended worker keeps nothing.
    pub async fn open(pool: &PgPool, worker: i32) -> Result<Self, sqlx::Error> {
        let options = pool.connect_options().as_ref().clone();
        let options = options.options([("idle_session_timeout", "5s")]);
        let mut conn = PgConnection::connect_with(&options).await?;
        sqlx::query!("select pg_advisory_lock($1, $2)", WORKERS, worker)
            .execute(&mut conn)
            .await?;
        Ok(Self { conn })
    }

    /// Workers with an open session, this one included. Also shows that the session is alive.
    pub async fn count_workers(&mut self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar!(
            r#"select count(*) as "count!" from pg_locks where locktype = 'advisory' and granted
             and classid::bigint = $1
             and database = (select oid from pg_database where datname = current_database())"#,
            i64::from(WORKERS)
        )
        .fetch_one(&mut self.conn)
        .await
    }

    /// Takes a partition if nobody has it.
    pub async fn try_lock(&mut self, partition: u16) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar!(
            r#"select pg_try_advisory_lock($1, $2) as "locked!""#,
            PARTITIONS,
            i32::from(partition)
        )
        .fetch_one(&mut self.conn)
        .await
    }

    /// Gives a partition back.
    pub async fn unlock(&mut self, partition: u16) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "select pg_advisory_unlock($1, $2)",
            PARTITIONS,
            i32::from(partition)
        )
        .fetch_one(&mut self.conn)
        .await?;
        Ok(())
    }

    /// Gives everything back and waits until the server has seen it.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        self.conn.close().await
    }
}
