//! The events: all but id and time follow from an event's number, so what the totals must be is
//! known without a record of what was sent.

use std::time::Instant;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

const TENANTS: u64 = 100;
const RESOURCES: u64 = 10;
const FEATURES: u64 = 20;
/// A prime, so that the groups' quantities differ and one event cannot stand in for another.
const QUANTITIES: u64 = 997;

/// Tenant, resource, feature.
pub(crate) type Group = (String, String, String);

/// Makes events, and knows what time it is for them.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    started_at: DateTime<Utc>,
    started: Instant,
}

impl Source {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub(crate) fn start() -> Self {
        Self {
            started_at: Utc::now(),
            started: Instant::now(),
        }
    }

    /// When it began.
    pub(crate) fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// A range that has all events in it, as `from` and `to`.
    pub(crate) fn range(&self) -> [String; 2] {
        let day = TimeDelta::days(1);
        [self.started_at - day, self.started_at + day].map(rfc3339)
    }

    /// Event number `n` as it is sent, with a new id.
    pub(crate) fn event(&self, n: u64) -> Value {
        let (tenant, resource, feature) = group(n);
        let at = self.started_at + self.started.elapsed();
        json!({
            "id": Uuid::now_v7(), "tenant_id": tenant, "resource": resource, "feature": feature,
            "quantity": quantity(n), "timestamp": rfc3339(at),
            "metadata": { "user": format!("u_{}", n % 1009), "order": format!("ord_{n}") },
        })
    }
}

pub(crate) fn group(n: u64) -> Group {
    (
        format!("org_{:03}", n % TENANTS),
        format!("resource_{}", n / TENANTS % RESOURCES),
        format!("feature_{}", n / (TENANTS * RESOURCES) % FEATURES),
    )
}

pub(crate) fn quantity(n: u64) -> u64 {
    1 + n % QUANTITIES
}

pub(crate) fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
