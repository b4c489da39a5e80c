//! Checks: all that wait when an envelope is sent share one barrier, and are answered where it
//! stands in the log.

use std::sync::{Arc, PoisonError};

use metering_core::Record;
use metering_core::envelope::EncodedRecord;
use metering_core::quota::{Answer, State};
use metering_log::Priority;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::partition::Partition;
use crate::state::QuotaState;

pub(crate) struct Check {
    pub(crate) tenant_id: String,
    pub(crate) feature: String,
    pub(crate) resource: Option<String>,
    pub(crate) quantity: i64,
    /// Of the take that is looked ahead for, or a new one.
    pub(crate) id: Uuid,
    pub(crate) answer: oneshot::Sender<Checked>,
}

/// What is true at the position of a check's barrier.
pub(crate) struct Checked {
    pub(crate) answer: Answer,
    pub(crate) seq: u64,
    /// The id was taken or reported before: a take with it repeats that one's answer.
    pub(crate) is_known: bool,
}

impl Check {
    pub(crate) fn is_awaited(&self) -> bool {
        !self.answer.is_closed()
    }

    /// Answers from the state at the barrier, which stands at `seq`.
    pub(crate) fn answer(self, state: &State, seq: u64) {
        let resource = self.resource.as_deref();
        let answer = state.check(&self.tenant_id, &self.feature, resource, self.quantity);
        let is_known = state.knows(&self.tenant_id, self.id);
        let _ = self.answer.send(Checked {
            answer,
            seq,
            is_known,
        });
    }
}

/// Appends barriers for ever. A check joins only a barrier that is not on its way yet: what was
/// acknowledged before the check is before that barrier.
pub(crate) async fn run(state: QuotaState, partition: Arc<Partition>) {
    let queue = &partition.queue;
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut queue) = queue else { return };
    while let Some(first) = queue.recv().await {
        let mut checks = vec![first];
        while let Ok(check) = queue.try_recv() {
            checks.push(check);
        }
        checks.retain(Check::is_awaited);
        if checks.is_empty() {
            continue;
        }
        let nonce = Uuid::new_v4();
        partition.waiting.put_barrier(nonce, checks);
        let barrier = vec![EncodedRecord::new(&Record::Barrier { nonce })];
        let appended = state
            .publisher
            .append(partition.number, barrier, Priority::Report)
            .await;
        if appended.is_err() {
            // Their callers see that nobody will answer any more.
            drop(partition.waiting.take_barrier(nonce));
        }
        partition.waiting.forget_barriers();
    }
}
