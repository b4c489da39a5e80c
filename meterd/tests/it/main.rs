//! Whole-system tests: each runs the real program with real servers in a directory of its own.

mod bad_input;
mod bounds;
mod cloud_events;
mod exactly_once;
mod flights;
mod ingest_examples;
mod support;
mod tour;
mod up;
