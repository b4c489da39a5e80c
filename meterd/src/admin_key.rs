//! The first API key of an installation, which may do everything.

use anyhow::{Context, Result};
use chrono::SubsecRound as _;
use metering_log::keys::KeyBucket;
use metering_store::Store;
use service_kit::clock;
use service_kit::key::{ApiKey, ApiKeySecret, Scope};

/// The text of a new admin key.
pub(crate) fn generate() -> String {
    ApiKeySecret::generate().as_str().to_owned()
}

/// Makes `text` an admin key; to do it again changes nothing. `false`: it was deleted since, and
/// stays so.
pub(crate) async fn install(store: &Store, bucket: &KeyBucket, text: &str) -> Result<bool> {
    let secret = ApiKeySecret::parse(text.trim())
        .context("the admin key is malformed; delete its file to get a new one")?;
    let key = ApiKey {
        id: secret.id().to_owned(),
        name: "admin".to_owned(),
        secret_sha256: secret.sha256(),
        scopes: vec![Scope::Admin],
        tenant_id: None,
        // Postgres keeps microseconds.
        created_at: clock::now().trunc_subsecs(6),
        expires_at: None,
    };
    let installed = query_api::keys::install(store, bucket, &key).await;
    installed.context("cannot install the admin key")
}
