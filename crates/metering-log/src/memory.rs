//! The log in memory: for tests that inject what a broker does not do on demand.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use uuid::Uuid;

use crate::backend::{Backend, BackendError, Message, StreamInfo};

/// How the next publishes behave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Publishing {
    #[default]
    Works,
    /// Waits until this is set to something else.
    Waits,
    /// Stores nothing and fails, and says that nothing is stored.
    Fails,
    /// Stores the message, and the confirmation is lost.
    LosesAnswer,
}

/// Keeps partitions in memory, with the numbering, dedup and size rules of the real one. Clones
/// share them.
#[derive(Clone)]
pub struct MemoryBackend {
    streams: Arc<Mutex<HashMap<u16, Stream>>>,
    max_bytes: u64,
    /// Changes whenever a stream does.
    changed: watch::Sender<u64>,
    publishing: watch::Sender<Publishing>,
    link: watch::Sender<u64>,
}

#[derive(Clone)]
struct Stream {
    incarnation: Uuid,
    messages: BTreeMap<u64, Message>,
    message_ids: HashMap<String, u64>,
    first_seq: u64,
    last_seq: u64,
    bytes: u64,
}

impl Stream {
    fn new() -> Self {
        let (messages, message_ids) = (BTreeMap::new(), HashMap::new());
        Self {
            incarnation: Uuid::new_v4(),
            messages,
            message_ids,
            first_seq: 1,
            last_seq: 0,
            bytes: 0,
        }
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBackend {
    pub fn new() -> Self {
        Self::with_max_bytes(u64::MAX)
    }

    pub fn with_max_bytes(max_bytes: u64) -> Self {
        Self {
            streams: Arc::default(),
            max_bytes,
            changed: watch::Sender::new(0),
            publishing: watch::Sender::default(),
            link: watch::Sender::new(1),
        }
    }

    pub fn set_publishing(&self, publishing: Publishing) {
        self.publishing.send_replace(publishing);
    }

    /// Breaks every link: readers have to come back.
    pub fn break_links(&self) {
        self.link.send_modify(|link| *link += 1);
    }

    /// Loses one stored message.
    pub fn lose(&self, partition: u16, seq: u64) {
        self.streams()
            .get_mut(&partition)
            .and_then(|stream| stream.messages.remove(&seq));
    }

    /// Puts another payload in a message's place.
    pub fn overwrite(&self, partition: u16, seq: u64, payload: Bytes) {
        if let Some(message) = self
            .streams()
            .get_mut(&partition)
            .and_then(|s| s.messages.get_mut(&seq))
        {
            message.payload = payload;
        }
    }

    /// Replaces a stream by an empty one, as deleting and creating it does.
    pub fn replace(&self, partition: u16) {
        self.streams().insert(partition, Stream::new());
        self.break_links();
    }

    /// The number of messages a partition holds.
    pub fn len(&self, partition: u16) -> usize {
        self.streams()
            .get(&partition)
            .map_or(0, |stream| stream.messages.len())
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<u16, Stream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, partition: u16, f: impl FnOnce(&mut Stream) -> T) -> Result<T, BackendError> {
        self.streams()
            .get_mut(&partition)
            .map(f)
            .ok_or(BackendError::NoSuchStream(partition))
    }

    fn info_now(&self, partition: u16) -> Result<StreamInfo, BackendError> {
        let max_bytes = self.max_bytes;
        self.with(partition, |stream| StreamInfo {
            incarnation: stream.incarnation,
            first_seq: stream.first_seq,
            last_seq: stream.last_seq,
            bytes: stream.bytes,
            max_bytes,
        })
    }

    fn store(
        &self,
        partition: u16,
        message_id: String,
        payload: Bytes,
    ) -> Result<u64, BackendError> {
        let max_bytes = self.max_bytes;
        let seq = self.with(partition, |stream| {
            if let Some(seq) = stream.message_ids.get(&message_id) {
                return Ok(*seq);
            }
            let bytes = stream.bytes + payload.len() as u64;
            if bytes > max_bytes {
                return Err(BackendError::Full);
            }
            stream.bytes = bytes;
            stream.last_seq += 1;
            let seq = stream.last_seq;
            stream.message_ids.insert(message_id, seq);
            stream.messages.insert(
                seq,
                Message {
                    seq,
                    stream_time: now(),
                    payload,
                },
            );
            Ok(seq)
        })??;
        self.changed.send_modify(|n| *n += 1);
        Ok(seq)
    }

    async fn publish_when_allowed(
        &self,
        partition: u16,
        message_id: String,
        payload: Bytes,
    ) -> Result<u64, BackendError> {
        let mut publishing = self.publishing.subscribe();
        let now = *publishing
            .wait_for(|p| *p != Publishing::Waits)
            .await
            .map_err(|e| BackendError::Unavailable(e.into()))?;
        match now {
            Publishing::Works | Publishing::Waits => self.store(partition, message_id, payload),
            Publishing::Fails => Err(BackendError::NotSent("told to fail".into())),
            Publishing::LosesAnswer => self
                .store(partition, message_id, payload)
                .and(Err(BackendError::Timeout)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a stream has a clock of its own")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

impl Backend for MemoryBackend {
    fn ensure(&self, partition: u16) -> BoxFuture<'_, Result<StreamInfo, BackendError>> {
        self.streams().entry(partition).or_insert_with(Stream::new);
        self.info(partition)
    }

    fn info(&self, partition: u16) -> BoxFuture<'_, Result<StreamInfo, BackendError>> {
        async move { self.info_now(partition) }.boxed()
    }

    fn publish(
        &self,
        partition: u16,
        message_id: String,
        payload: Bytes,
    ) -> BoxFuture<'_, Result<u64, BackendError>> {
        self.publish_when_allowed(partition, message_id, payload)
            .boxed()
    }

    fn get(
        &self,
        partition: u16,
        seq: u64,
    ) -> BoxFuture<'_, Result<Option<Message>, BackendError>> {
        async move { self.with(partition, |stream| stream.messages.get(&seq).cloned()) }.boxed()
    }

    fn read(
        &self,
        partition: u16,
        after: u64,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Message, BackendError>>, BackendError>>
    {
        let backend = self.clone();
        let link = self.link();
        let tail = Tail {
            changed: self.changed.subscribe(),
            links: self.link.subscribe(),
            backend,
            partition,
            link,
            last: after,
        };
        async move { Ok(stream::unfold(tail, Tail::next).boxed()) }.boxed()
    }

    fn purge(&self, partition: u16, seq: u64) -> BoxFuture<'_, Result<(), BackendError>> {
        async move {
            self.with(partition, |stream| {
                stream.messages = stream.messages.split_off(&(seq + 1));
                stream.bytes = stream
                    .messages
                    .values()
                    .map(|m| m.payload.len() as u64)
                    .sum();
                stream.first_seq = stream.first_seq.max(seq.min(stream.last_seq) + 1);
            })
        }
        .boxed()
    }

    fn link(&self) -> u64 {
        *self.link.borrow()
    }
}

/// A reader's place in a stream.
struct Tail {
    backend: MemoryBackend,
    changed: watch::Receiver<u64>,
    links: watch::Receiver<u64>,
    partition: u16,
    link: u64,
    last: u64,
}

impl Tail {
    /// The next message, `None` once the link is broken.
    async fn next(mut self) -> Option<(Result<Message, BackendError>, Self)> {
        loop {
            if self.backend.link() != self.link {
                return None;
            }
            self.changed.mark_unchanged();
            let next = self.backend.with(self.partition, |s| {
                s.messages
                    .range(self.last + 1..)
                    .next()
                    .map(|(_, m)| m.clone())
            });
            match next {
                Ok(None) => {
                    tokio::select! {
                        changed = self.changed.changed() => changed.ok()?,
                        broken = self.links.changed() => broken.ok()?,
                    }
                }
                Ok(Some(message)) => {
                    self.last = message.seq;
                    return Some((Ok(message), self));
                }
                Err(error) => return Some((Err(error), self)),
            }
        }
    }
}
