//! API keys: Postgres has them, a bucket of the broker tells the services that check them.
//!
//! What Postgres says counts. Making a key writes its row and then puts it into the bucket; deleting
//! one marks its row and then removes it there. A process that dies between the two leaves a
//! difference, which every query server looks for every other second. It is safe that several do so
//! while keys come and go, because a key is put only in place of what the bucket was *seen* to have
//! before the rows were read: whoever deletes a key changes the row first and leaves a newer revision
//! in the bucket.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use metering_log::BackendError;
use metering_log::keys::KeyBucket;
use metering_store::api_key::{self, ApiKeyRow};
use metering_store::audit_log::{self, Action};
use metering_store::{Store, sqlx};
use serde_json::json;
use service_kit::auth::{Keys, Scope};
use service_kit::health::HealthReporter;
use service_kit::key::{ApiKey, KeyUse};
use service_kit::keys::View;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Between two comparisons of Postgres with the bucket.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(2);
/// Uses of keys are collected for this long and written at once.
const USED_INTERVAL: Duration = Duration::from_secs(2);
/// Keys whose use waits to be written; of others a use more or less is not noted.
const MAX_USED: usize = 100_000;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("there is no such key")]
    NotFound,
    #[error("there is such a key already")]
    Exists,
    #[error("it is the last admin key")]
    LastAdmin,
    #[error("the key's row is of another version")]
    Malformed,
    #[error("the key was not distributed")]
    Bucket(#[from] BackendError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Who does something.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Actor<'a> {
    /// `None`: meterd itself, when it is installed.
    pub(crate) key: Option<&'a str>,
    /// The only tenant whose keys it may touch.
    pub(crate) tenant: Option<&'a str>,
    pub(crate) request: Option<Uuid>,
}

impl Actor<'_> {
    fn did<'k>(
        &'k self,
        action: &'static str,
        key: &'k ApiKeyRow,
        at: DateTime<Utc>,
    ) -> Action<'k> {
        Action {
            at,
            key_id: self.key,
            action,
            target: &key.id,
            tenant_id: key.tenant_id.as_deref(),
            request_id: self.request,
            detail: json!({
                "name": key.name,
                "scopes": key.scopes,
                "tenant_id": key.tenant_id,
                "expires_at": key.expires_at,
            }),
        }
    }
}

/// Makes a key. When this returns, every service lets it in.
///
/// Errors: after [`KeyError::Bucket`] the key is deleted, or will only be known to Postgres and of
/// no use, since nobody was told its secret.
pub(crate) async fn create(
    store: &Store,
    bucket: &KeyBucket,
    key: &ApiKey,
    actor: Actor<'_>,
) -> Result<(), KeyError> {
    if !insert(store, key, actor).await? {
        return Err(KeyError::Exists);
    }
    let distributed = distribute(bucket, key, 0).await;
    if distributed.is_err() {
        let mut tx = store.pool().begin().await?;
        api_key::delete(&mut tx, &key.id, key.created_at).await?;
        let undone = row_of(key);
        audit_log::insert(&mut tx, &actor.did("key.delete", &undone, key.created_at)).await?;
        tx.commit().await?;
    }
    Ok(distributed?)
}

/// Makes a key that is known from elsewhere, unless that was done before. `false`: it was deleted
/// since, and stays so.
pub async fn install(store: &Store, bucket: &KeyBucket, key: &ApiKey) -> Result<bool, KeyError> {
    insert(store, key, Actor::default()).await?;
    let mut conn = store.pool().acquire().await?;
    let found = api_key::find(&mut conn, &key.id, None).await?;
    let row = found.ok_or(KeyError::NotFound)?;
    let live = row.deleted_at.is_none();
    if live {
        distribute(bucket, &key_of(row)?, 0).await?;
    }
    Ok(live)
}

/// The row, and the word of it. `false`: there is such a key, or was.
async fn insert(store: &Store, key: &ApiKey, actor: Actor<'_>) -> Result<bool, KeyError> {
    let row = row_of(key);
    let mut tx = store.pool().begin().await?;
    let inserted = api_key::insert(&mut tx, &row).await?;
    if inserted {
        audit_log::insert(&mut tx, &actor.did("key.create", &row, key.created_at)).await?;
    }
    tx.commit().await?;
    Ok(inserted)
}

