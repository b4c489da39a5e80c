//! One quota in force: its current window and the counters of those it counts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::answer::LimitState;
use super::effect::{Alert, AlertKind, Effects, LedgerEntry, Sums};
use super::period::PeriodWindow;
use super::spec::Quota;

/// Features that one tenant can have counters for in one quota: features are free text, and
/// memory is not. Further ones share the counter [`POOL`].
pub const MAX_FEATURES: usize = 1_000;
/// No feature can have this name.
pub const POOL: &str = "(other)";
/// How far ahead of the log's clock a window may begin to be kept. The gateway takes no event that
/// is more than 5 minutes ahead.
pub const MAX_AHEAD_US: i64 = 15 * 60 * 1_000_000;
/// Namespace of alert ids (UUIDv5).
const ALERT_NAMESPACE: Uuid = Uuid::from_u128(0x6d65_7465_7264_5f61_816c_6572_7473_0001);

/// Units that a take or a report put into a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) quota: Uuid,
    /// The counters it is in: those that began with this change of the quota.
    pub(crate) generation: u64,
    pub(crate) window_us: i64,
    pub(crate) quantity: i64,
    /// The books show it in the row that the tenant's further features share.
    pub(crate) pooled: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Use {
    pub(crate) used: i128,
    pub(crate) reserved: i128,
    /// The threshold is reached.
    pub(crate) alerted: bool,
}

/// By start of the window: the current one and later ones.
type Counter = BTreeMap<i64, Use>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limit {
    pub(crate) quota: Quota,
    /// The change that made it what it is.
    pub(crate) version: u64,
    /// The change that its counters began with.
    pub(crate) generation: u64,
    /// Events up to this sequence were in the totals that it began with.
    pub(crate) seeded_seq: u64,
    /// Start of the first window that is counted whole.
    pub(crate) since_us: i64,
    /// The one that the log's clock is in.
    pub(crate) window: PeriodWindow,
    /// By tenant and feature.
    counters: BTreeMap<Box<str>, BTreeMap<Box<str>, Counter>>,
}

/// Whose counter.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) feature: &'a str,
}

impl Limit {
    pub(crate) fn new(quota: Quota, version: u64, seeded_seq: u64, clock_us: i64) -> Self {
        let window = quota.calendar.window(instant(clock_us));
        Self {
            quota,
            version,
            generation: version,
            seeded_seq,
            since_us: window.start_us,
            window,
            counters: BTreeMap::new(),
        }
    }

    pub(crate) fn window_of(&self, instant_us: i64) -> PeriodWindow {
        if self.window.contains(instant_us) {
            return self.window;
        }
        self.quota.calendar.window(instant(instant_us))
    }

    /// Moves to the window of the clock and forgets what is over.
    pub(crate) fn roll(&mut self, clock_us: i64) {
        self.window = self.window_of(clock_us);
        let start = self.window.start_us;
        for features in self.counters.values_mut() {
            for counter in features.values_mut() {
                *counter = counter.split_off(&start);
            }
            features.retain(|_, counter| !counter.is_empty());
        }
        self.counters.retain(|_, features| !features.is_empty());
    }

    /// A new feature shares the pool as long as there is one: what it has in there must not be
    /// forgotten for a counter of its own.
    pub(crate) fn is_pooled(&self, whose: Whose<'_>) -> bool {
        self.counters.get(whose.tenant).is_some_and(|features| {
            !features.contains_key(whose.feature)
                && (features.contains_key(POOL) || features.len() >= MAX_FEATURES)
        })
    }

