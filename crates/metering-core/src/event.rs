//! A usage event: its fields and the one definition of its JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::limits::MAX_IDENTIFIER_CHARS;

/// A usage event as every API shows it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    pub id: Uuid,
    pub tenant_id: String,
    pub resource: String,
    pub feature: String,
    /// Units consumed, 0 to 10^12.
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 0, maximum = 1_000_000_000_000_i64)
    )]
    pub quantity: i64,
    /// When the use happened, to the microsecond.
    #[serde(serialize_with = "as_rfc3339")]
    pub timestamp: DateTime<Utc>,
    /// A JSON object.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub metadata: Box<RawValue>,
}

/// RFC 3339 in UTC with as many fraction digits as needed: `2025-11-20T10:31:00Z`.
pub fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// For `#[serde(serialize_with)]`.
pub fn as_rfc3339<S: serde::Serializer>(
    instant: &DateTime<Utc>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*instant))
}

/// Whether `name` may be a tenant, resource or feature:
/// `[A-Za-z0-9][A-Za-z0-9._:@/|+=~%-]{0,127}` without `..`.
pub fn is_identifier(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() <= MAX_IDENTIFIER_CHARS
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"._:@/|+=~%-".contains(b))
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        let longest = "a".repeat(128);
        for good in [
            "a",
            "7",
            "org_001",
            "auth0|507f1f77bcf86cd799439020",
            "GET:/invoices/:id",
            "a=b~c%20+d@e.f-g",
            &longest,
        ] {
            assert!(is_identifier(good), "{good}");
        }
        let too_long = "a".repeat(129);
        for bad in [
            "",
            " ",
            "-a",
            "a b",
            "a*",
            "a>",
            "a..b",
            "a\0",
            "a\r\n",
            "a\u{1b}",
            "a\u{202e}",
            "a\u{200b}",
            "é",
            &too_long,
        ] {
            assert!(!is_identifier(bad), "{bad:?}");
        }
    }

    #[test]
    fn json_shape() {
        let event = Event {
            id: Uuid::from_u128(1),
            tenant_id: "t".into(),
            resource: "r".into(),
            feature: "f".into(),
            quantity: 2,
            timestamp: DateTime::from_timestamp_micros(1_763_634_660_120_000).unwrap(),
            metadata: RawValue::from_string(r#"{"n":1.10}"#.into()).unwrap(),
        };
        let expected = r#"{"id":"00000000-0000-0000-0000-000000000001","tenant_id":"t","resource":"r","feature":"f","quantity":2,"timestamp":"2025-11-20T10:31:00.120Z","metadata":{"n":1.10}}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), expected);
    }
}
