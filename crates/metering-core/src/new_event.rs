//! From the JSON of one event to its fields: strict, and borrowing wherever it can.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Datelike as _, Utc};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3Default;

use crate::code::{Code, Refusal};
use crate::event::is_identifier;
use crate::limits::{MAX_FUTURE_SKEW, MAX_QUANTITY};
use crate::metadata;

/// One valid event, with what the producer left out still missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent<'a> {
    pub id: Option<Uuid>,
    pub tenant_id: Cow<'a, str>,
    pub resource: Cow<'a, str>,
    pub feature: Cow<'a, str>,
    pub quantity: i64,
    pub timestamp: Option<DateTime<Utc>>,
    /// The JSON object as sent.
    pub metadata: Cow<'a, str>,
    /// XXH3-64 over the fields as sent. An absent timestamp hashes as absent, so that a retry is
    /// never mistaken for another event.
    pub payload_hash: i64,
}

/// Parses the text of one event.
pub fn parse_event(text: &str, now: DateTime<Utc>) -> Result<NewEvent<'_>, Refusal> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Refusal::new(
            Code::InvalidShape,
            "an event must be a JSON object",
        ));
    }
    let fields: Fields<'_> =
        serde_json::from_str(text).map_err(|e| Refusal::new(Code::InvalidJson, e.to_string()))?;
    if fields.events.is_some() {
        return Err(unknown_field("events"));
    }
    fields.check(now)
}

/// The fields of an event object before any of them is looked at.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    id: Option<&'a RawValue>,
    tenant_id: Option<&'a RawValue>,
    resource: Option<&'a RawValue>,
    feature: Option<&'a RawValue>,
    quantity: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
    pub(crate) events: Option<&'a RawValue>,
    /// `events` is the only field there is.
    pub(crate) only_events: bool,
    pub(crate) refusal: Option<Refusal>,
}

struct FieldsVisitor;

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields {
            only_events: true,
            ..Fields::default()
        };
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            fields.only_events &= name == "events";
            let slot = match name.as_ref() {
                "id" => &mut fields.id,
                "tenant_id" => &mut fields.tenant_id,
                "resource" => &mut fields.resource,
                "feature" => &mut fields.feature,
                "quantity" => &mut fields.quantity,
                "timestamp" => &mut fields.timestamp,
                "metadata" => &mut fields.metadata,
                "events" => &mut fields.events,
                unknown => {
                    map.next_value::<IgnoredAny>()?;
                    fields.refusal.get_or_insert_with(|| unknown_field(unknown));
                    continue;
                }
            };
            if slot.replace(map.next_value()?).is_some() {
                let detail = format!("the field {name:?} appears twice");
                fields.refusal = Some(Refusal::new(Code::DuplicateField, detail));
            }
        }
        Ok(fields)
    }
}

/// A field name, borrowed unless it is written with escapes.
#[derive(Deserialize)]
pub(crate) struct Name<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

fn unknown_field(name: &str) -> Refusal {
    let known = "id, tenant_id, resource, feature, quantity, timestamp, metadata";
    let shown: String = name.chars().take(64).collect();
    Refusal::new(
        Code::UnknownField,
        format!("unknown field {shown:?}; an event has {known}"),
    )
}

impl<'a> Fields<'a> {
    pub(crate) fn check(self, now: DateTime<Utc>) -> Result<NewEvent<'a>, Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let id = self.id.map(|raw| parse_id(raw.get())).transpose()?;
        let name = |field, raw: Option<&'a RawValue>| {
            let text = raw.map(|raw| string(raw.get(), Code::InvalidIdentifier, field));
            identifier(field, text.transpose()?)
        };
        let tenant_id = name("tenant_id", self.tenant_id)?;
        let resource = name("resource", self.resource)?;
        let feature = name("feature", self.feature)?;
        let quantity = self
            .quantity
            .map_or(Ok(1), |raw| parse_quantity(raw.get()))?;
        let timestamp = self
            .timestamp
            .map(|raw| {
                let text = string(raw.get(), Code::InvalidTimestamp, "timestamp")?;
                parse_timestamp("timestamp", &text, now)
            })
            .transpose()?;
        let metadata = self.metadata.map_or("{}", RawValue::get);
        metadata::check(metadata)?;
        let payload_hash = payload_hash(&resource, &feature, quantity, timestamp, metadata);
        Ok(NewEvent {
            id,
            tenant_id,
            resource,
            feature,
            quantity,
            timestamp,
            metadata: metadata.into(),
            payload_hash,
        })
    }
}

