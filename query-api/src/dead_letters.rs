//! Dead letters are worked off: their events go to the log again, or are given up.
//!
//! A dead id stays taken, so an event that is replayed has another one: the same for every attempt, so
//! that it counts once whatever becomes of an answer. The letter is locked meanwhile, and is resolved
//! once the log has the event. A process that dies in between leaves an open letter; replaying it
//! again appends a duplicate.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use metering_core::code::{Code, Refusal};
use metering_core::envelope::EncodedRecord;
use metering_core::new_event::parse_event;
use metering_core::partition::partition_of;
use metering_core::receipt::ReceiptPart;
use metering_core::record::{Record, Report};
use metering_core::signed::SigningKey;
use metering_log::{AppendError, Priority, Publisher};
use metering_store::audit_log::{self, Action};
use metering_store::dead_letter::{self, DeadLetterRow, State};
use metering_store::{Store, sqlx};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Namespace of the ids of replayed events (UUIDv5). Never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d65_7465_7264_5f72_8570_6c61_7965_645f);

#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    #[error("there is no such dead letter")]
    NotFound,
    #[error("it was replayed or discarded before")]
    Resolved,
    #[error("there is no event in it")]
    Unreadable,
    #[error("the event would be another tenant's")]
    TenantMismatch,
    #[error("the event is refused")]
    Event(Refusal),
    #[error("the log did not take it")]
    Log(#[from] AppendError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Who works.
pub(crate) struct Clerk<'a> {
    pub(crate) key_id: &'a str,
    /// The only tenant whose letters it may touch.
    pub(crate) tenant_id: Option<&'a str>,
    pub(crate) request_id: Uuid,
    pub(crate) now: DateTime<Utc>,
}

/// Where replayed events go.
pub(crate) struct Log<'a> {
    pub(crate) publisher: &'a Publisher,
    pub(crate) payloads: &'a SigningKey,
    pub(crate) trace_id: Uuid,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) id: Uuid,
    pub(crate) tenant_id: String,
    pub(crate) part: ReceiptPart,
}

/// Appends the letter's event with `changes` to the log.
///
/// Errors: after [`DeadLetterError::Log`] and [`DeadLetterError::Database`] the event may be in the log;
/// the same request again is safe.
pub(crate) async fn replay(
    store: &Store,
    log: Log<'_>,
    letter_id: i64,
    changes: Map<String, Value>,
    clerk: &Clerk<'_>,
) -> Result<Replayed, DeadLetterError> {
    let mut tx = store.pool().begin().await?;
    let letter = find_open(&mut tx, letter_id, clerk).await?;
    let id = id_of(&letter);
    let changed: Vec<&String> = changes.keys().collect();
    let detail = json!({ "code": letter.code, "changed": changed, "replayed_as": id });
    let text = changed_event(&letter, id, &changes)?;
    let event = parse_event(&text, clerk.now).map_err(DeadLetterError::Event)?;
    if clerk
        .tenant_id
        .is_some_and(|bound| bound != event.tenant_id)
    {
        return Err(DeadLetterError::TenantMismatch);
    }
    let record = Record::Report(Report {
        id,
        tenant_id: &event.tenant_id,
        resource: &event.resource,
        feature: &event.feature,
        quantity: event.quantity,
        timestamp_us: event.timestamp.unwrap_or(clerk.now).timestamp_micros(),
        metadata: &event.metadata,
        received_us: clerk.now.timestamp_micros(),
        payload_hash: log.payloads.keyed_hash(event.payload_hash),
        request_id: log.trace_id,
    });
    let partition = partition_of(&event.tenant_id, log.publisher.partitions());
    let records = vec![EncodedRecord::new(&record)];
    let appending = log.publisher.append(partition, records, Priority::Report);
    let at = appending.await?;
    dead_letter::resolve(&mut tx, letter_id, Some(id), clerk.now).await?;
    let target = letter_id.to_string();
    let action = clerk.did("dead_letter.replay", &target, &letter, detail);
    audit_log::insert(&mut tx, &action).await?;
    tx.commit().await?;
    Ok(Replayed {
        id,
        tenant_id: event.tenant_id.into_owned(),
        part: ReceiptPart {
            incarnation: at.incarnation,
            partition,
            seq: at.seq,
        },
    })
}

