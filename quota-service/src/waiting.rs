//! Who waits for which record to be folded.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use metering_core::Record;
use metering_core::quota::Reply;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::checks::Check;

/// What a record says, and where.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    pub(crate) reply: Reply,
    pub(crate) seq: u64,
}

/// A record that somebody waits for. Its number is random and in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Awaited {
    Attempt(Uuid),
    Change(u64),
}

impl Awaited {
    pub(crate) fn of(record: &Record<'_>) -> Option<Self> {
        match record {
            Record::Consume(take) | Record::Reserve(take) => Some(Self::Attempt(take.attempt)),
            Record::Commit(resolve) | Record::Release(resolve) => {
                Some(Self::Attempt(resolve.attempt))
            }
            Record::Quota(document) => Some(Self::Change(document.version)),
            _ => None,
        }
    }
}

#[derive(Default)]
pub(crate) struct Waiting(Mutex<Maps>);

#[derive(Default)]
struct Maps {
    records: HashMap<Awaited, oneshot::Sender<Folded>>,
    /// Checks by the nonce of their barrier.
    barriers: HashMap<Uuid, Vec<Check>>,
}

impl Waiting {
    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits from now on; who goes away is forgotten.
    pub(crate) fn wait(&self, awaited: Awaited) -> Waiter<'_> {
        let (sender, answer) = oneshot::channel();
        self.maps().records.insert(awaited, sender);
        Waiter {
            waiting: self,
            awaited,
            answer,
        }
    }

    /// Answers whoever waits for a record; `false`: nobody here does.
    pub(crate) fn answer(&self, awaited: Awaited, folded: Folded) -> bool {
        let waiter = self.maps().records.remove(&awaited);
        // Whoever lost patience in this moment withdraws what it asked for.
        waiter.is_some_and(|waiter| waiter.send(folded).is_ok())
    }

    pub(crate) fn put_barrier(&self, nonce: Uuid, checks: Vec<Check>) {
        self.maps().barriers.insert(nonce, checks);
    }

    /// The checks of a barrier, which nobody else gets any more.
    pub(crate) fn take_barrier(&self, nonce: Uuid) -> Vec<Check> {
        self.maps().barriers.remove(&nonce).unwrap_or_default()
    }

    /// Forgets barriers that nobody waits for any more.
    pub(crate) fn forget_barriers(&self) {
        let alive = |checks: &[Check]| checks.iter().any(Check::is_awaited);
        self.maps().barriers.retain(|_, checks| alive(checks));
    }
}

pub(crate) struct Waiter<'w> {
    waiting: &'w Waiting,
    awaited: Awaited,
    pub(crate) answer: oneshot::Receiver<Folded>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.waiting.maps().records.remove(&self.awaited);
    }
}