/// Length-prefixed, so that no two lists of fields hash the same bytes.
pub(crate) fn payload_hash(
    resource: &str,
    feature: &str,
    quantity: i64,
    timestamp: Option<DateTime<Utc>>,
    metadata: &str,
) -> i64 {
    let mut hash = Xxh3Default::new();
    for text in [resource, feature, metadata] {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(&quantity.to_le_bytes());
    if let Some(timestamp) = timestamp {
        hash.update(&timestamp.timestamp_micros().to_le_bytes());
    }
    hash.digest().cast_signed()
}

/// The text of the JSON string `raw`; anything else is refused with `code`.
pub(crate) fn string<'a>(raw: &'a str, code: Code, what: &str) -> Result<Cow<'a, str>, Refusal> {
    if !raw.starts_with('"') {
        return Err(Refusal::new(code, format!("{what} must be a string")));
    }
    let Name(text) = serde_json::from_str(raw)
        .map_err(|e| Refusal::new(Code::InvalidJson, format!("{what}: {e}")))?;
    Ok(text)
}

pub(crate) fn identifier<'a>(
    field: &str,
    text: Option<Cow<'a, str>>,
) -> Result<Cow<'a, str>, Refusal> {
    let text = text.ok_or_else(|| missing(field))?;
    if is_identifier(&text) {
        return Ok(text);
    }
    let rule = "1 to 128 of the characters A-Z a-z 0-9 . _ : @ / | + = ~ % -, the first a letter or digit, no \"..\"";
    Err(Refusal::new(
        Code::InvalidIdentifier,
        format!("{field} must be {rule}"),
    ))
}

pub(crate) fn missing(field: &str) -> Refusal {
    let detail = format!("the field {field:?} is missing");
    Refusal::new(Code::MissingField, detail)
}

/// A canonical UUID; braces, `urn:uuid:` and upper case are understood.
fn parse_id(raw: &str) -> Result<Uuid, Refusal> {
    let text = string(raw, Code::InvalidId, "id")?;
    Uuid::try_parse(&text)
        .ok()
        .filter(|id| !id.is_nil())
        .ok_or_else(|| Refusal::new(Code::InvalidId, "id must be a UUID other than the nil UUID"))
}

pub(crate) fn parse_quantity(raw: &str) -> Result<i64, Refusal> {
    let digits = raw.bytes().all(|b| b.is_ascii_digit());
    raw.parse()
        .ok()
        .filter(|q| digits && *q <= MAX_QUANTITY)
        .ok_or_else(|| {
            Refusal::new(
                Code::InvalidQuantity,
                format!("quantity must be an integer from 0 to {MAX_QUANTITY}"),
            )
        })
}

