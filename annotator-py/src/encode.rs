//! Events as the JSON that is sent, put together from what a segment holds.

use std::io::Write as _;
use std::ops::Range;

use chrono::{DateTime, Utc};
use metering_core::event::rfc3339;
use uuid::Uuid;

use crate::segment::{Found, Segment, UNIT_BYTES};

/// The part of an event that one meter's events share.
pub(crate) fn meter_fields(resource: &str, feature: &str) -> String {
    // Identifiers have no character that JSON escapes.
    format!(r#""resource":"{resource}","feature":"{feature}""#)
}

pub(crate) fn tenant_field(tenant: &str) -> String {
    format!(r#""tenant_id":"{tenant}""#)
}

/// An event with more than its names, quantity and time.
pub(crate) struct Wide<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) meter_fields: &'a str,
    pub(crate) quantity: u64,
    pub(crate) timestamp_micros: i64,
    /// A JSON object.
    pub(crate) metadata: Option<&'a str>,
    pub(crate) id: Option<Uuid>,
}

impl Wide<'_> {
    /// The fields without the braces; the id only if the event brought one.
    pub(crate) fn fields(&self) -> Option<String> {
        let timestamp = rfc3339(DateTime::<Utc>::from_timestamp_micros(
            self.timestamp_micros,
        )?);
        let id = self.id.map(|id| format!(r#""id":"{id}","#));
        let metadata = self.metadata.map(|json| format!(r#","metadata":{json}"#));
        Some(format!(
            r#"{}{},{},"quantity":{},"timestamp":"{timestamp}"{}"#,
            id.unwrap_or_default(),
            tenant_field(self.tenant),
            self.meter_fields,
            self.quantity,
            metadata.unwrap_or_default(),
        ))
    }
}

/// A JSON array of events, and where they come from.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) body: Vec<u8>,
    /// Each event's place in `body`.
    pub(crate) events: Vec<Range<usize>>,
    /// The unit behind the last event.
    pub(crate) end: u64,
}

/// How much one request may carry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BatchLimits {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// Encodes what `segment` has to send. Without events, `end` says how far there is nothing.
pub(crate) fn next_batch(segment: &Segment, limits: BatchLimits) -> Batch {
    let mut unit = segment.delivered();
    let (end, sealed) = (segment.end(), segment.is_sealed());
    let mut body = Vec::with_capacity(limits.bytes.min(limits.events * 256));
    body.push(b'[');
    let mut events = Vec::new();
    let mut seconds = Seconds::default();
    segment.with_texts(unit, |texts| {
        while unit < end && events.len() < limits.events && body.len() < limits.bytes {
            let (found, next) = segment.read(unit);
            let start = body.len() + usize::from(!events.is_empty());
            match found {
                // Somebody is writing it right now.
                Found::Hole if !sealed => break,
                Found::Hole => {}
                Found::Text { number, bytes } => texts.learn(number, bytes),
                Found::Event {
                    micros,
                    meter,
                    tenant,
                    quantity,
                } => {
                    if let (Some(tenant), Some(meter)) = (texts.get(tenant), texts.get(meter)) {
                        open(&mut body, &events, segment.event_id(micros, unit));
                        body.extend_from_slice(tenant);
                        body.push(b',');
                        body.extend_from_slice(meter);
                        let _ = write!(body, r#","quantity":{quantity},"timestamp":""#);
                        seconds.write(&mut body, micros);
                        body.extend_from_slice(b"\"}");
                        events.push(start..body.len());
                    }
                }
                Found::Wide {
                    own_id: true,
                    fields,
                    ..
                } => {
                    separate(&mut body, &events);
                    body.push(b'{');
                    close(&mut body, &fields);
                    events.push(start..body.len());
                }
                Found::Wide { micros, fields, .. } => {
                    open(&mut body, &events, segment.event_id(micros, unit));
                    close(&mut body, &fields);
                    events.push(start..body.len());
                }
            }
            unit = next;
        }
    });
    body.push(b']');
    Batch {
        body,
        events,
        end: unit,
    }
}

/// The most bytes of a unit's events; used to see that limits leave room for one.
pub(crate) const SMALLEST_BATCH_BYTES: usize = UNIT_BYTES * 512;

fn separate(body: &mut Vec<u8>, events: &[Range<usize>]) {
    if !events.is_empty() {
        body.push(b',');
    }
}

fn open(body: &mut Vec<u8>, events: &[Range<usize>], id: Uuid) {
    separate(body, events);
    body.extend_from_slice(b"{\"id\":\"");
    let mut hyphenated = [0; 36];
    body.extend_from_slice(id.as_hyphenated().encode_lower(&mut hyphenated).as_bytes());
    body.extend_from_slice(b"\",");
}

fn close(body: &mut Vec<u8>, fields: &[u8]) {
    body.extend_from_slice(fields);
    body.push(b'}');
}

/// RFC 3339 to the microsecond. Events of one second share all but the fraction.
#[derive(Default)]
struct Seconds {
    second: u64,
    text: String,
}

impl Seconds {
    fn write(&mut self, body: &mut Vec<u8>, micros: u64) {
        let (second, fraction) = (micros / 1_000_000, micros % 1_000_000);
        if self.text.is_empty() || self.second != second {
            let instant = DateTime::<Utc>::from_timestamp_secs(second.cast_signed());
            self.text = rfc3339(instant.unwrap_or_default());
            self.text.pop();
            self.second = second;
        }
        body.extend_from_slice(self.text.as_bytes());
        let _ = write!(body, ".{fraction:06}Z");
    }
}
