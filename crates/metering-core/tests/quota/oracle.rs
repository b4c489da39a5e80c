//! The specification in the plainest words: no counters, every question is answered by looking
//! through everything that ever happened.

use std::collections::{BTreeMap, BTreeSet};

use metering_core::Record;
use metering_core::quota::{ANY, DELETED, Enforcement, Quota, Seed, Stamp, Total};
use metering_core::record::{Document, Report, Resolve, Take};
use uuid::Uuid;

const SKEW: i64 = 5_000_000;

/// What an answer must say: allowed or not, or one of the replies without units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Denied,
    Conflict,
    Ended,
    Ignored,
    Committed(i64),
    Released,
    Expired,
    ExceedsHold,
    NotFound,
    Nothing,
}

#[derive(Clone)]
struct Event {
    report: Report<'static>,
    seq: u64,
    /// The take it stands for.
    settles: Option<usize>,
    counts: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Life {
    Held(i64),
    Consumed,
    Committed(i64),
    Settled,
    Released,
    Expired,
    Withdrawn,
}

struct Taken {
    take: Take<'static>,
    reserve: bool,
    at: i64,
    life: Life,
    /// Sequence of the record that settled it.
    settled_at: u64,
    live: BTreeSet<Uuid>,
}

struct InForce {
    quota: Quota,
    /// Sequence of the seed.
    begun: u64,
    /// The position of its totals.
    seeded: u64,
}

#[derive(Default)]
pub(crate) struct Oracle {
    pub(crate) clock: i64,
    seq: u64,
    events: Vec<Event>,
    takes: Vec<Taken>,
    quotas: BTreeMap<Uuid, InForce>,
    warming: BTreeMap<Uuid, (Quota, u64, u64)>,
    /// Until when a withdrawn attempt is remembered.
    withdrawn: BTreeMap<(&'static str, Uuid, Uuid), i64>,
    default_deny: bool,
}

/// The worker will refuse this event: its tables never have it.
pub(crate) fn is_doomed(report: &Report<'_>) -> bool {
    report.id.as_u128().is_multiple_of(5)
}

/// Quota, used, reserved.
pub(crate) type Standing = (Uuid, i128, i128);

impl Oracle {
    pub(crate) fn apply(&mut self, stamp: Stamp, record: Record<'static>) -> Verdict {
        self.clock = self
            .clock
            .max(stamp.stream_time_us.min(stamp.sent_at_us + SKEW));
        self.seq = stamp.position.seq;
        for taken in &mut self.takes {
            if let Life::Held(until) = taken.life
                && until <= self.clock
            {
                taken.life = Life::Expired;
            }
        }
        match record {
            Record::Report(report) => self.report(report),
            Record::Consume(take) => self.take(take, false),
            Record::Reserve(take) => self.take(take, true),
            Record::Commit(resolve) => self.commit(resolve),
            Record::Release(resolve) => self.release(resolve),
            Record::Cancel(cancel) => self.cancel(cancel),
            Record::Void(amend) | Record::Correct(amend) => {
                let seq = amend.position.seq;
                for event in self.events.iter_mut().filter(|event| event.seq == seq) {
                    event.counts = false;
                }
                Verdict::Nothing
            }
            Record::Quota(document) => self.set(document),
            Record::QuotaSeed(document) => self.seed(document),
            Record::Rules(document) => {
                self.default_deny = document.json.contains("true");
                Verdict::Nothing
            }
            Record::Barrier { .. } => Verdict::Nothing,
        }
    }

    fn report(&mut self, report: Report<'static>) -> Verdict {
        let same = |e: &Event| (e.report.tenant_id, e.report.id) == (report.tenant_id, report.id);
        if self.events.iter().any(same) {
            return Verdict::Nothing;
        }
        let mine = |t: &Taken| {
            (t.take.tenant_id, t.take.id) == (report.tenant_id, report.id)
                && matches!(t.life, Life::Held(_) | Life::Consumed | Life::Committed(_))
        };
        let settles = self.takes.iter().position(mine);
        if let Some(take) = settles {
            self.takes[take].life = Life::Settled;
            self.takes[take].settled_at = self.seq;
        }
        self.events.push(Event {
            report,
            seq: self.seq,
            settles,
            counts: true,
        });
        Verdict::Nothing
    }

    fn find(&self, tenant: &str, id: Uuid) -> Option<usize> {
        self.takes.iter().rposition(|t| {
            (t.take.tenant_id, t.take.id) == (tenant, id) && t.life != Life::Withdrawn
        })
    }

