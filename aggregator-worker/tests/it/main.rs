//! The worker against a real Postgres.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod oracle;
mod persist;
mod run;
mod support;
