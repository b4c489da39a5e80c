//! `quota`: what is enforced, for readers; what decides is the log.

use chrono::{DateTime, NaiveDate, Utc};
use metering_core::quota::{ANY, Enforcement, Quota, QuotaChange};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::signed;

pub async fn apply(
    conn: &mut PgConnection,
    partition: u16,
    change: &QuotaChange,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    match change {
        QuotaChange::InEffect {
            quota_id,
            version,
            generation,
            quota,
        } => {
            upsert(
                conn,
                partition,
                (*quota_id, *version, *generation),
                quota,
                now,
            )
            .await
        }
        QuotaChange::Deleted { quota_id } => delete(conn, partition, *quota_id).await,
    }
}

async fn upsert(
    conn: &mut PgConnection,
    partition: u16,
    (id, version, generation): (Uuid, u64, u64),
    quota: &Quota,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let enforcement = match quota.enforcement {
        Enforcement::Hard => "hard",
        Enforcement::Soft => "soft",
        Enforcement::Shadow => "shadow",
    };
    let anchor: Option<NaiveDate> = quota.calendar.anchor;
    sqlx::query!(
        "insert into quota (partition, id, version, generation, tenant_id, feature, resource, name,
             quota_limit, period, timezone, anchor, enforcement, alert_threshold, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict (partition, id) do update
         set version = excluded.version, generation = excluded.generation, name = excluded.name,
             quota_limit = excluded.quota_limit, timezone = excluded.timezone,
             anchor = excluded.anchor, enforcement = excluded.enforcement,
             alert_threshold = excluded.alert_threshold, updated_at = excluded.updated_at",
        signed::partition(partition),
        id,
        version.cast_signed(),
        generation.cast_signed(),
        quota.tenant_id,
        quota.feature,
        quota.resource,
        quota.name,
        quota.limit,
        quota.calendar.period.as_str(),
        quota.calendar.zone.name(),
        anchor,
        enforcement,
        quota.alert_threshold.map(i16::from),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn delete(conn: &mut PgConnection, partition: u16, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from quota where partition = $1 and id = $2",
        signed::partition(partition),
        id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A quota as it is in effect, in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaRow {
    pub id: Uuid,
    pub generation: i64,
    pub tenant_id: String,
    pub feature: String,
    pub resource: Option<String>,
    pub name: String,
    pub limit: i64,
    pub period: String,
    pub timezone: String,
    pub anchor: Option<NaiveDate>,
    pub enforcement: String,
    pub alert_threshold: Option<i16>,
}

/// The quotas of a tenant, and those of every tenant in each of their partitions.
pub async fn list_of_tenant(
    conn: &mut PgConnection,
    tenant_id: &str,
) -> Result<Vec<QuotaRow>, sqlx::Error> {
    sqlx::query_as!(
        QuotaRow,
        r#"select id, generation, tenant_id as "tenant_id!", feature as "feature!", resource, name,
             quota_limit as "limit", period, timezone, anchor, enforcement, alert_threshold
         from quota where tenant_id = $1 or tenant_id = $2 order by feature, period, id"#,
        tenant_id,
        ANY
    )
    .fetch_all(conn)
    .await
}
