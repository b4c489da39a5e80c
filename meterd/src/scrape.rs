//! Where others find what a process shows of itself: its metrics, its spans.

use anyhow::{Context, Result};
use axum::Router;
use service_kit::http::{self, HttpConfig};
use service_kit::metrics::Metrics;
use service_kit::spans::Spans;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MetricsArgs {
    /// Address and port of `/metrics`, where it is not to be found beside the API
    #[arg(long, env = "METERD_METRICS_LISTEN", value_name = "HOST:PORT")]
    metrics_listen: Option<String>,

    /// OpenTelemetry collector that spans are sent to (OTLP over HTTP), such as
    /// http://127.0.0.1:4318 [default: none are made]
    #[arg(long, env = "METERD_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
}

impl MetricsArgs {
    /// The metrics of this process. `service` is its name in traces.
    pub(crate) fn metrics(&self, service: &'static str) -> Result<Metrics> {
        let Some(collector) = &self.otlp_endpoint else {
            return Ok(Metrics::default());
        };
        let spans = Spans::to(collector, service)
            .with_context(|| format!("METERD_OTLP_ENDPOINT is `{collector}`"))?;
        Ok(Metrics::new(spans))
    }

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
