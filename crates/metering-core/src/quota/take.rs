//! Consume, reserve, commit, release, cancel, expiry: the life of a take.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::answer::Answer;
use super::effect::Effects;
use super::limit::{Charge, Whose};
use super::limits::{Standing, Usage};
use super::outcome::{Reply, ResolveReply, TakeReply};
use super::state::State;
use crate::event::is_identifier;
use crate::limits::MAX_QUANTITY;
use crate::position::RecordPosition;
use crate::record::{self, Resolve};

/// The longest hold.
pub const MAX_TTL_SECONDS: u32 = 24 * 60 * 60;
/// How far ahead a record may be willing to take effect: so long a withdrawn one is remembered.
pub const MAX_NOT_AFTER_US: i64 = 10 * 60 * 1_000_000;
/// Attempts of one take that a cancel can name; beyond them it cannot be withdrawn any more.
const MAX_ATTEMPTS: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Held {
        expires_us: i64,
    },
    Consumed,
    /// A hold that became use.
    Committed {
        quantity: i64,
    },
    /// Its event came: that is what counts.
    Settled {
        quantity: i64,
    },
    Released,
    Expired,
}

impl Phase {
    /// How its units stand, if it has any of its own.
    pub(crate) fn standing(self) -> Option<Standing> {
        match self {
            Self::Held { .. } => Some(Standing::Reserved),
            Self::Consumed | Self::Committed { .. } => Some(Standing::Used),
            Self::Settled { .. } | Self::Released | Self::Expired => None,
        }
    }
}

/// An allowed consume or reserve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Take {
    pub(crate) feature: Box<str>,
    pub(crate) resource: Option<Box<str>>,
    quantity: i64,
    is_reserve: bool,
    pub(crate) phase: Phase,
    /// Log time.
    pub(crate) taken_us: i64,
    pub(crate) charges: Vec<Charge>,
    answer: Box<Answer>,
    /// Attempts whose caller may have been told that it is allowed.
    live: BTreeSet<Uuid>,
    /// There were too many attempts: somebody was told.
    told: bool,
    /// The record that made it what it is, if it is no hold.
    pub(crate) since: Option<RecordPosition>,
}

impl Take {
    fn is_for(&self, take: &record::Take<'_>, is_reserve: bool) -> bool {
        &*self.feature == take.feature
            && self.resource.as_deref() == take.resource
            && self.quantity == take.quantity
            && self.is_reserve == is_reserve
    }

    fn attempt(&mut self, attempt: Uuid) {
        if self.live.len() < MAX_ATTEMPTS {
            self.live.insert(attempt);
        } else {
            self.told |= !self.live.contains(&attempt);
        }
    }

    /// Units it has of its own now.
    pub(crate) fn units(&self) -> i64 {
        match self.phase {
            Phase::Held { .. } | Phase::Consumed => self.quantity,
            Phase::Committed { quantity } => quantity,
            Phase::Settled { .. } | Phase::Released | Phase::Expired => 0,
        }
    }
}

impl State {
    pub(crate) fn take(
        &mut self,
        at: RecordPosition,
        take: &record::Take<'_>,
        is_reserve: bool,
        fx: &mut Effects,
    ) -> Reply {
        if !self.is_timely(take.not_after_us) || !is_well_formed(take, is_reserve) {
            return Reply::Take(TakeReply::Ignored);
        }
        let known = self.known(take, is_reserve);
        Reply::Take(known.unwrap_or_else(|| self.decide(at, take, is_reserve, fx)))
    }

    /// Whether a record may still take effect.
    fn is_timely(&self, not_after_us: i64) -> bool {
        let latest = self.clock_us.saturating_add(MAX_NOT_AFTER_US);
        (self.clock_us..=latest).contains(&not_after_us)
    }

    /// The reply to a take whose id, or attempt, is known.
    fn known(&mut self, take: &record::Take<'_>, is_reserve: bool) -> Option<TakeReply> {
        let tenant = self.tenants.get_mut(take.tenant_id)?;
        if tenant.tombstones.contains_key(&(take.id, take.attempt)) {
            return Some(TakeReply::Ignored);
        }
        if let Some(known) = tenant.takes.get_mut(&take.id) {
            if !known.is_for(take, is_reserve) {
                return Some(TakeReply::Conflict);
            }
            if matches!(known.phase, Phase::Released | Phase::Expired) {
                return Some(TakeReply::Ended);
            }
            known.attempt(take.attempt);
            return Some(TakeReply::Answered {
                answer: known.answer.clone(),
                repeated: true,
            });
        }
        let seen = tenant.reports.get(&take.id)?;
        if is_reserve
            || !seen.counts
            || &*seen.feature != take.feature
            || seen.quantity != take.quantity
        {
            return Some(TakeReply::Conflict);
        }
        // Its event has been counted already: there is nothing left to take.
        let limits = self.limits(take.tenant_id, take.feature, take.resource);
        let answer = Answer {
            quantity: take.quantity,
            ..Answer::new(limits, 0, false)
        };
        Some(TakeReply::Answered {
            answer: Box::new(Answer {
                allowed: true,
                ..answer
            }),
            repeated: true,
        })
    }

