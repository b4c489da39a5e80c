//! `usage_day`: when usage of each UTC day last changed.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::signed;

/// Notes that usage of `days`, sorted and each there once, changes at `now`: in the transaction that
/// changes it.
pub async fn touch(
    conn: &mut PgConnection,
    partition: u16,
    days: &[NaiveDate],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into usage_day as d (day, partition, version)
         select day, $1, $3 from unnest($2::date[]) as t (day)
         on conflict (day, partition) do update
         set version = greatest(d.version + 1, excluded.version)",
        signed::partition(partition),
        days,
        now.timestamp_micros()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A text that is another one whenever usage of a UTC day has changed of which [from, to) has a part.
pub async fn version(
    conn: &mut PgConnection,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<String, sqlx::Error> {
    let last = to - TimeDelta::microseconds(1);
    sqlx::query_scalar!(
        r#"select coalesce(sum(version), 0)::text as "version!" from usage_day
         where day between $1 and $2"#,
        from.date_naive(),
        last.date_naive()
    )
    .fetch_one(conn)
    .await
}
