//! The routes against a real Postgres, a database per test.

mod aggregates;
mod events;
mod parameters;
mod receipts;
mod support;
