//! One HTTP request with a batch of events, and what its answer means.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::DateTime;
use flate2::write::GzEncoder;
use serde::Deserialize;
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};

use crate::config::{Compression, Config};

/// Bytes of an answer that are read: the reasons of a whole batch of refused events fit.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// A server that asks for more is asked again all the same.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);
/// Fast levels: the network is near, the processor is the customer's.
const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 1;

/// What an answer means for the batch.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The server has all events but these.
    Accepted(Vec<Rejection>),
    /// It will never take the batch.
    Refused(Reason),
    /// It would take less at once.
    TooLarge(Reason),
    /// It does not understand the compression.
    Encoding,
    /// Nobody knows, or the server asks to come back.
    Later {
        reason: String,
        retry_after: Option<Duration>,
    },
}

/// An event that the server refused.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Rejection {
    /// Its place in the batch.
    pub(crate) index: usize,
    #[serde(flatten)]
    pub(crate) reason: Reason,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Reason {
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) detail: String,
    /// Per event, where the whole batch was refused for its events.
    #[serde(default)]
    pub(crate) errors: Vec<Rejection>,
}

#[derive(Default, Deserialize)]
struct Receipted {
    #[serde(default)]
    rejected: Vec<Rejection>,
}

pub(crate) struct Sender {
    agent: Agent,
    url: String,
    api_key: String,
    compression: Compression,
}

/// How this package speaks HTTP.
pub(crate) fn agent(config: &Config) -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let settings = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // A connection that idles could be closed by a daemon that closes what it does not know,
        // and its number be somebody else's when we come back to it.
        .max_idle_connections(0)
        .timeout_global(Some(config.timeout))
        .tls_config(tls)
        .user_agent(concat!("meterd-python/", env!("CARGO_PKG_VERSION")))
        .build();
    settings.new_agent()
}

impl Sender {
    /// None without a key.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        Some(Self {
            agent: agent(config),
            url: config.url("/v1/meter/events"),
            api_key: config.api_key.clone()?,
            compression: config.compression,
        })
    }

    /// Its `shutdown` ends a request from another thread.
    pub(crate) fn agent(&self) -> Agent {
        self.agent.clone()
    }

    /// Sends uncompressed from now on. False if it already does.
    pub(crate) fn give_up_compression(&mut self) -> bool {
        let compressed = self.compression != Compression::None;
        self.compression = Compression::None;
        compressed
    }

    pub(crate) fn post(&self, body: &[u8]) -> Answer {
        let later = |reason: String| Answer::Later {
            reason,
            retry_after: None,
        };
        let compressed = match self.compressed(body) {
            Ok(compressed) => compressed,
            Err(error) => return later(format!("compressing failed: {error}")),
        };
        let mut request = self
            .agent
            .post(&self.url)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.api_key))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some((encoding, _)) = &compressed {
            request = request.header(header::CONTENT_ENCODING, *encoding);
        }
        let sent = request.send(compressed.as_ref().map_or(body, |(_, bytes)| bytes));
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => return later(error.to_string()),
        };
        let mut answer = Vec::new();
        let read = response
            .body_mut()
            .as_reader()
            .take(MAX_ANSWER_BYTES)
            .read_to_end(&mut answer);
        if let Err(error) = read {
            return later(format!("the answer broke off: {error}"));
        }
        understand(response.status(), response.headers(), &answer)
    }

    fn compressed(&self, body: &[u8]) -> std::io::Result<Option<(&'static str, Vec<u8>)>> {
        Ok(match self.compression {
            Compression::None => None,
            Compression::Zstd => Some(("zstd", zstd::bulk::compress(body, ZSTD_LEVEL)?)),
            Compression::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                let mut encoder = GzEncoder::new(Vec::new(), level);
                encoder.write_all(body)?;
                Some(("gzip", encoder.finish()?))
            }
        })
    }
}

fn understand(status: StatusCode, headers: &HeaderMap, answer: &[u8]) -> Answer {
    if status == StatusCode::ACCEPTED {
        let receipted: Receipted = serde_json::from_slice(answer).unwrap_or_default();
        return Answer::Accepted(receipted.rejected);
    }
    let mut reason: Reason = serde_json::from_slice(answer).unwrap_or_default();
    if reason.code.is_empty() {
        reason.code = status.as_u16().to_string();
    }
    match status {
        _ if asks_to_come_back(status) => {}
        StatusCode::PAYLOAD_TOO_LARGE => return Answer::TooLarge(reason),
        StatusCode::UNSUPPORTED_MEDIA_TYPE if reason.code == "unsupported_encoding" => {
            return Answer::Encoding;
        }
        _ if status.is_client_error() => return Answer::Refused(reason),
        _ => {}
    }
    Answer::Later {
        reason: format!("{} {}", status.as_u16(), reason.detail),
        retry_after: retry_after(headers),
    }
}

/// The client's errors that are none.
pub(crate) fn asks_to_come_back(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    )
}

/// Seconds, or a date as HTTP writes it.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let asked = if let Ok(seconds) = value.trim().parse() {
        Duration::from_secs(seconds)
    } else {
        let at: SystemTime = DateTime::parse_from_rfc2822(value.trim()).ok()?.into();
        at.duration_since(SystemTime::now()).unwrap_or_default()
    };
    Some(asked.min(LONGEST_RETRY_AFTER))
}
