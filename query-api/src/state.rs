//! What handlers share.

use metering_core::receipt::receipt_key;
use metering_core::signed::{SigningKey, payload_key};
use metering_log::keys::KeyBucket;
use metering_log::{Publisher, SharedBackend};
use metering_store::Store;
use service_kit::auth::Keys;
use service_kit::metrics::Metrics;
use tokio_util::sync::CancellationToken;

use crate::bodies::Bodies;
use crate::cursor;
use crate::live::Live;
use crate::metrics::QueryMetrics;
use crate::visibility::Visibility;

#[derive(Clone)]
pub struct QueryState {
    pub(crate) store: Store,
    pub(crate) visibility: Visibility,
    pub(crate) receipts: SigningKey,
    pub(crate) cursors: SigningKey,
    pub(crate) payloads: SigningKey,
    broker: QueryBroker,
    pub(crate) live: Live,
    pub(crate) bodies: Bodies,
    pub(crate) metrics: QueryMetrics,
}

/// What a query server has of the broker.
#[derive(Clone)]
pub struct QueryBroker {
    pub log: SharedBackend,
    /// Appends what is replayed.
    pub publisher: Publisher,
    /// Through which services learn of keys.
    pub bucket: KeyBucket,
    /// What they have learnt; somebody else keeps it current.
    pub keys: Keys,
}

impl QueryState {
    /// `secret` is the deployment's: cursors and receipts are good at every one of its processes.
    /// Answers that go on for long end with `shutdown`.
    pub(crate) fn new(
        store: Store,
        secret: &str,
        broker: QueryBroker,
        metrics: &Metrics,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            metrics: QueryMetrics::new(metrics, &store),
            store,
            visibility: Visibility::default(),
            receipts: receipt_key(secret),
            cursors: cursor::key(secret),
            payloads: payload_key(secret),
            live: Live::new(broker.log.clone()),
            broker,
            bodies: Bodies::new(shutdown),
        }
    }

    pub fn bucket(&self) -> &KeyBucket {
        &self.broker.bucket
    }

    pub(crate) fn publisher(&self) -> &Publisher {
        &self.broker.publisher
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.broker.keys
    }
}
