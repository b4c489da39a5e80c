//! `usage_aggregate` and `usage_aggregate_all`: sums that grow by deltas.

use chrono::{DateTime, NaiveDate, Utc};
use metering_core::aggregate::{DAY_MINUTES, Deltas};
use sqlx::PgConnection;

use crate::{signed, usage_day};

/// Adds the deltas, in key order, and notes which days they change at `now`. A total that would exceed 2^63 − 1 is SQLSTATE 22003.
pub async fn upsert(
    conn: &mut PgConnection,
    partition: u16,
    deltas: &Deltas,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    upsert_per_tenant(conn, deltas).await?;
    upsert_overall(conn, partition, deltas).await?;
    let of_days = deltas
        .overall
        .keys()
        .filter(|k| k.granularity == DAY_MINUTES);
    let mut days: Vec<NaiveDate> = of_days
        .map(|key| instant(key.window_start_us).date_naive())
        .collect();
    days.sort_unstable();
    days.dedup();
    usage_day::touch(conn, partition, &days, now).await
}

async fn upsert_per_tenant(conn: &mut PgConnection, deltas: &Deltas) -> Result<(), sqlx::Error> {
    let keys = || deltas.per_tenant.keys();
    let granularities: Vec<i16> = keys().map(|k| k.granularity).collect();
    let starts: Vec<DateTime<Utc>> = keys().map(|k| instant(k.window_start_us)).collect();
    let tenants: Vec<i32> = keys().map(|k| k.tenant).collect();
    let resources: Vec<i32> = keys().map(|k| k.resource).collect();
    let features: Vec<i32> = keys().map(|k| k.feature).collect();
    let totals: Vec<i64> = deltas
        .per_tenant
        .values()
        .map(|d| d.total_quantity)
        .collect();
    let counts: Vec<i64> = deltas.per_tenant.values().map(|d| d.event_count).collect();
    sqlx::query!(
        "insert into usage_aggregate as a (granularity, window_start, tenant_id, resource_id,
             feature_id, total_quantity, event_count)
         select * from unnest($1::smallint[], $2::timestamptz[], $3::integer[], $4::integer[],
             $5::integer[], $6::bigint[], $7::bigint[])
         on conflict (granularity, window_start, tenant_id, resource_id, feature_id) do update
         set total_quantity = a.total_quantity + excluded.total_quantity,
             event_count = a.event_count + excluded.event_count",
        &granularities,
        &starts,
        &tenants,
        &resources,
        &features,
        &totals,
        &counts
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn upsert_overall(
    conn: &mut PgConnection,
    partition: u16,
    deltas: &Deltas,
) -> Result<(), sqlx::Error> {
    let keys = || deltas.overall.keys();
    let granularities: Vec<i16> = keys().map(|k| k.granularity).collect();
    let starts: Vec<DateTime<Utc>> = keys().map(|k| instant(k.window_start_us)).collect();
    let resources: Vec<i32> = keys().map(|k| k.resource).collect();
    let features: Vec<i32> = keys().map(|k| k.feature).collect();
    let totals: Vec<i64> = deltas.overall.values().map(|d| d.total_quantity).collect();
    let counts: Vec<i64> = deltas.overall.values().map(|d| d.event_count).collect();
    sqlx::query!(
        "insert into usage_aggregate_all as a (granularity, window_start, partition, resource_id,
             feature_id, total_quantity, event_count)
         select granularity, window_start, $1, resource_id, feature_id, total_quantity, event_count
         from unnest($2::smallint[], $3::timestamptz[], $4::integer[], $5::integer[],
             $6::bigint[], $7::bigint[])
             as t(granularity, window_start, resource_id, feature_id, total_quantity, event_count)
         on conflict (granularity, window_start, partition, resource_id, feature_id) do update
         set total_quantity = a.total_quantity + excluded.total_quantity,
             event_count = a.event_count + excluded.event_count",
        signed::partition(partition),
        &granularities,
        &starts,
        &resources,
        &features,
        &totals,
        &counts
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn instant(us: i64) -> DateTime<Utc> {
    // Counted events lie in the years 1 to 9999, so does the start of their window.
    DateTime::from_timestamp_micros(us).unwrap_or_default()
}
