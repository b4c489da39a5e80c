//! Serving: an accept loop with bounds and time-outs and a bounded drain, and the layers around
//! every router.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::{Router, middleware};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::linger::linger;
use crate::metrics::Metrics;
use crate::problem::{self, Problem};
use crate::request_log;

/// How long requests in flight may take once the process was asked to stop.
pub const DRAIN: Duration = Duration::from_secs(5);
/// Connections that the kernel completes before they are accepted, as far as its own limit
/// (`net.core.somaxconn`) goes. With the 128 of tokio's listeners, the heads of a crowd that
/// connects at once are dropped and sent again too late for the time-out.
const BACKLOG: i32 = 4096;
/// How long a client may take no byte of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that hyper needs at least for a head.
const MIN_BUFFER_BYTES: usize = 8192;

/// Bounds of what clients may do to a listener.
#[derive(Debug, Clone, clap::Args)]
pub struct HttpConfig {
    /// Connections that are served at one time; further ones wait until one ends
    #[arg(
        long,
        env = "METERD_HTTP_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = 1024,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub http_max_connections: u32,

    /// Bytes of a request's head, its line included
    #[arg(long, env = "METERD_HTTP_MAX_HEAD_BYTES", value_name = "BYTES", default_value_t = 16 * 1024)]
    pub http_max_head_bytes: usize,

    /// Bytes of a request's path and query
    #[arg(long, env = "METERD_HTTP_MAX_URI_BYTES", value_name = "BYTES", default_value_t = 8 * 1024)]
    pub http_max_uri_bytes: usize,

    /// Seconds in which a request's head has to arrive after the connection or the last answer
    #[arg(
        long,
        env = "METERD_HTTP_HEAD_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub http_head_timeout: u64,
}

/// The answers and layers every service's routes share: 404, 405, the request log and its metrics.
pub fn finish(router: Router, metrics: &Metrics) -> Router {
    router
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(middleware::from_fn_with_state(
            metrics.clone(),
            request_log::log,
        ))
}

/// Serves `router` until `shutdown`; then stops accepting, lets requests in flight finish for at
/// most [`DRAIN`], and returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &HttpConfig,
    shutdown: CancellationToken,
) {
    if let Err(error) = SockRef::from(&listener).listen(BACKLOG) {
        tracing::warn!(%error, "cannot lengthen the queue of new connections");
    }
    let bounds = Arc::new(config.clone());
    let requests = TaskTracker::new();
    let router = router
        .layer(middleware::from_fn_with_state(requests.clone(), outlive))
        .layer(middleware::from_fn_with_state(bounds, bound_head))
        .layer(middleware::from_fn(linger));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(config.http_head_timeout))
        // Room for heads that are somewhat too long, so that they get an answer that says so.
        .max_buf_size(MIN_BUFFER_BYTES.max(config.http_max_head_bytes.saturating_mul(2)));
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(config.http_max_connections as usize));
    loop {
        let accepted = tokio::select! {
            // Once it is asked to stop it takes no connection that another one could have.
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, slot)) = accepted else {
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            let _slot = slot;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
    drop(listener);
    connections.close();
    requests.close();
    let drained = async {
        graceful.shutdown().await;
        requests.wait().await;
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            requests = requests.len(),
            "requests still in flight at the end of the drain"
        );
    }
}

type Stream = std::pin::Pin<Box<TimeoutStream<TcpStream>>>;

/// The next connection, once there is a slot for it. `None`: none could be accepted.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(Stream, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Small answers must not wait for the client's acknowledgement of earlier ones.
            let _ = stream.set_nodelay(true);
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(WRITE_TIMEOUT));
            Some((Box::pin(stream), slot))
        }
        Err(error) => {
            // Mostly out of descriptors: accepting again at once would spin.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Middleware: what a request began is finished when its client hangs up, too.
///
/// Hyper drops the answer that nobody waits for. Dropped while it waits for Postgres, it would
/// leave its connection in the pool within a transaction that nobody ends, and the next one who
/// gets that connection would read answers to somebody else's questions.
async fn outlive(State(requests): State<TaskTracker>, request: Request, next: Next) -> Response {
    match requests.spawn(next.run(request)).await {
        Ok(response) => response,
        Err(panicked) => {
            tracing::error!(error = %panicked, "a request panicked");
            Problem::internal().into_response()
        }
    }
}

/// Middleware: 414 and 431. Heads that are longer still get hyper's own answer, without a body.
async fn bound_head(
    State(config): State<Arc<HttpConfig>>,
    request: Request,
    next: Next,
) -> Response {
    let uri_bytes = request
        .uri()
        .path_and_query()
        .map_or(0, |uri| uri.as_str().len());
    let lines = request.headers().iter();
    let head_bytes = lines
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum::<usize>()
        + uri_bytes;
    let (max_uri, max_head) = (config.http_max_uri_bytes, config.http_max_head_bytes);
    if uri_bytes > max_uri {
        let detail = format!("the path and query may have at most {max_uri} bytes");
        return Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail).into_response();
    }
    if head_bytes > max_head {
        let detail = format!("the headers may have at most {max_head} bytes together");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Problem::new(status, "headers_too_large", detail).into_response();
    }
    next.run(request).await
}
