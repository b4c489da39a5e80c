//! The first API key of an installation, which may do everything.

use anyhow::{Context, Result};
use bytes::Bytes;
use metering_log::keys::KeyBucket;
use metering_store::Store;
use metering_store::api_key::{self, ApiKeyRow};
use service_kit::clock;
use service_kit::key::{ApiKey, ApiKeySecret, Scope};

/// The text of a new admin key.
pub(crate) fn generate() -> String {
    ApiKeySecret::generate().as_str().to_owned()
}

/// Makes `text` an admin key; to do it again changes nothing.
pub(crate) async fn install(store: &Store, bucket: &KeyBucket, text: &str) -> Result<()> {
    let secret = ApiKeySecret::parse(text.trim())
        .context("the admin key is malformed; delete its file to get a new one")?;
    let key = ApiKey {
        id: secret.id().to_owned(),
        name: "admin".to_owned(),
        secret_sha256: secret.sha256(),
        scopes: vec![Scope::Admin],
        tenant_id: None,
        created_at: clock::now(),
        expires_at: None,
    };
    let scopes: Vec<String> = key
        .scopes
        .iter()
        .map(|scope| scope.as_str().to_owned())
        .collect();
    let row = ApiKeyRow {
        id: &key.id,
        name: &key.name,
        secret_sha256: &key.secret_sha256,
        scopes: &scopes,
        tenant_id: None,
        created_at: key.created_at,
        expires_at: None,
    };
    let mut conn = store.pool().acquire().await?;
    api_key::insert_if_absent(&mut conn, &row)
        .await
        .context("cannot store the admin key")?;
    let document = Bytes::from(serde_json::to_vec(&key)?);
    bucket
        .put(&key.id, document)
        .await
        .context("cannot distribute the admin key")
}