    fn take(&mut self, take: Take<'static>, reserve: bool) -> Verdict {
        let withdrawn = (take.tenant_id, take.id, take.attempt);
        let until = self.withdrawn.get(&withdrawn);
        if take.not_after_us < self.clock || until.is_some_and(|until| *until >= self.clock) {
            return Verdict::Ignored;
        }
        if let Some(known) = self.find(take.tenant_id, take.id) {
            let known = &mut self.takes[known];
            let same = |t: &Take<'_>| {
                (t.feature, t.resource, t.quantity) == (take.feature, take.resource, take.quantity)
            };
            return if !same(&known.take) || known.reserve != reserve {
                Verdict::Conflict
            } else if matches!(known.life, Life::Released | Life::Expired) {
                Verdict::Ended
            } else {
                known.live.insert(take.attempt);
                Verdict::Allowed
            };
        }
        let mut events = self.events.iter();
        let same = |e: &&Event| (e.report.tenant_id, e.report.id) == (take.tenant_id, take.id);
        if let Some(event) = events.find(same) {
            let is_it =
                (event.report.feature, event.report.quantity) == (take.feature, take.quantity);
            return if !reserve && event.counts && is_it {
                Verdict::Allowed
            } else {
                Verdict::Conflict
            };
        }
        let applying = self.applying(take.tenant_id, take.feature, take.resource);
        let enforcement = |id: &Uuid| self.quotas[id].quota.enforcement;
        let fits = applying.iter().all(|(id, used, reserved)| {
            enforcement(id) != Enforcement::Hard
                || used + reserved + i128::from(take.quantity)
                    <= i128::from(self.quotas[id].quota.limit)
        });
        let counted = applying
            .iter()
            .any(|(id, ..)| enforcement(id) != Enforcement::Shadow);
        if !fits || self.default_deny && !counted {
            return Verdict::Denied;
        }
        let until = self.clock + i64::from(take.ttl_seconds.unwrap_or(0)) * 1_000_000;
        self.takes.push(Taken {
            take,
            reserve,
            at: self.clock,
            life: if reserve {
                Life::Held(until)
            } else {
                Life::Consumed
            },
            settled_at: 0,
            live: BTreeSet::from([take.attempt]),
        });
        Verdict::Allowed
    }

    fn cancel(&mut self, cancel: Resolve<'static>) -> Verdict {
        if cancel.not_after_us >= self.clock {
            let attempt = (cancel.tenant_id, cancel.id, cancel.attempt);
            self.withdrawn.insert(attempt, cancel.not_after_us);
        }
        if let Some(known) = self.find(cancel.tenant_id, cancel.id) {
            let known = &mut self.takes[known];
            let was_live = known.live.remove(&cancel.attempt);
            if was_live
                && known.live.is_empty()
                && matches!(known.life, Life::Held(_) | Life::Consumed)
            {
                known.life = Life::Withdrawn;
            }
        }
        Verdict::Nothing
    }

    fn commit(&mut self, resolve: Resolve<'static>) -> Verdict {
        if resolve.not_after_us < self.clock {
            return Verdict::Ignored;
        }
        let Some(known) = self.find(resolve.tenant_id, resolve.id) else {
            return Verdict::NotFound;
        };
        let real = self.events.iter().find(|e| e.settles == Some(known));
        let real = real.map(|event| event.report.quantity);
        let known = &mut self.takes[known];
        let asked = resolve.quantity;
        let again = |before: i64| match asked {
            Some(asked) if asked != before => Verdict::Conflict,
            _ => Verdict::Committed(before),
        };
        if !known.reserve {
            return Verdict::NotFound;
        }
        match known.life {
            Life::Held(_) if asked.unwrap_or(0) > known.take.quantity && !resolve.overshoot => {
                Verdict::ExceedsHold
            }
            Life::Held(_) => {
                let quantity = asked.unwrap_or(known.take.quantity);
                known.life = Life::Committed(quantity);
                Verdict::Committed(quantity)
            }
            Life::Committed(before) => again(before),
            Life::Settled => again(real.unwrap()),
            Life::Released => Verdict::Conflict,
            Life::Expired => Verdict::Expired,
            Life::Consumed | Life::Withdrawn => Verdict::NotFound,
        }
    }

    fn release(&mut self, resolve: Resolve<'static>) -> Verdict {
        if resolve.not_after_us < self.clock {
            return Verdict::Ignored;
        }
        let Some(known) = self.find(resolve.tenant_id, resolve.id) else {
            return Verdict::NotFound;
        };
        let known = &mut self.takes[known];
        if !known.reserve {
            return Verdict::NotFound;
        }
        match known.life {
            Life::Held(_) => {
                known.life = Life::Released;
                Verdict::Released
            }
            Life::Released => Verdict::Released,
            Life::Expired => Verdict::Expired,
            Life::Committed(_) | Life::Settled => Verdict::Conflict,
            Life::Consumed | Life::Withdrawn => Verdict::NotFound,
        }
    }

    fn set(&mut self, document: Document<'static>) -> Verdict {
        if document.json == DELETED {
            self.quotas.remove(&document.id);
            self.warming.remove(&document.id);
            return Verdict::Nothing;
        }
        let quota = Quota::from_record(document.json).unwrap();
        match self.quotas.get_mut(&document.id) {
            Some(force) if force.quota.calendar == quota.calendar => {
                force.quota = quota;
                self.warming.remove(&document.id);
            }
            _ => {
                let warming = (quota, document.version, self.seq);
                self.warming.insert(document.id, warming);
            }
        }
        Verdict::Nothing
    }

