//! Long answers. A small request can be answered with a long list of what is wrong with it, so an
//! answer is paid for like a body, until its client has taken it.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use futures::stream;
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;

use crate::admit::Admitted;
use crate::body::{OWN_BYTES, SharedMemory};
use crate::error::{IngestError, Rejected};

/// Bytes of a refused event in an answer besides its detail.
const REJECTED_BYTES: usize = 128;
/// Bytes of an id, and of the outcome that a failed append names for it.
const ID_BYTES: usize = 64;
/// What the connection takes over at one time.
const PIECE_BYTES: usize = 16 * 1024;

/// Takes the memory that the answer needs beyond what each request may have. It comes before the
/// append, because after it no answer can be refused.
pub(crate) fn pay(
    admitted: &Result<Admitted, IngestError>,
    memory: &SharedMemory,
) -> Result<Option<OwnedSemaphorePermit>, IngestError> {
    let (rejected, ids): (&[Rejected], usize) = match admitted {
        Ok(admitted) => (&admitted.rejected, admitted.ids.len()),
        Err(IngestError::AllRejected(rejected) | IngestError::NotAtomic(rejected)) => (rejected, 0),
        Err(_) => (&[], 0),
    };
    // Twice the detail, because quotes in it are escaped.
    let rejected = rejected
        .iter()
        .map(|event| 2 * event.detail.len() + REJECTED_BYTES);
    let bytes = rejected.sum::<usize>() + ids * ID_BYTES;
    let beyond = bytes.checked_sub(OWN_BYTES);
    beyond.map(|bytes| memory.take(bytes)).transpose()
}

/// Gives the memory back when the answer has been sent, or cannot be.
pub(crate) async fn hold(answer: Response, paid: OwnedSemaphorePermit) -> Response {
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.expect("an answer that is in memory");
    let bytes = body.to_bytes();
    parts
        .headers
        .insert(header::CONTENT_LENGTH, bytes.len().into());
    // In pieces: the connection drops a body as soon as it has the last one, sent or not.
    let pieces = stream::unfold((bytes, paid), |(mut rest, paid)| async move {
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some((Ok::<_, Infallible>(piece), (rest, paid)))
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}
