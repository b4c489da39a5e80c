//! The coalescing publisher. A message costs one fsync whatever its size, so while one envelope is
//! being fsynced the next one collects; when nothing is in flight nothing waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use metering_core::envelope::{self, EncodedRecord};
use metering_core::limits::MAX_ENVELOPE_BYTES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::backend::{BackendError, SharedBackend};

/// Bytes of records that may wait in one process; beyond it callers are refused at once.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// After an envelope failed, appends are refused this long; then one envelope tries again.
const BREAKER: Duration = Duration::from_secs(1);
/// How often the streams' sizes are looked at.
const SIZE_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct PublisherConfig {
    pub generation: u32,
    pub partitions: u16,
    /// Random per process: the first part of every message id.
    pub boot_id: Uuid,
    /// How long an acknowledgement may take before the outcome counts as unknown.
    pub publish_timeout: Duration,
    pub clock: fn() -> DateTime<Utc>,
}

/// What a record is for. Near the end of a stream's space reports are refused first, so that what
/// gives units back, and configuration, still fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    Report,
    Control,
}

/// Where an append's last record stands; its others stand at or before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub incarnation: Uuid,
    pub seq: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("the log takes no records right now; none of these was sent")]
    Unavailable,
    #[error("the log is nearly full; none of these was sent")]
    Full,
    #[error("the log did not confirm the records in time; they may still arrive")]
    Unknown,
}

/// Appends records; clones share the queues.
#[derive(Clone)]
pub struct Publisher(Arc<Shared>);

struct Shared {
    partitions: Vec<Partition>,
    queue_bytes: Arc<Semaphore>,
    tasks: TaskTracker,
}

struct Partition {
    queue: mpsc::UnboundedSender<Append>,
    state: Arc<PartitionState>,
}

struct PartitionState {
    nearly_full: AtomicBool,
    breaker: Mutex<Breaker>,
    incarnation: Mutex<Uuid>,
    envelopes: AtomicU64,
}

/// Keeps callers from waiting for a broker that has just failed.
#[derive(Clone, Copy)]
enum Breaker {
    Closed,
    /// Everyone is refused at once; who comes later may probe.
    Open {
        until: Instant,
    },
    /// One append is on its way to find out; everyone else is still refused.
    Probing,
}

struct Append {
    records: VecDeque<EncodedRecord>,
    queued_at: Instant,
    /// How many envelopes its records are in so far.
    envelopes: u32,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
    _bytes: OwnedSemaphorePermit,
}

impl Publisher {
    /// Makes sure that every partition has its stream and starts a task for each. After `shutdown`
    /// what is queued is still sent, and new appends are refused.
    pub async fn start(
        backend: SharedBackend,
        config: PublisherConfig,
        shutdown: CancellationToken,
    ) -> Result<Self, BackendError> {
        let tasks = TaskTracker::new();
        let mut partitions = Vec::new();
        for number in 0..config.partitions {
            let info = backend.ensure(number).await?;
            let state = Arc::new(PartitionState {
                nearly_full: AtomicBool::new(false),
                breaker: Mutex::new(Breaker::Closed),
                incarnation: Mutex::new(info.incarnation),
                envelopes: AtomicU64::new(0),
            });
            let (queue, appends) = mpsc::unbounded_channel();
            let (backend, config) = (backend.clone(), config.clone());
            tasks.spawn(watch_size(
                backend.clone(),
                number,
                state.clone(),
                shutdown.clone(),
            ));
            let coalescer = Coalescer {
                backend,
                config,
                number,
                appends,
                state: state.clone(),
                waiting: VecDeque::new(),
            };
            tasks.spawn(coalescer.run(shutdown.clone()));
            partitions.push(Partition { queue, state });
        }
        tasks.close();
        Ok(Self(Arc::new(Shared {
            partitions,
            queue_bytes: Arc::new(Semaphore::new(QUEUE_BYTES)),
            tasks,
        })))
    }

