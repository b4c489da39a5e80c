//! One partition, read in order and written batch by batch.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use metering_core::envelope::EncodedRecord;
use metering_core::{Position, Record};
use metering_log::{BatchLimits, Delivery, Priority, Reader, ReaderError};
use metering_store::progress::USAGE;
use metering_store::{outbox, progress};
use service_kit::clock::now;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::decode::{Decoded, decode};
use crate::persist::{CONFLICT, Outcome, Persister, Remark, Step};
use crate::report;
use crate::state::State;

/// Pause after the first failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// How soon records owed to the log are tried again.
const PAY_AGAIN: Duration = Duration::from_secs(1);
/// Records owed to the log that are appended at once.
const OWED_AT_ONCE: i64 = 1000;

pub(crate) struct Partition {
    number: u16,
    state: State,
    persister: Persister,
    backoff: Duration,
    /// Whether there may be records owed to the log.
    owing: bool,
}

/// Why reading ended.
enum Ended {
    /// It was asked to.
    Stopped,
    /// Going on would skip something: somebody has to look.
    Alarm(String),
    /// Another worker wrote what this one was about to write.
    Overtaken,
    /// The log is not the one that was read before.
    AnotherLog {
        position: Position,
        error: ReaderError,
    },
    /// Anything that passes with time. Whether a commit came through is for the position to say.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Ended {
    fn from(error: E) -> Self {
        Ended::Failed(error.into())
    }
}

impl Partition {
    pub(crate) fn new(number: u16, state: State) -> Self {
        let persister = Persister::new(state.store.clone());
        Self {
            number,
            state,
            persister,
            backoff: FIRST_BACKOFF,
            owing: true,
        }
    }

    /// Reads until `stop`, which ends the waiting for records, never a question to Postgres: a
    /// connection that is given back in the middle of one may hand its answer to the next user.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let Err(ended) = Box::pin(self.read(&stop)).await;
            let failed = match ended {
                Ended::Stopped => return,
                Ended::Overtaken => {
                    self.state.metrics.overtaken.inc();
                    tracing::info!(partition = self.number, "another worker was faster");
                    continue;
                }
                Ended::Alarm(reason) => {
                    self.state.alarms.raise(self.number, &reason);
                    return stop.cancelled().await;
                }
                Ended::AnotherLog { position, error } => {
                    match self.rewind(position, &error).await {
                        Ok(()) => continue,
                        Err(failed) => failed,
                    }
                }
                Ended::Failed(error) => error,
            };
            self.state.metrics.retries.inc();
            tracing::warn!(
                partition = self.number,
                error = &*failed as &dyn std::error::Error,
                "trying again from the position in Postgres"
            );
            stop.run_until_cancelled(tokio::time::sleep(self.backoff))
                .await;
            self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    /// From the position in Postgres onwards.
    async fn read(&mut self, stop: &CancellationToken) -> Result<Infallible, Ended> {
        let mut position = self.load().await?;
        let mut reader = Reader::open(self.state.log.clone(), self.number, position)
            .await
            .map_err(|error| refuse(position, error))?;
        let limits = BatchLimits {
            max_records: self.state.config.batch_max_records,
            max_bytes: self.state.config.batch_max_bytes,
            max_wait: self.state.config.batch_max_wait(),
        };
        self.state.alarms.clear(self.number);
        loop {
            let paid = self.pay_log().await;
            let next = stop.run_until_cancelled(reader.next_batch(limits));
            let batch = match paid {
                Ok(()) => next.await,
                // A log that takes no records must not stop its being read: that empties it.
                Err(_) => match timeout(PAY_AGAIN, next).await {
                    Ok(batch) => batch,
                    Err(_) => continue,
                },
            };
            let batch = batch
                .ok_or(Ended::Stopped)?
                .map_err(|error| refuse(position, error))?;
            position = self.write(position, &batch).await?;
            self.backoff = FIRST_BACKOFF;
        }
    }

