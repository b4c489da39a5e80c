//! One line a request: method, route, status, bytes, latency, key, request id. Never a body, a
//! query, a header's value or metadata.

use std::time::Instant;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request's id: the client's `X-Request-Id` if that is a UUID, else a new one. In the
/// request's extensions and in the response's header.
#[derive(Debug, Clone, Copy)]
pub struct RequestId(pub Uuid);

/// The id of the key that authenticated a request; in the response's extensions.
#[derive(Debug, Clone)]
pub struct KeyId(pub String);

/// Middleware, the outermost one.
pub async fn log(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let header = request.headers().get(&REQUEST_ID);
    let id = header
        .and_then(|value| Uuid::try_parse_ascii(value.as_bytes()).ok())
        .unwrap_or_else(Uuid::now_v7);
    request.extensions_mut().insert(RequestId(id));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let bytes_in = request.body().size_hint().exact();

    let mut response = next.run(request).await;

    let key = response.extensions_mut().remove::<KeyId>();
    tracing::info!(
        target: "meterd::request",
        {
            http.method = %method,
            http.route = route.as_ref().map_or("none", MatchedPath::as_str),
            http.status = response.status().as_u16(),
            http.request_bytes = bytes_in,
            http.response_bytes = response.body().size_hint().exact(),
            latency_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            key.id = key.map(|KeyId(id)| id),
            request.id = %id,
        },
        "answered"
    );
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