    pub fn partitions(&self) -> u16 {
        u16::try_from(self.0.partitions.len()).expect("made from a u16")
    }

    /// Envelopes sent so far to `partition`.
    pub fn envelopes(&self, partition: u16) -> u64 {
        self.0.partitions[usize::from(partition)]
            .state
            .envelopes
            .load(Ordering::Relaxed)
    }

    /// Whether appends to `partition` are refused because the last envelope failed.
    pub fn refuses(&self, partition: u16) -> bool {
        let state = &self.0.partitions[usize::from(partition)].state;
        !matches!(*state.breaker(), Breaker::Closed)
    }

    /// Bytes of records that wait to be sent or confirmed.
    pub fn queued_bytes(&self) -> usize {
        QUEUE_BYTES.saturating_sub(self.0.queue_bytes.available_permits())
    }

    /// Waits until what was queued before the shutdown has been sent.
    pub async fn drained(&self) {
        self.0.tasks.wait().await;
    }

    /// Appends `records` in their order, not necessarily next to each other, and returns once all
    /// are durable. To drop the future does not withdraw the records.
    pub async fn append(
        &self,
        partition: u16,
        records: Vec<EncodedRecord>,
        priority: Priority,
    ) -> Result<Appended, AppendError> {
        let Partition { queue, state } = &self.0.partitions[usize::from(partition)];
        if priority == Priority::Report && state.nearly_full.load(Ordering::Relaxed) {
            return Err(AppendError::Full);
        }
        let bytes = records.iter().map(EncodedRecord::len).sum::<usize>();
        let permits = u32::try_from(bytes).map_err(|_| AppendError::Unavailable)?;
        let permit = self
            .0
            .queue_bytes
            .clone()
            .try_acquire_many_owned(permits)
            .map_err(|_| AppendError::Unavailable)?;
        // Last, because whoever is let through a breaker that is not closed has to be sent.
        if !state.admits() {
            return Err(AppendError::Unavailable);
        }
        let (answer, answered) = oneshot::channel();
        let append = Append {
            records: records.into(),
            queued_at: Instant::now(),
            envelopes: 0,
            answer,
            _bytes: permit,
        };
        queue.send(append).map_err(|_| AppendError::Unavailable)?;
        answered.await.unwrap_or(Err(AppendError::Unknown))
    }
}

impl PartitionState {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admits(&self) -> bool {
        let mut breaker = self.breaker();
        match *breaker {
            Breaker::Closed => true,
            Breaker::Open { until } if Instant::now() >= until => {
                *breaker = Breaker::Probing;
                true
            }
            Breaker::Open { .. } | Breaker::Probing => false,
        }
    }

    fn incarnation(&self) -> Uuid {
        *self
            .incarnation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a partition's fill level and incarnation current.
async fn watch_size(
    backend: SharedBackend,
    partition: u16,
    state: Arc<PartitionState>,
    shutdown: CancellationToken,
) {
    let mut ticks = tokio::time::interval(SIZE_INTERVAL);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(Ok(info)) = shutdown.run_until_cancelled(backend.info(partition)).await else {
            continue;
        };
        *state
            .incarnation
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = info.incarnation;
        let nearly_full = info.bytes >= info.max_bytes / 10 * 9;
        if state.nearly_full.swap(nearly_full, Ordering::Relaxed) != nearly_full {
            tracing::warn!(
                partition,
                nearly_full,
                bytes = info.bytes,
                max_bytes = info.max_bytes,
                "the log's space"
            );
        }
    }
}

/// The one sender of a partition.
struct Coalescer {
    backend: SharedBackend,
    config: PublisherConfig,
    number: u16,
    appends: mpsc::UnboundedReceiver<Append>,
    state: Arc<PartitionState>,
    waiting: VecDeque<Append>,
}

impl Coalescer {
    async fn run(mut self, shutdown: CancellationToken) {
        loop {
            if self.waiting.is_empty() {
                tokio::select! {
                    append = self.appends.recv() => match append {
                        Some(append) => self.waiting.push_back(append),
                        None => return,
                    },
                    // From here on `append` is refused; what is in the queue is received below.
                    () = shutdown.cancelled(), if !self.appends.is_closed() => self.appends.close(),
                }
            }
            self.collect();
            if !self.waiting.is_empty() {
                self.send_one().await;
            }
        }
    }

