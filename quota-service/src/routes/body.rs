//! Small JSON objects, read strictly: each mistake gets its own code.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use metering_core::event::is_identifier;
use metering_core::limits::MAX_QUANTITY;
use serde_json::{Map, Value};
use tokio::time::timeout;
use uuid::Uuid;

use crate::error::QuotaError;

/// Bytes of a body here: names and numbers.
const MAX_BYTES: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

fn bad(code: &'static str, detail: impl Into<String>) -> QuotaError {
    QuotaError::Body {
        status: StatusCode::BAD_REQUEST,
        code,
        detail: detail.into(),
    }
}

/// The bytes of a body.
pub(crate) async fn bytes(body: Body) -> Result<bytes::Bytes, QuotaError> {
    let of = |status, code, detail: &str| QuotaError::Body {
        status,
        code,
        detail: detail.to_owned(),
    };
    match timeout(BODY_TIMEOUT, Limited::new(body, MAX_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(of(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "the body may have at most 65536 bytes",
        )),
        Ok(Err(_)) => Err(bad("body_incomplete", "the body ended too early")),
        Err(_) => Err(of(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            "the body did not arrive in time",
        )),
    }
}

/// An object whose members are taken one by one.
pub(crate) struct Fields(Map<String, Value>);

/// Reads members in order and refuses one that is there twice.
struct Members;

impl<'de> serde::de::Visitor<'de> for Members {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Err(serde::de::Error::custom(DUPLICATE));
            }
        }
        Ok(members)
    }
}

const DUPLICATE: &str = "a field is there twice";

impl Fields {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, QuotaError> {
        if json.iter().all(u8::is_ascii_whitespace) {
            return Err(bad("empty_body", "send a JSON object"));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let members = serde::Deserializer::deserialize_map(&mut deserializer, Members);
        match members.and_then(|members| deserializer.end().map(|()| members)) {
            Ok(members) => Ok(Self(members)),
            Err(error) if error.to_string().starts_with(DUPLICATE) => {
                Err(bad("duplicate_field", error.to_string()))
            }
            Err(error) if error.is_data() => Err(bad("invalid_shape", "send a JSON object")),
            Err(error) => Err(bad("invalid_json", error.to_string())),
        }
    }

    /// Takes a member; null is as good as none.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// A name as in events.
    pub(crate) fn identifier(&mut self, name: &str) -> Result<Option<String>, QuotaError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_identifier(&text) => Ok(Some(text)),
            Some(_) => Err(QuotaError::field(
                "invalid_identifier",
                format!(
                    "{name} must be a name as in events: letters, digits and ._:@/|+=~%-, at most \
                     128"
                ),
            )),
        }
    }

    pub(crate) fn required(name: &str, value: Option<String>) -> Result<String, QuotaError> {
        value.ok_or_else(|| QuotaError::field("missing_field", format!("{name} is missing")))
    }

    /// Units, from `least` on.
    pub(crate) fn quantity(&mut self, least: i64) -> Result<Option<i64>, QuotaError> {
        match self.take("quantity") {
            None => Ok(None),
            Some(value) => value
                .as_i64()
                .filter(|quantity| (least..=MAX_QUANTITY).contains(quantity))
                .map(Some)
                .ok_or_else(|| {
                    let detail =
                        format!("quantity must be an integer from {least} to {MAX_QUANTITY}");
                    QuotaError::field("invalid_quantity", detail)
                }),
        }
    }

    pub(crate) fn id(&mut self) -> Result<Option<Uuid>, QuotaError> {
        match self.take("id") {
            None => Ok(None),
            Some(value) => value
                .as_str()
                .and_then(uuid)
                .map(Some)
                .ok_or_else(invalid_id),
        }
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<Value> {
        self.take(name)
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, QuotaError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(QuotaError::field(
                "invalid_shape",
                format!("{name} must be true or false"),
            )),
        }
    }

    /// Refuses what is left.
    pub(crate) fn finish(self, known: &str) -> Result<(), QuotaError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(64).collect();
                let detail = format!("`{name}` is no field here; there are {known}");
                Err(QuotaError::field("unknown_field", detail))
            }
        }
    }
}

/// A UUID that is not nil, in any spelling.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|id| !id.is_nil())
}

pub(crate) fn invalid_id() -> QuotaError {
    QuotaError::field("invalid_id", "id must be a UUID, and not the nil one")
}
