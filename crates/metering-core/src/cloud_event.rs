//! CloudEvents 1.0 as usage events.
//!
//! | CloudEvent | event |
//! |---|---|
//! | `subject` | `tenant_id` |
//! | `type` | `resource` |
//! | `data.feature`, else `type` | `feature` |
//! | `data.quantity`, else 1 | `quantity` |
//! | the other members of `data` | `metadata` |
//! | `time` | `timestamp` |
//! | `id`; one that is no UUID: UUIDv5 of `source` and `id` | `id` |
//!
//! Other attributes are passed over.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::code::{Code, Refusal};
use crate::limits::MAX_DATA_BYTES;
use crate::members::{self, Members};
use crate::metadata;
use crate::new_event::{
    Name, NewEvent, identifier, missing, parse_quantity, parse_timestamp, payload_hash, string,
};

/// Namespace of the ids made from `source` and `id` (UUIDv5, RFC 9562 §5.5). Never changes: an
/// event sent again after an upgrade must get the same id.
const CLOUD_EVENT_NAMESPACE: Uuid = Uuid::from_u128(0x6d65_7465_7264_5f63_8c6f_7564_5f65_7674);

/// Parses the JSON text of one CloudEvent.
pub(crate) fn parse(text: &str, now: DateTime<Utc>) -> Result<NewEvent<'_>, Refusal> {
    if !text.trim_ascii_start().starts_with('{') {
        let detail = "a CloudEvent must be a JSON object";
        return Err(Refusal::new(Code::InvalidShape, detail));
    }
    let attributes: Attributes<'_> =
        serde_json::from_str(text).map_err(|e| Refusal::new(Code::InvalidJson, e.to_string()))?;
    attributes.check(now)
}

/// What is read of a CloudEvent, before any of it is looked at.
#[derive(Default)]
pub(crate) struct Attributes<'a> {
    specversion: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    event_type: Option<Cow<'a, str>>,
    subject: Option<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
    datacontenttype: Option<Cow<'a, str>>,
    data: Option<&'a RawValue>,
    refusal: Option<Refusal>,
}

struct AttributesVisitor;

impl<'de> Deserialize<'de> for Attributes<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AttributesVisitor)
    }
}

impl<'de> Visitor<'de> for AttributesVisitor {
    type Value = Attributes<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut attributes = Attributes::default();
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            if name != "data" && name != "data_base64" && attributes.slot(&name).is_none() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &RawValue = map.next_value()?;
            // The JSON format lets null stand for an attribute that is not there.
            if value.get() != "null" {
                attributes.read(&name, value);
            }
        }
        Ok(attributes)
    }
}

impl<'a> Attributes<'a> {
    /// The attributes of the binary mode: the names and values of `ce-` headers, without the `ce-`.
    pub(crate) fn from_headers(
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        data: Option<&'a RawValue>,
    ) -> Self {
        let mut attributes = Self {
            data: data.filter(|data| data.get() != "null"),
            ..Self::default()
        };
        for (name, value) in headers {
            match header_text(value) {
                Some(text) => attributes.set(name, text),
                None => attributes.refuse(invalid(format!("ce-{name} is not UTF-8"))),
            }
        }
        attributes
    }

    fn read(&mut self, name: &str, value: &'a RawValue) {
        match name {
            "data" if self.data.is_some() => self.refuse(twice(name)),
            "data" => self.data = Some(value),
            "data_base64" => self.refuse(invalid("data must be JSON; data_base64 is not read")),
            _ => match string(value.get(), code_of(name), name) {
                Ok(text) => self.set(name, text),
                Err(refusal) => self.refuse(refusal),
            },
        }
    }

    fn set(&mut self, name: &str, text: Cow<'a, str>) {
        if self
            .slot(name)
            .is_some_and(|slot| slot.replace(text).is_some())
        {
            self.refuse(twice(name));
        }
    }

    /// Where an attribute goes; `None` for those that are not read.
    fn slot(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        Some(match name {
            "specversion" => &mut self.specversion,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.event_type,
            "subject" => &mut self.subject,
            "time" => &mut self.time,
            "datacontenttype" => &mut self.datacontenttype,
            _ => return None,
        })
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }

    pub(crate) fn check(self, now: DateTime<Utc>) -> Result<NewEvent<'a>, Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let specversion = self.specversion.ok_or_else(|| missing("specversion"))?;
        if specversion != "1.0" {
            return Err(invalid("specversion must be \"1.0\""));
        }
        if let Some(media_type) = &self.datacontenttype
            && !is_json(media_type)
        {
            return Err(invalid("datacontenttype must be JSON"));
        }
        let source = self.source.ok_or_else(|| missing("source"))?;
        if source.is_empty() {
            return Err(invalid("source must not be empty"));
        }
        let id = event_id(&source, &self.id.ok_or_else(|| missing("id"))?)?;
        let tenant_id = identifier("subject", self.subject)?;
        let resource = identifier("type", self.event_type)?;
        let time = self.time.as_deref();
        let timestamp = time
            .map(|text| parse_timestamp("time", text, now))
            .transpose()?;
        let data = Data::read(self.data)?;
        let feature = data.feature.unwrap_or_else(|| resource.clone());
        metadata::check(&data.metadata)?;
        Ok(NewEvent {
            id: Some(id),
            payload_hash: payload_hash(
                &resource,
                &feature,
                data.quantity,
                timestamp,
                &data.metadata,
            ),
            tenant_id,
            resource,
            feature,
            quantity: data.quantity,
            timestamp,
            metadata: data.metadata,
        })
    }
}

