//! What is answered: the limits that apply at a position, and whether a request fits them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::period::Period;
use super::spec::Enforcement;

/// One limit as it stands at a position, before anything is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitState {
    pub quota_id: Uuid,
    pub name: String,
    pub period: Period,
    pub limit: i64,
    pub enforcement: Enforcement,
    pub used: i128,
    pub reserved: i128,
    /// When its window ends, µs since the epoch; `None`: never.
    pub reset_at_us: Option<i64>,
}

impl LimitState {
    /// Units left before anything is taken; negative where more was used than allowed.
    pub fn left(&self) -> i128 {
        i128::from(self.limit) - self.used - self.reserved
    }

    pub fn fits(&self, quantity: i64) -> bool {
        i128::from(quantity) <= self.left()
    }
}

/// The decision about one request, and all that it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub allowed: bool,
    pub quantity: i64,
    /// What the request took: its quantity, or 0 for a check, for a denied one, and for one whose
    /// event had been counted before.
    pub taken: i64,
    /// Each limit that applies, as it stood before.
    pub limits: Vec<LimitState>,
    /// When a reservation ends by itself, µs since the epoch.
    pub expires_at_us: Option<i64>,
}

impl Answer {
    /// Allowed if and only if every hard limit has room, and, with `default_deny`, some limit
    /// counts.
    pub(crate) fn new(limits: Vec<LimitState>, quantity: i64, default_deny: bool) -> Self {
        let fits = limits
            .iter()
            .all(|limit| limit.enforcement != Enforcement::Hard || limit.fits(quantity));
        let mut counting = limits.iter().map(|limit| limit.enforcement);
        let allowed = fits && (!default_deny || counting.any(|e| e != Enforcement::Shadow));
        Self {
            allowed,
            quantity,
            taken: 0,
            limits,
            expires_at_us: None,
        }
    }

    /// The limit that the answer is about: the scarcest of those that deny, or of all that count.
    pub fn binding(&self) -> Option<&LimitState> {
        let counting = self.limits.iter().filter(|limit| match limit.enforcement {
            Enforcement::Hard => self.allowed || !limit.fits(self.quantity),
            Enforcement::Soft => self.allowed,
            Enforcement::Shadow => false,
        });
        counting.min_by_key(|limit| (limit.left(), limit.period, limit.quota_id))
    }

    /// When it is worth asking again: for a denied request the latest reset among the limits that
    /// deny it, `None` when one of them never resets or there is none; else the binding limit's.
    pub fn reset_at_us(&self) -> Option<i64> {
        if self.allowed {
            return self.binding()?.reset_at_us;
        }
        let denying = self
            .limits
            .iter()
            .filter(|limit| limit.enforcement == Enforcement::Hard && !limit.fits(self.quantity));
        let resets: Option<Vec<i64>> = denying.map(|limit| limit.reset_at_us).collect();
        resets?.into_iter().max()
    }

    /// Units left of `limit` after this request.
    pub fn remaining(&self, limit: &LimitState) -> i64 {
        let left = limit.left() - i128::from(self.taken);
        i64::try_from(left.max(0)).unwrap_or(i64::MAX)
    }

    /// Units by which `limit` is exceeded, with this request.
    pub fn overage(&self, limit: &LimitState) -> i64 {
        let over = i128::from(self.taken) - limit.left();
        i64::try_from(over.max(0)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(id: u128, limit: i64, used: i128, enforcement: Enforcement) -> LimitState {
        LimitState {
            quota_id: Uuid::from_u128(id),
            name: "n".to_owned(),
            period: Period::Daily,
            limit,
            enforcement,
            used,
            reserved: 0,
            reset_at_us: Some(i64::try_from(id).unwrap()),
        }
    }

    #[test]
    fn a_deny_names_a_limit_it_did_not_fit_and_the_latest_reset() {
        let limits = vec![
            limit(1, 10, 9, Enforcement::Hard),
            limit(2, 100, 0, Enforcement::Hard),
            limit(3, 10, 8, Enforcement::Hard),
            limit(9, 10, 50, Enforcement::Soft),
        ];
        let answer = Answer::new(limits, 5, false);
        assert!(!answer.allowed);
        assert_eq!(answer.binding().unwrap().quota_id, Uuid::from_u128(1));
        assert_eq!(answer.reset_at_us(), Some(3));
        let mut forever = answer.clone();
        forever.limits[2].reset_at_us = None;
        assert_eq!(forever.reset_at_us(), None);
    }

    #[test]
    fn soft_tells_the_overage_and_shadow_is_silent() {
        let soft = Answer::new(vec![limit(1, 10, 12, Enforcement::Soft)], 3, false);
        let soft = Answer { taken: 3, ..soft };
        let binding = soft.binding().unwrap();
        assert!(soft.allowed);
        assert_eq!((soft.remaining(binding), soft.overage(binding)), (0, 5));
        let shadow = Answer::new(vec![limit(1, 10, 12, Enforcement::Shadow)], 3, false);
        assert!(shadow.allowed && shadow.binding().is_none());
        let denied = Answer::new(shadow.limits, 3, true);
        assert!(!denied.allowed && denied.binding().is_none());
        assert_eq!(denied.reset_at_us(), None);
    }
}
