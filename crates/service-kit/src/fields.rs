//! Small JSON objects in requests, read strictly: a mistyped member must not be passed over.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::problem::Problem;

/// Bytes of such a body: far more than any of them needs.
const MAX_BYTES: usize = 16 * 1024;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The members of a request's object that nobody has taken yet. As an extractor it refuses all that
/// is not a JSON object with each name once.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Of a body's bytes. Errors: 400, with a code for each mistake.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let bad = |code, detail: &str| Problem::new(StatusCode::BAD_REQUEST, code, detail);
        if body.trim_ascii().is_empty() {
            return Err(bad("empty_body", "the request has no body"));
        }
        let invalid = |error: serde_json::Error| {
            let detail = format!("the body is not valid JSON: {error}");
            bad("invalid_json", &detail)
        };
        if body.trim_ascii_start().first() != Some(&b'{') {
            serde_json::from_slice::<Value>(body).map_err(invalid)?;
            return Err(bad("invalid_shape", "the body must be a JSON object"));
        }
        let Members(mut members) = serde_json::from_slice(body).map_err(invalid)?;
        members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(pair) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let name: String = pair[0].0.chars().take(64).collect();
            let detail = format!("the field {name:?} appears twice");
            return Err(bad("duplicate_field", &detail));
        }
        Ok(Self(members))
    }

    /// A member; one that is null counts as not there.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.0.iter().position(|(found, _)| found == name)?;
        Some(self.0.swap_remove(index).1).filter(|value| !value.is_null())
    }

    /// A member that has to be there, or 422 `missing_field`.
    pub fn take_required(&mut self, name: &str) -> Result<Value, Problem> {
        self.take(name)
            .ok_or_else(|| unprocessable("missing_field", format!("`{name}` is missing")))
    }

    /// Refuses what is left, 422 `unknown_field`; `known` is what there could have been.
    pub fn finish(&self, known: &str) -> Result<(), Problem> {
        let Some((name, _)) = self.0.first() else {
            return Ok(());
        };
        let name: String = name.chars().take(64).collect();
        let detail = format!("unknown field {name:?}; there are {known}");
        Err(unprocessable("unknown_field", detail))
    }
}

/// 422 with a stable code: the text is understood and what it says cannot be.
pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}

impl<S: Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        let is_json = media_type
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            let detail = "send the body as `Content-Type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "unsupported_media_type", detail));
        }
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            let detail = "send the body as it is, without a Content-Encoding";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "unsupported_encoding", detail));
        }
        Self::parse(&read(request.into_body()).await?)
    }
}

/// The bytes of a small body. Errors: 408, 413.
pub async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BYTES)).await;
    let read = read.map_err(|_| {
        let detail = "the body did not arrive in time";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
    })?;
    read.map(Vec::from).map_err(|error| {
        // A body that breaks off is answered to nobody.
        tracing::debug!(%error, "a body was not read");
        let detail = format!("the body must be whole and have at most {MAX_BYTES} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    })
}

/// All members, those with the same name too.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> &'static str {
        Fields::parse(body.as_bytes()).map_or_else(|problem| problem.code(), |_| "none")
    }

    #[test]
    fn bodies_are_read_strictly() {
        let deep = format!("{{\"a\":{}", "[".repeat(8000));
        for (body, expected) in [
            ("", "empty_body"),
            (" \n", "empty_body"),
            ("{", "invalid_json"),
            ("{} x", "invalid_json"),
            ("{\"a\":NaN}", "invalid_json"),
            ("[1", "invalid_json"),
            (&deep, "invalid_json"),
            ("\u{feff}{}", "invalid_json"),
            ("[]", "invalid_shape"),
            ("7", "invalid_shape"),
            ("{\"a\":1,\"\\u0061\":2}", "duplicate_field"),
            ("{\"a\":1}", "none"),
        ] {
            assert_eq!(code(body), expected, "{body:.40}");
        }
    }

    #[test]
    fn members_are_taken_once_and_none_is_passed_over() {
        let mut fields = Fields::parse(br#"{"name":"n","nothing":null,"other":1}"#).unwrap();
        assert_eq!(fields.take("name"), Some("n".into()));
        assert_eq!(fields.take("name"), None);
        assert_eq!(fields.take("nothing"), None);
        let missing = fields.take_required("tenant_id").unwrap_err();
        assert_eq!(missing.code(), "missing_field");
        assert_eq!(fields.finish("name").unwrap_err().code(), "unknown_field");
        fields.take("other");
        assert!(fields.finish("name").is_ok());
    }
}
