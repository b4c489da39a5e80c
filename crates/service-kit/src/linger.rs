//! Answers that come before the request has been read whole. To close with bytes unread resets the
//! connection, and most clients then never see why they were refused; so what a handler has left is
//! read on for a moment, and thrown away.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Frame, SizeHint};

/// Bytes that are thrown away at most; who sends more than that may as well be reset.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Time for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Middleware for the outermost layers.
pub(crate) async fn linger(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let asks = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let rest = Rest(Arc::new(Mutex::new(Reading {
        body,
        begun: false,
        ended: false,
    })));
    let request = Request::from_parts(parts, Body::new(rest.clone()));
    let answer = next.run(request).await;
    if rest.reading().goes_on(asks) {
        let mut rest = Limited::new(rest, MAX_BYTES);
        let thrown_away = async { while let Some(Ok(_)) = rest.frame().await {} };
        let _ = tokio::time::timeout(PATIENCE, thrown_away).await;
    }
    answer
}

/// A body that can be read on when the handler has dropped it.
#[derive(Clone)]
struct Rest(Arc<Mutex<Reading>>);

struct Reading {
    body: Body,
    begun: bool,
    ended: bool,
}

impl Reading {
    /// Who asked before sending has sent nothing until it was told to, and need not.
    fn goes_on(&self, asks: bool) -> bool {
        !self.ended && (self.begun || !asks)
    }
}

impl Rest {
    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut reading = self.reading();
        reading.begun = true;
        let polled = Pin::new(&mut reading.body).poll_frame(context);
        reading.ended |= matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.reading().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.reading().body.size_hint()
    }
}
