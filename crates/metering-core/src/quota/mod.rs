//! Exact quotas: a pure fold of the log.
//!
//! [`State`] is what a partition's log up to a position says about its quotas; [`State::apply`]
//! moves it by one record and tells what that record is answered. No IO, no clock of its own, no
//! floating point: whoever folds the same records comes to the same state and the same answers.

mod answer;
mod backtest;
mod configure;
mod effect;
mod limit;
mod limits;
mod outcome;
pub mod period;
mod report;
mod rules;
mod snapshot;
mod spec;
mod state;
mod take;
mod warming;

pub use answer::{Answer, LimitState};
pub use backtest::{Backtest, Past};
pub use configure::{DELETED, QuotaStatus};
pub use effect::{Alert, AlertKind, Effects, LedgerEntry, QuotaChange, Sums};
pub use limit::{MAX_AHEAD_US, MAX_FEATURES, POOL};
pub use outcome::{Outcome, QuotaReply, Reply, ResolveReply, TakeReply};
pub use period::{Calendar, Period, PeriodWindow};
pub use rules::{FOLD_VERSION, Rules};
pub use snapshot::SnapshotError;
pub use spec::{ANY, Enforcement, MAX_LIMIT, Quota, QuotaError};
pub use state::{CounterState, Horizon, MAX_SKEW_US, Stamp, State};
pub use take::{MAX_NOT_AFTER_US, MAX_TTL_SECONDS};
pub use warming::{Seed, Total};
