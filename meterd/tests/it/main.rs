//! Whole-system tests: each runs the real program with real servers in a directory of its own.

mod exactly_once;
mod flights;
mod metrics;
mod openapi;
mod support;
mod tour;
mod traces;
mod up;