/// The secret of a key, and how long the one before it goes on.
pub(crate) struct Rotation {
    pub(crate) new_id: String,
    pub(crate) new_secret_sha256: [u8; 32],
    pub(crate) now: DateTime<Utc>,
    /// When the old key ends, if it does not end before.
    pub(crate) old_ends_at: DateTime<Utc>,
}

/// Makes a key that may do what another one may, for as long as that, and lets the old one end. When
/// this returns, every service lets the new one in.
///
/// Errors: after [`KeyError::Bucket`] the old key ends all the same, and the new one is of no use, since
/// nobody was told its secret.
pub(crate) async fn rotate(
    store: &Store,
    bucket: &KeyBucket,
    keys: &Keys,
    (id, rotation): (&str, Rotation),
    actor: Actor<'_>,
) -> Result<ApiKey, KeyError> {
    // Before the row is read, as in a comparison.
    let seen = keys.view().and_then(|mut view| view.remove(id));
    let mut tx = store.pool().begin().await?;
    api_key::lock(&mut tx).await?;
    let found = api_key::find(&mut tx, id, actor.tenant).await?;
    let ended = |key: &ApiKeyRow| key.expires_at.is_some_and(|at| at <= rotation.now);
    let live = found.filter(|key| key.deleted_at.is_none() && !ended(key));
    let old = live.ok_or(KeyError::NotFound)?;
    let new = ApiKey {
        id: rotation.new_id,
        secret_sha256: rotation.new_secret_sha256,
        created_at: rotation.now,
        ..key_of(old.clone())?
    };
    let row = row_of(&new);
    if !api_key::insert(&mut tx, &row).await? {
        return Err(KeyError::Exists);
    }
    api_key::end_at(&mut tx, id, rotation.old_ends_at).await?;
    let old = ApiKeyRow {
        expires_at: Some(
            old.expires_at
                .map_or(rotation.old_ends_at, |at| at.min(rotation.old_ends_at)),
        ),
        ..old
    };
    let ends = actor.did("key.rotate", &old, rotation.now);
    audit_log::insert(&mut tx, &ends).await?;
    audit_log::insert(&mut tx, &actor.did("key.create", &row, rotation.now)).await?;
    tx.commit().await?;
    distribute(bucket, &new, 0).await?;
    if let Some((revision, _)) = seen {
        distribute(bucket, &key_of(old)?, revision).await?;
    }
    Ok(new)
}

/// Deletes a key. When this returns, the bucket says so; doing it again changes nothing.
///
/// Errors: after [`KeyError::Bucket`] the key is deleted, and works until the broker answers again
/// or the services have not heard of it for four seconds.
pub(crate) async fn delete(
    store: &Store,
    bucket: &KeyBucket,
    id: &str,
    actor: Actor<'_>,
    now: DateTime<Utc>,
) -> Result<(), KeyError> {
    let mut tx = store.pool().begin().await?;
    api_key::lock(&mut tx).await?;
    let found = api_key::find(&mut tx, id, actor.tenant).await?;
    let key = found.ok_or(KeyError::NotFound)?;
    if key.deleted_at.is_none() {
        let admin = Scope::Admin.as_str();
        let may_be_last = key.tenant_id.is_none() && key.scopes.iter().any(|scope| scope == admin);
        if may_be_last && api_key::count_others(&mut tx, id, admin, now).await? == 0 {
            return Err(KeyError::LastAdmin);
        }
        api_key::delete(&mut tx, id, now).await?;
        audit_log::insert(&mut tx, &actor.did("key.delete", &key, now)).await?;
    }
    tx.commit().await?;
    Ok(bucket.remove(id).await?)
}

/// Puts a key into the bucket if that still has what it had at `revision`. If not, somebody else
/// distributed the key, or deleted it.
async fn distribute(bucket: &KeyBucket, key: &ApiKey, revision: u64) -> Result<(), BackendError> {
    let document = serde_json::to_vec(key).expect("a key always serialises");
    bucket.put_if(&key.id, document.into(), revision).await?;
    Ok(())
}

