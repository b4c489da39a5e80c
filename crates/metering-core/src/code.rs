//! The stable codes of refused events. A code never changes its meaning; the detail may be reworded.

/// Why an event is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    InvalidJson,
    TooDeep,
    InvalidShape,
    DuplicateField,
    UnknownField,
    MissingField,
    InvalidId,
    IdConflict,
    InvalidIdentifier,
    InvalidQuantity,
    InvalidTimestamp,
    TimestampTooOld,
    TimestampInFuture,
    InvalidMetadata,
    MetadataTooLarge,
    InvalidCloudevent,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidJson => "invalid_json",
            Code::TooDeep => "too_deep",
            Code::InvalidShape => "invalid_shape",
            Code::DuplicateField => "duplicate_field",
            Code::UnknownField => "unknown_field",
            Code::MissingField => "missing_field",
            Code::InvalidId => "invalid_id",
            Code::IdConflict => "id_conflict",
            Code::InvalidIdentifier => "invalid_identifier",
            Code::InvalidQuantity => "invalid_quantity",
            Code::InvalidTimestamp => "invalid_timestamp",
            Code::TimestampTooOld => "timestamp_too_old",
            Code::TimestampInFuture => "timestamp_in_future",
            Code::InvalidMetadata => "invalid_metadata",
            Code::MetadataTooLarge => "metadata_too_large",
            Code::InvalidCloudevent => "invalid_cloudevent",
        }
    }

    /// Whether the text itself is broken (HTTP 400) rather than what it says (422).
    pub fn is_syntax(self) -> bool {
        matches!(
            self,
            Code::InvalidJson | Code::TooDeep | Code::InvalidShape | Code::DuplicateField
        )
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A refused event: the code for programs, the detail for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub detail: String,
}

impl Refusal {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}
