//! `quota_ledger`: use by quota and window, as sums that grow by deltas.

use chrono::{DateTime, Utc};
use metering_core::quota::LedgerEntry;
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