fn row_of(key: &ApiKey) -> ApiKeyRow {
    ApiKeyRow {
        id: key.id.clone(),
        name: key.name.clone(),
        secret_sha256: key.secret_sha256.to_vec(),
        scopes: key.scopes.iter().map(|s| s.as_str().to_owned()).collect(),
        tenant_id: key.tenant_id.clone(),
        created_at: key.created_at,
        expires_at: key.expires_at,
        last_used_at: None,
        deleted_at: None,
    }
}

fn key_of(row: ApiKeyRow) -> Result<ApiKey, KeyError> {
    let scopes = serde_json::from_value(json!(row.scopes)).map_err(|_| KeyError::Malformed)?;
    let secret_sha256 = row.secret_sha256.try_into();
    Ok(ApiKey {
        id: row.id,
        name: row.name,
        secret_sha256: secret_sha256.map_err(|_| KeyError::Malformed)?,
        scopes,
        tenant_id: row.tenant_id,
        created_at: row.created_at,
        expires_at: row.expires_at,
    })
}

/// Keeps the bucket what Postgres says, until `shutdown`.
pub(crate) async fn reconcile(
    store: &Store,
    bucket: &KeyBucket,
    keys: &Keys,
    part: &HealthReporter,
    shutdown: &CancellationToken,
) {
    let mut ticks = interval(RECONCILE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        // Before the rows are read. While nothing is known, nobody is let in either.
        let Some(view) = keys.view() else {
            ticks.reset_after(RECONCILE_INTERVAL / 20);
            continue;
        };
        match reconcile_once(store, bucket, view).await {
            Ok(()) => part.ready(),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot compare the keys"
                );
                part.not_ready("API keys cannot be compared with Postgres");
            }
        }
    }
}

async fn reconcile_once(store: &Store, bucket: &KeyBucket, mut view: View) -> Result<(), KeyError> {
    let mut conn = store.pool().acquire().await?;
    let rows = api_key::list(&mut conn, None, None, i64::MAX).await?;
    drop(conn);
    for row in rows {
        let key = key_of(row)?;
        let (revision, seen) = view.remove(&key.id).unwrap_or_default();
        if seen.as_deref() != Some(&key) {
            tracing::info!(key.id = key.id, "distributing an API key");
            distribute(bucket, &key, revision).await?;
        }
    }
    for (id, (_, key)) in view {
        if key.is_some() {
            tracing::info!(key.id = id, "removing an API key that was deleted");
            bucket.remove(&id).await?;
        }
    }
    Ok(())
}

/// Notes when keys were used, as the services report it, until `shutdown`.
pub(crate) async fn note_uses(store: &Store, bucket: &KeyBucket, shutdown: &CancellationToken) {
    let noting = async {
        loop {
            if let Err(error) = note_reported(store, bucket).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot note the use of keys"
                );
            }
            tokio::time::sleep(USED_INTERVAL).await;
        }
    };
    shutdown.run_until_cancelled(Box::pin(noting)).await;
}

async fn note_reported(store: &Store, bucket: &KeyBucket) -> Result<(), KeyError> {
    let mut reports = bucket.used().await?;
    let mut used = HashMap::new();
    let mut ticks = interval(USED_INTERVAL);
    loop {
        tokio::select! {
            report = reports.next() => {
                let Some(report) = report else { return Ok(()) };
                match serde_json::from_slice::<Vec<KeyUse>>(&report) {
                    Ok(uses) => used.extend(uses.into_iter().map(|KeyUse { id, at }| (id, at))),
                    Err(error) => tracing::warn!(%error, "a report of used keys is malformed"),
                }
                if used.len() > MAX_USED {
                    used.clear();
                }
            }
            _ = ticks.tick(), if !used.is_empty() => {
                let uses: Vec<_> = used.drain().collect();
                let mut conn = store.pool().acquire().await?;
                api_key::update_last_used(&mut conn, &uses).await?;
            }
        }
    }
}
