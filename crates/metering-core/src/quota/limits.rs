//! All quotas of a partition: which of them count a use, which are enforced, and what a use
//! changes in each.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::answer::LimitState;
use super::effect::{Effects, Sums};
use super::limit::{Charge, Limit, Whose};
use super::spec::{ANY, Quota};
use super::warming::{Delta, Warming};

/// A quota: what is enforced, and what will be once its past is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) active: Option<Limit>,
    pub(crate) warming: Option<Warming>,
}

impl Slot {
    /// What is enforced or else warming; whom they count is the same.
    pub(crate) fn quota(&self) -> Option<&Quota> {
        let active = self.active.as_ref().map(|limit| &limit.quota);
        active.or(self.warming.as_ref().map(|warming| &warming.quota))
    }
}

/// What uses: a tenant's use of a feature, of a resource if somebody named it.
#[derive(Clone, Copy)]
pub(crate) struct Usage<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) feature: &'a str,
    pub(crate) resource: Option<&'a str>,
}

impl<'a> Usage<'a> {
    pub(crate) fn whose(self) -> Whose<'a> {
        Whose {
            tenant: self.tenant,
            feature: self.feature,
        }
    }
}

/// What a report put into a counter, so that it can be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) charge: Charge,
    /// Start of the window of its timestamp.
    pub(crate) reported_us: i64,
    /// Its quantity; the charge's is 0 when its window is not kept.
    pub(crate) reported: i64,
}

/// How the units of a take stand in a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Reserved,
    Used,
}

/// The take that a report settles.
pub(crate) struct Settled<'a> {
    pub(crate) feature: &'a str,
    pub(crate) charges: &'a [Charge],
    pub(crate) standing: Standing,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    slots: BTreeMap<Uuid, Slot>,
    /// By tenant and feature, each of which may be [`ANY`].
    index: BTreeMap<Box<str>, BTreeMap<Box<str>, BTreeSet<Uuid>>>,
    /// When a window ends, and whose.
    due: BTreeSet<(i64, Uuid)>,
}

impl Limits {
    pub(crate) fn from_slots(slots: BTreeMap<Uuid, Slot>) -> Self {
        let mut limits = Self::default();
        for (id, slot) in slots {
            limits.put(id, slot);
        }
        limits
    }

    pub(crate) fn slots(&self) -> &BTreeMap<Uuid, Slot> {
        &self.slots
    }

    /// Puts a slot, or what became of it.
    pub(crate) fn put(&mut self, id: Uuid, slot: Slot) {
        if let Some(quota) = slot.quota() {
            let features = self
                .index
                .entry(quota.tenant_id.as_str().into())
                .or_default();
            let ids = features.entry(quota.feature.as_str().into()).or_default();
            ids.insert(id);
        }
        let end = slot.active.as_ref().and_then(|limit| limit.window.end_us);
        self.due.extend(end.map(|end| (end, id)));
        self.slots.insert(id, slot);
    }

    /// Takes a slot out, to change it or for good.
    pub(crate) fn take(&mut self, id: Uuid) -> Option<Slot> {
        let slot = self.slots.remove(&id)?;
        if let Some(end) = slot.active.as_ref().and_then(|limit| limit.window.end_us) {
            self.due.remove(&(end, id));
        }
        if let Some(quota) = slot.quota()
            && let Some(features) = self.index.get_mut(quota.tenant_id.as_str())
            && let Some(ids) = features.get_mut(quota.feature.as_str())
        {
            ids.remove(&id);
            if ids.is_empty() {
                features.remove(quota.feature.as_str());
            }
            if features.is_empty() {
                self.index.remove(quota.tenant_id.as_str());
            }
        }
        Some(slot)
    }

    /// Moves every quota to the window of the clock.
    pub(crate) fn roll(&mut self, clock_us: i64) {
        while let Some((end, id)) = self.due.first().copied()
            && end <= clock_us
        {
            self.due.pop_first();
            if let Some(limit) = self.slots.get_mut(&id).and_then(|s| s.active.as_mut()) {
                limit.roll(clock_us);
                self.due.extend(limit.window.end_us.map(|end| (end, id)));
            }
        }
    }

    /// The quotas that count this use.
    fn matching(&self, usage: Usage<'_>) -> Vec<Uuid> {
        let features = [usage.tenant, ANY].map(|tenant| self.index.get(tenant));
        let ids = features.into_iter().flatten().flat_map(|features| {
            let ids = [usage.feature, ANY].map(|feature| features.get(feature));
            ids.into_iter().flatten().flatten().copied()
        });
        let counts = |id: &Uuid| {
            let quota = self.slots.get(id).and_then(Slot::quota);
            quota.is_some_and(|quota| quota.counts_resource(usage.resource))
        };
        ids.filter(counts).collect()
    }

    fn active(&self, id: Uuid) -> Option<&Limit> {
        self.slots.get(&id)?.active.as_ref()
    }

