//! API keys on their way to the services that check them: a bucket that everyone watches.

use async_nats::Client;
use async_nats::jetstream::{self, kv};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};

use crate::backend::BackendError;
use crate::topology::KEY_BUCKET;

/// The bucket of API keys; the values are JSON documents.
#[derive(Clone)]
pub struct KeyBucket(kv::Store);

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    Put {
        id: String,
        document: Bytes,
    },
    Removed {
        id: String,
    },
    /// All that had been there when the watch began has been told.
    Current,
}

impl KeyBucket {
    /// Opens the bucket and creates it if there is none.
    pub async fn open(client: &Client, replicas: usize) -> Result<Self, BackendError> {
        let config = kv::Config {
            bucket: KEY_BUCKET.to_owned(),
            history: 1,
            num_replicas: replicas,
            ..kv::Config::default()
        };
        Ok(Self(
            jetstream::new(client.clone())
                .create_or_update_key_value(config)
                .await
                .map_err(unavailable)?,
        ))
    }

    /// Returns once the broker has stored it.
    pub async fn put(&self, id: &str, document: Bytes) -> Result<(), BackendError> {
        self.0
            .put(id, document)
            .await
            .map(|_| ())
            .map_err(unavailable)
    }

    /// Returns once the broker has stored that it is gone.
    pub async fn remove(&self, id: &str) -> Result<(), BackendError> {
        self.0.delete(id).await.map_err(unavailable)
    }

    /// All keys, then [`KeyChange::Current`], then every change. Ends when the watch breaks.
    pub async fn watch(
        &self,
    ) -> Result<impl Stream<Item = KeyChange> + Send + Unpin + use<>, BackendError> {
        let watch = self.0.watch_with_history(">").await.map_err(unavailable)?;
        // The bucket's own `status` is as old as its handle. A key that came since the watch began
        // is told together with what it makes current.
        let info = self.0.stream.get_info().await.map_err(unavailable)?;
        let empty = info.state.messages == 0;
        let mut current = empty;
        let first = futures::stream::iter(empty.then_some(KeyChange::Current));
        let changes = watch
            .take_while(|entry| std::future::ready(entry.is_ok()))
            .flat_map(move |entry| {
                let mut changes = Vec::new();
                if let Ok(entry) = entry {
                    changes.push(match entry.operation {
                        kv::Operation::Put => KeyChange::Put {
                            id: entry.key,
                            document: entry.value,
                        },
                        kv::Operation::Delete | kv::Operation::Purge => {
                            KeyChange::Removed { id: entry.key }
                        }
                    });
                    if entry.seen_current && !current {
                        current = true;
                        changes.push(KeyChange::Current);
                    }
                }
                futures::stream::iter(changes)
            });
        Ok(Box::pin(first.chain(changes)))
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> BackendError {
    BackendError::Unavailable(Box::new(error))
}
