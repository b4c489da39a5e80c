//! What every service needs and none of them should do its own way: problems, authentication,
//! request logs, health, serving and draining, time.

pub mod auth;
pub mod clock;
pub mod fields;
pub mod health;
pub mod http;
pub mod key;
pub mod key_watch;
pub mod keys;
mod linger;
pub mod log_metrics;
pub mod metrics;
pub mod openapi;
pub mod problem;
pub mod rate_limit;
pub mod redis;
pub mod request_log;
pub mod spans;
pub mod telemetry;
pub mod trace_context;

/// Of this build, all of its programs and libraries.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
