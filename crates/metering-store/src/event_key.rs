//! `event_key`: the first record of each (tenant, id). First write wins.

use chrono::{DateTime, NaiveDate, Utc};
use metering_core::{FirstSeen, RecordPosition};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{partitions, signed};

/// A record that claims its (tenant, id).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// `metering_core::aggregate::key_bucket` of the id.
    pub bucket: i16,
    pub id: Uuid,
    /// The store's id of the tenant's name.
    pub tenant: i32,
    pub position: RecordPosition,
    pub payload_hash: i64,
    pub timestamp: DateTime<Utc>,
}

/// Enters the claims whose (tenant, id) is free and returns the positions (seq, index) of those.
///
/// Claims of one call must come from one partition, differ in (tenant, id), and be sorted by
/// (bucket, id, tenant): a sorted batch touches each index page once.
pub async fn insert(
    conn: &mut PgConnection,
    partition: u16,
    claims: &[Claim],
) -> Result<Vec<(u64, u32)>, sqlx::Error> {
    let buckets: Vec<i16> = claims.iter().map(|c| c.bucket).collect();
    let ids: Vec<Uuid> = claims.iter().map(|c| c.id).collect();
    let tenants: Vec<i32> = claims.iter().map(|c| c.tenant).collect();
    let seqs: Vec<i64> = claims.iter().map(|c| signed::seq(c.position.seq)).collect();
    let indices: Vec<i32> = claims
        .iter()
        .map(|c| signed::index(c.position.index))
        .collect();
    let hashes: Vec<i64> = claims.iter().map(|c| c.payload_hash).collect();
    let timestamps: Vec<DateTime<Utc>> = claims.iter().map(|c| c.timestamp).collect();
    let rows = sqlx::query!(
        "insert into event_key (bucket, id, tenant_id, partition, seq, record_index, payload_hash,
             event_timestamp)
         select bucket, id, tenant_id, $1, seq, record_index, payload_hash, event_timestamp
         from unnest($2::smallint[], $3::uuid[], $4::integer[], $5::bigint[], $6::integer[],
             $7::bigint[], $8::timestamptz[])
             as t(bucket, id, tenant_id, seq, record_index, payload_hash, event_timestamp)
         on conflict do nothing
         returning seq, record_index",
        signed::partition(partition),
        &buckets,
        &ids,
        &tenants,
        &seqs,
        &indices,
        &hashes,
        &timestamps
    )
    .fetch_all(conn)
    .await?;
    let place = |seq: i64, index: i32| (seq.cast_unsigned(), index.cast_unsigned());
    Ok(rows
        .into_iter()
        .map(|row| place(row.seq, row.record_index))
        .collect())
}

/// Who was first, for keys (bucket, id, tenant) that were taken; in no particular order.
pub async fn list_first_seen(
    conn: &mut PgConnection,
    keys: &[(i16, Uuid, i32)],
) -> Result<Vec<((Uuid, i32), FirstSeen)>, sqlx::Error> {
    let buckets: Vec<i16> = keys.iter().map(|k| k.0).collect();
    let ids: Vec<Uuid> = keys.iter().map(|k| k.1).collect();
    let tenants: Vec<i32> = keys.iter().map(|k| k.2).collect();
    // `offset 0` keeps it a nested loop over the index, whatever the planner thinks of the size of
    // a table that may have been empty when it last looked.
    let rows = sqlx::query!(
        r#"select k.id as "id!", k.tenant_id as "tenant_id!", k.partition as "partition!",
             k.seq as "seq!", k.record_index as "record_index!", k.payload_hash as "payload_hash!"
         from unnest($1::smallint[], $2::uuid[], $3::integer[]) as t(bucket, id, tenant_id)
         cross join lateral (
             select * from event_key
             where bucket = t.bucket and id = t.id and tenant_id = t.tenant_id offset 0
         ) as k"#,
        &buckets,
        &ids,
        &tenants
    )
    .fetch_all(conn)
    .await?;
    let first_seen = rows.into_iter().map(|row| {
        let position = RecordPosition {
            partition: row.partition.cast_unsigned(),
            seq: row.seq.cast_unsigned(),
            index: row.record_index.cast_unsigned(),
        };
        let payload_hash = row.payload_hash;
        (
            (row.id, row.tenant_id),
            FirstSeen {
                position,
                payload_hash,
            },
        )
    });
    Ok(first_seen.collect())
}

/// Makes the table of one month of time-leading ids; hashed buckets (below 0) always have theirs.
pub async fn ensure_bucket(pool: &PgPool, bucket: i16) -> Result<(), sqlx::Error> {
    let Ok(months) = u32::try_from(bucket) else {
        return Ok(());
    };
    let first = NaiveDate::from_ymd_opt(2020, 1, 1)
        .and_then(|start| start.checked_add_months(chrono::Months::new(months)));
    let Some(first) = first else {
        return Ok(());
    };
    let name = format!("event_key_{}", first.format("%Y%m"));
    partitions::ensure(pool, "event_key", &name, &format!("in ({bucket})")).await
}
