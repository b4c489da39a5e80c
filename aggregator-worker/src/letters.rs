//! What is kept of records that cannot count.

use chrono::{DateTime, Utc};
use metering_core::RecordPosition;
use metering_core::event::{is_identifier, rfc3339};
use metering_core::record::{Amend, Record};
use metering_store::dead_letter::DeadLetter;
use metering_store::usage_event::NewEvent;
use metering_store::{outbox, sqlx};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::apply::Refused;
use crate::decode::Logged;

/// The name under which a tenant's keys are entered: its own, or for what is no tenant id (any
/// text, of any length) a digest that no tenant id can equal.
pub(crate) fn key_name(tenant_id: &str) -> String {
    if is_identifier(tenant_id) {
        return tenant_id.to_owned();
    }
    let digest = metering_core::position::message_hash(tenant_id.as_bytes());
    format!("!{digest:016x}")
}

#[derive(Serialize)]
struct DeadEvent<'a> {
    id: Uuid,
    tenant_id: &'a str,
    resource: &'a str,
    feature: &'a str,
    quantity: i64,
    timestamp: Option<String>,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Metadata<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

/// As it is where Postgres surely takes it for JSON, as a text where it is too deep or none.
fn metadata(text: &str) -> Metadata<'_> {
    match serde_json::from_str::<Value>(text) {
        Ok(_) => serde_json::from_str(text).map_or(Metadata::Text(text), Metadata::Json),
        Err(_) => Metadata::Text(text),
    }
}

pub(crate) fn of_report<'a>(
    logged: &Logged<'a>,
    code: &'static str,
    detail: String,
) -> DeadLetter<'a> {
    let report = &logged.report;
    let event = DeadEvent {
        id: report.id,
        tenant_id: report.tenant_id,
        resource: report.resource,
        feature: report.feature,
        quantity: report.quantity,
        timestamp: report.timestamp().map(rfc3339),
        metadata: metadata(report.metadata),
    };
    DeadLetter {
        seq: logged.position.seq,
        index: Some(logged.position.index),
        tenant_id: Some(report.tenant_id).filter(|tenant_id| is_identifier(tenant_id)),
        code,
        detail,
        event: serde_json::to_string(&event).ok(),
        payload: logged.payload,
    }
}

/// Tells the other projections through the log that these events never counted.
pub(crate) async fn owe_voids(
    conn: &mut PgConnection,
    partition: u16,
    events: &[NewEvent<'_>],
    refused: &[Refused],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let voids = refused.iter().map(|refusal| {
        Record::Void(Amend {
            position: events[refusal.number].position,
            reason: refusal.code,
        })
    });
    owe(conn, partition, voids, now).await
}

/// Tells the quotas through the log that these events had been counted long before.
pub(crate) async fn owe_corrections(
    conn: &mut PgConnection,
    partition: u16,
    repeats: &[RecordPosition],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let corrections = repeats.iter().map(|position| {
        Record::Correct(Amend {
            position: *position,
            reason: "repeat",
        })
    });
    owe(conn, partition, corrections, now).await
}

/// Owes records, all of one kind.
async fn owe(
    conn: &mut PgConnection,
    partition: u16,
    records: impl Iterator<Item = Record<'_>>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let mut kind = 0;
    let encoded = records.map(|record| {
        kind = record.kind();
        record.encode()
    });
    let payloads: Vec<Vec<u8>> = encoded.collect();
    outbox::insert(conn, partition, kind, &payloads, now).await
}
