//! The gateway over HTTP, on a log in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod content;
mod ingest;
mod rate_limit;
mod redaction;
mod support;
