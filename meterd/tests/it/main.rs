//! Whole-system tests: each runs the real program with real servers in a directory of its own.

mod cli;
mod exactly_once;
mod flights;
mod keys;
mod revocation;
mod support;
mod tour;
mod up;
