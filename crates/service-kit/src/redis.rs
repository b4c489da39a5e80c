//! Clients of Redis or Valkey, without which everything works.

use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike as _;
use fred::types::Builder;
use fred::types::config::{Config, ReconnectPolicy};

/// A Redis that has not answered by now is given up.
const TIMEOUT: Duration = Duration::from_millis(50);
const RECONNECT_MS: u32 = 1_000;

/// A client that gives up soon and sends nothing twice. It connects, and connects again, by itself.
///
/// Errors: this is no URL of a Redis.
pub fn connect(url: &str) -> Result<Client, Error> {
    let mut builder = Builder::from_config(Config::from_url(url)?);
    builder
        .with_connection_config(|config| config.max_command_attempts = 1)
        .with_performance_config(|config| config.default_command_timeout = TIMEOUT)
        .set_policy(ReconnectPolicy::new_constant(0, RECONNECT_MS));
    let client = builder.build()?;
    drop(client.connect());
    Ok(client)
}
