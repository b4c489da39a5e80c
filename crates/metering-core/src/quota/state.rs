//! The state of a partition's quotas after a prefix of its log, and the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::answer::{Answer, LimitState};
use super::effect::Effects;
use super::limits::{Counted, Limits, Slot, Usage};
use super::outcome::{Outcome, Reply};
use super::rules::Rules;
use super::take::Take;
use crate::position::RecordPosition;
use crate::record::Record;

/// How far the clock of a publisher and that of the broker may differ: further, and the log's
/// clock follows the slower one.
pub const MAX_SKEW_US: i64 = 5_000_000;
/// The log's clock stays within the years that calendars are computed for: 2000 to 9000.
const CLOCK_RANGE: std::ops::RangeInclusive<i64> = 946_684_800_000_000..=221_845_392_000_000_000;

/// How much of the log's past is known exactly. The same in every process, hence not configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// Ids of the last so many reports of the partition.
    pub reports: usize,
    /// The last so many takes that are no holds any more.
    pub takes: usize,
    /// Holds at one time; a reserve beyond them is refused.
    pub holds: usize,
}

impl Default for Horizon {
    fn default() -> Self {
        Self {
            reports: 262_144,
            takes: 65_536,
            holds: 262_144,
        }
    }
}

/// Where a record stands and when it got there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub position: RecordPosition,
    /// When the broker stored its message, µs since the epoch.
    pub stream_time_us: i64,
    /// When the publisher sent it, µs since the epoch.
    pub sent_at_us: i64,
}

/// A report that the horizon remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) position: RecordPosition,
    pub(crate) payload_hash: i64,
    pub(crate) feature: Box<str>,
    pub(crate) quantity: i64,
    /// Not dead, and not taken back.
    pub(crate) counts: bool,
    pub(crate) counted: Vec<Counted>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) takes: BTreeMap<Uuid, Take>,
    pub(crate) reports: BTreeMap<Uuid, Seen>,
    /// Withdrawn (id, attempt)s whose take may still come, and until when it may.
    pub(crate) tombstones: BTreeMap<(Uuid, Uuid), i64>,
}

impl Tenant {
    fn is_empty(&self) -> bool {
        self.takes.is_empty() && self.reports.is_empty() && self.tombstones.is_empty()
    }
}

/// Everything that answers depend on: a function of the log up to a position, and of nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub(crate) clock_us: i64,
    pub(crate) rules: Option<Rules>,
    pub(crate) horizon: Horizon,
    pub(crate) tenants: BTreeMap<Arc<str>, Tenant>,
    pub(crate) limits: Limits,
    pub(crate) order: Order,
}

/// What is due or oldest; can be found out from the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// Live holds by expiry.
    pub(crate) holds: BTreeSet<(i64, Arc<str>, Uuid)>,
    /// Takes that are no holds, by the record that made them so.
    pub(crate) takes: BTreeSet<(RecordPosition, Arc<str>, Uuid)>,
    pub(crate) reports: BTreeMap<RecordPosition, (Arc<str>, Uuid)>,
    pub(crate) tombstones: BTreeSet<(i64, Arc<str>, Uuid, Uuid)>,
}

/// A counter in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterState<'a> {
    pub quota_id: Uuid,
    /// The change of the quota that its windows began with.
    pub generation: u64,
    pub limit: i64,
    pub tenant_id: &'a str,
    /// Or [`super::POOL`].
    pub feature: &'a str,
    /// Start of the window.
    pub window_us: i64,
    pub used: i128,
    pub reserved: i128,
}

impl State {
    pub fn new(horizon: Horizon) -> Self {
        Self {
            horizon,
            ..Self::default()
        }
    }

    /// Applies the next record of the log. Total: whatever the record says, there is an outcome.
    pub fn apply(&mut self, stamp: Stamp, record: &Record<'_>) -> Outcome {
        let mut fx = Effects::default();
        self.advance(stamp, &mut fx);
        let at = stamp.position;
        let reply = match record {
            Record::Report(report) => {
                self.report(at, report, &mut fx);
                Reply::Nothing
            }
            Record::Consume(take) => self.take(at, take, false, &mut fx),
            Record::Reserve(take) => self.take(at, take, true, &mut fx),
            Record::Commit(resolve) => self.commit(at, resolve, &mut fx),
            Record::Release(resolve) => self.release(at, resolve, &mut fx),
            Record::Cancel(cancel) => {
                self.cancel(cancel, &mut fx);
                Reply::Nothing
            }
            Record::Barrier { nonce } => Reply::Barrier { nonce: *nonce },
            Record::Void(amend) | Record::Correct(amend) => {
                self.uncount(amend.position, &mut fx);
                Reply::Nothing
            }
            Record::Quota(document) => self.quota(at, document, &mut fx),
            Record::QuotaSeed(document) => {
                self.seed(document, &mut fx);
                Reply::Nothing
            }
            Record::Rules(document) => {
                self.rules = Rules::from_record(document).or(self.rules.take());
                Reply::Nothing
            }
        };
        self.forget();
        Outcome { reply, effects: fx }
    }

