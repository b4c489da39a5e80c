//! What handlers share.

use metering_core::receipt::receipt_key;
use metering_core::signed::SigningKey;
use metering_log::keys::KeyBucket;
use metering_store::Store;
use service_kit::metrics::Metrics;

use crate::cursor;
use crate::metrics::QueryMetrics;
use crate::visibility::Visibility;

#[derive(Clone)]
pub struct QueryState {
    pub(crate) store: Store,
    pub(crate) visibility: Visibility,
    pub(crate) receipts: SigningKey,
    pub(crate) cursors: SigningKey,
    /// Through which services learn of keys.
    keys: KeyBucket,
    pub(crate) metrics: QueryMetrics,
}

impl QueryState {
    /// `secret` is the deployment's: cursors and receipts are good at every one of its processes.
    pub fn new(store: Store, secret: &str, keys: KeyBucket, metrics: &Metrics) -> Self {
        Self {
            metrics: QueryMetrics::new(metrics, &store),
            store,
            visibility: Visibility::default(),
            receipts: receipt_key(secret),
            cursors: cursor::key(secret),
            keys,
        }
    }

    pub fn bucket(&self) -> &KeyBucket {
        &self.keys
    }
}