/// Gives a letter up. Doing it again changes nothing.
pub(crate) async fn discard(
    store: &Store,
    letter_id: i64,
    clerk: &Clerk<'_>,
) -> Result<(), DeadLetterError> {
    let mut tx = store.pool().begin().await?;
    let found = dead_letter::find_for_update(&mut tx, clerk.tenant_id, letter_id).await?;
    let letter = found.ok_or(DeadLetterError::NotFound)?;
    match State::parse(&letter.state) {
        Some(State::Open) => {}
        Some(State::Discarded) => return Ok(tx.rollback().await?),
        Some(State::Replayed) | None => return Err(DeadLetterError::Resolved),
    }
    dead_letter::resolve(&mut tx, letter_id, None, clerk.now).await?;
    let target = letter_id.to_string();
    let detail = json!({ "code": letter.code });
    let action = clerk.did("dead_letter.discard", &target, &letter, detail);
    audit_log::insert(&mut tx, &action).await?;
    tx.commit().await?;
    Ok(())
}

async fn find_open(
    conn: &mut sqlx::PgConnection,
    letter_id: i64,
    clerk: &Clerk<'_>,
) -> Result<DeadLetterRow, DeadLetterError> {
    let found = dead_letter::find_for_update(conn, clerk.tenant_id, letter_id).await?;
    let letter = found.ok_or(DeadLetterError::NotFound)?;
    if letter.state != State::Open.as_str() {
        return Err(DeadLetterError::Resolved);
    }
    Ok(letter)
}

/// The id that the event of a letter is appended with, whoever does it and how often.
fn id_of(letter: &DeadLetterRow) -> Uuid {
    let index = letter.record_index.unwrap_or(-1);
    let place = (letter.incarnation, letter.partition, letter.seq, index);
    Uuid::new_v5(&NAMESPACE, format!("{place:?}").as_bytes())
}

/// The event as it is sent: what it was, but for the changes.
fn changed_event(
    letter: &DeadLetterRow,
    id: Uuid,
    changes: &Map<String, Value>,
) -> Result<String, DeadLetterError> {
    // Raw, so that no number in the metadata is rounded.
    type Members = BTreeMap<String, Box<RawValue>>;
    let event = letter.event.as_deref();
    let event = event.and_then(|event| serde_json::from_str::<Members>(event).ok());
    let mut event = event.ok_or(DeadLetterError::Unreadable)?;
    event.retain(|_, value| value.get() != "null");
    let raw = |value: &Value| to_raw_value(value).expect("a value always serialises");
    event.extend(
        changes
            .iter()
            .map(|(name, value)| (name.clone(), raw(value))),
    );
    if !event.contains_key("timestamp") {
        // Not now: nobody said that it happened now.
        let detail = "the dead letter has no `timestamp` that can be used; send one";
        return Err(DeadLetterError::Event(Refusal::new(
            Code::MissingField,
            detail,
        )));
    }
    event.insert("id".to_owned(), raw(&id.to_string().into()));
    Ok(serde_json::to_string(&event).expect("texts always serialise"))
}

impl Clerk<'_> {
    fn did<'k>(
        &'k self,
        action: &'static str,
        target: &'k str,
        letter: &'k DeadLetterRow,
        detail: Value,
    ) -> Action<'k> {
        Action {
            at: self.now,
            key_id: Some(self.key_id),
            action,
            target,
            tenant_id: letter.tenant_id.as_deref(),
            request_id: Some(self.request_id),
            detail,
        }
    }
}
