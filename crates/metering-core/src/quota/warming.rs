//! A quota whose past is being looked up. What happens meanwhile is kept by position, so that it
//! can be added to totals of whatever position those turn out to be of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::limit::{Charge, Limit, Whose, instant};
use super::limits::Counted;
use super::spec::Quota;

/// Events that a quota may wait through; more, and it has to be set again.
pub(super) const MAX_DELTAS: usize = 1_000_000;

/// Use reported at a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delta {
    pub(crate) seq: u64,
    pub(crate) tenant: Box<str>,
    pub(crate) feature: Box<str>,
    pub(crate) window_us: i64,
    pub(crate) quantity: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Warming {
    pub(crate) quota: Quota,
    pub(crate) version: u64,
    /// Sequence of the change: totals of a later position are complete with the deltas.
    pub(crate) since_seq: u64,
    pub(crate) deltas: Vec<Delta>,
    /// Parts of a seed that have come so far.
    pub(crate) collected: Option<Collected>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Collected {
    seed: Uuid,
    parts: u32,
    totals: Vec<Total>,
}

/// The past of a new quota, in one or more records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed {
    /// Parts of one reading have one id.
    pub seed: Uuid,
    /// From 0.
    pub part: u32,
    pub last: bool,
    /// The totals are those of the log up to here.
    pub seq: u64,
    /// They are complete for windows that begin from here…
    pub from_us: i64,
    /// …to here.
    pub until_us: i64,
    pub totals: Vec<Total>,
}

/// Use reported by a tenant of a feature in the window that begins at `window_us`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    pub tenant: Box<str>,
    pub feature: Box<str>,
    pub window_us: i64,
    pub quantity: i64,
}

impl Warming {
    pub(crate) fn new(quota: Quota, version: u64, since_seq: u64) -> Self {
        Self {
            quota,
            version,
            since_seq,
            deltas: Vec::new(),
            collected: None,
        }
    }

    pub(crate) fn report(
        &mut self,
        id: Uuid,
        whose: Whose<'_>,
        (seq, timestamp_us, quantity): (u64, i64, i64),
    ) -> Counted {
        let window = self.quota.calendar.window(instant(timestamp_us));
        if self.deltas.len() < MAX_DELTAS {
            self.deltas.push(Delta {
                seq,
                tenant: whose.tenant.into(),
                feature: whose.feature.into(),
                window_us: window.start_us,
                quantity,
            });
        }
        Counted {
            charge: Charge {
                quota: id,
                generation: self.version,
                window_us: window.start_us,
                quantity,
                pooled: false,
            },
            reported_us: window.start_us,
            reported: quantity,
        }
    }

    /// Takes a part of the seed. With the last one: the totals of all of them.
    pub(crate) fn collect(&mut self, seed: Seed) -> Option<Vec<Total>> {
        let mut collected = match self.collected.take() {
            _ if seed.part == 0 => Collected {
                seed: seed.seed,
                parts: 0,
                totals: Vec::new(),
            },
            Some(collected) if (collected.seed, collected.parts) == (seed.seed, seed.part) => {
                collected
            }
            // Somebody else's reading is under way, or a part is missing.
            other => {
                self.collected = other;
                return None;
            }
        };
        collected.parts += 1;
        collected.totals.extend(seed.totals);
        if seed.last {
            return Some(collected.totals);
        }
        self.collected = Some(collected);
        None
    }

    /// Whether totals of position `seq` for the windows from `from_us` to `until_us` are enough.
    pub(crate) fn suits(&self, seed: &Seed, clock_us: i64) -> bool {
        let window = self.quota.calendar.window(instant(clock_us));
        seed.seq >= self.since_seq
            && seed.from_us <= window.start_us
            && seed.until_us >= clock_us.saturating_add(super::limit::MAX_AHEAD_US)
            && self.deltas.len() < MAX_DELTAS
    }

    /// The limit that begins with these totals of position `seq` and what came after it.
    pub(crate) fn begin(&self, totals: &[Total], seq: u64, clock_us: i64) -> Limit {
        let mut limit = Limit::new(self.quota.clone(), self.version, seq, clock_us);
        let mut sums = BTreeMap::<(&str, &str, i64), i128>::new();
        for total in totals {
            let key = (&*total.tenant, &*total.feature, total.window_us);
            *sums.entry(key).or_default() += i128::from(total.quantity);
        }
        for delta in self.deltas.iter().filter(|delta| delta.seq > seq) {
            let key = (&*delta.tenant, &*delta.feature, delta.window_us);
            *sums.entry(key).or_default() += i128::from(delta.quantity);
        }
        for ((tenant, feature, window_us), sum) in sums {
            let whose = Whose { tenant, feature };
            if sum != 0 && limit.keeps(window_us, clock_us) {
                let sum = i64::try_from(sum).unwrap_or(i64::MAX);
                limit.seed(whose, window_us, sum);
            }
        }
        limit
    }
}
