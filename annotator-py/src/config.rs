//! What `meterd.configure` decides. Python has resolved arguments, environment and defaults.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::encode::{BatchLimits, SMALLEST_BATCH_BYTES};

/// As many as the server takes in one request.
const MAX_BATCH_EVENTS: usize = 10_000;
/// What the server takes in one request, on the wire.
const MAX_BATCH_BYTES: usize = 8 << 20;
/// The smallest queue: two segments of the smallest size.
const MIN_SPOOL_BYTES: u64 = 128 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Batches by count, bytes and age.
    Batch,
    /// Every event at once, without waiting for the answer.
    Async,
    /// The call returns when the server has the event, or `timeout` later.
    Sync,
    /// Into a list that tests read.
    Memory,
    Noop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Zstd,
    Gzip,
    None,
}

/// What happens to an event that finds the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFull {
    DropOldest,
    DropNewest,
    Block,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) endpoint: String,
    /// Without a key nothing is sent; events wait in the queue.
    pub(crate) api_key: Option<String>,
    pub(crate) transport: Transport,
    pub(crate) batch: BatchLimits,
    pub(crate) flush_interval: Duration,
    pub(crate) max_retries: u32,
    /// One request's, connecting included.
    pub(crate) timeout: Duration,
    pub(crate) compression: Compression,
    /// None keeps the queue in memory.
    pub(crate) spool_dir: Option<PathBuf>,
    pub(crate) spool_max_bytes: u64,
    /// An event is on the disk before the call returns, not just in the page cache.
    pub(crate) sync_to_disk: bool,
    pub(crate) on_full: OnFull,
    pub(crate) default_tenant: Option<String>,
    /// Bad input raises.
    pub(crate) strict: bool,
}

impl Config {
    /// Of a path at the server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint.trim_end_matches('/'))
    }

    /// Who may send a segment: those who send to the same server with the same key. 0 without one.
    pub(crate) fn owner(&self) -> u64 {
        let owner = |key: &String| xxh3_64(format!("{}\n{key}", self.endpoint).as_bytes());
        self.api_key.as_ref().map_or(0, owner)
    }

    pub(crate) fn is_queued(&self) -> bool {
        !matches!(self.transport, Transport::Memory | Transport::Noop)
    }

    /// From the keyword arguments of `configure`.
    pub(crate) fn from_python(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let config = Self {
            endpoint: get(given, "endpoint")?,
            api_key: get(given, "api_key")?,
            transport: transport(&get::<String>(given, "transport")?)?,
            batch: BatchLimits {
                events: get(given, "batch_size")?,
                bytes: get(given, "batch_bytes")?,
            },
            flush_interval: seconds(given, "flush_interval")?,
            max_retries: get(given, "max_retries")?,
            timeout: seconds(given, "timeout")?,
            compression: compression(&get::<String>(given, "compression")?)?,
            spool_dir: get(given, "spool_dir")?,
            spool_max_bytes: get(given, "spool_max_bytes")?,
            sync_to_disk: sync_to_disk(&get::<String>(given, "durability")?)?,
            on_full: on_full(&get::<String>(given, "on_full")?)?,
            default_tenant: get(given, "default_tenant")?,
            strict: get(given, "strict")?,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> PyResult<()> {
        let http = ["http://", "https://"];
        let is_url = http.iter().any(|scheme| self.endpoint.starts_with(scheme));
        let key = self.api_key.as_deref().unwrap_or_default();
        let batch = self.batch;
        let tenant = self.default_tenant.as_deref().unwrap_or("default");
        for (holds, rule) in [
            (
                is_url,
                "endpoint must be an http:// or https:// URL".to_owned(),
            ),
            (
                key.bytes().all(|byte| byte.is_ascii_graphic()),
                "api_key must consist of visible ASCII characters".to_owned(),
            ),
            (
                (1..=MAX_BATCH_EVENTS).contains(&batch.events),
                format!("batch_size must be 1 to {MAX_BATCH_EVENTS}"),
            ),
            (
                (SMALLEST_BATCH_BYTES..=MAX_BATCH_BYTES).contains(&batch.bytes),
                format!("batch_bytes must be {SMALLEST_BATCH_BYTES} to {MAX_BATCH_BYTES}"),
            ),
            (
                !self.flush_interval.is_zero(),
                "flush_interval must be greater than 0".to_owned(),
            ),
            (
                !self.timeout.is_zero(),
                "timeout must be greater than 0".to_owned(),
            ),
            (
                self.max_retries <= 10,
                "max_retries must be 0 to 10".to_owned(),
            ),
            (
                self.spool_max_bytes >= MIN_SPOOL_BYTES,
                format!("spool_max_bytes must be {MIN_SPOOL_BYTES} or more"),
            ),
            (
                metering_core::event::is_identifier(tenant),
                "default_tenant must be an identifier".to_owned(),
            ),
        ] {
            if !holds {
                return Err(PyValueError::new_err(rule));
            }
        }
        Ok(())
    }
}

fn get<'py, T: FromPyObjectOwned<'py>>(given: &Bound<'py, PyAny>, name: &str) -> PyResult<T> {
    let value = given.get_item(name)?;
    let wrong = |error: T::Error| PyValueError::new_err(format!("{name}: {}", error.into()));
    value.extract().map_err(wrong)
}

fn seconds(given: &Bound<'_, PyAny>, name: &str) -> PyResult<Duration> {
    let seconds: f64 = get(given, name)?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| *duration < Duration::from_hours(24))
        .ok_or_else(|| PyValueError::new_err(format!("{name} must be seconds, less than a day")))
}

fn unknown(name: &str, value: &str, known: &str) -> PyErr {
    PyValueError::new_err(format!("{name} must be one of {known}, not {value:?}"))
}

fn transport(name: &str) -> PyResult<Transport> {
    Ok(match name {
        "batch" => Transport::Batch,
        "async" => Transport::Async,
        "sync" => Transport::Sync,
        "memory" => Transport::Memory,
        "noop" => Transport::Noop,
        _ => {
            return Err(unknown(
                "transport",
                name,
                "batch, async, sync, memory, noop",
            ));
        }
    })
}

fn compression(name: &str) -> PyResult<Compression> {
    Ok(match name {
        "zstd" => Compression::Zstd,
        "gzip" => Compression::Gzip,
        "none" => Compression::None,
        _ => return Err(unknown("compression", name, "zstd, gzip, none")),
    })
}

fn sync_to_disk(name: &str) -> PyResult<bool> {
    match name {
        "process" => Ok(false),
        "power" => Ok(true),
        _ => Err(unknown("durability", name, "process, power")),
    }
}

fn on_full(name: &str) -> PyResult<OnFull> {
    Ok(match name {
        "drop_oldest" => OnFull::DropOldest,
        "drop_newest" => OnFull::DropNewest,
        "block" => OnFull::Block,
        _ => return Err(unknown("on_full", name, "drop_oldest, drop_newest, block")),
    })
}
