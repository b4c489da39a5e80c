//! Keeps a service's [`Keys`] what the bucket of keys says.

use std::time::Duration;

use futures::StreamExt as _;
use metering_log::BackendError;
use metering_log::keys::{KeyBucket, KeyChange};
use tokio_util::sync::CancellationToken;

use crate::auth::Keys;
use crate::health::HealthReporter;
use crate::key::ApiKey;

/// Pause before a broken watch is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Watches until `shutdown`. While the watch is broken nobody is told that a key is unknown.
pub async fn watch_keys(
    bucket: KeyBucket,
    keys: Keys,
    health: HealthReporter,
    shutdown: CancellationToken,
) {
    let watching = async {
        loop {
            if let Err(error) = follow(&bucket, &keys, &health).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot watch API keys"
                );
            }
            keys.set_current(false);
            health.not_ready("the watch of API keys broke");
            tokio::time::sleep(RETRY).await;
        }
    };
    shutdown.run_until_cancelled(watching).await;
}

async fn follow(
    bucket: &KeyBucket,
    keys: &Keys,
    health: &HealthReporter,
) -> Result<(), BackendError> {
    let mut changes = bucket.watch().await?;
    // What was removed while nobody watched is not told, so begin with nothing.
    keys.reset();
    while let Some(change) = changes.next().await {
        match change {
            KeyChange::Put { id, document } => match serde_json::from_slice::<ApiKey>(&document) {
                Ok(key) => keys.put(key),
                Err(error) => tracing::error!(key.id = id, %error, "an API key is malformed"),
            },
            KeyChange::Removed { id } => keys.remove(&id),
            KeyChange::Current => {
                keys.set_current(true);
                health.ready();
            }
        }
    }
    Ok(())
}
