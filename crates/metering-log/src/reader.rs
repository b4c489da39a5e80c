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

/// Pause between two attempts to read on.
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
    /// `None` once it was interrupted: whatever comes next has to be asked for again.
    messages: Option<BoxStream<'static, Result<Message, BackendError>>>,
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
            messages: Some(messages),
            collected: Collected::default(),
        })
    }

    /// Messages stored and not handed over yet.
    pub async fn lag(&self) -> Result<u64, BackendError> {
        let handed_over = self.position.seq - self.collected.batch.len() as u64;
        let last = self.backend.info(self.partition).await?.last_seq;
        // A stream that was replaced may be shorter; the next batch raises that alarm.
        Ok(last.saturating_sub(handed_over))
    }

    /// Waits for a message, collects more until a limit is reached or the link breaks, and hands
    /// them over: at least one, in sequence. Cancelling it loses nothing. After an error about the
    /// log itself every further call fails in the same way.
    pub async fn next_batch(&mut self, limits: BatchLimits) -> Result<Vec<Delivery>, ReaderError> {
        while !self.collected.is_complete(limits) {
            let since = self.collected.since;
            let Some(messages) = &mut self.messages else {
                if since.is_some() {
                    break;
                }
                self.reopen().await?;
                continue;
            };
            let wake = since.map_or_else(
                || Instant::now() + LINK_INTERVAL,
                |since| since + limits.max_wait,
            );
            match timeout_at(wake, messages.next()).await {
                // Behind another link may be another log: what came over it is not verified.
                _ if self.backend.link() != self.link => self.messages = None,
                Ok(Some(Ok(message))) => self.take(message).await?,
                Ok(Some(Err(error))) => self.interrupt(&error),
                Ok(None) => self.messages = None,
                Err(_) if since.is_some() => break,
                Err(_) => {}
            }
        }
        Ok(std::mem::take(&mut self.collected).batch)
    }

    async fn take(&mut self, message: Message) -> Result<(), ReaderError> {
        let expected = self.position.seq + 1;
        if message.seq == expected {
            let hash = self.collected.add(message);
            self.position = Position {
                seq: expected,
                hash,
                ..self.position
            };
            return Ok(());
        }
        self.messages = None;
        if self.collected.since.is_some() {
            // What came before is handed over first; reading on from it leads here again.
            return Ok(());
        }
        // Lost on the way, or lost from the log? Only the log can tell.
        match self.backend.get(self.partition, expected).await {
            Ok(None) if message.seq > expected => Err(gap(self.partition, expected, message.seq)),
            Ok(_) => Ok(()),
            Err(error) => {
                self.interrupt(&error);
                Ok(())
            }
        }
    }

    fn interrupt(&mut self, error: &BackendError) {
        tracing::warn!(
            partition = self.partition,
            seq = self.position.seq,
            error = error as &dyn std::error::Error,
            "reading is interrupted"
        );
        self.messages = None;
    }

    /// Goes on from the position, for as long as that takes.
    async fn reopen(&mut self) -> Result<(), ReaderError> {
        if self.backend.link() == self.link {
            sleep(RETRY).await;
        }
        loop {
            match Self::open(self.backend.clone(), self.partition, self.position).await {
                Ok(opened) => {
                    (self.link, self.messages) = (opened.link, opened.messages);
                    return Ok(());
                }
                Err(ReaderError::Backend(error)) => self.interrupt(&error),
                Err(error) => return Err(error),
            }
            sleep(RETRY).await;
        }
    }
}

impl Collected {
    fn is_complete(&self, limits: BatchLimits) -> bool {
        self.records >= limits.max_records || self.bytes >= limits.max_bytes
    }

    /// Returns the message's hash.
    fn add(&mut self, message: Message) -> u64 {
        let Message {
            seq,
            stream_time,
            payload,
        } = message;
        let hash = message_hash(&payload);
        self.since.get_or_insert_with(Instant::now);
        // A damaged envelope may claim any number.
        self.records = self.records.saturating_add(record_count(&payload));
        self.bytes += payload.len();
        self.batch.push(Delivery {
            seq,
            hash,
            stream_time,
            payload,
        });
        hash
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