    fn decide(
        &mut self,
        at: RecordPosition,
        take: &record::Take<'_>,
        is_reserve: bool,
        fx: &mut Effects,
    ) -> TakeReply {
        let mut answer = self.check(take.tenant_id, take.feature, take.resource, take.quantity);
        if !answer.allowed {
            return TakeReply::Answered {
                answer: Box::new(answer),
                repeated: false,
            };
        }
        if is_reserve && self.order.holds.len() >= self.horizon.holds {
            return TakeReply::TooManyHolds;
        }
        answer.taken = take.quantity;
        let ttl_us = i64::from(take.ttl_seconds.unwrap_or_default()) * 1_000_000;
        let expires_us = self.clock_us + ttl_us;
        let (phase, standing) = if is_reserve {
            answer.expires_at_us = Some(expires_us);
            (Phase::Held { expires_us }, Standing::Reserved)
        } else {
            (Phase::Consumed, Standing::Used)
        };
        let usage = Usage {
            tenant: take.tenant_id,
            feature: take.feature,
            resource: take.resource,
        };
        let clock_us = self.clock_us;
        let charges = self
            .limits
            .charge(usage, take.quantity, standing, (clock_us, fx));
        let (name, tenant) = self.tenant(take.tenant_id);
        tenant.takes.insert(
            take.id,
            Take {
                feature: take.feature.into(),
                resource: take.resource.map(Into::into),
                quantity: take.quantity,
                is_reserve,
                phase,
                taken_us: clock_us,
                charges,
                answer: Box::new(answer.clone()),
                live: BTreeSet::from([take.attempt]),
                told: false,
                since: (!is_reserve).then_some(at),
            },
        );
        if is_reserve {
            self.order.holds.insert((expires_us, name, take.id));
        } else {
            self.order.takes.insert((at, name, take.id));
        }
        TakeReply::Answered {
            answer: Box::new(answer),
            repeated: false,
        }
    }

    /// Withdraws one attempt. Units are free again when no attempt is left whose caller may have
    /// been told that it has them.
    pub(crate) fn cancel(&mut self, cancel: &Resolve<'_>, fx: &mut Effects) {
        if !is_identifier(cancel.tenant_id) {
            return;
        }
        let (id, attempt) = (cancel.id, cancel.attempt);
        let latest = self.clock_us.saturating_add(MAX_NOT_AFTER_US);
        let until = cancel.not_after_us.min(latest);
        let clock_us = self.clock_us;
        if until >= clock_us {
            let (name, tenant) = self.tenant(cancel.tenant_id);
            let before = tenant.tombstones.insert((id, attempt), until);
            if let Some(before) = before {
                let before = (before, name.clone(), id, attempt);
                self.order.tombstones.remove(&before);
            }
            self.order.tombstones.insert((until, name, id, attempt));
        }
        let Some(tenant) = self.tenants.get_mut(cancel.tenant_id) else {
            return;
        };
        let Some(take) = tenant.takes.get_mut(&id) else {
            return;
        };
        let told = !take.live.remove(&attempt) || !take.live.is_empty() || take.told;
        let standing = match take.phase {
            Phase::Held { .. } => Standing::Reserved,
            Phase::Consumed => Standing::Used,
            // What was committed, settled or ended was told to somebody.
            _ => return,
        };
        if !told && let Some(take) = tenant.takes.remove(&id) {
            self.unqueue(cancel.tenant_id, id, &take);
            let whose = Whose {
                tenant: cancel.tenant_id,
                feature: &take.feature,
            };
            let at = (clock_us, fx);
            self.limits.give_back(whose, &take.charges, standing, at);
            self.drop_if_empty(cancel.tenant_id);
        }
    }

    pub(crate) fn commit(
        &mut self,
        at: RecordPosition,
        resolve: &Resolve<'_>,
        fx: &mut Effects,
    ) -> Reply {
        Reply::Resolved(self.try_commit(at, resolve, fx))
    }

