//! The records of the log. All kinds exist from the first version on: a reader that meets a kind it
//! does not know stops, so kinds are added by upgrading readers before writers.
//!
//! A payload is the kind's struct in the postcard wire format (varints, UUIDs as 16 bytes), pinned
//! by golden vectors below.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::position::RecordPosition;

/// Usage that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report<'a> {
    pub id: Uuid,
    pub tenant_id: &'a str,
    pub resource: &'a str,
    pub feature: &'a str,
    pub quantity: i64,
    /// Event time in µs since the epoch.
    pub timestamp_us: i64,
    /// A JSON object, as sent.
    pub metadata: &'a str,
    /// When the gateway took it, µs since the epoch.
    pub received_us: i64,
    /// A keyed hash of the fields as sent: equal ids with unequal hashes are a conflict.
    pub payload_hash: i64,
    /// The trace of the HTTP request it came with; ties log lines of gateway and worker together.
    pub request_id: Uuid,
}

impl Report<'_> {
    /// Event time, `None` if it is outside the years 1 to 9999.
    pub fn timestamp(&self) -> Option<DateTime<Utc>> {
        use chrono::Datelike as _;
        DateTime::from_timestamp_micros(self.timestamp_us)
            .filter(|t| (1..=9999).contains(&t.year()))
    }
}

/// A conditional take: a `consume`, or a `reserve` when it has a ttl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take<'a> {
    pub id: Uuid,
    /// Distinguishes retries of one id, so that a cancel can name one of them.
    pub attempt: Uuid,
    pub tenant_id: &'a str,
    pub feature: &'a str,
    pub resource: Option<&'a str>,
    pub quantity: i64,
    pub ttl_seconds: Option<u32>,
    /// Log time after which the record is a no-op, µs since the epoch.
    pub not_after_us: i64,
}

/// Resolves or withdraws a take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve<'a> {
    pub id: Uuid,
    pub attempt: Uuid,
    pub tenant_id: &'a str,
    /// What was really used; only a commit has it.
    pub quantity: Option<i64>,
    /// The work is done: commit it even if it is more than was held.
    pub overshoot: bool,
    /// As in [`Take`]; of a cancel: that of the take, until which it may still arrive.
    pub not_after_us: i64,
}

/// Something the worker found out after the log had accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amend<'a> {
    pub position: RecordPosition,
    pub reason: &'a str,
}

