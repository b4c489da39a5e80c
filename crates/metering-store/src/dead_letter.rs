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
    /// Whose it is, where that can be told.
    pub tenant_id: Option<&'a str>,
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
                 event, payload, created_at, tenant_id)
             values ($1, $2, $3, $4, $5, $6, $7::text::json, $8, $9, $10) on conflict do nothing",
            incarnation,
            signed::partition(partition),
            signed::seq(letter.seq),
            letter.index.map(signed::index),
            letter.code,
            letter.detail,
            letter.event,
            letter.payload,
            now,
            letter.tenant_id
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// What has become of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    /// Its event was appended to the log again, with another id.
    Replayed,
    Discarded,
}

impl State {
    pub const ALL: [Self; 3] = [Self::Open, Self::Replayed, Self::Discarded];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A letter as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    pub id: i64,
    pub incarnation: Uuid,
    pub partition: i16,
    pub seq: i64,
    /// `None`: the whole message.
    pub record_index: Option<i32>,
    pub tenant_id: Option<String>,
    pub code: String,
    pub detail: String,
    /// JSON.
    pub event: Option<String>,
    pub state: String,
    pub created_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub replayed_as: Option<Uuid>,
}

/// At most `limit` letters in a state, the latest first, those before `before`; only `tenant`'s if one
/// is named.
pub async fn list(
    conn: &mut PgConnection,
    tenant: Option<&str>,
    state: State,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<DeadLetterRow>, sqlx::Error> {
    sqlx::query_as!(
        DeadLetterRow,
        r#"select id, incarnation, partition, seq, record_index, tenant_id, code, detail,
             event::text as event, state, created_at, resolved_at, replayed_as
         from dead_letter
         where ($1::text is null or tenant_id = $1) and state = $2 and ($3::bigint is null or id < $3)
         order by id desc limit $4"#,
        tenant,
        state.as_str(),
        before,
        limit
    )
    .fetch_all(conn)
    .await
}

/// A letter, locked until the transaction ends; only `tenant`'s if one is named.
pub async fn find_for_update(
    conn: &mut PgConnection,
    tenant: Option<&str>,
    id: i64,
) -> Result<Option<DeadLetterRow>, sqlx::Error> {
    sqlx::query_as!(
        DeadLetterRow,
        r#"select id, incarnation, partition, seq, record_index, tenant_id, code, detail,
             event::text as event, state, created_at, resolved_at, replayed_as
         from dead_letter where id = $2 and ($1::text is null or tenant_id = $1) for update"#,
        tenant,
        id
    )
    .fetch_optional(conn)
    .await
}

/// Notes what became of a letter: replayed where there is an id.
pub async fn resolve(
    conn: &mut PgConnection,
    id: i64,
    replayed_as: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let state = replayed_as.map_or(State::Discarded, |_| State::Replayed);
    sqlx::query!(
        "update dead_letter set state = $2, replayed_as = $3, resolved_at = $4 where id = $1",
        id,
        state.as_str(),
        replayed_as,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