    fn try_commit(
        &mut self,
        at: RecordPosition,
        resolve: &Resolve<'_>,
        fx: &mut Effects,
    ) -> ResolveReply {
        let quantity = resolve.quantity;
        let in_range = quantity.is_none_or(|q| (0..=MAX_QUANTITY).contains(&q));
        if !self.is_timely(resolve.not_after_us) || !in_range {
            return ResolveReply::Ignored;
        }
        let clock_us = self.clock_us;
        let Some(take) = self.reservation(resolve) else {
            return ResolveReply::NotFound;
        };
        match take.phase {
            Phase::Held { expires_us } => {
                let held = take.quantity;
                let quantity = quantity.unwrap_or(held);
                if quantity > held && !resolve.overshoot {
                    return ResolveReply::ExceedsHold { held };
                }
                take.phase = Phase::Committed { quantity };
                take.since = Some(at);
                let (mut charges, feature) =
                    (std::mem::take(&mut take.charges), take.feature.clone());
                let whose = Whose {
                    tenant: resolve.tenant_id,
                    feature: &feature,
                };
                let now = (clock_us, fx);
                self.limits.commit(whose, &mut charges, quantity, now);
                let (name, tenant) = self.tenant(resolve.tenant_id);
                if let Some(take) = tenant.takes.get_mut(&resolve.id) {
                    take.charges = charges;
                }
                self.order
                    .holds
                    .remove(&(expires_us, name.clone(), resolve.id));
                self.order.takes.insert((at, name, resolve.id));
                ResolveReply::Committed { quantity }
            }
            Phase::Committed { quantity: before } | Phase::Settled { quantity: before } => {
                if quantity.unwrap_or(before) == before {
                    ResolveReply::Committed { quantity: before }
                } else {
                    ResolveReply::Conflict
                }
            }
            Phase::Released => ResolveReply::Conflict,
            Phase::Expired => ResolveReply::Expired,
            Phase::Consumed => ResolveReply::NotFound,
        }
    }

    pub(crate) fn release(
        &mut self,
        at: RecordPosition,
        resolve: &Resolve<'_>,
        fx: &mut Effects,
    ) -> Reply {
        if !self.is_timely(resolve.not_after_us) {
            return Reply::Resolved(ResolveReply::Ignored);
        }
        let Some(take) = self.reservation(resolve) else {
            return Reply::Resolved(ResolveReply::NotFound);
        };
        let reply = match take.phase {
            Phase::Held { .. } => {
                self.end(resolve.tenant_id, resolve.id, Phase::Released, (at, fx));
                ResolveReply::Released
            }
            Phase::Released => ResolveReply::Released,
            Phase::Expired => ResolveReply::Expired,
            Phase::Committed { .. } | Phase::Settled { .. } => ResolveReply::Conflict,
            Phase::Consumed => ResolveReply::NotFound,
        };
        Reply::Resolved(reply)
    }

    fn reservation(&mut self, resolve: &Resolve<'_>) -> Option<&mut Take> {
        let tenant = self.tenants.get_mut(resolve.tenant_id)?;
        let take = tenant.takes.get_mut(&resolve.id)?;
        take.is_reserve.then_some(take)
    }

    /// Ends the holds whose time is over.
    pub(crate) fn expire(&mut self, at: RecordPosition, fx: &mut Effects) {
        while let Some((expires_us, tenant, id)) = self.order.holds.first().cloned()
            && expires_us <= self.clock_us
        {
            self.end(&tenant, id, Phase::Expired, (at, &mut *fx));
            self.order.holds.remove(&(expires_us, tenant, id));
        }
    }

    /// Gives a hold's units back; its id stays known.
    fn end(&mut self, tenant: &str, id: Uuid, phase: Phase, at: (RecordPosition, &mut Effects)) {
        let (at, fx) = at;
        let clock_us = self.clock_us;
        let (name, memory) = self.tenant(tenant);
        let Some(take) = memory.takes.get_mut(&id) else {
            return;
        };
        let charges = std::mem::take(&mut take.charges);
        let feature = take.feature.clone();
        if let Phase::Held { expires_us } = std::mem::replace(&mut take.phase, phase) {
            take.since = Some(at);
            self.order.holds.remove(&(expires_us, name.clone(), id));
            self.order.takes.insert((at, name, id));
        }
        let whose = Whose {
            tenant,
            feature: &feature,
        };
        self.limits
            .give_back(whose, &charges, Standing::Reserved, (clock_us, fx));
    }

    /// Takes a removed take out of the queues.
    fn unqueue(&mut self, tenant: &str, id: Uuid, take: &Take) {
        let name: Arc<str> = tenant.into();
        if let Phase::Held { expires_us } = take.phase {
            self.order.holds.remove(&(expires_us, name.clone(), id));
        }
        if let Some(since) = take.since {
            self.order.takes.remove(&(since, name, id));
        }
    }
}

fn is_well_formed(take: &record::Take<'_>, is_reserve: bool) -> bool {
    let ttl = take.ttl_seconds;
    (1..=MAX_QUANTITY).contains(&take.quantity)
        && is_identifier(take.tenant_id)
        && is_identifier(take.feature)
        && take.resource.is_none_or(is_identifier)
        && (!is_reserve || ttl.is_some_and(|ttl| (1..=MAX_TTL_SECONDS).contains(&ttl)))
}
