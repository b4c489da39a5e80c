//! API keys on their way to the services that check them: a bucket that everyone watches.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::kv::{self, UpdateErrorKind};
use async_nats::jetstream::{Context, context::ContextBuilder};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::backend::{BackendError, unavailable};
use crate::topology::KEYS_USED;

/// Key of the beacon; no API key has such an id.
const BEACON: &str = "beacon";
/// How long the broker may take to answer; less than the beacon's own bound.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// Subscribers of this group share the reports of used keys between them.
const USED_GROUP: &str = "meterd";

/// The bucket of API keys; the values are JSON documents. Its broker orders all changes by
/// revision, and tells watchers all of them in this order.
#[derive(Clone)]
pub struct KeyBucket {
    client: Client,
    jetstream: Context,
    config: kv::Config,
    store: kv::Store,
}

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// An API key's, or of something that only has a revision.
    pub id: String,
    pub revision: u64,
    /// `None`: it was removed.
    pub document: Option<Bytes>,
}

impl KeyChange {
    /// Whether this tells no more than that everything up to its revision has been told.
    pub fn is_beacon(&self) -> bool {
        self.id == BEACON
    }
}

impl KeyBucket {
    /// Opens the bucket and creates it if there is none.
    pub async fn open(client: &Client, name: &str, replicas: usize) -> Result<Self, BackendError> {
        let config = kv::Config {
            bucket: name.to_owned(),
            history: 1,
            num_replicas: replicas,
            ..kv::Config::default()
        };
        let jetstream = ContextBuilder::new()
            .timeout(TIMEOUT)
            .ack_timeout(TIMEOUT)
            .build(client.clone());
        Ok(Self {
            client: client.clone(),
            store: create(&jetstream, &config).await?,
            jetstream,
            config,
        })
    }

    /// Stores it if `revision` is still what the bucket has of this id, 0 standing for nothing.
    /// `false`: somebody changed it since.
    pub async fn put_if(
        &self,
        id: &str,
        document: Bytes,
        revision: u64,
    ) -> Result<bool, BackendError> {
        match self.store.update(id, document, revision).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Returns once the broker has stored that it is gone.
    pub async fn remove(&self, id: &str) -> Result<(), BackendError> {
        self.store.delete(id).await.map_err(unavailable)
    }

    /// Stores a beacon. Who is told its revision has been told everything that was in the bucket
    /// before.
    pub async fn beacon(&self) -> Result<u64, BackendError> {
        let stored = self.store.put(BEACON, Bytes::new()).await;
        stored.map_err(unavailable)
    }

    /// The latest change of each key, then every change. Makes the bucket again if it is gone.
    pub async fn watch(
        &self,
    ) -> Result<BoxStream<'static, Result<KeyChange, BackendError>>, BackendError> {
        let store = create(&self.jetstream, &self.config).await?;
        let watch = store.watch_with_history(">").await.map_err(unavailable)?;
        let changes = watch.map_err(unavailable).map_ok(|entry| KeyChange {
            id: entry.key,
            revision: entry.revision,
            document: match entry.operation {
                kv::Operation::Put => Some(entry.value),
                kv::Operation::Delete | kv::Operation::Purge => None,
            },
        });
        Ok(changes.boxed())
    }

    /// Tells that keys were used. It may be lost.
    pub async fn report_used(&self, report: Bytes) -> Result<(), BackendError> {
        let sent = self.client.publish(KEYS_USED, report).await;
        sent.map_err(unavailable)
    }

    /// The reports of used keys, each to one of all subscribers.
    pub async fn used(&self) -> Result<BoxStream<'static, Bytes>, BackendError> {
        let group = USED_GROUP.to_owned();
        let subscription = self.client.queue_subscribe(KEYS_USED, group).await;
        let reports = subscription.map_err(unavailable)?;
        Ok(reports.map(|message| message.payload).boxed())
    }
}

async fn create(jetstream: &Context, config: &kv::Config) -> Result<kv::Store, BackendError> {
    let created = Box::pin(jetstream.create_or_update_key_value(config.clone()));
    created.await.map_err(unavailable)
}
