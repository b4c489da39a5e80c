//! What handlers share.

use metering_core::receipt::receipt_key;
use metering_core::signed::{SigningKey, payload_key};
use metering_log::keys::KeyBucket;
use metering_log::{Publisher, SharedBackend};
use metering_store::sqlx::pool::PoolConnection;
use metering_store::sqlx::{self, Postgres};
use metering_store::{Readers, Sight, Store};
use service_kit::auth::{Caller, Keys};
use service_kit::metrics::Metrics;
use tokio_util::sync::CancellationToken;

use crate::bodies::Bodies;
use crate::cursor;
use crate::live::Live;
use crate::metrics::QueryMetrics;
use crate::visibility::Visibility;

#[derive(Clone)]
pub struct QueryState {
    database: Database,
    pub(crate) visibility: Visibility,
    pub(crate) receipts: SigningKey,
    pub(crate) cursors: SigningKey,
    pub(crate) payloads: SigningKey,
    broker: QueryBroker,
    pub(crate) live: Live,
    pub(crate) bodies: Bodies,
    pub(crate) metrics: QueryMetrics,
}

/// Postgres as its owner, and as whoever asks.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) readers: Readers,
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
        database: Database,
        secret: &str,
        broker: QueryBroker,
        metrics: &Metrics,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            metrics: QueryMetrics::new(metrics, &database.readers),
            database,
            visibility: Visibility::default(),
            receipts: receipt_key(secret),
            cursors: cursor::key(secret),
            payloads: payload_key(secret),
            live: Live::new(broker.log.clone()),
            broker,
            bodies: Bodies::new(shutdown),
        }
    }

    /// What an answer is read with: it sees the rows of the caller's tenant, and of all tenants only
    /// where the caller is bound to none.
    pub(crate) async fn read_as(
        &self,
        caller: &Caller,
    ) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        self.database.readers.acquire(sight(caller)).await
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.database.readers
    }

    /// Sees and changes everything: for writes, and for what is nobody's answer.
    pub(crate) fn owner(&self) -> &Store {
        &self.database.store
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

/// Whose rows a caller may see.
pub(crate) fn sight(caller: &Caller) -> Sight<'_> {
    match &caller.tenant_id {
        Some(tenant_id) => Sight::Tenant(tenant_id),
        None => Sight::AllTenants,
    }
}
