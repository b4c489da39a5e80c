//! The services of one process, on one listener.

use anyhow::Result;
use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the services need to know.
#[expect(dead_code, reason = "the services read it")]
pub(crate) struct StackConfig {
    pub(crate) nats_url: String,
    pub(crate) nats_monitor_url: Option<String>,
    pub(crate) postgres_url: String,
    pub(crate) redis_url: String,
    pub(crate) secret: String,
    pub(crate) admin_key: String,
    pub(crate) partitions: u16,
}

/// The text of a new admin key.
pub(crate) fn new_admin_key() -> String {
    crate::embedded::random_hex()
}

/// Serves until `shutdown`, then drains. Calls `on_ready` once requests are answered.
pub(crate) async fn run(
    config: StackConfig,
    listener: TcpListener,
    on_ready: impl FnOnce() + Send,
    shutdown: CancellationToken,
) -> Result<()> {
    drop(config);
    let router = Router::new().route("/readyz", get(|| async {}));
    on_ready();
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await?;
    Ok(())
}
