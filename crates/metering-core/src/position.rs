//! Where a projection stands in the log.

use uuid::Uuid;

/// How far a projection has applied one partition: everything up to and including `seq`.
///
/// `hash` is [`message_hash`] of the message at `seq`. Together with the incarnation it tells a
/// projection that the log it reads is still the log it has read: a stream restored from a backup
/// keeps its name, its creation time and its sequence numbers, but not what stands behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Random id in the stream's metadata, made when the stream was created.
    pub incarnation: Uuid,
    /// Stream sequence; 0 means that nothing has been applied.
    pub seq: u64,
    /// [`message_hash`] of the message at `seq`; 0 when `seq` is 0.
    pub hash: u64,
}

impl Position {
    /// Before the first message of a stream.
    pub fn start(incarnation: Uuid) -> Self {
        Self {
            incarnation,
            seq: 0,
            hash: 0,
        }
    }
}

/// The place of one record: message `seq` of `partition`, record number `index` within it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct RecordPosition {
    pub partition: u16,
    pub seq: u64,
    pub index: u32,
}

/// The hash that [`Position`] carries: XXH3-64 of the message's bytes.
pub fn message_hash(payload: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(payload)
}
