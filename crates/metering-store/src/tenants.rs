//! Reads of tenants: who has used anything, and how much in a range.

use chrono::{DateTime, TimeDelta, Utc};
use metering_core::aggregate::QUARTER_MINUTES;
use metering_core::window::{Slice, Source};
use sqlx::PgConnection;

use crate::aggregates::{Sum, sum};

/// A tenant and its usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub tenant_id: String,
    /// Over the range that was asked for.
    pub sum: Sum,
    /// Start of the last quarter-hour with an event.
    pub last_window: DateTime<Utc>,
}

/// Which tenants; all conditions hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantFilter {
    /// This one only.
    pub tenant_id: Option<String>,
    /// Has this in its id, in whatever case.
    pub search: Option<String>,
}

/// At most `limit` tenants after `after`, by id, with their usage from the first to the last of
/// `bounds`, which are whole quarter-hours.
///
/// Names are in the order of an index, and each tenant's sums are a stretch of another one: a page
/// costs the same wherever it is and however many tenants there are.
pub async fn list(
    conn: &mut PgConnection,
    filter: &TenantFilter,
    bounds: &[DateTime<Utc>],
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Tenant>, sqlx::Error> {
    let slices: Vec<Slice> = match Source::pick(bounds) {
        Source::Aggregates(slices) => slices,
        Source::Raw => Vec::new(),
    };
    let granularities: Vec<i16> = slices.iter().map(|slice| slice.granularity).collect();
    let starts: Vec<DateTime<Utc>> = slices.iter().map(|slice| slice.from).collect();
    let ends: Vec<DateTime<Utc>> = slices.iter().map(|slice| slice.to).collect();
    // The names of resources and features are in the same table and have no usage as tenants.
    let rows = sqlx::query!(
        r#"select t.name, u.quantity as "quantity!", u.events as "events!",
             l.last_window as "last_window!"
         from (
             select id, name from dimension d
             where ($1::text is null or name = $1) and ($2::text is null or name > $2)
                 and ($3::text is null or position(lower($3) in lower(name)) > 0)
                 and exists (select from usage_aggregate where tenant_id = d.id)
             order by name limit $4
         ) as t
         cross join lateral (
             select coalesce(sum(total_quantity), 0)::text as quantity,
                 coalesce(sum(event_count), 0)::text as events
             from unnest($5::smallint[], $6::timestamptz[], $7::timestamptz[])
                 as slice(g, starts, ends)
             cross join lateral (
                 select total_quantity, event_count from usage_aggregate
                 where tenant_id = t.id and granularity = g and window_start >= starts
                     and window_start < ends
                 offset 0
             ) as used
         ) as u
         cross join lateral (
             select max(window_start) as last_window from usage_aggregate
             where tenant_id = t.id and granularity = $8
         ) as l
         order by t.name"#,
        filter.tenant_id,
        after,
        filter.search,
        limit,
        &granularities,
        &starts,
        &ends,
        QUARTER_MINUTES
    )
    .fetch_all(conn)
    .await?;
    let tenant =
        |(name, quantity, events, last_window): (String, String, String, DateTime<Utc>)| {
            Ok(Tenant {
                tenant_id: name,
                sum: sum(&quantity, &events)?,
                last_window,
            })
        };
    rows.into_iter()
        .map(|row| tenant((row.name, row.quantity, row.events, row.last_window)))
        .collect()
}

/// Time of a tenant's last event, which lies in the quarter-hour that begins at `last_window`.
pub async fn last_seen(
    conn: &mut PgConnection,
    tenant_id: &str,
    last_window: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar!(
        "select max(timestamp) from usage_event
         where tenant_id = (select id from dimension where name = $1)
             and timestamp >= $2 and timestamp < $3",
        tenant_id,
        last_window,
        last_window + TimeDelta::minutes(QUARTER_MINUTES.into())
    )
    .fetch_one(conn)
    .await
}
