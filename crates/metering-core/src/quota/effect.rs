//! What a record changes besides the state: rows for whoever keeps the books.

use uuid::Uuid;

use super::period::PeriodWindow;
use super::spec::Quota;

/// Changes of one window's row. `used = reported + taken + settled`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    pub quota_id: Uuid,
    /// The change of the quota that began these windows.
    pub generation: u64,
    pub tenant_id: Box<str>,
    pub feature: Box<str>,
    pub window: PeriodWindow,
    pub sums: Sums,
}

/// Sums of quantities; each may be negative in a single entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Of events whose timestamp is in the window.
    pub reported: i128,
    /// Of consumes and commits in the window.
    pub taken: i128,
    /// What an event changed of its take: the real quantity less the taken one, and the event's
    /// own quantity, which counts in the window of the take.
    pub settled: i128,
    /// The part of `settled` and `taken` that exceeds what was asked for.
    pub overshoot: i128,
    /// Quantities of events that were counted and taken back.
    pub corrected: i128,
}

impl Sums {
    pub fn used(&self) -> i128 {
        self.reported + self.taken + self.settled
    }

    pub fn add(&mut self, other: Self) {
        self.reported += other.reported;
        self.taken += other.taken;
        self.settled += other.settled;
        self.overshoot += other.overshoot;
        self.corrected += other.corrected;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertKind {
    /// Use reached the threshold.
    Reached,
    /// Use fell below it again, or the limit was raised.
    Recovered,
}

impl AlertKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reached => "threshold_reached",
            Self::Recovered => "threshold_recovered",
        }
    }
}

/// A crossed threshold. The same crossing in every refold has the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub id: Uuid,
    pub kind: AlertKind,
    pub quota_id: Uuid,
    pub tenant_id: Box<str>,
    pub feature: Box<str>,
    pub window: PeriodWindow,
    pub limit: i64,
    /// Percent of the limit.
    pub threshold: u8,
    pub used: i128,
    /// Log time, µs since the epoch.
    pub at_us: i64,
}

/// What became of a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaChange {
    /// It is enforced from here on.
    InEffect {
        quota_id: Uuid,
        version: u64,
        generation: u64,
        quota: Quota,
    },
    Deleted {
        quota_id: Uuid,
    },
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Effects {
    pub ledger: Vec<LedgerEntry>,
    pub alerts: Vec<Alert>,
    pub quotas: Vec<QuotaChange>,
}
