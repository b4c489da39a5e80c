//! Sums made again from the raw events they stand for, a UTC day at a time.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

/// A sum that is not what its raw events say. Of two tables in one shape: of a tenant or, where
/// `tenant_id` is `None`, of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Minutes.
    pub granularity: i16,
    pub window_start: DateTime<Utc>,
    pub tenant_id: Option<i32>,
    pub partition: Option<i16>,
    pub resource_id: i32,
    pub feature_id: i32,
    /// `None`: there should be no such row.
    pub expected: Option<Sum>,
    /// `None`: there is no such row.
    pub found: Option<Sum>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    pub total_quantity: i64,
    pub event_count: i64,
}

/// Makes the writers of all partitions wait until the transaction ends: a position is where each of
/// their transactions begins.
pub async fn stop_writers(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("lock table progress in exclusive mode")
        .execute(conn)
        .await?;
    Ok(())
}

/// Shows all statements of a transaction the database as of its first one.
pub async fn see_one_moment(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("set transaction isolation level repeatable read")
        .execute(conn)
        .await?;
    Ok(())
}

/// The start of each day that has events or sums.
pub async fn list_days(conn: &mut PgConnection) -> Result<Vec<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select date_trunc('day', at, 'UTC') as "day!" from (
             select distinct date_trunc('day', timestamp, 'UTC') as at from usage_event
             union all select distinct window_start from usage_aggregate
             union all select distinct window_start from usage_aggregate_all
         ) as instants
         group by 1 order by 1"#
    )
    .fetch_all(conn)
    .await
}

/// Whether a day has raw events.
pub async fn has_events(conn: &mut PgConnection, day: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from usage_event where timestamp >= $1 and timestamp < $2) as "exists!""#,
        day,
        day + TimeDelta::days(1)
    )
    .fetch_one(conn)
    .await
}

/// The day's sums that are not what its raw events say.
pub async fn compare(
    conn: &mut PgConnection,
    day: DateTime<Utc>,
) -> Result<Vec<Difference>, sqlx::Error> {
    let mut differences = compare_tenants(conn, day).await?;
    differences.extend(compare_partitions(conn, day).await?);
    Ok(differences)
}

fn sum(total_quantity: Option<i64>, event_count: Option<i64>) -> Option<Sum> {
    total_quantity
        .zip(event_count)
        .map(|(total_quantity, event_count)| Sum {
            total_quantity,
            event_count,
        })
}

async fn compare_tenants(
    conn: &mut PgConnection,
    day: DateTime<Utc>,
) -> Result<Vec<Difference>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with expected as (
             select granularity, tenant_id, resource_id, feature_id,
                 date_bin(granularity * interval '1 minute', timestamp, '2000-01-01 00:00:00+00')
                     as window_start,
                 sum(quantity)::bigint as total_quantity, count(*) as event_count
             from usage_event cross join unnest(array[15, 1440]::smallint[]) as g (granularity)
             where timestamp >= $1 and timestamp < $2 group by 1, 2, 3, 4, 5
         ), found as (
             select granularity, tenant_id, resource_id, feature_id, window_start, total_quantity,
                 event_count
             from usage_aggregate where window_start >= $1 and window_start < $2
         )
         select granularity as "granularity!", window_start as "window_start!",
             tenant_id as "tenant_id!", resource_id as "resource_id!", feature_id as "feature_id!",
             e.total_quantity as "expected_total?", e.event_count as "expected_count?",
             f.total_quantity as "found_total?", f.event_count as "found_count?"
         from expected e
         full join found f using (granularity, window_start, tenant_id, resource_id, feature_id)
         where (e.total_quantity, e.event_count) is distinct from (f.total_quantity, f.event_count)
         order by 1, 2, 3, 4, 5"#,
        day,
        day + TimeDelta::days(1)
    )
    .fetch_all(conn)
    .await?;
    let differences = rows.into_iter().map(|row| Difference {
        granularity: row.granularity,
        window_start: row.window_start,
        tenant_id: Some(row.tenant_id),
        partition: None,
        resource_id: row.resource_id,
        feature_id: row.feature_id,
        expected: sum(row.expected_total, row.expected_count),
        found: sum(row.found_total, row.found_count),
    });
    Ok(differences.collect())
}