    /// The limit that a charge is in, unless its counters are gone.
    fn charged(&mut self, charge: &Charge) -> Option<&mut Limit> {
        let limit = self.slots.get_mut(&charge.quota)?.active.as_mut()?;
        (limit.generation == charge.generation).then_some(limit)
    }

    /// The limits that apply: of each name the most specific ones. By period, then id.
    pub(crate) fn applying(&self, usage: Usage<'_>) -> Vec<LimitState> {
        let ids = self.matching(usage);
        let all = ids.iter().filter_map(|id| Some((*id, self.active(*id)?)));
        let all: Vec<(Uuid, &Limit)> = all.collect();
        let overridden = |limit: &Limit| {
            all.iter().any(|(_, other)| {
                other.quota.name == limit.quota.name
                    && other.quota.resource == limit.quota.resource
                    && other.quota.specificity() < limit.quota.specificity()
            })
        };
        let applying = all.iter().filter(|(_, limit)| !overridden(limit));
        let states = applying.map(|(id, limit)| limit.state(*id, usage.whose()));
        let mut states: Vec<LimitState> = states.collect();
        states.sort_by_key(|state| (state.period, state.quota_id));
        states
    }

    /// Takes units from every quota that counts the use, in its current window.
    pub(crate) fn charge(
        &mut self,
        usage: Usage<'_>,
        quantity: i64,
        standing: Standing,
        at: (i64, &mut Effects),
    ) -> Vec<Charge> {
        let (clock_us, fx) = at;
        let mut charges = Vec::new();
        for id in self.matching(usage) {
            let Some(limit) = self.active(id) else {
                continue;
            };
            let charge = Charge {
                quota: id,
                generation: limit.generation,
                window_us: limit.window.start_us,
                quantity,
                pooled: limit.is_pooled(usage.whose()),
            };
            self.put_units(usage.whose(), &charge, standing, (clock_us, &mut *fx));
            charges.push(charge);
        }
        charges
    }

    pub(crate) fn put_units(
        &mut self,
        whose: Whose<'_>,
        charge: &Charge,
        standing: Standing,
        (clock_us, fx): (i64, &mut Effects),
    ) {
        let Some(limit) = self.charged(charge) else {
            return;
        };
        let (units, sums) = match standing {
            Standing::Reserved => ((0, charge.quantity), Sums::default()),
            Standing::Used => ((charge.quantity, 0), taken(charge.quantity)),
        };
        limit.add(whose, charge, units, (clock_us, &mut *fx));
        let place = (charge.window_us, charge.pooled);
        limit.book(charge.quota, whose, place, sums, fx);
    }

    /// Gives the units of a take back.
    pub(crate) fn give_back(
        &mut self,
        whose: Whose<'_>,
        charges: &[Charge],
        standing: Standing,
        (clock_us, fx): (i64, &mut Effects),
    ) {
        for charge in charges {
            let negative = Charge {
                quantity: -charge.quantity,
                ..*charge
            };
            self.put_units(whose, &negative, standing, (clock_us, &mut *fx));
        }
    }

    /// A limit has begun: what is over its threshold by now is no news.
    pub(crate) fn arm(&mut self, id: Uuid) {
        if let Some(limit) = self.slots.get_mut(&id).and_then(|s| s.active.as_mut()) {
            limit.arm_silently();
        }
    }

    /// Turns a hold into use of `quantity`.
    pub(crate) fn commit(
        &mut self,
        whose: Whose<'_>,
        charges: &mut [Charge],
        quantity: i64,
        (clock_us, fx): (i64, &mut Effects),
    ) {
        for charge in charges {
            let held = charge.quantity;
            charge.quantity = quantity;
            if let Some(limit) = self.charged(charge) {
                limit.add(whose, charge, (quantity, -held), (clock_us, &mut *fx));
                let sums = Sums {
                    overshoot: i128::from((quantity - held).max(0)),
                    ..taken(quantity)
                };
                let place = (charge.window_us, charge.pooled);
                limit.book(charge.quota, whose, place, sums, fx);
            }
        }
    }

