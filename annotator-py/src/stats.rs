//! What happened to the events, in numbers that add up:
//! `recorded = delivered + dead_lettered + dropped + pending`, for the events of this process.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted since the process began; a fork begins again.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) delivered: AtomicU64,
    /// Refused by the server, kept in `dead-letters.jsonl`.
    pub(crate) dead_lettered: AtomicU64,
    /// Gone: the queue was full, or there was no place for dead letters.
    pub(crate) dropped: AtomicU64,
    /// Never recorded: a quantity, tenant, id, timestamp or name that no event can have.
    pub(crate) invalid: AtomicU64,
    /// Recorded for the tenant `default`, because none was set.
    pub(crate) without_tenant: AtomicU64,
    /// Recorded without their metadata, which was no JSON or too large.
    pub(crate) metadata_dropped: AtomicU64,
    /// Events of other processes that this one sent for them.
    pub(crate) adopted: AtomicU64,
    /// Decisions that said no.
    pub(crate) denied: AtomicU64,
    /// Decisions, commits and releases that the server did not answer in time.
    pub(crate) undecided: AtomicU64,
    pub(crate) requests: AtomicU64,
    /// Requests that were not answered with 202.
    pub(crate) failures: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn named(&self) -> [(&'static str, u64); 11] {
        [
            ("delivered", &self.delivered),
            ("dead_lettered", &self.dead_lettered),
            ("dropped", &self.dropped),
            ("invalid", &self.invalid),
            ("without_tenant", &self.without_tenant),
            ("metadata_dropped", &self.metadata_dropped),
            ("adopted", &self.adopted),
            ("denied", &self.denied),
            ("undecided", &self.undecided),
            ("requests", &self.requests),
            ("failures", &self.failures),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }

    /// For the child of a fork, whose events the parent's numbers are not.
    pub(crate) fn reset(&self) {
        for counter in [
            &self.delivered,
            &self.dead_lettered,
            &self.dropped,
            &self.invalid,
            &self.without_tenant,
            &self.metadata_dropped,
            &self.adopted,
            &self.denied,
            &self.undecided,
            &self.requests,
            &self.failures,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}