async fn compare_partitions(
    conn: &mut PgConnection,
    day: DateTime<Utc>,
) -> Result<Vec<Difference>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with expected as (
             select granularity, partition, resource_id, feature_id,
                 date_bin(granularity * interval '1 minute', timestamp, '2000-01-01 00:00:00+00')
                     as window_start,
                 sum(quantity)::bigint as total_quantity, count(*) as event_count
             from usage_event cross join unnest(array[15, 1440]::smallint[]) as g (granularity)
             where timestamp >= $1 and timestamp < $2 group by 1, 2, 3, 4, 5
         ), found as (
             select granularity, partition, resource_id, feature_id, window_start, total_quantity,
                 event_count
             from usage_aggregate_all where window_start >= $1 and window_start < $2
         )
         select granularity as "granularity!", window_start as "window_start!",
             partition as "partition!", resource_id as "resource_id!", feature_id as "feature_id!",
             e.total_quantity as "expected_total?", e.event_count as "expected_count?",
             f.total_quantity as "found_total?", f.event_count as "found_count?"
         from expected e
         full join found f using (granularity, window_start, partition, resource_id, feature_id)
         where (e.total_quantity, e.event_count) is distinct from (f.total_quantity, f.event_count)
         order by 1, 2, 3, 4, 5"#,
        day,
        day + TimeDelta::days(1)
    )
    .fetch_all(conn)
    .await?;
    let differences = rows.into_iter().map(|row| Difference {
        granularity: row.granularity,
        window_start: row.window_start,
        tenant_id: None,
        partition: Some(row.partition),
        resource_id: row.resource_id,
        feature_id: row.feature_id,
        expected: sum(row.expected_total, row.expected_count),
        found: sum(row.found_total, row.found_count),
    });
    Ok(differences.collect())
}

/// Makes a row what it should be: in the transaction that compared, while writers are stopped.
pub async fn repair(conn: &mut PgConnection, different: &Difference) -> Result<(), sqlx::Error> {
    let Difference {
        granularity,
        window_start,
        tenant_id,
        partition,
        resource_id,
        feature_id,
        ..
    } = *different;
    sqlx::query!(
        "delete from usage_aggregate where granularity = $1 and window_start = $2
             and tenant_id = $3 and resource_id = $4 and feature_id = $5",
        granularity,
        window_start,
        tenant_id,
        resource_id,
        feature_id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from usage_aggregate_all where granularity = $1 and window_start = $2
             and partition = $3 and resource_id = $4 and feature_id = $5",
        granularity,
        window_start,
        partition,
        resource_id,
        feature_id
    )
    .execute(&mut *conn)
    .await?;
    let Some(Sum {
        total_quantity,
        event_count,
    }) = different.expected
    else {
        return Ok(());
    };
    sqlx::query!(
        "with tenants as (
             insert into usage_aggregate (granularity, window_start, tenant_id, resource_id,
                 feature_id, total_quantity, event_count)
             select $1, $2, $3, $5, $6, $7, $8 where $3::integer is not null
         )
         insert into usage_aggregate_all (granularity, window_start, partition, resource_id,
             feature_id, total_quantity, event_count)
         select $1, $2, $4, $5, $6, $7, $8 where $4::smallint is not null",
        granularity,
        window_start,
        tenant_id,
        partition,
        resource_id,
        feature_id,
        total_quantity,
        event_count
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The name behind a small integer.
pub async fn find_name(conn: &mut PgConnection, id: i32) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("select name from dimension where id = $1", id)
        .fetch_optional(conn)
        .await
}