    /// Writes a batch and returns the position behind it.
    async fn write(&mut self, from: Position, batch: &[Delivery]) -> Result<Position, Ended> {
        let messages = batch.iter().map(|d| (d.seq, &d.payload[..]));
        let decoded = decode(self.number, messages);
        let mut position = from;
        if let Some(last) = decoded.messages.checked_sub(1).map(|n| &batch[n]) {
            let to = Position {
                incarnation: from.incarnation,
                seq: last.seq,
                hash: last.hash,
            };
            let step = Step {
                partition: self.number,
                from,
                to,
                stream_time: last.stream_time,
            };
            let begun = Instant::now();
            match self.persister.persist(step, &decoded, now()).await? {
                Outcome::Overtaken => return Err(Ended::Overtaken),
                Outcome::Committed { owed, remarks, .. } => {
                    self.committed(step, &decoded, &remarks, begun.elapsed());
                    self.owing |= owed > 0;
                }
            }
            position = to;
        }
        match decoded.unknown {
            Some(unknown) => Err(Ended::Alarm(unknown.to_string())),
            None => Ok(position),
        }
    }

    fn committed(&self, step: Step, batch: &Decoded<'_>, remarks: &[Remark], took: Duration) {
        self.state.metrics.committed(batch, took, now());
        let dead = remarks.iter().filter(|remark| remark.code != CONFLICT);
        let dead = dead.map(|remark| remark.code);
        for code in dead.chain(batch.letters.iter().map(|letter| letter.code)) {
            let letters = &self.state.metrics.dead_letters;
            letters.with_label_values(&[code]).inc();
        }
        report::log(step, batch, remarks, took);
        report::trace(&self.state.spans, step, batch, (now(), took));
    }

    async fn load(&self) -> Result<Position, Ended> {
        let mut conn = self.state.store.pool().acquire().await?;
        if let Some(found) = progress::find(&mut conn, USAGE, self.number).await? {
            return Ok(found.position);
        }
        // From sequence 1: if that has been trimmed away, the database is not the one it was
        // trimmed for, and the reader says so.
        let start = Position::start(self.state.log.info(self.number).await?.incarnation);
        progress::insert_start(&mut conn, USAGE, self.number, start, now()).await?;
        Ok(start)
    }

    /// The stream was replaced or restored: everything it holds is read again. What had been
    /// counted is recognised by its key.
    async fn rewind(&self, position: Position, error: &ReaderError) -> anyhow::Result<()> {
        self.state.metrics.rewinds.inc();
        tracing::error!(
            partition = self.number,
            seq = position.seq,
            error = error as &dyn std::error::Error,
            "ALARM: this is not the log that was read before; reading all of it again"
        );
        let info = self.state.log.info(self.number).await?;
        let start = Position {
            seq: info.first_seq.saturating_sub(1),
            ..Position::start(info.incarnation)
        };
        let mut conn = self.state.store.pool().acquire().await?;
        let step = (position, start);
        // A `false` means that another worker has done it.
        progress::compare_and_set(&mut conn, USAGE, self.number, step, None, now()).await?;
        Ok(())
    }

    /// Appends what is owed to the log, if anything is.
    async fn pay_log(&mut self) -> anyhow::Result<()> {
        if self.owing {
            let paid = self.pay_all().await;
            if let Err(error) = &paid {
                let error: &dyn std::error::Error = error.as_ref();
                tracing::warn!(partition = self.number, error, "cannot append what is owed");
            }
            paid?;
            self.owing = false;
        }
        Ok(())
    }

    /// Appends the records that commits have promised. A crash between append and delete appends
    /// them twice, which readers of these records expect.
    async fn pay_all(&self) -> anyhow::Result<()> {
        let mut conn = self.state.store.pool().acquire().await?;
        loop {
            let owed = outbox::list(&mut conn, self.number, OWED_AT_ONCE).await?;
            if owed.is_empty() {
                return Ok(());
            }
            let mut records = Vec::with_capacity(owed.len());
            for record in &owed {
                records.push(EncodedRecord::new(&Record::decode(
                    record.kind,
                    &record.payload,
                )?));
            }
            self.state
                .publisher
                .append(self.number, records, Priority::Control)
                .await?;
            let ids: Vec<i64> = owed.iter().map(|record| record.id).collect();
            outbox::delete(&mut conn, &ids).await?;
        }
    }
}

fn refuse(position: Position, error: ReaderError) -> Ended {
    match error {
        ReaderError::Gap { .. } => Ended::Alarm(error.to_string()),
        ReaderError::Incarnation { .. } | ReaderError::Hash { .. } => {
            Ended::AnotherLog { position, error }
        }
        ReaderError::Backend(_) => Ended::Failed(error.into()),
    }
}
