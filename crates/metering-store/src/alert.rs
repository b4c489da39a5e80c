//! `alert`: thresholds that were crossed, recorded once, delivered at least once.

use chrono::{DateTime, Utc};
use metering_core::quota;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub id: Uuid,
    /// `threshold_reached` or `threshold_recovered`.
    pub kind: String,
    pub quota_id: Uuid,
    pub tenant_id: String,
    pub feature: String,
    pub window_start: DateTime<Utc>,
    pub window_end: Option<DateTime<Utc>>,
    pub limit: i64,
    /// Percent of the limit.
    pub threshold: i16,
    /// As a decimal integer.
    pub used: String,
    /// Log time.
    pub raised_at: DateTime<Utc>,
    pub delivered_at: Option<DateTime<Utc>>,
    /// Attempts to deliver it.
    pub attempts: i32,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// Records an alert; one that is known stays as it is.
pub async fn insert(
    conn: &mut PgConnection,
    alert: &quota::Alert,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let instant = |us| DateTime::from_timestamp_micros(us).unwrap_or_default();
    let used = alert.used.to_string();
    sqlx::query!(
        "insert into alert (id, kind, quota_id, tenant_id, feature, window_start, window_end,
             quota_limit, threshold, used, raised_at, next_attempt_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::numeric, $11, $12)
         on conflict (id) do nothing",
        alert.id,
        alert.kind.as_str(),
        alert.quota_id,
        &*alert.tenant_id,
        &*alert.feature,
        instant(alert.window.start_us),
        alert.window.end_us.map(instant),
        alert.limit,
        i16::from(alert.threshold),
        used,
        instant(alert.at_us),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The newest alerts, of one tenant if there is one, raised before `before`.
pub async fn list(
    conn: &mut PgConnection,
    tenant_id: Option<&str>,
    limit: i64,
) -> Result<Vec<Alert>, sqlx::Error> {
    sqlx::query_as!(
        Alert,
        r#"select id, kind, quota_id, tenant_id, feature, window_start, window_end,
             quota_limit as "limit", threshold, used::text as "used!", raised_at, delivered_at,
             attempts, last_error
         from alert where $1::text is null or tenant_id = $1
         order by raised_at desc, id limit $2"#,
        tenant_id,
        limit
    )
    .fetch_all(conn)
    .await
}

/// Takes alerts raised after `since` that are due, for as long as the lease lasts: nobody else gets
/// them meanwhile.
pub async fn lease(
    conn: &mut PgConnection,
    limit: u8,
    since: DateTime<Utc>,
    (now, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<Alert>, sqlx::Error> {
    sqlx::query_as!(
        Alert,
        r#"update alert set next_attempt_at = $4, attempts = attempts + 1
         where id in (select id from alert
             where delivered_at is null and next_attempt_at <= $3 and raised_at > $2
             order by next_attempt_at limit $1 for update skip locked)
         returning id, kind, quota_id, tenant_id, feature, window_start, window_end,
             quota_limit as "limit", threshold, used::text as "used!", raised_at, delivered_at,
             attempts, last_error"#,
        i64::from(limit),
        since,
        now,
        until
    )
    .fetch_all(conn)
    .await
}

pub async fn set_delivered(
    conn: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update alert set delivered_at = $2, last_error = null
         where id = $1 and delivered_at is null",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks the oldest alerts that nobody has announced, without those that somebody else has locked.
pub async fn lock_unannounced(
    conn: &mut PgConnection,
    limit: u8,
) -> Result<Vec<Alert>, sqlx::Error> {
    sqlx::query_as!(
        Alert,
        r#"select id, kind, quota_id, tenant_id, feature, window_start, window_end,
             quota_limit as "limit", threshold, used::text as "used!", raised_at, delivered_at,
             attempts, last_error
         from alert where announced_at is null
         order by raised_at limit $1 for update skip locked"#,
        i64::from(limit)
    )
    .fetch_all(conn)
    .await
}

pub async fn set_announced(
    conn: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!("update alert set announced_at = $2 where id = $1", id, now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes the alerts raised before `before`.
pub async fn delete_before(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from alert where raised_at < $1", before)
        .execute(conn)
        .await?;
    Ok(())
}

/// It is tried again at `next`, unless somebody else has delivered it meanwhile.
pub async fn set_failed(
    conn: &mut PgConnection,
    id: Uuid,
    error: &str,
    next: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update alert set last_error = $2, next_attempt_at = $3
         where id = $1 and delivered_at is null",
        id,
        error,
        next
    )
    .execute(conn)
    .await?;
    Ok(())
}
