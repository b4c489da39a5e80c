//! One partition as handlers see it: what has been folded, and who waits for what.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metering_core::quota::State;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::checks::Check;
use crate::waiting::Waiting;

/// Checks that may wait for the next barrier; more are refused.
const MAX_CHECKS: usize = 10_000;
/// What the lag was is no news after so long without a record.
const LAG_LIFETIME: Duration = Duration::from_millis(200);
/// After so long with a wrong clock a request is let through, to see whether it was set right.
const SKEW_LIFETIME: Duration = Duration::from_secs(1);

pub(crate) struct Partition {
    pub(crate) number: u16,
    pub(crate) waiting: Waiting,
    checks: mpsc::Sender<Check>,
    /// Taken by the task that answers them.
    pub(crate) queue: Mutex<Option<mpsc::Receiver<Check>>>,
    state: Mutex<State>,
    /// Sequence that the state is of; changes while the state is locked.
    position: AtomicU64,
    /// Sequence of the last message folded; 0 while nothing may be answered.
    folded: watch::Sender<u64>,
    lag: Mutex<Option<(Instant, Duration)>>,
    /// When a record of this process last had another time than the broker.
    skewed: Mutex<Option<Instant>>,
}

impl Partition {
    pub(crate) fn new(number: u16) -> Self {
        let (checks, queue) = mpsc::channel(MAX_CHECKS);
        Self {
            number,
            waiting: Waiting::default(),
            checks,
            queue: Mutex::new(Some(queue)),
            state: Mutex::new(State::default()),
            position: AtomicU64::new(0),
            folded: watch::Sender::new(0),
            lag: Mutex::new(None),
            skewed: Mutex::new(None),
        }
    }

    /// The state at whatever position it has.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which position the locked state is of.
    pub(crate) fn set_position(&self, _state: &mut State, seq: u64) {
        self.position.store(seq, Ordering::Relaxed);
    }

    /// Whether the state equals another one of position `seq`; `None` while it is of another one.
    pub(crate) fn equals(&self, other: &State, seq: u64) -> Option<bool> {
        let state = self.state();
        (self.position.load(Ordering::Relaxed) == seq).then(|| *state == *other)
    }

    /// How far it is folded; 0 while it must not be asked.
    pub(crate) fn folded(&self) -> watch::Receiver<u64> {
        self.folded.subscribe()
    }

    pub(crate) fn set_folded(&self, seq: u64) {
        self.folded.send_replace(seq);
    }

    /// `false`: there are too many already.
    pub(crate) fn check(&self, check: Check) -> bool {
        self.checks.try_send(check).is_ok()
    }

    pub(crate) fn set_lag(&self, lag: Duration) {
        *self.lag.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), lag));
    }

    /// Says whether this process' clock and the broker's differ too much.
    pub(crate) fn set_skewed(&self, is_skewed: bool) {
        let now = is_skewed.then(Instant::now);
        *self.skewed.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    pub(crate) fn is_skewed(&self) -> bool {
        let skewed = *self.skewed.lock().unwrap_or_else(PoisonError::into_inner);
        skewed.is_some_and(|seen| seen.elapsed() < SKEW_LIFETIME)
    }

    /// How long records wait to be folded.
    pub(crate) fn lag(&self) -> Duration {
        let lag = *self.lag.lock().unwrap_or_else(PoisonError::into_inner);
        lag.filter(|(seen, _)| seen.elapsed() < LAG_LIFETIME)
            .map_or(Duration::ZERO, |(_, lag)| lag)
    }
}
