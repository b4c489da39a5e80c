//! `quota_ledger`: use by quota and window, as sums that grow by deltas.

use chrono::{DateTime, Utc};
use metering_core::quota::{LedgerEntry, POOL};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::signed;

/// Adds entries, of different windows and in key order: two writers cannot deadlock.
pub async fn upsert(
    conn: &mut PgConnection,
    partition: u16,
    entries: &[LedgerEntry],
) -> Result<(), sqlx::Error> {
    let all = || entries.iter();
    let ids: Vec<Uuid> = all().map(|e| e.quota_id).collect();
    let generations: Vec<i64> = all().map(|e| e.generation.cast_signed()).collect();
    let tenants: Vec<String> = all().map(|e| e.tenant_id.to_string()).collect();
    let features: Vec<String> = all().map(|e| e.feature.to_string()).collect();
    let starts: Vec<DateTime<Utc>> = all().map(|e| instant(e.window.start_us)).collect();
    let ends: Vec<Option<DateTime<Utc>>> = all().map(|e| e.window.end_us.map(instant)).collect();
    // As texts: nothing narrower holds every sum.
    let reported: Vec<String> = all().map(|e| e.sums.reported.to_string()).collect();
    let taken: Vec<String> = all().map(|e| e.sums.taken.to_string()).collect();
    let settled: Vec<String> = all().map(|e| e.sums.settled.to_string()).collect();
    let overshoot: Vec<String> = all().map(|e| e.sums.overshoot.to_string()).collect();
    let corrected: Vec<String> = all().map(|e| e.sums.corrected.to_string()).collect();
    sqlx::query!(
        "insert into quota_ledger as l (quota_id, generation, tenant_id, feature, window_start,
             window_end, partition, reported, taken, settled, overshoot, corrected)
         select quota_id, generation, tenant_id, feature, window_start, window_end, $1,
             reported::numeric, taken::numeric, settled::numeric, overshoot::numeric,
             corrected::numeric
         from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[],
             $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])
             as t(quota_id, generation, tenant_id, feature, window_start, window_end, reported,
                 taken, settled, overshoot, corrected)
         on conflict (quota_id, generation, tenant_id, feature, window_start) do update
         set reported = l.reported + excluded.reported, taken = l.taken + excluded.taken,
             settled = l.settled + excluded.settled, overshoot = l.overshoot + excluded.overshoot,
             corrected = l.corrected + excluded.corrected",
        signed::partition(partition),
        &ids,
        &generations,
        &tenants,
        &features,
        &starts,
        &ends as &[Option<DateTime<Utc>>],
        &reported,
        &taken,
        &settled,
        &overshoot,
        &corrected
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which row; in this order they are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerKey {
    pub quota_id: Uuid,
    generation: i64,
    pub tenant_id: String,
    pub feature: String,
    pub window_start: DateTime<Utc>,
}

/// What events have reported in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    pub key: LedgerKey,
    /// The quota counts this resource only.
    pub resource: Option<String>,
    /// `None`: it never ends.
    pub window_end: Option<DateTime<Utc>>,
    pub reported: i128,
}

/// A page of the windows of quotas in force, behind `after`. Tenants whose features share a counter
/// are left out: nobody else adds up the same.
pub async fn list_in_force(
    conn: &mut PgConnection,
    partition: u16,
    after: Option<&LedgerKey>,
    limit: u8,
) -> Result<Vec<Reported>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select l.quota_id, l.generation, l.tenant_id, l.feature, q.resource, l.window_start,
             l.window_end, l.reported::text as "reported!"
         from quota_ledger l
         join quota q on q.partition = $1 and q.id = l.quota_id and q.generation = l.generation
         where l.partition = $1
             and (l.quota_id, l.generation, l.tenant_id, l.feature, l.window_start)
                 > ($2, $3, $4, $5, $6)
             and not exists (select from quota_ledger p where p.quota_id = l.quota_id
                 and p.generation = l.generation and p.tenant_id = l.tenant_id and p.feature = $7)
         order by l.quota_id, l.generation, l.tenant_id, l.feature, l.window_start limit $8"#,
        signed::partition(partition),
        after.map_or(Uuid::nil(), |key| key.quota_id),
        after.map_or(i64::MIN, |key| key.generation),
        after.map_or("", |key| &key.tenant_id),
        after.map_or("", |key| &key.feature),
        after.map_or(DateTime::UNIX_EPOCH, |key| key.window_start),
        POOL,
        i64::from(limit)
    )
    .fetch_all(conn)
    .await?;
    let windows = rows.into_iter().map(|row| {
        let reported = row.reported.parse();
        Ok(Reported {
            key: LedgerKey {
                quota_id: row.quota_id,
                generation: row.generation,
                tenant_id: row.tenant_id,
                feature: row.feature,
                window_start: row.window_start,
            },
            resource: row.resource,
            window_end: row.window_end,
            reported: reported.map_err(|error| {
                let error: std::num::ParseIntError = error;
                sqlx::Error::Decode(error.into())
            })?,
        })
    });
    windows.collect()
}

fn instant(us: i64) -> DateTime<Utc> {
    // Windows lie within the years that calendars are computed for.
    DateTime::from_timestamp_micros(us).unwrap_or_default()
}

/// What a tenant has used of a quota in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    pub quota_id: Uuid,
    pub generation: i64,
    pub feature: String,
    pub window_start: DateTime<Utc>,
    /// An integer of any size.
    pub used: String,
}

/// What a tenant has used in the windows that begin at `starts`.
pub async fn list_of_tenant(
    conn: &mut PgConnection,
    tenant_id: &str,
    starts: &[DateTime<Utc>],
) -> Result<Vec<Used>, sqlx::Error> {
    sqlx::query_as!(
        Used,
        r#"select quota_id, generation, feature as "feature!", window_start,
             (reported + taken + settled)::text as "used!"
         from quota_ledger where tenant_id = $1 and window_start = any($2)
         order by feature, quota_id, window_start"#,
        tenant_id,
        starts
    )
    .fetch_all(conn)
    .await
}