/// Configuration that takes effect at its position; the document is JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document<'a> {
    pub id: Uuid,
    /// Random: names this change of the quota.
    pub version: u64,
    pub json: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// Usage.
    Report(Report<'a>),
    /// Take units if they fit.
    Consume(Take<'a>),
    /// Hold units if they fit.
    Reserve(Take<'a>),
    /// Turn a hold into use.
    Commit(Resolve<'a>),
    /// Give a hold back.
    Release(Resolve<'a>),
    /// Withdraw one attempt whose answer is unknown.
    Cancel(Resolve<'a>),
    /// A position that checks can be answered at.
    Barrier { nonce: Uuid },
    /// A judged report that Postgres refused: it never counted.
    Void(Amend<'a>),
    /// A report that was counted by the fold although its id had counted before its horizon.
    Correct(Amend<'a>),
    /// A quota was set or deleted.
    Quota(Document<'a>),
    /// The past of a new quota.
    QuotaSeed(Document<'a>),
    /// Version of the fold's semantics and of the time-zone data.
    Rules(Document<'a>),
}

/// Why a payload is no record. Only `Malformed` may be dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("record kind {0} is unknown to this version; upgrade the readers before the writers")]
    UnknownKind(u8),
    #[error("malformed record of kind {0}")]
    Malformed(u8),
}

impl<'a> Record<'a> {
    /// The kind byte in the envelope; never renumbered.
    pub fn kind(&self) -> u8 {
        match self {
            Record::Report(_) => 1,
            Record::Consume(_) => 2,
            Record::Reserve(_) => 3,
            Record::Commit(_) => 4,
            Record::Release(_) => 5,
            Record::Cancel(_) => 6,
            Record::Barrier { .. } => 7,
            Record::Void(_) => 8,
            Record::Correct(_) => 9,
            Record::Quota(_) => 10,
            Record::QuotaSeed(_) => 11,
            Record::Rules(_) => 12,
        }
    }

    /// The payload, without kind and length.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Record::Report(r) => postcard::to_allocvec(r),
            Record::Consume(r) | Record::Reserve(r) => postcard::to_allocvec(r),
            Record::Commit(r) | Record::Release(r) | Record::Cancel(r) => postcard::to_allocvec(r),
            Record::Barrier { nonce } => postcard::to_allocvec(nonce),
            Record::Void(r) | Record::Correct(r) => postcard::to_allocvec(r),
            Record::Quota(r) | Record::QuotaSeed(r) | Record::Rules(r) => postcard::to_allocvec(r),
        }
        .expect("plain data always serialises")
    }

    pub fn decode(kind: u8, payload: &'a [u8]) -> Result<Self, RecordError> {
        fn all<'a, T: Deserialize<'a>>(kind: u8, payload: &'a [u8]) -> Result<T, RecordError> {
            match postcard::take_from_bytes(payload) {
                Ok((value, [])) => Ok(value),
                Ok(_) | Err(_) => Err(RecordError::Malformed(kind)),
            }
        }
        Ok(match kind {
            1 => Record::Report(all(kind, payload)?),
            2 => Record::Consume(all(kind, payload)?),
            3 => Record::Reserve(all(kind, payload)?),
            4 => Record::Commit(all(kind, payload)?),
            5 => Record::Release(all(kind, payload)?),
            6 => Record::Cancel(all(kind, payload)?),
            7 => Record::Barrier {
                nonce: all(kind, payload)?,
            },
            8 => Record::Void(all(kind, payload)?),
            9 => Record::Correct(all(kind, payload)?),
            10 => Record::Quota(all(kind, payload)?),
            11 => Record::QuotaSeed(all(kind, payload)?),
            12 => Record::Rules(all(kind, payload)?),
            unknown => return Err(RecordError::UnknownKind(unknown)),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn report() -> Report<'static> {
        Report {
            id: Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001),
            tenant_id: "org_001",
            resource: "billing",
            feature: "invoice_generate",
            quantity: 1,
            timestamp_us: 1_763_634_660_000_000,
            metadata: r#"{"user":"u_123"}"#,
            received_us: 1_763_634_661_000_000,
            payload_hash: -5,
            request_id: Uuid::from_u128(9),
        }
    }

    fn one_of_each() -> Vec<Record<'static>> {
        let id = Uuid::from_u128(1);
        let attempt = Uuid::from_u128(2);
        let take = Take {
            id,
            attempt,
            tenant_id: "t",
            feature: "f",
            resource: None,
            quantity: 3,
            ttl_seconds: None,
            not_after_us: 4,
        };
        let resolve = Resolve {
            id,
            attempt,
            tenant_id: "t",
            quantity: Some(2),
            overshoot: false,
            not_after_us: 4,
        };
        let amend = Amend {
            position: RecordPosition {
                partition: 1,
                seq: 300,
                index: 2,
            },
            reason: "total_overflow",
        };
        let document = Document {
            id,
            version: 1,
            json: "{}",
        };
        vec![
            Record::Report(report()),
            Record::Consume(take),
            Record::Reserve(Take {
                ttl_seconds: Some(300),
                ..take
            }),
            Record::Commit(resolve),
            Record::Release(Resolve {
                quantity: None,
                ..resolve
            }),
            Record::Cancel(resolve),
            Record::Barrier { nonce: attempt },
            Record::Void(amend),
            Record::Correct(amend),
            Record::Quota(document),
            Record::QuotaSeed(document),
            Record::Rules(document),
        ]
    }

    #[test]
    fn every_kind_round_trips_and_its_bytes_are_golden() {
        use std::fmt::Write as _;
        let mut golden = String::new();
        for record in one_of_each() {
            let payload = record.encode();
            assert_eq!(Record::decode(record.kind(), &payload), Ok(record));
            let hex = payload.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
            writeln!(golden, "{} {hex}", record.kind()).unwrap();
        }
        assert_eq!(golden, include_str!("../golden/records.txt"));
    }

    #[test]
    fn strangers_are_told_apart() {
        assert_eq!(Record::decode(0, &[]), Err(RecordError::UnknownKind(0)));
        assert_eq!(Record::decode(13, &[]), Err(RecordError::UnknownKind(13)));
        assert_eq!(Record::decode(1, &[1, 2]), Err(RecordError::Malformed(1)));
        let mut trailing = Record::Report(report()).encode();
        trailing.push(0);
        assert_eq!(Record::decode(1, &trailing), Err(RecordError::Malformed(1)));
    }
}
