//! What can be set, with units.

use std::num::NonZeroU32;
use std::time::Duration;

/// Limits of one request.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Bytes of a request's body on the wire
    #[arg(long = "gateway-max-body-bytes", env = "METERD_GATEWAY_MAX_BODY_BYTES", value_name = "BYTES", default_value_t = 8 * 1024 * 1024)]
    pub max_body_bytes: usize,

    /// Bytes of a request's body once it is decompressed
    #[arg(long = "gateway-max-inflated-bytes", env = "METERD_GATEWAY_MAX_INFLATED_BYTES", value_name = "BYTES", default_value_t = 32 * 1024 * 1024)]
    pub max_inflated_bytes: usize,

    /// Bytes that all requests' bodies may hold at one time, beyond 32 KiB each
    #[arg(long = "gateway-memory-bytes", env = "METERD_GATEWAY_MEMORY_BYTES", value_name = "BYTES", default_value_t = 128 * 1024 * 1024)]
    pub memory_bytes: usize,

    /// Events in one request
    #[arg(
        long = "gateway-max-events",
        env = "METERD_GATEWAY_MAX_EVENTS",
        value_name = "N",
        default_value_t = 10_000
    )]
    pub max_events: usize,

    /// Events a second that each API key may send to this process, refused ones included
    /// [default: no limit]
    #[arg(
        long = "gateway-rate-limit",
        env = "METERD_GATEWAY_RATE_LIMIT",
        value_name = "N"
    )]
    pub rate_limit: Option<NonZeroU32>,

    /// Events that a key may send at one time after it has sent none for a while [default: a
    /// second's]
    #[arg(
        long = "gateway-rate-burst",
        env = "METERD_GATEWAY_RATE_BURST",
        value_name = "N",
        requires = "rate_limit"
    )]
    pub rate_burst: Option<NonZeroU32>,

    /// Names of metadata members whose values are replaced by a keyed hash, wherever in the
    /// metadata they are
    #[arg(
        long = "metadata-redact",
        env = "METERD_METADATA_REDACT",
        value_name = "NAME,…",
        value_delimiter = ','
    )]
    pub metadata_redact: Vec<String>,

    /// Seconds a client may take to send a request's body
    #[arg(long = "gateway-body-timeout", env = "METERD_GATEWAY_BODY_TIMEOUT", value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub body_timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err("a whole number of seconds, at least 1".to_owned()),
    }
}
