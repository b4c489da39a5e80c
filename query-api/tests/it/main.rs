//! The routes against a real Postgres, a database per test.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod aggregates;
mod comparisons;
mod events;
mod exports;
mod hang_up;
mod keys;
mod parameters;
mod receipts;
mod row_security;
mod support;
mod tenants;
