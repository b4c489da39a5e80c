//! The fold that answers: reads a partition and tells whoever waits what its records say.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use metering_core::Record;
use metering_core::envelope::{EncodedRecord, Envelope};
use metering_core::position::Position;
use metering_core::quota::{MAX_SKEW_US, Outcome, Reply, Rules, State};
use metering_core::record::Document;
use metering_log::{BatchLimits, Delivery, Priority, Reader, ReaderError};
use service_kit::health::HealthReporter;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::fold::{self, Unknown};
use crate::partition::Partition;
use crate::past::{LoadError, load};
use crate::state::QuotaState;
use crate::waiting::{Awaited, Folded};

/// Whatever is there is folded at once.
const LIMITS: BatchLimits = BatchLimits {
    max_records: 20_000,
    max_bytes: 16 * 1024 * 1024,
    max_wait: Duration::ZERO,
};
/// By how much the clocks of the broker and of a publisher may differ.
const MAX_SKEW: TimeDelta = TimeDelta::microseconds(MAX_SKEW_US);
/// Pause before a fold that failed begins again.
const BACKOFF: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Reader(#[from] ReaderError),
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

impl Ended {
    /// Whether somebody has to look: going on could answer from another log than before.
    fn is_alarm(&self) -> bool {
        match self {
            Self::Load(LoadError::Snapshot(_)) | Self::Unknown(_) => true,
            Self::Load(LoadError::Database(_) | LoadError::Log(_)) => false,
            Self::Reader(error) => !matches!(error, ReaderError::Backend(_)),
        }
    }
}

/// Folds for ever.
pub(crate) async fn run(state: QuotaState, partition: Arc<Partition>, health: HealthReporter) {
    let decider = Decider {
        rules: state.config.rules(),
        state,
        partition,
        health,
    };
    loop {
        let Err(ended) = Box::pin(decider.fold()).await;
        decider.partition.set_folded(0);
        let number = decider.partition.number;
        decider.health.not_ready(ended.to_string());
        if ended.is_alarm() {
            let alarm = &decider.state.metrics().alarm;
            alarm.with_label_values(&[&number.to_string()]).set(1);
            tracing::error!(
                partition = number,
                error = &ended as &dyn std::error::Error,
                "ALARM: the quotas stop deciding"
            );
            return std::future::pending().await;
        }
        tracing::warn!(
            partition = number,
            error = &ended as &dyn std::error::Error,
            "folding again from the snapshot"
        );
        sleep(BACKOFF).await;
    }
}

struct Decider {
    state: QuotaState,
    partition: Arc<Partition>,
    health: HealthReporter,
    /// Those that it answers by.
    rules: Rules,
}

impl Decider {
    async fn fold(&self) -> Result<Infallible, Ended> {
        let number = self.partition.number;
        let (past, position) = load(&self.state, number).await?;
        let goal = self.state.log.info(number).await.map_err(LoadError::from)?;
        {
            let mut state = self.partition.state();
            *state = past;
            self.partition.set_position(&mut state, position.seq);
        }
        let mut reader = Reader::open(self.state.log.clone(), number, position).await?;
        let mut caught_up = position.seq >= goal.last_seq;
        self.announce(caught_up, position).await;
        loop {
            let batch = reader.next_batch(LIMITS).await?;
            self.apply(&batch)?;
            let Some(last) = batch.last() else { continue };
            let was_caught_up = caught_up;
            caught_up |= last.seq >= goal.last_seq;
            if caught_up && !was_caught_up {
                tracing::info!(partition = number, seq = last.seq, "the quotas are folded");
                self.announce(caught_up, position).await;
            }
            if !caught_up {
                continue;
            }
            let log = self.partition.state().rules().cloned();
            if log.as_ref() == Some(&self.rules) {
                self.partition.set_folded(last.seq);
                self.health.ready();
            } else {
                // Its own are not folded yet, or a service that started later has others.
                self.partition.set_folded(0);
                let reason = format!("the log is decided by {log:?}, not by {:?}", self.rules);
                self.health.not_ready(reason);
            }
        }
    }

    /// Says in the log by which rules it goes on, unless the log says so already. Nothing is
    /// answered before that record is folded.
    async fn announce(&self, caught_up: bool, position: Position) {
        let agreed = self.partition.state().rules() == Some(&self.rules);
        if agreed && caught_up {
            // With nothing to fold, the snapshot's position is where it stands.
            self.partition.set_folded(position.seq);
            self.health.ready();
        }
        if agreed || !caught_up {
            return;
        }
        let record = EncodedRecord::new(&Record::Rules(Document {
            id: Uuid::nil(),
            version: self.rules.fold,
            json: &self.rules.to_record(),
        }));
        let publisher = &self.state.publisher;
        let number = self.partition.number;
        loop {
            let records = vec![record.clone()];
            // Twice is once.
            match publisher.append(number, records, Priority::Control).await {
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(partition = number, %error, "cannot announce the rules");
                    sleep(BACKOFF).await;
                }
            }
        }
    }

    /// Shows how the clocks of the broker and of the last publisher differ. By this process' own
    /// records it tells whether it may go on to append.
    fn look_at_clocks(&self, last: &Delivery, own: Option<&Delivery>) {
        if let Some(own) = own.and_then(skew) {
            self.partition.set_skewed(own > MAX_SKEW);
        }
        let Some(skew) = skew(last) else { return };
        let number = self.partition.number;
        let shown = &self.state.metrics().skew;
        let shown = shown.with_label_values(&[&number.to_string()]);
        let (skew, limit) = (skew.as_seconds_f64(), MAX_SKEW.as_seconds_f64());
        if skew > limit && shown.get() <= limit {
            tracing::error!(
                partition = number,
                skew_seconds = skew,
                "ALARM: the broker's clock and a publisher's differ; set them right"
            );
        }
        shown.set(skew);
    }

    /// Answers are sent while the state is locked: a check sees exactly its barrier's position.
    fn apply(&self, batch: &[Delivery]) -> Result<(), Unknown> {
        let started = Instant::now();
        let partition = &self.partition;
        let mut state = partition.state();
        let mut own = None;
        for message in batch {
            let answer = |state: &State, _, record: &Record<'_>, outcome: Outcome| {
                let seq = message.seq;
                if state.rules() != Some(&self.rules) {
                    return;
                }
                let is_own = if let Reply::Barrier { nonce } = outcome.reply {
                    let checks = partition.waiting.take_barrier(nonce);
                    let is_own = !checks.is_empty();
                    for check in checks {
                        check.answer(state, seq);
                    }
                    is_own
                } else if let Some(awaited) = Awaited::of(record) {
                    let reply = outcome.reply;
                    partition.waiting.answer(awaited, Folded { reply, seq })
                } else {
                    false
                };
                if is_own {
                    own = Some(message);
                }
            };
            fold::apply(&mut state, partition.number, message, answer)?;
        }
        if let Some(last) = batch.last() {
            partition.set_position(&mut state, last.seq);
            drop(state);
            self.look_at_clocks(last, own);
        }
        // What came meanwhile waits for so long. The broker's clock and this one may differ, so
        // its time stamps do not tell.
        partition.set_lag(started.elapsed());
        Ok(())
    }
}

/// By how much the broker's time and the publisher's differ, the message's way included.
fn skew(message: &Delivery) -> Option<TimeDelta> {
    let envelope = Envelope::decode(&message.payload).ok()?;
    let skew_us = message.stream_time.timestamp_micros() - envelope.sent_at_us;
    Some(TimeDelta::microseconds(skew_us.saturating_abs()))
}
