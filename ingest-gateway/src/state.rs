//! What handlers share.

use std::sync::Arc;

use metering_core::receipt::receipt_key;
use metering_core::redact::Redaction;
use metering_core::signed::{SigningKey, payload_key};
use metering_log::backend::Durability;
use metering_log::publisher::Publisher;
use service_kit::metrics::Metrics;
use service_kit::rate_limit::RateLimits;
use tokio::sync::Semaphore;

use crate::body::SharedMemory;
use crate::config::Config;
use crate::metrics::GatewayMetrics;

#[derive(Clone)]
pub struct GatewayState {
    pub(crate) config: Arc<Config>,
    pub(crate) publisher: Publisher,
    pub(crate) secrets: Arc<Secrets>,
    /// What an acknowledgement of the log is worth.
    pub(crate) durability: Durability,
    pub(crate) bounds: Bounds,
    pub(crate) metrics: GatewayMetrics,
}

/// What derives from the deployment's secret.
pub struct Secrets {
    /// Seals receipts.
    pub receipts: SigningKey,
    pub payloads: SigningKey,
    pub redaction: Redaction,
}

/// What requests have to share.
#[derive(Clone)]
pub(crate) struct Bounds {
    pub(crate) memory: SharedMemory,
    /// Large bodies that are parsed at one time, as many as there are cores: parsing copies.
    pub(crate) parsers: Arc<Semaphore>,
    pub(crate) rates: RateLimits,
}

impl GatewayState {
    /// `secret` is the deployment's, `durability` what an acknowledgement of the log is worth.
    pub fn new(
        config: Config,
        publisher: Publisher,
        secret: &str,
        durability: Durability,
        metrics: &Metrics,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            publisher,
            secrets: Arc::new(Secrets {
                receipts: receipt_key(secret),
                payloads: payload_key(secret),
                redaction: Redaction::new(config.metadata_redact.clone(), secret),
            }),
            durability,
            metrics: GatewayMetrics::new(&metrics.registry),
            bounds: Bounds {
                memory: SharedMemory::new(config.memory_bytes),
                parsers: Arc::new(Semaphore::new(cores)),
                rates: RateLimits::new(config.rate_limit, config.rate_burst),
            },
            config: Arc::new(config),
        }
    }
}
