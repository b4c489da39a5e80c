//! From the bytes of a request to events: strict, bounded, and borrowing wherever it can.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::code::Refusal;
use crate::limits::MAX_BODY_DEPTH;
use crate::new_event::{Fields, NewEvent, parse_event};

/// What a JSON body holds. Refused events keep their place.
#[derive(Debug)]
pub struct Body<'a> {
    /// A single object outside of any array.
    pub single: bool,
    pub events: Vec<Result<NewEvent<'a>, Refusal>>,
}

/// Why a body holds no events at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the request has no body")]
    Empty,
    #[error("the body is not valid JSON: {0}")]
    InvalidJson(String),
    #[error("the body nests deeper than {MAX_BODY_DEPTH}")]
    TooDeep,
    #[error("the body must be an event object, an array of events, or {{\"events\": [...]}}")]
    InvalidShape,
    #[error("the batch holds no events")]
    EmptyBatch,
    #[error("the batch holds more than {0} events")]
    BatchTooLarge(usize),
}

/// Parses a JSON body: one event, an array, or `{"events": [...]}`.
///
/// `now` only serves to refuse timestamps from the future.
pub fn parse_body(
    body: &[u8],
    max_events: usize,
    now: DateTime<Utc>,
) -> Result<Body<'_>, BodyError> {
    let text =
        std::str::from_utf8(body).map_err(|e| BodyError::InvalidJson(format!("not UTF-8: {e}")))?;
    let first = text
        .trim_ascii_start()
        .bytes()
        .next()
        .ok_or(BodyError::Empty)?;
    if depth(body) > MAX_BODY_DEPTH {
        return Err(BodyError::TooDeep);
    }
    let batch = match first {
        b'[' => text,
        b'{' => {
            let fields: Fields<'_> = from_json(text)?;
            match fields.events {
                None => {
                    return Ok(Body {
                        single: true,
                        events: vec![fields.check(now)],
                    });
                }
                Some(_) if fields.only_events && fields.refusal.is_none() => {
                    fields.events.map_or("", RawValue::get)
                }
                Some(_) => return Err(BodyError::InvalidShape),
            }
        }
        // Scalars are well-formed JSON of the wrong shape; anything else is no JSON.
        _ => {
            return Err(from_json::<IgnoredAny>(text)
                .err()
                .unwrap_or(BodyError::InvalidShape));
        }
    };
    if !batch.trim_ascii_start().starts_with('[') {
        return Err(BodyError::InvalidShape);
    }
    let items: Items<'_> = from_json_seed(batch, ItemsSeed { max: max_events })?;
    if items.overflow {
        return Err(BodyError::BatchTooLarge(max_events));
    }
    if items.items.is_empty() {
        return Err(BodyError::EmptyBatch);
    }
    let events = items
        .items
        .into_iter()
        .map(|item| parse_event(item.get(), now))
        .collect();
    Ok(Body {
        single: false,
        events,
    })
}

fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, BodyError> {
    serde_json::from_str(text).map_err(|e| BodyError::InvalidJson(e.to_string()))
}

fn from_json_seed<'a, S: serde::de::DeserializeSeed<'a>>(
    text: &'a str,
    seed: S,
) -> Result<S::Value, BodyError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed
        .deserialize(&mut deserializer)
        .map_err(|e| BodyError::InvalidJson(e.to_string()))?;
    deserializer
        .end()
        .map_err(|e| BodyError::InvalidJson(e.to_string()))?;
    Ok(value)
}

/// Deepest nesting of brackets outside of strings; right for valid JSON, harmless for the rest.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut i) = (0_usize, 0, 0);
    while i < json.len() {
        match json[i] {
            b'"' => {
                i += 1;
                while i < json.len() && json[i] != b'"' {
                    i += if json[i] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        i += 1;
    }
    deepest
}

/// The raw elements of an array, at most `max` of them kept.
#[derive(Default)]
struct Items<'a> {
    items: Vec<&'a RawValue>,
    overflow: bool,
}

struct ItemsSeed {
    max: usize,
}

impl<'de> serde::de::DeserializeSeed<'de> for ItemsSeed {
    type Value = Items<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed {
    type Value = Items<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = Items::default();
        while let Some(item) = seq.next_element::<&RawValue>()? {
            if found.items.len() == self.max {
                found.overflow = true;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                break;
            }
            found.items.push(item);
        }
        Ok(found)
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

    #[test]
    fn a_single_object_and_the_two_kinds_of_batch() {
        let event = r#"{"tenant_id":"t","resource":"r","feature":"f"}"#;
        let batches = [
            format!("[{event},7]"),
            format!(r#" {{"events":[{event},7]}} "#),
        ];
        assert!(parse_body(event.as_bytes(), 10, now()).unwrap().single);
        for batch in &batches {
            let body = parse_body(batch.as_bytes(), 10, now()).unwrap();
            assert!(
                !body.single && body.events[0].is_ok() && body.events[1].is_err(),
                "{batch}"
            );
        }
    }

    #[test]
    fn whole_bodies_refused() {
        let deep = "[".repeat(10_000);
        let mut bom = b"\xef\xbb\xbf".to_vec();
        bom.extend_from_slice(b"[]");
        for (body, expected) in [
            (&b""[..], "no body"),
            (b"  \n", "no body"),
            (b"{", "not valid JSON"),
            (b"[{}", "not valid JSON"),
            (b"[] x", "not valid JSON"),
            (b"[1,]", "not valid JSON"),
            (b"// c\n[]", "not valid JSON"),
            (b"[NaN]", "not valid JSON"),
            (b"[01]", "not valid JSON"),
            (b"[\"\x01\"]", "not valid JSON"),
            (b"[\"\xff\"]", "not valid JSON"),
            (&bom, "not valid JSON"),
            (deep.as_bytes(), "deeper"),
            (b"1", "must be an event object"),
            (b"\"x\"", "must be an event object"),
            (b"null", "must be an event object"),
            (b"{\"events\":{}}", "must be an event object"),
            (
                b"{\"events\":[],\"tenant_id\":\"t\"}",
                "must be an event object",
            ),
            (b"[]", "no events"),
            (b"{\"events\":[]}", "no events"),
            (b"[1,1,1,1,1,1,1,1,1,1,1]", "more than 10"),
        ] {
            let error = parse_body(body, 10, now()).unwrap_err().to_string();
            assert!(
                error.contains(expected),
                "{:?}: {error}",
                String::from_utf8_lossy(&body[..body.len().min(40)])
            );
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse_body(&body, 3, now());
        }

        #[test]
        fn nearly_json_never_panics(body in r#"[\[\]{}",:\\a-f0-9 etimsvn_u.-]{0,60}"#) {
            let _ = parse_body(body.as_bytes(), 3, now());
        }
    }
}