pub(crate) fn parse_timestamp(
    field: &str,
    text: &str,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, Refusal> {
    let instant = rfc3339_instant(text).ok_or_else(|| {
        let rule = "must be an RFC 3339 date-time with an offset, like 2025-11-20T10:31:00Z";
        Refusal::new(Code::InvalidTimestamp, format!("{field} {rule}"))
    })?;
    if instant > now + MAX_FUTURE_SKEW {
        let minutes = MAX_FUTURE_SKEW.num_minutes();
        let detail =
            format!("{field} lies more than {minutes} minutes ahead of the server's clock");
        return Err(Refusal::new(Code::TimestampInFuture, detail));
    }
    Ok(instant)
}

/// RFC 3339 to the microsecond; leap seconds and years outside 1–9999 are no instants here.
pub fn rfc3339_instant(text: &str) -> Option<DateTime<Utc>> {
    // chrono reads `:60` as the second before; meterd does not guess.
    if text.get(17..19)? == "60" {
        return None;
    }
    let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    let instant = DateTime::from_timestamp_micros(instant.timestamp_micros())?;
    (1..=9999).contains(&instant.year()).then_some(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z")
            .unwrap()
            .to_utc()
    }

    fn one(json: &str) -> Result<NewEvent<'_>, Refusal> {
        parse_event(json, now())
    }

    fn with(field: &str) -> String {
        format!(r#"{{"tenant_id":"t","resource":"r","feature":"f",{field}}}"#)
    }

    #[test]
    fn the_requirements_example_verbatim() {
        let json = r#"{
  "tenant_id": "org_001",
  "resource": "billing",
  "feature": "invoice_generate",
  "quantity": 1,
  "timestamp": "2025-11-20T10:31:00Z",
  "metadata": {"user": "u_123", "order": "ord_456"}
}"#;
        let event = one(json).unwrap();
        assert_eq!((event.tenant_id.as_ref(), event.quantity), ("org_001", 1));
        assert_eq!(event.timestamp.unwrap().timestamp(), 1_763_634_660);
        assert_eq!(event.metadata, r#"{"user": "u_123", "order": "ord_456"}"#);
    }

    #[test]
    fn defaults_and_canonical_ids() {
        let event = one(r#"{"tenant_id":"\u0074","resource":"r","feature":"f"}"#).unwrap();
        assert_eq!(
            (
                event.tenant_id.as_ref(),
                event.quantity,
                event.metadata.as_ref()
            ),
            ("t", 1, "{}")
        );
        assert_eq!((event.id, event.timestamp), (None, None));
        let id = "0193a5b0-7c1d-7000-8000-00000000000a";
        for spelling in [
            id.to_owned(),
            id.to_uppercase(),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
        ] {
            assert_eq!(
                one(&with(&format!(r#""id":"{spelling}""#))).unwrap().id,
                Some(id.parse().unwrap())
            );
        }
    }

    #[test]
    fn single_fields_refused() {
        use Code::*;
        for (field, code) in [
            (r#""x":1"#, UnknownField),
            (r#""events":[]"#, UnknownField),
            (r#""quantity":1,"quantity":1"#, DuplicateField),
            (r#""tenant_id":"t""#, DuplicateField),
            (r#""id":"nope""#, InvalidId),
            (r#""id":"00000000-0000-0000-0000-000000000000""#, InvalidId),
            (r#""id":7"#, InvalidId),
            (r#""quantity":-1"#, InvalidQuantity),
            (r#""quantity":1.0"#, InvalidQuantity),
            (r#""quantity":1e2"#, InvalidQuantity),
            (r#""quantity":-0"#, InvalidQuantity),
            (r#""quantity":"1""#, InvalidQuantity),
            (r#""quantity":true"#, InvalidQuantity),
            (r#""quantity":null"#, InvalidQuantity),
            (r#""quantity":1000000000001"#, InvalidQuantity),
            (r#""quantity":99999999999999999999999"#, InvalidQuantity),
            (r#""timestamp":1"#, InvalidTimestamp),
            (r#""timestamp":"2025-11-20T10:31:00""#, InvalidTimestamp),
            (r#""timestamp":"2025-02-30T10:31:00Z""#, InvalidTimestamp),
            (r#""timestamp":"2025-11-20T10:31:60Z""#, InvalidTimestamp),
            (r#""timestamp":"0000-11-20T10:31:00Z""#, InvalidTimestamp),
            (r#""timestamp":"10000-11-20T10:31:00Z""#, InvalidTimestamp),
            (r#""timestamp":"2026-01-01T00:05:01Z""#, TimestampInFuture),
            (r#""metadata":null"#, InvalidMetadata),
            (r#""metadata":[]"#, InvalidMetadata),
        ] {
            assert_eq!(one(&with(field)).unwrap_err().code, code, "{field}");
        }
        for (json, code) in [
            (r#"{"resource":"r","feature":"f"}"#, MissingField),
            (
                r#"{"tenant_id":"a b","resource":"r","feature":"f"}"#,
                InvalidIdentifier,
            ),
            (
                r#"{"tenant_id":"","resource":"r","feature":"f"}"#,
                InvalidIdentifier,
            ),
            (
                r#"{"tenant_id":"\ud800","resource":"r","feature":"f"}"#,
                InvalidJson,
            ),
        ] {
            assert_eq!(one(json).unwrap_err().code, code, "{json}");
        }
    }

    #[test]
    fn the_hash_tells_payloads_apart_and_retries_not() {
        let hash = |field: &str| one(&with(field)).unwrap().payload_hash;
        let base = hash(r#""quantity":1"#);
        assert_eq!(base, hash(r#""metadata":{}"#));
        for other in [
            r#""quantity":2"#,
            r#""metadata":{"a":1}"#,
            r#""timestamp":"2025-01-01T00:00:00Z""#,
        ] {
            assert_ne!(base, hash(other), "{other}");
        }
        let golden = one(r#"{"tenant_id":"t","resource":"r","feature":"f","quantity":5}"#).unwrap();
        assert_eq!(golden.payload_hash, -9_202_521_867_001_069_477);
    }
}
