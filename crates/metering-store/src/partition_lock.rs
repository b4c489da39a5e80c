//! Who reads which partition: session advisory locks, for efficiency only. What makes two readers
//! of one partition harmless is the compare-and-set of its position.

use sqlx::{Connection as _, PgConnection, PgPool};

/// What partitions are read for. Each purpose has its own readers and its own locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The worker's projection.
    Usage,
    /// The books of the quotas.
    Quota,
}

impl Purpose {
    /// Namespace in which every live reader holds a lock on a number of its own ("mtrW", "mtrR").
    fn readers(self) -> i32 {
        match self {
            Self::Usage => 0x6d74_7257,
            Self::Quota => 0x6d74_7252,
        }
    }

    /// Namespace of the locks on partitions ("mtrP", "mtrQ").
    fn partitions(self) -> i32 {
        match self {
            Self::Usage => 0x6d74_7250,
            Self::Quota => 0x6d74_7251,
        }
    }
}

/// A session of its own whose end, however it comes, gives up all its partitions.
#[derive(Debug)]
pub struct LockSession {
    conn: PgConnection,
    purpose: Purpose,
}

impl LockSession {
    /// Opens the session of the reader `reader`, a random number.
    ///
    /// The server ends it when nothing is heard of it for 5 s: a suspended reader keeps nothing.
    pub async fn open(pool: &PgPool, purpose: Purpose, reader: i32) -> Result<Self, sqlx::Error> {
        let options = pool.connect_options().as_ref().clone();
        let options = options.options([("idle_session_timeout", "5s")]);
        let mut conn = PgConnection::connect_with(&options).await?;
        sqlx::query!("select pg_advisory_lock($1, $2)", purpose.readers(), reader)
            .execute(&mut conn)
            .await?;
        Ok(Self { conn, purpose })
    }

    /// Readers with an open session, this one included. Also shows that the session is alive.
    pub async fn count_readers(&mut self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar!(
            r#"select count(*) as "count!" from pg_locks where locktype = 'advisory' and granted
             and classid::bigint = $1
             and database = (select oid from pg_database where datname = current_database())"#,
            i64::from(self.purpose.readers())
        )
        .fetch_one(&mut self.conn)
        .await
    }

    /// Takes a partition if nobody has it.
    pub async fn try_lock(&mut self, partition: u16) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar!(
            r#"select pg_try_advisory_lock($1, $2) as "locked!""#,
            self.purpose.partitions(),
            i32::from(partition)
        )
        .fetch_one(&mut self.conn)
        .await
    }

    /// Gives a partition back.
    pub async fn unlock(&mut self, partition: u16) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "select pg_advisory_unlock($1, $2)",
            self.purpose.partitions(),
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
