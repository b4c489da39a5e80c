//! The ordered reader: every message of a partition once, in sequence, or an alarm.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use metering_core::Position;
use metering_core::envelope::record_count;
use metering_core::position::message_hash;
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use crate::backend::{BackendError, Message, SharedBackend, StreamInfo};

/// Pause between two attempts to reach the broker again.
const RETRY: Duration = Duration::from_millis(200);
/// How often an idle reader looks whether its link is still the one it opened.
const LINK_INTERVAL: Duration = Duration::from_secs(1);

/// When a batch is handed over; whichever comes first.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    pub max_records: usize,
    pub max_bytes: usize,
    /// Since its first message.
    pub max_wait: Duration,
}

/// One message of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub seq: u64,
    /// [`message_hash`] of `payload`.
    pub hash: u64,
    pub stream_time: DateTime<Utc>,
    /// An envelope, unless it is damaged.
    pub payload: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// Messages are missing: going on would skip them.
    #[error("partition {partition}: message {expected} is missing, the next one is {found}")]
    Gap {
        partition: u16,
        expected: u64,
        found: u64,
    },
    #[error("partition {partition}: the stream is {found}, not {expected} as before")]
    Incarnation {
        partition: u16,
        expected: Uuid,
        found: Uuid,
    },
    #[error("partition {partition}: message {seq} is not the one that was read before")]
    Hash { partition: u16, seq: u64 },
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Reads one partition from a position on. Waits through broken links by itself; ends with an
/// error when the log is not the one its position is from, or has a gap.
pub struct Reader {
    backend: SharedBackend,
    partition: u16,
    /// What has been handed over or collected.
    position: Position,
    link: u64,
    messages: BoxStream<'static, Result<Message, BackendError>>,
    /// Collected for the next batch; survives a cancelled `next_batch`.
    collected: Collected,
}

#[derive(Default)]
struct Collected {
    batch: Vec<Delivery>,
    records: usize,
    bytes: usize,
    since: Option<Instant>,
}

impl Reader {
    /// Errors: as [`ReaderError`]; a position that the stream does not reach is a `Hash` error.
    pub async fn open(
        backend: SharedBackend,
        partition: u16,
        position: Position,
    ) -> Result<Self, ReaderError> {
        let link = backend.link();
        let info = backend.info(partition).await?;
        verify(&backend, partition, position, info).await?;
        let messages = backend.read(partition, position.seq).await?;
        Ok(Self {
            backend,
            partition,
            position,
            link,
            messages,
            collected: Collected::default(),
        })
    }

    /// Messages stored and not handed over yet.
    pub async fn lag(&self) -> Result<u64, BackendError> {
        let collected = self.collected.batch.len() as u64;
        Ok(self.backend.info(self.partition).await?.last_seq - self.position.seq + collected)
    }

    /// Waits for a message, collects more until a limit is reached, and hands them over: at least
    /// one, in sequence. Cancelling it loses nothing.
    pub async fn next_batch(&mut self, limits: BatchLimits) -> Result<Vec<Delivery>, ReaderError> {
        loop {
            let Collected {
                records,
                bytes,
                since,
                ..
            } = self.collected;
            if records >= limits.max_records || bytes >= limits.max_bytes {
                break;
            }
            let wake = since.map_or_else(
                || Instant::now() + LINK_INTERVAL,
                |since| since + limits.max_wait,
            );
            match timeout_at(wake, self.messages.next()).await {
                Ok(Some(Ok(message))) => self.take(message).await?,
                Ok(Some(Err(error))) => self.reopen(Some(error)).await?,
                Ok(None) => self.reopen(None).await?,
                Err(_) if since.is_some() => break,
                // Nothing came; was that because there is nothing, or because the broker is another?
                Err(_) if self.backend.link() != self.link => self.reopen(None).await?,
                Err(_) => {}
            }
        }
        Ok(std::mem::take(&mut self.collected).batch)
    }

    async fn take(&mut self, message: Message) -> Result<(), ReaderError> {
        let Message {
            seq,
            stream_time,
            payload,
        } = message;
        let expected = self.position.seq + 1;
        if seq != expected {
            // Lost on the way, or lost from the log? Only the log can tell.
            return match self.backend.get(self.partition, expected).await? {
                Some(_) => self.reopen(None).await,
                None => Err(gap(self.partition, expected, seq)),
            };
        }
        let hash = message_hash(&payload);
        self.position = Position {
            seq,
            hash,
            ..self.position
        };
        let collected = &mut self.collected;
        collected.since.get_or_insert_with(Instant::now);
        collected.records += record_count(&payload);
        collected.bytes += payload.len();
        collected.batch.push(Delivery {
            seq,
            hash,
            stream_time,
            payload,
        });
        Ok(())
    }

    /// Goes on from the position over a new link, for as long as that takes.
    async fn reopen(&mut self, mut cause: Option<BackendError>) -> Result<(), ReaderError> {
        loop {
            if let Some(error) = cause {
                tracing::warn!(
                    partition = self.partition,
                    seq = self.position.seq,
                    error = &error as &dyn std::error::Error,
                    "reading is interrupted"
                );
                sleep(RETRY).await;
            }
            match Self::open(self.backend.clone(), self.partition, self.position).await {
                Ok(opened) => {
                    (self.link, self.messages) = (opened.link, opened.messages);
                    return Ok(());
                }
                Err(ReaderError::Backend(error)) => cause = Some(error),
                Err(error) => return Err(error),
            }
        }
    }
}

async fn verify(
    backend: &SharedBackend,
    partition: u16,
    position: Position,
    info: StreamInfo,
) -> Result<(), ReaderError> {
    let Position {
        incarnation,
        seq,
        hash,
    } = position;
    if info.incarnation != incarnation {
        return Err(ReaderError::Incarnation {
            partition,
            expected: incarnation,
            found: info.incarnation,
        });
    }
    if info.last_seq < seq {
        return Err(ReaderError::Hash { partition, seq });
    }
    if info.first_seq > seq + 1 {
        return Err(gap(partition, seq + 1, info.first_seq));
    }
    if seq == 0 {
        return Ok(());
    }
    // Trimmed away is fine: nothing that was not read is missing.
    match backend.get(partition, seq).await? {
        Some(message) if message_hash(&message.payload) != hash => {
            Err(ReaderError::Hash { partition, seq })
        }
        _ => Ok(()),
    }
}

fn gap(partition: u16, expected: u64, found: u64) -> ReaderError {
    tracing::error!(
        partition,
        expected,
        found,
        "ALARM: messages of the log are missing"
    );
    ReaderError::Gap {
        partition,
        expected,
        found,
    }
}
