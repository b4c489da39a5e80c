//! From the bytes of a request to events: strict, bounded, and borrowing wherever it can.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::cloud_event;
use crate::code::{Code, Refusal};
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
    #[error("the body must be {0}")]
    InvalidShape(&'static str),
    #[error("the batch holds no events")]
    EmptyBatch,
    #[error("the batch holds more than {0} events")]
    BatchTooLarge(usize),
}

/// How a body that holds whole events is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One event, an array, or `{"events": [...]}`.
    Json,
    /// An event a line; a broken line is a refused event, not a broken body.
    Ndjson,
    /// One CloudEvent in structured mode.
    CloudEvent,
    /// An array of CloudEvents.
    CloudEventBatch,
}

const JSON: &str = "an event object, an array of events, or {\"events\": [...]}";
const CLOUD_EVENT: &str =
    "one CloudEvent as a JSON object; send arrays as application/cloudevents-batch+json";
const CLOUD_EVENT_BATCH: &str = "an array of CloudEvents";

/// Parses the body of a request.
///
/// `now` only serves to refuse timestamps from the future.
pub fn parse_body(
    body: &[u8],
    format: Format,
    max_events: usize,
    now: DateTime<Utc>,
) -> Result<Body<'_>, BodyError> {
    if format == Format::Ndjson {
        return parse_lines(body, max_events, now);
    }
    let (first, text) = json_text(body)?;
    match (format, first) {
        (Format::CloudEvent, b'{') => {
            let event = from_json::<cloud_event::Attributes<'_>>(text)?;
            Ok(Body::single(event.check(now)))
        }
        (Format::CloudEventBatch, b'[') => {
            let events = array(text, max_events, |item| cloud_event::parse(item, now))?;
            Ok(Body::batch(events))
        }
        (Format::CloudEvent, _) => Err(no_events(text, CLOUD_EVENT)),
        (Format::CloudEventBatch, _) => Err(no_events(text, CLOUD_EVENT_BATCH)),
        (Format::Json | Format::Ndjson, _) => parse_json(first, text, max_events, now),
    }
}

/// Parses a CloudEvent in binary mode: its attributes are headers, `headers` without their `ce-`,
/// and the body is its JSON data or empty.
pub fn parse_binary_cloud_event<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    body: &'a [u8],
    now: DateTime<Utc>,
) -> Result<Body<'a>, BodyError> {
    let data = match json_text(body) {
        Ok((_, text)) => Some(from_json(text)?),
        Err(BodyError::Empty) => None,
        Err(error) => return Err(error),
    };
    let event = cloud_event::Attributes::from_headers(headers, data);
    Ok(Body::single(event.check(now)))
}

impl<'a> Body<'a> {
    fn single(event: Result<NewEvent<'a>, Refusal>) -> Self {
        let (single, events) = (true, vec![event]);
        Self { single, events }
    }

    fn batch(events: Vec<Result<NewEvent<'a>, Refusal>>) -> Self {
        let single = false;
        Self { single, events }
    }
}

/// The text of a JSON document and its first byte that is no white space.
fn json_text(body: &[u8]) -> Result<(u8, &str), BodyError> {
    let text =
        std::str::from_utf8(body).map_err(|e| BodyError::InvalidJson(format!("not UTF-8: {e}")))?;
    let first = text.trim_ascii_start().bytes().next();
    let first = first.ok_or(BodyError::Empty)?;
    if depth(body) > MAX_BODY_DEPTH {
        return Err(BodyError::TooDeep);
    }
    Ok((first, text))
}

/// Well-formed JSON of another shape than `expected`, or no JSON at all.
fn no_events(text: &str, expected: &'static str) -> BodyError {
    from_json::<IgnoredAny>(text)
        .err()
        .unwrap_or(BodyError::InvalidShape(expected))
}

fn parse_json(
    first: u8,
    text: &str,
    max_events: usize,
    now: DateTime<Utc>,
) -> Result<Body<'_>, BodyError> {
    let batch = match first {
        b'[' => text,
        b'{' => {
            let fields: Fields<'_> = from_json(text)?;
            match fields.events {
                None => return Ok(Body::single(fields.check(now))),
                Some(events) if fields.only_events && fields.refusal.is_none() => events.get(),
                Some(_) => return Err(BodyError::InvalidShape(JSON)),
            }
        }
        _ => return Err(no_events(text, JSON)),
    };
    if !batch.trim_ascii_start().starts_with('[') {
        return Err(BodyError::InvalidShape(JSON));
    }
    let events = array(batch, max_events, |item| parse_event(item, now))?;
    Ok(Body::batch(events))
}