    /// Answers a check as of the last record applied; holds nothing.
    pub fn check(
        &self,
        tenant: &str,
        feature: &str,
        resource: Option<&str>,
        quantity: i64,
    ) -> Answer {
        let usage = Usage {
            tenant,
            feature,
            resource,
        };
        let default_deny = self.rules.as_ref().is_some_and(|rules| rules.default_deny);
        Answer::new(self.limits.applying(usage), quantity, default_deny)
    }

    /// Whether a take with this id would be no new one.
    pub fn knows(&self, tenant: &str, id: Uuid) -> bool {
        let tenant = self.tenants.get(tenant);
        tenant.is_some_and(|t| t.takes.contains_key(&id) || t.reports.contains_key(&id))
    }

    /// The limits that apply to a use, as they stand.
    pub fn limits(&self, tenant: &str, feature: &str, resource: Option<&str>) -> Vec<LimitState> {
        self.check(tenant, feature, resource, 0).limits
    }

    /// Every counter and window that is kept.
    pub fn counters(&self) -> impl Iterator<Item = CounterState<'_>> {
        let limits = self.slots().iter();
        let limits = limits.filter_map(|(id, slot)| Some((*id, slot.active.as_ref()?)));
        limits.flat_map(|(quota_id, limit)| {
            let counters = limit.counters();
            counters.map(move |(tenant_id, feature, window_us, now)| CounterState {
                quota_id,
                generation: limit.generation,
                limit: limit.quota.limit,
                tenant_id,
                feature,
                window_us,
                used: now.used,
                reserved: now.reserved,
            })
        })
    }

    /// Log time, µs since the epoch; never goes back.
    pub fn clock_us(&self) -> i64 {
        self.clock_us
    }

    pub fn rules(&self) -> Option<&Rules> {
        self.rules.as_ref()
    }

    /// Moves the clock, and ends what ends with that: holds, windows, tombstones.
    fn advance(&mut self, stamp: Stamp, fx: &mut Effects) {
        let sent = stamp.sent_at_us.saturating_add(MAX_SKEW_US);
        let seen = stamp.stream_time_us.min(sent);
        let seen = seen.clamp(*CLOCK_RANGE.start(), *CLOCK_RANGE.end());
        self.clock_us = self.clock_us.max(seen);
        self.expire(stamp.position, fx);
        self.limits.roll(self.clock_us);
        while let Some((until, ..)) = self.order.tombstones.first()
            && *until < self.clock_us
            && let Some((_, tenant, id, attempt)) = self.order.tombstones.pop_first()
        {
            if let Some(kept) = self.tenants.get_mut(&tenant) {
                kept.tombstones.remove(&(id, attempt));
            }
            self.drop_if_empty(&tenant);
        }
    }

    /// Keeps memory within the horizon.
    fn forget(&mut self) {
        while self.order.reports.len() > self.horizon.reports
            && let Some((_, (tenant, id))) = self.order.reports.pop_first()
        {
            if let Some(kept) = self.tenants.get_mut(&tenant) {
                kept.reports.remove(&id);
            }
            self.drop_if_empty(&tenant);
        }
        while self.order.takes.len() > self.horizon.takes
            && let Some((_, tenant, id)) = self.order.takes.pop_first()
        {
            if let Some(kept) = self.tenants.get_mut(&tenant) {
                kept.takes.remove(&id);
            }
            self.drop_if_empty(&tenant);
        }
    }

    pub(crate) fn drop_if_empty(&mut self, tenant: &str) {
        if self.tenants.get(tenant).is_some_and(Tenant::is_empty) {
            self.tenants.remove(tenant);
        }
    }

    /// The tenant's memory, and its name to be shared.
    pub(crate) fn tenant(&mut self, name: &str) -> (Arc<str>, &mut Tenant) {
        let known = self.tenants.get_key_value(name).map(|(name, _)| name);
        let name = known.cloned().unwrap_or_else(|| name.into());
        let tenant = self.tenants.entry(name.clone()).or_default();
        (name, tenant)
    }

    pub(crate) fn slots(&self) -> &BTreeMap<Uuid, Slot> {
        self.limits.slots()
    }
}
