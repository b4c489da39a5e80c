//! Connections that see what whoever asks may see: the second line between tenants.
//!
//! They read as the role [`QUERY_ROLE`], to which policies show the rows of one tenant only, so that
//! a question that forgets its tenant is answered from no other one's rows.

use std::time::Duration;

use metering_core::event::is_identifier;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool};

use crate::store::connect;

/// Owns nothing, logs in as nobody; whoever reads becomes it.
pub const QUERY_ROLE: &str = "meterd_query";

/// Whose rows are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight<'a> {
    Tenant(&'a str),
    AllTenants,
}

/// A pool of connections that read; clones share it.
#[derive(Debug, Clone)]
pub struct Readers {
    pool: PgPool,
}

impl Readers {
    /// Connects with at most `max_connections`. No statement runs for longer than `timeout` (SQLSTATE
    /// 57014), and each is planned for its values, since a small tenant's range and everybody's year
    /// need different plans.
    pub async fn connect(
        url: &str,
        max_connections: u32,
        timeout: Duration,
    ) -> Result<Self, sqlx::Error> {
        let options = url.parse::<PgConnectOptions>()?.options([
            ("role", QUERY_ROLE.to_owned()),
            ("statement_timeout", timeout.as_millis().to_string()),
            ("plan_cache_mode", "force_custom_plan".to_owned()),
        ]);
        let pool = connect(options, max_connections).await?;
        Ok(Self { pool })
    }

    /// A connection that sees the rows of `sight`, whatever it saw before.
    pub async fn acquire(&self, sight: Sight<'_>) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let mut conn = self.pool.acquire().await?;
        let tenant = match sight {
            Sight::AllTenants => "*",
            // What is no tenant's id has no rows, and must not mean all tenants.
            Sight::Tenant(id) if is_identifier(id) => id,
            Sight::Tenant(_) => "",
        };
        sqlx::query!("select set_config('meterd.tenant', $1, false)", tenant)
            .fetch_one(&mut *conn)
            .await?;
        Ok(conn)
    }

    /// Connections there are, and how many of them are idle.
    pub fn size(&self) -> (usize, usize) {
        (self.pool.size() as usize, self.pool.num_idle())
    }
}