/// Whether a media type is JSON by name or by suffix.
pub fn is_json(media_type: &str) -> bool {
    let name = media_type.split(';').next().unwrap_or_default().trim();
    let (main, sub) = name.split_once('/').unwrap_or_default();
    let suffix = sub.rsplit('+').next().unwrap_or_default();
    ["application", "text"]
        .iter()
        .any(|known| main.eq_ignore_ascii_case(known))
        && suffix.eq_ignore_ascii_case("json")
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidCloudevent, detail)
}

fn twice(name: &str) -> Refusal {
    let detail = format!("the attribute {name:?} appears twice");
    Refusal::new(Code::DuplicateField, detail)
}

/// What an attribute that is no string is refused with.
fn code_of(name: &str) -> Code {
    match name {
        "id" => Code::InvalidId,
        "type" | "subject" => Code::InvalidIdentifier,
        "time" => Code::InvalidTimestamp,
        _ => Code::InvalidCloudevent,
    }
}

/// CloudEvents are told apart by source and id, events by a UUID.
fn event_id(source: &str, id: &str) -> Result<Uuid, Refusal> {
    match Uuid::try_parse(id) {
        Ok(id) if id.is_nil() => {
            let detail = "id must not be the nil UUID";
            Err(Refusal::new(Code::InvalidId, detail))
        }
        Ok(id) => Ok(id),
        Err(_) if id.is_empty() => Err(Refusal::new(Code::InvalidId, "id must not be empty")),
        Err(_) => Ok(Uuid::new_v5(&CLOUD_EVENT_NAMESPACE, &id_name(source, id))),
    }
}

/// The source's length keeps source and id from running into each other.
fn id_name(source: &str, id: &str) -> Vec<u8> {
    let mut name = (source.len() as u64).to_be_bytes().to_vec();
    name.extend_from_slice(source.as_bytes());
    name.extend_from_slice(id.as_bytes());
    name
}

/// The value of a header of the binary mode: percent-encoded UTF-8, perhaps in quotes (CloudEvents
/// HTTP binding 1.0.2 §3.1.3.2). `None` if it is no UTF-8.
fn header_text(value: &[u8]) -> Option<Cow<'_, str>> {
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    match quoted {
        None => percent_decode(value).decode_utf8().ok(),
        Some(quoted) => {
            let mut bytes = quoted.iter();
            let mut plain = Vec::with_capacity(quoted.len());
            while let Some(byte) = bytes.next() {
                // A backslash stands before a character that is meant as it is.
                plain.push(if *byte == b'\\' {
                    *bytes.next()?
                } else {
                    *byte
                });
            }
            let text = percent_decode(&plain).decode_utf8().ok()?.into_owned();
            Some(Cow::Owned(text))
        }
    }
}

/// The data of a CloudEvent, taken apart.
struct Data<'a> {
    feature: Option<Cow<'a, str>>,
    quantity: i64,
    metadata: Cow<'a, str>,
}

impl<'a> Data<'a> {
    fn read(data: Option<&'a RawValue>) -> Result<Self, Refusal> {
        let mut read = Self {
            feature: None,
            quantity: 1,
            metadata: Cow::Borrowed("{}"),
        };
        let Some(text) = data.map(RawValue::get) else {
            return Ok(read);
        };
        if !text.starts_with('{') {
            return Err(invalid("data must be a JSON object"));
        }
        if text.len() > MAX_DATA_BYTES {
            let detail = format!(
                "data has {} bytes; at most {MAX_DATA_BYTES} are allowed",
                text.len()
            );
            return Err(Refusal::new(Code::MetadataTooLarge, detail));
        }
        let Members(members) = serde_json::from_str(text)
            .map_err(|e| Refusal::new(Code::InvalidJson, format!("data: {e}")))?;
        let (mut feature, mut quantity) = (None, None);
        let mut others = Vec::with_capacity(members.len());
        for (name, value) in members {
            let slot = match name.as_ref() {
                "feature" => &mut feature,
                "quantity" => &mut quantity,
                _ => {
                    others.push((name, value.get()));
                    continue;
                }
            };
            if slot.replace(value.get()).is_some() {
                return Err(twice(&format!("data.{name}")));
            }
        }
        if let Some(raw) = feature {
            let text = string(raw, Code::InvalidIdentifier, "data.feature")?;
            read.feature = Some(identifier("data.feature", Some(text))?);
        }
        if let Some(raw) = quantity {
            read.quantity = parse_quantity(raw)?;
        }
        read.metadata = members::object(others).into();
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z")
            .unwrap()
            .to_utc()
    }

