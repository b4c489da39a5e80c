//! Quotas are set, begin with their past, and are deleted.

use uuid::Uuid;

use super::effect::{Effects, QuotaChange, Sums};
use super::limit::{Charge, Limit, Whose};
use super::limits::Slot;
use super::outcome::{QuotaReply, Reply};
use super::spec::{ANY, Quota};
use super::state::State;
use super::warming::{Seed, Warming};
use crate::position::RecordPosition;
use crate::record::Document;

/// The document of a record that deletes.
pub const DELETED: &str = "null";

/// A quota as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaStatus<'a> {
    pub id: Uuid,
    /// The change that made it so.
    pub version: u64,
    pub quota: &'a Quota,
    /// Its past is still being looked up.
    pub warming: bool,
}

impl State {
    /// Every quota; one that is changing is there as it was and as it will be.
    pub fn quotas(&self) -> impl Iterator<Item = QuotaStatus<'_>> {
        self.slots().iter().flat_map(|(id, slot)| {
            let active = slot.active.as_ref().map(|limit| QuotaStatus {
                id: *id,
                version: limit.version,
                quota: &limit.quota,
                warming: false,
            });
            let warming = slot.warming.as_ref().map(|warming| QuotaStatus {
                id: *id,
                version: warming.version,
                quota: &warming.quota,
                warming: true,
            });
            active.into_iter().chain(warming)
        })
    }

    /// The sequence from which on totals are good for the quota's seed, if it waits for one.
    pub fn warms_since(&self, id: Uuid, version: u64) -> Option<u64> {
        let warming = self.slots().get(&id)?.warming.as_ref()?;
        (warming.version == version).then_some(warming.since_seq)
    }

    pub(crate) fn quota(
        &mut self,
        at: RecordPosition,
        document: &Document<'_>,
        fx: &mut Effects,
    ) -> Reply {
        Reply::Quota(self.try_quota(at, document, fx))
    }

    fn try_quota(
        &mut self,
        at: RecordPosition,
        document: &Document<'_>,
        fx: &mut Effects,
    ) -> QuotaReply {
        let (id, version) = (document.id, document.version);
        if document.json == DELETED {
            if self.limits.take(id).is_none() {
                return QuotaReply::NotFound;
            }
            fx.quotas.push(QuotaChange::Deleted { quota_id: id });
            return QuotaReply::Deleted;
        }
        let Some(quota) = Quota::from_record(document.json).filter(|quota| quota.id() == id) else {
            return QuotaReply::Ignored;
        };
        let mut slot = self.limits.take(id).unwrap_or_default();
        let reply = match &mut slot.active {
            Some(limit) if limit.quota.calendar == quota.calendar => {
                limit.change(id, quota, version, (self.clock_us, &mut *fx));
                fx.quotas.push(in_effect(id, limit));
                slot.warming = None;
                QuotaReply::InEffect
            }
            _ => {
                slot.warming = Some(Warming::new(quota, version, at.seq));
                QuotaReply::Warming
            }
        };
        self.limits.put(id, slot);
        reply
    }

    /// Begins with a quota's past, if that is what it waits for.
    pub(crate) fn seed(&mut self, document: &Document<'_>, fx: &mut Effects) {
        let (id, version) = (document.id, document.version);
        let Ok(seed) = serde_json::from_str::<Seed>(document.json) else {
            return;
        };
        let Some(mut slot) = self.limits.take(id) else {
            return;
        };
        if let Some(limit) = self.seeded(&mut slot, version, seed) {
            fx.quotas.push(in_effect(id, &limit));
            slot = Slot {
                active: Some(limit),
                warming: None,
            };
            self.limits.put(id, slot);
            self.begin(id, fx);
        } else {
            self.limits.put(id, slot);
        }
    }

    fn seeded(&self, slot: &mut Slot, version: u64, seed: Seed) -> Option<Limit> {
        let warming = slot.warming.as_mut().filter(|w| w.version == version)?;
        if !warming.suits(&seed, self.clock_us) {
            return None;
        }
        let seq = seed.seq;
        let totals = warming.collect(seed)?;
        Some(warming.begin(&totals, seq, self.clock_us))
    }

    /// Books what a limit begins with, and adds the takes that no event has settled yet.
    fn begin(&mut self, id: Uuid, fx: &mut Effects) {
        let Some(limit) = self.slots().get(&id).and_then(|slot| slot.active.as_ref()) else {
            return;
        };
        for (tenant, feature, window_us, now) in limit.counters() {
            let whose = Whose { tenant, feature };
            let sums = Sums {
                reported: now.used,
                ..Sums::default()
            };
            limit.book(id, whose, (window_us, false), sums, fx);
        }
        let (quota, generation) = (limit.quota.clone(), limit.generation);
        let mut silent = Effects::default();
        let only = (quota.tenant_id != ANY).then_some(quota.tenant_id.as_str());
        for (tenant, memory) in &mut self.tenants {
            if only.is_some_and(|only| only != &**tenant) {
                continue;
            }
            for take in memory.takes.values_mut() {
                let counts = (quota.feature == ANY || quota.feature == *take.feature)
                    && quota.counts_resource(take.resource.as_deref());
                let standing = take.phase.standing().filter(|_| counts);
                let Some(standing) = standing else { continue };
                let Some(limit) = self.limits.slots().get(&id).and_then(|s| s.active.as_ref())
                else {
                    continue;
                };
                let whose = Whose {
                    tenant,
                    feature: &take.feature,
                };
                let charge = Charge {
                    quota: id,
                    generation,
                    window_us: limit.window_of(take.taken_us).start_us,
                    quantity: take.units(),
                    pooled: limit.is_pooled(whose),
                };
                let at = (self.clock_us, &mut silent);
                self.limits.put_units(whose, &charge, standing, at);
                take.charges.push(charge);
            }
        }
        fx.ledger.append(&mut silent.ledger);
        self.limits.arm(id);
    }
}

fn in_effect(quota_id: Uuid, limit: &Limit) -> QuotaChange {
    QuotaChange::InEffect {
        quota_id,
        version: limit.version,
        generation: limit.generation,
        quota: limit.quota.clone(),
    }
}
