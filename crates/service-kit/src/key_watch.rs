//! Keeps a service's [`Keys`] what the bucket of keys says.
//!
//! Every second a beacon is put into the bucket. Its way back through the watch proves that all
//! changes from before it have been told: the keys are then known as of the moment it was sent.
//! Neither a clock nor the state of the connection has a say in it, so that it holds on a link that
//! is half open, slow, or in front of a broker that hangs.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use metering_log::BackendError;
use metering_log::keys::{KeyBucket, KeyChange};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::health::HealthReporter;
use crate::key::ApiKey;
use crate::keys::{Keys, KnownKey};

/// Pause before a broken watch is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// The least time between beacons when somebody waits for one: whoever guesses keys makes the
/// broker write no oftener than this.
const BEACON_SPACING: Duration = Duration::from_millis(100);
/// How much longer the next one takes when nobody waits: together it is a second.
const BEACON_REST: Duration = Duration::from_millis(900);
/// How long a beacon may be on its way back.
const BEACON_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Bucket(#[from] BackendError),
    #[error("the watch ended")]
    Ended,
    #[error("the beacon did not come back")]
    Silent,
    #[error("the bucket was replaced")]
    Replaced,
}

/// Watches until `shutdown`. While nothing is heard nobody is told that a key is unknown, and
/// [`STALE_AFTER`](crate::keys::STALE_AFTER) later nobody is let in.
pub async fn watch_keys(
    bucket: KeyBucket,
    keys: Keys,
    health: HealthReporter,
    shutdown: CancellationToken,
) {
    let watching = async {
        loop {
            let Err(error) = follow(&bucket, &keys, &health).await;
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot watch API keys"
            );
            if !keys.are_current(Instant::now()) {
                health.not_ready("API keys cannot be checked: NATS does not answer");
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    shutdown.run_until_cancelled(Box::pin(watching)).await;
}

type Changes = BoxStream<'static, Result<KeyChange, BackendError>>;

async fn follow(
    bucket: &KeyBucket,
    keys: &Keys,
    health: &HealthReporter,
) -> Result<Infallible, WatchError> {
    let mut changes = bucket.watch().await?;
    let asked = Instant::now();
    let revision = bucket.beacon().await?;
    // What was removed while nobody watched is not told, so begin with nothing; until all is there
    // the old keys serve for as long as they are good.
    let mut by_id = HashMap::new();
    let all = async {
        loop {
            let change = next(&mut changes).await?;
            let told = change.revision;
            if let Some((id, key)) = known_key(change) {
                by_id.insert(id, key);
            }
            if told >= revision {
                return Ok::<_, WatchError>(());
            }
        }
    };
    timeout(BEACON_PATIENCE, all)
        .await
        .map_err(|_| WatchError::Silent)??;
    keys.replace(by_id, asked);
    health.ready();
    let told = watch::Sender::new(revision);
    tokio::select! {
        ended = tell(&mut changes, keys, &told) => ended,
        ended = send_beacons(bucket, keys, &told, health) => ended,
    }
}

async fn tell(
    changes: &mut Changes,
    keys: &Keys,
    told: &watch::Sender<u64>,
) -> Result<Infallible, WatchError> {
    loop {
        let change = next(changes).await?;
        let revision = change.revision;
        if let Some((id, key)) = known_key(change) {
            keys.put(id, key);
        }
        told.send_replace(revision);
    }
}

async fn send_beacons(
    bucket: &KeyBucket,
    keys: &Keys,
    told: &watch::Sender<u64>,
    health: &HealthReporter,
) -> Result<Infallible, WatchError> {
    let mut told = told.subscribe();
    loop {
        tokio::time::sleep(BEACON_SPACING).await;
        let _ = timeout(BEACON_REST, keys.wanted()).await;
        let before = *told.borrow_and_update();
        let asked = Instant::now();
        let revision = bucket.beacon().await?;
        if revision <= before {
            return Err(WatchError::Replaced);
        }
        match timeout(BEACON_PATIENCE, told.wait_for(|told| *told >= revision)).await {
            Ok(Ok(_)) => keys.confirm(asked),
            Ok(Err(_)) | Err(_) => return Err(WatchError::Silent),
        }
        health.ready();
        let used = keys.take_used();
        if !used.is_empty() {
            let report = serde_json::to_vec(&used).expect("texts and times always serialise");
            bucket.report_used(Bytes::from(report)).await?;
        }
    }
}

async fn next(changes: &mut Changes) -> Result<KeyChange, WatchError> {
    let change = changes.next().await.ok_or(WatchError::Ended)?;
    Ok(change?)
}

/// `None`: a beacon.
fn known_key(change: KeyChange) -> Option<(String, KnownKey)> {
    if change.is_beacon() {
        return None;
    }
    let key = change.document.and_then(|document| {
        serde_json::from_slice::<ApiKey>(&document)
            .inspect_err(
                |error| tracing::error!(key.id = change.id, %error, "an API key is malformed"),
            )
            .ok()
    });
    Some((change.id, KnownKey::new(change.revision, key)))
}
