//! `decision`: what takes were answered, and from what.

use chrono::{DateTime, Utc};
use metering_core::RecordPosition;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::signed;

#[derive(Debug, Clone)]
pub struct Decision {
    pub position: RecordPosition,
    pub tenant_id: String,
    pub id: Uuid,
    /// `consume` or `reserve`.
    pub kind: String,
    pub feature: String,
    pub resource: Option<String>,
    pub quantity: i64,
    /// `allowed`, `denied`, or why there is no answer.
    pub outcome: String,
    /// The answer with the limits as they stood, as JSON.
    pub answer: Option<String>,
    /// Log time.
    pub decided_at: DateTime<Utc>,
}

/// Enters decisions of one partition.
pub async fn insert(conn: &mut PgConnection, decisions: &[Decision]) -> Result<(), sqlx::Error> {
    let all = || decisions.iter();
    let partitions: Vec<i16> = all()
        .map(|d| signed::partition(d.position.partition))
        .collect();
    let seqs: Vec<i64> = all().map(|d| signed::seq(d.position.seq)).collect();
    let indices: Vec<i32> = all().map(|d| signed::index(d.position.index)).collect();
    let tenants: Vec<String> = all().map(|d| d.tenant_id.clone()).collect();
    let ids: Vec<Uuid> = all().map(|d| d.id).collect();
    let kinds: Vec<String> = all().map(|d| d.kind.clone()).collect();
    let features: Vec<String> = all().map(|d| d.feature.clone()).collect();
    let resources: Vec<Option<String>> = all().map(|d| d.resource.clone()).collect();
    let quantities: Vec<i64> = all().map(|d| d.quantity).collect();
    let outcomes: Vec<String> = all().map(|d| d.outcome.clone()).collect();
    let answers: Vec<Option<String>> = all().map(|d| d.answer.clone()).collect();
    let times: Vec<DateTime<Utc>> = all().map(|d| d.decided_at).collect();
    sqlx::query!(
        "insert into decision (partition, seq, record_index, tenant_id, id, kind, feature, resource,
             quantity, outcome, answer, decided_at)
         select partition, seq, record_index, tenant_id, id, kind, feature, resource, quantity,
             outcome, answer::json, decided_at
         from unnest($1::smallint[], $2::bigint[], $3::integer[], $4::text[], $5::uuid[],
             $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[],
             $12::timestamptz[])
             as t(partition, seq, record_index, tenant_id, id, kind, feature, resource, quantity,
                 outcome, answer, decided_at)",
        &partitions,
        &seqs,
        &indices,
        &tenants,
        &ids,
        &kinds,
        &features,
        &resources as &[Option<String>],
        &quantities,
        &outcomes,
        &answers as &[Option<String>],
        &times
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The decisions with an id, the first one first: a denied id may be asked for again.
pub async fn list(
    conn: &mut PgConnection,
    tenant_id: &str,
    id: Uuid,
    limit: i64,
) -> Result<Vec<Decision>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select partition, seq, record_index, kind, feature, resource, quantity, outcome,
             answer as "answer: Json<Box<RawValue>>", decided_at
         from decision where tenant_id = $1 and id = $2
         order by partition, seq, record_index limit $3"#,
        tenant_id,
        id,
        limit
    )
    .fetch_all(conn)
    .await?;
    let decisions = rows.into_iter().map(|row| Decision {
        position: RecordPosition {
            partition: row.partition.cast_unsigned(),
            seq: row.seq.cast_unsigned(),
            index: row.record_index.cast_unsigned(),
        },
        tenant_id: tenant_id.to_owned(),
        id,
        kind: row.kind,
        feature: row.feature,
        resource: row.resource,
        quantity: row.quantity,
        outcome: row.outcome,
        answer: row.answer.map(|Json(answer)| answer.get().to_owned()),
        decided_at: row.decided_at,
    });
    Ok(decisions.collect())
}

/// A page of a partition's decisions behind (`seq`, `index`), in the order of the log.
pub async fn list_after(
    conn: &mut PgConnection,
    partition: u16,
    (seq, index): (u64, u32),
    limit: i64,
) -> Result<Vec<(RecordPosition, String)>, sqlx::Error> {
    let rows = sqlx::query!(
        "select seq, record_index, outcome from decision
         where partition = $1 and (seq, record_index) > ($2, $3)
         order by seq, record_index limit $4",
        signed::partition(partition),
        signed::seq(seq),
        signed::index(index),
        limit
    )
    .fetch_all(conn)
    .await?;
    let decisions = rows.into_iter().map(|row| {
        let position = RecordPosition {
            partition,
            seq: row.seq.cast_unsigned(),
            index: row.record_index.cast_unsigned(),
        };
        (position, row.outcome)
    });
    Ok(decisions.collect())
}

/// The first decision that is kept.
pub async fn find_first(
    conn: &mut PgConnection,
    partition: u16,
) -> Result<Option<RecordPosition>, sqlx::Error> {
    let row = sqlx::query!(
        "select seq, record_index from decision where partition = $1
         order by seq, record_index limit 1",
        signed::partition(partition)
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| RecordPosition {
        partition,
        seq: row.seq.cast_unsigned(),
        index: row.record_index.cast_unsigned(),
    }))
}

/// Deletes decisions made before `before`, at most `limit` and the oldest ones; returns how many.
pub async fn delete_before(
    conn: &mut PgConnection,
    partition: u16,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    // In the order of the log, which is that of time: no other row is looked at.
    let deleted = sqlx::query!(
        "delete from decision where (partition, seq, record_index) in (
             select partition, seq, record_index from (
                 select partition, seq, record_index, decided_at from decision
                 where partition = $1 order by seq, record_index limit $3) as oldest
             where decided_at < $2)",
        signed::partition(partition),
        before,
        i64::from(limit)
    )
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected())
}
