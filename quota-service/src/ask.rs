//! A request as a record: appended, and answered where it is folded.

use std::time::Duration;

use metering_core::Record;
use metering_core::envelope::EncodedRecord;
use metering_core::record::{Resolve, Take};
use metering_log::{AppendError, Priority};
use service_kit::clock;
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use crate::error::QuotaError;
use crate::partition::Partition;
use crate::state::QuotaState;
use crate::waiting::{Awaited, Folded};

/// How long a record may take to be stored and still have an effect, µs: longer than any envelope
/// waits, since who asks is gone long before.
const NOT_AFTER_US: i64 = 5_000_000;
/// Pause between two attempts to append a cancel.
const CANCEL_PAUSE: Duration = Duration::from_millis(200);
/// After so long a cancel is given up: the units stay taken until their window ends.
const CANCEL_PATIENCE: Duration = Duration::from_mins(1);

/// Log time after which a record of now has no effect.
pub(crate) fn not_after_us() -> i64 {
    clock::now().timestamp_micros() + NOT_AFTER_US
}

impl QuotaState {
    /// Refuses what could not be answered in time.
    pub(crate) fn admit(&self, partition: &Partition) -> Result<(), QuotaError> {
        if *partition.folded().borrow() == 0 {
            return Err(QuotaError::NotFolded);
        }
        if partition.is_skewed() {
            return Err(QuotaError::WrongClock);
        }
        if partition.lag() > self.config.max_lag() {
            return Err(QuotaError::Overloaded);
        }
        Ok(())
    }

    /// Appends `record` and waits until it is folded.
    pub(crate) async fn ask(
        &self,
        partition: &Partition,
        record: &Record<'_>,
        priority: Priority,
        patience: Duration,
    ) -> Result<Folded, QuotaError> {
        let deadline = Instant::now() + patience;
        let awaited = Awaited::of(record).ok_or(QuotaError::Unknown)?;
        let mut waiter = partition.waiting.wait(awaited);
        let records = vec![EncodedRecord::new(record)];
        let append = self.publisher.append(partition.number, records, priority);
        let asked = async {
            let appended = tokio::select! {
                // What is folded is stored: no need to hear it from the broker as well.
                folded = &mut waiter.answer => return folded.map_err(|_| QuotaError::Unknown),
                appended = append => appended,
            };
            match appended {
                Ok(_) => (&mut waiter.answer).await.map_err(|_| QuotaError::Unknown),
                Err(AppendError::Unavailable | AppendError::Full) => Err(QuotaError::NotAppended),
                Err(AppendError::Unknown) => Err(QuotaError::Unknown),
            }
        };
        timeout_at(deadline, asked)
            .await
            .unwrap_or(Err(QuotaError::Unknown))
    }

    /// Asks for units. If the answer does not come in time, the attempt is withdrawn.
    pub(crate) async fn take(
        &self,
        partition: &Partition,
        take: Take<'_>,
        patience: Duration,
    ) -> Result<Folded, QuotaError> {
        let record = if take.ttl_seconds.is_some() {
            Record::Reserve(take)
        } else {
            Record::Consume(take)
        };
        let asked = self
            .ask(partition, &record, Priority::Report, patience)
            .await;
        if matches!(asked, Err(QuotaError::Unknown)) {
            let cancel = Cancel {
                partition: partition.number,
                id: take.id,
                attempt: take.attempt,
                tenant_id: take.tenant_id.to_owned(),
                not_after_us: take.not_after_us,
            };
            self.cancels().spawn(cancel.append(self.clone()));
        }
        asked
    }
}

/// An attempt to be withdrawn.
struct Cancel {
    partition: u16,
    id: Uuid,
    attempt: Uuid,
    tenant_id: String,
    not_after_us: i64,
}

impl Cancel {
    async fn append(self, state: QuotaState) {
        let record = Record::Cancel(Resolve {
            id: self.id,
            attempt: self.attempt,
            tenant_id: &self.tenant_id,
            quantity: None,
            overshoot: false,
            not_after_us: self.not_after_us,
        });
        let record = EncodedRecord::new(&record);
        let given_up = Instant::now() + CANCEL_PATIENCE;
        while Instant::now() < given_up {
            let records = vec![record.clone()];
            // Twice is once.
            let append = state
                .publisher
                .append(self.partition, records, Priority::Control);
            if append.await.is_ok() {
                return;
            }
            sleep(CANCEL_PAUSE).await;
        }
        tracing::error!(
            partition = self.partition,
            take.id = %self.id,
            "an attempt could not be withdrawn; its units stay taken"
        );
    }
}