    fn with(more: &str) -> String {
        format!(
            r#"{{"specversion":"1.0","id":"A-1","source":"/s","type":"com.example.pdf","subject":"org_001"{more}}}"#
        )
    }

    #[test]
    fn the_mapping() {
        let text = with(
            r#","time":"2025-11-20T10:31:00Z","extension":[1],"dataschema":null,"datacontenttype":"application/vnd.x+json",
            "data":{"pages": 1.50, "feature":"render","quantity":3,"a":{"feature":1}}"#,
        );
        let event = parse(&text, now()).unwrap();
        assert_eq!(
            (
                &*event.tenant_id,
                &*event.resource,
                &*event.feature,
                event.quantity
            ),
            ("org_001", "com.example.pdf", "render", 3)
        );
        assert_eq!(event.metadata, r#"{"pages":1.50,"a":{"feature":1}}"#);
        assert_eq!(event.timestamp.unwrap().timestamp(), 1_763_634_660);
        let golden = "dec6690f-c299-5753-97b7-bbb8a2d858cd";
        assert_eq!(event.id.unwrap().to_string(), golden);
        let text = with("");
        let event = parse(&text, now()).unwrap();
        assert_eq!(
            (
                &*event.feature,
                event.quantity,
                &*event.metadata,
                event.timestamp
            ),
            ("com.example.pdf", 1, "{}", None)
        );
        let uuid = "0193A5B0-7c1d-7000-8000-00000000000a";
        let text = with("").replace("A-1", uuid);
        assert_eq!(parse(&text, now()).unwrap().id, uuid.parse().ok());
    }

    #[test]
    fn the_binary_mode_reads_the_same_event() {
        let text = with(r#","data":{"quantity":3,"a":1}"#);
        let data = RawValue::from_string(r#"{"quantity":3,"a":1}"#.into()).unwrap();
        let headers: [(&str, &[u8]); 6] = [
            ("specversion", b"1.0"),
            ("id", br#""A\-1""#),
            ("source", b"%2Fs"),
            ("type", b"com.example.pdf"),
            ("subject", b"org_001"),
            ("extension", b"x"),
        ];
        let event = Attributes::from_headers(headers.into_iter(), Some(&data));
        assert_eq!(event.check(now()), parse(&text, now()));
    }

    #[test]
    fn refused_with_the_right_code() {
        use Code::*;
        let large = format!(r#","data":{{"a":"{}"}}"#, "x".repeat(MAX_DATA_BYTES));
        for (more, code) in [
            (r#","id":"B""#, DuplicateField),
            (r#","data":{},"data":{}"#, DuplicateField),
            (r#","data":{"quantity":1,"quantity":1}"#, DuplicateField),
            (r#","data":{"a":1,"a":1}"#, InvalidMetadata),
            (r#","data":{"a":"\u0000"}"#, InvalidMetadata),
            (r#","data":[1]"#, InvalidCloudevent),
            (r#","data":"text""#, InvalidCloudevent),
            (r#","data_base64":"AA==""#, InvalidCloudevent),
            (r#","datacontenttype":"text/xml""#, InvalidCloudevent),
            (r#","datacontenttype":7"#, InvalidCloudevent),
            (r#","time":"yesterday""#, InvalidTimestamp),
            (r#","time":7"#, InvalidTimestamp),
            (r#","time":"2026-01-01T00:05:01Z""#, TimestampInFuture),
            (r#","data":{"feature":"a b"}"#, InvalidIdentifier),
            (r#","data":{"feature":7}"#, InvalidIdentifier),
            (r#","data":{"quantity":1.0}"#, InvalidQuantity),
            (&large, MetadataTooLarge),
        ] {
            let refusal = parse(&with(more), now()).unwrap_err();
            assert_eq!(refusal.code, code, "{more}: {}", refusal.detail);
        }
        for (from, to, code) in [
            ("\"1.0\"", "\"0.3\"", InvalidCloudevent),
            ("\"specversion\"", "\"x\"", MissingField),
            ("\"id\"", "\"x\"", MissingField),
            ("\"A-1\"", "null", MissingField),
            ("\"A-1\"", "\"\"", InvalidId),
            ("\"A-1\"", "7", InvalidId),
            ("A-1", "00000000-0000-0000-0000-000000000000", InvalidId),
            ("\"source\"", "\"x\"", MissingField),
            ("\"/s\"", "\"\"", InvalidCloudevent),
            ("\"subject\"", "\"x\"", MissingField),
            ("org_001", "a b", InvalidIdentifier),
            ("\"type\"", "\"x\"", MissingField),
        ] {
            let refusal = parse(&with("").replacen(from, to, 1), now()).unwrap_err();
            assert_eq!(refusal.code, code, "{from} {to}: {}", refusal.detail);
        }
    }

    proptest! {
        #[test]
        fn no_two_cloud_events_share_a_name(a in ".{0,4}", b in ".{0,4}", c in ".{0,4}", d in ".{0,4}") {
            prop_assert_eq!((&a, &b) == (&c, &d), id_name(&a, &b) == id_name(&c, &d));
        }
    }
}
