//! Small JSON objects, read strictly: each mistake gets its own code.

use axum::body::Body;
use metering_core::event::is_identifier;
use metering_core::limits::MAX_QUANTITY;
use serde_json::Value;
use service_kit::fields::{self, Fields as Members};
use uuid::Uuid;

use crate::error::QuotaError;

/// The bytes of a body.
pub(crate) async fn bytes(body: Body) -> Result<Vec<u8>, QuotaError> {
    fields::read(body).await.map_err(QuotaError::Refused)
}

/// An object whose members are taken one by one.
pub(crate) struct Fields(Members);

impl Fields {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, QuotaError> {
        Members::parse(json).map(Self).map_err(QuotaError::Refused)
    }

    /// A member; one that is null counts as not there.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.take(name)
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
        self.0.finish(known).map_err(QuotaError::Refused)
    }
}

/// A UUID that is not nil, in any spelling.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|id| !id.is_nil())
}

pub(crate) fn invalid_id() -> QuotaError {
    QuotaError::field("invalid_id", "id must be a UUID, and not the nil one")
}
