//! The live stream: events as they are persisted, read from the log once for everybody.
//!
//! The log has their order, Postgres knows which of its records count. So the tail reads the log up
//! to where the one poller of positions says that it is persisted, asks Postgres for the events of
//! those records that somebody may want, and hands them to all followers. A follower that comes back
//! with the id of the last event it saw reads what it missed by itself, and then follows.

mod follower;
mod marks;
mod messages;
mod step;
mod tail;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metering_log::SharedBackend;
use tokio::sync::{Semaphore, broadcast, watch};

pub(crate) use self::follower::Follower;
pub(crate) use self::marks::Marks;
pub(crate) use self::step::Selection;
use self::step::Step;
use crate::visibility::Waiting;

/// Steps that a follower may be behind before it is told that it missed some: at most some 64 KiB
/// each, and shared by all.
const KEPT_STEPS: usize = 64;
/// Followers that read what they missed at one time; others wait.
const CATCHING_UP: usize = 4;

/// What the tail and its followers share.
#[derive(Clone)]
pub(crate) struct Live {
    log: SharedBackend,
    steps: broadcast::Sender<Step>,
    /// Up to where steps were sent; `None` while nobody follows. A step is sent under its lock, so
    /// whoever begins to follow under it misses none and gets none twice.
    marks: Arc<watch::Sender<Option<Marks>>>,
    followers: Arc<watch::Sender<usize>>,
    /// How many follow each tenant, or all.
    tenants: Arc<Mutex<HashMap<Option<String>, usize>>>,
    catching_up: Arc<Semaphore>,
}

/// Counts somebody who follows for as long as it lives.
pub(crate) struct Following {
    live: Live,
    tenant: Option<String>,
    _waiting: Waiting,
}

impl Live {
    pub(crate) fn new(log: SharedBackend) -> Self {
        Self {
            log,
            steps: broadcast::Sender::new(KEPT_STEPS),
            marks: Arc::default(),
            followers: Arc::default(),
            tenants: Arc::default(),
            catching_up: Arc::new(Semaphore::new(CATCHING_UP)),
        }
    }

    /// Makes the tail read events of `tenant`, or of all.
    fn follow(&self, tenant: Option<String>) -> Following {
        *self.tenants().entry(tenant.clone()).or_default() += 1;
        Following {
            live: self.clone(),
            tenant,
            _waiting: Waiting::new(self.followers.clone()),
        }
    }

    /// The steps from now on, and where that is; waits for the tail to begin.
    async fn subscribe(&self) -> (broadcast::Receiver<Step>, Marks) {
        let mut marks = self.marks.subscribe();
        loop {
            {
                let now = marks.borrow_and_update();
                if let Some(now) = &*now {
                    return (self.steps.subscribe(), now.clone());
                }
            }
            // The sender is in `self`.
            let _ = marks.changed().await;
        }
    }

    /// Where the tail is, if `steps` has nothing to come before that.
    fn marks_behind(&self, steps: &broadcast::Receiver<Step>) -> Option<Marks> {
        let marks = self.marks.borrow();
        marks.clone().filter(|_| steps.is_empty())
    }

    fn is_followed(&self, tenant_id: &str) -> bool {
        let tenants = self.tenants();
        tenants.contains_key(&None) || tenants.contains_key(&Some(tenant_id.to_owned()))
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<Option<String>, usize>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut tenants = self.live.tenants();
        if let Some(number) = tenants.get_mut(&self.tenant) {
            *number -= 1;
            if *number == 0 {
                tenants.remove(&self.tenant);
            }
        }
    }
}