    /// The counter that a feature's units are in, as long as any window of theirs is kept.
    fn counter_of<'a>(&self, whose: Whose<'a>) -> &'a str {
        if self.is_pooled(whose) {
            POOL
        } else {
            whose.feature
        }
    }

    fn current(&self, whose: Whose<'_>) -> Use {
        let feature = self.counter_of(whose);
        let counter = self.counters.get(whose.tenant).and_then(|f| f.get(feature));
        let current = counter.and_then(|counter| counter.get(&self.window.start_us));
        current.copied().unwrap_or_default()
    }

    pub(crate) fn state(&self, quota_id: Uuid, whose: Whose<'_>) -> LimitState {
        let current = self.current(whose);
        LimitState {
            quota_id,
            name: self.quota.name.clone(),
            period: self.quota.calendar.period,
            limit: self.quota.limit,
            enforcement: self.quota.enforcement,
            used: current.used,
            reserved: current.reserved,
            reset_at_us: self.window.end_us,
        }
    }

    /// Whether the window of `start_us` is kept: not over, and not too far ahead.
    pub(crate) fn keeps(&self, start_us: i64, clock_us: i64) -> bool {
        (self.window.start_us..=clock_us.saturating_add(MAX_AHEAD_US)).contains(&start_us)
    }

    /// Changes what is used and reserved; of a window that is over nothing is kept here.
    pub(crate) fn add(
        &mut self,
        whose: Whose<'_>,
        charge: &Charge,
        (used, reserved): (i64, i64),
        (clock_us, fx): (i64, &mut Effects),
    ) {
        if charge.window_us < self.window.start_us || (used, reserved) == (0, 0) {
            return;
        }
        let feature = self.counter_of(whose);
        let features = self.counters.entry(whose.tenant.into()).or_default();
        let counter = features.entry(feature.into()).or_default();
        let now = counter.entry(charge.window_us).or_default();
        now.used += i128::from(used);
        now.reserved += i128::from(reserved);
        let now = *now;
        let whose = Whose { feature, ..whose };
        if let Some(alerted) = self.alert(charge.quota, whose, charge.window_us, now, clock_us, fx)
            && let Some(kept) = self.find(whose, charge.window_us)
        {
            kept.alerted = alerted;
        }
    }

    fn find(&mut self, whose: Whose<'_>, window_us: i64) -> Option<&mut Use> {
        let features = self.counters.get_mut(whose.tenant)?;
        features.get_mut(whose.feature)?.get_mut(&window_us)
    }

    /// Puts what was used before the quota was there. Alerts that it reaches are not raised.
    pub(crate) fn seed(&mut self, whose: Whose<'_>, window_us: i64, total: i64) {
        let feature = self.counter_of(whose);
        let features = self.counters.entry(whose.tenant.into()).or_default();
        let counter = features.entry(feature.into()).or_default();
        counter.entry(window_us).or_default().used += i128::from(total);
    }

    /// Arms what is below its threshold, and nothing is said of the rest.
    pub(crate) fn arm_silently(&mut self) {
        let quota = &self.quota;
        let counters = self.counters.values_mut().flat_map(BTreeMap::values_mut);
        for now in counters.flat_map(BTreeMap::values_mut) {
            now.alerted = quota.alerts(now.used);
        }
    }

    /// Takes on a change that leaves the windows as they are.
    pub(crate) fn change(&mut self, id: Uuid, quota: Quota, version: u64, at: (i64, &mut Effects)) {
        self.quota = quota;
        self.version = version;
        let (clock_us, fx) = at;
        let mut counters = std::mem::take(&mut self.counters);
        for (tenant, features) in &mut counters {
            for (feature, counter) in features {
                let whose = Whose { tenant, feature };
                for (start, now) in counter {
                    if let Some(alerted) = self.alert(id, whose, *start, *now, clock_us, fx) {
                        now.alerted = alerted;
                    }
                }
            }
        }
        self.counters = counters;
    }

    /// Raises an alert where the threshold is crossed; returns on which side it is now.
    fn alert(
        &self,
        quota_id: Uuid,
        whose: Whose<'_>,
        window_us: i64,
        now: Use,
        clock_us: i64,
        fx: &mut Effects,
    ) -> Option<bool> {
        let reached = self.quota.alerts(now.used);
        if reached == now.alerted {
            return None;
        }
        let kind = if reached {
            AlertKind::Reached
        } else {
            AlertKind::Recovered
        };
        let threshold = self.quota.alert_threshold.unwrap_or_default();
        let name = format!(
            "{quota_id}\0{}\0{}\0{window_us}\0{threshold}\0{}\0{}",
            whose.tenant,
            whose.feature,
            self.version,
            kind.as_str()
        );
        fx.alerts.push(Alert {
            id: Uuid::new_v5(&ALERT_NAMESPACE, name.as_bytes()),
            kind,
            quota_id,
            tenant_id: whose.tenant.into(),
            feature: whose.feature.into(),
            window: self.window_of(window_us),
            limit: self.quota.limit,
            threshold,
            used: now.used,
            at_us: clock_us,
        });
        Some(reached)
    }

    /// An entry of the books, for windows that are counted whole.
    pub(crate) fn book(
        &self,
        quota_id: Uuid,
        whose: Whose<'_>,
        (window_us, pooled): (i64, bool),
        sums: Sums,
        fx: &mut Effects,
    ) {
        if window_us < self.since_us || sums == Sums::default() {
            return;
        }
        fx.ledger.push(LedgerEntry {
            quota_id,
            generation: self.generation,
            tenant_id: whose.tenant.into(),
            feature: if pooled { POOL } else { whose.feature }.into(),
            window: self.window_of(window_us),
            sums,
        });
    }

    /// What is used and reserved, of every counter and window: (tenant, feature, start, use).
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&str, &str, i64, Use)> {
        self.counters.iter().flat_map(|(tenant, features)| {
            features.iter().flat_map(move |(feature, counter)| {
                let each = counter.iter();
                each.map(move |(start, now)| (&**tenant, &**feature, *start, *now))
            })
        })
    }
}

/// Log times and event times lie within the years 1 to 9999.
pub(crate) fn instant(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap_or_default()
}