    /// Counts an event, in place of the take that it settles if there is one.
    pub(crate) fn report(
        &mut self,
        usage: Usage<'_>,
        (seq, timestamp_us, quantity): (u64, i64, i64),
        settled: Option<&Settled<'_>>,
        (clock_us, fx): (i64, &mut Effects),
    ) -> Vec<Counted> {
        let whose = usage.whose();
        let mut counted = Vec::new();
        for id in self.matching(usage) {
            let Some(slot) = self.slots.get_mut(&id) else {
                continue;
            };
            if let Some(warming) = &mut slot.warming {
                counted.push(warming.report(id, whose, (seq, timestamp_us, quantity)));
            }
            let Some(limit) = &mut slot.active else {
                continue;
            };
            let reported = limit.window_of(timestamp_us).start_us;
            let pooled = limit.is_pooled(whose);
            let sums = Sums {
                reported: quantity.into(),
                ..Sums::default()
            };
            limit.book(id, whose, (reported, pooled), sums, fx);
            let taken = settled.and_then(|settled| {
                let same = settled.feature == usage.feature;
                let mut charges = settled.charges.iter().filter(|_| same);
                let of = |c: &&Charge| c.quota == id && c.generation == limit.generation;
                Some((charges.find(of)?, settled.standing))
            });
            let charge = if let Some((taken, standing)) = taken {
                settle(
                    limit,
                    whose,
                    taken,
                    standing,
                    (reported, quantity),
                    (clock_us, fx),
                )
            } else {
                let kept = limit.keeps(reported, clock_us);
                let charge = Charge {
                    quota: id,
                    generation: limit.generation,
                    window_us: reported,
                    quantity: if kept { quantity } else { 0 },
                    pooled,
                };
                limit.add(whose, &charge, (charge.quantity, 0), (clock_us, &mut *fx));
                charge
            };
            counted.push(Counted {
                charge,
                reported_us: reported,
                reported: quantity,
            });
        }
        if let Some(settled) = settled {
            // What it took from quotas that do not count the event is not used after all.
            let whose = Whose {
                feature: settled.feature,
                ..whose
            };
            let same = settled.feature == usage.feature;
            let replaced = |c: &Charge| {
                let of =
                    |n: &Counted| n.charge.quota == c.quota && n.charge.generation == c.generation;
                same && counted.iter().any(of)
            };
            let rest = settled.charges.iter().filter(|c| !replaced(c));
            let rest: Vec<Charge> = rest.copied().collect();
            self.give_back(whose, &rest, settled.standing, (clock_us, fx));
        }
        counted
    }

    /// Takes back what an event counted; `seq` is its own.
    pub(crate) fn uncount(
        &mut self,
        whose: Whose<'_>,
        seq: u64,
        counted: &[Counted],
        (clock_us, fx): (i64, &mut Effects),
    ) {
        for Counted {
            charge,
            reported_us,
            reported,
        } in counted
        {
            let Some(slot) = self.slots.get_mut(&charge.quota) else {
                continue;
            };
            if let Some(warming) = &mut slot.warming
                && warming.version == charge.generation
            {
                warming.deltas.push(Delta {
                    seq,
                    tenant: whose.tenant.into(),
                    feature: whose.feature.into(),
                    window_us: *reported_us,
                    quantity: -reported,
                });
            }
            let Some(limit) = &mut slot.active else {
                continue;
            };
            // The totals that it began with were without the event.
            if limit.generation != charge.generation || seq <= limit.seeded_seq {
                continue;
            }
            limit.add(whose, charge, (-charge.quantity, 0), (clock_us, &mut *fx));
            let sums = Sums {
                reported: -i128::from(*reported),
                corrected: i128::from(*reported),
                ..Sums::default()
            };
            let place = (*reported_us, charge.pooled);
            limit.book(charge.quota, whose, place, sums, fx);
            move_settled(limit, whose, charge, *reported_us, -charge.quantity, fx);
        }
    }
}

fn taken(quantity: i64) -> Sums {
    Sums {
        taken: quantity.into(),
        ..Sums::default()
    }
}

/// Replaces what was taken by what was really used, in the window of the take.
fn settle(
    limit: &mut Limit,
    whose: Whose<'_>,
    take: &Charge,
    standing: Standing,
    (reported_us, quantity): (i64, i64),
    (clock_us, fx): (i64, &mut Effects),
) -> Charge {
    let units = match standing {
        Standing::Reserved => (quantity, -take.quantity),
        Standing::Used => (quantity - take.quantity, 0),
    };
    limit.add(whose, take, units, (clock_us, &mut *fx));
    let charge = Charge { quantity, ..*take };
    let mut sums = Sums {
        overshoot: i128::from((quantity - take.quantity).max(0)),
        ..Sums::default()
    };
    if standing == Standing::Used {
        sums.settled = -i128::from(take.quantity);
    }
    limit.book(take.quota, whose, (take.window_us, take.pooled), sums, fx);
    move_settled(limit, whose, &charge, reported_us, quantity, fx);
    charge
}

/// An event's quantity counts in the window of its take, not in that of its timestamp.
fn move_settled(
    limit: &Limit,
    whose: Whose<'_>,
    take: &Charge,
    reported_us: i64,
    quantity: i64,
    fx: &mut Effects,
) {
    if take.window_us == reported_us {
        return;
    }
    for (window_us, quantity) in [(reported_us, -quantity), (take.window_us, quantity)] {
        let sums = Sums {
            settled: quantity.into(),
            ..Sums::default()
        };
        limit.book(take.quota, whose, (window_us, take.pooled), sums, fx);
    }
}
