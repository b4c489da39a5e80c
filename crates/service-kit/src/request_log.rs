//! One line a request: method, route, status, bytes, latency, key, request and trace id. Never a body, a
//! query, a header's value or metadata. And the same as metrics.

use std::time::{Duration, Instant};

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use crate::clock;
use crate::metrics::{HttpMetrics, Metrics};
use crate::problem::ProblemCode;
use crate::spans::{KeyValue, Place, Span, SpanKind, Spans};
use crate::trace_context::TraceContext;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request's id: the client's `X-Request-Id` if that is a UUID, else a new one. Beside its
/// [`TraceContext`] in the request's extensions and in the response's header.
#[derive(Debug, Clone, Copy)]
pub struct RequestId(pub Uuid);

/// The id of the key that authenticated a request; in the response's extensions.
#[derive(Debug, Clone)]
pub struct KeyId(pub String);

/// Middleware, the outermost one.
pub(crate) async fn log(
    State(metrics): State<Metrics>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let in_flight = InFlight::new(&metrics.http);
    let header = request.headers().get(&REQUEST_ID);
    let id = header
        .and_then(|value| Uuid::try_parse_ascii(value.as_bytes()).ok())
        .filter(|id| !id.is_nil())
        .unwrap_or_else(Uuid::now_v7);
    let trace = TraceContext::new(request.headers(), id, rand::random());
    request.extensions_mut().insert(RequestId(id));
    request.extensions_mut().insert(trace);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let bytes_in = request.body().size_hint().exact();

    let mut response = next.run(request).await;

    drop(in_flight);
    let took = started.elapsed();
    let problem = response.extensions_mut().remove::<ProblemCode>();
    let problem = problem.map(|ProblemCode(code)| code);
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    count(
        &metrics.http,
        &method,
        route,
        response.status(),
        problem,
        took,
    );
    span(
        &metrics.spans,
        &trace,
        &method,
        route,
        response.status(),
        took,
    );
    let key = response.extensions_mut().remove::<KeyId>();
    tracing::info!(
        target: "meterd::request",
        {
            http.method = %method,
            http.route = route,
            http.status = response.status().as_u16(),
            http.request_bytes = bytes_in,
            http.response_bytes = response.body().size_hint().exact(),
            latency_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            problem.code = problem,
            key.id = key.map(|KeyId(id)| id),
            request.id = %id,
            trace.id = %trace.trace_id.simple(),
        },
        "answered"
    );
    response.headers_mut().extend(trace.header());
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Counts a request until it is answered or its client has gone.
struct InFlight<'a>(&'a HttpMetrics);

impl<'a> InFlight<'a> {
    fn new(metrics: &'a HttpMetrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

fn count(
    metrics: &HttpMetrics,
    method: &Method,
    route: &str,
    status: StatusCode,
    problem: Option<&'static str>,
    took: Duration,
) {
    // Clients may invent methods; they must not make time series.
    let method = match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    let class = ["1xx", "2xx", "3xx", "4xx", "5xx"]
        .get(usize::from(status.as_u16() / 100).wrapping_sub(1))
        .unwrap_or(&"other");
    let duration = &metrics.duration;
    duration
        .with_label_values(&[method, route, class])
        .observe(took.as_secs_f64());
    if let Some(code) = problem {
        metrics.problems.with_label_values(&[route, code]).inc();
    }
}

/// The request as a span, if its client records its trace.
fn span(
    spans: &Spans,
    trace: &TraceContext,
    method: &Method,
    route: &str,
    status: StatusCode,
    took: Duration,
) {
    if !spans.are_collected() || !trace.sampled {
        return;
    }
    spans.add(Span {
        name: format!("{method} {route}").into(),
        kind: SpanKind::Server,
        at: Place {
            trace_id: trace.trace_id,
            span_id: trace.span_id,
        },
        parent: trace.parent_id,
        ended: clock::now(),
        took,
        failed: status.is_server_error(),
        attributes: vec![
            KeyValue::new("http.request.method", method.to_string()),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
        ],
    });
}