/// The events of a JSON array, each read by `parse`.
fn array<'a>(
    text: &'a str,
    max_events: usize,
    parse: impl Fn(&'a str) -> Result<NewEvent<'a>, Refusal>,
) -> Result<Vec<Result<NewEvent<'a>, Refusal>>, BodyError> {
    let found: Items<'_> = from_json_seed(text, ItemsSeed { max: max_events })?;
    if found.overflow {
        return Err(BodyError::BatchTooLarge(max_events));
    }
    if found.items.is_empty() {
        return Err(BodyError::EmptyBatch);
    }
    let items = found.items.into_iter();
    Ok(items.map(|item| parse(item.get())).collect())
}

fn parse_lines(body: &[u8], max_events: usize, now: DateTime<Utc>) -> Result<Body<'_>, BodyError> {
    let mut events = Vec::new();
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    for line in lines.filter(|line| !line.is_empty()) {
        if events.len() == max_events {
            return Err(BodyError::BatchTooLarge(max_events));
        }
        events.push(parse_line(line, now));
    }
    if events.is_empty() {
        return Err(BodyError::Empty);
    }
    Ok(Body::batch(events))
}

/// What would break a whole JSON document refuses one event here.
fn parse_line(line: &[u8], now: DateTime<Utc>) -> Result<NewEvent<'_>, Refusal> {
    let (first, text) = json_text(line)?;
    if first == b'{' {
        return parse_event(text, now);
    }
    Err(no_events(text, "one event object a line").into())
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::InvalidJson(_) => Code::InvalidJson,
            BodyError::TooDeep => Code::TooDeep,
            BodyError::Empty
            | BodyError::InvalidShape(_)
            | BodyError::EmptyBatch
            | BodyError::BatchTooLarge(_) => Code::InvalidShape,
        };
        Self::new(code, error.to_string())
    }
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

    fn json(body: &[u8]) -> Result<Body<'_>, BodyError> {
        parse_body(body, Format::Json, 10, now())
    }

    #[test]
    fn a_single_object_and_the_two_kinds_of_batch() {
        let event = r#"{"tenant_id":"t","resource":"r","feature":"f"}"#;
        let batches = [
            format!("[{event},7]"),
            format!(r#" {{"events":[{event},7]}} "#),
        ];
        assert!(json(event.as_bytes()).unwrap().single);
        for batch in &batches {
            let body = json(batch.as_bytes()).unwrap();
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
            let error = json(body).unwrap_err().to_string();
            assert!(
                error.contains(expected),
                "{:?}: {error}",
                String::from_utf8_lossy(&body[..body.len().min(40)])
            );
        }
    }

    #[test]
    fn a_bad_line_is_one_refused_event() {
        let event = r#"{"tenant_id":"t","resource":"r","feature":"f"}"#;
        let deep = "[".repeat(10_000);
        let lines: [(&[u8], Option<Code>); 9] = [
            (event.as_bytes(), None),
            (b"\r", None),
            (b"{", Some(Code::InvalidJson)),
            (b"\xff", Some(Code::InvalidJson)),
            (b"x", Some(Code::InvalidJson)),
            (b"7", Some(Code::InvalidShape)),
            (deep.as_bytes(), Some(Code::TooDeep)),
            (br#"{"events":[]}"#, Some(Code::UnknownField)),
            (event.as_bytes(), None),
        ];
        let body = lines.map(|(line, _)| line).join(&b'\n');
        let body = parse_body(&body, Format::Ndjson, 10, now()).unwrap();
        let codes = body.events.iter().map(|e| e.as_ref().err().map(|e| e.code));
        // The blank line is no event.
        let expected = lines.iter().enumerate().filter(|(n, _)| *n != 1);
        assert!(codes.eq(expected.map(|(_, (_, code))| *code)));
        for (body, error) in [
            (" \n\n", BodyError::Empty),
            ("1\n\n2\n3", BodyError::BatchTooLarge(2)),
        ] {
            let found = parse_body(body.as_bytes(), Format::Ndjson, 2, now());
            assert_eq!(found.unwrap_err(), error);
        }
    }

    const FORMATS: [Format; 4] = [
        Format::Json,
        Format::Ndjson,
        Format::CloudEvent,
        Format::CloudEventBatch,
    ];

    fn parse_all_ways(body: &[u8]) {
        for format in FORMATS {
            let _ = parse_body(body, format, 3, now());
        }
        let headers = [("id", body), ("source", body), ("time", body)];
        let _ = parse_binary_cloud_event(headers.into_iter(), body, now());
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            parse_all_ways(&body);
        }

        #[test]
        fn nearly_json_never_panics(body in r#"[\[\]{}",:\\a-f0-9 etimsvn_u.-]{0,60}"#) {
            parse_all_ways(body.as_bytes());
        }
    }
}
