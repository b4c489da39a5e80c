//! Where a listing goes on: opaque, signed, and good for the query that it came from only.

use chrono::{DateTime, Utc};
use metering_core::signed::SigningKey;
use metering_store::events::{Key, Pins};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// What identifies a query: [`fingerprint`] of its filters and of the caller's tenant.
pub(crate) type Fingerprint = [u8; 16];

/// The state of a listing between two pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) after: Key,
    /// The bounds of the first page: a default range moves with the clock.
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) pins: Pins,
}

/// Times in µs since the epoch.
#[derive(Serialize, Deserialize)]
struct Wire {
    timestamp_us: i64,
    id: Uuid,
    tenant: i32,
    from_us: i64,
    to_us: i64,
    pins: Pins,
}

/// The key that seals cursors.
pub(crate) fn key(secret: &str) -> SigningKey {
    SigningKey::derive(secret, "meterd cursor 1")
}

/// Of the parameters that select events and of the tenant that the caller is bound to.
pub(crate) fn fingerprint(selection: &[(String, String)], bound_to: Option<&str>) -> Fingerprint {
    let text = serde_json::to_vec(&(selection, bound_to)).expect("texts always serialise");
    let hash: [u8; 32] = Sha256::digest(text).into();
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(&hash[..16]);
    fingerprint
}

/// A cursor that holds no more than where the last page ended.
pub(crate) fn seal(key: &SigningKey, query: Fingerprint, after: &impl Serialize) -> String {
    key.seal(&postcard::to_allocvec(&(query, after)).expect("plain data always serialises"))
}

/// `None`: forged, of another deployment, or of another query.
pub(crate) fn open<T: DeserializeOwned>(
    key: &SigningKey,
    query: Fingerprint,
    token: &str,
) -> Option<T> {
    let (of, after): (Fingerprint, T) = postcard::from_bytes(&key.open(token)?).ok()?;
    (of == query).then_some(after)
}

impl Cursor {
    pub(crate) fn seal(&self, key: &SigningKey, query: Fingerprint) -> String {
        let wire = Wire {
            timestamp_us: self.after.timestamp.timestamp_micros(),
            id: self.after.id,
            tenant: self.after.tenant,
            from_us: self.from.timestamp_micros(),
            to_us: self.to.timestamp_micros(),
            pins: self.pins.clone(),
        };
        seal(key, query, &wire)
    }

    /// `None`: forged, of another deployment, or of another query.
    pub(crate) fn open(key: &SigningKey, query: Fingerprint, token: &str) -> Option<Self> {
        let wire: Wire = open(key, query, token)?;
        let at = DateTime::from_timestamp_micros;
        Some(Self {
            after: Key {
                timestamp: at(wire.timestamp_us)?,
                id: wire.id,
                tenant: wire.tenant,
            },
            from: at(wire.from_us)?,
            to: at(wire.to_us)?,
            pins: wire.pins,
        })
    }
}
