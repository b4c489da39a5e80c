//! Where Prometheus finds the metrics of a process.

use anyhow::{Context, Result};
use axum::Router;
use service_kit::http::{self, HttpConfig};
use service_kit::metrics::Metrics;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MetricsArgs {
    /// Address and port of `/metrics`, where it is not to be found beside the API
    #[arg(long, env = "METERD_METRICS_LISTEN", value_name = "HOST:PORT")]
    metrics_listen: Option<String>,
}

impl MetricsArgs {
    /// Adds `/metrics` to `router`, or starts serving it elsewhere until `shutdown`.
    pub(crate) async fn expose(
        &self,
        metrics: &Metrics,
        router: Router,
        config: &HttpConfig,
        (tasks, shutdown): (&TaskTracker, &CancellationToken),
    ) -> Result<Router> {
        let Some(listen) = &self.metrics_listen else {
            return Ok(router.merge(metrics.router()));
        };
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("cannot listen on {listen}: name another address with --metrics-listen")
        })?;
        tracing::info!(address = %listener.local_addr()?, "serving metrics");
        let elsewhere = http::finish(metrics.router(), metrics);
        let (config, shutdown) = (config.clone(), shutdown.clone());
        tasks.spawn(async move { http::serve(listener, elsewhere, &config, shutdown).await });
        Ok(router)
    }
}