    fn seed(&mut self, document: Document<'static>) -> Verdict {
        let seed: Seed = serde_json::from_str(document.json).unwrap();
        let waits = self
            .warming
            .get(&document.id)
            .is_some_and(|(_, version, since)| *version == document.version && seed.seq >= *since);
        if waits {
            let (quota, ..) = self.warming.remove(&document.id).unwrap();
            let begun = self.seq;
            let seeded = seed.seq;
            let force = InForce {
                quota,
                begun,
                seeded,
            };
            self.quotas.insert(document.id, force);
        }
        Verdict::Nothing
    }

    fn counts(quota: &Quota, tenant: &str, feature: &str, resource: Option<&str>) -> bool {
        (quota.tenant_id == ANY || quota.tenant_id == tenant)
            && (quota.feature == ANY || quota.feature == feature)
            && quota
                .resource
                .as_deref()
                .is_none_or(|r| Some(r) == resource)
    }

    fn window(quota: &Quota, at: i64) -> i64 {
        let at = chrono::DateTime::from_timestamp_micros(at).unwrap();
        quota.calendar.window(at).start_us
    }

    /// The limits that apply, sorted by id, and how they stand in the clock's window.
    pub(crate) fn applying(
        &self,
        tenant: &str,
        feature: &str,
        resource: Option<&str>,
    ) -> Vec<Standing> {
        let rank = |q: &Quota| (q.tenant_id == ANY, q.feature == ANY);
        let matching: Vec<(&Uuid, &InForce)> = self
            .quotas
            .iter()
            .filter(|(_, force)| Self::counts(&force.quota, tenant, feature, resource))
            .collect();
        let best = |(_, force): &&(&Uuid, &InForce)| {
            matching.iter().all(|(_, other)| {
                other.quota.name != force.quota.name
                    || other.quota.resource != force.quota.resource
                    || rank(&other.quota) >= rank(&force.quota)
            })
        };
        let best = matching.iter().filter(best);
        best.map(|(id, force)| self.stand(**id, force, tenant, feature))
            .collect()
    }

    fn stand(&self, id: Uuid, force: &InForce, tenant: &str, feature: &str) -> Standing {
        let quota = &force.quota;
        let now = Self::window(quota, self.clock);
        let takes = |taken: &Taken| {
            (taken.take.tenant_id, taken.take.feature) == (tenant, feature)
                && Self::counts(quota, tenant, feature, taken.take.resource)
                && Self::window(quota, taken.at) == now
        };
        let (mut used, mut reserved) = (0, 0);
        for event in self.events.iter().filter(|event| event.counts) {
            let report = &event.report;
            if (report.tenant_id, report.feature) != (tenant, feature)
                || (is_doomed(report) && event.seq <= force.seeded)
                || !Self::counts(quota, tenant, feature, Some(report.resource))
            {
                continue;
            }
            // In the window of its take, if the quota counts that and was there when it came.
            let take = event.settles.map(|take| &self.takes[take]);
            let take = take.filter(|take| {
                take.settled_at > force.begun
                    && take.take.feature == feature
                    && Self::counts(quota, tenant, feature, take.take.resource)
            });
            let in_window = match take {
                Some(take) => Self::window(quota, take.at) == now,
                None => Self::window(quota, report.timestamp_us) == now,
            };
            if in_window {
                used += i128::from(report.quantity);
            }
        }
        for taken in self.takes.iter().filter(|taken| takes(taken)) {
            match taken.life {
                Life::Held(_) => reserved += i128::from(taken.take.quantity),
                Life::Consumed => used += i128::from(taken.take.quantity),
                Life::Committed(quantity) => used += i128::from(quantity),
                Life::Settled | Life::Released | Life::Expired | Life::Withdrawn => {}
            }
        }
        (id, used, reserved)
    }

    pub(crate) fn limit(&self, id: Uuid) -> (i64, Enforcement) {
        let quota = &self.quotas[&id].quota;
        (quota.limit, quota.enforcement)
    }

    /// What waits for its past: the quota, and its change.
    pub(crate) fn warming(&self) -> Vec<(Quota, u64)> {
        let all = self.warming.values();
        all.map(|(quota, version, _)| (quota.clone(), *version))
            .collect()
    }

    /// What the worker's tables say of a quota's past at a position.
    pub(crate) fn totals(&self, quota: &Quota, seq: u64) -> Vec<Total> {
        let mut totals = BTreeMap::<(&str, &str, i64), i64>::new();
        for event in &self.events {
            let report = &event.report;
            let (tenant, feature) = (report.tenant_id, report.feature);
            if !is_doomed(report)
                && event.seq <= seq
                && Self::counts(quota, tenant, feature, Some(report.resource))
            {
                let window = Self::window(quota, report.timestamp_us);
                *totals.entry((tenant, feature, window)).or_default() += report.quantity;
            }
        }
        let total = |((tenant, feature, window_us), quantity): ((&str, &str, i64), i64)| Total {
            tenant: tenant.into(),
            feature: feature.into(),
            window_us,
            quantity,
        };
        totals.into_iter().map(total).collect()
    }
}
