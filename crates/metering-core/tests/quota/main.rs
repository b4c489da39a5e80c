//! The fold of quotas against a naive oracle, its invariants, and models of the protocol around it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod any;
mod laws;
mod oracle;
mod protocol;

mod support;
mod units;
