//! `dead_letter`: what reached the log and cannot count.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::signed;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    pub seq: u64,
    /// `None`: the whole message.
    pub index: Option<u32>,
    /// Stable; the detail is for people.
    pub code: &'static str,
    pub detail: String,
    /// The event as JSON where it could be decoded.
    pub event: Option<String>,
    /// The record's bytes, or the message's.
    pub payload: &'a [u8],
}

/// Enters the letters of one partition; those of an earlier reading of the log stay as they are.
pub async fn insert(
    conn: &mut PgConnection,
    incarnation: Uuid,
    partition: u16,
    letters: &[DeadLetter<'_>],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    for letter in letters {
        sqlx::query!(
            "insert into dead_letter (incarnation, partition, seq, record_index, code, detail,
                 event, payload, created_at)
             values ($1, $2, $3, $4, $5, $6, $7::text::json, $8, $9) on conflict do nothing",
            incarnation,
            signed::partition(partition),
            signed::seq(letter.seq),
            letter.index.map(signed::index),
            letter.code,
            letter.detail,
            letter.event,
            letter.payload,
            now
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}
