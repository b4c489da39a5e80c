//! The worker against a real Postgres.

mod oracle;
mod persist;
mod support;
