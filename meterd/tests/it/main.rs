//! Whole-system tests: each runs the real program with real servers in a directory of its own.

mod alerts;
mod bad_input;
mod bounds;
mod cli;
mod clocks;
mod cloud_events;
mod dead_letters;
mod demo;
mod exactly_once;
mod flights;
mod ingest_examples;
mod isolation;
mod keys;
mod metrics;
mod openapi;
mod quota_bars;
mod quota_files;
mod quota_metrics;
mod quota_mirror;
mod quotas;
mod revocation;
mod stream;
mod support;
mod tour;
mod traces;
mod up;
