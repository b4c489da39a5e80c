//! Every limit of the domain, with unit and reason.

/// Characters in a tenant, resource or feature name: long enough for Auth0-style ids and URLs' templates.
pub const MAX_IDENTIFIER_CHARS: usize = 128;
/// Largest quantity of one event (10^12): far above any real unit, far below what sums could overflow.
pub const MAX_QUANTITY: i64 = 1_000_000_000_000;
/// Bytes of one event's metadata as sent: metadata describes a use, it does not carry payloads.
pub const MAX_METADATA_BYTES: usize = 8 * 1024;
/// Keys in one event's metadata, nested ones included.
pub const MAX_METADATA_KEYS: usize = 64;
/// Bytes of one CloudEvent's data as sent: its metadata, and the members that are read from it.
pub const MAX_DATA_BYTES: usize = MAX_METADATA_BYTES + 1024;
/// Nesting of one event's metadata; parsers and jsonb recurse.
pub const MAX_METADATA_DEPTH: usize = 32;
/// Nesting of a request body: the metadata's, inside an event, inside an array, inside `{"events"}`.
pub const MAX_BODY_DEPTH: usize = MAX_METADATA_DEPTH + 3;
/// How far an event's timestamp may lie ahead of the server's clock.
pub const MAX_FUTURE_SKEW: chrono::Duration = chrono::Duration::minutes(5);
/// Bytes of one envelope: one fsync each, so bigger is cheaper, up to the broker's maximum payload.
pub const MAX_ENVELOPE_BYTES: usize = 512 * 1024;
/// Seconds of a base window; every zone offset in use is a multiple of it.
pub const BASE_WINDOW_SECONDS: i64 = 15 * 60;
