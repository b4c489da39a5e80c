//! Whole-system tests: each runs the real program with real servers in a directory of its own.

mod exactly_once;
mod flights;
mod quota_bars;
mod quotas;
mod support;
mod tour;
mod up;
