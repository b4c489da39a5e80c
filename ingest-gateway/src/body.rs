//! Reading a request's body: decoded while it arrives, bounded on the wire and inflated, and paid
//! for from memory that all requests share.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body::{Body as RequestBody, HttpBody as _};
use futures::TryStreamExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio_util::io::StreamReader;

use crate::config::Config;
use crate::content::Encoding;
use crate::error::IngestError;

/// Bytes that every request may hold without asking, so that small ones get through while large
/// ones have used the shared memory up.
pub(crate) const OWN_BYTES: usize = 32 * 1024;
const FIRST_BYTES: usize = 4 * 1024;
/// log2 of the largest window of a zstd frame: 8 MiB, the most that RFC 9659 lets a sender use.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Memory that requests share beyond their own bytes. Clones share it.
#[derive(Clone)]
pub(crate) struct SharedMemory(Arc<Semaphore>);

impl SharedMemory {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    pub(crate) fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, IngestError> {
        let permits = u32::try_from(bytes).map_err(|_| IngestError::Busy)?;
        self.0
            .clone()
            .try_acquire_many_owned(permits)
            .map_err(|_: TryAcquireError| IngestError::Busy)
    }
}

/// A body, read and decoded. Its memory is given back with it.
pub(crate) struct HeldBody {
    pub(crate) bytes: Vec<u8>,
    /// What a byte of it costs while it is read.
    price: usize,
    memory: SharedMemory,
    paid: Option<OwnedSemaphorePermit>,
}

/// Reads a body of at most `max_body_bytes` on the wire and `max_inflated_bytes` decoded.
pub(crate) async fn read(
    body: RequestBody,
    encoding: Encoding,
    config: &Config,
    memory: &SharedMemory,
) -> Result<HeldBody, IngestError> {
    let max = config.max_body_bytes;
    if usize::try_from(body.size_hint().lower()).map_or(true, |length| length > max) {
        return Err(IngestError::BodyTooLarge(max));
    }
    let held = HeldBody {
        bytes: Vec::new(),
        // A zstd decoder keeps up to a window of what it has put out.
        price: if encoding == Encoding::Zstd { 2 } else { 1 },
        memory: memory.clone(),
        paid: None,
    };
    let filled = held.fill(reader(body, encoding, max), config.max_inflated_bytes);
    tokio::time::timeout(config.body_timeout, filled)
        .await
        .map_err(|_| IngestError::BodyTimeout)?
}

fn reader(body: RequestBody, encoding: Encoding, max: usize) -> Pin<Box<dyn AsyncRead + Send>> {
    let frames = Limited::new(body, max).into_data_stream();
    let wire = StreamReader::new(frames.map_err(move |error| {
        io::Error::other(if error.is::<LengthLimitError>() {
            IngestError::BodyTooLarge(max)
        } else {
            IngestError::BodyBroken
        })
    }));
    match encoding {
        Encoding::Identity => Box::pin(wire),
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(wire);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Encoding::Zstd => {
            let window = DParameter::window_log_max(ZSTD_WINDOW_LOG);
            let mut decoder = ZstdDecoder::with_params(wire, &[window]);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    }
}

impl HeldBody {
    async fn fill(
        mut self,
        mut reader: impl AsyncRead + Unpin,
        max: usize,
    ) -> Result<Self, IngestError> {
        loop {
            if self.bytes.len() == self.bytes.capacity() {
                self.grow(max)?;
            }
            match reader.read_buf(&mut self.bytes).await {
                Ok(0) => return Ok(self),
                Ok(_) if self.bytes.len() > max => return Err(IngestError::InflatedTooLarge(max)),
                Ok(_) => {}
                // What is not from the wire is from the decoder.
                Err(error) => return Err(error.downcast().unwrap_or(IngestError::Undecodable)),
            }
            // A few bytes on the wire can be many here: other requests want their turn.
            tokio::task::consume_budget().await;
        }
    }

    /// Doubles the room, up to one byte more than may be read: that byte shows that there are more.
    fn grow(&mut self, max: usize) -> Result<(), IngestError> {
        let (before, len) = (self.bytes.capacity(), self.bytes.len());
        let after = (before * 2).max(FIRST_BYTES).min(max.saturating_add(1));
        let unpaid = after
            .saturating_sub(before.max(OWN_BYTES))
            .saturating_mul(self.price);
        if unpaid > 0 {
            let paid = self.memory.take(unpaid)?;
            match &mut self.paid {
                Some(all) => all.merge(paid),
                none => *none = Some(paid),
            }
        }
        self.bytes.reserve_exact(after - len);
        Ok(())
    }
}
