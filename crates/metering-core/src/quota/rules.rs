//! Which semantics apply from a position on.

use serde::{Deserialize, Serialize};

use crate::record::Document;

/// Version of the fold. Whoever changes what a record does gives it a new number, keeps the old
/// semantics, and switches where a `rules` record says so: replicas of both releases agree.
pub const FOLD_VERSION: u64 = 1;

/// What two processes must have in common to come to the same answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    pub fold: u64,
    /// Release of the time-zone data, such as `2025b`.
    pub time_zones: String,
    /// Use that no quota counts is denied.
    #[serde(default)]
    pub default_deny: bool,
}

impl Rules {
    /// This program's.
    pub fn built_in(default_deny: bool) -> Self {
        Self {
            fold: FOLD_VERSION,
            time_zones: chrono_tz::IANA_TZDB_VERSION.to_owned(),
            default_deny,
        }
    }

    /// Whether only a newer program than this one knows them.
    pub fn are_too_new(&self) -> bool {
        (self.fold, self.time_zones.as_str()) > (FOLD_VERSION, chrono_tz::IANA_TZDB_VERSION)
    }

    pub fn to_record(&self) -> String {
        serde_json::to_string(self).expect("plain data always serialises")
    }

    pub(crate) fn from_record(document: &Document<'_>) -> Option<Self> {
        serde_json::from_str(document.json).ok()
    }
}
