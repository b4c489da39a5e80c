//! The port to whatever stores the log, about a screenful.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use uuid::Uuid;

pub type SharedBackend = Arc<dyn Backend>;

/// What a confirmed message survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Fsynced before it was confirmed.
    Fsync,
    /// Nobody could be asked whether the server fsyncs.
    Unverified,
    /// A power cut may take the last moments; somebody allowed that.
    Async,
}

/// One stream as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamInfo {
    /// Random, made with the stream.
    pub incarnation: Uuid,
    /// Lowest sequence still stored; `last_seq + 1` when nothing is.
    pub first_seq: u64,
    /// Highest sequence ever given; 0 before the first message.
    pub last_seq: u64,
    pub bytes: u64,
    pub max_bytes: u64,
}

/// One stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub seq: u64,
    /// When the stream stored it.
    pub stream_time: DateTime<Utc>,
    pub payload: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error("the stream is full")]
    Full,
    #[error("no answer in time")]
    Timeout,
    #[error("partition {0} has no stream")]
    NoSuchStream(u16),
    #[error("stream {0} was not made by meterd: its metadata has no incarnation")]
    Foreign(String),
    /// Of a publish: nothing was stored and nothing will be.
    #[error("the broker cannot be used now; nothing was sent")]
    NotSent(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Of a publish: it may be stored, now or a little later.
    #[error("the broker cannot be reached or refused")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

pub(crate) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> BackendError {
    BackendError::Unavailable(Box::new(error))
}

/// Streams of messages, one a partition, numbered from 1 without gaps.
pub trait Backend: Send + Sync + 'static {
    /// Creates the stream if there is none. Never changes one that exists.
    fn ensure(&self, partition: u16) -> BoxFuture<'_, Result<StreamInfo, BackendError>>;

    fn info(&self, partition: u16) -> BoxFuture<'_, Result<StreamInfo, BackendError>>;

    /// Stores `payload` and returns its sequence once it is durable. The same `message_id` again,
    /// within two minutes, returns the first sequence.
    fn publish(
        &self,
        partition: u16,
        message_id: String,
        payload: Bytes,
    ) -> BoxFuture<'_, Result<u64, BackendError>>;

    fn get(&self, partition: u16, seq: u64)
    -> BoxFuture<'_, Result<Option<Message>, BackendError>>;

    /// The messages behind `after`, then new ones as they come. Ends or fails when the link does.
    /// A missing message is not noticed here: see [`crate::Reader`].
    fn read(
        &self,
        partition: u16,
        after: u64,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Message, BackendError>>, BackendError>>;

    /// Drops all messages up to and including `seq`.
    fn purge(&self, partition: u16, seq: u64) -> BoxFuture<'_, Result<(), BackendError>>;

    /// Grows with each new link to the broker: after one, streams may have been replaced.
    fn link(&self) -> u64;
}
