//! From a parsed body to records for the log: who gets which id, what is sent twice, what is
//! refused. Pure: time and fresh ids are arguments.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use metering_core::code::{Code, Refusal};
use metering_core::envelope::EncodedRecord;
use metering_core::new_event::NewEvent;
use metering_core::parse::Body;
use metering_core::partition::partition_of;
use metering_core::record::{Record, Report};
use uuid::Uuid;

use crate::error::{IngestError, Rejected};
use crate::state::Secrets;

/// Namespace of the ids made from an Idempotency-Key (UUIDv5, RFC 9562 §5.5). Never changes: a
/// retry across an upgrade must get the same ids.
const IDEMPOTENCY_NAMESPACE: Uuid = Uuid::from_u128(0x6d65_7465_7264_5f69_8465_6d70_6f74_656e);

/// What is known of a request besides its events.
pub struct Terms {
    pub now: DateTime<Utc>,
    /// The request's trace.
    pub request_id: Uuid,
    pub idempotency_key: Option<String>,
    /// The only tenant the caller may write.
    pub bound_to: Option<String>,
    pub atomic: bool,
    pub partitions: u16,
    pub secrets: Arc<Secrets>,
    /// Makes a fresh id (UUIDv7).
    pub new_id: fn() -> Uuid,
}

/// A request's events, ready for the log.
#[derive(Debug, Default)]
pub struct Admitted {
    /// Per partition that is written to: its records and their places in the request.
    pub partitions: HashMap<u16, Share>,
    pub accepted: usize,
    /// Repeats of an event within the request.
    pub duplicates: usize,
    pub rejected: Vec<Rejected>,
    /// The id of each event by its place; `None` for refused ones.
    pub ids: Vec<Option<Uuid>>,
    /// At least one of `ids` was made here.
    pub made_ids: bool,
}

/// What goes to one partition.
#[derive(Debug, Default)]
pub struct Share {
    pub records: Vec<EncodedRecord>,
    pub indexes: Vec<usize>,
}

/// Decides about every event of a request.
pub fn admit(body: Body<'_>, terms: &Terms) -> Result<Admitted, IngestError> {
    let single = body.single;
    let mut admitted = Admitted::default();
    let mut events = Vec::with_capacity(body.events.len());
    for (index, event) in body.events.into_iter().enumerate() {
        if let (Ok(event), Some(bound_to)) = (&event, &terms.bound_to)
            && event.tenant_id != *bound_to
        {
            return Err(IngestError::TenantMismatch { index });
        }
        events.push(event.map(|event| {
            let id = event.id.unwrap_or_else(|| {
                admitted.made_ids = true;
                made_id(terms, index)
            });
            (id, event)
        }));
    }
    let conflicts = conflicts(&events);
    let mut seen = HashSet::new();
    for (index, event) in events.iter().enumerate() {
        match event {
            Err(refusal) => admitted.reject(index, None, refusal.clone()),
            Ok((id, event)) if conflicts.contains(&(event.tenant_id.as_ref(), *id)) => {
                let detail = "the request has two different events with this id; both are refused";
                admitted.reject(index, Some(*id), Refusal::new(Code::IdConflict, detail));
            }
            Ok((id, event)) => {
                admitted.ids.push(Some(*id));
                if seen.insert((event.tenant_id.as_ref(), *id)) {
                    admitted.accept(index, *id, event, terms);
                } else {
                    admitted.duplicates += 1;
                }
            }
        }
    }
    admitted.verdict(single, terms.atomic)
}

impl Admitted {
    fn accept(&mut self, index: usize, id: Uuid, event: &NewEvent<'_>, terms: &Terms) {
        let secrets = &terms.secrets;
        let share = self
            .partitions
            .entry(partition_of(&event.tenant_id, terms.partitions))
            .or_default();
        share.indexes.push(index);
        share
            .records
            .push(EncodedRecord::new(&Record::Report(Report {
                id,
                tenant_id: &event.tenant_id,
                resource: &event.resource,
                feature: &event.feature,
                quantity: event.quantity,
                timestamp_us: event.timestamp.unwrap_or(terms.now).timestamp_micros(),
                metadata: &secrets.redaction.apply(&event.metadata),
                received_us: terms.now.timestamp_micros(),
                payload_hash: secrets.payloads.keyed_hash(event.payload_hash),
                request_id: terms.request_id,
            })));
        self.accepted += 1;
    }

    fn reject(&mut self, index: usize, id: Option<Uuid>, Refusal { code, detail }: Refusal) {
        self.ids.push(None);
        self.rejected.push(Rejected {
            index,
            id,
            code,
            detail,
        });
    }

    fn verdict(mut self, single: bool, atomic: bool) -> Result<Self, IngestError> {
        match (self.accepted, self.rejected.is_empty()) {
            (0, false) if single => Err(IngestError::Single(self.rejected.swap_remove(0))),
            (0, false) => Err(IngestError::AllRejected(self.rejected)),
            (_, false) if atomic => Err(IngestError::NotAtomic(self.rejected)),
            _ => Ok(self),
        }
    }
}

fn made_id(terms: &Terms, index: usize) -> Uuid {
    match &terms.idempotency_key {
        None => (terms.new_id)(),
        // NUL cannot be part of the key, so key and index cannot run into each other.
        Some(key) => Uuid::new_v5(&IDEMPOTENCY_NAMESPACE, format!("{key}\0{index}").as_bytes()),
    }
}

type Identified<'a> = Result<(Uuid, NewEvent<'a>), Refusal>;

/// The identities that the request gives to more than one payload.
fn conflicts<'e>(events: &'e [Identified<'_>]) -> HashSet<(&'e str, Uuid)> {
    let mut hashes = HashMap::new();
    let mut conflicts = HashSet::new();
    for (id, event) in events.iter().flatten() {
        let identity = (event.tenant_id.as_ref(), *id);
        if *hashes.entry(identity).or_insert(event.payload_hash) != event.payload_hash {
            conflicts.insert(identity);
        }
    }
    conflicts
}