    fn collect(&mut self) {
        while let Ok(append) = self.appends.try_recv() {
            self.waiting.push_back(append);
        }
        // Who has waited as long as an answer may take is told so, rather than sent after all.
        let patience = self.config.publish_timeout;
        while let Some(append) = self
            .waiting
            .pop_front_if(|append| append.envelopes == 0 && append.queued_at.elapsed() >= patience)
        {
            let _ = append.answer.send(Err(AppendError::Unavailable));
        }
    }

    /// Sends one envelope and answers the appends that end in it.
    async fn send_one(&mut self) {
        let (records, ended) = self.fill();
        let sent_at_us = (self.config.clock)().timestamp_micros();
        let payload = Bytes::from(envelope::encode(
            self.config.generation,
            sent_at_us,
            records.iter(),
        ));
        let count = self.state.envelopes.fetch_add(1, Ordering::Relaxed);
        let message_id = format!("{}.{}.{count}", self.config.boot_id, self.number);
        let published = timeout(
            self.config.publish_timeout,
            self.backend.publish(self.number, message_id, payload),
        )
        .await;
        match published.unwrap_or(Err(BackendError::Timeout)) {
            Ok(seq) => {
                *self.state.breaker() = Breaker::Closed;
                let appended = Appended {
                    incarnation: self.state.incarnation(),
                    seq,
                };
                for append in ended {
                    let _ = append.answer.send(Ok(appended));
                }
            }
            Err(error) => self.fail(ended, &error),
        }
    }

    /// Takes records off the front of the queue until an envelope is full.
    fn fill(&mut self) -> (Vec<EncodedRecord>, Vec<Append>) {
        let (mut records, mut ended) = (Vec::new(), Vec::new());
        let mut room = MAX_ENVELOPE_BYTES - envelope::OVERHEAD_BYTES;
        while let Some(append) = self.waiting.front_mut() {
            let before = records.len();
            while let Some(record) = append
                .records
                .pop_front_if(|record| record.len() <= room || records.is_empty())
            {
                room = room.saturating_sub(record.len());
                records.push(record);
            }
            append.envelopes += u32::from(records.len() > before);
            if !append.records.is_empty() {
                break;
            }
            ended.extend(self.waiting.pop_front());
        }
        (records, ended)
    }

    /// The envelope may or may not be stored; whoever has no record in it was not sent.
    fn fail(&mut self, ended: Vec<Append>, error: &BackendError) {
        tracing::warn!(
            partition = self.number,
            error = error as &dyn std::error::Error,
            "an envelope was not confirmed"
        );
        let outcome = match error {
            BackendError::Full => AppendError::Full,
            BackendError::NotSent(_) | BackendError::NoSuchStream(_) | BackendError::Foreign(_) => {
                AppendError::Unavailable
            }
            BackendError::Timeout | BackendError::Unavailable(_) => AppendError::Unknown,
        };
        *self.state.breaker() = if outcome == AppendError::Full {
            // The next look at its size may find room again.
            self.state.nearly_full.store(true, Ordering::Relaxed);
            Breaker::Closed
        } else {
            let until = Instant::now() + BREAKER;
            Breaker::Open { until }
        };
        // Those who came while it was on its way do not wait for another failure.
        self.collect();
        for append in ended.into_iter().chain(self.waiting.drain(..)) {
            let answer = match append.envelopes {
                0 => AppendError::Unavailable,
                1 => outcome,
                // The earlier envelopes are stored.
                _ => AppendError::Unknown,
            };
            let _ = append.answer.send(Err(answer));
        }
    }
}
