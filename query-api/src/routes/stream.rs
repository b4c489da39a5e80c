//! `GET /v1/meter/events/stream`.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Reader, take_metadata};
use crate::error::QueryError;
use crate::live::{Follower, Marks, Selection};
use crate::state::QueryState;

const LAST_EVENT_ID: &str = "last-event-id";
/// Tells reverse proxies not to collect what should go on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) fn router() -> OpenApiRouter<QueryState> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// Follow events live
///
/// Server-sent events: each event that counts once it is persisted, as JSON, in the order of the log
/// (that of one tenant is the order in which its events were accepted). Each has an `id` that says how
/// far the stream is; sent as `Last-Event-ID`, it makes another request go on there without loss or
/// repeat. A stream that is quiet for 15 seconds says so, with an `id` and without data. `event:
/// dropped` names events that do not come, because the client is too slow (`"reason": "behind"`) or was
/// away for longer than the log is kept (`trimmed`); `after` is the `id` behind which they are. It ends
/// when the key is deleted or expires, or the server stops. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/meter/events/stream", operation_id = "follow_events", tag = "Events",
    params(
        ("tenant_id" = Option<String>, Query, max_length = 128, description = "A key that is bound to a tenant sees that one only"),
        ("resource" = Option<String>, Query, max_length = 128),
        ("feature" = Option<String>, Query, max_length = 128),
        ("Last-Event-ID" = Option<String>, Header, description = "The last `id` of an earlier stream; without it, the stream begins with what is persisted from now on"),
    ),
    responses((status = 200, description = "Events, for as long as the client reads.", body = String, content_type = "text/event-stream")),
)]
async fn stream(
    State(state): State<QueryState>,
    headers: HeaderMap,
    Reader { caller, mut params }: Reader,
) -> Result<Response, QueryError> {
    let since = last_event_id(&headers)?;
    let names = params.take_names(&caller)?;
    let metadata = take_metadata(&mut params)?;
    params.finish("tenant_id, resource, feature, metadata.KEY and receipt")?;
    let body = match names {
        Some(names) => {
            let follower = Follower {
                live: state.live.clone(),
                readers: state.readers().clone(),
                keys: state.keys().clone(),
                caller,
                selection: Selection { names, metadata },
                since,
            };
            state.bodies.spawn(|pieces| follower.run(pieces))
        }
        // Of a tenant that it may not see there is nothing to follow.
        None => axum::body::Body::empty(),
    };
    let value = HeaderValue::from_static;
    let headers = [
        (header::CONTENT_TYPE, value("text/event-stream")),
        (header::CACHE_CONTROL, value("no-store")),
        (X_ACCEL_BUFFERING, value("no")),
    ];
    Ok((headers, body).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Marks>, QueryError> {
    let mut sent = headers.get_all(LAST_EVENT_ID).iter();
    let (first, second) = (sent.next(), sent.next());
    let Some(value) = first.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let marks = value.to_str().ok().and_then(Marks::parse);
    match (marks, second) {
        (Some(marks), None) => Ok(Some(marks)),
        _ => Err(QueryError::parameter(
            "Last-Event-ID",
            "must be an `id` of this stream, as it came",
        )),
    }
}
