//! Accepts usage events over HTTP and answers 202 once the log has fsynced them.

pub mod admit;
mod answer;
mod body;
pub mod config;
mod content;
pub mod error;
mod metrics;
mod openapi;
pub mod routes;
pub mod state;

use axum::{Router, middleware};
pub use config::Config;
pub use openapi::openapi;
use service_kit::auth::{self, Keys};
pub use state::GatewayState;

/// The gateway's routes.
///
/// Delivery contract: an event listed as accepted in a 202 is in the log, fsynced (or as durable
/// as the answer's `durability` says). After any 5xx the same ids may be sent again: what had
/// reached the log all the same is counted once. The gateway keeps nothing; any number of them may
/// run side by side.
pub fn router(state: GatewayState, keys: Keys) -> Router {
    routes::events::router(state).layer(middleware::from_fn_with_state(keys, auth::authenticate))
}
