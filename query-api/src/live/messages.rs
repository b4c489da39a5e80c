//! The log as the live stream reads it: a stretch of messages that are persisted already.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use metering_core::Record;
use metering_core::envelope::{Envelope, record_count};
use metering_core::record::Report;
use metering_log::{BackendError, Message, SharedBackend};
use metering_store::events::{self, Reported};
use metering_store::{Readers, Sight, sqlx};
use tokio::time::timeout;

use super::marks::Mark;
use super::step::LiveEvent;

/// What is read at once ends with the message that reaches one of these.
const MAX_RECORDS: usize = 1000;
const MAX_BYTES: usize = 512 * 1024;
/// How long the broker may take for a message that it has.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub(crate) enum LiveError {
    /// Trimmed away, or of a stream that was replaced since.
    #[error("the log does not have these messages any more")]
    Lost,
    #[error(transparent)]
    Log(#[from] BackendError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Reads one partition of one stream.
pub(crate) struct Messages {
    log: SharedBackend,
    partition: u16,
    /// Behind what has been read.
    at: Mark,
    /// The link it was opened on.
    link: u64,
    stream: Option<BoxStream<'static, Result<Message, BackendError>>>,
}

impl Messages {
    pub(crate) fn new(log: SharedBackend, partition: u16, at: Mark) -> Self {
        Self {
            log,
            partition,
            at,
            link: 0,
            stream: None,
        }
    }

    /// Everything up to here has been read.
    pub(crate) fn at(&self) -> Mark {
        self.at
    }

    /// The next messages, not beyond `last`: at least one.
    async fn read(&mut self, last: u64) -> Result<Vec<Message>, LiveError> {
        let (mut read, mut records, mut bytes) = (Vec::new(), 0_usize, 0);
        while self.at.seq < last && records < MAX_RECORDS && bytes < MAX_BYTES {
            match self.next().await {
                Ok(message) => {
                    records = records.saturating_add(record_count(&message.payload).max(1));
                    bytes += message.payload.len();
                    read.push(message);
                }
                Err(error) if read.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(read)
    }

    async fn next(&mut self) -> Result<Message, LiveError> {
        let link = self.log.link();
        // Behind another link may be another stream.
        if self.link != link || self.stream.is_none() {
            let info = self.log.info(self.partition).await?;
            if !self.at.is_of(info.incarnation) || info.first_seq > self.at.seq + 1 {
                return Err(LiveError::Lost);
            }
            self.stream = Some(self.log.read(self.partition, self.at.seq).await?);
            self.link = link;
        }
        let stream = self.stream.as_mut().ok_or(BackendError::Timeout)?;
        let error = match timeout(PATIENCE, stream.next()).await {
            Ok(Some(Ok(message))) if message.seq == self.at.seq + 1 => {
                self.at = self.at.with_seq(message.seq);
                return Ok(message);
            }
            Ok(Some(Err(error))) => error,
            // Something is missing on the way, or in the log: opening it again tells.
            Ok(Some(Ok(_)) | None) | Err(_) => BackendError::Timeout,
        };
        self.stream = None;
        Err(error.into())
    }

    /// Reads on, not beyond `last`, and finds the events that count and that `sight` shows among
    /// those that are `wanted`.
    ///
    /// Everything up to `last` must be persisted. After an error the same is read again.
    pub(crate) async fn events(
        &mut self,
        (readers, sight): (&Readers, Sight<'_>),
        last: u64,
        wanted: impl Fn(&Report<'_>) -> bool,
    ) -> Result<Vec<LiveEvent>, LiveError> {
        let before = self.at;
        let read = self.read(last).await?;
        let reported: Vec<Reported> = read.iter().flat_map(|m| reports(m, &wanted)).collect();
        if reported.is_empty() {
            return Ok(Vec::new());
        }
        let found = async {
            let mut conn = readers.acquire(sight).await?;
            events::list_counted(&mut conn, self.partition, &reported).await
        };
        match found.await {
            Ok(counted) => Ok(counted.into_iter().map(LiveEvent::new).collect()),
            Err(error) => {
                (self.at, self.stream) = (before, None);
                Err(error.into())
            }
        }
    }
}

/// What cannot be decoded is no event.
fn reports(message: &Message, wanted: impl Fn(&Report<'_>) -> bool) -> Vec<Reported> {
    let Ok(envelope) = Envelope::decode(&message.payload) else {
        return Vec::new();
    };
    let reports = (0..).zip(envelope.records()).filter_map(|(index, record)| {
        let Ok(Record::Report(report)) = record else {
            return None;
        };
        Some(Reported {
            seq: message.seq,
            index,
            id: report.id,
            tenant_id: report.tenant_id.to_owned(),
            timestamp: report.timestamp().filter(|_| wanted(&report))?,
        })
    });
    reports.collect()
}
